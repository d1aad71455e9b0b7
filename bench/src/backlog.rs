//! How long whoever polls their status waits while the worker catches up: after a downtime of
//! weeks, everybody's grant is overdue.
//!
//! On each engine several servers over the same database, one after the other: one whose worker is
//! off, one that renews as fast as it can, one under hostile tokens, one whose disk others write
//! to. Real grants, sealed; a real HTTP server renews them.

use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use holdfast::clock::{Clock, SystemClock, after};
use holdfast::connection::GrantFacts;
use holdfast::connections::grants::{self, RowSeal};
use holdfast::entropy::{SharedEntropy, SystemEntropy};
use holdfast::provider::Grant;
use holdfast::store::{ChangeSet, CommitOutcome, ConnectionWrite, Store, StoreOptions};
use holdfast::vault::{KeyRing, Vault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::load::Outcome;
use crate::process::Server;
use crate::subject::{self, Options, Tokens};
use crate::{BacklogArgs, Fallible, LoadArgs, baseline, connected, load};

/// As far away as Instagram is.
const ROUND_TRIP: Duration = Duration::from_millis(50);
const RENEWED: &str = "/renewed";

/// Measures both and prints the table.
pub async fn run(args: BacklogArgs) -> Fallible<()> {
    let directory = tempfile::tempdir()?;
    let mut tokens = Tokens::start(directory.path()).await?;
    let sqlite = format!("sqlite://{}", directory.path().join("backlog.db").display());
    let databases = [("SQLite", Some(sqlite)), ("Postgres", args.postgres.clone())];

    let mut instagram = Command::new(std::env::current_exe()?);
    instagram.arg("instagram");
    let instagram = Server::announcing(instagram)?;
    println!("| status, while the worker is | answers | median | 99 of 100 | slowest | renewed meanwhile |");
    println!("|---|---:|---:|---:|---:|---:|");
    for (engine, url) in databases.iter().filter_map(|(engine, url)| Some((engine, url.as_deref()?))) {
        eprintln!("{engine}: linking {} people whose grants are overdue", args.overdue);
        fill(url, args.overdue).await?;
        for situation in SITUATIONS {
            let line = measure(&situation, url, &args, &mut tokens, &instagram, directory.path()).await?;
            println!("| {engine}, {line}");
        }
    }
    Ok(())
}

/// What goes on while somebody polls.
struct Situation {
    name: &'static str,
    worker: bool,
    /// Forged tokens, each another one, so many a second.
    hostile: Option<f64>,
    /// Somebody else writes to the same disk as fast as it takes it.
    busy_disk: bool,
}

const QUIET: Situation = Situation { name: "nothing to do", worker: false, hostile: None, busy_disk: false };
const SITUATIONS: [Situation; 4] = [
    QUIET,
    Situation { name: "catching up", worker: true, ..QUIET },
    Situation { name: "1,000 hostile tokens a second", hostile: Some(1000.0), ..QUIET },
    Situation { name: "catching up on a busy disk", worker: true, busy_disk: true, ..QUIET },
];

async fn measure(
    situation: &Situation,
    url: &str,
    args: &BacklogArgs,
    tokens: &mut Tokens,
    instagram: &Server,
    scratch: &Path,
) -> Fallible<String> {
    let &Situation { name, worker, hostile, busy_disk } = situation;
    let log_file = scratch.join("server.log");
    let options = Options {
        binary: &args.holdfast,
        database_url: url,
        log: "warn",
        log_file: &log_file,
        collector: None,
        instagram: Some(instagram.address),
        worker,
    };
    let server = subject::serve(&options, tokens).await?;
    let bearers = tokens.good()?;
    poll(&server, &bearers, args, args.seconds / 10.0).await?;
    let disk = busy_disk.then(|| BusyDisk::start(scratch.join("other")));
    let attack = hostile.map(|rate| attack(&server, tokens, rate, args.seconds)).transpose()?;
    let before = renewed(instagram).await?;
    let outcome = poll(&server, &bearers, args, args.seconds).await?;
    let renewed = renewed(instagram).await? - before;
    if let Some(mut attack) = attack {
        attack.wait()?;
    }
    drop(disk);
    if !outcome.statuses.keys().eq([&200]) {
        return Err(format!("{name}: answered {:?}", outcome.statuses).into());
    }
    if worker != (renewed > 0) {
        return Err(format!("{name}: {renewed} renewed").into());
    }
    let load::Latency { median, p99, slowest } = outcome.latency;
    Ok(format!("{name} | {} | {median} µs | {p99} µs | {slowest} µs | {renewed} |", outcome.requests()))
}

/// Forged tokens from a process of their own.
fn attack(server: &Server, tokens: &mut Tokens, rate: f64, seconds: f64) -> Fallible<Child> {
    let forged = tokens.forged((rate * seconds).min(4000.0) as usize)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args([
        "load",
        &server.address.to_string(),
        "--path",
        "/user/instagram/status",
        "--connections",
        "8",
    ]);
    command.args(["--seconds", &seconds.to_string(), "--rate", &rate.to_string(), "--bearers"]).arg(forged);
    Ok(command.stdout(Stdio::null()).spawn()?)
}

/// Writes to a file, and waits for the disk, again and again until dropped.
struct BusyDisk {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl BusyDisk {
    fn start(path: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let write = move || -> std::io::Result<()> {
            let mut file = std::fs::File::create(path)?;
            let piece = vec![7; 4 << 20];
            while !stopped.load(Ordering::Relaxed) {
                file.rewind()?;
                file.write_all(&piece)?;
                file.sync_all()?;
            }
            Ok(())
        };
        let thread = std::thread::spawn(move || {
            if let Err(error) = write() {
                eprintln!("the disk is not kept busy: {error}");
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for BusyDisk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has said what went wrong.
            let _ = thread.join();
        }
    }
}

/// Links people whose grants are overdue.
async fn fill(url: &str, amount: usize) -> Fallible<()> {
    let store = Store::open(&StoreOptions::serve(url), subject::clock()).await?;
    store.migrate().await?;
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    let vault = Vault::new(KeyRing::parse(subject::KEY_RING)?, entropy);
    holdfast::app::prove_ring(&vault, &store).await?;
    // Each waits for its own disk or round trip: Postgres takes many at once.
    let link = |number| overdue(&store, &vault, number);
    stream::iter(0..amount).map(link).buffer_unordered(16).try_collect::<()>().await?;
    store.close().await;
    Ok(())
}

/// Links one whose grant came 45 days ago, and was due two weeks ago.
async fn overdue(store: &Store, vault: &Vault, number: usize) -> Fallible<()> {
    let days = |count: u64| Duration::from_hours(24 * count);
    let obtained_at = SystemClock.now().saturating_sub(days(45))?;
    let expires_at = after(obtained_at, days(60));
    let mut connection = connected::connection(subject::user_id(number), number)?;
    connection.grant = Some(GrantFacts { version: 1, obtained_at, expires_at });
    connection.next_refresh_at = Some(after(obtained_at, days(31)));
    let write = ConnectionWrite { expected_version: None, connection: connection.clone() };
    commit(store, ChangeSet { connection: Some(write), ..ChangeSet::default() }).await?;
    let grant = Grant { access_token: format!("IGAA{number}").into(), scopes: None, obtained_at, expires_at };
    let key = grants::user_key(store, vault, &connection.user_id).await?;
    let sealed = RowSeal::of_connection(&key, &connection).seal_grant(1, &grant)?;
    commit(store, ChangeSet { append_grant: Some(sealed), ..ChangeSet::default() }).await
}

async fn commit(store: &Store, changes: ChangeSet) -> Fallible<()> {
    match store.commit(&changes).await? {
        CommitOutcome::Committed => Ok(()),
        other => Err(format!("not stored: {other:?}").into()),
    }
}

async fn poll(server: &Server, bearers: &Path, args: &BacklogArgs, seconds: f64) -> Fallible<Outcome> {
    load::run(LoadArgs {
        address: server.address,
        path: "/user/instagram/status".to_owned(),
        connections: args.connections,
        seconds,
        bearers: Some(bearers.to_owned()),
        once: false,
        pause: args.pause,
        rate: None,
        header: Vec::new(),
    })
    .await
}

/// How many grants the Instagram has renewed.
async fn renewed(instagram: &Server) -> Fallible<u64> {
    let mut stream = TcpStream::connect(instagram.address).await?;
    let request =
        format!("GET {RENEWED} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", instagram.address);
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("an answer without an end of its head")?;
    Ok(body.parse()?)
}

/// Renews whatever it is asked to.
pub async fn instagram() -> Fallible<()> {
    let renewed = Arc::new(AtomicU64::new(0));
    let router = Router::new()
        .route("/refresh_access_token", get(renew))
        .route(
            RENEWED,
            get(async |State(renewed): State<Arc<AtomicU64>>| renewed.load(Ordering::Relaxed).to_string()),
        )
        .with_state(renewed);
    baseline::serve(router).await
}

async fn renew(State(renewed): State<Arc<AtomicU64>>) -> axum::Json<serde_json::Value> {
    tokio::time::sleep(ROUND_TRIP).await;
    let number = renewed.fetch_add(1, Ordering::Relaxed);
    axum::Json(serde_json::json!({
        "access_token": format!("IGAArenewed{number}"), "token_type": "bearer", "expires_in": 5_184_000,
    }))
}
