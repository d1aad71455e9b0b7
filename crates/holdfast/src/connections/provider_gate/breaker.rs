//! The circuit breaker: while the provider answers nobody, only one connection at a time asks.
//!
//! Without it, every connection that comes due in an outage would retry on its own: in twenty days
//! more calls than refreshes in a year. With it, one connection at a time asks for all, the one
//! with the least time left first, and the first answer lets the rest through.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;

/// Failures without an answer in between that open the breaker: more than the calls in flight at
/// once, which one hiccup can fail together.
const OPENS_AT: u32 = 10;
/// The pause between two probes is this fraction of the outage's age: a short outage is soon seen
/// to end, and a long one costs few calls.
const PART: u32 = 8;
/// The shortest pause.
const SHORTEST: Duration = Duration::from_secs(20);
/// The longest pause: a grant in its last days is tried hourly.
const LONGEST: Duration = Duration::from_hours(1);

/// What one replica knows of the provider's health.
#[derive(Debug, Default)]
pub struct Breaker {
    failures: u32,
    /// Time of the first failure.
    since: Option<Timestamp>,
    /// Time of the last failure.
    last: Option<Timestamp>,
}

impl Breaker {
    /// Closes the breaker: the provider answered, whatever it said.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// A call failed for a reason that concerns every connection.
    pub fn failed(&mut self, now: Timestamp) {
        self.failures = self.failures.saturating_add(1);
        self.since = self.since.or(Some(now));
        self.last = Some(now);
        if self.failures == OPENS_AT {
            tracing::warn!("the provider does not answer; only one connection at a time is tried");
        }
    }

    /// How many connections may be worked on now: `most` while the breaker is closed, none while it
    /// is open, one when it is half-open, because a probe is due.
    pub fn allows(&self, most: usize, now: Timestamp) -> usize {
        match self.next_probe() {
            None => most,
            Some(_) if self.rests_until(now).is_some() => 0,
            Some(_) => most.min(1),
        }
    }

    /// Until when no call is made.
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        let (last, next) = self.next_probe()?;
        // Ignore a time in the future: the clock has been set back since.
        (last <= now && now < next).then_some(next)
    }

    /// The times of the last failure and of the next probe; `None` while the breaker is closed.
    fn next_probe(&self) -> Option<(Timestamp, Timestamp)> {
        let (since, last) = self.since.zip(self.last).filter(|_| self.failures >= OPENS_AT)?;
        let lasted = last.duration_since(since).unsigned_abs();
        Some((last, after(last, (lasted / PART).clamp(SHORTEST, LONGEST))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    fn at(seconds: i64) -> Timestamp {
        from_millis(seconds * 1000)
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..OPENS_AT {
            assert_eq!(breaker.allows(32, at(0)), 32);
            breaker.failed(at(0));
        }
        breaker
    }

    #[test]
    fn open_it_lets_one_through_after_a_pause_that_grows_with_the_trouble() {
        let mut breaker = opened();
        assert_eq!((breaker.allows(32, at(19)), breaker.allows(32, at(20))), (0, 1));
        assert_eq!((breaker.rests_until(at(19)), breaker.rests_until(at(20))), (Some(at(20)), None));
        breaker.failed(at(3600));
        assert_eq!((breaker.allows(32, at(3600 + 449)), breaker.allows(32, at(3600 + 450))), (0, 1));
        breaker.failed(at(20 * 86_400));
        let longest = i64::try_from(LONGEST.as_secs()).unwrap();
        let end = 20 * 86_400 + longest;
        assert_eq!((breaker.allows(32, at(end - 1)), breaker.allows(32, at(end))), (0, 1));
    }

    #[test]
    fn an_answer_closes_it() {
        let mut breaker = opened();
        breaker.answered();
        assert_eq!(breaker.allows(32, at(1)), 32);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_it_shut() {
        let mut breaker = opened();
        breaker.failed(at(1_000_000));
        assert_eq!(breaker.allows(32, at(0)), 1);
    }
}
