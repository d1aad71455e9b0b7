//! The app's endpoint as its answers show it: until when it wants no events, and what the log says
//! of it. That is a line when it begins to fail, and one when it takes events again, however many
//! there are.

use http::StatusCode;
use jiff::Timestamp;

use crate::lock::Lock;
use crate::transport::TransportError;

/// Why a delivery failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DeliveryError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the app answered {0}, which is not 2xx")]
    Refused(StatusCode),
    #[error("the event could not be encoded")]
    Unwritable,
}

/// The app's endpoint, as far as deliveries tell.
#[derive(Debug, Default)]
pub(super) struct Receiver(Lock<State>);

#[derive(Debug, Default)]
struct State {
    failing_since: Option<Timestamp>,
    /// Since it began to fail.
    failed: u64,
    /// Since the last report.
    taken: u64,
    failure: Option<DeliveryError>,
    rests_until: Option<Timestamp>,
}

impl Receiver {
    /// Notes that the app asked for no event before `until`.
    pub(super) fn rest(&self, until: Timestamp) {
        let mut state = self.0.lock();
        state.rests_until = state.rests_until.max(Some(until));
    }

    /// Until when the app asked for no event.
    pub(super) fn rests_until(&self) -> Option<Timestamp> {
        self.0.lock().rests_until
    }

    /// Notes one answer, or that there was none.
    pub(super) fn note(&self, delivery: Result<(), DeliveryError>) {
        let mut state = self.0.lock();
        match delivery {
            Ok(()) => state.taken += 1,
            Err(error) => {
                state.failed += 1;
                state.failure.get_or_insert(error);
            }
        }
    }

    /// Writes down what is new after a batch. It works again once a batch went through whole: an
    /// app that takes some of it still has something to mend.
    pub(super) fn report(&self, now: Timestamp) {
        let mut state = self.0.lock();
        let (taken, failure) = (std::mem::take(&mut state.taken), state.failure.take());
        match (failure, state.failing_since) {
            (Some(error), None) => {
                state.failing_since = Some(now);
                tracing::warn!(
                    %error, help = remedy(error),
                    "events cannot be delivered to the app; they are kept for 7 days and tried again"
                );
            }
            (None, Some(since)) if taken > 0 => {
                let failed = std::mem::take(&mut state.failed);
                state.failing_since = None;
                tracing::info!(%since, failed_tries = failed, "events are delivered to the app again");
            }
            (Some(_), Some(_)) | (None, _) => {}
        }
    }
}

/// What the operator does about it.
fn remedy(error: DeliveryError) -> &'static str {
    match error {
        DeliveryError::Transport(TransportError::Connect) => {
            "check that the app runs and that HOLDFAST_WEBHOOK_URL can be reached from this server"
        }
        DeliveryError::Transport(TransportError::Certificate(_)) => {
            "mend the certificate of the host in HOLDFAST_WEBHOOK_URL"
        }
        DeliveryError::Transport(TransportError::Timeout) => {
            "let the app answer within 8 seconds: it can store an event first, and act on it afterwards"
        }
        DeliveryError::Transport(TransportError::Broken | TransportError::TooLarge) => {
            "look into the log of the app, or of the proxy in front of it"
        }
        DeliveryError::Transport(TransportError::Crowded) => "wait: events are sent as others are answered",
        DeliveryError::Transport(TransportError::NoRoots) => "install ca-certificates on this machine",
        DeliveryError::Transport(TransportError::Unsendable) => "check HOLDFAST_WEBHOOK_URL",
        DeliveryError::Refused(status) => remedy_of_status(status.as_u16()),
        DeliveryError::Unwritable => "this is a fault of this server: please report it",
    }
}

/// What the operator does where the app answers an event with that status.
pub fn remedy_of_status(status: u16) -> &'static str {
    match status {
        300..=399 => "redirects are not followed: set HOLDFAST_WEBHOOK_URL to the final address",
        400 | 401 | 403 => {
            "let the app check the signature with HOLDFAST_WEBHOOK_SECRET, and require no other login there"
        }
        404 | 405 | 410 => "check the path in HOLDFAST_WEBHOOK_URL; the app must take POST there",
        _ => "look into the log of the app, or of the proxy in front of it",
    }
}
