//! What an operator sees of all connections together, gathered in the background: neither a scrape
//! nor a page reads the database for it.
//!
//! The same round creates notices for the app (grants about to expire, incidents), and stores the
//! counts of refreshes.

pub mod alerts;
mod metrics;
pub mod process;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Throttle, after, before, is_over};
use crate::clock_watch::ClockWatch;
use crate::connection::Reason;
use crate::connections::Connections;
use crate::provider::ProviderId;
use crate::store::{ConnectionCount, Refreshes, Store, StoreError, TableRows};
use crate::worker::Tally;

pub use metrics::{COMMIT, TABLE, register};

/// Shortest pause between two updates of fast-changing facts.
const EVERY: Duration = Duration::from_secs(15);
/// Pause between two updates of slow-changing facts.
const SLOWLY: Duration = Duration::from_mins(5);
/// Updates take at most one part in this many of the time: with a large database they are rarer.
const SHARE: u32 = 100;
/// The longest pause: alerts are judged by what it sees.
const LONGEST: Duration = Duration::from_mins(2);
/// How often the log says that it fails.
const SAID_EVERY: Duration = Duration::from_mins(1);
/// A refresh that was due this long ago is overdue.
const OVERDUE_AFTER: Duration = Duration::from_mins(10);
/// A data deletion request that is not done after this time needs somebody's attention.
const LATE_AFTER: Duration = Duration::from_mins(10);
/// A grant that ends within this time and cannot be refreshed needs somebody's attention.
pub const LAST_DAYS: Duration = Duration::from_hours(3 * 24);
/// The app is told of a grant that ends within this time.
const EXPIRING_WITHIN: Duration = Duration::from_hours(7 * 24);
/// Most days to expiry that are counted separately.
const MOST_DAYS: u32 = 60;

/// The facts of the last update; empty before the first.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When fast-changing facts were updated.
    pub taken_at: Option<Timestamp>,
    /// When slow-changing facts were updated.
    pub slowly_at: Option<Timestamp>,
    /// When updating those was last tried.
    rest_tried_at: Option<Timestamp>,
    /// Connections by provider, state and reason.
    pub counts: Vec<ConnectionCount>,
    /// Refreshes that were due more than ten minutes ago; `None` until they could be counted.
    pub overdue: Option<u64>,
    /// Data deletion requests that are not done after ten minutes; `None` as above.
    pub late_deletions: Option<u64>,
    /// Grants that expire within three days and could not be refreshed; `None` as above.
    pub expiring_unrenewed: Option<u64>,
    /// When the first grant in use expires.
    pub soonest_expiry: Option<Timestamp>,
    /// Grants in use by whole days left; the last entry includes longer ones.
    pub expiring: Vec<(u64, u64)>,
    /// When the present incident began.
    pub incident_since: Option<Timestamp>,
    /// Whether it is known if there is one.
    pub incident_was_read: bool,
    /// Rows by table.
    pub tables: Vec<TableRows>,
    /// Refreshes by outcome.
    pub refreshes: Vec<Refreshes>,
    /// Since when each encryption key has sealed.
    pub keys: Vec<(String, Timestamp)>,
    /// The journaled tokens, by file; `None` if they cannot be listed.
    pub journal: Option<BTreeSet<OsString>>,
    /// How many of them were journaled at the look before as well: a token that is just being
    /// stored is not one that waits.
    pub journal_waits: usize,
    /// Whether one could be written down; `None` before the first look.
    pub journal_is_writable: Option<bool>,
    /// How long one look-up by an index took.
    pub database_took: Duration,
    /// Events to the app that this process gave up.
    pub events_lost: u64,
    /// When it was seen that they had become more.
    pub event_lost_at: Option<Timestamp>,
}

/// Gathers the overview. Clones share it.
#[derive(Debug, Clone)]
pub struct Overview {
    /// The database.
    pub store: Store,
    /// The service, for facts outside the snapshot.
    pub connections: Connections,
    /// Time.
    pub clock: SharedClock,
    /// The counts of this process's worker.
    pub tally: Arc<Tally>,
    /// How far this machine's clock is off.
    pub watch: ClockWatch,
    /// Counts the events to the app that this process gives up.
    events_lost: Counter,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Held during an update: of two at a time, the older one could win.
    looking: Arc<Mutex<()>>,
}

impl Overview {
    /// An empty overview. `tally` is that of this process's worker.
    pub fn new(
        store: Store,
        connections: Connections,
        clock: SharedClock,
        tally: Arc<Tally>,
        watch: ClockWatch,
    ) -> Self {
        let (events_lost, snapshot, looking) = (Counter::default(), Arc::default(), Arc::default());
        Self { store, connections, clock, tally, watch, events_lost, snapshot, looking }
    }

    /// The same, with the counter of events that are given up.
    #[must_use]
    pub fn counting_lost_events(self, events_lost: Counter) -> Self {
        Self { events_lost, ..self }
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Updates until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        let mut said = Throttle::default();
        loop {
            let began = self.clock.now();
            let Some(looked) = stop.run_until_cancelled(self.look()).await else { return };
            // Never left half-way: what was taken and not stored would be lost.
            let looked = looked.and(self.keep_tally().await);
            let now = self.clock.now();
            if let Err(error) = &looked
                && said.admits(SAID_EVERY, now)
            {
                tracing::warn!(%error, "the figures for metrics and alerts could not be gathered");
            }
            // Wrong where the clock was set meanwhile.
            let took = now.duration_since(began).try_into().unwrap_or(Duration::ZERO);
            let is_away = looked.is_err_and(|error| error.is_of_the_database());
            let pausing = self.clock.sleep(pause(is_away, took));
            if stop.run_until_cancelled(pausing).await.is_none() {
                return;
            }
        }
    }

    /// Updates the fast-changing facts, and the others when due.
    pub async fn look(&self) -> Result<(), StoreError> {
        let _turn = self.looking.lock().await;
        let Self { store, connections, clock, .. } = self;
        let now = clock.now();
        let mut seen = Snapshot::clone(&self.snapshot());
        let journal = connections.journal().names().ok();
        seen.journal_waits = match (&seen.journal, &journal) {
            (Some(before), Some(now)) => before.intersection(now).count(),
            (None, _) | (_, None) => 0,
        };
        seen.journal = journal;
        seen.journal_is_writable = Some(connections.journal().probe().is_ok());
        let events_lost = self.events_lost.get();
        if events_lost > seen.events_lost {
            (seen.events_lost, seen.event_lost_at) = (events_lost, Some(now));
        }
        // The journal matters most while the database is away, and then nothing below is seen.
        self.snapshot.store(Arc::new(seen.clone()));
        let mut failed = Failed::default();
        let asked = clock.now();
        failed.or_set(&mut seen.soonest_expiry, store.soonest_expiry().await)?;
        seen.database_took = clock.now().duration_since(asked).try_into().unwrap_or(Duration::ZERO);
        let counts = store.connection_counts().await;
        let are_counted = counts.is_ok();
        failed.or_set(&mut seen.counts, counts)?;
        if are_counted {
            let reason = Some(Reason::ProviderIncident);
            let lasts = seen.counts.iter().any(|each| each.standing.reason() == reason);
            let mut is_news = false;
            failed.or_set(&mut is_news, store.notice_incident(ProviderId::INSTAGRAM, lasts, now).await)?;
            if is_news {
                tracing::info!(lasts, "an incident at the provider started or ended");
            }
        }
        failed.or_set(&mut seen.overdue, store.overdue(before(now, OVERDUE_AFTER)).await.map(Some))?;
        let unrenewed = store.expiring_unrenewed(after(now, LAST_DAYS)).await;
        failed.or_set(&mut seen.expiring_unrenewed, unrenewed.map(Some))?;
        let late = store.late_deletions(before(now, LATE_AFTER)).await;
        failed.or_set(&mut seen.late_deletions, late.map(Some))?;
        let incident = store.incident_since(ProviderId::INSTAGRAM).await;
        seen.incident_was_read |= incident.is_ok();
        failed.or_set(&mut seen.incident_since, incident)?;
        failed.or_set(&mut 0, store.notice_expiring(now, EXPIRING_WITHIN).await)?;
        seen.taken_at = if failed.0.is_none() { Some(now) } else { seen.taken_at };
        let is_due = seen.rest_tried_at.is_none_or(|at| is_over(at, SLOWLY, now));
        self.snapshot.store(Arc::new(seen));
        if is_due {
            failed.or_set(&mut (), self.rest().await)?;
        }
        failed.0.map_or(Ok(()), Err)
    }

    /// Updates the slow-changing facts.
    pub async fn look_at_the_rest(&self) -> Result<(), StoreError> {
        let _turn = self.looking.lock().await;
        self.rest().await
    }

    async fn rest(&self) -> Result<(), StoreError> {
        let Self { store, clock, .. } = self;
        let now = clock.now();
        let mut seen = Snapshot::clone(&self.snapshot());
        let mut failed = Failed::default();
        failed.or_set(&mut seen.expiring, store.expiring(now, MOST_DAYS).await)?;
        failed.or_set(&mut seen.tables, store.table_rows().await)?;
        failed.or_set(&mut seen.keys, store.key_ages().await)?;
        failed.or_set(&mut seen.refreshes, store.refreshes(hour(now)).await)?;
        seen.rest_tried_at = Some(now);
        seen.slowly_at = if failed.0.is_none() { Some(now) } else { seen.slowly_at };
        self.snapshot.store(Arc::new(seen));
        failed.0.map_or(Ok(()), Err)
    }

    /// Adds the new counts of this process's worker to the stored ones; once more when the worker
    /// has ended.
    pub async fn keep_tally(&self) -> Result<(), StoreError> {
        let Self { store, clock, tally, .. } = self;
        let hour = hour(clock.now());
        let mut failed = None;
        for (outcome, amount) in tally.take() {
            if let Err(error) = store.add_refreshes(hour, outcome, amount).await {
                tally.give_back(outcome, amount);
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// The first error of a look: what could not be gathered stays as it was, and hides nothing else.
#[derive(Default)]
struct Failed(Option<StoreError>);

impl Failed {
    /// Takes in a fact that was gathered. An error ends the look: the database is away.
    fn or_set<T>(&mut self, fact: &mut T, gathered: Result<T, StoreError>) -> Result<(), StoreError> {
        match gathered {
            Ok(gathered) => *fact = gathered,
            Err(error) if error.is_of_the_database() => return Err(error),
            Err(error) => self.0 = self.0.take().or(Some(error)),
        }
        Ok(())
    }
}

/// The pause after a look. While the database is away, it says nothing of how large that is.
fn pause(is_away: bool, took: Duration) -> Duration {
    if is_away { EVERY } else { took.saturating_mul(SHARE).clamp(EVERY, LONGEST) }
}

/// Whole hours since the epoch.
fn hour(at: Timestamp) -> i64 {
    at.as_second().div_euclid(3600)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_looks_again_soon_whatever_the_last_look_took() {
        let after = |is_away, seconds| pause(is_away, Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 1, 5, 86_400].map(|took| after(false, took)), [15, 100, 120, 120]);
        assert_eq!([0, 5, 86_400].map(|took| after(true, took)), [15, 15, 15], "the database was away");
    }
}
