//! Time as a seam: nothing else in the crate reads a clock.
//!
//! Stored times are unix milliseconds; wire times are RFC 3339. Both come from [`Timestamp`].

use std::fmt::Debug;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::civil::date;
use jiff::fmt::temporal::Pieces;

/// The current time, and waiting for a later one.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current time, UTC.
    fn now(&self) -> Timestamp;
    /// Resolves once [`Clock::now`] has reached `at`; at once if it already has. Where the clock is
    /// set back meanwhile, it resolves no later than it would have otherwise.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;

    /// The current time as finely as the clock knows it: for measuring, never for storing.
    fn now_fine(&self) -> Timestamp {
        self.now()
    }

    /// Resolves after `duration` on this clock.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.sleep_until(after(self.now(), duration))
    }
}

/// The result of `work`; `None` where it takes longer than `limit`. Work that is ready at once sets
/// no timer.
pub async fn within<F: Future>(limit: Duration, clock: &dyn Clock, work: F) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut alarm = None;
    poll_fn(|cx| {
        if let Poll::Ready(done) = work.as_mut().poll(cx) {
            return Poll::Ready(Some(done));
        }
        alarm.get_or_insert_with(|| clock.sleep(limit)).as_mut().poll(cx).map(|()| None)
    })
    .await
}

/// A clock shared by every part of the process.
pub type SharedClock = Arc<dyn Clock>;

/// `at` plus `duration`, held at the last representable instant instead of overflowing.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

/// `at` minus `duration`, held at the first representable instant instead of overflowing.
pub fn before(at: Timestamp, duration: Duration) -> Timestamp {
    at.saturating_sub(duration).unwrap_or(Timestamp::MIN)
}

/// Whether `period` has passed since `since`, or the clock was set back behind it.
pub fn is_over(since: Timestamp, period: Duration, now: Timestamp) -> bool {
    now < since || after(since, period) <= now
}

/// `until`, if it is ahead by at most `longest`: a clock that was set back prolongs no pause.
pub fn still_ahead(until: Timestamp, longest: Duration, now: Timestamp) -> Option<Timestamp> {
    (until > now && until <= after(now, longest)).then_some(until)
}

/// Admits one event per period, and the next at once after the clock was set back.
#[derive(Debug, Clone, Copy, Default)]
pub struct Throttle {
    last: Option<Timestamp>,
}

impl Throttle {
    /// Whether the event may happen now, which then begins a period.
    pub fn admits(&mut self, period: Duration, now: Timestamp) -> bool {
        let admits = self.last.is_none_or(|last| is_over(last, period, now));
        self.last = if admits { Some(now) } else { self.last };
        admits
    }
}

/// The pauses after failures in a row: each `factor` times the one before, up to `longest`.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The first pause.
    pub first: Duration,
    /// How much longer each further one is.
    pub factor: u32,
    /// The longest pause.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after `earlier` failures in a row and one more.
    pub fn pause(self, earlier: u32) -> Duration {
        self.first.saturating_mul(self.factor.saturating_pow(earlier)).min(self.longest)
    }
}

/// The instant `ms` milliseconds after the unix epoch, held within the representable range.
pub fn from_millis(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The time that an RFC 3339 text names, held at the last representable instant: that is some hours
/// before the end of the year 9999, which others write for "never". `None` for another text.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| {
        let pieces = Pieces::parse(text).ok()?;
        let is_at_the_end = pieces.date() >= date(9999, 12, 30);
        (is_at_the_end && pieces.time().is_some() && pieces.offset().is_some()).then_some(Timestamp::MAX)
    })
}

/// Longest sleep before the wall clock is read again: it may jump meanwhile.
const LOOK_AGAIN: Duration = Duration::from_mins(1);

/// The system's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now(&self) -> Timestamp {
        // Cut to milliseconds, as stored times are: otherwise a time would change by being stored.
        from_millis(Timestamp::now().as_millisecond())
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn now_fine(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that waits on the system clock")]
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        // A sleep this short need not follow jumps of the wall clock.
        if duration <= LOOK_AGAIN {
            return Box::pin(tokio::time::sleep(duration));
        }
        self.sleep_until(after(self.now(), duration))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(reached(at, Timestamp::now))
    }
}

/// Resolves once `now` has reached `at`, but after no longer than that is away at first: a clock
/// that was set back prolongs no wait.
#[expect(clippy::disallowed_methods, reason = "the one place that waits on the system clock")]
async fn reached(at: Timestamp, now: impl Fn() -> Timestamp) {
    let left = || Duration::try_from(at.duration_since(now())).unwrap_or_default();
    let forward = async {
        loop {
            let left = left();
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    };
    // An error means that it took as long as it was to.
    let _ = tokio::time::timeout(left(), forward).await;
}

/// A clock that stands still until it is moved; for tests and the simulation.
#[derive(Debug, Clone)]
pub struct ManualClock {
    now: tokio::sync::watch::Sender<Timestamp>,
}

impl ManualClock {
    /// A clock that reads `now` until it is advanced.
    pub fn new(now: Timestamp) -> Self {
        Self { now: tokio::sync::watch::Sender::new(now) }
    }

    /// Moves the clock forward by `duration`, waking sleepers whose time has come.
    pub fn advance(&self, duration: Duration) {
        self.now.send_modify(|now| *now = after(*now, duration));
    }

    /// Sets the clock, backwards too: clocks jump.
    pub fn set(&self, now: Timestamp) {
        self.now.send_replace(now);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut watch = self.now.subscribe();
        Box::pin(async move {
            // An error means that the clock is gone; nobody can be waiting for it then.
            let _ = watch.wait_for(|now| *now >= at).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_of_rfc_3339_is_read() {
        let at = |text: &str| parse_time(text).map(|at| at.to_string());
        assert_eq!(at("2026-12-24t18:00:00.5+01:00").unwrap(), "2026-12-24T17:00:00.5Z");
        assert_eq!(at("2016-12-31T23:59:60Z").unwrap(), "2016-12-31T23:59:59Z");
        assert_eq!(at("0000-01-01T00:00:00Z").unwrap(), "0000-01-01T00:00:00Z");
        for last in ["9999-12-30T23:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999-23:59"] {
            assert_eq!(parse_time(last), Some(Timestamp::MAX), "{last}");
        }
        for wrong in ["", "9999-12-31", "9999-12-31T23:59:59", "9999-12-32T00:00:00Z", "soon", "1795435200"] {
            assert_eq!(parse_time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_throttle_admits_once_per_period_and_after_the_clock_was_set_back() {
        let (mut throttle, period) = (Throttle::default(), Duration::from_millis(10));
        let admitted = [100, 109, 110, 119, 50, 59, 60].map(|ms| throttle.admits(period, from_millis(ms)));
        assert_eq!(admitted, [true, false, true, false, true, false, true]);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_prolongs_no_wait() {
        let now = ManualClock::new(from_millis(1_750_000_000_000));
        let waited = reached(after(now.now(), Duration::from_millis(20)), || now.now());
        let set_back = async { now.set(before(now.now(), Duration::from_hours(24))) };
        let both = async { tokio::join!(waited, set_back) };
        assert!(tokio::time::timeout(Duration::from_secs(10), both).await.is_ok());
    }

    #[test]
    fn a_pause_further_ahead_than_any_is_none() {
        let (until, pause) = (from_millis(100), Duration::from_millis(10));
        assert_eq!(still_ahead(until, pause, from_millis(90)), Some(until));
        assert_eq!(still_ahead(until, pause, from_millis(89)), None);
        assert_eq!(still_ahead(until, pause, until), None);
    }
}
