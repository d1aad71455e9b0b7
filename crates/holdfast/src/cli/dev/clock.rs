//! The clock of `dev`: the system's, moved forward on demand, for the server and both stand-ins
//! together.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::{Clock, SystemClock, after, before};

/// The system's clock, and how far ahead of it this process is.
#[derive(Debug, Clone)]
pub(super) struct MovableClock {
    ahead: watch::Sender<Duration>,
}

impl MovableClock {
    /// Not moved yet.
    pub(super) fn new() -> Self {
        Self { ahead: watch::Sender::new(Duration::ZERO) }
    }

    /// Moves it forward, waking sleepers whose time has come.
    pub(super) fn forward(&self, by: Duration) {
        self.ahead.send_modify(|ahead| *ahead = ahead.saturating_add(by));
    }

    /// How far ahead of the system's clock it is.
    pub(super) fn ahead(&self) -> Duration {
        *self.ahead.borrow()
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        after(SystemClock.now(), self.ahead())
    }

    fn now_fine(&self) -> Timestamp {
        after(SystemClock.now_fine(), self.ahead())
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let mut ahead = self.ahead.subscribe();
        Box::pin(async move {
            loop {
                let by = *ahead.borrow_and_update();
                let due = before(at, by);
                tokio::select! {
                    () = SystemClock.sleep_until(due) => return,
                    moved = ahead.changed() => if moved.is_err() {
                        // Nobody can move it any more.
                        return SystemClock.sleep_until(due).await;
                    },
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIXTY_DAYS: Duration = Duration::from_hours(60 * 24);

    #[tokio::test]
    async fn moving_it_wakes_who_sleeps_that_long() {
        let clock = MovableClock::new();
        let sleeper = tokio::spawn(clock.sleep(SIXTY_DAYS));
        clock.forward(SIXTY_DAYS);
        sleeper.await.unwrap();
        assert_eq!(clock.ahead(), SIXTY_DAYS);
    }

    #[tokio::test]
    async fn who_sleeps_longer_sleeps_on() {
        let clock = MovableClock::new();
        let sleeper = tokio::spawn(clock.sleep(SIXTY_DAYS));
        clock.forward(SIXTY_DAYS / 2);
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.forward(SIXTY_DAYS / 2);
        sleeper.await.unwrap();
    }
}
