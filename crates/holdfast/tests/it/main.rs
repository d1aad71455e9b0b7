//! Integration tests: one binary, so that they link once.
//!
//! A test begins with the smallest of these that can show what it is about:
//!
//! - `on_each_engine(async |db| …)` (`testing/database.rs`): a migrated database of either engine,
//!   and a clock that the test moves; as in `store`.
//! - `Clerk::start()` (`clerk/mod.rs`): the stand-in for Clerk, and such a clock; as in `clerk`.
//! - `Replica::new(…)` (`grants/setup.rs`): worker and use cases over such a database, and over an
//!   Instagram that answers as told; as in `grants`.
//! - `App::start()` (`testing/app.rs`): the whole server over HTTP, with both stand-ins; as in
//!   `e2e`.
//! - `Place::new()` (`testing/program.rs`): the real binary, in a directory and an environment of
//!   its own; as in `cli`.
//!
//! Each of them searches the log for secrets when it ends (`testing/leaks.rs`).
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::large_stack_arrays,
    clippy::match_same_arms,
    clippy::unchecked_time_subtraction,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and read the real environment"
)]

mod architecture;
mod clerk;
mod cli;
mod e2e;
mod edge;
mod grants;
mod operator;
mod outbox;
mod reference;
mod replicas;
mod store;
mod testing;
mod traces;
