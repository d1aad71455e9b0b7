//! The life of a grant: refreshes, deaths that are none, incidents, crashes.

mod incident;
mod refreshing;
mod setup;
mod spill;
mod world;
