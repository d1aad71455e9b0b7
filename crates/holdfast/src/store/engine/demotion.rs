//! Leaves a Postgres server that has become a standby: connections from before lead there, where new
//! ones would by now lead to the new primary.

use std::sync::Arc;

use jiff::Timestamp;
use sqlx::postgres::PgPoolOptions;

use crate::clock::{Clock as _, SystemClock, before};
use crate::lock::Lock;

/// When a server was last found to take no writes. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Demotion(Arc<Lock<Option<Timestamp>>>);

impl Demotion {
    /// A server was found to take no writes.
    pub(super) fn note(&self) {
        *self.0.lock() = Some(SystemClock.now_fine());
    }

    /// Whether a connection that was made by then may lead to a former primary.
    pub(super) fn is_after(&self, connected: Timestamp) -> bool {
        // A time ahead of the clock is from before that was set back, and tells nothing.
        self.0.lock().is_some_and(|at| connected < at && at <= SystemClock.now_fine())
    }

    /// A pool that uses no such connection again.
    pub(super) fn watched_by(&self, pool: PgPoolOptions) -> PgPoolOptions {
        let demotion = self.clone();
        pool.before_acquire(move |_, about| {
            let is_demoted = demotion.is_after(before(SystemClock.now_fine(), about.age));
            Box::pin(async move { Ok(!is_demoted) })
        })
    }
}
