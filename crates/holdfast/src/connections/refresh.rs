//! Giving a grant a new lifetime.
//!
//! The claim of the lease is the durable intent: where it cannot be written, nothing is asked of the provider, so
//! there is never an answer that could not be stored. What the provider then hands us is stored whoever holds the
//! lease by that time; it is given up only where the person has disconnected or connected anew. Where the database is
//! away at that very moment, it goes to the [spill](super::spill).

use std::time::Duration;

use jiff::Timestamp;

use super::diagnose::{Diagnosed, Tools};
use super::grants;
use super::journal::replay::{keep, let_go};
use super::journal::{Origin, Spilled};
use super::recorder::change;
use super::switch::{Link, Switch};
use super::{Connections, ServiceError};
use crate::clock::after;
use crate::connection::diagnosis::Diagnosis;
use crate::connection::observation::Call;
use crate::connection::schedule::HOUR;
use crate::connection::{Connection, EvidenceSource, GrantFacts};
use crate::provider::{Grant, Meaning, SharedProvider};
use crate::store::Lease;

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

/// What a refresh may take at most: the call, others and the grants before theirs, a second opinion
/// and the grant before, of ten seconds each. With less of the lease left, it is not begun.
const LONGEST_REFRESH: Duration = Duration::from_mins(1);

impl Connections {
    /// Refreshes the grant of a leased connection and records what came of it. The lease is given back with a renewed grant,
    /// in one unit of work, and only then.
    pub async fn refresh(&self, lease: &Lease) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        let Some(provider) = &self.parts.provider else { return Ok(Refreshed::Skipped) };
        let Some(facts) = connection.grant else { return Ok(Refreshed::Skipped) };
        let now = self.parts.clock.now();
        if lease.until() < after(now, LONGEST_REFRESH) {
            return Ok(Refreshed::Skipped);
        }
        if !connection.standing.state().is_alive() {
            self.postpone(connection, None).await?;
            return Ok(Refreshed::Skipped);
        }
        if facts.expires_at <= now && !connection.has_outlived_expiry(now) {
            self.expire(connection).await?;
            return Ok(Refreshed::Skipped);
        }
        let ripe = after(facts.obtained_at, self.parts.refresh.min_age);
        let doubted = connection.is_doubted();
        if ripe > now && !doubted {
            self.postpone(connection, Some(ripe)).await?;
            return Ok(Refreshed::Skipped);
        }
        // The key before the call: without it, an answer could be neither stored nor spilled.
        let Some((grant, key)) = self.grant_and_key(connection).await? else {
            self.put_off(connection).await?;
            return Ok(Refreshed::Skipped);
        };
        if doubted && (ripe > now || !self.schedule()?.is_due(facts)) {
            return self.look(lease, facts, provider, &grant).await;
        }
        let origin = Origin::Refresh {
            connection_id: connection.id,
            linked_at: connection.linked_at,
            from_version: facts.version,
        };
        let room = self.room(origin).await?;
        let reply = provider.refresh(&grant).await;
        let held = match &reply.outcome {
            Ok(renewed) => {
                let sealed = grants::seal_spilled(
                    &key,
                    &connection.user_id,
                    connection.provider,
                    connection.id,
                    facts.version,
                    renewed,
                );
                self.write_down(room, &connection.user_id, origin, sealed)
            }
            Err(_) => None,
        };
        match self.gate.account_for(reply) {
            Ok(renewed) => {
                let link = Link::of(connection);
                let stored = self.switch(link, &key, &renewed, Switch::Renewed, Some(lease)).await;
                match &stored {
                    Ok(_) | Err(ServiceError::UserGone) => let_go(origin, held),
                    Err(error) => keep(origin, held, error),
                }
                if !stored? {
                    return Ok(Refreshed::Skipped);
                }
                self.incidents.passed(connection).await?;
                if connection.suspicion.is_some() || connection.failures > 0 && is_proven_by_use(connection) {
                    self.look_again(connection.id, provider, &renewed).await?;
                }
                Ok(Refreshed::Renewed)
            }
            Err(failure) => {
                let diagnosis = Diagnosis::of_failure(connection, facts, Call::Refresh, failure);
                let tools = Tools { provider, grant: &grant, lease: Some(lease) };
                Ok(came_to(&self.diagnose(diagnosis, tools).await?))
            }
        }
    }

    /// Asks about a connection in trouble whose grant cannot or need not be renewed yet: whether the trouble has passed.
    async fn look(
        &self,
        lease: &Lease,
        facts: GrantFacts,
        provider: &SharedProvider,
        grant: &Grant,
    ) -> Result<Refreshed, ServiceError> {
        let connection = lease.connection();
        let now = self.parts.clock.now();
        if !self.parts.store.claim_probe(connection.id, now, self.parts.check_interval).await? {
            // Somebody has just asked, and what they learnt is stored or about to be.
            self.postpone(connection, Some(after(now, self.parts.check_interval))).await?;
            return Ok(Refreshed::Skipped);
        }
        let tools = Tools { provider, grant, lease: Some(lease) };
        Ok(came_to(&self.diagnose(Diagnosis::of_question(connection, facts, Call::Probe), tools).await?))
    }

    /// That a grant which was doubted, or gone back to, could be renewed does not say whose the new one is.
    async fn look_again(
        &self,
        id: uuid::Uuid,
        provider: &SharedProvider,
        renewed: &Grant,
    ) -> Result<(), ServiceError> {
        if let Some(connection) = self.parts.store.connection_by_id(id).await?
            && let Some(facts) = connection.grant.filter(|facts| facts.obtained_at == renewed.obtained_at)
        {
            let tools = Tools { provider, grant: renewed, lease: None };
            self.diagnose(Diagnosis::of_question(&connection, facts, Call::Probe), tools).await?;
        }
        Ok(())
    }

    /// Puts a grant that was spilled into the database, unless that knows better.
    pub(super) async fn replay_refresh(
        &self,
        spilled: &Spilled,
        connection_id: uuid::Uuid,
        linked_at: Option<Timestamp>,
        from_version: i64,
    ) -> Result<(), ServiceError> {
        let key = grants::user_key(&self.parts.store, &self.parts.vault, &spilled.user_id).await?;
        let grant = grants::open_spilled(
            &key,
            &spilled.user_id,
            Self::PROVIDER,
            connection_id,
            from_version,
            &spilled.blob,
        )?;
        let link = Link { id: connection_id, linked_at };
        self.switch(link, &key, &grant, Switch::Renewed, None).await.map(drop)
    }

    /// A connection that cannot be worked on for a reason of its own must not stand in the others' way.
    pub async fn put_off(&self, connection: &Connection) -> Result<(), ServiceError> {
        let now = self.parts.clock.now();
        let until = connection.grant.map_or(after(now, HOUR), |facts| facts.expires_at.min(after(now, HOUR)));
        self.postpone(connection, Some(until)).await
    }

    /// A grant that cannot be refreshed yet is looked at again when it can; one that has ended, never.
    async fn postpone(&self, connection: &Connection, until: Option<Timestamp>) -> Result<(), ServiceError> {
        let mut next = connection.clone();
        next.next_refresh_at = until
            .filter(|_| connection.standing.state().is_alive())
            .map(|until| connection.grant.map_or(until, |facts| until.min(facts.expires_at)));
        next.version += 1;
        // A conflict means that somebody knows better.
        self.parts.store.commit(&change(connection, next, self.parts.clock.now(), None)).await?;
        Ok(())
    }
}

fn came_to(diagnosed: &Diagnosed) -> Refreshed {
    match diagnosed {
        Diagnosed::Restored => Refreshed::Renewed,
        Diagnosed::Works | Diagnosed::Expired(_) => Refreshed::Skipped,
        Diagnosed::Failed(meaning, _) => Refreshed::Failed(*meaning),
    }
}

fn is_proven_by_use(connection: &Connection) -> bool {
    connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Use)
}
