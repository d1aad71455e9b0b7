//! Whether the provider may be asked now: its health and its rate budget behind one face.

mod breaker;
mod budget;

use std::sync::Arc;

use jiff::Timestamp;

use self::breaker::Breaker;
use self::budget::Budget;
use super::mechanisms::{Mechanism, Mechanisms};
use crate::clock::SharedClock;
use crate::provider::{Failure, Meaning, Reply, Usage};

/// What this replica knows of the provider's health and of the app's rate budget.
#[derive(Debug, Clone)]
pub struct ProviderGate {
    clock: SharedClock,
    mechanisms: Mechanisms,
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    breaker: Breaker,
    budget: Budget,
}

impl ProviderGate {
    /// A gate that is open.
    pub fn new(clock: SharedClock) -> Self {
        Self { clock, mechanisms: Mechanisms::default(), inner: Arc::default() }
    }

    /// The same with those mechanisms only.
    pub(super) fn with(self, mechanisms: Mechanisms) -> Self {
        Self { mechanisms, ..self }
    }

    /// How many connections may be worked on now, at most `most`.
    pub fn allows(&self, most: usize) -> usize {
        let now = self.clock.now();
        let Inner { breaker, budget } = &*self.inner;
        let most = if self.mechanisms.has(Mechanism::Budget) { budget.allows(most, now) } else { most };
        if self.mechanisms.has(Mechanism::Breaker) { breaker.allows(most, now) } else { most }
    }

    /// Until when nobody is asked because the provider answers nobody.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.inner.breaker.rests_until(now)
    }

    /// Until when nobody is asked because the app's budget is spent.
    pub fn spent_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.inner.budget.spent_until(now)
    }

    /// How much of the app's budget is used, in percent, as far as the provider's answers say.
    pub fn budget_used_percent(&self) -> u32 {
        self.inner.budget.used(self.clock.now())
    }

    /// Takes in what an answer says of the budget, and nothing else: whoever made the call may have
    /// asked for anything.
    pub fn learn_usage(&self, usage: Usage, failure: Option<&Failure>) {
        self.inner.budget.observe(usage, failure, self.clock.now());
    }

    /// The outcome of a provider call, having taken in what it says of health and budget.
    pub fn account_for<T>(&self, reply: Reply<T>) -> Result<T, Failure> {
        let Reply { outcome, usage } = reply;
        let now = self.clock.now();
        self.inner.budget.observe(usage, outcome.as_ref().err(), now);
        match outcome.as_ref().map_err(|failure| failure.meaning) {
            // What every grant may do is refused for want of a permission: that concerns the app.
            Err(Meaning::Unavailable | Meaning::App(_) | Meaning::Permission) => {
                self.inner.breaker.failed(now);
            }
            // Whether a death is the connection's own or everybody's shows later.
            Err(Meaning::Dead(_) | Meaning::DeadUnexplained) => {}
            Ok(_)
            | Err(
                Meaning::UserAction(_) | Meaning::RateLimited(_) | Meaning::Content | Meaning::CodeRejected,
            ) => self.inner.breaker.answered(),
        }
        outcome.map_err(|failure| Failure {
            retry_after: failure.retry_after.or(usage.account_regains_in),
            ..failure
        })
    }

    /// A death was found to strike everybody: the provider answers nobody.
    pub fn strikes_all(&self) {
        self.inner.breaker.failed(self.clock.now());
    }
}
