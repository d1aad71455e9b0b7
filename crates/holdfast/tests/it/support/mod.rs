//! What tests share.

pub mod database;
pub mod leaks;
mod postgres_server;
