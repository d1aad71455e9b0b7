//! The real router over a real database.
#![allow(clippy::unwrap_used, clippy::panic)]

mod credentials;
mod layers;
mod openapi;
mod routes;
