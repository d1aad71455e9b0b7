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

/// What was asked so far. Times are unix milliseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) last_try_ms: Option<i64>,
    /// The last try that a token or the age of the keys caused, not their absence.
    pub(super) last_spaced_ms: Option<i64>,
    pub(super) last_error: Option<FetchError>,
    pub(super) fetches: u64,
}

impl Asked {
    /// A fetch begins.
    pub(super) fn begin(&mut self, want: Want, now_ms: i64) {
        self.last_try_ms = Some(now_ms);
        self.fetches += 1;
        match want {
            Want::NewerThan(_) | Want::Fresh => self.last_spaced_ms = Some(now_ms),
            Want::Any | Want::Own => {}
        }
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
