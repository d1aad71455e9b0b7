//! The life of a grant: refreshes, deaths that are none, incidents, crashes.

mod clock_jumps;
mod deletions;
mod first_rows;
mod handed_out;
mod importing;
mod incident;
mod journal;
mod killed;
mod killed_writes;
mod mistaken;
mod model;
mod moving;
mod refreshing;
mod restoring;
pub mod setup;
mod stopping;
mod stranded;
mod unreadable;
mod unwritable;
pub mod world;
mod year;
