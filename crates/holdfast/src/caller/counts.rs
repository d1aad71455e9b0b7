//! How many requests were judged, and how.

use std::sync::atomic::{AtomicU64, Ordering};

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

/// The same while it is being counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
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
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            accepted: read(&self.accepted),
            remembered: read(&self.remembered),
            would_refuse: read(&self.would_refuse),
            pending: read(&self.pending),
            refused: read(&self.refused),
            stopped: read(&self.stopped),
            cannot_judge: read(&self.cannot_judge),
        }
    }
}

pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
