//! What is measured, and the run itself.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast::clock::{Clock as _, SystemClock};

use crate::load::Outcome;
use crate::process::{self, Server};
use crate::report::{Measured, Report};
use crate::subject::{self, Options, Tokens};
use crate::{Fallible, RunArgs, fill, peers, picture};

/// The case that all others are measured against.
const YARDSTICK: &str = "hyper, hello";
/// Credentials that nobody has seen before, per round of a case that uses each once.
const FRESH_TOKENS: usize = 4096;

/// One line of the table.
struct Case {
    name: String,
    /// Position in the list of servers.
    server: usize,
    path: &'static str,
    credential: Credential,
    header: Vec<String>,
    /// The only statuses that may come back.
    expected: &'static [u16],
    /// Requests a second; `None` for as many as the server answers.
    rate: Option<f64>,
}

/// What a request carries.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Credential {
    None,
    /// Good tokens that were used before, one person's after the other's.
    Known,
    /// A good token that was never used before.
    Fresh,
    /// The same forged token each time.
    Forged,
}

/// Starts everything, measures every case in every round, prints the table.
pub async fn run(args: RunArgs) -> Fallible<()> {
    let scratch = tempfile::tempdir()?;
    let mut tokens = Tokens::start(scratch.path()).await?;
    let mut servers = vec![baseline("hyper")?, baseline("axum")?];
    let mut cases = vec![
        Case::new(YARDSTICK, 0, "/", Credential::None, &[200]),
        Case::new("hyper, hello, with a token", 0, "/", Credential::Known, &[200]),
        Case::new("axum, hello", 1, "/", Credential::None, &[200]),
        Case::new("hyper, hello", 0, "/", Credential::None, &[200]).at(args.rate),
    ];
    let sqlite = |name: &str| format!("sqlite://{}", scratch.path().join(name).display());
    // Takes whatever it is sent; a server of its own, so that the yardstick has nothing else to do.
    let collector = baseline("hyper")?;
    let mut installations = vec![
        ("SQLite", sqlite("quiet.db"), "warn", None),
        ("SQLite, access log", sqlite("logged.db"), "info", None),
        ("SQLite, traces", sqlite("traced.db"), "warn", Some(collector.address)),
    ];
    if let Some(url) = &args.postgres {
        installations.push(("Postgres", url.clone(), "warn", None));
    }
    for (number, (name, database_url, log, collector)) in installations.iter().enumerate() {
        let log_file = scratch.path().join(format!("server-{number}.log"));
        let (collector, log_file) = (*collector, log_file.as_path());
        let options = Options {
            binary: &args.holdfast,
            database_url,
            log,
            log_file,
            collector,
            instagram: None,
            worker: true,
        };
        let server = subject::start(&options, &tokens).await?;
        cases.extend(holdfast_cases(name, servers.len(), *log == "info" || collector.is_some(), args.rate));
        servers.push(server);
    }
    if let (Some(directory), Some(url)) = (&args.peers, &args.postgres) {
        let file = scratch.path().join("peers.db");
        fill::peers(url, &file, subject::PEOPLE, SystemClock.now().as_millisecond()).await?;
        for (name, command) in peers::all(directory, &file, url)? {
            cases.extend(peer_cases(name, servers.len(), args.rate));
            servers.push(Server::announcing(peers::with_keys(command, &tokens)?)?);
        }
    }
    for peer in &args.peer {
        let (name, command) = peer.split_once('=').ok_or("--peer wants NAME=COMMAND")?;
        let mut process = Command::new("sh");
        process.args(["-c", command]);
        process.env("DATABASE_URL", args.postgres.as_deref().unwrap_or_default());
        cases.extend(peer_cases(name, servers.len(), args.rate));
        servers.push(Server::announcing(peers::with_keys(process, &tokens)?)?);
    }
    if !args.only.is_empty() {
        cases.retain(|case| {
            case.name == YARDSTICK || args.only.iter().any(|only| case.name.contains(only.as_str()))
        });
    }

    let mut report = Report::new(YARDSTICK, cases.iter().map(|case| case.name.clone()));
    let (known, forged) = (tokens.good()?, tokens.forged(1)?);
    for round in 1..=args.rounds {
        for case in &cases {
            let bearers = match case.credential {
                Credential::None => None,
                Credential::Known => Some(known.clone()),
                Credential::Forged => Some(forged.clone()),
                Credential::Fresh => Some(tokens.fresh(FRESH_TOKENS)?),
            };
            let server = servers.get(case.server).ok_or("a case without a server")?;
            eprintln!("round {round} of {}: {}", args.rounds, case.name);
            report.add(&case.name, measure(case, server, bearers, &args).await?);
        }
    }
    println!("{report}");
    if let Some(path) = &args.picture {
        let saturated = report.bars(|name| name.ends_with(": status"));
        picture::write(path, "One status, saturated: processor time", ["server", "database"], &saturated)?;
    }
    Ok(())
}

const STATUS: &str = "/user/instagram/status";

/// What an installation is asked. Those that keep an access log or send traces are there to show
/// what that costs, no more.
fn holdfast_cases(name: &str, server: usize, only_status: bool, rate: f64) -> Vec<Case> {
    let case = |what: &str, path, credential, expected| {
        Case::new(format!("{name}: {what}"), server, path, credential, expected)
    };
    let status = || case("status", STATUS, Credential::Known, &[200]);
    if only_status {
        return vec![status()];
    }
    let mut unchanged = case("status, unchanged (304)", STATUS, Credential::Known, &[304]);
    unchanged.header.push("if-none-match: *".to_owned());
    vec![
        case("/healthz", "/healthz", Credential::None, &[200]),
        case("no credential (401)", STATUS, Credential::None, &[401]),
        case("the same forged token (401, then 429)", STATUS, Credential::Forged, &[401, 429]),
        status(),
        unchanged,
        case("status, every token new", STATUS, Credential::Fresh, &[200]),
        case("forward-auth", "/forward-auth", Credential::Known, &[200]),
        status().at(rate),
    ]
}

/// What the others are asked.
fn peer_cases(name: &str, server: usize, rate: f64) -> Vec<Case> {
    let case =
        |what: &str, credential| Case::new(format!("{name}: {what}"), server, STATUS, credential, &[200]);
    vec![
        case("status", Credential::Known),
        case("status, every token new", Credential::Fresh),
        case("status", Credential::Known).at(rate),
    ]
}

impl Case {
    fn new(
        name: impl Into<String>,
        server: usize,
        path: &'static str,
        credential: Credential,
        expected: &'static [u16],
    ) -> Self {
        Self { name: name.into(), server, path, credential, header: Vec::new(), expected, rate: None }
    }

    /// The same at `rate` requests a second.
    fn at(self, rate: f64) -> Self {
        Self { name: format!("{} at {rate}/s", self.name), rate: Some(rate), ..self }
    }
}

async fn measure(
    case: &Case,
    server: &Server,
    bearers: Option<PathBuf>,
    args: &RunArgs,
) -> Fallible<Measured> {
    let once = case.credential == Credential::Fresh;
    if !once {
        generate(case, server, bearers.as_deref(), args, args.seconds / 3.0).await?;
    }
    let database = || args.postgres_pid.map_or(Ok(Duration::ZERO), process::family_cpu);
    let (before, database_before) = (server.cpu()?, database()?);
    let outcome = generate(case, server, bearers.as_deref(), args, args.seconds).await?;
    let (cpu, database) = (server.cpu()?.saturating_sub(before), database()?.saturating_sub(database_before));
    if outcome.statuses.keys().any(|status| !case.expected.contains(status)) {
        return Err(format!("{}: answered {:?}", case.name, outcome.statuses).into());
    }
    let requests = outcome.requests() as f64;
    let each = |spent: Duration| spent.as_secs_f64() * 1e6 / requests;
    Ok(Measured {
        cpu_micros: each(cpu),
        database_micros: each(database),
        per_second: requests / outcome.seconds,
        latency: outcome.latency,
        memory: server.memory()?,
    })
}

/// Runs the generator in a process of its own.
async fn generate(
    case: &Case,
    server: &Server,
    bearers: Option<&Path>,
    args: &RunArgs,
    seconds: f64,
) -> Fallible<Outcome> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["load", &server.address.to_string(), "--path", case.path]);
    command.args(["--connections", &args.connections.to_string(), "--seconds", &seconds.to_string()]);
    if let Some(file) = bearers {
        command.arg("--bearers").arg(file);
    }
    if case.credential == Credential::Fresh {
        command.arg("--once");
    }
    if let Some(rate) = case.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    for line in &case.header {
        command.args(["--header", line]);
    }
    command.stderr(Stdio::inherit());
    let done = tokio::task::spawn_blocking(move || command.output()).await??;
    if !done.status.success() {
        return Err(format!("{}: the generator failed", case.name).into());
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

fn baseline(name: &str) -> Fallible<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name);
    Server::announcing(command)
}
