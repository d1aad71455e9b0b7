//! The loop breaker: a client that presents the same refused token again and again is told to stop.
//!
//! The usual bug behind it is a page that answers a 401 with the same request at once, for ever.
//! The verdict does not change: the client gets a 429 with `Retry-After` and the same reason,
//! without the cost of a signature check.

use std::time::Duration;

use jiff::Timestamp;

use super::two_generation_map::{Digest, TwoGenerationMap};
use crate::clock::after;
use crate::lock::Lock;

/// Refusals of one token within [`WINDOW`] that are still answered as refusals: a page with several
/// requests in flight and one retry each stays below, a loop does not.
const PRESENTATIONS: u32 = 10;
/// Counted from the first refusal.
const WINDOW: Duration = Duration::from_mins(1);

/// Refused tokens watched at once. An attacker with more of them makes us forget some, never grow.
const CAPACITY: usize = 8192;

/// Shorter credentials are not tokens but what broken clients send in their place (`null`,
/// `undefined`, `[object Promise]`). Many clients send the same one, so one client's repetitions
/// must not count against all.
pub(super) const SHORTEST_TOKEN: usize = 100;

#[derive(Debug)]
pub(super) struct RepeatLimiter<R>(Lock<Inner<R>>);

#[derive(Debug)]
struct Inner<R> {
    /// New keys may lead to another verdict, so counting starts anew with them.
    epoch: u64,
    tallies: TwoGenerationMap<Tally<R>>,
}

#[derive(Debug)]
struct Tally<R> {
    refusal: R,
    first: Timestamp,
    count: u32,
}

impl<R> Default for RepeatLimiter<R> {
    fn default() -> Self {
        Self(Lock::new(Inner { epoch: 0, tallies: TwoGenerationMap::new(CAPACITY) }))
    }
}

impl<R: Clone> RepeatLimiter<R> {
    /// Refused tokens that are watched.
    pub(super) fn len(&self) -> usize {
        self.0.lock().tallies.len()
    }

    /// The standing refusal of a token that has been presented too often, and when to come back.
    pub(super) fn tripped(&self, token: &Digest, epoch: u64, now: Timestamp) -> Option<(R, Duration)> {
        let inner = self.0.lock();
        let tally = inner.tallies.get(token).filter(|_| inner.epoch == epoch)?;
        if tally.count < PRESENTATIONS {
            return None;
        }
        let left = left(tally.first, now)?;
        Some((tally.refusal.clone(), left))
    }

    /// Counts a refusal that neither time nor another attempt can mend.
    pub(super) fn refused(&self, token: Digest, epoch: u64, now: Timestamp, refusal: R) {
        let mut inner = self.0.lock();
        if epoch != inner.epoch {
            inner.tallies.clear();
            inner.epoch = epoch;
        }
        match inner.tallies.get_mut(&token) {
            Some(tally) if left(tally.first, now).is_some() => {
                tally.count = tally.count.saturating_add(1);
                tally.refusal = refusal;
            }
            Some(_) | None => inner.tallies.insert(token, Tally { refusal, first: now, count: 1 }),
        }
    }
}

/// Time left of a window that began at `first`; `None` where it is over, or the clock was set
/// back.
fn left(first: Timestamp, now: Timestamp) -> Option<Duration> {
    let end = after(first, WINDOW);
    if now < first || end <= now {
        return None;
    }
    Some(end.duration_since(now).unsigned_abs().max(Duration::from_secs(1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Digest = [7; 32];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn breaker() -> RepeatLimiter<&'static str> {
        RepeatLimiter::default()
    }

    #[test]
    fn the_eleventh_presentation_within_a_minute_is_stopped_with_the_same_reason() {
        let breaker = breaker();
        for _ in 0..10 {
            assert_eq!(breaker.tripped(&TOKEN, 1, at(0)), None);
            breaker.refused(TOKEN, 1, at(0), "token-expired");
        }
        assert_eq!(breaker.tripped(&TOKEN, 1, at(20)), Some(("token-expired", Duration::from_secs(40))));
        assert_eq!(breaker.tripped(&[8; 32], 1, at(20)), None);
    }

    #[test]
    fn the_window_ends_and_starts_anew() {
        let breaker = breaker();
        for _ in 0..10 {
            breaker.refused(TOKEN, 1, at(0), "token-expired");
        }
        assert!(breaker.tripped(&TOKEN, 1, at(59)).is_some());
        assert_eq!(breaker.tripped(&TOKEN, 1, at(60)), None);
        breaker.refused(TOKEN, 1, at(60), "token-expired");
        assert_eq!(breaker.tripped(&TOKEN, 1, at(60)), None);
    }

    #[test]
    fn new_keys_and_a_clock_set_back_give_a_fresh_start() {
        let breaker = breaker();
        for _ in 0..10 {
            breaker.refused(TOKEN, 1, at(100), "token-invalid-signature");
        }
        assert_eq!(breaker.tripped(&TOKEN, 2, at(100)), None);
        assert_eq!(breaker.tripped(&TOKEN, 1, at(99)), None);
    }

    #[test]
    fn a_flood_of_tokens_does_not_grow_it() {
        let breaker = breaker();
        for n in 0..50_000_u32 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&n.to_be_bytes());
            breaker.refused(token, 1, at(0), "token-expired");
        }
        assert!(breaker.0.lock().tallies.len() <= CAPACITY);
    }
}
