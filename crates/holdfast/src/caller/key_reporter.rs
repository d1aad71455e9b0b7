//! Log lines about fetching keys.

use std::time::Duration;

use clerk_session::{FetchError, KeyStatus};
use jiff::Timestamp;

use crate::clock::is_over;

/// Pause between two log lines about one lasting failure.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Logs how fetching keys goes: each change at once, a lasting failure once a minute.
#[derive(Debug, Default)]
pub(super) struct KeyReporter {
    last: Option<Reported>,
}

#[derive(Debug)]
struct Reported {
    error: Option<FetchError>,
    /// The keys' epoch.
    epoch: u64,
    at: Timestamp,
}

impl KeyReporter {
    fn is_news(&self, status: &KeyStatus, epoch: u64, now: Timestamp) -> bool {
        match &self.last {
            None => status.last_try_ms.is_some(),
            Some(last) => {
                last.error != status.last_error
                    || last.epoch != epoch
                    || (last.error.is_some() && is_over(last.at, REPORT_EVERY, now))
            }
        }
    }

    /// `epoch` changes whenever the keys do.
    pub(super) fn report(&mut self, status: &KeyStatus, epoch: u64, now: Timestamp) {
        if !self.is_news(status, epoch, now) {
            return;
        }
        let have_changed = self.last.as_ref().is_some_and(|last| last.epoch != epoch && last.epoch != 0);
        let kids = status.kids.join(", ");
        match (&status.last_error, status.loaded_at_ms) {
            (None, loaded) => {
                let as_of = status.as_of_ms.or(loaded).unwrap_or_default();
                let copy_age_s = loaded.unwrap_or_default().saturating_sub(as_of) / 1000;
                let skipped = status.skipped.len();
                let what = if have_changed { "Clerk's keys have changed" } else { "Clerk's keys are loaded" };
                tracing::info!(kids, skipped, copy_age_s, "{what}");
            }
            (Some(error), Some(loaded)) => {
                let age_s = now.as_millisecond().saturating_sub(loaded) / 1000;
                tracing::warn!(%error, kids, age_s, "Clerk's keys cannot be refreshed; the present keys stay in use");
            }
            (Some(error), None) => {
                tracing::error!(%error, "Clerk's keys cannot be loaded; no session token can be judged");
            }
        }
        self.last = Some(Reported { error: status.last_error.clone(), epoch, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    #[test]
    fn a_clock_set_back_does_not_silence_a_lasting_failure() {
        let mut status = KeyStatus::default();
        (status.last_try_ms, status.last_error) = (Some(0), Some(FetchError::Status(503)));
        let (mut reporter, began) = (KeyReporter::default(), 3_600_000);
        reporter.report(&status, 0, from_millis(began));
        let news =
            [began + 59_999, began + 60_000, 0].map(|at| reporter.is_news(&status, 0, from_millis(at)));
        assert_eq!(news, [false, true, true]);
    }
}
