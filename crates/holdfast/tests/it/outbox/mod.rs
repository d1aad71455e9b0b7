//! Events to the app.

mod delivery;
mod end_to_end;
pub mod endpoint;
