//! The mapping row by row, the bodies as they were recorded, and the requests as they leave.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod answers;
mod meanings;
mod requests;
mod table;
