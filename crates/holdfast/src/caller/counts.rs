//! How many requests were judged, and how.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::per_thread::PerThread;

/// How many requests were judged, since the start, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Accepted, remembered ones included.
    pub accepted: u64,
    /// Accepted from memory.
    pub remembered: u64,
    /// Accepted, and refused had the parties been enforced.
    pub would_refuse: u64,
    /// Genuine, not active.
    pub pending: u64,
    /// Refused.
    pub refused: u64,
    /// Told to stop repeating.
    pub stopped: u64,
    /// Not judged.
    pub cannot_judge: u64,
}

/// The counters behind [`Counts`].
pub(super) type Counters = PerThread<CountersOfThread>;

#[derive(Debug, Default)]
pub(super) struct CountersOfThread {
    pub accepted: AtomicU64,
    pub remembered: AtomicU64,
    pub would_refuse: AtomicU64,
    pub pending: AtomicU64,
    pub refused: AtomicU64,
    pub stopped: AtomicU64,
    pub cannot_judge: AtomicU64,
}

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
        }
    }

    pub(super) fn count(&self, counter: fn(&CountersOfThread) -> &AtomicU64) {
        counter(self.own()).fetch_add(1, Ordering::Relaxed);
    }
}
