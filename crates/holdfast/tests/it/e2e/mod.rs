//! The whole server on a real socket, its real clients, and both stand-ins: what the contract promises.

pub mod app;
mod bad_days;
mod connecting;
mod described;
mod erased;
mod faults;
mod first_call;
mod kept_token;
mod keys_away;
mod metrics;
mod on_postgres;
pub mod operations;
mod refreshing;
mod scopes;
mod service;
mod statuses;
mod verdicts;
