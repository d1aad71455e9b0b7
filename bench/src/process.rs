//! Processes that are measured: starting them, their processor time, and their end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::Fallible;

/// A server in a process of its own; killed when dropped.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Starts a command that prints the address which it listens on as its first line.
    pub fn announcing(mut command: Command) -> Fallible<Self> {
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(output) = child.stdout.take() {
            BufReader::new(output).read_line(&mut line)?;
        }
        let address =
            line.trim().parse().map_err(|_| format!("{command:?} said `{line}` instead of its address"))?;
        Ok(Self { child, address })
    }

    /// Starts a command that will listen on `address`, and waits until it is ready.
    pub async fn listening(mut command: Command, address: SocketAddr) -> Fallible<Self> {
        let mut server = Self { child: command.spawn()?, address };
        for _ in 0..15_000 {
            // It listens before it serves.
            if is_ready(address).await.unwrap_or(false) {
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("{command:?} ended with {status} before it listened").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(format!("{command:?} does not listen on {address}").into())
    }

    /// Processor time so far, of all its threads.
    pub fn cpu(&self) -> Fallible<Duration> {
        processor_time(&Path::new("/proc").join(self.child.id().to_string()))
    }

    /// Memory in use, in MB: pages that are in memory, shared ones included.
    pub fn memory(&self) -> Fallible<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no memory is told")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn is_ready(address: SocketAddr) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /readyz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.starts_with("HTTP/1.1 200 "))
}

/// Processor time so far of a process and those that it started: a Postgres with one process for
/// each connection.
pub fn family_cpu(parent: u32) -> Fallible<Duration> {
    let mut sum = processor_time(Path::new(&format!("/proc/{parent}")))?;
    for process in std::fs::read_dir("/proc")? {
        let path = process?.path();
        // Behind the name in parentheses: state, then the parent. Others end while we look.
        let Ok(stat) = std::fs::read_to_string(path.join("stat")) else { continue };
        let of = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        if of.and_then(|of| of.parse().ok()) == Some(parent) {
            sum += processor_time(&path).unwrap_or_default();
        }
    }
    Ok(sum)
}

/// The scheduler's own account in nanoseconds; the better known one in `stat` counts ticks of 10
/// ms.
fn processor_time(process: &Path) -> Fallible<Duration> {
    let mut nanoseconds = 0;
    for thread in std::fs::read_dir(process.join("task"))? {
        let account = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += account.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

/// A port that is free now.
pub fn free_port() -> Fallible<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
