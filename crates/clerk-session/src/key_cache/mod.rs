//! The keys of one Clerk instance, kept fresh without ever letting a stranger's token cost a fetch.
//!
//! * One fetch at a time; callers that need it meanwhile wait for that one. It belongs to the cache
//!   and not to the caller who began it: when that one goes away, the next in line carries it on.
//! * Once there are keys, Clerk is asked at most once per [`CacheOptions::force_gap`]: one count
//!   for what tokens force (unknown `kid`, or a signature that does not fit a known one) and for
//!   renewals, successful or not. Loading the first keys has a count of its own, once per
//!   [`CacheOptions::cold_gap`]: until they are there nobody can be served.
//! * Keys are renewed in the background before they age; where that fails, the old ones serve for
//!   [`CacheOptions::max_age`].
//! * A token that fits no key may be signed by one made since. It is refused only where our keys
//!   are known to be newer than the token; otherwise it cannot be judged. Keys from a cache on the
//!   way are as old as the cache says, and never replace newer ones.
//! * A token that fits a key is never kept waiting, whatever others send.
//! * A document without a usable key never replaces a good one.

mod asked;
mod fetching;
mod judging;
mod snapshot;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, Semaphore};

use crate::cache_options::{CacheOptions, ms};
use crate::fetch::{FetchError, FetchJwks};
use crate::keys::{JwksDocument, JwksError, KeySet, SkippedKey};
use asked::{Asked, Want};
use fetching::Flight;
use snapshot::{Snapshot, Source};

/// How the keys are doing, for readiness and for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// When the present keys were fetched, unix milliseconds. `None`: there are none.
    pub loaded_at_ms: Option<i64>,
    /// The time at which Clerk's server gave them, unix milliseconds: before `loaded_at_ms` where a
    /// cache on the way had kept them.
    pub as_of_ms: Option<i64>,
    /// Whether they were restored, and this process has fetched none of its own yet.
    pub are_restored: bool,
    /// Their ids.
    pub kids: Vec<String>,
    /// Keys of the newest document that are not used.
    pub skipped: Vec<SkippedKey>,
    /// When a fetch was last begun, unix milliseconds.
    pub last_try_ms: Option<i64>,
    /// Why it failed, if it did.
    pub last_error: Option<FetchError>,
    /// Fetches so far.
    pub fetches: u64,
}

/// The keys of one instance. For a pinned key there is no fetcher and no network.
pub struct KeyCache {
    options: CacheOptions,
    fetcher: Option<Arc<dyn FetchJwks>>,
    snapshot: ArcSwapOption<Snapshot>,
    /// The single flight. The lock is held by the caller that drives it; the others wait for the
    /// lock.
    flight: Mutex<Option<Flight>>,
    waiting: Semaphore,
    asked: std::sync::Mutex<Asked>,
    epochs: AtomicU64,
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCache").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl KeyCache {
    /// Keys that are fetched.
    pub fn fetching(fetcher: impl FetchJwks, options: CacheOptions) -> Self {
        Self::over(Some(Arc::new(fetcher)), options)
    }

    /// A pinned key: there from the start, and never renewed.
    pub fn pinned(keys: KeySet) -> Self {
        let cache = Self::over(None, CacheOptions::default());
        cache.install(JwksDocument { keys, skipped: Vec::new() }, 0, Duration::ZERO, Source::Pinned);
        cache
    }

    /// Takes up a document that was fetched at `fetched_at_ms`, before this process began. It
    /// serves for what is left of [`CacheOptions::max_age`], and is renewed at once. Does nothing
    /// where there are keys already.
    pub fn restore(&self, document: &[u8], fetched_at_ms: i64) -> Result<(), JwksError> {
        let document = KeySet::from_jwks(document)?;
        if self.snapshot.load().is_none() {
            self.install(document, fetched_at_ms, Duration::ZERO, Source::Restored);
        }
        Ok(())
    }

    fn over(fetcher: Option<Arc<dyn FetchJwks>>, options: CacheOptions) -> Self {
        Self {
            options,
            fetcher,
            snapshot: ArcSwapOption::empty(),
            flight: Mutex::new(None),
            waiting: Semaphore::new(options.max_waiting.min(Semaphore::MAX_PERMITS)),
            asked: std::sync::Mutex::default(),
            epochs: AtomicU64::new(0),
        }
    }

    /// Changes whenever the key material does. What was judged under an earlier epoch must be
    /// judged again.
    pub fn epoch(&self) -> u64 {
        self.snapshot.load().as_ref().map_or(0, |snapshot| snapshot.epoch)
    }

    /// Whether tokens can be judged at `now_ms`.
    pub fn is_ready(&self, now_ms: i64) -> bool {
        // Asked with each request, so nothing is cloned: threads would share the reference count.
        self.snapshot.load().as_ref().is_some_and(|snapshot| self.is_young(snapshot, now_ms))
    }

    /// How the keys are doing.
    pub fn status(&self) -> KeyStatus {
        let asked = self.asked();
        let snapshot = self.snapshot.load();
        KeyStatus {
            loaded_at_ms: snapshot.as_ref().map(|snapshot| snapshot.loaded_at_ms),
            as_of_ms: snapshot.as_ref().map(|snapshot| snapshot.as_of_ms),
            are_restored: snapshot.as_ref().is_some_and(|snapshot| snapshot.is_restored()),
            kids: snapshot.iter().flat_map(|each| each.keys.kids().map(str::to_owned)).collect(),
            skipped: snapshot.as_ref().map(|snapshot| snapshot.skipped.clone()).unwrap_or_default(),
            last_try_ms: asked.last_try_ms,
            last_error: asked.last_error.clone(),
            fetches: asked.fetches,
        }
    }

    /// Whether [`KeyCache::renew_if_due`] would fetch.
    pub fn renewal_is_due(&self, now_ms: i64) -> bool {
        self.fetcher.is_some() && self.is_wanted(self.renewal(now_ms), now_ms)
    }

    fn renewal(&self, now_ms: i64) -> Want {
        match self.usable(now_ms) {
            None => Want::Any,
            Some(present) if present.is_restored() => Want::Own,
            Some(_) => Want::Fresh,
        }
    }

    /// Renews the keys if that is due. For a background loop that calls it every
    /// [`CacheOptions::cold_gap`].
    pub async fn renew_if_due(&self, now_ms: i64) {
        if self.fetcher.is_some() {
            self.fetch_for(self.renewal(now_ms), now_ms).await;
        }
    }

    fn usable(&self, now_ms: i64) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full().filter(|snapshot| self.is_young(snapshot, now_ms))
    }

    fn is_young(&self, snapshot: &Snapshot, now_ms: i64) -> bool {
        self.fetcher.is_none() || now_ms.saturating_sub(snapshot.loaded_at_ms) <= ms(self.options.max_age)
    }

    fn install(&self, document: JwksDocument, loaded_at_ms: i64, age: Duration, source: Source) {
        let JwksDocument { keys, skipped } = document;
        let as_of_ms = loaded_at_ms.saturating_sub(ms(age));
        let present = self.snapshot.load();
        // Keys from a time to come were loaded by a clock that was ahead: nothing is older than they.
        let is_older = |each: &Arc<Snapshot>| as_of_ms < each.as_of_ms && each.as_of_ms <= loaded_at_ms;
        if !age.is_zero() && present.as_ref().is_some_and(is_older) {
            return;
        }
        let (epoch, newest_proven_ms) = match &*present {
            Some(present) if present.keys.same_keys(&keys) => {
                (present.epoch, present.newest_proven_ms.load(Ordering::Relaxed))
            }
            Some(_) | None => (self.epochs.fetch_add(1, Ordering::Relaxed) + 1, i64::MIN),
        };
        let newest_proven_ms = AtomicI64::new(newest_proven_ms);
        let snapshot = Snapshot { keys, skipped, source, loaded_at_ms, as_of_ms, epoch, newest_proven_ms };
        self.snapshot.store(Some(Arc::new(snapshot)));
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Asked> {
        self.asked.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
