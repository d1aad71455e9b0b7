//! When Clerk was asked for keys, and when it may be asked again.

use crate::cache_options::{CacheOptions, ms};
use crate::fetch::FetchError;

/// Why keys are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// There are none that may be used.
    Any,
    /// A token asks for newer ones than those of this epoch.
    NewerThan(u64),
    /// They are getting old.
    Fresh,
    /// They were restored, not fetched by this process.
    Own,
}

/// A fetch, as it was begun.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub(super) at_ms: i64,
    /// Its place among all fetches; the first is 1.
    pub(super) number: u64,
    /// The `iat` of the newest token that had come and asks for newer keys, unproven.
    pub(super) newest_token_ms: Option<i64>,
}

/// A token that asks for newer keys, as it came.
#[derive(Clone, Copy)]
pub(super) struct Came {
    /// Its `iat`, unproven.
    pub(super) issued_at_ms: i64,
    /// The fetches that had been begun.
    pub(super) fetches: u64,
}

/// What was asked so far. Times are unix milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) last_try_ms: Option<i64>,
    /// The last try that a token or the age of the keys caused, not their absence.
    pub(super) last_spaced_ms: Option<i64>,
    pub(super) last_error: Option<FetchError>,
    pub(super) fetches: u64,
    /// As in [`Begun`], for the next fetch.
    newest_token_ms: Option<i64>,
}

impl Asked {
    /// A token asks for newer keys.
    pub(super) fn token_came(&mut self, issued_at_ms: i64, now_ms: i64) -> Came {
        // Nothing is issued later than it comes.
        self.newest_token_ms = self.newest_token_ms.max(Some(issued_at_ms.min(now_ms)));
        Came { issued_at_ms, fetches: self.fetches }
    }

    /// A fetch begins.
    pub(super) fn begin(&mut self, want: Want, now_ms: i64) -> Begun {
        self.last_try_ms = Some(now_ms);
        self.fetches += 1;
        match want {
            Want::NewerThan(_) | Want::Fresh => self.last_spaced_ms = Some(now_ms),
            Want::Any | Want::Own => {}
        }
        let newest_token_ms = self.newest_token_ms.take().map(|issued| issued.min(now_ms));
        Begun { at_ms: now_ms, number: self.fetches, newest_token_ms }
    }

    /// Whether the pause before a fetch for `want` is over.
    pub(super) fn may_begin(&self, want: Want, options: &CacheOptions, now_ms: i64) -> bool {
        let rested = |last, gap| is_over(last, ms(gap), now_ms);
        let CacheOptions { force_gap, cold_gap, .. } = *options;
        match want {
            Want::Any => rested(self.last_try_ms, cold_gap),
            // Loading the first keys of one's own does not count: a key may have been made right
            // after.
            Want::NewerThan(_) => {
                rested(self.last_spaced_ms, force_gap)
                    && (self.last_error.is_none() || rested(self.last_try_ms, force_gap))
            }
            Want::Fresh | Want::Own => rested(self.last_try_ms, force_gap),
        }
    }
}

fn is_over(last_ms: Option<i64>, gap_ms: i64, now_ms: i64) -> bool {
    // A clock that was set back must not stop fetching.
    last_ms.is_none_or(|last| now_ms.saturating_sub(last) >= gap_ms || now_ms < last.saturating_sub(gap_ms))
}
