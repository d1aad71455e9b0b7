//! The worker keeps stored facts true: it refreshes grants, ends expired connections and attempts,
//! and finishes what a crash interrupted.
//!
//! There is no queue of jobs. The rows say what is due, so nothing has to be enqueued, and no job
//! can be lost or left over. A [`Lease`] keeps two replicas from refreshing one connection at once;
//! no transaction is open while Instagram is asked.
//!
//! # A tick
//!
//! [`Worker::tick`] does once what is due now, also in tests and the simulation:
//!
//! 1. empties SQLite's log of what was deleted, and stores the tokens of the
//!    [journal](crate::connections::journal);
//! 2. ends or resumes connect attempts;
//! 3. repairs stored times, daily and after a jump of the clock;
//! 4. tries damaged grants again, each minute;
//! 5. finishes data deletions;
//! 6. ends expired connections;
//! 7. claims due connections and refreshes them, batch by batch, as far as the provider's budget
//!    and health allow.
//!
//! Refreshes come last, and in a bounded number: a backlog of them must not hold up the rest.
//!
//! [`Worker::run`] repeats it: when the next row is due, and soon after any change. [`Pace`] says
//! how soon and how late.
//!
//! # A failure
//!
//! - of one connection is logged and postpones that connection; its row says until when
//!   ([`schedule`](crate::connection::schedule));
//! - of one kind of housekeeping is logged, and the tick continues;
//! - of the database ends the tick. The next one tries again.
//!
//! If this process dies, its leases run out, and what it had begun is found in the rows and in the
//! journal.

pub mod sweep;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Throttle, after};
use crate::clock_watch::ClockWatch;
use crate::connection::clock_repair::TOLERANCE;
use crate::connections::refresh::{Refreshed, Skip};
use crate::connections::{Connections, ServiceError};
use crate::lock::Lock;
use crate::store::{Lease, Store};
use crate::telemetry::traces::{in_span, note};

pub use tally::{TABLE, Tally};

/// How long a claim lasts. A batch takes four rounds, and a call at most ten seconds, so a lease
/// outlasts its batch unless Instagram hangs; then a refresh with too little of its lease left is
/// not begun.
const LEASE: Duration = Duration::from_mins(3);
/// Connections claimed at once. Few, so that replicas share the work.
const BATCH: usize = 32;
/// Most batches per tick. Bounded, so that a backlog does not hold up attempts and expiries.
const BATCHES: usize = 16;
/// Refreshes in parallel.
const PARALLEL: usize = 8;
/// How often stored times are checked without a jump of the clock: another replica's may have
/// jumped.
const TIMES_CHECKED_EVERY: Duration = Duration::from_hours(24);
/// How often damaged grants are tried again, and unfinished data deletions.
const LEFT_OVERS_LOOKED_AT_EVERY: Duration = Duration::from_mins(1);
/// Most connections whose times are repaired in one tick.
const REPAIRED_AT_ONCE: usize = 256;

/// The pause between two ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The pause if something is due.
    pub shortest: Duration,
    /// The pause if nothing is due. Expired attempts are closed at most this late.
    pub longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(15) }
    }
}

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Grants renewed, and journaled tokens stored.
    pub renewed: usize,
    /// Refreshes that failed.
    pub failed: usize,
    /// Connections ended because their grant expired.
    pub expired: usize,
    /// Connect attempts ended or resumed.
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
    watch: ClockWatch,
    pace: Pace,
    past: Lock<Past>,
}

/// What is known of earlier ticks.
#[derive(Debug, Default)]
struct Past {
    /// The last tick.
    ticked_at: Option<Timestamp>,
    /// When stored times are next checked.
    times_due_at: Option<Timestamp>,
    /// Looks at what could not be done yet.
    left_overs: Throttle,
}

impl Worker {
    /// A worker that claims under `name`, which must be unique among replicas and their restarts.
    pub fn new(connections: Connections, store: Store, clock: SharedClock, name: String) -> Self {
        let (tally, watch, pace, past) = Default::default();
        Self { connections, store, clock, name, tally, watch, pace, past }
    }

    /// Sets the pace: a simulated year would spend two million ticks with nothing due.
    #[must_use]
    pub fn with_pace(self, pace: Pace) -> Self {
        Self { pace, ..self }
    }

    /// Counts in `tally`.
    #[must_use]
    pub fn with_tally(self, tally: Arc<Tally>) -> Self {
        Self { tally, ..self }
    }

    /// Doubts the clock where `watch` does.
    #[must_use]
    pub fn with_watch(self, watch: ClockWatch) -> Self {
        Self { watch, ..self }
    }

    /// Ticks until stopped. Then nothing more is begun and unused leases are released, but
    /// refreshes in flight are finished: an answer may be the only copy of a grant.
    pub async fn run(&self, stop: CancellationToken) {
        self.tally.began(self.clock.now());
        while !stop.is_cancelled() {
            match self.tick_until(&stop).await {
                Ok(done) => {
                    self.tally.ticked(self.clock.now());
                    if done != Done::default() {
                        let Done { renewed, failed, expired, attempts } = done;
                        tracing::info!(
                            renewed,
                            failed,
                            expired,
                            attempts,
                            "the worker has done what was due"
                        );
                    }
                }
                Err(error) => tracing::warn!(%error, "a worker tick failed; the next one tries again"),
            }
            stop.run_until_cancelled(self.pause()).await;
        }
    }

    /// Waits until something is due or changes: a newly linked connection may be due before all
    /// others.
    async fn pause(&self) {
        // Subscribe before reading the next due time, so that no change in between is missed.
        let mut changes = self.store.changes();
        let due = self.next_tick().await;
        tokio::select! {
            () = self.clock.sleep_until(due) => {}
            // An error means missed changes, which count too.
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
        let connections = &self.connections;
        let renewed = log_unless_database_down("journaled tokens", connections.replay_journal(stop).await)?;
        let attempts =
            log_unless_database_down("connect attempts", connections.advance_attempts(BATCH, stop).await)?;
        log_unless_database_down("stored times", self.repair_times(stop).await)?;
        if self.past.lock().left_overs.admits(LEFT_OVERS_LOOKED_AT_EVERY, self.clock.now()) {
            log_unless_database_down("damaged grants", connections.reopen_unreadable(stop).await)?;
            log_unless_database_down("data deletions", connections.finish_deletions().await)?;
        }
        let expired = log_unless_database_down("expiries", connections.expire_due(BATCH, stop).await)?;
        let mut done = Done { renewed, failed: 0, expired, attempts };
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
                    Refreshed::Failed(_) | Refreshed::RolledBack => done.failed += 1,
                    Refreshed::Skipped(_) => {}
                }
            }
        }
        Ok(done)
    }

    /// Refreshes [`PARALLEL`] at a time. Once stopped, the remaining leases are released at once,
    /// without waiting for the refreshes in flight.
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
                // No random choice: a simulation must draw no randomness but its own.
                biased;
                outcome = under_way.next() => match outcome {
                    Some(outcome) => outcomes.push(outcome),
                    None => return outcomes,
                },
                () = stop.cancelled(), if waiting.len() > 0 => {}
            }
        }
    }

    /// Repairs stored times at the start, daily, and once the clock has been set back. Suspects one
    /// that is ahead.
    async fn repair_times(&self, stop: &CancellationToken) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let ticked_at = self.past.lock().ticked_at.replace(now);
        if self.watch.is_ahead(now) != Some(false) {
            self.connections.suspect_clock();
        }
        if let Some(ticked_at) = ticked_at.filter(|at| *at > after(now, TOLERANCE)) {
            tracing::warn!(%ticked_at, %now, "the clock was set back; stored times are repaired");
            self.past.lock().times_due_at = None;
        }
        if self.past.lock().times_due_at.is_some_and(|due| now < due) {
            return Ok(());
        }
        // If more are left, or on an error, the next tick continues.
        if self.connections.repair_times(REPAIRED_AT_ONCE, stop).await? < REPAIRED_AT_ONCE {
            self.past.lock().times_due_at = Some(after(now, TIMES_CHECKED_EVERY));
        }
        Ok(())
    }

    /// Refreshes one connection; an error concerns all. A failure of this one alone postpones it.
    async fn refresh(&self, lease: Lease, stop: &CancellationToken) -> Result<Refreshed, ServiceError> {
        let id = lease.connection().id;
        // The provider's health or budget may have changed since the batch was claimed.
        let asked = if stop.is_cancelled() || self.connections.provider_allows(1) == 0 {
            Ok(Refreshed::Skipped(Skip::Postponed))
        } else {
            self.connections.refresh(&lease).await
        };
        let log = |error| tracing::error!(connection = %id, %error, "a grant could not be refreshed");
        let outcome = match ServiceError::of_one(asked, log) {
            Ok(Some(outcome)) => Ok(outcome),
            Ok(None) => {
                let postponed = self.connections.postpone_an_hour(lease.connection()).await;
                postponed.map(|()| Refreshed::Skipped(Skip::Postponed))
            }
            Err(error) => Err(error),
        };
        note("holdfast.outcome", self.tally.count(&outcome));
        // Storing a renewed grant has already released the lease.
        if !matches!(outcome, Ok(Refreshed::Renewed | Refreshed::RolledBack))
            && let Err(error) = self.store.release(&lease).await
        {
            tracing::debug!(connection = %id, %error, "a lease could not be released; it will expire");
        }
        outcome
    }
}

/// For a replica without a worker: stores the tokens in its own journal, which no other replica can
/// see.
pub async fn replay_journal(connections: Connections, clock: SharedClock, stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Err(error) = connections.replay_journal(&stop).await {
            tracing::warn!(%error, "journaled tokens could not be stored; they stay in the journal");
        }
        stop.run_until_cancelled(clock.sleep(Pace::default().longest)).await;
    }
}

/// Logs a failure of housekeeping, which the next tick tries again, so that grants are still
/// refreshed. Returns the error if the database is down or takes no writes: then nothing could be
/// stored.
fn log_unless_database_down<T: Default>(
    what: &'static str,
    outcome: Result<T, ServiceError>,
) -> Result<T, ServiceError> {
    match outcome {
        Err(error) if error.is_of_the_database() => Err(error),
        Err(error) => {
            tracing::error!(what, %error, "housekeeping failed; the worker tick continues");
            Ok(T::default())
        }
        done => done,
    }
}
