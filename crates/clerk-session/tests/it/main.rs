//! Integration tests: one binary, so that they link once.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests fail by panicking, and say what they counted"
)]

mod explanations;
mod headers;
mod hostile;
mod key_cache;
mod keys;
mod support;
mod verdicts;
mod wycheproof;
