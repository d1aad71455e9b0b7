//! Asking Instagram, step by step, and what a refusal does to the attempt.
//!
//! What may have been used ends the attempt: a code whose answer was lost cannot be sent again.
//! What certainly was not used is kept and sent later: a code that never left, and every token that
//! was handed out.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;

use super::CompleteError;
use crate::clock::{after, before};
use crate::connection::Reason;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage};
use crate::connection::reasons::reason_of;
use crate::connections::grants::{Held, HeldGrant, RowSeal};
use crate::connections::journal::Step;
use crate::connections::{Connections, ServiceError};
use crate::provider::{AppFault, DeathCause, Failure, Meaning, Reply, SharedProvider, ShortGrant};

/// What Instagram handed us is worth more patience than an open attempt: completing is tried again
/// for this long. It is also how long a code and a short-lived token live.
pub(super) const GRANT_PATIENCE: Duration = Duration::from_hours(1);
/// What is kept because Instagram could not be asked rests this long at first; shorter than a
/// parallel request's patience, so that a person who tries again need not be turned away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// Later it rests for this part of the time that has gone by, and at most for [`LONG_PAUSE`]: an
/// outage must not be answered with calls every few seconds for each attempt that it struck.
const OUTAGE_PART: u32 = 8;
/// An unexplained "no" to what was handed out is not believed for so long: some node may not have
/// heard of the token yet.
const PROPAGATION: Duration = Duration::from_mins(10);
/// What is kept rests this long where the provider limits us without saying for how long, because
/// calling on would lengthen it, and where our app must be mended first.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// A call that fails in passing within this time is repeated once.
const QUICKLY: Duration = Duration::from_secs(1);
/// Pause before the repetition.
const PAUSE: Duration = Duration::from_millis(400);
/// Others that have worked within this time show that the app as a whole is served.
const LATELY: Duration = Duration::from_hours(1);

/// What becomes of an attempt whose step was not answered with yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// What is in hand is kept; somebody goes on from there.
    Wait,
    /// Instagram does not serve this account to our app, or does not serve our app at all.
    Refuse,
    /// It ends for this reason.
    End(Reason),
}

impl Connections {
    /// From wherever the attempt is to its end. The outcome stands in the attempt; an error means
    /// that it has not ended.
    pub(super) async fn run_to_end(
        &self,
        provider: &SharedProvider,
        mut attempt: Attempt,
    ) -> Result<(), CompleteError> {
        let key = self.user_key(&attempt.user_id).await?;
        loop {
            let sealed = attempt.sealed.clone().ok_or(ServiceError::Content { what: "connect attempt" })?;
            let seal = RowSeal::of_attempt(&key, &attempt);
            let next = match attempt.stage {
                AttemptStage::Redeeming => {
                    self.redeem(provider, &attempt, seal, &seal.open_code(&sealed)?).await?
                }
                AttemptStage::ShortGranted => {
                    self.extend(provider, &attempt, seal, seal.open_short(&sealed)?).await?
                }
                AttemptStage::Granted => {
                    let held = seal.open_held_grant(&sealed)?;
                    return match self.repeatedly(|| provider.identify(&held.grant)).await {
                        Ok(account) => self.link(&attempt, &key, provider, held, account).await,
                        Err(failure) => {
                            let granted = Granted { provider, scopes: held.grant.scopes.as_deref() };
                            self.turned_down(&attempt, Some(granted), &failure).await
                        }
                    };
                }
                AttemptStage::Open | AttemptStage::Returned | AttemptStage::Closed => return Ok(()),
            };
            match next {
                Some(next) => attempt = next,
                // It has ended; or somebody else moved it on: a disconnect, or whoever took it up
                // after our claim ran out. What came of it stands in the attempt, or will.
                None => return Ok(()),
            }
        }
    }

    /// From the code to the short-lived token. `None` where the attempt does not go on from here.
    async fn redeem(
        &self,
        provider: &SharedProvider,
        attempt: &Attempt,
        seal: RowSeal<'_>,
        code: &SecretString,
    ) -> Result<Option<Attempt>, CompleteError> {
        let reservation = self.reserve(attempt, Step::Short).await;
        // The code goes out once; whether a lost reply spent it, nobody can know.
        match self.heard(provider.redeem(code).await) {
            Ok(short) => {
                let sealed = seal.seal_held(&Held::Short(short))?;
                return Ok(self.keep(attempt, Step::Short, sealed, reservation).await?);
            }
            Err(failure) if is_unspent(&failure) => self.put_back(attempt, &failure).await?,
            Err(failure) => self.turned_down(attempt, None, &failure).await?,
        }
        Ok(None)
    }

    /// From the short-lived token to the grant. `None` where the attempt does not go on from here.
    async fn extend(
        &self,
        provider: &SharedProvider,
        attempt: &Attempt,
        seal: RowSeal<'_>,
        short: ShortGrant,
    ) -> Result<Option<Attempt>, CompleteError> {
        let reservation = self.reserve(attempt, Step::Grant).await;
        match self.repeatedly(|| provider.extend(&short)).await {
            Ok(mut grant) => {
                grant.scopes = grant.scopes.or(short.scopes);
                let held = HeldGrant { grant, account_id: short.account_id };
                let sealed = seal.seal_held(&Held::Grant(held))?;
                Ok(self.keep(attempt, Step::Grant, sealed, reservation).await?)
            }
            Err(failure) => {
                let granted = Granted { provider, scopes: short.scopes.as_deref() };
                self.turned_down(attempt, Some(granted), &failure).await?;
                Ok(None)
            }
        }
    }

    /// A call that changes nothing at the provider, once more where it failed in passing or where
    /// the answer will end the attempt.
    async fn repeatedly<'a, T, F>(&self, call: F) -> Result<T, Failure>
    where
        F: Fn() -> futures_util::future::BoxFuture<'a, Reply<T>>,
    {
        let begun = self.parts.clock.now();
        match self.heard(call().await) {
            // A provider that took its time to fail would take the caller's patience for the second
            // try.
            Err(failure)
                if (is_passing(failure.meaning) || fate(&failure) == Fate::Refuse)
                    && self.parts.clock.now() < after(begun, QUICKLY) =>
            {
                self.parts.clock.sleep(PAUSE).await;
                self.heard(call().await)
            }
            outcome => outcome,
        }
    }

    /// What was answered, having taken in what a refusal says of the app's budget. Of a token not even
    /// that: nothing comes before its being durable.
    fn heard<T>(&self, reply: Reply<T>) -> Result<T, Failure> {
        reply.outcome.inspect_err(|failure| self.gate.learn_usage(reply.usage, Some(failure)))
    }

    /// Instagram did not say yes. `granted` is what a token in hand may do; `None` before there is
    /// one.
    async fn turned_down(
        &self,
        attempt: &Attempt,
        granted: Option<Granted<'_>>,
        failure: &Failure,
    ) -> Result<(), CompleteError> {
        let reason = match fate(failure) {
            // Said again and again, it is no node that has not heard of the token.
            Fate::Wait
                if failure.meaning == Meaning::DeadUnexplained
                    && age(attempt, self.parts.clock.now()) > PROPAGATION =>
            {
                Reason::AttemptFailed
            }
            // Without a token there is nothing that could be kept.
            Fate::Wait if granted.is_some() => return self.suspend(attempt, failure).await,
            Fate::Wait => reason_of(failure.meaning),
            Fate::End(reason) => reason,
            Fate::Refuse => match granted {
                Some(granted) if granted.lacks_the_essential_scope() => Reason::ScopesMissing,
                Some(_) if self.app_serves_nobody().await? => return self.suspend(attempt, failure).await,
                Some(_) | None => Reason::AccountNotAdmitted,
            },
        };
        self.fail(attempt, failure, reason).await
    }

    /// Whether what struck this account strikes every other too: then it is not the account that is
    /// not admitted.
    async fn app_serves_nobody(&self) -> Result<bool, ServiceError> {
        let store = &self.parts.store;
        if store.misconfigured().await? == 0 {
            return Ok(false);
        }
        let now = self.parts.clock.now();
        let lately = before(now, LATELY);
        Ok(store.proven(lately, now, 1).await? == 0)
    }

    async fn fail(&self, attempt: &Attempt, failure: &Failure, reason: Reason) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning,
            reason = reason.as_str(), detail = %failure.detail,
            "the provider refused to complete a connect attempt"
        );
        self.end_attempt(attempt, AttemptOutcome::Failed(reason), self.parts.clock.now()).await?;
        Ok(())
    }

    /// What Instagram handed us is durable, but it cannot answer the next question at the moment:
    /// the attempt stays open, and another `complete`, or the worker, goes on from here.
    async fn suspend(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, stage = attempt.stage.as_str(), meaning = ?failure.meaning, detail = %failure.detail,
            "connecting is paused: the next call to Instagram failed; the token is kept"
        );
        self.rest(attempt, attempt.clone(), failure).await
    }

    /// The code was certainly not used: it is as good as before, and is sent later.
    async fn put_back(&self, attempt: &Attempt, failure: &Failure) -> Result<(), CompleteError> {
        tracing::warn!(
            attempt = %attempt.id, meaning = ?failure.meaning, detail = %failure.detail,
            "the authorization code was not used; it is kept and will be sent again"
        );
        let expires_at = attempt.expires_at.max(after(attempt.created_at, GRANT_PATIENCE));
        let back = Attempt { stage: AttemptStage::Returned, expires_at, ..attempt.clone() };
        self.rest(attempt, back, failure).await
    }

    async fn rest(&self, attempt: &Attempt, next: Attempt, failure: &Failure) -> Result<(), CompleteError> {
        let now = self.parts.clock.now();
        let usual = if is_passing(failure.meaning) {
            (age(attempt, now) / OUTAGE_PART).clamp(OUTAGE_PAUSE, LONG_PAUSE)
        } else {
            LONG_PAUSE
        };
        let pause = failure.retry_after.unwrap_or(usual).min(GRANT_PATIENCE / 2);
        let until = after(now, pause);
        self.advance(attempt, Attempt { busy_until: Some(until), ..next }).await?;
        Err(CompleteError::Waits { reason: waited_for(failure.meaning), retry_after: pause })
    }
}

/// What a token in hand may do.
struct Granted<'a> {
    provider: &'a SharedProvider,
    /// `None` where Instagram did not say.
    scopes: Option<&'a [String]>,
}

impl Granted<'_> {
    /// Whether the person left out what everything needs: then the refusal is about that.
    fn lacks_the_essential_scope(&self) -> bool {
        match (self.provider.essential_scope(), self.scopes) {
            (Some(essential), Some(granted)) => !granted.iter().any(|scope| scope == essential),
            (None, _) | (_, None) => false,
        }
    }
}

/// How long ago the attempt began.
fn age(attempt: &Attempt, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(attempt.created_at)).unwrap_or_default()
}

/// Whether a code that was to be sent is certainly not used: it never left, or was turned away for
/// want of budget.
fn is_unspent(failure: &Failure) -> bool {
    !failure.was_sent || matches!(failure.meaning, Meaning::RateLimited(_))
}

fn fate(failure: &Failure) -> Fate {
    match failure.meaning {
        Meaning::App(AppFault::NotAdmitted | AppFault::Unsupported) | Meaning::Permission => Fate::Refuse,
        Meaning::RateLimited(_)
        | Meaning::Unavailable
        | Meaning::DeadUnexplained
        | Meaning::App(
            AppFault::Credentials
            | AppFault::RedirectUri
            | AppFault::Scope
            | AppFault::Deactivated
            | AppFault::Request,
        ) => Fate::Wait,
        Meaning::Dead(cause @ DeathCause::AccountIneligible) => Fate::End(reason_of(Meaning::Dead(cause))),
        // A token that was handed out a moment ago: that it is dead is news of the attempt alone.
        Meaning::Dead(_) | Meaning::Content | Meaning::CodeRejected => Fate::End(Reason::AttemptFailed),
        Meaning::UserAction(_) => Fate::End(reason_of(failure.meaning)),
    }
}

/// What the person is told of trouble that is waited for. An unexplained "no" to what was handed
/// out a moment ago is not believed.
fn waited_for(meaning: Meaning) -> Reason {
    if meaning == Meaning::DeadUnexplained { Reason::ProviderUnavailable } else { reason_of(meaning) }
}

/// Trouble that may be over in a moment. An unexplained "no" is what a node says that has not heard
/// of the token yet.
fn is_passing(meaning: Meaning) -> bool {
    match meaning {
        Meaning::Unavailable | Meaning::DeadUnexplained => true,
        Meaning::RateLimited(_)
        | Meaning::Dead(_)
        | Meaning::UserAction(_)
        | Meaning::Permission
        | Meaning::App(_)
        | Meaning::Content
        | Meaning::CodeRejected => false,
    }
}
