//! Refreshing a grant.
//!
//! The claimed lease is the durable intent: without a database to write it, the provider is not
//! asked. The new grant is stored even if the lease has expired meanwhile; it is dropped only if
//! the person has disconnected or reconnected, or a later grant is stored. Until the database has
//! it, it is in the [journal](super::journal).

use std::time::Duration;

use jiff::Timestamp;

use super::diagnose::{Diagnosed, Tools};
use super::grants::RowSeal;
use super::journal::{Journaled, LinkId, Origin};
use super::profile::Described;
use super::recorder::change;
use super::switch::Switch;
use super::{Connections, ServiceError};
use crate::clock::after;
use crate::connection::diagnosis::Diagnosis;
use crate::connection::observation::Call;
use crate::connection::schedule::HOUR;
use crate::connection::{Connection, EvidenceSource, GrantFacts};
use crate::provider::{Grant, Meaning, SharedProvider};
use crate::store::Lease;
use crate::vault::UserKey;

/// Longest duration of a refresh: five calls in turn, of ten seconds each (the refresh, others,
/// their earlier grants, `/me`, the earlier grant). With less of the lease left, none begins.
const LONGEST_REFRESH: Duration = Duration::from_mins(1);

/// The outcome of [`Connections::refresh`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// A new grant is installed, or the earlier one restored.
    Renewed,
    /// The grant that the refresh brought, or the one to be refreshed, does not work. The one
    /// before it does, and is in use again.
    RolledBack,
    /// No new grant, and why.
    Skipped(Skip),
    /// The provider answered with a failure, which is recorded.
    Failed(Meaning),
}

/// Why Instagram was not asked, or not for a new grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skip {
    /// No app is configured.
    NotConfigured,
    /// There is no grant.
    NotLinked,
    /// The connection has ended, or its grant has expired.
    Over,
    /// The grant may not be refreshed before this time.
    TooYoung(Timestamp),
    /// Instagram may not be asked before this time.
    Waits(Timestamp),
    /// It was asked about the connection within the check interval.
    JustAsked,
    /// The stored grant does not open, which is recorded.
    Unreadable,
    /// The grant works, and need not be refreshed yet.
    Works,
    /// Another process replaces the grant, or the person has connected again.
    Replaced,
    /// The worker stops, or may ask nobody now.
    Postponed,
}

impl From<Diagnosed> for Refreshed {
    fn from(diagnosed: Diagnosed) -> Self {
        match diagnosed {
            Diagnosed::RolledBack => Self::RolledBack,
            Diagnosed::Works => Self::Skipped(Skip::Works),
            Diagnosed::Expired(_) => Self::Skipped(Skip::Over),
            Diagnosed::Replaced => Self::Skipped(Skip::Replaced),
            Diagnosed::Unasked => Self::Skipped(Skip::JustAsked),
            Diagnosed::Failed(meaning, _) => Self::Failed(meaning),
        }
    }
}

impl Connections {
    /// Refreshes the grant of a leased connection and records the outcome. Installing a grant
    /// releases the lease in the same unit of work; no other outcome does.
    pub async fn refresh(&self, lease: &Lease) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        let Some(provider) = &self.parts.provider else { return Ok(Refreshed::Skipped(Skip::NotConfigured)) };
        let Some(facts) = connection.grant else { return Ok(Refreshed::Skipped(Skip::NotLinked)) };
        if lease.until() < after(self.parts.clock.now(), LONGEST_REFRESH) {
            return Ok(Refreshed::Skipped(Skip::Postponed));
        }
        let schedule = self.schedule()?;
        if !connection.standing.state().is_alive() || connection.has_expired(schedule.now) {
            self.end(lease).await?;
            return Ok(Refreshed::Skipped(Skip::Over));
        }
        // The worker claims no such connection, but an operator may.
        if let Some(until) = self.pause_until(connection, schedule.now) {
            return Ok(Refreshed::Skipped(Skip::Waits(until)));
        }
        let ripe = after(facts.obtained_at, schedule.policy.min_age);
        let is_young = ripe > schedule.now;
        // In trouble, and it cannot or need not be refreshed yet.
        let is_probed = connection.is_doubted() && (is_young || !schedule.is_due(facts));
        if is_young && !is_probed {
            self.reschedule(connection, Some(ripe)).await?;
            return Ok(Refreshed::Skipped(Skip::TooYoung(ripe)));
        }
        // Open the key first: without it, the answer could be neither stored nor journaled.
        let Some((grant, key)) = self.grant_and_key(connection).await? else {
            self.postpone_an_hour(connection).await?;
            return Ok(Refreshed::Skipped(Skip::Unreadable));
        };
        let tools = Tools { provider, grant: &grant, lease: Some(lease) };
        if is_probed {
            self.probe_due(lease, facts, tools).await
        } else {
            self.renew(lease, facts, &key, tools).await
        }
    }

    /// Ends an expired connection, or unschedules one that has already ended.
    async fn end(&self, lease: &Lease) -> Result<(), ServiceError> {
        let connection = lease.connection();
        if connection.standing.state().is_alive() {
            self.expire(connection, Some(lease)).await.map(drop)
        } else {
            self.reschedule(connection, None).await
        }
    }

    /// Refreshes the grant and installs the new one.
    async fn renew(
        &self,
        lease: &Lease,
        facts: GrantFacts,
        key: &UserKey,
        tools: Tools<'_>,
    ) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        let link = LinkId::of(connection, facts);
        let origin = Origin::Refresh(link);
        let reservation = self.parts.journal.reserve(origin).await;
        let reply = tools.provider.refresh(tools.grant).await;
        let entry = reply.outcome.as_ref().ok().map(|renewed| {
            let sealed = RowSeal::of_connection(key, connection).seal_journaled(facts.version, renewed);
            self.parts.journal.write(reservation, &connection.user_id, origin, sealed)
        });
        let renewed = match self.gate.observe(reply) {
            Ok(renewed) => renewed,
            Err(failure) => {
                let diagnosis = Diagnosis::of_failure(connection, facts, Call::Refresh, failure);
                return Ok(self.diagnose(diagnosis, tools).await?.into());
            }
        };
        let stored = self.switch(link, key, &renewed, Switch::Renewed, Some(lease)).await;
        match (&stored, entry) {
            (Ok(_) | Err(ServiceError::UserGone), Some(entry)) => entry.discard(),
            (Err(error), Some(entry)) => entry.retain(error),
            (Ok(_) | Err(_), None) => {}
        }
        if !stored? {
            return Ok(Refreshed::Skipped(Skip::Replaced));
        }
        self.incidents.passed(connection).await;
        let looked_at = Box::pin(self.look_at_renewed(connection, tools.provider, &renewed)).await;
        Ok(looked_at.unwrap_or_else(|error| {
            tracing::warn!(connection = %connection.id, %error, "a new grant is stored, but not what Instagram says with it");
            Refreshed::Renewed
        }))
    }

    /// Probes a connection in trouble whose grant cannot or need not be refreshed yet.
    async fn probe_due(
        &self,
        lease: &Lease,
        facts: GrantFacts,
        tools: Tools<'_>,
    ) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        if !self.may_ask(connection).await? {
            // Another check has just run; its result is stored or about to be.
            self.reschedule(connection, Some(after(self.parts.clock.now(), self.parts.check_interval)))
                .await?;
            return Ok(Refreshed::Skipped(Skip::JustAsked));
        }
        let question = Diagnosis::of_question(connection, facts, Call::Probe);
        Ok(self.diagnose(question, tools).await?.into())
    }

    /// Asks about the account with the new grant. It is probed after doubts about it or the grant
    /// before it, and later where `/me` gives no answer: until then it may be another account's.
    async fn look_at_renewed(
        &self,
        before: &Connection,
        provider: &SharedProvider,
        renewed: &Grant,
    ) -> Result<Refreshed, ServiceError> {
        let is_doubted = before.suspicion.is_some() || before.failures > 0 && is_proven_by_use(before);
        let described =
            if is_doubted { Described::Against } else { self.describe(before, provider, renewed).await? };
        let failure = match described {
            Described::Rightly => return Ok(Refreshed::Renewed),
            Described::Against => None,
            Described::Unanswered(failure) => Some(failure),
        };
        if let Some(connection) = self.parts.store.connection_by_id(before.id).await?
            && let Some(facts) = connection.grant.filter(|facts| facts.obtained_at == renewed.obtained_at)
        {
            let diagnosis = match failure {
                None => Diagnosis::of_question(&connection, facts, Call::Probe),
                Some(failure) => Diagnosis::of_failure(&connection, facts, Call::Probe, failure),
            };
            let tools = Tools { provider, grant: renewed, lease: None };
            if matches!(self.diagnose(diagnosis, tools).await?, Diagnosed::RolledBack) {
                return Ok(Refreshed::RolledBack);
            }
        }
        Ok(Refreshed::Renewed)
    }

    /// Stores a journaled grant, unless the database has a later grant or another link.
    pub(super) async fn replay_refresh(&self, token: &Journaled, link: LinkId) -> Result<bool, ServiceError> {
        let Some(current) = self.parts.store.connection_by_id(link.connection_id).await? else {
            tracing::warn!(
                connection = %link.connection_id, user = %token.user_id,
                "a journaled token is deleted: the database does not know its connection, as after a restore"
            );
            return Ok(false);
        };
        // Its key may have been given up with the grant.
        if current.grant.is_none() {
            return Ok(false);
        }
        let key = self.stored_user_key(&token.user_id).await?;
        let grant = RowSeal::of_journaled(&key, token).open_journaled(link.from_version, &token.blob)?;
        self.switch(link, &key, &grant, Switch::Renewed, None).await
    }

    /// Postpones a connection that has a problem of its own by an hour, so that it does not hold up
    /// the others.
    pub async fn postpone_an_hour(&self, connection: &Connection) -> Result<(), ServiceError> {
        let hence = after(self.parts.clock.now(), HOUR);
        let until = connection.grant.map_or(hence, |facts| facts.expires_at.min(hence));
        self.reschedule(connection, Some(until)).await
    }

    /// Reschedules the connection to `until`; unschedules it if it has ended.
    async fn reschedule(
        &self,
        connection: &Connection,
        until: Option<Timestamp>,
    ) -> Result<(), ServiceError> {
        let mut next = connection.clone();
        next.next_refresh_at = until
            .filter(|_| connection.standing.state().is_alive())
            .map(|until| connection.grant.map_or(until, |facts| until.min(facts.expires_at)));
        // On a conflict another writer knows better: ignore it.
        self.parts.store.commit(&change(connection, next, self.parts.clock.now(), None)).await?;
        Ok(())
    }
}

fn is_proven_by_use(connection: &Connection) -> bool {
    connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Use)
}
