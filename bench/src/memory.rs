//! What a server keeps in memory: when it has started, after many requests, and after many
//! different tokens; and how long it takes from its start until it is ready.

use std::time::{Duration, Instant};

use crate::process::Server;
use crate::subject::{self, Options, PEOPLE, Tokens};
use crate::{Fallible, LoadArgs, MemoryArgs, load};

const CONNECTIONS: usize = 64;
/// Starts whose times are taken; the table has their median.
const STARTS: usize = 5;

/// Measures each engine and prints the table.
pub async fn run(args: MemoryArgs) -> Fallible<()> {
    let scratch = tempfile::tempdir()?;
    let mut tokens = Tokens::start(scratch.path()).await?;
    let known = tokens.good()?;
    eprintln!("making {} tokens", args.tokens);
    let fresh = tokens.fresh(args.tokens)?;
    let mut databases = vec![("SQLite", format!("sqlite://{}", scratch.path().join("memory.db").display()))];
    if let Some(url) = &args.postgres {
        databases.push(("Postgres", url.clone()));
    }
    println!(
        "| engine | start to ready ms | idle MB | after {} requests | after {} tokens |",
        args.requests, args.tokens
    );
    println!("|---|---:|---:|---:|---:|");
    for (engine, url) in databases {
        eprintln!("{engine}");
        let log_file = scratch.path().join("server.log");
        let options = Options {
            binary: &args.holdfast,
            database_url: &url,
            log: "warn",
            log_file: &log_file,
            collector: None,
            instagram: None,
            worker: true,
        };
        // The first start migrates.
        drop::<Server>(subject::start(&options, &tokens).await?);
        let mut starts = Vec::new();
        for _ in 1..STARTS {
            let began = Instant::now();
            let server = subject::serve(&options, &tokens).await?;
            starts.push(began.elapsed());
            drop::<Server>(server);
        }
        let began = Instant::now();
        let server = subject::serve(&options, &tokens).await?;
        starts.push(began.elapsed());
        starts.sort_unstable();
        tokio::time::sleep(Duration::from_secs(3)).await;
        let idle = server.memory()?;
        let load = |bearers, once, seconds| LoadArgs {
            address: server.address,
            path: "/user/instagram/status".to_owned(),
            connections: CONNECTIONS,
            seconds,
            bearers: Some(bearers),
            once,
            pause: 0,
            rate: None,
            header: Vec::new(),
        };
        let mut asked = 0;
        while asked < args.requests {
            asked += load::run(load(known.clone(), false, 2.0)).await?.requests();
        }
        let after_requests = server.memory()?;
        let outcome = load::run(load(fresh.clone(), true, 600.0)).await?;
        if !outcome.statuses.keys().eq([&200]) {
            return Err(format!("answered {:?}", outcome.statuses).into());
        }
        let after_tokens = server.memory()?;
        let start = starts[STARTS / 2].as_millis();
        println!(
            "| {engine}, {PEOPLE} people | {start} | {idle:.0} | {after_requests:.0} | {after_tokens:.0} |"
        );
    }
    Ok(())
}
