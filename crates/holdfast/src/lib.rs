//! Holdfast: Clerk session verification and Instagram connections that tell the truth.
//!
//! Two ideas never mix: *who is calling* ([`caller`]) and *what we know about their account*
//! ([`connections`]). Their errors are of different types, and only [`http`] knows both.
//!
//! Which module may use which is a table in ARCHITECTURE.md, held by a test.

mod address;
pub mod allocator;
pub mod app;
pub mod budget;
pub mod caller;
pub mod clerk;
pub mod cli;
pub mod client_address;
pub mod clock;
pub mod clock_watch;
pub mod connection;
pub mod connections;
mod counted;
mod digest;
pub mod display_text;
pub mod entropy;
pub mod http;
mod lock;
pub mod metric;
mod names;
mod nearest;
pub mod outbox;
pub mod overview;
mod per_thread;
pub mod process;
pub mod provider;
pub mod settings;
pub mod standard_webhooks;
pub mod standin;
pub mod store;
pub mod telemetry;
pub mod transport;
pub mod users;
pub mod vault;
pub mod worker;
