//! What tests share.

pub mod database;
mod postgres_server;
