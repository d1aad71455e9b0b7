//! One fetch at a time, whichever caller drives it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use tokio::sync::MutexGuard;

use super::KeyCache;
use super::asked::{Begun, Want};
use super::snapshot::Source;
use crate::cache_options::ms;
use crate::fetch::{FetchError, Fetched};
use crate::keys::KeySet;

/// A fetch under way.
pub(super) struct Flight {
    begun: Begun,
    reply: Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send>>,
}

impl KeyCache {
    /// Fetches if `want` is still unmet once it is our turn, or carries on the fetch of a caller
    /// that went away.
    pub(super) async fn fetch_for(&self, want: Want, now_ms: i64) {
        let Some(fetcher) = &self.fetcher else { return };
        // Where a fetch is under way, its outcome is worth waiting for; its time is limited.
        if let Ok(flight) = self.flight.try_lock()
            && flight.is_none()
            && !self.is_wanted(want, now_ms)
        {
            return;
        }
        let mut turn = Turn(self.flight.lock().await);
        if turn.0.is_none() {
            if !self.is_wanted(want, now_ms) {
                return;
            }
            let begun = self.asked().begin(want, now_ms);
            let fetcher = Arc::clone(fetcher);
            let reply = Box::pin(async move { fetcher.fetch().await });
            *turn.0 = Some(Flight { begun, reply });
        }
        let Some(flight) = turn.0.as_mut() else { return };
        // If this future is dropped here, the flight stays for the next caller.
        let outcome = flight.reply.as_mut().await.and_then(|Fetched { document, age }| {
            if document.len() > self.options.max_document {
                return Err(FetchError::TooLarge);
            }
            Ok((KeySet::from_jwks(&document)?, age))
        });
        let begun = flight.begun;
        *turn.0 = None;
        match outcome {
            Ok((document, age)) => {
                self.install(document, begun.at_ms, age, Source::Fetched(begun));
                self.asked().last_error = None;
            }
            Err(error) => self.asked().last_error = Some(error),
        }
    }

    /// Whether a fetch for `want` would be begun.
    pub(super) fn is_wanted(&self, want: Want, now_ms: i64) -> bool {
        let is_unmet = match want {
            Want::Any => self.usable(now_ms).is_none(),
            Want::NewerThan(epoch) => self.epoch() == epoch,
            Want::Fresh => self.snapshot.load().as_ref().is_none_or(|each| {
                let renew_at = each.loaded_at_ms.saturating_add(ms(self.options.renew_at));
                now_ms >= renew_at || now_ms < each.loaded_at_ms
            }),
            Want::Own => self.snapshot.load().as_ref().is_some_and(|each| each.is_restored()),
        };
        is_unmet && self.asked().may_begin(want, &self.options, now_ms)
    }
}

/// The right to drive the flight.
struct Turn<'a>(MutexGuard<'a, Option<Flight>>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // A fetcher that panicked must not be polled again; the next caller begins anew.
        if std::thread::panicking() {
            *self.0 = None;
        }
    }
}
