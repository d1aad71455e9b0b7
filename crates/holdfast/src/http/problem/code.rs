//! THE status table: every code that an answer can carry, with its status, its source and its page.
//!
//! A new variant anywhere below does not compile until it has an [`Entry`]; nothing else in the crate picks a
//! status for an error.

use clerk_session::RefusalCode;
use http::StatusCode;
use serde::Serialize;

use super::request::RequestCode;
use super::server::ServerCode;
use super::service_key::ServiceKeyCode;
use super::{instagram, request, server, service_key, session};
use crate::connection::Reason;

/// Everything that can go wrong in an answer of ours.
///
/// There is no conversion from [`crate::provider::Failure`]: what Instagram said reaches an answer only as a
/// [`Reason`], and a reason is never a 401.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemCode {
    /// The session token is missing or refused: the only way to a 401 outside `/service`.
    Session(RefusalCode),
    /// The service key is missing or refused: the only way to a 401 on `/service`.
    ServiceKey(ServiceKeyCode),
    /// The request itself.
    Request(RequestCode),
    /// Instagram, on a route that uses a grant.
    Instagram(Reason),
    /// No account was ever linked, on a route that uses a grant.
    NotConnected,
    /// Clerk's keys, the database, or this server.
    Server(ServerCode),
}

/// Who is at fault, or whom we are waiting for: the `source` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProblemSource")]
pub enum Source {
    /// The session token.
    Session,
    /// The service key.
    ServiceKey,
    /// The request.
    Request,
    /// Instagram.
    Instagram,
    /// Clerk's servers.
    Clerk,
    /// Our database.
    Database,
    /// This server.
    Server,
}

impl Source {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::ServiceKey => "service_key",
            Self::Request => "request",
            Self::Instagram => "instagram",
            Self::Clerk => "clerk",
            Self::Database => "database",
            Self::Server => "server",
        }
    }
}

/// What a client may do about it without a person: the `action` member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProblemAction")]
pub enum Remedy {
    /// Get a fresh session token (`getToken({ skipCache: true })`) and ask once more.
    RefreshSessionToken,
    /// Sign in: there is no session token, or no fresh one would be accepted either.
    SignIn,
    /// Wait for `Retry-After`, then ask again.
    Retry,
    /// Change the request; the same one will be refused again.
    FixRequest,
    /// Connect Instagram.
    Connect,
    /// Connect the same account again.
    Reconnect,
    /// Do what Instagram asks, in its app.
    FixAtInstagram,
    /// Tell whoever runs this installation.
    ContactSupport,
}

impl Remedy {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RefreshSessionToken => "refresh_session_token",
            Self::SignIn => "sign_in",
            Self::Retry => "retry",
            Self::FixRequest => "fix_request",
            Self::Connect => "connect",
            Self::Reconnect => "reconnect",
            Self::FixAtInstagram => "fix_at_instagram",
            Self::ContactSupport => "contact_support",
        }
    }
}

/// One row of the table, and the content of the page `/docs/errors/{code}`.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The stable code.
    pub code: &'static str,
    /// The status it is sent with.
    pub status: StatusCode,
    /// Whose fault it is.
    pub source: Source,
    /// What a client may do.
    pub action: Remedy,
    /// A short name that does not vary between occurrences (RFC 9457, 3.1.3).
    pub title: &'static str,
    /// What it means, in a sentence; the `detail` where an occurrence has nothing more to say.
    pub meaning: &'static str,
    /// What causes it.
    pub causes: &'static [&'static str],
    /// What mends it.
    pub remedy: &'static str,
}

impl From<RefusalCode> for ProblemCode {
    fn from(code: RefusalCode) -> Self {
        Self::Session(code)
    }
}

impl From<ServiceKeyCode> for ProblemCode {
    fn from(code: ServiceKeyCode) -> Self {
        Self::ServiceKey(code)
    }
}

impl From<RequestCode> for ProblemCode {
    fn from(code: RequestCode) -> Self {
        Self::Request(code)
    }
}

impl From<Reason> for ProblemCode {
    fn from(reason: Reason) -> Self {
        Self::Instagram(reason)
    }
}

impl From<ServerCode> for ProblemCode {
    fn from(code: ServerCode) -> Self {
        Self::Server(code)
    }
}

impl ProblemCode {
    /// Every code, in the order of the index page.
    pub fn all() -> impl Iterator<Item = Self> {
        let session = RefusalCode::ALL.iter().copied().map(Self::Session);
        session
            .chain(ServiceKeyCode::ALL.iter().copied().map(Self::ServiceKey))
            .chain(RequestCode::ALL.iter().copied().map(Self::Request))
            .chain([Self::NotConnected])
            .chain(Reason::ALL.iter().copied().map(Self::Instagram))
            .chain(ServerCode::ALL.iter().copied().map(Self::Server))
    }

    /// The code of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|each| each.entry().code == name)
    }

    /// Its row.
    pub fn entry(self) -> Entry {
        match self {
            Self::Session(code) => session::entry(code),
            Self::ServiceKey(code) => service_key::entry(code),
            Self::Request(code) => request::entry(code),
            Self::Instagram(reason) => instagram::entry(reason),
            Self::NotConnected => instagram::NOT_CONNECTED,
            Self::Server(code) => server::entry(code),
        }
    }
}

/// Declares a plain enum of codes that can be enumerated.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)+ }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}
pub(in crate::http) use codes;
