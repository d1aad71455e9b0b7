//! A client that says exactly the bytes it is told to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::testing::app::ORIGIN;
use crate::testing::waiting::PATIENCE;

/// Who asks which server, and from where.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Client {
    pub server: SocketAddr,
    /// Where its connections come from.
    pub address: IpAddr,
    /// Whom the proxy there names.
    pub forwarded_for: Option<IpAddr>,
}

impl Client {
    /// One that asks from where the server is.
    pub fn of(server: SocketAddr) -> Self {
        Self { server, address: server.ip(), forwarded_for: None }
    }

    /// The same, named by the proxy that it comes through.
    pub fn forwarded_for(self, client: &str) -> Self {
        Self { forwarded_for: Some(client.parse().unwrap()), ..self }
    }

    pub async fn connect(&self) -> io::Result<Raw> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((self.address, 0).into())?;
        Ok(Raw { stream: socket.connect(self.server).await?, buffer: Vec::new() })
    }

    /// A request's head: method and path, then these lines.
    pub fn head(&self, line: &str, headers: &str) -> String {
        let forwarded =
            self.forwarded_for.map_or(String::new(), |client| format!("X-Forwarded-For: {client}\r\n"));
        format!("{line} HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\n{forwarded}{headers}\r\n")
    }

    /// The same with its body.
    pub fn request(&self, line: &str, headers: &str, body: &str) -> String {
        let length =
            if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        self.head(line, &format!("{headers}{length}")) + body
    }
}

pub struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// One answer of a kept connection.
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Reply {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find_map(|(each, value)| each.eq_ignore_ascii_case(name).then(|| value.trim()))
    }
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    /// `None` where nobody listens.
    pub async fn connect_if_open(address: SocketAddr) -> Option<Self> {
        Some(Self { stream: TcpStream::connect(address).await.ok()?, buffer: Vec::new() })
    }

    /// With room for few bytes that the client has not taken yet.
    pub async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { stream: socket.connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer, which has a `Content-Length`.
    pub async fn reply(&mut self) -> io::Result<Reply> {
        let (end, head) = loop {
            if let Some(at) = self.buffer.windows(4).position(|each| each == b"\r\n\r\n") {
                break (at + 4, String::from_utf8_lossy(&self.buffer[..at]).into_owned());
            }
            self.more().await?;
        };
        let mut reply =
            Reply { status: head[9..12].parse().map_err(io::Error::other)?, head, body: String::new() };
        let length: usize = reply.header("content-length").map_or(0, |value| value.parse().unwrap());
        while self.buffer.len() < end + length {
            self.more().await?;
        }
        reply.body = String::from_utf8_lossy(&self.buffer[end..end + length]).into_owned();
        self.buffer.drain(..end + length);
        Ok(reply)
    }

    pub async fn ask(&mut self, request: &str) -> io::Result<Reply> {
        self.send(request.as_bytes()).await?;
        self.reply().await
    }

    /// The next `count` bytes, whatever they are.
    pub async fn bytes(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < count {
            self.more().await?;
        }
        Ok(self.buffer.drain(..count).collect())
    }

    /// What comes up to the first `mark` and with it.
    pub async fn until(&mut self, mark: &str) -> String {
        loop {
            if let Some(at) = self.buffer.windows(mark.len()).position(|each| each == mark.as_bytes()) {
                let rest = self.buffer.split_off(at + mark.len());
                let told = std::mem::replace(&mut self.buffer, rest);
                return String::from_utf8_lossy(&told).into_owned();
            }
            self.more().await.unwrap_or_else(|error| panic!("no {mark:?}: {error}"));
        }
    }

    async fn more(&mut self) -> io::Result<()> {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer))
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if read == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// Everything until the server closes; `None` where it does not within `wait`.
    pub async fn rest_within(&mut self, wait: Duration) -> Option<String> {
        let all = async {
            // A reset instead of an orderly end still delivered what came before it.
            let _ = self.stream.read_to_end(&mut self.buffer).await;
        };
        tokio::time::timeout(wait, all).await.ok()?;
        Some(String::from_utf8_lossy(&std::mem::take(&mut self.buffer)).into_owned())
    }

    /// Everything until the server closes, which it must.
    pub async fn rest(&mut self) -> String {
        self.rest_within(PATIENCE).await.expect("the server keeps the connection open")
    }
}

/// The statuses of all answers in `text`.
pub fn statuses(text: &str) -> Vec<&str> {
    text.split("HTTP/1.1 ").skip(1).filter_map(|each| each.get(..3)).collect()
}
