//! Measures what the status route costs, beside a bare HTTP server and in the same run.
//!
//! `run` starts every server in a process of its own and drives each from yet another process, so
//! that the processor time of a server is its own and nobody else's. The other subcommands are what
//! it starts.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command that prints a table")]
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts and times far below 2^52"
)]

mod backlog;
mod baseline;
mod cases;
mod connected;
mod fill;
mod growth;
mod load;
mod memory;
mod peers;
mod picture;
mod process;
mod report;
mod subject;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Whatever went wrong ends the run with its text; nothing here recovers.
type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Measures the hot path as ratios to a bare HTTP server")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures everything and prints the table.
    Run(RunArgs),
    /// Measures how long whoever polls waits while the worker catches up, and prints that table.
    Backlog(BacklogArgs),
    /// Measures how the costs grow with the number of connections, and prints that table.
    Growth(GrowthArgs),
    /// Measures what a server keeps in memory, and how long it takes to start, and prints that
    /// table.
    Memory(MemoryArgs),
    /// An Instagram that renews whatever it is asked to.
    Instagram,
    /// A bare hyper server that answers `hello`.
    Hyper,
    /// An axum server with one route that answers `hello`.
    Axum,
    /// Sends requests and prints what came back.
    Load(LoadArgs),
}

/// What `run` measures, and how long.
#[derive(clap::Args)]
struct RunArgs {
    /// The server's binary, built for release.
    #[arg(long)]
    holdfast: PathBuf,
    /// Address of an empty Postgres database; without it that half is left out.
    #[arg(long)]
    postgres: Option<String>,
    /// Process id of that Postgres' first process: what the database spends is measured, too.
    #[arg(long)]
    postgres_pid: Option<u32>,
    /// Directory of the servers that ours is measured beside, with their packages installed.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Another server to measure with the same tokens: `NAME=COMMAND`, run by `sh`. It prints the
    /// address that it listens on, as `127.0.0.1:PORT`, and finds `CLERK_JWT_KEY`,
    /// `CLERK_AUTHORIZED_PARTIES` and `DATABASE_URL` in its environment.
    #[arg(long)]
    peer: Vec<String>,
    /// Seconds per case and round.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Every case is measured this often, in turn; the table has the medians.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Only cases whose name has one of these in it, and the yardstick.
    #[arg(long)]
    only: Vec<String>,
    /// Writes a picture of what the status costs each server, saturated, to this file.
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Requests a second where the server is not saturated.
    #[arg(long, default_value_t = 1000.0)]
    rate: f64,
}

/// What `backlog` measures, and how long.
#[derive(clap::Args)]
struct BacklogArgs {
    /// The server's binary, built for release.
    #[arg(long)]
    holdfast: PathBuf,
    /// A Postgres database that may be filled: measures on it, too.
    #[arg(long)]
    postgres: Option<String>,
    /// Connections whose refresh is overdue.
    #[arg(long, default_value_t = 100_000)]
    overdue: usize,
    /// Seconds for each server.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// Keep-alive connections.
    #[arg(long, default_value_t = 8)]
    connections: usize,
    /// Milliseconds that each waits between an answer and its next request.
    #[arg(long, default_value_t = 10)]
    pause: u64,
}

/// What `growth` measures.
#[derive(clap::Args)]
struct GrowthArgs {
    /// The server's binary, built for release.
    #[arg(long)]
    holdfast: PathBuf,
    /// An empty Postgres database: measures on it, too.
    #[arg(long)]
    postgres: Option<String>,
    /// Process id of that Postgres' first process.
    #[arg(long)]
    postgres_pid: Option<u32>,
    /// Connections on SQLite, growing.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000")]
    sizes: Vec<usize>,
    /// Connections on Postgres, growing.
    #[arg(long, value_delimiter = ',', default_value = "10000,100000,1000000")]
    postgres_sizes: Vec<usize>,
    /// Seconds for each.
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
    /// Writes a picture of what the status costs, by size, to this file.
    #[arg(long)]
    picture: Option<PathBuf>,
    /// Where the databases are kept meanwhile: some 2 KB for each connection.
    #[arg(long)]
    directory: Option<PathBuf>,
}

/// What `memory` measures.
#[derive(clap::Args)]
struct MemoryArgs {
    /// The server's binary, built for release.
    #[arg(long)]
    holdfast: PathBuf,
    /// An empty Postgres database: measures on it, too.
    #[arg(long)]
    postgres: Option<String>,
    /// Requests with tokens that were seen before.
    #[arg(long, default_value_t = 600_000)]
    requests: u64,
    /// Tokens that nobody has seen before.
    #[arg(long, default_value_t = 100_000)]
    tokens: usize,
}

/// What the generator sends.
#[derive(clap::Args)]
struct LoadArgs {
    address: SocketAddr,
    #[arg(long)]
    path: String,
    #[arg(long)]
    connections: usize,
    /// Ends after this time, or when every credential of `--once` has been used.
    #[arg(long)]
    seconds: f64,
    /// File of bearer credentials, one a line, used in turn.
    #[arg(long)]
    bearers: Option<PathBuf>,
    /// Uses each credential once.
    #[arg(long)]
    once: bool,
    /// Milliseconds between an answer and the next request.
    #[arg(long, default_value_t = 0)]
    pause: u64,
    /// Requests a second in all, whatever the answers do; without it each follows the answer before
    /// it.
    #[arg(long)]
    rate: Option<f64>,
    /// Further header lines, `name: value`.
    #[arg(long)]
    header: Vec<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Fallible<()> {
    match Args::parse().command {
        Command::Run(args) => cases::run(args).await,
        Command::Backlog(args) => backlog::run(args).await,
        Command::Growth(args) => growth::run(args).await,
        Command::Memory(args) => memory::run(args).await,
        Command::Instagram => on_all_cores(backlog::instagram()),
        Command::Hyper => on_all_cores(baseline::hyper()),
        Command::Axum => on_all_cores(baseline::axum()),
        Command::Load(args) => {
            println!("{}", serde_json::to_string(&load::run(args).await?)?);
            Ok(())
        }
    }
}

/// Runs a server as the product runs: on a worker per core, on a thread that is not the caller's.
fn on_all_cores(server: impl Future<Output = Fallible<()>> + Send + 'static) -> Fallible<()> {
    let thread = std::thread::spawn(move || {
        tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(server)
    });
    thread.join().map_err(|_| "the server panicked")?
}
