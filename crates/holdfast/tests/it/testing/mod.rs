//! What tests of several folders share; `main.rs` says with what a test begins.
//!
//! - A whole server with stand-ins for Clerk and Instagram is built here alone, over
//!   [`holdfast::standin::Outside`], which `holdfast dev` uses too: `app` runs it in this process,
//!   `program` as the real binary. `answer` has the words for what an answer should be.
//! - A database: `database` makes one for a test, on the server of `postgres_server`; `relay`
//!   stands before it and breaks it; `disk` takes the power away.
//! - The test itself: `waiting` waits for a fact and never for a time, `dice` draws by seed,
//!   `ports` reserves a port, `serving` serves a router, `events` reads a stream.
//! - Secrets: `leaks` finds them in the log, `needles` in any text.
//!
//! Four builders stay apart, because they build no server:
//!
//! - `clerk::Clerk`: the stand-in for Clerk alone, under a clock that stands still;
//! - `grants::setup::Replica`: worker and use cases over `grants::world`, an Instagram in this
//!   process. A test acts between a call's effect and its answer, where HTTP cannot be held;
//! - the simulation in `tests/sim`, whose runtime, clock, network and database are its own;
//! - the tests in `src/http/tests`, which need the routes' parts, private to the crate.

pub mod answer;
pub mod app;
pub mod database;
pub mod dice;
pub mod disk;
pub mod events;
pub mod leaks;
pub mod needles;
pub mod ports;
pub mod postgres_server;
pub mod program;
pub mod relay;
pub mod serving;
pub mod waiting;
