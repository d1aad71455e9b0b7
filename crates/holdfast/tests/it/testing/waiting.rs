//! Waiting for what comes about by itself: what somebody else has seen is not yet what we have
//! counted, stored or said. A test waits for the thing itself, and never for a time.

use std::fmt::Debug;
use std::time::{Duration, Instant};

/// Longer than anything takes here, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until it holds.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "{what}: not within a minute");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until what is seen `is_so`, and gives it. A panic shows what was seen last.
pub async fn until_seen<T: Debug>(
    what: &str,
    mut look: impl AsyncFnMut() -> T,
    is_so: impl Fn(&T) -> bool,
) -> T {
    let began = Instant::now();
    loop {
        let seen = look().await;
        if is_so(&seen) {
            return seen;
        }
        assert!(began.elapsed() < PATIENCE, "{what}: not within a minute, but {seen:#?}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The same as [`until`] for a test without a runtime.
pub fn until_blocking(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within a minute");
        std::thread::sleep(PAUSE);
    }
}
