//! Asking Instagram, step by step. [`completion`](crate::connection::completion) decides what a
//! refusal does to the attempt.
//!
//! A code that may have been used ends the attempt: if its answer is lost, it cannot be sent again.
//! A code that certainly was not used, and every token received, is kept and used later.

use std::time::Duration;

use futures_util::future::BoxFuture;
use secrecy::SecretString;
use uuid::Uuid;

use super::CompleteError;
use super::link::named;
use crate::clock::{after, before};
use crate::connection::Reason;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage};
use crate::connection::completion::{Fate, fate, is_repeated, is_unspent, pause, waited_for};
use crate::connections::grants::{RowSeal, UnlinkedGrant};
use crate::connections::journal::Step;
use crate::connections::{Connections, ServiceError};
use crate::provider::{Account, Failure, Meaning, Reply, SharedProvider, ShortGrant};

/// How long completing is retried with an unused code or a short-lived token. Both live as long.
pub(super) const COMPLETION_WINDOW: Duration = Duration::from_hours(1);
/// How long linking is retried with a grant. It lives 60 days, but its person will not wait longer.
pub(super) const LINKING_WINDOW: Duration = Duration::from_hours(24);
/// A call that fails temporarily within this time is repeated once.
const QUICKLY: Duration = Duration::from_secs(1);
/// Pause before it is repeated.
const PAUSE: Duration = Duration::from_millis(400);
/// A connection that has worked within this time shows that Instagram serves the app.
const LATELY: Duration = Duration::from_hours(1);
/// So many others are asked, if none has worked lately.
const OTHERS_ASKED: usize = 2;

impl Connections {
    /// Takes a claimed attempt from its stage to its end. The outcome is stored in the attempt; an
    /// error means that it has not ended.
    pub(super) async fn run_to_end(
        &self,
        provider: &SharedProvider,
        mut attempt: Attempt,
    ) -> Result<(), CompleteError> {
        let key = self.stored_user_key(&attempt.user_id).await?;
        loop {
            let sealed = attempt.sealed.clone().ok_or(ServiceError::Content { what: "connect attempt" })?;
            let seal = RowSeal::of_attempt(&key, &attempt);
            let next = match attempt.stage {
                AttemptStage::Redeeming => {
                    self.redeem(provider, &attempt, seal, seal.open_code(&sealed)?).await?
                }
                AttemptStage::ShortGranted => {
                    self.extend(provider, &attempt, seal, seal.open_short(&sealed)?).await?
                }
                AttemptStage::Granted => {
                    let held = seal.open_unlinked_grant(&sealed)?;
                    return match self.with_one_retry(|| whose(provider, &held)).await {
                        Ok(account) => Ok(self.link(&attempt, &key, provider, held, account).await?),
                        Err(failure) => {
                            let granted = Granted { provider, scopes: held.grant.scopes.as_deref() };
                            self.handle_failure(&attempt, Some(granted), &failure).await
                        }
                    };
                }
                AttemptStage::Open | AttemptStage::Returned | AttemptStage::Closed => return Ok(()),
            };
            match next {
                Some(next) => attempt = next,
                // It has ended, or another writer moved it on: a disconnect, or the next claim
                // after ours expired. Its row has the outcome, or will have it.
                None => return Ok(()),
            }
        }
    }

    /// Exchanges the code for the short-lived token. `None`: the attempt does not continue here.
    async fn redeem(
        &self,
        provider: &SharedProvider,
        attempt: &Attempt,
        seal: RowSeal<'_>,
        code: SecretString,
    ) -> Result<Option<Attempt>, CompleteError> {
        let reservation = self.reserve(attempt, Step::Short).await;
        // Send the code once: if the reply is lost, the code may be spent.
        match self.noting_failure(provider.redeem(&code).await) {
            Ok(mut short) => {
                self.app_refusals.exchanged();
                // The consent is as old as its code, however late that could be sent.
                short.obtained_at =
                    attempt.returned_at.map_or(short.obtained_at, |at| at.min(short.obtained_at));
                let sealed = seal.seal_short(&short)?;
                return Ok(self.store_token(attempt, Step::Short, sealed, reservation).await?);
            }
            Err(failure) if is_unspent(&failure) => self.put_back(attempt, &failure).await?,
            Err(failure) => self.handle_failure(attempt, None, &failure).await?,
        }
        Ok(None)
    }

    /// Exchanges the short-lived token for the grant. `None`: the attempt does not continue here.
    async fn extend(
        &self,
        provider: &SharedProvider,
        attempt: &Attempt,
        seal: RowSeal<'_>,
        short: ShortGrant,
    ) -> Result<Option<Attempt>, CompleteError> {
        let reservation = self.reserve(attempt, Step::Grant).await;
        match self.with_one_retry(|| provider.extend(&short)).await {
            Ok(mut grant) => {
                grant.scopes = grant.scopes.or(short.scopes);
                let unlinked =
                    UnlinkedGrant { grant, account_id: short.account_id, consented_at: short.obtained_at };
                let sealed = seal.seal_unlinked_grant(&unlinked)?;
                Ok(self.store_token(attempt, Step::Grant, sealed, reservation).await?)
            }
            Err(failure) => {
                let granted = Granted { provider, scopes: short.scopes.as_deref() };
                self.handle_failure(attempt, Some(granted), &failure).await?;
                Ok(None)
            }
        }
    }

    /// Makes a call that changes nothing at the provider; repeats it once if it failed temporarily
    /// or its answer would end the attempt.
    async fn with_one_retry<'a, T, F>(&self, call: F) -> Result<T, Failure>
    where
        F: Fn() -> BoxFuture<'a, Reply<T>>,
    {
        let begun = self.parts.clock.now();
        match self.noting_failure(call().await) {
            // After a slow failure the caller has no time for a second try.
            Err(failure)
                if is_repeated(failure.meaning) && self.parts.clock.now() < after(begun, QUICKLY) =>
            {
                self.parts.clock.sleep(PAUSE).await;
                self.noting_failure(call().await)
            }
            outcome => outcome,
        }
    }

    /// The outcome of a reply. Only a failure's usage is noted in the app's budget: a new token
    /// must be made durable before anything else happens.
    fn noting_failure<T>(&self, reply: Reply<T>) -> Result<T, Failure> {
        reply
            .outcome
            .inspect(|_| self.gate.answered())
            .inspect_err(|failure| self.gate.learn_usage(reply.usage, Some(failure)))
    }

    /// Handles a failed step. `granted`: the scopes of the token in hand; `None` before there is
    /// one.
    async fn handle_failure(
        &self,
        attempt: &Attempt,
        granted: Option<Granted<'_>>,
        failure: &Failure,
    ) -> Result<(), CompleteError> {
        let reason = match fate(failure.meaning, granted.is_some(), self.age(attempt)) {
            Fate::Wait => return self.suspend(attempt, failure).await,
            Fate::End(reason) => reason,
            Fate::Refuse => match granted {
                Some(granted) if granted.lacks_the_essential_scope() => Reason::ScopesMissing,
                Some(granted) if self.app_serves_nobody(granted.provider).await? => {
                    return self.suspend(attempt, failure).await;
                }
                Some(_) | None => Reason::AccountNotAdmitted,
            },
        };
        self.fail(attempt, failure, reason).await
    }

    /// Whether Instagram serves the app for no account at all: then this account is not the cause.
    async fn app_serves_nobody(&self, provider: &SharedProvider) -> Result<bool, ServiceError> {
        if self.parts.store.misconfigured().await? == 0 {
            return Ok(false);
        }
        if self.has_served_lately().await? {
            return Ok(false);
        }
        // In a small installation nobody's grant may have been used within the hour.
        self.ask_those_who_worked_last(provider, OTHERS_ASKED).await?;
        Ok(!self.has_served_lately().await?)
    }

    async fn has_served_lately(&self) -> Result<bool, ServiceError> {
        let now = self.parts.clock.now();
        Ok(self.parts.store.proven(before(now, LATELY), now, 1).await? > 0)
    }

    async fn fail(&self, attempt: &Attempt, failure: &Failure, reason: Reason) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning,
            reason = reason.as_str(), detail = %failure.detail,
            "the provider refused to complete a connect attempt"
        );
        self.note_refusal(attempt, failure, reason).await;
        self.end_attempt(attempt, AttemptOutcome::Failed(reason), self.parts.clock.now()).await?;
        Ok(())
    }

    /// Pauses an attempt whose token is stored but whose next call failed for now. Another
    /// `complete`, or the worker, continues it.
    async fn suspend(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning, detail = %failure.detail,
            "connecting is paused: the next call to Instagram failed; the token is kept"
        );
        self.rest(attempt, attempt.clone(), failure).await
    }

    /// Keeps a code that was certainly not used, to send it later.
    async fn put_back(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, meaning = ?failure.meaning, detail = %failure.detail,
            "the authorization code was not used; it is kept and will be sent again"
        );
        let expires_at = attempt.expires_at.max(after(attempt.created_at, COMPLETION_WINDOW));
        let back = Attempt { stage: AttemptStage::Returned, expires_at, ..attempt.clone() };
        self.rest(attempt, back, failure).await
    }

    async fn rest(&self, attempt: &Attempt, next: Attempt, failure: &Failure) -> Result<(), CompleteError> {
        let now = self.parts.clock.now();
        if next.expires_at <= now {
            tracing::warn!(attempt = %attempt.id, "no time is left for another try; the connect attempt ends");
            self.end_attempt(attempt, AttemptOutcome::Expired, now).await?;
            return Ok(());
        }
        let pause = pause(failure, self.age(attempt));
        let paused_until = Some(after(now, pause));
        self.advance(attempt, Attempt { busy_until: None, paused_until, ..next }).await?;
        if failure.meaning == Meaning::Crowded {
            return Err(CompleteError::Crowded { retry_after: pause });
        }
        let reason = waited_for(failure.meaning);
        self.note_refusal(attempt, failure, reason).await;
        Err(CompleteError::Waits { reason, retry_after: pause })
    }

    /// How long ago the attempt began.
    fn age(&self, attempt: &Attempt) -> Duration {
        let age = self.parts.clock.now().duration_since(attempt.created_at);
        Duration::try_from(age).unwrap_or_default()
    }

    async fn note_refusal(&self, attempt: &Attempt, failure: &Failure, reason: Reason) {
        if reason != Reason::AppMisconfigured {
            return;
        }
        let now = self.parts.clock.now();
        // If the database cannot be read, the refusal counts.
        let found = self.parts.store.proven_last_before(now, Uuid::nil(), now, 2).await.unwrap_or_default();
        let are_others_connected = found.iter().any(|each| each.user_id != attempt.user_id);
        self.app_refusals.refused(&attempt.user_id, failure.meaning, are_others_connected, now);
    }
}

/// Asks whose the grant is.
fn whose<'a>(provider: &'a SharedProvider, held: &'a UnlinkedGrant) -> BoxFuture<'a, Reply<Account>> {
    Box::pin(async move {
        let Reply { outcome, usage } = provider.identify(&held.grant).await;
        Reply { outcome: outcome.and_then(|account| named(account, held.account_id.as_deref())), usage }
    })
}

/// The scopes of the token in hand.
struct Granted<'a> {
    provider: &'a SharedProvider,
    /// `None` where Instagram did not say.
    scopes: Option<&'a [String]>,
}

impl Granted<'_> {
    /// Whether the person did not grant the essential scope, which explains the refusal.
    fn lacks_the_essential_scope(&self) -> bool {
        match (self.provider.essential_scope(), self.scopes) {
            (Some(essential), Some(granted)) => !granted.iter().any(|scope| scope == essential),
            (None, _) | (_, None) => false,
        }
    }
}
