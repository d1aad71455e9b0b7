//! The generator: as many requests as the connections carry, each sent when the answer before it is complete.
//!
//! Requests are bytes made beforehand and answers are read no further than their length needs, so that the generator takes
//! little of the processor that the server shares with it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::{Fallible, LoadArgs};

/// What came back.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From the first request to the last answer.
    pub seconds: f64,
}

impl Outcome {
    /// Answered requests.
    pub fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }
}

struct Plan {
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
    once: bool,
    ends: Instant,
}

impl Plan {
    /// The next request to send; `None` when it is over.
    fn next(&self) -> Option<&[u8]> {
        if Instant::now() >= self.ends {
            return None;
        }
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        if self.once {
            self.requests.get(position).map(Vec::as_slice)
        } else {
            self.requests.get(position % self.requests.len()).map(Vec::as_slice)
        }
    }
}

/// Sends what `args` say.
pub async fn run(args: LoadArgs) -> Fallible<Outcome> {
    let head = args
        .header
        .iter()
        .fold(format!("GET {} HTTP/1.1\r\nhost: {}\r\n", args.path, args.address), |head, line| {
            format!("{head}{line}\r\n")
        });
    let requests = match &args.bearers {
        None => vec![format!("{head}\r\n").into_bytes()],
        Some(file) => std::fs::read_to_string(file)?
            .lines()
            .map(|bearer| format!("{head}authorization: Bearer {bearer}\r\n\r\n").into_bytes())
            .collect(),
    };
    if requests.is_empty() {
        return Err("the file of credentials is empty".into());
    }
    let began = Instant::now();
    let plan = Arc::new(Plan {
        address: args.address,
        requests,
        next: AtomicUsize::new(0),
        once: args.once,
        ends: began + Duration::from_secs_f64(args.seconds),
    });
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        connections.spawn(connection(Arc::clone(&plan)));
    }
    let mut outcome = Outcome::default();
    while let Some(statuses) = connections.join_next().await {
        for (status, count) in statuses?? {
            *outcome.statuses.entry(status).or_default() += count;
        }
    }
    outcome.seconds = began.elapsed().as_secs_f64();
    Ok(outcome)
}

async fn connection(plan: Arc<Plan>) -> Fallible<BTreeMap<u16, u64>> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut statuses = BTreeMap::new();
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Some(request) = plan.next() {
        stream.write_all(request).await?;
        *statuses.entry(answer(&mut stream, &mut buffer).await?).or_default() += 1;
    }
    Ok(statuses)
}

/// Reads one answer to its end and gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Fallible<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed a connection in the middle of an answer".into());
        }
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end])?;
        let status: u16 = head.get(9..12).ok_or("an answer without a status")?.parse()?;
        let length = match status {
            204 | 304 => 0,
            _ => head
                .lines()
                .find_map(|line| {
                    line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                })
                .ok_or("an answer without a length")?
                .1
                .parse()?,
        };
        let total = end + 4 + length;
        while buffer.len() < total {
            if stream.read_buf(buffer).await? == 0 {
                return Err("the server closed a connection in the middle of a body".into());
            }
        }
        return Ok(status);
    }
}
