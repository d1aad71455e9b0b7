//! The tests of the verdict, in one binary.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::items_after_statements,
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps
)]

mod corpus;
mod explanations;
mod handed_over;
mod hostile_keys;
mod key_cache;
mod oracle;
mod origins;
mod properties;
mod support;
mod times;
