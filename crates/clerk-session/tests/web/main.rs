//! Requests and answers: the axum extractor, the tower layer, the cookie, and keys over HTTP.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    dead_code
)]

#[path = "../it/support.rs"]
mod support;

mod fetcher;
mod requests;
