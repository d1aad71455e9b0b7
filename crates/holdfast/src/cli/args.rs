//! The command line's shape. `--help`, `docs/reference/cli.md` and the parser are made from it.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use url::Url;

/// Clerk session verification and Instagram connections that tell the truth.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version = version(), propagate_version = true, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 fine, 1 the answer is no, 2 usage or configuration.\n\
                        Settings: docs/reference/settings.md, or `holdfast config print`.")]
pub struct Cli {
    /// Configuration file [default: holdfast.toml, if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Do not colour the output (also: NO_COLOR)
    #[arg(long, global = true)]
    pub no_color: bool,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The version, with the commit where the release script said which.
fn version() -> &'static str {
    static VERSION: LazyLock<String> = LazyLock::new(|| match crate::overview::COMMIT {
        "unknown" => env!("CARGO_PKG_VERSION").to_owned(),
        commit => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    });
    &VERSION
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Try everything on this machine, with nothing to configure
    ///
    /// Starts stand-ins for Clerk and Instagram as real HTTP servers on loopback, and the unchanged
    /// server beside them; prints where to look and curl lines that work when pasted. Reads no
    /// configuration. Data is kept only with --data.
    Dev(DevArgs),
    /// Run the server and its worker
    Serve,
    /// Look at session tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check this installation; every failed check comes with its remedy
    ///
    /// Exit code 1 where a check fails. Asks Clerk, Instagram, the public address and the receiver
    /// of events, for 15 seconds at most; changes nothing.
    Doctor(DoctorArgs),
    /// Ask the server on this machine whether it lives; exit code 1 where it does not answer
    ///
    /// For the health checks of containers, which have no other program to ask with.
    Health {
        /// Ask whether it can judge and read as well
        #[arg(long)]
        ready: bool,
    },
    /// Say why a request was refused or failed, by the request id that its answer carried
    ///
    /// Asks the memory of the running server (its last 10,000) over the metrics listener; where
    /// that knows nothing of it, reads a log on standard input: `holdfast why REQUEST_ID < LOG`, or
    /// `journalctl -u holdfast -o cat | holdfast why REQUEST_ID`.
    ///
    /// Exit code 1 where nothing is known of it.
    Why(WhyArgs),
    /// The record of who took which grant and what operators did
    #[command(subcommand)]
    Audit(AuditCommand),
    /// The key ring that seals every grant
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Keys with which the app's own backend calls the service routes
    #[command(subcommand)]
    ServiceKey(ServiceKeyCommand),
    /// Look at and mend connections; never prints a grant
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Bring in long-lived grants of another system, so that nobody has to connect again
    ///
    /// CSV with a header, or one JSON object a line: user_id, access_token, and where known
    /// token_expires_at and obtained_at (RFC 3339, or unix seconds). Each token is proven by asking
    /// Instagram whose it is, as the rate budget allows, then sealed and linked. Prints one JSON
    /// object for each line, and never the input. May be ended anywhere and started again.
    ///
    /// Exit code 0 where every line was imported or is connected already, else 1.
    Import(ImportArgs),
    /// The configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Bring the database's schema up to date
    ///
    /// `serve` does so at start as well; this is for those who want it as a step of its own.
    Migrate,
    /// Print the API's OpenAPI description as JSON
    Openapi,
    /// Copy a SQLite database, consistently, while the server runs
    ///
    /// For Postgres use pg_dump. Sealed grants stay sealed: without the key ring the copy gives
    /// nothing away, and nothing back.
    Backup(BackupArgs),
    /// Put a backup where the SQLite database was; the server must be stopped and the old database
    /// moved away
    Restore(RestoreArgs),
    /// Write the generated pages of docs/reference
    #[command(hide = true)]
    Reference(ReferenceArgs),
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Port of the server; a free one is taken where it is in use
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Keep the database and its key in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Let pages of this origin call the server, as those of Vite's usual addresses may; can be
    /// given several times
    #[arg(long, value_name = "ORIGIN")]
    pub origin: Vec<String>,
    /// Send signed events to this address, as to the app's own backend
    #[arg(long, value_name = "URL")]
    pub webhook: Option<Url>,
}

/// `--json`.
#[derive(Debug, Clone, Copy, Args)]
pub struct JsonArg {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The id, as in `x-request-id` and in every error
    pub request_id: String,
    /// The metrics listener to ask; several for several replicas [default: HOLDFAST_METRICS_LISTEN]
    #[arg(long, value_name = "URL")]
    pub from: Vec<url::Url>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Commands about the record of acts.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the record as JSON lines, oldest first
    Export {
        /// Only from then on: RFC 3339
        #[arg(long, value_name = "TIME")]
        since: Option<jiff::Timestamp>,
    },
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask nobody but the database
    #[arg(long)]
    pub offline: bool,
    /// Print what a check's code stands for, and check nothing
    #[arg(long, value_name = "CODE", conflicts_with_all = ["json", "offline"])]
    pub explain: Option<String>,
}

/// Commands about session tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Say of a token on standard input which steps of the verifier it passes, and what would mend
    /// it
    ///
    /// Runs the verifier of the server itself, with the configuration's keys and policy. Never
    /// prints the token.
    ///
    /// Exit code 0 where the token is accepted, 1 where it is refused, 2 where it cannot be judged.
    /// With --lines: 2 where any line could not be judged, else 1 where any was refused, else 0.
    Explain(ExplainArgs),
}

/// Options of `token explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Judge as of then: RFC 3339, or unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Read one token a line and print one JSON object a line
    ///
    /// Every line gives exactly one object, blank, oversized and non-UTF-8 lines included, in order
    /// and as soon as it is judged.
    #[arg(long)]
    pub lines: bool,
    /// Take the keys from this JWKS file
    #[arg(long, value_name = "FILE", conflicts_with = "jwt_key")]
    pub jwks: Option<PathBuf>,
    /// Take the key from this PEM file
    #[arg(long, value_name = "FILE")]
    pub jwt_key: Option<PathBuf>,
}

/// Commands about the key ring.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Print a new key, ready for HOLDFAST_ENCRYPTION_KEYS
    Generate {
        /// The key's name in the ring [default: today's date and six random digits]
        #[arg(long)]
        id: Option<String>,
    },
    /// Say which key of the ring seals how many rows
    Status(JsonArg),
    /// Seal every row with the ring's first key; the server may run meanwhile
    ///
    /// Refuses a key that no server has used yet: put it in front at every replica first.
    Rotate {
        /// No server runs: the key may be one that none has used yet
        #[arg(long)]
        servers_are_stopped: bool,
    },
    /// Say whether a key may leave the ring; refuses while a row needs it
    Retire {
        /// The key's name in the ring
        id: String,
        /// Its bytes are lost: give up what only it could open; the people concerned must connect
        /// again
        #[arg(long)]
        lost: bool,
    },
}

/// Commands about service keys.
#[derive(Debug, Subcommand)]
pub enum ServiceKeyCommand {
    /// Make a key and show it, this once
    Create {
        /// What it is for
        #[arg(long)]
        name: String,
    },
    /// List the keys, without their secret
    List(JsonArg),
    /// End a key at once
    Revoke {
        /// Its id, from `list`
        id: String,
    },
}

/// Commands about connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// List connections
    List {
        /// Only of this state, such as reconnect_required
        #[arg(long)]
        state: Option<String>,
        /// Only for this reason, such as expired
        #[arg(long)]
        reason: Option<String>,
        /// Only of this Instagram account: either id, or @username
        #[arg(long)]
        account: Option<String>,
        /// At most so many
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a user's connection and its history
    Show(UserArgs),
    /// Ask Instagram about a user's connection now
    Check(UserArgs),
    /// Refresh a user's grant now, if Instagram allows it at its age
    Refresh(UserArgs),
    /// Disconnect a user: erases the grant for good
    Forget {
        /// Whose
        #[command(flatten)]
        whose: WhoseArgs,
        /// Do it; without this it only says what would be erased
        #[arg(long)]
        yes: bool,
    },
}

/// A user, by their own id or by their Instagram account.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct WhoseArgs {
    /// Clerk user id, such as user_2abc
    pub user: Option<String>,
    /// The Instagram account instead: either id, as in webhooks and in Meta's deletion lists, or
    /// @username
    #[arg(long)]
    pub account: Option<String>,
}

/// A user.
#[derive(Debug, Args)]
pub struct UserArgs {
    /// Whose
    #[command(flatten)]
    pub whose: WhoseArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Commands about the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check the configuration as `serve` would, reporting every fault at once
    Check,
    /// Print every setting with its origin; secrets are not shown
    Print(JsonArg),
}

/// Options of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file; `-` for standard input
    pub file: PathBuf,
    /// Prove every token and say what would become of it; store nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The file to write; must not exist
    pub file: PathBuf,
}

/// Options of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The backup
    pub file: PathBuf,
}

/// Options of `reference`.
#[derive(Debug, Args)]
pub struct ReferenceArgs {
    /// The directory
    #[arg(default_value = "docs/reference")]
    pub dir: PathBuf,
}
