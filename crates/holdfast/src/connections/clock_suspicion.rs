//! Whether an expiry is checked with the provider before it is believed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

use crate::clock::from_millis;

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

    /// Up to when expiries are doubted.
    pub(super) fn until(&self) -> Timestamp {
        from_millis(self.0.load(Ordering::Relaxed))
    }
}
