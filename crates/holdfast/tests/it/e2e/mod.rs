//! The whole server on a real socket, its real clients, and both stand-ins: what the contract
//! promises.

mod asking_clerk;
pub mod bad_days;
mod connecting;
mod consents;
mod contract;
pub mod described;
mod erased;
mod faults;
mod field_connecting;
mod field_refreshing;
mod field_rows;
mod field_service;
mod field_threads;
mod field_tokens;
mod field_webhooks;
mod first_call;
mod forward_auth;
mod journal;
mod kept_token;
mod keys_away;
mod metrics;
pub mod on_postgres;
pub mod operations;
mod refreshing;
mod scopes;
mod second_looks;
mod service;
mod statuses;
mod sweeping;
mod verdicts;
