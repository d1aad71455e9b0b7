//! What a connection is: pure facts and rules, without I/O. A new reader begins here.
//!
//! A connection changes only by an [`observation::Observation`], through [`transition::apply`].

pub mod attempt;
pub mod belief;
pub mod clock_repair;
pub mod diagnosis;
pub mod observation;
pub mod reasons;
pub mod return_url;
pub mod schedule;
mod state;
pub mod status;
#[cfg(test)]
mod tests;
pub mod transition;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use state::{Action, EvidenceSource, Reason, Standing, State, state_in_words};

use crate::provider::{Account, ProviderId};

/// The link between one user and one account at a provider, as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Row id.
    pub id: Uuid,
    /// Clerk user id of the owner.
    pub user_id: String,
    /// The provider.
    pub provider: ProviderId,
    /// What we know.
    pub standing: Standing,
    /// The linked account; `None` while nothing is linked.
    pub account: Option<Account>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Scopes that we asked for at connecting and were not granted; see [`status::missing_scopes`]
    /// for what is missing by now.
    pub missing_scopes: Vec<String>,
    /// The grant in use; `None` where there is none (its bytes live in the vault's keeping, not
    /// here).
    pub grant: Option<GrantFacts>,
    /// When the worker will next refresh the grant, or look whether a trouble has passed.
    pub next_refresh_at: Option<Timestamp>,
    /// Not before this time will we ask the provider about this connection.
    pub retry_after: Option<Timestamp>,
    /// Since when the standing holds.
    pub since: Timestamp,
    /// When the present account was linked; a deauthorization older than this is about an earlier
    /// link.
    pub linked_at: Option<Timestamp>,
    /// What our knowledge rests on.
    pub evidence: Option<Evidence>,
    /// A first, unconfirmed sign that the grant is dead.
    pub suspicion: Option<Suspicion>,
    /// Failed refreshes in a row.
    pub failures: u32,
    /// Grows by one with every stored change.
    pub version: i64,
}

impl Connection {
    /// When the first sign was seen that `grant` is dead; `now` where there was none.
    pub fn first_sign_at(&self, grant: GrantFacts, now: Timestamp) -> Timestamp {
        // A sign stamped in the future would never be confirmed: its clock was ahead.
        let first = self.suspicion.filter(|each| each.grant_version == grant.version && each.first_at <= now);
        first.map_or(now, |first| first.first_at)
    }

    /// The standing of this connection while its grant works.
    pub(crate) fn healthy_standing(&self) -> Standing {
        if self.missing_scopes.is_empty() { Standing::CONNECTED } else { Reason::ScopesMissing.into() }
    }

    /// Whether something is said against the connection that may pass, or may prove true.
    pub(crate) fn is_doubted(&self) -> bool {
        self.suspicion.is_some()
            || self.standing.state().is_alive() && self.standing != self.healthy_standing()
    }

    /// Whether refreshes have failed lately while nothing is said against the grant itself.
    pub(crate) fn fails_to_renew(&self) -> bool {
        let is_living =
            self.standing == self.healthy_standing() || self.standing == Reason::RefreshFailing.into();
        self.failures > 0 && self.suspicion.is_none() && is_living
    }
}

/// Facts about the grant in use that are no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantFacts {
    /// Version of the stored grant, growing per connection.
    pub version: i64,
    /// When it arrived; a grant is never refreshed before it has the minimum age.
    pub obtained_at: Timestamp,
    /// When it dies.
    pub expires_at: Timestamp,
}

/// A sign of death, or that the person must act, that a later one has to confirm before anybody is
/// told so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// The grant it was about.
    pub grant_version: i64,
    /// When it was first seen.
    pub first_at: Timestamp,
}

/// What our knowledge of a connection rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// The kind of event.
    pub source: EvidenceSource,
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
