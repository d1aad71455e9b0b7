//! Looks at the database, for readiness: one at a time, shared for a second.
//!
//! Asking for readiness needs no credential, so the number of askers must not reach the database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::detached::Detached;
use super::memory::RefusalMemory;
use super::problem::{ProblemCode, ServerCode};
use crate::clock::{SharedClock, after, within};
use crate::store::{SchemaState, Store, StoreError};
use crate::vault::Sentinel;

/// Time for the database to answer: a probe gives up after two seconds and must have learnt the
/// culprit by then.
const PATIENCE: Duration = Duration::from_millis(1500);
/// How long a good look counts.
const COUNTS_FOR: Duration = Duration::from_secs(1);
/// How often the role's rights are looked at while all is well: that is some seventy questions.
const RIGHTS_EVERY: Duration = Duration::from_mins(1);

/// The database's answers; `None` for one that did not come within [`PATIENCE`].
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) database: Option<Result<(), StoreError>>,
    /// A right that the role lacks.
    pub(super) lacking: Option<Result<Option<String>, StoreError>>,
    pub(super) schema: Option<Result<SchemaState, StoreError>>,
    pub(super) sentinels: Option<Result<Vec<Sentinel>, StoreError>>,
}

impl Found {
    fn is_good(&self) -> bool {
        matches!(
            self,
            Self {
                database: Some(Ok(())),
                lacking: Some(Ok(None)),
                schema: Some(Ok(SchemaState::Current | SchemaState::Ahead { .. })),
                sentinels: Some(Ok(_)),
            }
        )
    }
}

/// The looks of one server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Looks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    store: Store,
    clock: SharedClock,
    refusals: RefusalMemory,
    detached: Detached,
    last: Arc<Mutex<Option<Look>>>,
    /// Looks that have ended.
    ended: AtomicU64,
}

#[derive(Debug)]
struct Look {
    at: Timestamp,
    /// Answers until then that blamed the database.
    failures: u64,
    rights_at: Timestamp,
    found: Arc<Found>,
}

impl Look {
    /// Whether all was well, and no answer has blamed the database since.
    fn stands(&self, failures: u64) -> bool {
        self.found.is_good() && self.failures == failures
    }
}

fn is_within(limit: Duration, at: Timestamp, now: Timestamp) -> bool {
    at <= now && now < after(at, limit)
}

impl Looks {
    pub(super) fn new(store: Store, clock: SharedClock, refusals: RefusalMemory, detached: Detached) -> Self {
        let (last, ended) = (Arc::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { store, clock, refusals, detached, last, ended }))
    }

    /// What the last look found, if it still counts or has just ended; else what a new one finds.
    pub(super) async fn found(&self) -> Arc<Found> {
        let shared = &self.0;
        let ended = shared.ended.load(Ordering::Relaxed);
        let mut last = Arc::clone(&shared.last).lock_owned().await;
        let (now, failures) = (shared.clock.now(), shared.failures());
        // A caller that waited for a look shares it, good or not: the next may take as long.
        let has_waited = shared.ended.load(Ordering::Relaxed) != ended;
        if let Some(look) = &*last
            && (has_waited || look.stands(failures) && is_within(COUNTS_FOR, look.at, now))
        {
            return Arc::clone(&look.found);
        }
        let looking = Arc::clone(shared);
        // The look ends even if the client leaves: else one client could begin any number of looks.
        let work = async move {
            let fine_at = last.as_ref().filter(|look| look.stands(failures)).map(|look| look.rights_at);
            let fine_at = fine_at.filter(|at| is_within(RIGHTS_EVERY, *at, now));
            let found = Arc::new(looking.look(fine_at.is_none()).await);
            let rights_at = fine_at.unwrap_or(now);
            *last = Some(Look { at: now, failures, rights_at, found: Arc::clone(&found) });
            looking.ended.fetch_add(1, Ordering::Relaxed);
            found
        };
        shared.detached.run(work).await.unwrap_or_default()
    }
}

impl Shared {
    /// Answers that blamed the database.
    fn failures(&self) -> u64 {
        self.refusals.amount(ProblemCode::from(ServerCode::DatabaseUnavailable).entry().code)
    }

    /// Looks at everything; at the rights where that is asked for, or something is denied.
    async fn look(&self, looks_at_rights: bool) -> Found {
        let (store, clock) = (&self.store, &*self.clock);
        let rights = async || within(PATIENCE, clock, Box::pin(store.lacking_right())).await;
        let (database, mut lacking, schema, sentinels) = tokio::join!(
            within(PATIENCE, clock, store.ping()),
            async { if looks_at_rights { rights().await } else { Some(Ok(None)) } },
            within(PATIENCE, clock, store.schema_state()),
            within(PATIENCE, clock, store.sentinels()),
        );
        if !looks_at_rights && matches!(database, Some(Err(StoreError::Denied(_)))) {
            lacking = rights().await;
        }
        Found { database, lacking, schema, sentinels }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock, from_millis};
    use crate::store::StoreOptions;

    async fn looks() -> (ManualClock, Looks, tempfile::TempDir) {
        let clock = ManualClock::new(from_millis(1_750_000_000_000));
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("looks.db").display());
        let store = Store::open(&StoreOptions::serve(url), Arc::new(clock.clone())).await.unwrap();
        store.migrate().await.unwrap();
        let shared: SharedClock = Arc::new(clock.clone());
        (clock, Looks::new(store, shared, RefusalMemory::default(), Detached::default()), directory)
    }

    impl Looks {
        fn made(&self) -> u64 {
            self.0.ended.load(Ordering::Relaxed)
        }

        async fn rights_at(&self) -> Timestamp {
            self.0.last.lock().await.as_ref().unwrap().rights_at
        }
    }

    #[tokio::test]
    async fn a_good_look_counts_for_a_second_and_its_rights_for_a_minute() {
        let (clock, looks, _directory) = looks().await;
        let began = clock.now();
        for second in 0..60 {
            for _ in 0..5 {
                assert!(looks.found().await.is_good());
            }
            assert_eq!((looks.made(), looks.rights_at().await), (second + 1, began));
            clock.advance(COUNTS_FOR);
        }
        assert!(looks.found().await.is_good());
        assert_eq!(looks.rights_at().await, after(began, RIGHTS_EVERY));
    }

    #[tokio::test]
    async fn a_bad_look_does_not_count() {
        let (clock, looks, _directory) = looks().await;
        assert!(looks.found().await.is_good());
        looks.0.store.close().await;
        assert!(looks.found().await.is_good(), "as of the last second");
        clock.advance(COUNTS_FOR);
        for _ in 0..3 {
            assert!(!looks.found().await.is_good());
        }
        assert_eq!(looks.made(), 4);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_crowd_is_one_look() {
        let (_, looks, _directory) = looks().await;
        let crowd = (0..500).map(|_| {
            let looks = looks.clone();
            tokio::spawn(async move { looks.found().await.is_good() })
        });
        for each in crowd.collect::<Vec<_>>() {
            assert!(each.await.unwrap());
        }
        assert_eq!(looks.made(), 1);
    }
}
