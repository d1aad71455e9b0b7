//! The verdict on a token, and whether newer keys could change it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::KeyCache;
use super::asked::{Came, Want};
use super::snapshot::Snapshot;
use crate::cache_options::ms;
use crate::cannot_judge::{CannotJudge, CannotJudgeReason};
use crate::code::RefusalCode;
use crate::explain::{Explanation, explain};
use crate::keys::KeySet;
use crate::refusal::Refusal;
use crate::verifier::{Verdict, Verifier};

/// A `Retry-After` below this would be a storm.
const SOONEST_RETRY: Duration = Duration::from_secs(1);

/// What became of a caller that wanted newer keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waited {
    /// It waited for the fetch, or none was due.
    Done,
    /// Enough others are waiting.
    TooMany,
}

impl KeyCache {
    /// The verdict on a token as of `now_ms`. Waits for keys only where the verdict depends on it.
    pub async fn judge(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Verdict {
        let Some(snapshot) = self.usable_for(verifier, token, now_ms).await else {
            // A fault that does not depend on the keys is reported without them.
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
        let came = verifier.unproven_issue_time(token).map(|issued| self.asked().token_came(issued, now_ms));
        let waited = self.wait_for(Want::NewerThan(snapshot.epoch), now_ms).await;
        let newest = self.usable(now_ms).unwrap_or(snapshot);
        match newest.judge(verifier, token, now_ms) {
            Verdict::Refused(refusal) if asks_for_newer(&refusal) => {
                let skew_ms = verifier.clock_skew_ms();
                came.and_then(|came| self.undecided(&refusal, came, &newest, waited, skew_ms, now_ms))
                    .map_or(Verdict::Refused(refusal), Verdict::CannotJudge)
            }
            verdict @ (Verdict::Accepted(_) | Verdict::Refused(_) | Verdict::CannotJudge(_)) => verdict,
        }
    }

    /// Whether a token that fits no key may be signed by one that Clerk made since; then "no" would
    /// be a guess.
    fn undecided(
        &self,
        refusal: &Refusal,
        came: Came,
        newest: &Snapshot,
        waited: Waited,
        skew_ms: i64,
        now_ms: i64,
    ) -> Option<CannotJudge> {
        let issued = came.issued_at_ms;
        let asked = self.asked().clone();
        // Our keys have proven tokens newer than this one.
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
        if asked.last_error.is_some() {
            return cannot(CannotJudgeReason::KeyUnknownAndUnreachable, asked.last_try_ms);
        }
        // Clerk's clock may be behind ours, and `iat` has no fraction of a second.
        let latest = issued.saturating_add(999).saturating_add(skew_ms);
        // A clock that was ahead says nothing of when they were loaded.
        let was_ahead = newest.as_of_ms > now_ms.saturating_add(skew_ms);
        if !newest.was_asked_for_after(&came) && (latest >= newest.as_of_ms || was_ahead) {
            return cannot(CannotJudgeReason::KeyNewerThanOurs, asked.last_spaced_ms);
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

    /// The keys. Without any, waits for them, unless the token would be refused under all keys.
    async fn usable_for(&self, verifier: &Verifier, token: &str, now_ms: i64) -> Option<Arc<Snapshot>> {
        let present = self.usable(now_ms);
        if present.is_some() || !verifier.deserves_newer_keys(token, now_ms) {
            return present;
        }
        self.wait_for(Want::Any, now_ms).await;
        self.usable(now_ms)
    }

    /// As [`Self::fetch_for`], for at most `CacheOptions::max_waiting` callers at once.
    async fn wait_for(&self, want: Want, now_ms: i64) -> Waited {
        let Ok(_place) = self.waiting.try_acquire() else { return Waited::TooMany };
        self.fetch_for(want, now_ms).await;
        Waited::Done
    }

    fn no_keys(&self, now_ms: i64) -> CannotJudge {
        let never = self.snapshot.load().is_none();
        let reason = if never { CannotJudgeReason::KeysNotLoaded } else { CannotJudgeReason::KeysTooOld };
        let last = self.asked().last_try_ms;
        let next = last.map_or(now_ms, |last| last.saturating_add(ms(self.options.cold_gap)));
        CannotJudge { reason, retry_after: until(next, now_ms) }
    }
}

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
