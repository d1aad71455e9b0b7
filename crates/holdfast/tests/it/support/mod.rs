//! What tests share.

pub mod database;
pub mod dice;
pub mod disk;
pub mod events;
pub mod leaks;
pub mod needles;
pub mod ports;
pub mod postgres_server;
pub mod relay;
pub mod serving;
pub mod waiting;
