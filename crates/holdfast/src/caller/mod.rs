//! Who is calling: the only maker of [`Caller`] and [`OwnerId`].
//!
//! One [`SessionVerifier`] judges for every route. A failure that is no verdict has a type of its
//! own, so that it cannot end as a refusal of the caller. Nothing here knows axum or the database.

pub mod assertion;
mod config;
mod counts;
mod kept_keys;
mod key_reporter;
pub mod keys;
mod policy;
mod refusal_log;
mod repeat_limiter;
pub mod service;
mod two_generation_map;
mod verified_token_cache;
mod verifier;

use std::sync::Arc;

use clerk_session::Claims;
use jiff::Timestamp;

pub use config::{ClerkConfig, ConfigError};
pub use counts::Counts;
pub use kept_keys::{KeptKeys, PURPOSE as KEPT_KEYS_PURPOSE};
pub use policy::policy;
pub use refusal_log::RefusalLog;
pub use service::ServiceCaller;
pub use verifier::{Authentication, SessionVerifier};

use crate::clock::from_millis;

/// Proof that this user's data may be read and changed. Made only from a verified session token or
/// service key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnerId(String);

impl OwnerId {
    /// The owner that an operator names on the command line: an operator has access to the database
    /// anyway.
    pub fn named_by_operator(user_id: impl Into<String>) -> Self {
        Self(user_id.into())
    }

    /// The owner of that Clerk user id; `None` where it is none.
    pub(crate) fn parse(user_id: &str) -> Option<Self> {
        clerk_session::is_user_id(user_id).then(|| Self(user_id.to_owned()))
    }

    /// The Clerk user id, `user_…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The holder of a session token that was verified. Made only by [`SessionVerifier::judge`]. Cheap
/// to clone.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Proven>);

/// In memory as written, as [`Claims`] are.
#[derive(Debug)]
#[repr(C)]
struct Proven {
    owner: OwnerId,
    claims: Claims,
}

impl Caller {
    fn proven(claims: Claims) -> Self {
        Self(Arc::new(Proven { owner: OwnerId(claims.subject.clone()), claims }))
    }

    /// Whose data this caller may reach: their own.
    pub fn owner(&self) -> &OwnerId {
        &self.0.owner
    }

    /// Clerk session id, `sess_…`.
    pub fn session_id(&self) -> &str {
        &self.0.claims.session_id
    }

    /// What the token says.
    pub fn claims(&self) -> &Claims {
        &self.0.claims
    }

    /// When the token expires, without the allowed skew; streams end then.
    pub fn expires_at(&self) -> Timestamp {
        from_millis(self.0.claims.expires_at_ms)
    }

    /// Whether somebody else acts in the user's name (`act`). They may read, and change nothing
    /// about connections.
    pub fn is_impersonated(&self) -> bool {
        self.0.claims.actor.is_some()
    }

    /// Who acts in the user's name; `unknown` where the token does not say who.
    pub fn impersonator(&self) -> Option<&str> {
        self.0.claims.actor.as_ref().map(|actor| actor.subject.as_deref().unwrap_or("unknown"))
    }
}
