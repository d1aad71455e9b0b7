//! Tasks that run beside the requests for as long as the process does.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;

/// Pause before a task that panicked is restarted: the cause may still be there.
const PAUSE: Duration = Duration::from_mins(1);

/// Runs a task until it ends by itself and makes it anew where it panics: a server must not serve
/// for weeks without its worker. The task ends when its token is cancelled.
pub(super) async fn kept_running<F: Future<Output = ()>>(
    name: &'static str,
    clock: SharedClock,
    stop: CancellationToken,
    task: impl Fn(CancellationToken) -> F,
) {
    while AssertUnwindSafe(task(stop.clone())).catch_unwind().await.is_err() {
        tracing::error!(task = name, "a background task panicked (see above); it restarts in a minute");
        if stop.run_until_cancelled(clock.sleep(PAUSE)).await.is_none() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::clock::{ManualClock, from_millis};

    /// A task that panics in its first `panics` lives, then ends.
    async fn lives(panics: u32, stop: CancellationToken) -> u32 {
        let clock = ManualClock::new(from_millis(1_750_000_000_000));
        let begun = AtomicU32::new(0);
        let task = |_| async { assert!(begun.fetch_add(1, Ordering::SeqCst) >= panics, "on purpose") };
        let mut running = std::pin::pin!(kept_running("test", Arc::new(clock.clone()), stop, task));
        while futures_util::poll!(&mut running).is_pending() {
            clock.advance(PAUSE);
        }
        begun.load(Ordering::SeqCst)
    }

    #[tokio::test]
    async fn a_task_that_panics_begins_anew_until_it_is_told_to_stop() {
        assert_eq!(lives(0, CancellationToken::new()).await, 1);
        assert_eq!(lives(3, CancellationToken::new()).await, 4);
        let stopped = CancellationToken::new();
        stopped.cancel();
        assert_eq!(lives(3, stopped).await, 1);
    }
}
