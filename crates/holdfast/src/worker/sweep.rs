//! Deletes rows at the end of their retention: hourly, and first 20 seconds after the start.
//!
//! In small steps with a pause after each, so that no request waits for it. Several replicas may
//! sweep at once; each step deletes what is there. Nothing is deleted while this machine's clock is
//! ahead, as a start before the time is set may find it, nor for an hour after it seems to have
//! leapt.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::clock::{SharedClock, Throttle, before};
use crate::clock_watch::ClockWatch;
use crate::metric::{Labels, metrics};
use crate::store::{HistoryStep, KEPT, OUTBOX, Store, StoreError};

/// Delay after the start, so that urgent work comes first.
const FIRST: Duration = Duration::from_secs(20);
/// Pause before the clock is looked at again, where it may be ahead.
const DOUBT: Duration = Duration::from_mins(1);
/// Pause between two sweeps.
const EVERY: Duration = Duration::from_hours(1);
/// Most rows per step.
const STEP: usize = 200;
/// Pause between two steps.
const REST: Duration = Duration::from_millis(20);

/// How long history is kept; the last twenty changes of each connection always are.
const HISTORY: Duration = Duration::from_hours(365 * 24);

/// The label of swept history.
const CHANGES: &str = "connection_history";

metrics! {
    /// The metrics of sweeps, in the order of the reference page.
    TABLE;
    SWEPT = Counter "swept_rows",
        "Rows deleted at the end of their retention",
        "Alert on any of `outbox`: no server that sends events has run for a day, and these are lost.",
        by [(
            "what",
            "`attempts`, `completions`, `clerk_events`, `data_deletions`, `withdrawals`, `outbox`, `scope_refusals`, `audit`, \
             `notices`, `refresh_tally`, `grants` or `connection_history`",
        )];
    SWEPT_AT = Gauge "last_sweep_timestamp_seconds",
        "When the last sweep ended, in unix seconds; 0 before the first",
        "Alert when it is more than a day ago: the database grows.";
}

/// Deletes rows at the end of their retention.
#[derive(Debug, Clone)]
pub struct Sweeper {
    store: Store,
    clock: SharedClock,
    watch: ClockWatch,
    swept: Family<Labels<1>, Counter>,
    swept_at: Gauge,
}

impl Sweeper {
    /// A sweeper of this database.
    pub fn new(store: Store, clock: SharedClock, watch: ClockWatch) -> Self {
        Self { store, clock, watch, swept: Family::default(), swept_at: Gauge::default() }
    }

    /// Registers the metrics.
    pub fn register(&self, registry: &mut Registry) {
        for what in KEPT.iter().map(|kept| kept.name).chain([CHANGES]) {
            // Every label is exported from the start, as 0.
            let _ = self.swept.get_or_create(&[("what", what)]);
        }
        SWEPT.register(registry, self.swept.clone());
        SWEPT_AT.register(registry, self.swept_at.clone());
    }

    /// Sweeps until stopped.
    pub async fn run(self, stop: CancellationToken) {
        let (mut pause, mut said) = (FIRST, Throttle::default());
        while stop.run_until_cancelled(self.clock.sleep(pause)).await.is_some() {
            let now = self.clock.now();
            let is_right = self.watch.is_ahead(now) == Some(false);
            pause = if is_right { EVERY } else { DOUBT };
            if !is_right {
                if said.admits(EVERY, now) {
                    tracing::warn!(
                        "this machine's clock is ahead, or has leapt: rows past their retention by it are kept"
                    );
                }
            } else if let Err(error) = self.sweep(&stop).await {
                tracing::warn!(%error, "rows past their retention could not be deleted; trying again within the hour");
            }
        }
    }

    /// One sweep, to its end or until stopped.
    pub async fn sweep(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let now = self.clock.now();
        for kept in &KEPT {
            let limit = before(now, kept.lasts);
            while !stop.is_cancelled() {
                let deleted = self.store.sweep(kept, limit, STEP).await?;
                if kept.name == OUTBOX && deleted > 0 {
                    tracing::error!(
                        events = deleted,
                        "events to the app that nobody has sent for 8 days are given up"
                    );
                }
                self.count(kept.name, deleted);
                if deleted == 0 {
                    break;
                }
                self.clock.sleep(REST).await;
            }
        }
        let (mut from, limit) = (Timestamp::MIN, before(now, HISTORY));
        while !stop.is_cancelled() {
            let Some(step) = self.store.sweep_history(from, limit, STEP).await? else { break };
            let HistoryStep { deleted, reached } = step;
            self.count(CHANGES, deleted);
            from = reached;
            self.clock.sleep(REST).await;
        }
        let mut from = String::new();
        while !stop.is_cancelled() {
            let Some(reached) = self.store.forget_acts_of_erased(&from, STEP).await? else { break };
            from = reached;
            self.clock.sleep(REST).await;
        }
        self.swept_at.set(now.as_second());
        Ok(())
    }

    fn count(&self, what: &'static str, rows: u64) {
        if rows > 0 {
            self.swept.get_or_create(&[("what", what)]).inc_by(rows);
        }
    }
}
