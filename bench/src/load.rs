//! The generator: as many requests as the connections carry, each sent when the answer before it is
//! complete.
//!
//! Requests are bytes made beforehand and answers are read no further than their length needs, so
//! that the generator takes little of the processor that the server shares with it.

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

mod paced;

/// What came back.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Answers by status.
    pub statuses: BTreeMap<u16, u64>,
    /// From the first request to the last answer.
    pub seconds: f64,
    /// How long answers took.
    pub latency: Latency,
}

/// How long answers took, in microseconds.
#[derive(Debug, Default, Clone, Copy, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them took no longer.
    pub median: u64,
    /// Of a hundred, 99 took no longer.
    pub p99: u64,
    /// None took longer.
    pub slowest: u64,
}

impl Latency {
    fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let at =
            |percent: usize| micros.get((micros.len() * percent / 100).min(micros.len().saturating_sub(1)));
        let [median, p99, slowest] = [50, 99, 100].map(|percent| at(percent).copied().unwrap_or_default());
        Self { median, p99, slowest }
    }
}

impl Outcome {
    /// What all connections got since `began`.
    fn of(all: Vec<Answers>, began: Instant) -> Self {
        let mut outcome = Self { seconds: began.elapsed().as_secs_f64(), ..Self::default() };
        let mut micros = Vec::new();
        for answers in all {
            for (status, count) in answers.statuses {
                *outcome.statuses.entry(status).or_default() += count;
            }
            micros.extend(answers.micros);
        }
        outcome.latency = Latency::of(micros);
        outcome
    }

    /// Answered requests.
    pub fn requests(&self) -> u64 {
        self.statuses.values().sum()
    }
}

/// The bytes of each request.
fn requests(args: &LoadArgs) -> Fallible<Vec<Vec<u8>>> {
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
    Ok(requests)
}

struct Plan {
    address: SocketAddr,
    requests: Vec<Vec<u8>>,
    next: AtomicUsize,
    once: bool,
    pause: Duration,
    ends: Instant,
}

/// What one connection got: answers by status, and how long each took.
#[derive(Default)]
struct Answers {
    statuses: BTreeMap<u16, u64>,
    micros: Vec<u64>,
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
    let (requests, rate) = (requests(&args)?, args.rate);
    if let Some(rate) = rate {
        return tokio::task::spawn_blocking(move || paced::run(&args, &requests, rate)).await?;
    }
    let began = Instant::now();
    let plan = Arc::new(Plan {
        address: args.address,
        requests,
        next: AtomicUsize::new(0),
        once: args.once,
        pause: Duration::from_millis(args.pause),
        ends: began + Duration::from_secs_f64(args.seconds),
    });
    let mut connections = JoinSet::new();
    for _ in 0..args.connections {
        connections.spawn(connection(Arc::clone(&plan)));
    }
    let mut all = Vec::new();
    while let Some(answers) = connections.join_next().await {
        all.push(answers??);
    }
    Ok(Outcome::of(all, began))
}

async fn connection(plan: Arc<Plan>) -> Fallible<Answers> {
    let mut stream = TcpStream::connect(plan.address).await?;
    stream.set_nodelay(true)?;
    let mut answers = Answers::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    while let Some(request) = plan.next() {
        let asked = Instant::now();
        stream.write_all(request).await?;
        *answers.statuses.entry(answer(&mut stream, &mut buffer).await?).or_default() += 1;
        answers.micros.push(asked.elapsed().as_micros().try_into()?);
        if !plan.pause.is_zero() {
            tokio::time::sleep(plan.pause).await;
        }
    }
    Ok(answers)
}

/// Reads one answer to its end and gives its status.
async fn answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Fallible<u16> {
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err("the server closed a connection in the middle of an answer".into());
        }
        let Some((status, total)) = head(buffer)? else { continue };
        while buffer.len() < total {
            if stream.read_buf(buffer).await? == 0 {
                return Err("the server closed a connection in the middle of a body".into());
            }
        }
        return Ok(status);
    }
}

/// The status of an answer and how long it is in all; `None` while its head has not come.
fn head(buffer: &[u8]) -> Fallible<Option<(u16, usize)>> {
    let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
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
    Ok(Some((status, end + 4 + length)))
}
