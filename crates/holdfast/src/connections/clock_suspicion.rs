//! Whether an expiry is checked with the provider before it is believed.

use std::sync::Arc;

use jiff::Timestamp;

use crate::clock::after;
use crate::connection::clock_repair::TOLERANCE;
use crate::lock::Lock;

/// The time up to which expiries are doubted, because the clock may have jumped. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct ClockSuspicion(Arc<Lock<Suspicion>>);

#[derive(Debug, Default)]
struct Suspicion {
    until: Timestamp,
    /// The last time that somebody asked.
    asked_at: Option<Timestamp>,
}

impl ClockSuspicion {
    /// Suspects every expiry up to `until`.
    pub(super) fn raise(&self, until: Timestamp) {
        self.0.lock().until = until;
    }

    /// Up to when expiries are doubted: to now where the clock was unwatched for a while, or has
    /// jumped.
    pub(super) fn until(&self, now: Timestamp) -> Timestamp {
        let mut suspicion = self.0.lock();
        let has_jumped = |at| now > after(at, TOLERANCE) || at > after(now, TOLERANCE);
        if suspicion.asked_at.replace(now).is_none_or(has_jumped) {
            suspicion.until = now;
        }
        suspicion.until
    }
}
