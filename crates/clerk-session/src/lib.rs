//! The verdict on a Clerk session token.

pub mod origin;

pub use origin::{OriginError, OriginPattern};
