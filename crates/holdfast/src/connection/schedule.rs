//! When a grant is refreshed.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::from_millis;

/// The refresh policy, from the settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RefreshPolicy {
    /// A grant younger than this is never refreshed: Instagram refuses it below 24 h.
    pub min_age: Duration,
    /// The fraction of its life after which a grant is due.
    pub at: f64,
}

/// By how much of the time until then a due time is moved at most, to spread the load.
const SPREAD: f64 = 0.05;

impl RefreshPolicy {
    /// When a grant is due: at the policy's fraction of its life, moved later by up to a twentieth of that time
    /// (`jitter` in `0..=1`), so that grants of one day do not all come due together; never before the minimum age.
    pub fn due(&self, obtained_at: Timestamp, expires_at: Timestamp, jitter: f64) -> Timestamp {
        let born = obtained_at.as_millisecond();
        let life = expires_at.as_millisecond().saturating_sub(born).max(0);
        let fraction = self.fraction(jitter);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a lifetime in ms is far below 2^53"
        )]
        let due = (life as f64 * fraction) as i64;
        let min_age = i64::try_from(self.min_age.as_millis()).unwrap_or(i64::MAX);
        from_millis(born.saturating_add(due.max(min_age)))
    }

    /// The part of a grant's life, in whole percent, that is left at least when it comes due for the first time.
    pub fn tail_percent(&self) -> u32 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a percentage")]
        let tail = ((1.0 - self.fraction(1.0)) * 100.0).floor() as u32;
        // One for the rounding of a due time to milliseconds and of a lifetime to its hundredth.
        tail.saturating_sub(1)
    }

    fn fraction(&self, jitter: f64) -> f64 {
        (self.at * (1.0 + jitter.clamp(0.0, 1.0) * SPREAD)).clamp(0.0, 0.95)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000;
    const POLICY: RefreshPolicy = RefreshPolicy { min_age: Duration::from_hours(24), at: 0.5 };

    fn day(n: i64) -> Timestamp {
        from_millis(n * DAY)
    }

    #[test]
    fn a_sixty_day_grant_is_due_at_half_life() {
        assert_eq!(POLICY.due(day(0), day(60), 0.0), day(30));
        assert_eq!(POLICY.due(day(0), day(60), 1.0), from_millis(63 * DAY / 2));
    }

    #[test]
    fn a_small_fraction_is_kept_to() {
        let soon = RefreshPolicy { min_age: Duration::from_secs(1), at: 0.000_001 };
        let due = soon.due(day(0), day(60), 1.0);
        assert!(due <= from_millis(5_500), "{due}");
    }

    #[test]
    fn a_young_grant_is_never_due() {
        assert_eq!(POLICY.due(day(0), from_millis(DAY + 1000), 0.0), day(1));
    }

    #[test]
    fn a_grant_that_is_already_dead_does_not_overflow() {
        assert_eq!(POLICY.due(day(10), day(1), 1.0), day(11));
    }
}
