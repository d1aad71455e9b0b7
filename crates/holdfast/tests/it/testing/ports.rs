//! Ports of this machine that have to be known before anybody listens at them.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A port of the loopback interface at which nobody listens, and which the kernel gives to nobody
/// else for as long as this is kept. A program that is told of it may listen there, as servers do:
/// with `SO_REUSEADDR`.
#[derive(Debug)]
pub struct ReservedPort {
    socket: TcpSocket,
    address: SocketAddr,
}

impl ReservedPort {
    pub fn new() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_reuseaddr(true).expect("it may be shared");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let address = socket.local_addr().expect("its address");
        Self { socket, address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Listens there from now on.
    pub fn listen(self) -> TcpListener {
        self.socket.listen(128).expect("nobody else listens there")
    }
}

#[tokio::test]
async fn a_reserved_port_refuses_until_somebody_listens_who_was_told_of_it() {
    let reserved = ReservedPort::new();
    let address = reserved.address();
    assert!(TcpStream::connect(address).await.is_err());
    let told = holdfast::http::bind(address, "TEST").await.expect("a server listens there");
    assert!(TcpStream::connect(address).await.is_ok());
    drop(told);
    assert!(TcpStream::connect(address).await.is_err(), "it is still nobody's");
    let listener = reserved.listen();
    let (connected, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
    assert!(connected.is_ok() && accepted.is_ok());
}
