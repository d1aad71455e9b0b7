//! Completing a connect attempt: its owner presents the completion that only the redirect carried.
//!
//! Each step is durable before the next begins: intent, short-lived token, grant, link. After a
//! crash between any two, [`Connections::resume`] goes on from the stored row. `exchange` asks
//! Instagram, `tokens` makes its tokens durable, `link` makes the connection.

mod exchange;
mod link;
mod tokens;

use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::caller::OwnerId;
use crate::clock::after;
use crate::connection::Reason;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage, BUSY};
use crate::connection::status::InstagramStatus;
use crate::connections::connect::hash;
use crate::connections::{Connections, ServiceError, parallel};
pub(super) use link::linking;

/// Why an attempt was not completed.
#[derive(Debug, thiserror::Error)]
pub enum CompleteError {
    /// There is no such attempt.
    #[error("there is no such connect attempt")]
    NoSuchAttempt,
    /// Another user began it.
    #[error("this connect attempt was begun by another user")]
    NotYours,
    /// The browser has not come back from Instagram.
    #[error("the browser has not come back from Instagram for this connect attempt")]
    NotReturned,
    /// The completion is not the one that the browser carried.
    #[error("the completion does not belong to this connect attempt")]
    WrongCompletion,
    /// Its time ran out.
    #[error("the connect attempt has expired")]
    Expired,
    /// The person declined.
    #[error("the person declined at Instagram")]
    Denied,
    /// The account belongs to another user.
    #[error("this Instagram account is connected to another user")]
    AccountTaken,
    /// The person chose another account than the linked one.
    #[error("the person chose another Instagram account than the connected one")]
    DifferentAccount,
    /// Another request is completing it, or it is paused until Instagram may be asked again.
    #[error("another request is completing the connect attempt, or the attempt waits for Instagram")]
    InProgress {
        /// How long to wait before trying again.
        retry_after: Duration,
    },
    /// Instagram cannot continue at the moment; the attempt is kept.
    #[error("Instagram cannot complete the connection yet")]
    Waits {
        /// Why, as a status would say.
        reason: Reason,
        /// How long to wait before the same `complete` continues.
        retry_after: Duration,
    },
    /// Too many calls to Instagram are under way; the attempt is kept.
    #[error("too many calls to Instagram are under way")]
    Crowded {
        /// How long to wait before the same `complete` continues.
        retry_after: Duration,
    },
    /// Instagram refused, and the attempt has ended.
    #[error("Instagram refused to complete the connection")]
    Ended {
        /// Why.
        reason: Reason,
    },
    /// Connecting is not set up.
    #[error("connecting Instagram is not set up on this server")]
    NotConfigured,
    /// An internal failure.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

/// A parallel request waits this long for the outcome.
const PATIENCE: Duration = Duration::from_secs(9);
/// The wait told to a client whose [`PATIENCE`] ended without an outcome.
const SOON: Duration = Duration::from_secs(1);
/// An attempt with less time left is tried also while the provider seems to answer nobody.
const LAST_TRIES: Duration = Duration::from_mins(5);
/// Pause between two reads of the attempt.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Connections {
    /// Completes an attempt. A closed attempt returns the same outcome to its owner again.
    pub async fn complete(
        &self,
        owner: &OwnerId,
        attempt_id: Uuid,
        completion: &SecretString,
    ) -> Result<InstagramStatus, CompleteError> {
        let provider = self.parts.provider.as_ref().ok_or(CompleteError::NotConfigured)?;
        let started = self.parts.clock.now();
        loop {
            let attempt = self.parts.store.attempt(attempt_id).await.map_err(ServiceError::from)?;
            let Some(attempt) = attempt else {
                // An erasure takes the attempts too.
                let is_erased = self.parts.store.is_deleted(owner).await.map_err(ServiceError::from)?;
                return Err(if is_erased {
                    ServiceError::UserGone.into()
                } else {
                    CompleteError::NoSuchAttempt
                });
            };
            if attempt.user_id != owner.as_str() {
                return Err(CompleteError::NotYours);
            }
            let now = self.parts.clock.now();
            if let Some(outcome) = ended_without_return(&attempt, now) {
                if attempt.stage != AttemptStage::Closed {
                    self.end_attempt(&attempt, AttemptOutcome::Expired, now).await?;
                }
                return Err(outcome);
            }
            // Safe to tell: no completion exists yet, and only the owner gets here.
            if attempt.stage == AttemptStage::Open {
                return Err(CompleteError::NotReturned);
            }
            if !is_completion_of(&attempt, completion) {
                return Err(CompleteError::WrongCompletion);
            }
            if let Some(outcome) = attempt.outcome {
                return match error_of(outcome) {
                    Some(error) => Err(error),
                    None => Ok(self.status(owner).await.map_err(ServiceError::from)?),
                };
            }
            if self.recover_journaled(&attempt).await? {
                continue;
            }
            if attempt.has_expired(now) {
                self.end_expired(&attempt, now).await?;
                continue;
            }
            if attempt.is_free(now)
                && let Some(claimed) = self.claim(&attempt, now).await?
            {
                self.run_to_end(provider, claimed).await?;
                continue;
            }
            let pause = attempt.pause_left(now);
            if now >= after(started, PATIENCE) || pause.is_some_and(|left| left > PATIENCE) {
                return Err(CompleteError::InProgress { retry_after: pause.unwrap_or(SOON) });
            }
            self.parts.clock.sleep(LOOK_AGAIN).await;
        }
    }

    /// Continues a crashed or interrupted completion. The owner's consent stands: the completion
    /// was presented before the first step. Does nothing while the attempt is claimed or paused.
    async fn resume(&self, attempt: &Attempt) -> Result<(), CompleteError> {
        let provider = self.parts.provider.as_ref().ok_or(CompleteError::NotConfigured)?;
        let now = self.parts.clock.now();
        if attempt.has_expired(now) {
            return self.end_expired(attempt, now).await;
        }
        if !attempt.is_begun() || !attempt.is_free(now) {
            return Ok(());
        }
        match self.claim(attempt, now).await? {
            Some(claimed) => self.run_to_end(provider, claimed).await,
            None => Ok(()),
        }
    }

    /// Ends expired attempts and, unless the provider answers nobody, resumes interrupted ones, at
    /// most `limit` each. Returns how many. A failure of one attempt does not stop the others.
    pub async fn advance_attempts(
        &self,
        limit: usize,
        stop: &CancellationToken,
    ) -> Result<usize, ServiceError> {
        let clock = &self.parts.clock;
        let expired = self.parts.store.expired_attempts(clock.now(), limit).await?;
        let ended = |attempt: Attempt| async move { self.end_alone(&attempt).await };
        let handled = parallel::for_each(expired, stop, ended).await?;
        if self.parts.provider.is_none() {
            return Ok(handled);
        }
        let stranded = self.parts.store.stranded_attempts(clock.now(), limit).await?;
        let resumed = |attempt: Attempt| async move {
            let now = clock.now();
            let is_last = attempt.expires_at <= after(now, LAST_TRIES);
            let goes_on = is_last || self.gate.rests_until(now).is_none();
            if goes_on {
                self.resume_alone(&attempt).await;
            }
            Ok(goes_on)
        };
        Ok(handled + parallel::for_each(stranded, stop, resumed).await?)
    }

    /// Calls [`Self::end_expired`]; logs a failure that concerns this attempt alone.
    async fn end_alone(&self, attempt: &Attempt) -> Result<bool, ServiceError> {
        match self.end_expired(attempt, self.parts.clock.now()).await {
            Err(CompleteError::Service(error)) if error.concerns_all() => return Err(error),
            Err(error) => {
                if self.parts.store.is_news("attempt to close", &attempt.id.to_string()) {
                    tracing::error!(attempt = %attempt.id, %error, "an expired connect attempt could not be closed");
                }
            }
            Ok(()) => {}
        }
        Ok(true)
    }

    /// Calls [`Self::resume`]; logs a failure.
    async fn resume_alone(&self, attempt: &Attempt) {
        match self.resume(attempt).await {
            // Its pause is in the log already.
            Ok(()) | Err(CompleteError::Waits { .. } | CompleteError::Crowded { .. }) => {}
            Err(error) => {
                tracing::warn!(attempt = %attempt.id, %error, "an interrupted connect attempt could not be finished yet");
            }
        }
    }

    /// Ends an expired attempt. A grant in hand gets a last try: the process may have been down
    /// since it arrived.
    async fn end_expired(&self, attempt: &Attempt, now: Timestamp) -> Result<(), CompleteError> {
        let mut last = attempt.clone();
        if let Some(provider) = &self.parts.provider
            && attempt.stage == AttemptStage::Granted
        {
            // Another request was faster.
            let Some(claimed) = self.claim(attempt, now).await? else { return Ok(()) };
            match self.run_to_end(provider, claimed.clone()).await {
                Ok(()) => return Ok(()),
                Err(CompleteError::Service(error)) if error.concerns_all() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(attempt = %attempt.id, %error, "a grant could not be linked in time; it is discarded");
                    last = claimed;
                }
            }
        }
        self.end_attempt(&last, AttemptOutcome::Expired, now).await?;
        Ok(())
    }

    /// Claims the attempt by writing the intent. `None` if a parallel request was faster. A pause
    /// that is over stays on record, so that the status goes on saying what the attempt waits for.
    async fn claim(&self, attempt: &Attempt, now: Timestamp) -> Result<Option<Attempt>, ServiceError> {
        let is_sent_next = attempt.stage == AttemptStage::Returned;
        let stage = if is_sent_next { AttemptStage::Redeeming } else { attempt.stage };
        let busy_until = Some(after(now, BUSY));
        let next = Attempt { stage, busy_until, ..attempt.clone() };
        self.advance(attempt, next).await
    }
}

/// Whether the callback of this attempt carried that completion.
fn is_completion_of(attempt: &Attempt, completion: &SecretString) -> bool {
    let presented = hash(completion.expose_secret());
    attempt
        .completion_hash
        .is_some_and(|kept| aws_lc_rs::constant_time::verify_slices_are_equal(&kept, &presented).is_ok())
}

/// The outcome, if it may be told to the owner without the completion.
fn ended_without_return(attempt: &Attempt, now: Timestamp) -> Option<CompleteError> {
    let is_unsent = matches!(attempt.stage, AttemptStage::Open | AttemptStage::Returned);
    let ran_out = Some(AttemptOutcome::Expired).filter(|_| is_unsent && attempt.expires_at <= now);
    // Present exactly where the attempt is closed.
    let outcome = attempt.outcome.or(ran_out)?;
    let is_told = match outcome {
        AttemptOutcome::Denied | AttemptOutcome::Expired | AttemptOutcome::Disconnected => true,
        // At the callback, which carried no completion that could be presented.
        AttemptOutcome::Failed(_) => attempt.completion_hash.is_none(),
        AttemptOutcome::Connected | AttemptOutcome::DifferentAccount | AttemptOutcome::AccountTaken => false,
    };
    if is_told { error_of(outcome) } else { None }
}

/// The error that tells an attempt's owner of its outcome; `None` where it connected.
fn error_of(outcome: AttemptOutcome) -> Option<CompleteError> {
    match outcome {
        AttemptOutcome::Connected => None,
        AttemptOutcome::Denied => Some(CompleteError::Denied),
        AttemptOutcome::Expired | AttemptOutcome::Disconnected => Some(CompleteError::Expired),
        AttemptOutcome::DifferentAccount => Some(CompleteError::DifferentAccount),
        AttemptOutcome::AccountTaken => Some(CompleteError::AccountTaken),
        AttemptOutcome::Failed(reason) => Some(CompleteError::Ended { reason }),
    }
}
