//! The store, on both engines.

mod attempts;
mod changes;
mod commit;
mod durability;
mod erasure;
pub mod fixtures;
mod keys;
mod leases;
mod open;
mod schema;
mod users;
