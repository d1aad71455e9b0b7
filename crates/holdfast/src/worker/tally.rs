//! The counts of refresh outcomes, and the time of the worker's last tick.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::clock::from_millis;
use crate::connection::reasons::reason_of;
use crate::connections::ServiceError;
use crate::connections::refresh::Refreshed;
use crate::lock::Lock;
use crate::metric::{Labels, metrics};

metrics! {
    /// The worker's metrics.
    TABLE;
    REFRESHES = Counter "refreshes",
        "Refreshes of grants by outcome",
        "Alert where other outcomes than `renewed` and `skipped` are more than half of all for 15 minutes.",
        by [(
            "outcome",
            "`renewed`, `skipped` (nothing to do), `rolled_back` (the grant did not work, so the one before it is in use again), \
             `not_stored` (the database did not store the result), or the reason of a failure, as in a status",
        )];
}

const RENEWED: &str = "renewed";
const SKIPPED: &str = "skipped";
const ROLLED_BACK: &str = "rolled_back";
const NOT_STORED: &str = "not_stored";

/// The counts of this process's worker.
#[derive(Debug)]
pub struct Tally {
    refreshes: Family<Labels<1>, Counter>,
    /// Counts since the last [`Tally::take`].
    fresh: Lock<BTreeMap<&'static str, u64>>,
    /// Last tick, in unix milliseconds; before the first, when the worker began, and `i64::MIN`
    /// where it has not.
    ticked_at: AtomicI64,
}

impl Default for Tally {
    fn default() -> Self {
        let refreshes = Family::default();
        Self { refreshes, fresh: Lock::default(), ticked_at: AtomicI64::new(i64::MIN) }
    }
}

impl Tally {
    /// Registers the counters; those of every worker are there from the start, at zero.
    pub fn register(&self, registry: &mut Registry) {
        for outcome in [RENEWED, SKIPPED, ROLLED_BACK, NOT_STORED] {
            drop(self.refreshes.get_or_create(&[("outcome", outcome)]));
        }
        REFRESHES.register(registry, self.refreshes.clone());
    }

    /// Counts a refresh. Gives its outcome for a trace, where each failure has the same name.
    pub(super) fn count(&self, outcome: &Result<Refreshed, ServiceError>) -> &'static str {
        let (name, counted) = match outcome {
            Ok(Refreshed::Renewed) => (RENEWED, RENEWED),
            Ok(Refreshed::RolledBack) => ("failed", ROLLED_BACK),
            Ok(Refreshed::Failed(meaning)) => ("failed", reason_of(*meaning).as_str()),
            Ok(Refreshed::Skipped(_)) => (SKIPPED, SKIPPED),
            Err(_) => (NOT_STORED, NOT_STORED),
        };
        self.refreshes.get_or_create(&[("outcome", counted)]).inc();
        *self.fresh.lock().entry(counted).or_default() += 1;
        name
    }

    /// A worker that never completes a tick counts as late, too.
    pub(super) fn began(&self, now: Timestamp) {
        let _ = self.ticked_at.compare_exchange(
            i64::MIN,
            now.as_millisecond(),
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    pub(super) fn ticked(&self, now: Timestamp) {
        self.ticked_at.store(now.as_millisecond(), Ordering::Relaxed);
    }

    /// When the worker last ticked, or began; `None` without a worker.
    pub fn last_tick(&self) -> Option<Timestamp> {
        let at = self.ticked_at.load(Ordering::Relaxed);
        (at != i64::MIN).then(|| from_millis(at))
    }

    /// Takes the refreshes counted since the last call, by outcome.
    pub fn take(&self) -> BTreeMap<&'static str, u64> {
        std::mem::take(&mut *self.fresh.lock())
    }

    /// Gives back taken counts that could not be stored.
    pub fn give_back(&self, outcome: &'static str, amount: u64) {
        *self.fresh.lock().entry(outcome).or_default() += amount;
    }
}
