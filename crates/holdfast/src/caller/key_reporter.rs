//! What the operator's log says of fetching keys.

use std::time::Duration;

use clerk_session::{FetchError, KeyStatus};
use jiff::Timestamp;

use crate::clock::after;

/// A failure that goes on is reported this often.
const REPORT_EVERY: Duration = Duration::from_mins(1);

/// Tells the operator how fetching goes: each change at once, a lasting failure now and then.
#[derive(Debug, Default)]
pub(super) struct KeyReporter {
    last: Option<(Option<FetchError>, Timestamp)>,
}

impl KeyReporter {
    pub(super) fn report(&mut self, status: &KeyStatus, now: Timestamp) {
        let news = match &self.last {
            None => status.last_try_ms.is_some(),
            Some((error, at)) => {
                *error != status.last_error || (error.is_some() && after(*at, REPORT_EVERY) <= now)
            }
        };
        if !news {
            return;
        }
        let kids = status.kids.join(", ");
        match (&status.last_error, status.loaded_at_ms) {
            (None, _) => tracing::info!(kids, skipped = status.skipped.len(), "Clerk's keys are loaded"),
            (Some(error), Some(loaded)) => {
                let age_s = now.as_millisecond().saturating_sub(loaded) / 1000;
                tracing::warn!(%error, kids, age_s, "Clerk's keys cannot be refreshed; the present keys stay in use");
            }
            (Some(error), None) => {
                tracing::error!(%error, "Clerk's keys cannot be loaded; no session token can be judged");
            }
        }
        self.last = Some((status.last_error.clone(), now));
    }
}
