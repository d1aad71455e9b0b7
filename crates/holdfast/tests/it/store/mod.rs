//! The store, on both engines.

mod attempts;
mod changes;
mod commit;
mod durability;
pub mod erasure;
pub mod events;
pub mod fixtures;
mod keys;
mod leases;
mod open;
mod plans;
pub mod schema;
mod status_reads;
pub mod sweep;
mod users;
