//! What failures of the layers below look like to a client. One function per kind; there is none
//! for [`crate::provider::Failure`], on purpose: what Instagram says reaches an answer only as a
//! reason.

use std::time::Duration;

use jiff::Timestamp;

use super::problem::{Problem, ProblemAction, ProblemCode, RequestCode, ServerCode};
use crate::clock::Clock;
use crate::connection::Reason;
use crate::connection::return_url::ReturnToError;
use crate::connections::ServiceError;
use crate::connections::complete::CompleteError;
use crate::connections::connect::{AttemptLimit, ConnectError};
use crate::connections::pass_through::UseError;
use crate::store::StoreError;
use crate::users::UsersError;

/// A key that is missing here is probably being rolled out to the replicas one by one.
const KEY_RETRY_AFTER: Duration = Duration::from_secs(30);
/// A refresh is answered sooner.
const RENEWED_WITHIN: Duration = Duration::from_secs(5);

/// What reading from the store can lead to.
pub(super) const READING: [ProblemCode; 2] =
    [ProblemCode::Server(ServerCode::DatabaseUnavailable), ProblemCode::Server(ServerCode::Internal)];
/// What writing to the store can lead to.
pub(super) const WRITING: [ProblemCode; 3] = [
    ProblemCode::Server(ServerCode::DatabaseUnavailable),
    ProblemCode::Server(ServerCode::DatabaseFull),
    ProblemCode::Server(ServerCode::Internal),
];
/// What a change to the caller's record can lead to.
pub(super) const USERS: [ProblemCode; 4] =
    [WRITING[0], WRITING[1], WRITING[2], ProblemCode::Request(RequestCode::UserErased)];
/// What a change to a connection can lead to.
pub(super) const CHANGING: [ProblemCode; 4] =
    [WRITING[0], WRITING[1], WRITING[2], ProblemCode::Request(RequestCode::ConcurrentChange)];

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(_)
            | StoreError::Busy(_)
            | StoreError::OutcomeUnknown
            | StoreError::KeyRetired { .. }
            | StoreError::Denied(_)
            | StoreError::Missing(_)
            | StoreError::Damaged(_) => ServerCode::DatabaseUnavailable,
            StoreError::Full(_) => ServerCode::DatabaseFull,
            // Every route with a place may be answered so anyway.
            StoreError::Crowded => ServerCode::Overloaded,
            StoreError::Corrupt { .. } | StoreError::Refused(_) => ServerCode::Internal,
        };
        let retry_after = (code != ServerCode::Internal).then(|| error.retry_after());
        Self::new(code).with_retry_after(retry_after).with_cause(error.to_string())
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        let cause = error.to_string();
        match error {
            ServiceError::Store(error) => error.into(),
            // Erased meanwhile: asked again, the route answers as for anybody who was erased before.
            ServiceError::Contended | ServiceError::UserGone => RequestCode::ConcurrentChange.into(),
            ServiceError::KeyNotHere { .. } => Self::new(ServerCode::DatabaseUnavailable)
                .with_detail("This server cannot open the stored data at the moment.")
                .with_retry_after(Some(KEY_RETRY_AFTER))
                .with_cause(cause),
            ServiceError::Vault(_)
            | ServiceError::Content { .. }
            | ServiceError::NoDataKey
            | ServiceError::Entropy(_) => Self::new(ServerCode::Internal).with_cause(cause),
        }
    }
}

impl From<UsersError> for Problem {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::Store(error) => error.into(),
            UsersError::Erased => RequestCode::UserErased.into(),
        }
    }
}

/// A connect attempt that could not begin.
pub(super) fn connect(error: ConnectError, clock: &dyn Clock) -> Problem {
    match error {
        ConnectError::ReturnTo(ReturnToError::Missing) => RequestCode::ReturnToMissing.into(),
        ConnectError::ReturnTo(
            why @ (ReturnToError::NotAbsolute
            | ReturnToError::Ambiguous
            | ReturnToError::TooLong
            | ReturnToError::NotAllowed),
        ) => Problem::new(RequestCode::ReturnToNotAllowed).with_detail(format!("{why}.")),
        ConnectError::TooManyAttempts { limit, free_at } => Problem::new(RequestCode::TooManyAttempts)
            .with_detail(match limit {
                AttemptLimit::Open => "This user has reached the limit of open connect attempts.",
                AttemptLimit::InAnHour => {
                    "This user has reached the limit of connect attempts within an hour."
                }
            })
            .with_retry_after(Some(until(free_at, clock))),
        ConnectError::NotConfigured => Reason::NotConfigured.into(),
        ConnectError::Service(ServiceError::UserGone) => RequestCode::UserErased.into(),
        ConnectError::Service(error) => error.into(),
    }
}

/// A connect attempt that could not be completed.
pub(super) fn complete(error: CompleteError) -> Problem {
    match error {
        CompleteError::NoSuchAttempt => RequestCode::AttemptNotFound.into(),
        CompleteError::NotYours => RequestCode::AttemptNotYours.into(),
        CompleteError::NotReturned => RequestCode::AttemptNotReturned.into(),
        CompleteError::WrongCompletion => RequestCode::CompletionInvalid.into(),
        CompleteError::Expired => RequestCode::AttemptExpired.into(),
        CompleteError::Denied => Reason::Denied.into(),
        CompleteError::AccountTaken => RequestCode::AccountBelongsToAnotherUser.into(),
        CompleteError::DifferentAccount => RequestCode::DifferentAccount.into(),
        CompleteError::InProgress { retry_after } => {
            Problem::new(RequestCode::AttemptInProgress).with_retry_after(Some(retry_after))
        }
        CompleteError::Waits { reason, retry_after } => {
            Problem::new(reason).with_retry_after(Some(retry_after))
        }
        CompleteError::Crowded { retry_after } => {
            Problem::new(ServerCode::Overloaded).with_retry_after(Some(retry_after))
        }
        CompleteError::Ended { reason } => ended(reason),
        CompleteError::NotConfigured => Reason::NotConfigured.into(),
        // Erased meanwhile, and the attempt with them: asked again, it would not be found.
        CompleteError::Service(ServiceError::UserGone) => RequestCode::UserErased.into(),
        CompleteError::Service(error) => error.into(),
    }
}

/// A connect attempt that has ended: the same `complete` will not succeed, so nothing here says
/// "again".
fn ended(reason: Reason) -> Problem {
    let over = |detail: &'static str| Problem::new(Reason::AttemptFailed).with_detail(detail);
    match reason {
        Reason::UserDisconnected
        | Reason::Denied
        | Reason::AttemptExpired
        | Reason::AttemptFailed
        | Reason::AccountMoved
        | Reason::AccountNotAdmitted
        | Reason::NotConfigured => reason.into(),
        // Nothing was linked that could be checked again.
        Reason::Checkpoint => Problem::new(reason).with_detail(
            "Instagram wants a security check: open Instagram, follow its instructions, then connect again.",
        ),
        Reason::Unconfirmed => Problem::new(reason).with_detail(
            "Instagram wants the account confirmed: open Instagram, follow its instructions, then connect again.",
        ),
        Reason::Restricted => Problem::new(reason).with_detail(
            "Instagram restricts this account: open Instagram, see what it asks for, then connect again.",
        ),
        Reason::ConsentBlocked => Problem::new(reason).with_detail(
            "Instagram is waiting for its terms to be accepted: open Instagram, accept them, then connect again.",
        ),
        Reason::AccountIneligible => Problem::new(reason).with_action(ProblemAction::Connect).with_detail(
            "This Instagram account is not a professional one. Switch it in Instagram's settings, then connect again.",
        ),
        Reason::AppMisconfigured => Problem::new(reason).with_action(ProblemAction::ContactSupport),
        Reason::ScopesMissing => {
            over("Without its basic permission an Instagram account cannot be connected: leave it ticked.")
        }
        Reason::RateLimited => over("Instagram asked us to wait, and the attempt ended meanwhile."),
        Reason::RefreshFailing | Reason::ProviderUnavailable | Reason::ProviderIncident => {
            over("Instagram gave no usable answer, and the authorization code may be spent.")
        }
        Reason::Expired
        | Reason::Revoked
        | Reason::PasswordChanged
        | Reason::Deauthorized
        | Reason::TokenInvalid
        | Reason::KeyLost
        | Reason::GrantUnreadable => over("Instagram withdrew the access before it was connected."),
    }
}

/// The detail where a call that changes something at Instagram got no answer: repeated, it could
/// publish twice.
pub(super) const LOOK_FIRST: &str = "Instagram may have carried the call out: look before sending it again. A container that \
     was published has the `status_code` `PUBLISHED`.";

/// A grant that cannot be used.
pub(super) fn using(error: UseError) -> Problem {
    match error {
        UseError::NotUsable { reason: Some(reason) } => reason.into(),
        UseError::NotUsable { reason: None } => Problem::new(ProblemCode::NotConnected),
        UseError::Unanswered { reason, retry_after, may_be_done: false } => {
            Problem::new(reason).with_retry_after(retry_after)
        }
        UseError::Unanswered { reason, may_be_done: true, .. } => {
            let detail = format!("Instagram did not answer. {LOOK_FIRST}");
            Problem::new(reason).with_action(ProblemAction::LookFirst).with_detail(detail)
        }
        UseError::Crowded => {
            Problem::new(ServerCode::Overloaded).with_retry_after(Some(Duration::from_secs(1)))
        }
        UseError::Replaced => Problem::new(Reason::ProviderUnavailable)
            .with_detail("The access to Instagram is being renewed at this moment.")
            .with_retry_after(Some(RENEWED_WITHIN)),
        UseError::NotPassedOn { detail } => {
            Problem::new(RequestCode::GraphCallNotAllowed).with_detail(detail)
        }
        UseError::AnswerTooLarge => RequestCode::GraphAnswerTooLarge.into(),
        UseError::Service(error) => error.into(),
    }
}

/// How long it is until `at`.
pub(super) fn until(at: Timestamp, clock: &dyn Clock) -> std::time::Duration {
    at.duration_since(clock.now()).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests;
