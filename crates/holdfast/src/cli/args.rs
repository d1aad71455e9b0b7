//! The command line's shape. `--help`, `docs/reference/cli.md` and the parser are made from it.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::{Args, Parser, Subcommand};
use clerk_session::OriginPattern;
use url::Url;

/// Verifies Clerk session tokens and keeps Instagram connections alive.
#[derive(Debug, Parser)]
#[command(name = "holdfast", version = version(), propagate_version = true)]
#[command(after_help = "Exit codes: 0 success, 1 the answer is no, 2 wrong usage or configuration.\n\
                        Settings: docs/reference/settings.md, or `holdfast config print`.")]
pub struct Cli {
    /// Configuration file [default: holdfast.toml, if it exists]
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
    /// Starts the server, and stand-ins for Clerk and Instagram as HTTP servers on loopback. Prints
    /// the addresses to open and curl lines to paste. Reads no configuration. Keeps data only with
    /// --data.
    Dev(DevArgs),
    /// Run the server and its worker
    Serve,
    /// Inspect session tokens
    #[command(subcommand)]
    Token(TokenCommand),
    /// Check this installation, and print a remedy for each failed check
    ///
    /// Asks Clerk, Instagram, the public address and the receiver of events, for 15 seconds at
    /// most. Changes nothing. Exit code 1 if a check fails.
    Doctor(DoctorArgs),
    /// Ask the server on this machine whether it is alive; exit code 1 if it does not answer
    ///
    /// For health checks in containers, whose image has no other HTTP client.
    Health {
        /// Ask also whether it can verify tokens and read the database
        #[arg(long)]
        ready: bool,
    },
    /// Show why a request was refused or failed, by the request id of its answer
    ///
    /// Asks the running server, over the metrics listener; it remembers its last 10,000 refused or
    /// failed requests. If it does not know the request, reads a log on standard input: `holdfast
    /// why REQUEST_ID < LOG`, or `journalctl -u holdfast -o cat | holdfast why REQUEST_ID`.
    ///
    /// Exit code 1 if nothing is known about the request.
    Why(WhyArgs),
    /// Export the audit record: who took which grant, and what operators did
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Manage the key ring that seals every grant
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Manage the keys with which the app's backend calls the service routes
    #[command(subcommand)]
    ServiceKey(ServiceKeyCommand),
    /// Look at and repair connections; never prints a grant
    #[command(subcommand)]
    Connections(ConnectionsCommand),
    /// Import long-lived grants from another system, so that nobody has to connect again
    ///
    /// Reads CSV with a header, or one JSON object per line: user_id, access_token, and optionally
    /// token_expires_at and obtained_at (RFC 3339, or unix seconds). For each token, asks Instagram
    /// whose it is, as fast as the rate budget allows, then seals and links it. Prints one JSON
    /// object for each line, and never the input. Can be stopped at any point and started again.
    ///
    /// Once begun, it goes on to the end of the input even if nobody reads what it prints any more,
    /// as with `| head`: to look at a few lines, import a few. Started again, it prints
    /// `already_connected` for what it has imported.
    ///
    /// Exit code 0 if every line was imported or was connected already, else 1.
    Import(ImportArgs),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Apply the database migrations
    ///
    /// `serve` also does this at start; use this command to migrate in a separate step.
    Migrate,
    /// Print the API's OpenAPI description as JSON
    Openapi,
    /// Make a consistent copy of a SQLite database while the server runs
    ///
    /// For Postgres use pg_dump. Grants stay sealed in the copy: without the key ring nobody can
    /// read them, and you cannot use them.
    Backup {
        /// The file to write; it must not exist
        file: PathBuf,
    },
    /// Put a backup in the place of the SQLite database; stop the server and move the old database
    /// away first
    Restore {
        /// The backup
        file: PathBuf,
    },
}

/// Options of `dev`.
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Port of the server; if it is in use, a free one is used
    #[arg(long, default_value_t = 8080)]
    pub port: u16,
    /// Keep the database and its key in this directory [default: a temporary one]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Also let pages of this origin call the server, such as http://localhost:4000; can be
    /// repeated
    ///
    /// Pages of this machine may anyway, on the usual ports of Vite, Next, Angular and Astro.
    #[arg(long, value_name = "ORIGIN", value_parser = OriginPattern::parse)]
    pub origin: Vec<OriginPattern>,
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
    /// The request id, from `x-request-id` or from the error
    pub request_id: String,
    /// The metrics listener to ask; repeat it for several replicas [default:
    /// HOLDFAST_METRICS_LISTEN]
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
        /// Only entries from this time on (RFC 3339)
        #[arg(long, value_name = "TIME", value_parser = time)]
        since: Option<jiff::Timestamp>,
    },
}

fn time(text: &str) -> Result<jiff::Timestamp, &'static str> {
    crate::clock::parse_time(text).ok_or("write a time such as 2026-11-23T12:00:00Z")
}

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Ask nothing but the database
    #[arg(long)]
    pub offline: bool,
    /// Explain a check's code, and check nothing
    #[arg(long, value_name = "CODE", conflicts_with_all = ["json", "offline"])]
    pub explain: Option<String>,
}

/// Commands about session tokens.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Show which steps of the verifier a token on standard input passes, and how to fix a failure
    ///
    /// Uses the server's own verifier, with the configured keys and policy. Never prints the token.
    ///
    /// Exit code 0 if the token is accepted, 1 if it is refused, 2 if it cannot be judged. With
    /// --lines: 2 if any line could not be judged, else 1 if any was refused, else 0.
    Explain(ExplainArgs),
}

/// Options of `token explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Judge the token as of this time: RFC 3339, or unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Read one token per line and print one JSON object per line
    ///
    /// Each line gives exactly one object, in order and as soon as it is judged; so do blank,
    /// oversized and non-UTF-8 lines.
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
    /// Show how many rows each key of the ring seals
    Status(JsonArg),
    /// Seal every row with the ring's first key; the server may be running
    ///
    /// Refuses a key that no server has used yet: put it in front at every replica first.
    Rotate {
        /// No server is running: the key may be one that none has used yet
        #[arg(long)]
        servers_are_stopped: bool,
    },
    /// Check that a key may be removed from the ring; refuses while a row needs it
    Retire {
        /// The key's name in the ring
        id: String,
        /// The key's bytes are lost: give up the grants that only this key opens; their owners must
        /// connect again
        #[arg(long)]
        lost: bool,
        /// With --lost: give it up; without this option the command only says what would be lost
        #[arg(long, requires = "lost")]
        yes: bool,
    },
}

/// Commands about service keys.
#[derive(Debug, Subcommand)]
pub enum ServiceKeyCommand {
    /// Make a key and show it; it cannot be shown again
    Create {
        /// What the key is for
        #[arg(long)]
        name: String,
    },
    /// List the keys, without their secret
    List(JsonArg),
    /// Revoke a key at once
    Revoke {
        /// The key's id, from `list`; or the key itself
        key: String,
    },
}

/// Commands about connections.
#[derive(Debug, Subcommand)]
pub enum ConnectionsCommand {
    /// List connections
    List {
        /// Only those in this state, such as reconnect_required
        #[arg(long)]
        state: Option<String>,
        /// Only those with this reason, such as expired
        #[arg(long)]
        reason: Option<String>,
        /// Only those of this Instagram account: either id, or @username
        #[arg(long)]
        account: Option<String>,
        /// Only those whose grant expires within this time, such as 3d or 12h, the earliest first
        #[arg(long, value_name = "DURATION")]
        expires_within: Option<jiff::Span>,
        /// The most connections to list
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
    /// Disconnect a user and erase the grant for good
    Forget {
        /// Whose
        #[command(flatten)]
        whose: WhoseArgs,
        /// Erase it; without this option the command only says what it would erase
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
    /// Check every token and say what would happen to it; store nothing
    #[arg(long)]
    pub dry_run: bool,
}
