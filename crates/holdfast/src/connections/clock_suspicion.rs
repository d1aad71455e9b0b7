//! Whether an expiry is checked with the provider before it is believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// The time up to which expiries are doubted, because the clock may have jumped.
#[derive(Debug, Clone)]
pub(super) struct ClockSuspicion(Arc<AtomicI64>);

impl Default for ClockSuspicion {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(i64::MIN)))
    }
}

impl ClockSuspicion {
    /// Suspects every expiry up to `now`.
    pub(super) fn raise(&self, now: Timestamp) {
        self.0.store(now.as_millisecond(), Ordering::Relaxed);
    }

    pub(super) fn doubts(&self, expires_at: Timestamp) -> bool {
        expires_at.as_millisecond() <= self.0.load(Ordering::Relaxed)
    }
}
