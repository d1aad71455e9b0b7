//! The store, on both engines.

mod attempts;
mod changes;
mod commit;
mod durability;
mod erasure;
mod events;
pub mod fixtures;
mod keys;
mod leases;
mod open;
mod plans;
mod schema;
mod status_reads;
mod sweep;
mod users;
