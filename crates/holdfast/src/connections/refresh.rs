//! Giving a grant a new lifetime.
//!
//! The claim of the lease is the durable intent: where it cannot be written, nothing is asked of the provider, so
//! there is never an answer that could not be stored. What the provider then hands us is stored whoever holds the
//! lease by that time; it is given up only where the person has disconnected or connected anew.

use std::time::Duration;

use jiff::Timestamp;

use super::sealing;
use super::service::{Connections, ServiceError, change};
use super::transition::{Call, Observation, apply};
use super::{Connection, GrantFacts};
use crate::clock::after;
use crate::provider::{DeathCause, Failure, Grant, Meaning, SharedProvider};
use crate::store::{Committed, Lease};

/// What a refresh came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// There is a new grant.
    Renewed,
    /// There was nothing to do: not linked, expired, too young, or changed by others meanwhile.
    Skipped,
    /// The provider answered with a failure, which is recorded.
    Failed(Meaning),
}

/// The first pause after a failed refresh; doubles with each failure in a row.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause while there is plenty of time.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// With less life than this left, a failed refresh is tried again at least every hour.
const LAST_DAYS: Duration = Duration::from_hours(72);
/// The longest pause in the last days.
const HOUR: Duration = Duration::from_hours(1);

impl Connections {
    /// Refreshes the grant of a leased connection and records what came of it. The lease is not given back.
    pub async fn refresh(&self, lease: &Lease) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        let Some(provider) = &self.parts.provider else { return Ok(Refreshed::Skipped) };
        let Some(facts) = connection.grant else { return Ok(Refreshed::Skipped) };
        let now = self.parts.clock.now();
        if facts.expires_at <= now {
            self.record(connection.id, &Observation::ExpiryPassed, None).await?;
            return Ok(Refreshed::Skipped);
        }
        let ripe = after(facts.obtained_at, self.parts.refresh.min_age);
        if ripe > now {
            self.postpone(connection, facts, ripe).await?;
            return Ok(Refreshed::Skipped);
        }
        let Some(grant) = self.grant(connection).await? else { return Ok(Refreshed::Skipped) };
        match provider.refresh(&grant).await.outcome {
            Ok(renewed) => self.keep_renewed(connection, provider, renewed).await,
            Err(failure) => {
                let failure = self.second_opinion(provider, &grant, failure).await;
                let meaning = failure.meaning;
                let observation = Observation::Failed {
                    grant_version: facts.version,
                    call: Call::Refresh,
                    next_refresh_at: Some(self.next_try(connection, facts, &failure)),
                    failure,
                    incident: false,
                };
                self.record(connection.id, &observation, None).await?;
                Ok(Refreshed::Failed(meaning))
            }
        }
    }

    /// A grant that cannot be refreshed yet is looked at again when it can.
    async fn postpone(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        until: Timestamp,
    ) -> Result<(), ServiceError> {
        let mut next = connection.clone();
        next.next_refresh_at = Some(until.min(facts.expires_at));
        next.version += 1;
        // A conflict means that somebody knows better.
        self.parts.store.commit(&change(connection, next, self.parts.clock.now(), None)).await?;
        Ok(())
    }

    /// An unexplained "no" to the refresh is held against a plain question with the same grant.
    async fn second_opinion(&self, provider: &SharedProvider, grant: &Grant, first: Failure) -> Failure {
        if first.meaning != Meaning::DeadUnexplained {
            return first;
        }
        match provider.identify(grant).await.outcome {
            Ok(_) => Failure { meaning: Meaning::Unavailable, ..first },
            Err(second) => match second.meaning {
                Meaning::DeadUnexplained => Failure { meaning: Meaning::Dead(DeathCause::Invalid), ..second },
                Meaning::Dead(_) | Meaning::UserAction(_) => second,
                Meaning::Permission
                | Meaning::RateLimited(_)
                | Meaning::Unavailable
                | Meaning::App(_)
                | Meaning::Content
                | Meaning::CodeRejected => first,
            },
        }
    }

    /// Appends the new grant and switches to it in one unit of work. The previous version stays until the next
    /// success: nobody knows whether the provider has ended it.
    async fn keep_renewed(
        &self,
        asked: &Connection,
        provider: &SharedProvider,
        renewed: Grant,
    ) -> Result<Refreshed, ServiceError> {
        let key = sealing::user_key(&self.parts.store, &self.parts.vault, &asked.user_id).await?;
        let mut current = asked.clone();
        loop {
            let Some(held) = current.grant.filter(|_| current.linked_at == asked.linked_at) else {
                return Ok(Refreshed::Skipped);
            };
            if renewed.expires_at < held.expires_at {
                tracing::warn!(connection = %current.id, "the provider answered a refresh with an earlier expiry; the stored grant stays");
                return self.shortened(&current, held).await;
            }
            let now = self.parts.clock.now();
            let version = current.version + 1;
            let sealed =
                sealing::seal_grant(&key, &current.user_id, provider.id(), current.id, version, &renewed)?;
            let observation = Observation::Refreshed {
                from_version: held.version,
                grant: GrantFacts {
                    version,
                    obtained_at: renewed.obtained_at,
                    expires_at: renewed.expires_at,
                },
                next_refresh_at: self.refresh_due(&renewed)?,
            };
            let mut next = apply(&current, &observation, now);
            next.version = version;
            let mut changes = change(&current, next, now, None);
            changes.append_grant = Some(sealed);
            changes.erase_grants_below = Some((current.id, held.version));
            match self.parts.store.commit(&changes).await? {
                Committed::Done => return Ok(Refreshed::Renewed),
                Committed::Gone => return Err(ServiceError::UserGone),
                Committed::Conflict | Committed::AccountTaken | Committed::TooManyAttempts => {}
            }
            match self.parts.store.connection_by_id(asked.id).await? {
                Some(fresh) => current = fresh,
                None => return Ok(Refreshed::Skipped),
            }
        }
    }

    /// A refresh that would shorten the grant's life counts as one that failed, so that the next try waits its turn:
    /// still being due, it would be asked for again at once, and again.
    async fn shortened(&self, current: &Connection, held: GrantFacts) -> Result<Refreshed, ServiceError> {
        let failure = Failure {
            meaning: Meaning::Unavailable,
            retry_after: None,
            http_status: None,
            code: None,
            subcode: None,
            detail: "the refresh was answered with an earlier expiry than the stored one".to_owned(),
        };
        let meaning = failure.meaning;
        let observation = Observation::Failed {
            grant_version: held.version,
            call: Call::Refresh,
            next_refresh_at: Some(self.next_try(current, held, &failure)),
            failure,
            incident: false,
        };
        self.record(current.id, &observation, None).await?;
        Ok(Refreshed::Failed(meaning))
    }

    /// When to try again: after a pause that doubles with each failure, never shorter than the provider asks for,
    /// never so long that the grant could die for want of a try.
    fn next_try(&self, connection: &Connection, facts: GrantFacts, failure: &Failure) -> Timestamp {
        let now = self.parts.clock.now();
        let left = facts.expires_at.duration_since(now);
        let left = if left.is_negative() { Duration::ZERO } else { left.unsigned_abs() };
        let pause = FIRST_PAUSE.saturating_mul(1 << connection.failures.min(16));
        let longest = if left < LAST_DAYS { HOUR } else { LONGEST_PAUSE };
        let pause = pause.min(longest).min(left / 4).max(failure.retry_after.unwrap_or_default());
        after(now, pause.max(Duration::from_secs(1)))
    }
}
