//! The rate budget: how fast we may ask, by what the provider's usage headers say.
//!
//! Meta throttles an app at 100 % of its hourly allowance, and asking while throttled prolongs it
//! (its documentation of Graph API rate limits). Below [`CAREFUL`] nothing changes; above it we ask
//! one at a time with a growing gap.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, is_over};
use crate::connection::schedule::LIMITED_PAUSE;
use crate::provider::{Failure, LimitScope, Meaning, Usage};

/// From this share of the budget on, in percent, we slow down.
const CAREFUL: u32 = 75;
/// From this share on, we nearly stop.
const SCARCE: u32 = 90;
/// The gap between two calls above [`CAREFUL`].
const SLOW: Duration = Duration::from_secs(1);
/// The gap between two calls above [`SCARCE`].
const SLOWER: Duration = Duration::from_secs(10);
/// A usage figure older than this is ignored.
const STALE: Duration = Duration::from_hours(1);

/// What one replica knows of the app-wide budget.
#[derive(Debug, Default)]
pub struct Budget {
    percent: u32,
    seen_at: Option<Timestamp>,
    not_before: Option<Timestamp>,
}

impl Budget {
    /// Updates the budget from an answer.
    pub fn observe(&mut self, usage: Usage, failure: Option<&Failure>, now: Timestamp) {
        let limited = failure.filter(|each| each.meaning == Meaning::RateLimited(LimitScope::App));
        if usage.app_percent.is_none() && limited.is_none() {
            return;
        }
        let percent = usage.app_percent.unwrap_or(0).max(if limited.is_some() { 100 } else { 0 });
        let gap = match percent {
            0..CAREFUL => Duration::ZERO,
            CAREFUL..SCARCE => SLOW,
            SCARCE..100 => SLOWER,
            100.. => limited.and_then(|each| each.retry_after).unwrap_or(LIMITED_PAUSE),
        };
        let not_before = after(now, gap);
        // An answer to a call from before the budget was spent does not end that pause.
        if self.spent_until(now).is_some_and(|spent| not_before < spent) {
            return;
        }
        if percent >= 100 && self.percent < 100 {
            tracing::warn!(percent, pause = ?gap, "the provider's hourly budget for the app is used up; the worker pauses");
        }
        *self = Self { percent, seen_at: Some(now), not_before: Some(not_before) };
    }

    /// Until when no call may be made: calls while throttled prolong it.
    pub fn spent_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until = self.not_before.filter(|until| self.percent >= 100 && now < *until);
        // Ignore a time in the future: the clock has been set back since.
        until.filter(|_| self.seen_at.is_some_and(|seen| seen <= now))
    }

    /// The used share in percent, by the newest answer; 0 if that is older than [`STALE`].
    pub fn used(&self, now: Timestamp) -> u32 {
        let is_known = self.seen_at.is_some_and(|seen| !is_over(seen, STALE, now));
        if is_known { self.percent } else { 0 }
    }

    /// How many connections may be worked on now, at most `most`.
    pub fn allows(&self, most: usize, now: Timestamp) -> usize {
        match (self.seen_at, self.not_before) {
            // Ignore a time in the future: the clock has been set back since.
            (Some(seen), Some(not_before)) if seen <= now => {
                if now < not_before {
                    0
                } else if self.percent >= CAREFUL && now < after(seen, STALE) {
                    most.min(1)
                } else {
                    most
                }
            }
            (Some(_) | None, Some(_) | None) => most,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    fn at(seconds: i64) -> Timestamp {
        from_millis(seconds * 1000)
    }

    fn used(percent: u32) -> Usage {
        Usage { app_percent: Some(percent), ..Usage::default() }
    }

    #[test]
    fn an_unused_budget_limits_nothing() {
        let mut budget = Budget::default();
        assert_eq!(budget.allows(32, at(0)), 32);
        budget.observe(used(74), None, at(0));
        assert_eq!(budget.allows(32, at(0)), 32);
    }

    #[test]
    fn the_fuller_the_slower_and_a_spent_one_stops_everything() {
        let mut budget = Budget::default();
        budget.observe(used(75), None, at(0));
        assert_eq!((budget.allows(32, at(0)), budget.allows(32, at(1))), (0, 1));
        budget.observe(used(95), None, at(1));
        assert_eq!((budget.allows(32, at(10)), budget.allows(32, at(11))), (0, 1));
        budget.observe(used(100), None, at(11));
        assert_eq!((budget.allows(32, at(310)), budget.allows(32, at(311))), (0, 1));
        assert_eq!((budget.spent_until(at(310)), budget.spent_until(at(311))), (Some(at(311)), None));
        assert_eq!(budget.spent_until(at(10)), None, "the clock was set back");
        assert_eq!(budget.allows(32, at(11 + 3600)), 32, "an old figure says nothing");
    }

    #[test]
    fn an_app_wide_refusal_without_headers_stops_everything_for_as_long_as_it_says() {
        let mut budget = Budget::default();
        let refusal = |scope| Failure {
            retry_after: Some(Duration::from_mins(19)),
            http_status: Some(400),
            code: Some(4),
            ..Failure::new(Meaning::RateLimited(scope), "")
        };
        budget.observe(Usage::default(), Some(&refusal(LimitScope::Account)), at(0));
        assert_eq!(budget.allows(32, at(0)), 32, "an account's limit is its own");
        budget.observe(Usage::default(), Some(&refusal(LimitScope::App)), at(0));
        for late in [used(99), used(100), used(1)] {
            budget.observe(late, None, at(60));
            assert_eq!(budget.spent_until(at(60)), Some(at(19 * 60)), "it answers an earlier call");
        }
        assert_eq!((budget.allows(32, at(19 * 60 - 1)), budget.allows(32, at(19 * 60))), (0, 1));
    }
}
