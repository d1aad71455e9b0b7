//! Several servers on one Postgres: what one does, the others know; what one loses, the others
//! carry on.

mod crowd;
mod failover;
pub mod graph;
mod keys;
mod notices;
pub mod processes;
mod restart;
mod serving;
mod sharing;
mod silence;
mod starting;
