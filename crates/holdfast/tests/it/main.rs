//! The one integration binary: the program and its parts as others meet them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cli;
