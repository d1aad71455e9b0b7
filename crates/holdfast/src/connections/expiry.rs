//! Ending connections whose time has come by the clock.
//!
//! A clock that is ahead would end connections that live, so its word is never final. Where the clock has jumped, or the process has
//! just begun and cannot know, the provider is asked once before a connection is ended; a clock that has gone at an even pace is believed.

use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;

use super::stop::Stop;
use super::{Connections, ServiceError};
use crate::connection::Connection;
use crate::connection::belief::Confidence;
use crate::connection::observation::{Call, Observation};
use crate::provider::Meaning;

/// Questions to the provider under way at once.
const PARALLEL: usize = 8;

/// Expiries up to this time, in unix milliseconds, are doubted: nobody watched how they were reached.
#[derive(Debug)]
pub struct ClockSuspicion(AtomicI64);

impl Default for ClockSuspicion {
    fn default() -> Self {
        Self(AtomicI64::new(i64::MIN))
    }
}

impl Connections {
    /// The clock has leapt, or may have while nobody watched it: what is over by now may not be.
    pub fn suspect_clock(&self) {
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
                call: Call::Check,
                failure,
                next_refresh_at: None,
                confidence: Confidence::TooFew,
            };
            self.record(connection.id, &dead, None).await?;
        }
        Ok(false)
    }
}
