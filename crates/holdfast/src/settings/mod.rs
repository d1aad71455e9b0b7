//! The configuration: one table of settings ([`table`]), read from the environment or
//! `holdfast.toml`, checked as a whole.
//!
//! The environment wins over the file, and `NAME_FILE` names a file that holds the value. Empty
//! values count as unset. All faults are reported at once. Nothing outside this module reads the
//! environment.

mod clerk;
mod contradictions;
mod database_address;
mod entry;
mod fault;
mod load;
mod misplaced_secrets;
mod parse;
mod preview_hosts;
mod print;
mod reading;
mod remedies;
mod sources;
pub mod table;
#[cfg(test)]
mod tests;
pub mod traces;
mod weak_secrets;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

pub use clerk_session::AuthorizedPartiesMode as PartiesMode;
use clerk_session::{OriginPattern, PublishableKey};
use secrecy::SecretString;
use url::Url;

use crate::caller::keys::SecretKey;
use crate::client_address::TrustedProxies;
use crate::connection::return_url::ReturnUrl;
use crate::connection::schedule::RefreshPolicy;
use crate::provider::instagram::InstagramConfig;
use crate::standard_webhooks::SigningKey;
use crate::vault::KeyRing;
pub use entry::{Fallback, Setting};
pub use fault::{Fault, Faults, Origin};
pub use load::{load, load_again, load_with_reading};
pub use misplaced_secrets::{HIDDEN, has_secret_prefix, is_secret_as_path, looks_secret, shown_path};
pub use print::{Shown, shown};
pub use reading::Reading;
pub use remedies::remedy_text;
pub use sources::{ConfigFile, Environment};
pub use traces::TraceSettings;

/// Whether `CLERK_ISSUER` takes this text as one issuer.
fn can_be_issuer(text: &str) -> bool {
    parse::issuers(text).is_ok_and(|issuers| issuers == [text])
}

/// What the configuration is read for: the server needs more of it than the tools do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `serve`: keys for sealing and a source of Clerk's keys are required.
    Serve,
    /// Everything else: each command asks for what it needs.
    Tools,
}

/// The configuration, checked.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Listening address.
    pub listen: SocketAddr,
    /// Listening address of the metrics; `None` for off.
    pub metrics_listen: Option<SocketAddr>,
    /// Where browsers and Meta reach us.
    pub public_url: Url,
    /// The database's address; may hold a password.
    pub database_url: SecretString,
    /// Directory of the journal, which holds grants that the database could not take when they
    /// arrived.
    pub journal_directory: PathBuf,
    /// The key ring. Present where the purpose was [`Purpose::Serve`].
    pub encryption_keys: Option<KeyRing>,
    /// Origins (and patterns) that browsers may call from.
    pub allowed_origins: Vec<OriginPattern>,
    /// Where `return_to` may point.
    pub return_urls: Vec<ReturnUrl>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// Connections at a time.
    pub max_connections: NonZeroUsize,
    /// How long a server that was told to stop serves on.
    pub drain: Duration,
    /// Whether the operating system may write core files.
    pub core_files: bool,
    /// Requests under way at a time.
    pub max_requests: NonZeroUsize,
    /// Requests under way of one client address; `None` for as many as there is room for.
    pub requests_per_address: Option<NonZeroUsize>,
    /// Whether HTTP/2 without TLS is spoken too.
    pub http2: bool,
    /// Secret that signs `X-Auth-Assertion`; `None` where none is sent.
    pub forward_auth_secret: Option<SecretString>,
    /// Where events go.
    pub webhook: Option<OutgoingWebhook>,
    /// Clerk.
    pub clerk: ClerkSettings,
    /// Instagram; `None` where no app is configured.
    pub instagram: Option<InstagramConfig>,
    /// Shortest time between two checks of one connection that callers ask for.
    pub check_interval: Duration,
    /// When a grant is due for a refresh.
    pub refresh: RefreshPolicy,
    /// Whether this process refreshes grants.
    pub worker: bool,
    /// Filter of the log.
    pub log: String,
    /// Format of the log; `None`: text on a terminal, else JSON.
    pub log_format: Option<LogFormat>,
    /// Where traces go; `None` for off.
    pub traces: Option<TraceSettings>,
    /// Warnings: not faults, but worth saying.
    pub warnings: Vec<Fault>,
}

/// Where events about connections are sent.
#[derive(Debug, Clone)]
pub struct OutgoingWebhook {
    /// Address.
    pub url: Url,
    /// What signs them.
    pub key: SigningKey,
}

impl Settings {
    /// Why the server cannot start although each value is fine by itself.
    pub fn obstacle(&self) -> Option<Fault> {
        contradictions::one_address(self)
    }
}

/// What we know of the Clerk instance.
#[derive(Debug, Clone)]
pub struct ClerkSettings {
    /// Publishable key.
    pub publishable_key: Option<PublishableKey>,
    /// Pinned public key, PEM.
    pub jwt_key: Option<String>,
    /// Secret key for the Backend API.
    pub secret_key: Option<SecretKey>,
    /// Backend API.
    pub api_url: Url,
    /// Where the keys are, if the configuration says so.
    pub jwks_url: Option<Url>,
    /// Else where the Frontend API lists them, the first asked first; none without a publishable key.
    pub frontend_apis: Vec<Url>,
    /// What `iss` must be; `None` where nothing says so.
    pub issuers: Vec<String>,
    /// What `azp` may be.
    pub parties: Vec<OriginPattern>,
    /// How strictly parties are checked.
    pub parties_mode: PartiesMode,
    /// What `aud` must contain one of; empty for no check.
    pub audience: Vec<String>,
    /// Allowed difference of clocks.
    pub clock_skew: Duration,
    /// What signs Clerk's webhooks: several while one replaces another.
    pub webhook_keys: Option<Vec<SigningKey>>,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// One JSON object a line.
    Json,
}
