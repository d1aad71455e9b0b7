//! The life of a grant: refreshes, deaths that are none, incidents, crashes.

mod incident;
mod killed;
mod refreshing;
pub mod setup;
mod spill;
pub mod world;
mod year;
