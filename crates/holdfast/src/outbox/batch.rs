//! What became of deliveries.

use crate::names::names;
use crate::store::StoreError;

/// What one tick did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent {
    /// Events that the app took.
    pub delivered: usize,
    /// Deliveries that failed and will be repeated.
    pub failed: usize,
    /// Events that will not be sent again.
    pub given_up: usize,
}

/// What was finished since the last report.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) sent: Sent,
    pub(super) finished: usize,
    /// The database did not note a delivery: that event is sent again, under the same id.
    pub(super) failure: Option<StoreError>,
}

impl Batch {
    pub(super) fn count(&mut self, outcome: Result<Outcome, StoreError>) {
        self.finished += 1;
        match outcome {
            Ok(Outcome::Delivered) => self.sent.delivered += 1,
            Ok(Outcome::Failed) => self.sent.failed += 1,
            Ok(Outcome::GivenUp) => self.sent.given_up += 1,
            Err(error) => self.failure = Some(error),
        }
    }
}

names! {
    /// The outcome of a delivery.
    pub(super) enum Outcome {
        Delivered = "delivered",
        Failed = "failed",
        GivenUp = "given_up",
    }
}
