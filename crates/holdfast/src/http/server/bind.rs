//! Opening the listening socket, with one clear sentence where that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// The listening socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Somebody else listens there.
    #[error(
        "{address} is already in use: stop the program that listens there, or set {setting} to another address"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
        /// The setting that it came from.
        setting: &'static str,
    },
    /// The operating system does not allow it.
    #[error(
        "{address} may not be listened on by this user: choose a port above 1023 in {setting}, or grant the right"
    )]
    Forbidden {
        /// The address.
        address: SocketAddr,
        /// The setting that it came from.
        setting: &'static str,
    },
    /// The address is not one of this machine.
    #[error("{address} is not an address of this machine: set {setting} to one, for example 0.0.0.0 for all")]
    NotOurs {
        /// The address.
        address: SocketAddr,
        /// The setting that it came from.
        setting: &'static str,
    },
    /// Anything else.
    #[error("cannot listen on {address} ({setting}): {source}")]
    Other {
        /// The address.
        address: SocketAddr,
        /// The setting that it came from.
        setting: &'static str,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Listens on `address`, which came from `setting`.
pub async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, setting },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { address, setting },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address, setting },
        _ => BindError::Other { address, setting, source },
    })
}
