//! What a connection is: pure facts and rules, without I/O. A new reader begins here.
//!
//! A connection changes only by an [`observation::Observation`], through [`transition::apply`].

pub mod attempt;
pub mod belief;
pub mod clock_repair;
pub mod completion;
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

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use state::{Action, EvidenceSource, Reason, Standing, State, state_in_words};

use crate::clock::after;
use crate::provider::{Account, ProviderId};

/// Success is recorded at most this often, so that a busy backend does not cost a write per call.
const PROVEN_EVERY: Duration = Duration::from_mins(1);

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
    /// Scopes asked for when connecting that were not granted. [`status::missing_scopes`] says what
    /// is missing now.
    pub missing_scopes: Vec<String>,
    /// The grant in use, if any; its token is stored sealed, not here.
    pub grant: Option<GrantFacts>,
    /// The refresh that brought it named no lifetime, so its expiry is that of the grant before:
    /// only the provider knows when it ends.
    pub expiry_is_assumed: bool,
    /// When the worker next refreshes the grant, or probes a connection in trouble.
    pub next_refresh_at: Option<Timestamp>,
    /// The provider is not asked about this connection before this time.
    pub retry_after: Option<Timestamp>,
    /// Since when the standing holds.
    pub since: Timestamp,
    /// When the person consented to the present link, or when it was imported; a deauthorization
    /// older than this is about an earlier link.
    pub linked_at: Option<Timestamp>,
    /// What our knowledge rests on.
    pub evidence: Option<Evidence>,
    /// The first sign that the grant is dead or the person must act, while unconfirmed.
    pub suspicion: Option<Suspicion>,
    /// Failed refreshes and probes in a row.
    pub failures: u32,
    /// Grows by one with every stored change.
    pub version: i64,
}

impl Connection {
    /// The connection of somebody who has never connected an account.
    pub fn not_connected(id: Uuid, user_id: String, provider: ProviderId, since: Timestamp) -> Self {
        Self {
            id,
            user_id,
            provider,
            standing: Standing::NOT_CONNECTED,
            account: None,
            scopes: Vec::new(),
            missing_scopes: Vec::new(),
            grant: None,
            expiry_is_assumed: false,
            next_refresh_at: None,
            retry_after: None,
            since,
            linked_at: None,
            evidence: None,
            suspicion: None,
            failures: 0,
            version: 1,
        }
    }

    /// The version of the next stored change, and of a grant that comes with it: never reused.
    pub fn next_version(&self) -> i64 {
        self.version + 1
    }

    /// When the first sign against `grant` was seen; `now` if there was none.
    pub fn first_sign_at(&self, grant: GrantFacts, now: Timestamp) -> Timestamp {
        // Ignore a sign stamped in the future (its clock was ahead): it would never be confirmed.
        let first = self.suspicion.filter(|each| each.grant_version == grant.version && each.first_at <= now);
        first.map_or(now, |first| first.first_at)
    }

    /// The standing of this connection while its grant works.
    pub(crate) fn healthy_standing(&self) -> Standing {
        if self.missing_scopes.is_empty() { Standing::CONNECTED } else { Reason::ScopesMissing.into() }
    }

    /// Whether a suspicion is stored, or a live connection is not in its healthy standing.
    pub(crate) fn is_doubted(&self) -> bool {
        self.suspicion.is_some()
            || self.standing.state().is_alive() && self.standing != self.healthy_standing()
    }

    /// Whether a call with the grant has just worked and nothing is wrong: that another has worked,
    /// too, is not worth a write.
    pub(crate) fn is_just_proven(&self, now: Timestamp) -> bool {
        let is_fresh = self.evidence.is_some_and(|evidence| {
            evidence.source == EvidenceSource::Use && after(evidence.at, PROVEN_EVERY) > now
        });
        let is_settled = self.standing == self.healthy_standing() || self.fails_to_renew();
        is_fresh && is_settled && self.suspicion.is_none()
    }

    /// Whether refreshes have failed lately without any sign against the grant itself.
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
    /// When it arrived. The minimum age for a refresh counts from here.
    pub obtained_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// An unconfirmed sign that the grant is dead or that the person must act. Nobody is told to act
/// until a later sign confirms it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suspicion {
    /// The grant it was about.
    pub grant_version: i64,
    /// When it was first seen.
    pub first_at: Timestamp,
}

/// The event that a connection's state rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Evidence {
    /// The kind of event.
    pub source: EvidenceSource,
    /// When it happened.
    #[schemars(with = "String")]
    pub at: Timestamp,
}
