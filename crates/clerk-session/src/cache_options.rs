//! How eagerly keys are fetched, and how long they are relied on.

use std::time::Duration;

/// The settings of a [`KeyCache`](crate::KeyCache).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheOptions {
    /// Keys are renewed when they are this old. 4 minutes by default.
    pub renew_at: Duration,
    /// Keys older than this are not relied on. A day by default.
    pub max_age: Duration,
    /// Pause between two fetches while there are keys, whether a token caused them or their age. 30
    /// s by default.
    pub force_gap: Duration,
    /// Pause between two tries while there are no keys at all. 1 s by default.
    pub cold_gap: Duration,
    /// Callers that wait for a fetch at one time; the others are told at once that their token
    /// cannot be judged yet. 256 by default.
    pub max_waiting: usize,
    /// Larger documents are refused, in bytes. 256 KiB by default.
    pub max_document: usize,
}

impl Default for CacheOptions {
    fn default() -> Self {
        Self {
            renew_at: Duration::from_mins(4),
            max_age: Duration::from_hours(24),
            force_gap: Duration::from_secs(30),
            cold_gap: Duration::from_secs(1),
            max_waiting: 256,
            max_document: 256 * 1024,
        }
    }
}

/// Milliseconds, as the cache counts them.
pub(crate) fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
