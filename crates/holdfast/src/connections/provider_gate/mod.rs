//! Whether the provider may be asked now, by its health and its rate budget.

mod breaker;
mod budget;

use std::sync::Arc;

use jiff::Timestamp;

use self::breaker::Breaker;
use self::budget::Budget;
use crate::clock::SharedClock;
use crate::lock::Lock;
use crate::provider::{Failure, Meaning, Reply, Usage};

/// What this replica knows of the provider's health and of the app's rate budget.
#[derive(Debug, Clone)]
pub struct ProviderGate {
    clock: SharedClock,
    inner: Arc<Lock<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    breaker: Breaker,
    budget: Budget,
}

impl ProviderGate {
    /// A gate that is open.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// How many connections may be worked on now, at most `most`.
    pub fn allows(&self, most: usize) -> usize {
        let now = self.clock.now();
        let Inner { breaker, budget } = &*self.inner.lock();
        breaker.allows(budget.allows(most, now), now)
    }

    /// Until when no call is made because the provider answers nobody.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.inner.lock().breaker.rests_until(now)
    }

    /// Until when no call is made because the app's budget is spent.
    pub fn spent_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.inner.lock().budget.spent_until(now)
    }

    /// How much of the app's budget is used, in percent, by the provider's answers.
    pub fn budget_used_percent(&self) -> u32 {
        let now = self.clock.now();
        self.inner.lock().budget.used(now)
    }

    /// Learns what an answer says of the budget, and nothing else: the app may have called
    /// anything.
    pub fn learn_usage(&self, usage: Usage, failure: Option<&Failure>) {
        let now = self.clock.now();
        self.inner.lock().budget.observe(usage, failure, now);
    }

    /// Notes that the provider serves us.
    pub fn answered(&self) {
        self.inner.lock().breaker.answered();
    }

    /// Updates health and budget from a reply, and returns its outcome.
    pub fn observe<T>(&self, reply: Reply<T>) -> Result<T, Failure> {
        let Reply { outcome, usage } = reply;
        let now = self.clock.now();
        self.inner.lock().budget.observe(usage, outcome.as_ref().err(), now);
        match outcome.as_ref().map_err(|failure| failure.meaning) {
            // Every grant may make these calls, so a missing permission concerns the app.
            Err(Meaning::Unavailable | Meaning::App(_) | Meaning::Permission) => {
                self.inner.lock().breaker.failed(now);
            }
            // Whether a death concerns one connection or all shows later.
            Err(Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::Crowded) => {}
            Ok(_)
            | Err(
                Meaning::UserAction(_) | Meaning::RateLimited(_) | Meaning::Content | Meaning::CodeRejected,
            ) => self.inner.lock().breaker.answered(),
        }
        outcome.map_err(|failure| Failure {
            retry_after: failure.retry_after.or(usage.account_regains_in),
            ..failure
        })
    }

    /// Counts a failure: a death was found to strike all connections.
    pub fn strikes_all(&self) {
        let now = self.clock.now();
        self.inner.lock().breaker.failed(now);
    }
}
