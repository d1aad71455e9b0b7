//! The worker keeps stored facts true without anybody asking: it refreshes grants, ends what the
//! clock has ended, and finishes what a crash interrupted.
//!
//! [`Worker::tick`] does all that is due now and is what tests and the simulation step;
//! [`Worker::run`] ticks.

pub mod sweep;
mod tally;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, after, from_millis};
use crate::connection::clock_repair::TOLERANCE;
use crate::connections::refresh::Refreshed;
use crate::connections::{Connections, ServiceError};
use crate::store::{Lease, Store};
use crate::telemetry::traces::{in_span, note};

pub use tally::{TABLE, Tally};

/// A batch is worked through in four rounds. A call takes ten seconds at most, so a lease outlives
/// them unless Instagram hangs; what then has too little left of it is not begun.
const LEASE: Duration = Duration::from_mins(3);
/// Claimed at once. Small, so that replicas share the work.
const BATCH: usize = 32;
/// Batches of one tick. Bounded, so that attempts and expiries are seen to while a backlog is
/// worked off.
const BATCHES: usize = 16;
/// Calls to the provider under way at once.
const PARALLEL: usize = 8;

/// How long a worker rests between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// However much is due.
    pub shortest: Duration,
    /// However little is due: attempts expire within this time of their end.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(15) }
    }
}

/// How often stored times are held against a clock that has not been seen to jump: another
/// replica's may have.
const TIMES_CHECKED_EVERY: Duration = Duration::from_hours(24);
/// How often damaged grants are looked at again.
const DAMAGE_LOOKED_AT_EVERY: Duration = Duration::from_mins(1);
/// Rows whose times are put right in one tick.
const REPAIRED_AT_ONCE: usize = 256;

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Grants renewed, and journaled tokens stored.
    pub renewed: usize,
    /// Refreshes that failed.
    pub failed: usize,
    /// Connections that the clock ended.
    pub expired: usize,
    /// Connect attempts ended or carried on.
    pub attempts: usize,
}

/// The worker of one replica.
#[derive(Debug)]
pub struct Worker {
    connections: Connections,
    store: Store,
    clock: SharedClock,
    name: String,
    tally: Arc<Tally>,
    pace: Pace,
    /// When stored times are next held against the clock, in unix milliseconds.
    times_due_at: AtomicI64,
    /// The time of the last tick, in unix milliseconds.
    ticked_at: AtomicI64,
    /// When damaged grants are next looked at, in unix milliseconds.
    damage_due_at: AtomicI64,
}

impl Worker {
    /// A worker that claims under `name`, which must be unique among replicas and their restarts.
    pub fn new(connections: Connections, store: Store, clock: SharedClock, name: String) -> Self {
        let (times_due_at, ticked_at) = (AtomicI64::new(i64::MIN), AtomicI64::new(i64::MIN));
        let damage_due_at = AtomicI64::new(i64::MIN);
        let (tally, pace) = (Arc::default(), Pace::default());
        Self { connections, store, clock, name, tally, pace, times_due_at, ticked_at, damage_due_at }
    }

    /// The same at another pace: a simulated year has no time for two million ticks in which
    /// nothing is due.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// The same counting in `tally`.
    #[must_use]
    pub fn with_tally(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Ticks until told to stop. Nothing further is begun then, and what was claimed for it is
    /// given back; a refresh that is under way is finished, because its answer may be the only copy
    /// of a grant.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let ticked = self.tick_until(&stop).await;
            self.tally.ticked(self.clock.now());
            match ticked {
                Ok(done) if done != Done::default() => tracing::info!(?done, "worker"),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "a worker tick failed; the next one tries again"),
            }
            tokio::select! {
                () = self.pause() => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Until something is due, or something changes: a connection that is linked meanwhile may be
    /// due before all others.
    async fn pause(&self) {
        // Listens before it reads the next due time, so that no change falls between the two.
        let mut changes = self.store.changes();
        let due = self.next_tick().await;
        tokio::select! {
            () = self.clock.sleep_until(due) => {}
            // Having missed some is a change too.
            _ = changes.recv() => self.clock.sleep(self.pace.shortest).await,
        }
    }

    async fn next_tick(&self) -> Timestamp {
        let now = self.clock.now();
        let latest = after(now, self.pace.longest);
        let due = self.store.next_due_at().await.ok().flatten().unwrap_or(latest);
        due.clamp(after(now, self.pace.shortest), latest)
    }

    /// Does what is due now, up to a bounded number of batches; the rest is for the next tick.
    pub async fn tick(&self) -> Result<Done, ServiceError> {
        self.tick_until(&CancellationToken::new()).await
    }

    async fn tick_until(&self, stop: &CancellationToken) -> Result<Done, ServiceError> {
        let mut done = Done {
            renewed: unless_away("journaled tokens", self.connections.replay_journal(stop).await)?,
            ..Done::default()
        };
        done.attempts =
            unless_away("connect attempts", self.connections.advance_attempts(BATCH, stop).await)?;
        unless_away("stored times", self.put_times_right(stop).await)?;
        unless_away("damaged grants", self.look_at_damage(stop).await)?;
        done.expired = unless_away("expiries", self.connections.expire_due(BATCH, stop).await)?;
        if !self.connections.is_configured() {
            return Ok(done);
        }
        for _ in 0..BATCHES {
            let amount = self.connections.provider_allows(BATCH);
            if amount == 0 || stop.is_cancelled() {
                break;
            }
            let leases = self.store.claim_due(&self.name, self.clock.now(), LEASE, amount).await?;
            if leases.is_empty() {
                break;
            }
            for outcome in self.refresh_all(leases, stop).await {
                match outcome? {
                    Refreshed::Renewed => done.renewed += 1,
                    Refreshed::Failed(_) => done.failed += 1,
                    Refreshed::Skipped => {}
                }
            }
        }
        Ok(done)
    }

    /// A few at a time. Once told to stop, the rest is given back at once, not when those under way
    /// have ended.
    async fn refresh_all(
        &self,
        leases: Vec<Lease>,
        stop: &CancellationToken,
    ) -> Vec<Result<Refreshed, ServiceError>> {
        let mut outcomes = Vec::with_capacity(leases.len());
        let mut waiting = leases.into_iter();
        let mut under_way = FuturesUnordered::new();
        loop {
            let room =
                if stop.is_cancelled() { waiting.len() } else { PARALLEL.saturating_sub(under_way.len()) };
            under_way.extend(
                waiting.by_ref().take(room).map(|lease| in_span("grant refresh", self.refresh(lease, stop))),
            );
            tokio::select! {
                // In order, because a simulation draws on no chance but its own.
                biased;
                outcome = under_way.next() => match outcome {
                    Some(outcome) => outcomes.push(outcome),
                    None => return outcomes,
                },
                () = stop.cancelled(), if waiting.len() > 0 => {}
            }
        }
    }

    async fn look_at_damage(&self, stop: &CancellationToken) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let due = from_millis(self.damage_due_at.load(Ordering::Relaxed));
        // A time that is far off was written by a clock that was ahead.
        if now < due && due <= after(now, DAMAGE_LOOKED_AT_EVERY) {
            return Ok(());
        }
        self.damage_due_at.store(after(now, DAMAGE_LOOKED_AT_EVERY).as_millisecond(), Ordering::Relaxed);
        self.connections.reopen_unreadable(stop).await.map(drop)
    }

    /// At start, each day, and as soon as the clock has been set back. A clock that was not watched
    /// for a while, or has leapt, is doubted.
    async fn put_times_right(&self, stop: &CancellationToken) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let ticked_at = from_millis(self.ticked_at.swap(now.as_millisecond(), Ordering::Relaxed));
        if now > after(ticked_at, TOLERANCE) {
            self.connections.suspect_clock();
        }
        if ticked_at > after(now, TOLERANCE) {
            tracing::warn!(%ticked_at, %now, "the clock was set back; stored times are repaired");
            self.times_due_at.store(i64::MIN, Ordering::Relaxed);
        }
        if now.as_millisecond() < self.times_due_at.load(Ordering::Relaxed) {
            return Ok(());
        }
        // With more left, or an error, the next tick goes on.
        if self.connections.repair_times(REPAIRED_AT_ONCE, stop).await? < REPAIRED_AT_ONCE {
            let due = after(now, TIMES_CHECKED_EVERY).as_millisecond();
            self.times_due_at.store(due, Ordering::Relaxed);
        }
        Ok(())
    }

    /// One connection's trouble stays its own. An error is the database's, which concerns all.
    async fn refresh(&self, lease: Lease, stop: &CancellationToken) -> Result<Refreshed, ServiceError> {
        let id = lease.connection().id;
        // Whatever was found out since the batch was claimed holds for the rest of it.
        let asked = if stop.is_cancelled() || self.connections.provider_allows(1) == 0 {
            Ok(Refreshed::Skipped)
        } else {
            self.connections.refresh(&lease).await
        };
        let outcome = match asked {
            Ok(outcome) => Ok(outcome),
            Err(error) if error.concerns_all() => Err(error),
            Err(error) => {
                tracing::error!(connection = %id, %error, "a grant could not be refreshed");
                self.connections.put_off(lease.connection()).await.map(|()| Refreshed::Skipped)
            }
        };
        note("holdfast.outcome", named(&outcome));
        self.tally.count(&outcome);
        // A renewed grant was stored together with the lease's end.
        if !matches!(outcome, Ok(Refreshed::Renewed))
            && let Err(error) = self.store.release(&lease).await
        {
            tracing::debug!(connection = %id, %error, "a lease could not be released; it will expire");
        }
        outcome
    }
}

/// What a replica without a worker does beside serving: store what waits in its own journal, which
/// no other replica can see.
pub async fn replay_journal(connections: Connections, clock: SharedClock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = connections.replay_journal(&stop).await {
            tracing::warn!(%error, "journaled tokens could not be stored; they stay in the journal");
        }
        tokio::select! {
            () = clock.sleep(Pace::default().longest) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Housekeeping that failed is tried again in the next tick and keeps no grant from being
/// refreshed, unless the database itself is away or takes no more: then nothing that comes next
/// could be stored.
fn unless_away<T: Default>(what: &'static str, outcome: Result<T, ServiceError>) -> Result<T, ServiceError> {
    match outcome {
        Err(ServiceError::Store(error)) if error.is_of_the_database() => Err(error.into()),
        Err(error) => {
            tracing::error!(what, %error, "housekeeping failed; the worker tick continues");
            Ok(T::default())
        }
        done => done,
    }
}

/// What became of a refresh, for traces.
fn named(outcome: &Result<Refreshed, ServiceError>) -> &'static str {
    match outcome {
        Ok(Refreshed::Renewed) => "renewed",
        Ok(Refreshed::Failed(_)) => "failed",
        Ok(Refreshed::Skipped) => "skipped",
        Err(_) => "not_stored",
    }
}
