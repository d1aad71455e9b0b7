//! Opening the listening socket, with one clear sentence where that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Bytes of an answer that the kernel buffers per connection. By default it grows to megabytes, and
/// 4096 clients that do not read could take all memory.
const SEND_BUFFER: u32 = 128 * 1024;
/// Connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 4096;

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
    #[error("this user may not listen on {address}: set a port above 1023 in {setting}, or grant the right")]
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

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for the connections of the process before it.
    socket.set_reuseaddr(true)?;
    // Accepted connections have it from the listener.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on `address`, which came from `setting`.
pub async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse { address, setting },
        io::ErrorKind::PermissionDenied => BindError::Forbidden { address, setting },
        io::ErrorKind::AddrNotAvailable => BindError::NotOurs { address, setting },
        _ => BindError::Other { address, setting, source },
    })
}
