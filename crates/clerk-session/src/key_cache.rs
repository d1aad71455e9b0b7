//! The keys of one Clerk instance, kept fresh without ever letting a stranger's token cost a fetch.
//!
//! * One fetch at a time; whoever needs it meanwhile waits for that one. It belongs to the cache
//!   and not to the caller who began it: when that one goes away, the next in line carries it on.
//! * Once there are keys, Clerk is asked at most once per [`CacheOptions::force_gap`]: one count
//!   for what tokens force (unknown `kid`, or a signature that does not fit a known one) and for
//!   renewals, successful or not. Loading the first keys has a count of its own, once per
//!   [`CacheOptions::cold_gap`]: until they are there nobody can be served.
//! * Keys are renewed in the background before they age; where that fails, the old ones serve for
//!   [`CacheOptions::max_age`].
//! * A token that fits no key may be signed by one made since. It is refused only where our keys
//!   are known to be newer than the token; otherwise it cannot be judged.
//! * A token that fits a key is never kept waiting, whatever others send.
//! * A document without a usable key never replaces a good one.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard, Semaphore};

use crate::cache_options::{CacheOptions, ms};
use crate::cannot_judge::{CannotJudge, CannotJudgeReason};
use crate::code::RefusalCode;
use crate::explain::{Explanation, explain};
use crate::fetch::{FetchError, FetchJwks};
use crate::keys::{JwksError, KeySet, SkippedKey};
use crate::refusal::Refusal;
use crate::verifier::{Verdict, Verifier};

/// How the keys are doing, for readiness and for the operator.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyStatus {
    /// When the present keys were fetched, unix milliseconds. `None`: there are none.
    pub loaded_at_ms: Option<i64>,
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

/// A fetch under way.
struct Flight {
    begun_ms: i64,
    reply: Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>>,
}

struct Snapshot {
    keys: KeySet,
    skipped: Vec<SkippedKey>,
    loaded_at_ms: i64,
    epoch: u64,
    /// The `iat` of the newest token that these keys have proven, unix milliseconds: until then, at
    /// least, Clerk signed with them. Kept only while all keys have one `kid`, as an instance's
    /// have.
    newest_proven_ms: AtomicI64,
}

impl Snapshot {
    fn judge(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Verdict {
        let verdict = verifier.verify(token, &self.keys, now_ms);
        if let Verdict::Accepted(claims) = &verdict
            && let Some(issued) = claims.issued_at_ms
            && self.keys.have_one_kid()
        {
            self.newest_proven_ms.fetch_max(issued, Ordering::Relaxed);
        }
        verdict
    }
}

#[derive(Default)]
struct Log {
    last_try_ms: Option<i64>,
    /// The last try that a token or the age of the keys caused, not their absence.
    last_spaced_ms: Option<i64>,
    last_error: Option<FetchError>,
    fetches: u64,
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
    log: std::sync::Mutex<Log>,
    epochs: AtomicU64,
}

impl std::fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyCache").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// Why keys are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// There are none that may be used.
    Any,
    /// A token asks for newer ones than those of this epoch.
    NewerThan(u64),
    /// They are getting old.
    Fresh,
}

/// What became of a caller that wanted newer keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// It waited for the fetch, or none was due.
    Done,
    /// Enough others are waiting.
    TooMany,
}

impl KeyCache {
    /// Keys that are fetched.
    pub fn fetching(fetcher: impl FetchJwks, options: CacheOptions) -> Self {
        Self::over(Some(Arc::new(fetcher)), options)
    }

    /// A pinned key: there from the start, and never renewed.
    pub fn pinned(keys: KeySet) -> Self {
        let cache = Self::over(None, CacheOptions::default());
        cache.install(keys, Vec::new(), 0);
        cache
    }

    /// Takes up a document that was fetched at `fetched_at_ms`, before this process began. It
    /// serves for what is left of [`CacheOptions::max_age`], and is renewed at once. Does nothing
    /// where there are keys already.
    pub fn restore(&self, document: &[u8], fetched_at_ms: i64) -> Result<(), JwksError> {
        let document = KeySet::from_jwks(document)?;
        if self.snapshot.load().is_none() {
            self.install(document.keys, document.skipped, fetched_at_ms);
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
            log: std::sync::Mutex::default(),
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
        self.usable(now_ms).is_some()
    }

    /// How the keys are doing.
    pub fn status(&self) -> KeyStatus {
        let log = self.log();
        let snapshot = self.snapshot.load();
        KeyStatus {
            loaded_at_ms: snapshot.as_ref().map(|snapshot| snapshot.loaded_at_ms),
            kids: snapshot.iter().flat_map(|each| each.keys.kids().map(str::to_owned)).collect(),
            skipped: snapshot.as_ref().map(|snapshot| snapshot.skipped.clone()).unwrap_or_default(),
            last_try_ms: log.last_try_ms,
            last_error: log.last_error.clone(),
            fetches: log.fetches,
        }
    }

    /// The verdict on a token as of `now_ms`. Waits for keys only where the verdict depends on it.
    pub async fn judge(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Verdict {
        let Some(snapshot) = self.usable_for(verifier, token, now_ms).await else {
            // What is wrong whatever the keys are needs no keys to be said.
            let verdict = verifier.verify(token, &KeySet::default(), now_ms);
            return if asks_for_keys(&verdict) {
                Verdict::CannotJudge(self.no_keys(now_ms))
            } else {
                verdict
            };
        };
        let verdict = snapshot.judge(verifier, token, now_ms);
        if self.fetcher.is_none() || !asks_for_keys(&verdict) || !verifier.deserves_newer_keys(token, now_ms)
        {
            return verdict;
        }
        let waited = self.wait_for(Want::NewerThan(snapshot.epoch), now_ms).await;
        let newest = self.usable(now_ms).unwrap_or(snapshot);
        match newest.judge(verifier, token, now_ms) {
            Verdict::Refused(refusal) if asks_for_newer(&refusal) => {
                let issued_at_ms = verifier.unproven_issue_time(token);
                match self.undecided(&refusal, issued_at_ms, &newest, waited, now_ms) {
                    Some(cannot) => Verdict::CannotJudge(cannot),
                    None => Verdict::Refused(refusal),
                }
            }
            verdict @ (Verdict::Accepted(_) | Verdict::Refused(_) | Verdict::CannotJudge(_)) => verdict,
        }
    }

    /// Whether a token that fits no key may be signed by one that Clerk made since; then "no" would
    /// be a guess.
    fn undecided(
        &self,
        refusal: &Refusal,
        issued_at_ms: Option<i64>,
        newest: &Snapshot,
        waited: Waited,
        now_ms: i64,
    ) -> Option<CannotJudge> {
        let issued = issued_at_ms?;
        let (failed, last_try_ms, last_spaced_ms) = {
            let log = self.log();
            (log.last_error.is_some(), log.last_try_ms, log.last_spaced_ms)
        };
        // Clerk signed newer tokens than this one with the keys that we have.
        let superseded = refusal.code == RefusalCode::TokenInvalidSignature
            && issued < newest.newest_proven_ms.load(Ordering::Relaxed);
        if superseded {
            return None;
        }
        let cannot = |reason, last: Option<i64>| {
            let next = last.unwrap_or(now_ms).saturating_add(ms(self.options.force_gap));
            Some(CannotJudge { reason, retry_after: until(next, now_ms) })
        };
        if waited == Waited::TooMany {
            // Somebody else's fetch may bring the key.
            let reason = CannotJudgeReason::KeyNewerThanOurs;
            return Some(CannotJudge { reason, retry_after: SOONEST_RETRY });
        }
        if failed {
            return cannot(CannotJudgeReason::KeyUnknownAndUnreachable, last_try_ms);
        }
        if issued > newest.loaded_at_ms {
            return cannot(CannotJudgeReason::KeyNewerThanOurs, last_spaced_ms);
        }
        None
    }

    /// Every step of the verdict on a token with the keys that are there; fetches nothing.
    pub fn explain(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Explanation {
        match self.usable(now_ms) {
            Some(snapshot) => explain(verifier, token, Ok(&snapshot.keys), now_ms),
            None => explain(verifier, token, Err(&self.no_keys(now_ms)), now_ms),
        }
    }

    /// The keys; where there are none, waits for them if the token is worth it.
    async fn usable_for(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Option<Arc<Snapshot>> {
        let present = self.usable(now_ms);
        if present.is_some() || !verifier.deserves_newer_keys(token, now_ms) {
            return present;
        }
        self.wait_for(Want::Any, now_ms).await;
        self.usable(now_ms)
    }

    /// As [`Self::fetch_for`], for a caller: as many of them as may wait at one time.
    async fn wait_for(&self, want: Want, now_ms: i64) -> Waited {
        let Ok(_place) = self.waiting.try_acquire() else { return Waited::TooMany };
        self.fetch_for(want, now_ms).await;
        Waited::Done
    }

    /// Whether [`KeyCache::renew_if_due`] would fetch.
    pub fn renewal_is_due(&self, now_ms: i64) -> bool {
        self.fetcher.is_some() && self.is_wanted(self.renewal(now_ms), now_ms)
    }

    fn renewal(&self, now_ms: i64) -> Want {
        if self.usable(now_ms).is_none() { Want::Any } else { Want::Fresh }
    }

    /// Renews the keys if that is due. For a background loop that calls it every
    /// [`CacheOptions::cold_gap`].
    pub async fn renew_if_due(&self, now_ms: i64) {
        if self.fetcher.is_some() {
            self.fetch_for(self.renewal(now_ms), now_ms).await;
        }
    }

    /// Fetches if `want` is still unmet once it is our turn, or carries on the fetch of a caller
    /// that went away.
    async fn fetch_for(&self, want: Want, now_ms: i64) {
        let Some(fetcher) = &self.fetcher else { return };
        // Where a fetch is under way, its outcome is worth waiting for; its time is limited.
        if let Ok(flight) = self.flight.try_lock()
            && flight.is_none()
            && !self.is_wanted(want, now_ms)
        {
            return;
        }
        let mut turn = Turn(self.flight.lock().await);
        if turn.0.is_none() {
            if !self.is_wanted(want, now_ms) {
                return;
            }
            {
                let mut log = self.log();
                log.last_try_ms = Some(now_ms);
                log.fetches += 1;
                match want {
                    Want::NewerThan(_) | Want::Fresh => log.last_spaced_ms = Some(now_ms),
                    Want::Any => {}
                }
            }
            let fetcher = Arc::clone(fetcher);
            let reply = Box::pin(async move { fetcher.fetch().await });
            *turn.0 = Some(Flight { begun_ms: now_ms, reply });
        }
        let Some(flight) = turn.0.as_mut() else { return };
        // Should we be dropped here, the flight stays in its place.
        let outcome = flight.reply.as_mut().await.and_then(|document| {
            if document.len() > self.options.max_document {
                return Err(FetchError::TooLarge);
            }
            Ok(KeySet::from_jwks(&document)?)
        });
        let begun_ms = flight.begun_ms;
        *turn.0 = None;
        match outcome {
            Ok(document) => {
                self.install(document.keys, document.skipped, begun_ms);
                self.log().last_error = None;
            }
            Err(error) => self.log().last_error = Some(error),
        }
    }

    fn is_wanted(&self, want: Want, now_ms: i64) -> bool {
        let since = |last: Option<i64>, gap: i64| match last {
            // A clock that was set back must not silence us.
            Some(last) => now_ms.saturating_sub(last) >= gap || now_ms < last.saturating_sub(gap),
            None => true,
        };
        let (last_try_ms, last_spaced_ms, failed) = {
            let log = self.log();
            (log.last_try_ms, log.last_spaced_ms, log.last_error.is_some())
        };
        let rested = |gap: i64| since(last_try_ms, gap);
        let CacheOptions { renew_at, force_gap, cold_gap, .. } = self.options;
        let (renew_at, force_gap, cold_gap) = (ms(renew_at), ms(force_gap), ms(cold_gap));
        match want {
            Want::Any => self.usable(now_ms).is_none() && rested(cold_gap),
            // Loading the first keys does not stand in the way: a key may have been made right
            // after.
            Want::NewerThan(epoch) => {
                let rested = since(last_spaced_ms, force_gap) && (!failed || rested(force_gap));
                self.epoch() == epoch && rested
            }
            Want::Fresh => {
                let old = self.snapshot.load().as_ref().is_none_or(|each| {
                    now_ms.saturating_sub(each.loaded_at_ms) >= renew_at || now_ms < each.loaded_at_ms
                });
                old && rested(force_gap)
            }
        }
    }

    fn usable(&self, now_ms: i64) -> Option<Arc<Snapshot>> {
        let young = |each: &Arc<Snapshot>| {
            self.fetcher.is_none() || now_ms.saturating_sub(each.loaded_at_ms) <= ms(self.options.max_age)
        };
        self.snapshot.load_full().filter(young)
    }

    fn install(&self, keys: KeySet, skipped: Vec<SkippedKey>, now_ms: i64) {
        let (epoch, newest_proven_ms) = match &*self.snapshot.load() {
            Some(present) if present.keys.same_keys(&keys) => {
                (present.epoch, present.newest_proven_ms.load(Ordering::Relaxed))
            }
            Some(_) | None => (self.epochs.fetch_add(1, Ordering::Relaxed) + 1, i64::MIN),
        };
        let newest_proven_ms = AtomicI64::new(newest_proven_ms);
        let snapshot = Snapshot { keys, skipped, loaded_at_ms: now_ms, epoch, newest_proven_ms };
        self.snapshot.store(Some(Arc::new(snapshot)));
    }

    fn no_keys(&self, now_ms: i64) -> CannotJudge {
        let never = self.snapshot.load().is_none();
        let reason = if never { CannotJudgeReason::KeysNotLoaded } else { CannotJudgeReason::KeysTooOld };
        let last = self.log().last_try_ms;
        let next = last.map_or(now_ms, |last| last.saturating_add(ms(self.options.cold_gap)));
        CannotJudge { reason, retry_after: until(next, now_ms) }
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The right to drive the flight.
struct Turn<'a>(MutexGuard<'a, Option<Flight>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A fetcher that panicked must not be polled again; the next caller begins anew.
        if std::thread::panicking() {
            *self.0 = None;
        }
    }
}

/// A `Retry-After` below this would be a storm.
const SOONEST_RETRY: Duration = Duration::from_secs(1);

fn until(next_ms: i64, now_ms: i64) -> Duration {
    let left = u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0);
    Duration::from_millis(left).max(SOONEST_RETRY)
}

/// Whether newer keys could make another verdict of it.
fn asks_for_keys(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Refused(refusal) => asks_for_newer(refusal),
        Verdict::Accepted(_) | Verdict::CannotJudge(_) => false,
    }
}

fn asks_for_newer(refusal: &Refusal) -> bool {
    matches!(refusal.code, RefusalCode::JwkKidMismatch | RefusalCode::TokenInvalidSignature)
}
