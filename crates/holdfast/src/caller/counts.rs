//! How many requests were judged, and how.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::per_thread::PerThread;

/// How many requests were judged, since the start, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts<T = u64> {
    /// Accepted, remembered ones included.
    pub accepted: T,
    /// Accepted from memory.
    pub remembered: T,
    /// Accepted, and refused had the parties been enforced.
    pub would_refuse: T,
    /// Genuine, not active.
    pub pending: T,
    /// Refused.
    pub refused: T,
    /// Told to stop repeating.
    pub stopped: T,
    /// Not judged, because the key is missing.
    pub cannot_judge: T,
    /// Not judged, because it fits no key and Clerk was asked for keys a moment ago: a stranger's,
    /// or signed with a key made since.
    pub key_unknown: T,
}

/// The counters behind [`Counts`].
pub(super) type Counters = PerThread<CountersOfThread>;

pub(super) type CountersOfThread = Counts<AtomicU64>;

impl Counters {
    pub(super) fn read(&self) -> Counts {
        let sum = |counter: fn(&CountersOfThread) -> &AtomicU64| {
            self.all().map(|each| counter(each).load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
        };
        Counts {
            accepted: sum(|each| &each.accepted),
            remembered: sum(|each| &each.remembered),
            would_refuse: sum(|each| &each.would_refuse),
            pending: sum(|each| &each.pending),
            refused: sum(|each| &each.refused),
            stopped: sum(|each| &each.stopped),
            cannot_judge: sum(|each| &each.cannot_judge),
            key_unknown: sum(|each| &each.key_unknown),
        }
    }

    pub(super) fn count(&self, counter: fn(&CountersOfThread) -> &AtomicU64) {
        counter(self.own()).fetch_add(1, Ordering::Relaxed);
    }
}
