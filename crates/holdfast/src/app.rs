//! The composition root: makes the parts from the settings and puts them together. The only place
//! that knows all of them.

mod background;
mod error;
mod parts;
mod reload;
mod server;
mod start;

pub use error::StartError;
pub use parts::{connections, policy, provider, vault};
pub use reload::{RELOADABLE, Reloader, prove_ring};
pub use server::Server;
pub use start::Starting;

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::transport::SharedTransport;

/// Time, randomness and the network.
#[derive(Debug, Clone)]
pub struct Seams {
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Outgoing requests.
    pub transport: SharedTransport,
}
