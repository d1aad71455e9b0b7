//! The real router over a real database.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::type_complexity,
    clippy::manual_assert,
    clippy::unused_self
)]

mod layers;
mod openapi;
mod origins;
mod routes;
