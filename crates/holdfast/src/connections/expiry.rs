//! Ending connections whose grant has expired.
//!
//! A clock that is ahead would end live connections. After a jump of the clock, or a start of the
//! process, a connection is therefore ended only when the provider says so too; a clock that has run
//! steadily is believed. Where the last refresh named no lifetime, nobody knows when the grant ends
//! but the provider. It is asked until it answers; meanwhile the status goes by the clock.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::diagnose::{Diagnosed, Tools};
use super::recorder::change;
use super::{Connections, ServiceError, parallel};
use crate::clock::after;
use crate::connection::clock_repair::TOLERANCE;
use crate::connection::diagnosis::Diagnosis;
use crate::connection::observation::{Call, Observation};
use crate::connection::{Connection, GrantFacts};
use crate::provider::Grant;
use crate::store::Lease;

/// How long a connection rests whose expiry is doubted and of which nothing was learnt: longer than
/// the breaker's longest pause, so that others get its next probe.
const DOUBT_RESTS: Duration = Duration::from_hours(2);

impl Connections {
    /// Doubts every expiry up to now and a little longer: the clock is ahead, or seems to be.
    pub fn suspect_clock(&self) {
        self.clock_suspicion.raise(after(self.parts.clock.now(), TOLERANCE));
    }

    /// Up to when expiries are doubted.
    fn doubted_until(&self) -> Timestamp {
        self.clock_suspicion.until(self.parts.clock.now())
    }

    /// Ends connections whose grant has expired; if the expiry is doubted, only after asking the
    /// provider, as soon as it may be asked. Returns how many ended. A failure of one connection
    /// does not stop the others.
    pub async fn expire_due(&self, limit: usize, stop: &CancellationToken) -> Result<usize, ServiceError> {
        let (store, now) = (&self.parts.store, self.parts.clock.now());
        let doubted_until = self.doubted_until();
        // However many are in doubt, they hold up none that is not.
        let mut expired = store.expired_connections(now, doubted_until, limit).await?;
        let askable = self.provider_allows(limit);
        if askable > 0 {
            expired.extend(store.connections_expired_in_doubt(now, doubted_until, askable).await?);
        }
        let ended = |connection: Connection| async move { self.expire_alone(&connection).await };
        parallel::for_each(expired, stop, ended).await
    }

    /// Calls [`Self::expire`]; logs a failure that concerns this connection alone.
    async fn expire_alone(&self, connection: &Connection) -> Result<bool, ServiceError> {
        let ended = ServiceError::of_one(self.expire(connection, None).await, |error| {
            if self.parts.store.is_news("connection to end", &connection.id.to_string()) {
                tracing::error!(connection = %connection.id, %error, "an expired connection could not be ended");
            }
        })?;
        Ok(ended == Some(true))
    }

    /// Ends a connection whose grant has expired, unless the grant still works. Returns whether it
    /// ended.
    pub(super) async fn expire(
        &self,
        connection: &Connection,
        lease: Option<&Lease>,
    ) -> Result<bool, ServiceError> {
        let recorded = match self.worth_asking(connection).await? {
            Question::NotNow => return Ok(false),
            Question::Settled => {
                self.recorder.record_on(connection, &Observation::ExpiryPassed, None).await?
            }
            Question::Ask(doubt, facts, grant) => {
                let Some(provider) = &self.parts.provider else { return Ok(false) };
                let tools = Tools { provider, grant: &grant, lease };
                let diagnosis = match doubt {
                    Doubt::Clock => Diagnosis::of_expiry(connection, facts),
                    // When it expires is not known, so that no answer is no end.
                    Doubt::Assumed => Diagnosis::of_question(connection, facts, Call::Check),
                };
                match self.diagnose(diagnosis, tools).await? {
                    Diagnosed::Works => {
                        tracing::warn!(
                            connection = %connection.id, expires_at = %facts.expires_at, remedy = doubt.remedy(),
                            "a grant works past its expiry"
                        );
                        return Ok(false);
                    }
                    Diagnosed::Unasked => {
                        self.rest_in_doubt(connection).await?;
                        return Ok(false);
                    }
                    Diagnosed::RolledBack | Diagnosed::Replaced => return Ok(false),
                    Diagnosed::Failed(_, recorded) | Diagnosed::Expired(recorded) => recorded,
                }
            }
        };
        Ok(recorded.is_some_and(|recorded| recorded.news && !recorded.connection.standing.state().is_alive()))
    }

    /// Lets others have the next calls: nothing was learnt of this one.
    async fn rest_in_doubt(&self, connection: &Connection) -> Result<(), ServiceError> {
        let now = self.parts.clock.now();
        let next = Connection { retry_after: Some(after(now, DOUBT_RESTS)), ..connection.clone() };
        // If this loses to another change, that one has learnt something.
        self.parts.store.commit(&change(connection, next, now, None)).await?;
        Ok(())
    }

    /// Whether to ask the provider before the clock ends the connection.
    async fn worth_asking(&self, connection: &Connection) -> Result<Question, ServiceError> {
        let now = self.parts.clock.now();
        let (Some(facts), Some(doubt)) = (connection.grant, self.doubt(connection)) else {
            return Ok(Question::Settled);
        };
        if connection.waits_until(now).is_some() || !self.may_ask(connection).await? {
            return Ok(Question::NotNow);
        }
        let grant = ServiceError::of_one(self.grant(connection).await, |error| {
            tracing::error!(connection = %connection.id, %error, "an expired grant cannot be opened");
        })?;
        Ok(grant.flatten().map_or(Question::Settled, |grant| Question::Ask(doubt, facts, grant)))
    }

    /// Why the provider is to be asked before the clock ends the connection, if it is.
    fn doubt(&self, connection: &Connection) -> Option<Doubt> {
        let facts = connection.grant.filter(|_| self.is_configured())?;
        if connection.expiry_is_assumed {
            return Some(Doubt::Assumed);
        }
        (facts.expires_at <= self.doubted_until()).then_some(Doubt::Clock)
    }
}

/// Why an expiry is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// The clock may be ahead.
    Clock,
    /// It is that of the grant before, because the refresh named none.
    Assumed,
}

impl Doubt {
    /// For the operator, where the grant works.
    fn remedy(self) -> &'static str {
        match self {
            Self::Clock => "check this machine's clock",
            Self::Assumed => "none: Instagram refreshed it without saying how long it lives",
        }
    }
}

/// The answer of [`Connections::worth_asking`].
enum Question {
    /// The clock is believed.
    Settled,
    /// Another check asks, or has just asked, or the provider may not be asked yet: wait.
    NotNow,
    /// Ask with this grant.
    Ask(Doubt, GrantFacts, Grant),
}
