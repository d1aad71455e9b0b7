//! THE status table: every code that an answer can carry, with its status, its source and its page.
//!
//! A new variant anywhere below does not compile until it has an [`Entry`]; nothing else in the
//! crate picks a status for an error.

use clerk_session::RefusalCode;

use super::request::RequestCode;
use super::row::{Entry, Source};
use super::server::ServerCode;
use super::service_key::ServiceKeyCode;
use super::{instagram, session};
use crate::connection::Reason;
use crate::http::authentication::refused::Refused;

/// Everything that can go wrong in an answer of ours.
///
/// There is no conversion from [`crate::provider::Failure`]: what Instagram said reaches an answer
/// only as a [`Reason`], and a reason is never a 401. What is one holds a [`Refused`], which only
/// the authentication makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemCode {
    /// The session token is missing or refused: the only way to a 401 outside `/service`.
    Session(Refused<RefusalCode>),
    /// The service key is missing or refused: the only way to a 401 on `/service`.
    ServiceKey(Refused<ServiceKeyCode>),
    /// The request itself.
    Request(RequestCode),
    /// Instagram, on a route that uses a grant.
    Instagram(Reason),
    /// No account was ever linked, on a route that uses a grant.
    NotConnected,
    /// Clerk's keys, the database, or this server.
    Server(ServerCode),
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
        let session = Refused::<RefusalCode>::all().map(Self::Session);
        session
            .chain(Refused::<ServiceKeyCode>::all().map(Self::ServiceKey))
            .chain(RequestCode::ALL.iter().copied().map(Self::Request))
            .chain([Self::NotConnected])
            .chain(Reason::ALL.iter().copied().map(Self::Instagram))
            .chain(ServerCode::ALL.iter().copied().map(Self::Server))
    }

    /// The code of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::all().find(|each| each.entry().code == name)
    }

    /// Whose fault it is.
    pub fn source(self) -> Source {
        match self {
            Self::Session(_) => Source::Session,
            Self::ServiceKey(_) => Source::ServiceKey,
            Self::Request(_) => Source::Request,
            Self::Instagram(_) | Self::NotConnected => Source::Instagram,
            Self::Server(code) => code.source(),
        }
    }

    /// Its row.
    pub fn entry(self) -> Entry {
        match self {
            Self::Session(refused) => session::entry(refused.code()),
            Self::ServiceKey(refused) => refused.code().entry(),
            Self::Request(code) => code.entry(),
            Self::Instagram(reason) => instagram::entry(reason),
            Self::NotConnected => instagram::NOT_CONNECTED,
            Self::Server(code) => code.entry(),
        }
    }
}
