//! Opening the listening socket, with one clear sentence where that fails.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// Bytes of an answer that the kernel buffers per connection. By default it grows to megabytes, and
/// 4096 clients that do not read could take all memory.
const SEND_BUFFER: u32 = 128 * 1024;
/// Connections that the kernel queues until they are accepted.
const BACKLOG: u32 = 4096;

/// Why the listening socket could not be opened, and what to do: one sentence.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BindError(String);

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
    listen(address).map_err(|source| {
        BindError(match source.kind() {
            io::ErrorKind::AddrInUse => format!(
                "{address} is already in use: stop the program that listens there, or set {setting} to another address"
            ),
            io::ErrorKind::PermissionDenied => format!(
                "this user may not listen on {address}: set a port above 1023 in {setting}, or grant the right"
            ),
            io::ErrorKind::AddrNotAvailable => format!(
                "{address} is not an address of this machine: set {setting} to one, for example 0.0.0.0 for all"
            ),
            _ => format!("cannot listen on {address} ({setting}): {source}"),
        })
    })
}
