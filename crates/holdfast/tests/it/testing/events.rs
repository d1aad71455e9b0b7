//! A client of `GET /user/events` that reads what the server writes, byte by byte, and lets nothing
//! mend it.

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use super::waiting::PATIENCE;

/// An open stream.
pub struct EventStream {
    socket: TcpStream,
    buffer: Vec<u8>,
}

/// What a stream says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// An event, with its id and its data.
    Status { id: String, status: Value },
    /// A comment.
    Comment,
    /// Nothing more, ever.
    End,
}

impl EventStream {
    /// Opens a stream at `base` as the bearer of `authorization`; `Err` is the answer's head where
    /// that is no stream.
    pub async fn open(base: &Url, authorization: &str, last: Option<&str>) -> Result<Self, String> {
        let socket = TcpStream::connect(base.socket_addrs(|| None).unwrap()[0]).await.unwrap();
        let mut stream = Self { socket, buffer: Vec::new() };
        let last = last.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request =
            format!("GET /user/events HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n{last}\r\n");
        stream.socket.write_all(request.as_bytes()).await.unwrap();
        let head = stream.up_to("\r\n\r\n").await.ok_or("the server hung up")?;
        if head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream") {
            Ok(stream)
        } else {
            Err(head)
        }
    }

    /// The next event, comment or end. The `retry:` at the start is passed over.
    pub async fn next(&mut self) -> Said {
        loop {
            // Each event is a chunk of its own, so its lines are whole; the chunk's size stands
            // before it.
            let Some(block) = self.up_to("\n\n").await else { return Said::End };
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                assert_eq!(field("event: "), Some("instagram.status"), "{block}");
                return Said::Status { id: id.to_owned(), status: serde_json::from_str(data).unwrap() };
            }
            if block.lines().any(|line| line.starts_with(':')) {
                return Said::Comment;
            }
        }
    }

    /// The next status.
    pub async fn status(&mut self) -> (String, Value) {
        loop {
            match self.next().await {
                Said::Status { id, status } => return (id, status),
                Said::Comment => {}
                Said::End => panic!("the stream ended"),
            }
        }
    }

    /// The first status of that state; others may come before it.
    pub async fn state(&mut self, state: &str) -> (String, Value) {
        loop {
            let (id, status) = self.status().await;
            if status["state"] == state {
                return (id, status);
            }
        }
    }

    /// Takes everything up to and with `end`; `None` where the server closed before.
    async fn up_to(&mut self, end: &str) -> Option<String> {
        loop {
            let found = self.buffer.windows(end.len()).position(|each| each == end.as_bytes());
            if let Some(at) = found {
                let taken = self.buffer.drain(..at + end.len()).collect();
                return Some(String::from_utf8(taken).unwrap());
            }
            // The last chunk: the connection stays open for other requests, the stream is over.
            if self.buffer.ends_with(b"0\r\n\r\n") {
                return None;
            }
            let read = tokio::time::timeout(PATIENCE, self.socket.read_buf(&mut self.buffer));
            match read.await.expect("the stream says nothing") {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}
