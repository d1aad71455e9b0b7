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

/// The current time, and waiting for a later one.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current time, UTC.
    fn now(&self) -> Timestamp;
    /// Resolves once [`Clock::now`] has reached `at`; at once if it already has.
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

/// The instant `ms` milliseconds after the unix epoch, held within the representable range.
pub fn from_millis(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(if ms < 0 { Timestamp::MIN } else { Timestamp::MAX })
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

    #[expect(clippy::disallowed_methods, reason = "the one place that waits on the system clock")]
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // The wall clock may jump while we sleep.
            loop {
                let left = at.duration_since(Timestamp::now());
                if !left.is_positive() {
                    return;
                }
                tokio::time::sleep(left.unsigned_abs().min(LOOK_AGAIN)).await;
            }
        })
    }
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
