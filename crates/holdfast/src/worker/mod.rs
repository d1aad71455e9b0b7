//! The worker keeps stored facts true without anybody asking: it refreshes grants, ends what the clock has ended,
//! and finishes what a crash interrupted.
//!
//! [`Worker::tick`] does all that is due now and is what tests and the simulation step; [`Worker::run`] ticks.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::{SharedClock, after};
use crate::connections::refresh::Refreshed;
use crate::connections::service::{Connections, ServiceError};
use crate::store::{Lease, Store};

/// A refresh makes at most two calls of ten seconds each; a lease outlives them.
const LEASE: Duration = Duration::from_mins(1);
/// Claimed at once. Small, so that replicas share the work.
const BATCH: usize = 32;
/// Calls to the provider under way at once.
const PARALLEL: usize = 8;
/// The longest pause between two ticks: attempts expire within this time of their end.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The shortest.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Done {
    /// Grants renewed.
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
}

impl Worker {
    /// A worker that claims under `name`, which must be unique among replicas and their restarts.
    pub fn new(connections: Connections, store: Store, clock: SharedClock, name: String) -> Self {
        Self { connections, store, clock, name }
    }

    /// Ticks until told to stop; a refresh that is under way is finished.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        while !*shutdown.borrow() {
            match self.tick().await {
                Ok(done) if done != Done::default() => tracing::info!(?done, "worker"),
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "the worker could not do its work; it will try again"),
            }
            tokio::select! {
                () = self.pause() => {}
                _ = shutdown.wait_for(|stop| *stop) => {}
            }
        }
    }

    /// Until something is due, or has changed: what is linked meanwhile may be due before all that is known of now.
    async fn pause(&self) {
        let mut changes = self.store.changes();
        let due = self.next_tick().await;
        tokio::select! {
            () = self.clock.sleep_until(due) => {}
            // Having missed some is a change too.
            _ = changes.recv() => self.clock.sleep(SHORTEST_PAUSE).await,
        }
    }

    async fn next_tick(&self) -> Timestamp {
        let now = self.clock.now();
        let latest = after(now, LONGEST_PAUSE);
        let due = self.store.next_due_at().await.ok().flatten().unwrap_or(latest);
        due.clamp(after(now, SHORTEST_PAUSE), latest)
    }

    /// Does everything that is due now.
    pub async fn tick(&self) -> Result<Done, ServiceError> {
        let mut done = Done { attempts: self.connections.tend_attempts(BATCH).await?, ..Done::default() };
        done.expired = self.connections.expire_due(BATCH).await?;
        loop {
            let leases = self.store.claim_due(&self.name, self.clock.now(), LEASE, BATCH).await?;
            if leases.is_empty() {
                return Ok(done);
            }
            let outcomes = stream::iter(leases).map(|lease| self.refresh(lease)).buffer_unordered(PARALLEL);
            let outcomes: Vec<_> = outcomes.collect().await;
            for outcome in &outcomes {
                match outcome {
                    Some(Refreshed::Renewed) => done.renewed += 1,
                    Some(Refreshed::Failed(_)) | None => done.failed += 1,
                    Some(Refreshed::Skipped) => {}
                }
            }
            // The database, not the provider, is in the way: the next tick tries again. So it does where nothing came of
            // a whole batch, which might be due still.
            let idle = outcomes.iter().all(|outcome| *outcome == Some(Refreshed::Skipped));
            if idle || outcomes.iter().any(Option::is_none) {
                return Ok(done);
            }
        }
    }

    /// One connection's trouble stays its own.
    async fn refresh(&self, lease: Lease) -> Option<Refreshed> {
        let id = lease.connection().id;
        let outcome = self.connections.refresh(&lease).await;
        if let Err(error) = self.store.release(&lease).await {
            tracing::debug!(connection = %id, %error, "the lease was not given back and will run out");
        }
        match outcome {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::warn!(connection = %id, %error, "a grant could not be refreshed");
                None
            }
        }
    }
}
