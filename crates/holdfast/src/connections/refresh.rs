//! Giving a grant a new lifetime.
//!
//! The claim of the lease is the durable intent: where it cannot be written, nothing is asked of the provider, so
//! there is never an answer that could not be stored. What the provider then hands us is stored whoever holds the
//! lease by that time; it is given up only where the person has disconnected or connected anew. Where the database is
//! away at that very moment, it goes to the [spill](super::spill).

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret as _;

use crate::clock::after;
use crate::connection::belief::{Confidence, Population, confirmation_delay};
use crate::connection::clock_repair::LONGEST_WAIT;
use crate::connection::observation::{Call, Observation};
use crate::connection::status::is_alive;
use crate::connection::transition::{apply, is_another_account};
use crate::connection::{Connection, EvidenceSource, GrantFacts, Reason, State};
use crate::connections::grants::{self, SealingError};
use crate::connections::journal::replay::{keep, let_go};
use crate::connections::journal::{Origin, Spilled};
use crate::connections::{Connections, ServiceError, change};
use crate::provider::{Failure, Grant, Meaning, SharedProvider};
use crate::store::{CommitOutcome, Lease, SealedGrant};
use crate::vault::UserKey;

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

/// The first pause after a failed refresh.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
/// The longest pause while there is plenty of time.
const LONGEST_PAUSE: Duration = Duration::from_hours(24);
/// With less life than this left, a failed refresh is tried again at least every hour.
const LAST_DAYS: Duration = Duration::from_hours(72);
/// The longest pause in the last days.
const HOUR: Duration = Duration::from_hours(1);
/// What a refresh may take at most: the call, others and the grants before theirs, a second opinion and the grant before, of ten seconds
/// each. With less of the lease left, it is not begun.
const LONGEST_REFRESH: Duration = Duration::from_mins(1);
/// A compare-and-set that keeps losing is tried this often.
const MAX_CONFLICTS: u32 = 20;

/// Why the grant in use changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Switch {
    Renewed,
    /// That version does not work; one before it does.
    Restored {
        dead: i64,
    },
}

/// What has to be the same still for a grant to be stored: the link that it belongs to.
#[derive(Debug, Clone, Copy)]
struct Link {
    id: uuid::Uuid,
    linked_at: Option<Timestamp>,
}

/// Whether something is being said against the connection that may pass, or may prove true.
fn is_doubted(connection: &Connection) -> bool {
    connection.suspicion.is_some()
        || is_alive(connection.standing.state()) && connection.standing != connection.healthy_standing()
}

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
        if !is_alive(connection.standing.state()) {
            self.postpone(connection, None).await?;
            return Ok(Refreshed::Skipped);
        }
        if facts.expires_at <= now && !connection.has_outlived_expiry(now) {
            self.expire(connection).await?;
            return Ok(Refreshed::Skipped);
        }
        let ripe = after(facts.obtained_at, self.parts.refresh.min_age);
        let doubted = is_doubted(connection);
        if ripe > now && !doubted {
            self.postpone(connection, Some(ripe)).await?;
            return Ok(Refreshed::Skipped);
        }
        // The key before the call: without it, an answer could be neither stored nor spilled.
        let Some((grant, key)) = self.grant_and_key(connection).await? else {
            self.put_off(connection).await?;
            return Ok(Refreshed::Skipped);
        };
        if doubted && (ripe > now || !self.is_due(facts)) {
            return self.look(connection, facts, provider, &grant).await;
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
        match self.account_for(reply) {
            Ok(renewed) => {
                let link = Link { id: connection.id, linked_at: connection.linked_at };
                let stored = self.switch(link, &key, &renewed, Switch::Renewed, Some(lease)).await;
                match &stored {
                    Ok(_) | Err(ServiceError::UserGone) => let_go(origin, held),
                    Err(error) => keep(origin, held, error),
                }
                if !stored? {
                    return Ok(Refreshed::Skipped);
                }
                self.trouble_passed(connection).await?;
                let is_doubted =
                    connection.suspicion.is_some() || connection.failures > 0 && is_proven_by_use(connection);
                if is_doubted || self.describe(connection, provider, &renewed).await? {
                    self.look_again(connection.id, provider, &renewed).await?;
                }
                Ok(Refreshed::Renewed)
            }
            Err(failure) => {
                let is_suspected = connection.suspicion.is_some();
                let mut failure = failure;
                if failure.meaning == Meaning::DeadUnexplained && is_suspected {
                    self.ask_others(connection, provider).await?;
                } else if failure.meaning == Meaning::DeadUnexplained {
                    // Together they are one sign.
                    failure =
                        self.second_opinion(connection, provider, &grant, failure.clone(), failure).await;
                }
                let mut observation = self.refused(connection, facts, failure.clone()).await?;
                if is_suspected
                    && failure.meaning == Meaning::DeadUnexplained
                    && self.ends(connection, &observation)
                {
                    // Only what says "no" to a plain question as well is believed.
                    let doubtful = Failure { meaning: Meaning::Unavailable, ..failure.clone() };
                    failure = self.second_opinion(connection, provider, &grant, failure, doubtful).await;
                    observation = self.refused(connection, facts, failure.clone()).await?;
                }
                if self.ends(connection, &observation)
                    && self.restore_previous_grant(connection, provider, &grant, Some(lease)).await?
                {
                    return Ok(Refreshed::Renewed);
                }
                self.record(connection.id, &observation, None).await?;
                Ok(Refreshed::Failed(failure.meaning))
            }
        }
    }

    /// What a refresh that failed says, as the connections fare together.
    async fn refused(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        failure: Failure,
    ) -> Result<Observation, ServiceError> {
        let call = Call::Refresh;
        let population = self.population(connection, call, failure.meaning).await?;
        if population.strikes_all {
            self.breaker.failed(self.parts.clock.now());
        }
        let next_refresh_at = Some(self.next_try(connection, facts, call, &failure, population)?);
        let (grant_version, confidence) = (facts.version, population.confidence);
        Ok(Observation::Failed { grant_version, call, failure, next_refresh_at, confidence })
    }

    /// Asks about a connection in trouble whose grant cannot or need not be renewed yet: whether the trouble has passed.
    async fn look(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        provider: &SharedProvider,
        grant: &Grant,
    ) -> Result<Refreshed, ServiceError> {
        let now = self.parts.clock.now();
        if !self.parts.store.claim_probe(connection.id, now, self.parts.check_interval).await? {
            // Somebody has just asked, and what they learnt is stored or about to be.
            self.postpone(connection, Some(after(now, self.parts.check_interval))).await?;
            return Ok(Refreshed::Skipped);
        }
        self.ask_others(connection, provider).await?;
        Ok(self
            .ask(connection, facts, provider, grant, Call::Probe)
            .await?
            .map_or(Refreshed::Skipped, Refreshed::Failed))
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
            self.ask(&connection, facts, provider, renewed, Call::Probe).await?;
        }
        Ok(())
    }

    /// Whether the policy wants the grant to be renewed by now.
    fn is_due(&self, facts: GrantFacts) -> bool {
        self.parts.refresh.due(facts.obtained_at, facts.expires_at, 0.0) <= self.parts.clock.now()
    }

    /// When a grant that has just worked is to be renewed, where the time that is stored was for looking at it.
    pub(super) fn due_again(
        &self,
        connection: &Connection,
        facts: GrantFacts,
    ) -> Result<Option<Timestamp>, ServiceError> {
        if !is_doubted(connection) || self.is_due(facts) {
            return Ok(None);
        }
        self.due_between(facts.obtained_at, facts.expires_at).map(Some)
    }

    /// When to look again at a connection that has failed: soon where that may pass, at the latest when it was due anyhow. `None`
    /// where the stored time stands.
    pub(super) fn next_look(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        call: Call,
        failure: &Failure,
        population: Population,
    ) -> Result<Option<Timestamp>, ServiceError> {
        // What is stored may be the very time that has brought us here.
        let due = connection.next_refresh_at.filter(|at| *at > self.parts.clock.now());
        let passes = match failure.meaning {
            Meaning::Dead(_)
            | Meaning::DeadUnexplained
            | Meaning::UserAction(_)
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::App(_) => true,
            // One of the app's calls may need what the others do not.
            Meaning::Permission => {
                call != Call::PassThrough && connection.healthy_standing() != Reason::ScopesMissing.into()
            }
            Meaning::Content | Meaning::CodeRejected => false,
        };
        if passes {
            let look = self.next_try(connection, facts, call, failure, population)?;
            Ok(Some(due.map_or(look, |due| look.min(due))))
        } else if due.is_some() || self.is_due(facts) {
            Ok(None)
        } else {
            self.due_between(facts.obtained_at, facts.expires_at).map(Some)
        }
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
            .filter(|_| is_alive(connection.standing.state()))
            .map(|until| connection.grant.map_or(until, |facts| until.min(facts.expires_at)));
        next.version += 1;
        // A conflict means that somebody knows better.
        self.parts.store.commit(&change(connection, next, self.parts.clock.now(), None)).await?;
        Ok(())
    }

    /// An unexplained "no" to the refresh is held against a plain question with the same grant. `no` is what it is where that is refused
    /// without a cause too, `unknown` where that has no answer to speak of.
    async fn second_opinion(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
        grant: &Grant,
        no: Failure,
        unknown: Failure,
    ) -> Failure {
        match self.account_for(provider.identify(grant).await) {
            Ok(account) if !is_another_account(connection, &account) => {
                Failure { meaning: Meaning::Unavailable, ..no }
            }
            Ok(_) => no,
            Err(second) => match second.meaning {
                Meaning::Dead(_) | Meaning::UserAction(_) => second,
                Meaning::DeadUnexplained => no,
                Meaning::Permission
                | Meaning::RateLimited(_)
                | Meaning::Unavailable
                | Meaning::App(_)
                | Meaning::Content
                | Meaning::CodeRejected => unknown,
            },
        }
    }

    /// Whether `observation` ends the connection.
    pub(super) fn ends(&self, connection: &Connection, observation: &Observation) -> bool {
        !is_alive(apply(connection, observation, self.parts.clock.now()).standing.state())
    }

    /// Whether the grant before the one in use is to be tried: where the connection would end, and at the first sign against one that
    /// came by a renewal and has not been seen to work yet.
    pub(super) fn should_restore(&self, connection: &Connection, observation: &Observation) -> bool {
        let is_unproven =
            connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Refresh);
        let is_sign = matches!(
            observation,
            Observation::Failed {
                failure: Failure { meaning: Meaning::Dead(_) | Meaning::DeadUnexplained, .. },
                ..
            }
        );
        is_unproven && is_sign || self.ends(connection, observation)
    }

    /// Uses the grant before the one in use again, if that works: the provider may have handed us one that never does, or
    /// somebody else's. Answers whether that helped.
    pub(super) async fn restore_previous_grant(
        &self,
        connection: &Connection,
        provider: &SharedProvider,
        dead: &Grant,
        lease: Option<&Lease>,
    ) -> Result<bool, ServiceError> {
        let (Some(facts), now) = (connection.grant, self.parts.clock.now()) else { return Ok(false) };
        let stored = self.parts.store.sealed_grants(connection.id).await?;
        let earlier = stored.iter().find(|each| each.version < facts.version && each.expires_at > now);
        let Some(earlier) = earlier else { return Ok(false) };
        let grant = match self.open_sealed(connection, earlier).await {
            Ok(grant) => grant,
            Err(SealingError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(connection = %connection.id, version = earlier.version, error = %ServiceError::from(error), "the grant before the one in use cannot be opened");
                return Ok(false);
            }
        };
        if grant.access_token.expose_secret() == dead.access_token.expose_secret() {
            return Ok(false);
        }
        match self.account_for(provider.identify(&grant).await) {
            Ok(account) if !is_another_account(connection, &account) => {}
            Ok(_) | Err(_) => return Ok(false),
        }
        tracing::warn!(connection = %connection.id, dead = facts.version, alive = earlier.version, "the grant in use is refused, the one before it works and is used again");
        let key = grants::user_key(&self.parts.store, &self.parts.vault, &connection.user_id).await?;
        let link = Link { id: connection.id, linked_at: connection.linked_at };
        self.switch(link, &key, &grant, Switch::Restored { dead: facts.version }, lease).await
    }

    /// Appends a grant as the newest version and switches to it in one unit of work. The version in use
    /// until now stays until the next one: nobody knows whether the provider has ended it. Answers whether the
    /// grant was stored; it is not where the person has disconnected or connected anew, or a later one is there. A `lease` that
    /// the caller works under is given back with it.
    async fn switch(
        &self,
        link: Link,
        key: &UserKey,
        grant: &Grant,
        switch: Switch,
        lease: Option<&Lease>,
    ) -> Result<bool, ServiceError> {
        // As it was when it was claimed is mostly as it still is; if not, the write says so.
        let mut claimed = lease.map(|lease| lease.connection().clone());
        for _ in 0..MAX_CONFLICTS {
            let current = match claimed.take() {
                Some(claimed) => Some(claimed),
                None => self.parts.store.connection_by_id(link.id).await?,
            };
            let Some(current) = current else { return Ok(false) };
            let Some(held) = current.grant.filter(|_| current.linked_at == link.linked_at) else {
                return Ok(false);
            };
            let now = self.parts.clock.now();
            let version = current.version + 1;
            let facts = GrantFacts { version, obtained_at: grant.obtained_at, expires_at: grant.expires_at };
            let next_refresh_at = self.refresh_due(grant)?;
            let from_version = held.version;
            let observation = match switch {
                // Newer is what was obtained later, whenever it expires: the provider may have ended the one held.
                Switch::Renewed if grant.obtained_at <= held.obtained_at => return Ok(false),
                Switch::Renewed => Observation::Refreshed { from_version, grant: facts, next_refresh_at },
                Switch::Restored { dead } if held.version != dead => return Ok(false),
                Switch::Restored { .. } => {
                    // What a renewal brought was not of use; nothing is gained by another one right away.
                    let next_refresh_at = next_refresh_at.max(after(now, HOUR));
                    Observation::RolledBack { from_version, grant: facts, next_refresh_at }
                }
            };
            let mut next = apply(&current, &observation, now);
            next.version = version;
            let sealed: SealedGrant =
                grants::seal_grant(key, &current.user_id, current.provider, current.id, version, grant)?;
            let mut changes = change(&current, next, now, None);
            changes.append_grant = Some(sealed);
            changes.erase_grants_below = Some((current.id, held.version));
            changes.release = lease.map(Lease::guard);
            match self.parts.store.commit(&changes).await? {
                CommitOutcome::Committed => return Ok(true),
                CommitOutcome::UserDeleted => return Err(ServiceError::UserGone),
                CommitOutcome::Conflict
                | CommitOutcome::AccountAlreadyLinked
                | CommitOutcome::TooManyAttempts => {}
            }
        }
        Err(ServiceError::Contended)
    }

    /// When to try again: after a pause that grows with each failure, never shorter than the provider asks for,
    /// never so long that the grant could die for want of a try.
    fn next_try(
        &self,
        connection: &Connection,
        facts: GrantFacts,
        call: Call,
        failure: &Failure,
        population: Population,
    ) -> Result<Timestamp, ServiceError> {
        let now = self.parts.clock.now();
        let left = facts.expires_at.duration_since(now);
        let left = if left.is_negative() { Duration::ZERO } else { left.unsigned_abs() };
        let growing = pause_after(connection.failures);
        let pause = match failure.meaning {
            Meaning::UserAction(_) if connection.standing.state() == State::ActionRequired => growing,
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_)
                if population.confidence != Confidence::Incident =>
            {
                // By the worker, which does not come as whoever has asked now.
                let call = match call {
                    Call::Refresh => Call::Refresh,
                    Call::Check | Call::Probe | Call::PassThrough if self.is_due(facts) => Call::Refresh,
                    Call::Check | Call::Probe | Call::PassThrough => Call::Probe,
                };
                let patience = confirmation_delay(failure.meaning, call, population.confidence);
                doubted_for(connection.first_sign_at(facts, now), patience, now)
            }
            // A few that are struck by it alone must not keep the others from their turns.
            Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) | Meaning::App(_) => {
                self.canary_pause(population.waiting)?.max(growing.min(HOUR))
            }
            Meaning::Permission
            | Meaning::RateLimited(_)
            | Meaning::Unavailable
            | Meaning::Content
            | Meaning::CodeRejected => growing,
        };
        let longest = if left < LAST_DAYS { HOUR } else { LONGEST_PAUSE };
        // A grant that works past its expiry has no time left to divide: it is tried as in its last days.
        let share = if left.is_zero() { longest } else { left / 4 };
        let asked = failure.retry_after.unwrap_or_default().min(LONGEST_WAIT);
        let pause = pause.min(longest).min(share).max(asked);
        Ok(after(now, pause.max(Duration::from_secs(1))))
    }
}

fn is_proven_by_use(connection: &Connection) -> bool {
    connection.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Use)
}

/// The pause after so many failures in a row and one more: of a minute, doubled twice, and from then on four times the one before. What has not
/// passed in minutes takes hours.
fn pause_after(failures: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1 << failures.saturating_add(failures.saturating_sub(2)).min(16))
}

/// The pause before a sign of death that was first seen at `first_at` is asked about again: soon, then ever more rarely, and just
/// when it is old enough to be believed.
fn doubted_for(first_at: Timestamp, patience: Duration, now: Timestamp) -> Duration {
    let age = now.duration_since(first_at).unsigned_abs();
    let rarer = FIRST_PAUSE.max(age.saturating_mul(3));
    match patience.saturating_sub(age) {
        Duration::ZERO => FIRST_PAUSE,
        left => rarer.min(left),
    }
}
