//! How the costs grow with the number of connections: the status, the worker's look for what is
//! due, starting, and size.

use std::path::Path;
use std::time::{Duration, Instant};

use holdfast::clock::{Clock as _, SystemClock};
use holdfast::store::{Store, StoreOptions};

use crate::picture::{self, Bar};
use crate::process::{self, Server};
use crate::subject::{self, Options, Tokens};
use crate::{Fallible, GrowthArgs, LoadArgs, fill, load};

const CONNECTIONS: usize = 64;

/// Measures each size on each engine and prints the table.
pub async fn run(args: GrowthArgs) -> Fallible<()> {
    let scratch = match &args.directory {
        Some(directory) => tempfile::tempdir_in(directory)?,
        None => tempfile::tempdir()?,
    };
    let mut tokens = Tokens::start(scratch.path()).await?;
    let file = scratch.path().join("growth.db");
    let mut databases = vec![("SQLite", format!("sqlite://{}", file.display()), &args.sizes)];
    if let Some(url) = &args.postgres {
        databases.push(("Postgres", url.clone(), &args.postgres_sizes));
    }
    println!(
        "| connections | start to ready ms | status µs | Postgres µs | p99 µs at 1000/s | next due µs | 20 due claimed µs | MB |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|");
    let mut bars = Vec::new();
    for (engine, url, sizes) in databases {
        let mut filled = 0;
        for &size in sizes {
            eprintln!("{engine}: connecting {size} people");
            fill::people(&url, filled, size - 1, SystemClock.now().as_millisecond()).await?;
            filled = size;
            let (line, parts) = measure(&args, &url, size, &mut tokens, scratch.path()).await?;
            bars.push(Bar { label: format!("{engine}, {size} connections"), parts });
            println!("| {engine}, {size} | {line} | {:.0} |", megabytes(engine, &url, &file).await?);
        }
    }
    if let Some(path) = &args.picture {
        picture::write(path, "One status by number of connections", ["server", "database"], &bars)?;
    }
    Ok(())
}

/// A line of the table, and what a status costs the server and the database.
async fn measure(
    args: &GrowthArgs,
    url: &str,
    size: usize,
    tokens: &mut Tokens,
    scratch: &Path,
) -> Fallible<(String, [f64; 2])> {
    let log_file = scratch.join("server.log");
    let options = Options {
        binary: &args.holdfast,
        database_url: url,
        log: "warn",
        log_file: &log_file,
        collector: None,
        instagram: None,
        worker: true,
    };
    let began = Instant::now();
    let server = subject::serve(&options, tokens).await?;
    let started = began.elapsed();
    let bearers = tokens.spread(size)?;
    let load = |rate, seconds| LoadArgs {
        address: server.address,
        path: "/user/instagram/status".to_owned(),
        connections: CONNECTIONS,
        seconds,
        bearers: Some(bearers.clone()),
        once: false,
        pause: 0,
        rate,
        header: Vec::new(),
    };
    load::run(load(None, args.seconds / 3.0)).await?;
    let database = || args.postgres_pid.map_or(Ok(Duration::ZERO), process::family_cpu);
    let (before, database_before) = (server.cpu()?, database()?);
    let outcome = load::run(load(None, args.seconds)).await?;
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / outcome.requests() as f64;
    let (cpu, database) =
        (each(server.cpu()?.saturating_sub(before)), each(database()?.saturating_sub(database_before)));
    if !outcome.statuses.keys().eq([&200]) {
        return Err(format!("answered {:?}", outcome.statuses).into());
    }
    let paced = load::run(load(Some(1000.0), args.seconds)).await?.latency.p99;
    drop::<Server>(server);
    let (next_due, claim) = worker(url).await?;
    let line = format!("{} | {cpu:.1} | {database:.1} | {paced} | {next_due} | {claim}", started.as_millis());
    Ok((line, [cpu, if url.starts_with("sqlite") { 0.0 } else { database }]))
}

/// What a tick of the worker costs: to learn that nothing is due, and to claim a score of rows that
/// are.
async fn worker(url: &str) -> Fallible<(u128, u128)> {
    const TIMES: u32 = 50;
    let store = Store::open(&StoreOptions::tool(url), subject::clock()).await?;
    let mut next_due = Duration::ZERO;
    for _ in 0..TIMES {
        let began = Instant::now();
        store.next_due_at().await?;
        next_due += began.elapsed();
    }
    // As of then, the first of them are due; nobody is served meanwhile.
    let due = store.next_due_at().await?.ok_or("nothing will ever be due")?;
    let began = Instant::now();
    let leases =
        store.claim_due("bench", due + Duration::from_millis(30), Duration::from_secs(1), 20).await?;
    let claim = began.elapsed();
    for lease in &leases {
        store.release(lease).await?;
    }
    store.close().await;
    Ok(((next_due / TIMES).as_micros(), claim.as_micros()))
}

async fn megabytes(engine: &str, url: &str, file: &Path) -> Fallible<f64> {
    use sqlx::{Connection as _, Row as _};
    let bytes = if engine == "SQLite" {
        i64::try_from(file.metadata()?.len())?
    } else {
        let mut database = sqlx::PgConnection::connect(url).await?;
        sqlx::query("SELECT pg_database_size(current_database())").fetch_one(&mut database).await?.get(0)
    };
    Ok(bytes as f64 / 1e6)
}
