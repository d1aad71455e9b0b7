//! What tests share.

pub mod database;
pub mod events;
pub mod leaks;
pub mod postgres_server;
