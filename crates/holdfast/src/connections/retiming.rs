//! Clocks jump: no time that a wrong one wrote may cost a connection.
//!
//! A clock that is ahead ends connections that live, and leaves times behind that lie in the future once it is right again.
//! So the clock's word is never final: the grant is kept, and what no right clock can have written is put right by
//! [`Connections::retime`]. Where the clock has jumped, or the process has just begun and cannot know, the provider is asked once before
//! a connection is ended; a clock that has gone at an even pace is believed.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::incident::Outlook;
use super::service::{Connections, ServiceError};
use super::stop::Stop;
use super::transition::{Call, Observation};
use super::{Connection, EvidenceSource, GrantFacts, Reason, Standing};
use crate::clock::after;
use crate::provider::Meaning;

/// Nobody is made to wait longer, whatever the provider says: its limits are counted over 24 hours at most.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// How far the clocks of two replicas may be apart before times are put right and leases disbelieved. An hour more or less of sixty
/// days is no harm.
pub const TOLERANCE: Duration = Duration::from_hours(1);
/// What Instagram's grants live. Of a longer life, late times are noticed later, with as many days left.
pub const USUAL_LIFE: Duration = Duration::from_hours(60 * 24);
/// How long it counts that a grant has worked past its expiry.
pub const PROOF_LASTS: Duration = Duration::from_hours(24);
/// Questions to the provider under way at once.
const PARALLEL: usize = 8;

/// Expiries up to this time, in unix milliseconds, are doubted: nobody watched how they were reached.
#[derive(Debug)]
pub struct Doubt(AtomicI64);

impl Default for Doubt {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Connection {
    /// Until when the provider may not be asked about this connection. A time further off than [`LONGEST_WAIT`] is from a clock that
    /// was ahead.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_after.filter(|until| *until > now && *until <= after(now, LONGEST_WAIT))
    }

    /// Whether the grant has worked past its stored expiry, not long ago: then not the grant is over, but a clock is wrong.
    pub fn has_outlived_expiry(&self, now: Timestamp) -> bool {
        let (Some(grant), Some(evidence)) = (self.grant, self.evidence) else { return false };
        let by_answer = match evidence.source {
            EvidenceSource::Refresh | EvidenceSource::Use => true,
            EvidenceSource::Oauth | EvidenceSource::Callback | EvidenceSource::Clock => false,
        };
        by_answer && evidence.at >= grant.expires_at && after(evidence.at, PROOF_LASTS) > now
    }

    /// Whether nothing but the clock has ended this connection, so that the clock can give it back.
    pub(super) fn is_expired_by_clock(&self) -> bool {
        self.grant.is_some()
            && self.standing.reason() == Some(Reason::Expired)
            && self.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Clock)
    }

    /// The standing of this connection while its grant works.
    pub(super) fn living(&self) -> Standing {
        if self.missing_scopes.is_empty() { Standing::CONNECTED } else { Reason::ScopesMissing.into() }
    }
}

/// The same grant with times that it can have at `now`: it has not arrived later, and has at most its whole life before it.
fn possible(grant: GrantFacts, now: Timestamp) -> GrantFacts {
    if grant.obtained_at <= after(now, TOLERANCE) {
        return grant;
    }
    let life = grant.expires_at.duration_since(grant.obtained_at);
    let life = if life.is_negative() { Duration::ZERO } else { life.unsigned_abs() };
    GrantFacts { obtained_at: now, expires_at: after(now, life), ..grant }
}

impl Connections {
    /// The clock has leapt, or may have while nobody watched it: what is over by now may not be.
    pub fn doubt_the_clock(&self) {
        self.doubt.0.store(self.parts.clock.now().as_millisecond(), Ordering::Relaxed);
    }

    fn is_doubted_expiry(&self, expires_at: Timestamp) -> bool {
        expires_at.as_millisecond() <= self.doubt.0.load(Ordering::Relaxed)
    }

    /// Ends connections whose time has come by the clock; where that is doubted, each after a question to the provider. Returns how
    /// many it ended. One connection's trouble stays its own.
    pub async fn expire_due(&self, limit: usize, stop: &Stop) -> Result<usize, ServiceError> {
        let limit = if self.is_configured() { self.provider_allows(limit) } else { limit };
        if limit == 0 {
            return Ok(0);
        }
        let due = self.parts.store.expired_connections(self.parts.clock.now(), limit).await?;
        let outcomes = stream::iter(due).map(|connection| async move {
            if stop.is_asked() { Ok(false) } else { self.expire_alone(&connection).await }
        });
        let outcomes: Vec<_> = outcomes.buffer_unordered(PARALLEL).collect().await;
        let mut ended = 0;
        for outcome in outcomes {
            ended += usize::from(outcome?);
        }
        Ok(ended)
    }

    /// The same, where others wait for their turn.
    async fn expire_alone(&self, connection: &Connection) -> Result<bool, ServiceError> {
        match self.expire(connection).await {
            Err(error) if !error.concerns_all() => {
                tracing::error!(connection = %connection.id, %error, "a connection could not be ended by the clock");
                Ok(false)
            }
            outcome => outcome,
        }
    }

    /// Ends a connection whose time has come by the clock, unless its grant works all the same. Answers whether it ended.
    pub(super) async fn expire(&self, connection: &Connection) -> Result<bool, ServiceError> {
        if self.works_still(connection).await? {
            return Ok(false);
        }
        let recorded = self.record(connection.id, &Observation::ExpiryPassed, None).await?;
        Ok(recorded.is_some_and(|recorded| recorded.news))
    }

    /// Asks the provider whether a grant works, or may work, that should not by the clock. No answer counts as no.
    async fn works_still(&self, connection: &Connection) -> Result<bool, ServiceError> {
        let (Some(provider), Some(facts)) = (&self.parts.provider, connection.grant) else {
            return Ok(false);
        };
        let now = self.parts.clock.now();
        if !self.is_doubted_expiry(facts.expires_at) || connection.waits_until(now).is_some() {
            return Ok(false);
        }
        if !self.parts.store.claim_probe(connection.id, now, self.parts.check_interval).await? {
            // Somebody is asking, or has just asked: not to be ended before the answer is known.
            return Ok(true);
        }
        let grant = match self.grant(connection).await {
            Ok(Some(grant)) => grant,
            Ok(None) => return Ok(false),
            Err(error) if error.concerns_all() => return Err(error),
            Err(error) => {
                tracing::error!(connection = %connection.id, %error, "an expired grant cannot be opened");
                return Ok(false);
            }
        };
        let failure = match self.account_for(provider.identify(&grant).await) {
            Ok(account) => {
                tracing::warn!(connection = %connection.id, expires_at = %facts.expires_at, %now, "a grant works past its expiry: is the clock right?");
                let worked = Observation::Worked {
                    grant_version: facts.version,
                    account: Some(account),
                    next_refresh_at: None,
                };
                self.record(connection.id, &worked, None).await?;
                return Ok(true);
            }
            Err(failure) => failure,
        };
        if let Meaning::Dead(_) = failure.meaning {
            // The provider and the clock agree, so it does not come back with the clock. That many die at once of age is no incident.
            let dead = Observation::Failed {
                grant_version: facts.version,
                call: Call::Identify,
                failure,
                next_refresh_at: None,
                outlook: Outlook::Few,
            };
            self.record(connection.id, &dead, None).await?;
        }
        Ok(false)
    }

    /// Puts right up to `limit` connections with times that only a clock that was ahead can have written. Returns how many it found.
    /// One connection's trouble stays its own.
    pub async fn retime(&self, limit: usize, stop: &Stop) -> Result<usize, ServiceError> {
        let now = self.parts.clock.now();
        let tail = self.parts.refresh.tail_percent();
        let found = self.parts.store.mistimed_connections(now, tail, limit).await?;
        for connection in found.iter().take_while(|_| !stop.is_asked()) {
            match self.retime_one(connection, now).await {
                Err(error) if !error.concerns_all() => {
                    tracing::error!(connection = %connection.id, %error, "times from a clock that was ahead could not be put right");
                }
                outcome => outcome?,
            }
        }
        Ok(found.len())
    }

    async fn retime_one(&self, connection: &Connection, now: Timestamp) -> Result<(), ServiceError> {
        let Some(facts) = connection.grant else { return Ok(()) };
        let grant = possible(facts, now);
        let next_refresh_at = self.due_between(grant.obtained_at, grant.expires_at)?;
        tracing::warn!(connection = %connection.id, "times from a clock that was ahead are put right");
        self.record(connection.id, &Observation::Retimed { grant, next_refresh_at }, None).await?;
        Ok(())
    }
}
