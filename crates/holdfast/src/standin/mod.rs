//! Stand-ins for the outside world: real HTTP servers on loopback, speaking the real protocols, so
//! that the service runs unchanged through its real clients. They know nothing of the service's own
//! modules but the seams.

pub mod clerk;
pub mod instagram;
mod outside;
pub mod server;

pub use outside::Outside;
