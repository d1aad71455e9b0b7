//! What tests share.

pub mod database;
pub mod leaks;
pub mod needles;
mod postgres_server;
