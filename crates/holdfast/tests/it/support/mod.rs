//! What tests of several folders share; `main.rs` says with what a test begins.
//!
//! - A database: `database` makes one for a test, on the server of `postgres_server`; `relay`
//!   stands before it and breaks it; `disk` takes the power away.
//! - The test itself: `waiting` waits for a fact and never for a time, `dice` draws by seed,
//!   `ports` reserves a port, `serving` serves a router, `events` reads a stream.
//! - Secrets: `leaks` finds them in the log, `needles` in any text.

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
