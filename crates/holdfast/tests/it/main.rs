//! Integration tests: one binary, so that they link once.
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
mod support;
mod traces;
