//! What failures of the layers below look like to a client. One function per kind; there is none for
//! [`crate::provider::Failure`], on purpose: what Instagram says reaches an answer only as a reason.

use jiff::Timestamp;

use super::problem::{Problem, ProblemCode, RequestCode, ServerCode};
use crate::clock::Clock;
use crate::connections::Reason;
use crate::connections::complete::CompleteError;
use crate::connections::connect::ConnectError;
use crate::connections::return_to::ReturnToError;
use crate::connections::service::ServiceError;
use crate::connections::usage::UseError;
use crate::store::StoreError;
use crate::users::UsersError;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let code = match &error {
            StoreError::Unavailable(_) | StoreError::Busy(_) | StoreError::OutcomeUnknown => {
                tracing::warn!(%error, "the database did not serve a request");
                ServerCode::DatabaseUnavailable
            }
            StoreError::Full(_) => {
                tracing::error!(%error, "the database takes no more");
                ServerCode::DatabaseFull
            }
            StoreError::Corrupt { .. } | StoreError::Refused(_) => {
                tracing::error!(%error, "the database holds what it should not, or refuses what it should not");
                ServerCode::Internal
            }
        };
        Self::new(code).with_retry_after(match code {
            ServerCode::Internal => None,
            _ => Some(error.retry_after()),
        })
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Self {
        match error {
            ServiceError::Store(error) => error.into(),
            ServiceError::Contended => RequestCode::ConcurrentChange.into(),
            ServiceError::UserGone => RequestCode::UserErased.into(),
            ServiceError::Vault(_) | ServiceError::Content { .. } | ServiceError::Entropy(_) => {
                tracing::error!(%error, "a request failed on this server's own account");
                ServerCode::Internal.into()
            }
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
        ConnectError::TooManyAttempts { free_at } => {
            Problem::new(RequestCode::TooManyAttempts).with_retry_after(Some(until(free_at, clock)))
        }
        ConnectError::NotConfigured => Reason::NotConfigured.into(),
        ConnectError::Service(error) => error.into(),
    }
}

/// A connect attempt that could not be completed.
pub(super) fn complete(error: CompleteError) -> Problem {
    match error {
        CompleteError::NoSuchAttempt => RequestCode::AttemptNotFound.into(),
        CompleteError::NotYours => RequestCode::AttemptNotYours.into(),
        CompleteError::WrongCompletion => RequestCode::CompletionInvalid.into(),
        CompleteError::Expired => RequestCode::AttemptExpired.into(),
        CompleteError::Denied => Reason::Denied.into(),
        CompleteError::AccountTaken => RequestCode::AccountBelongsToAnotherUser.into(),
        CompleteError::DifferentAccount => RequestCode::DifferentAccount.into(),
        CompleteError::InProgress { retry_after } => {
            Problem::new(RequestCode::AttemptInProgress).with_retry_after(Some(retry_after))
        }
        CompleteError::Instagram { reason, retry_after } => {
            Problem::new(reason).with_retry_after(retry_after)
        }
        CompleteError::NotConfigured => Reason::NotConfigured.into(),
        CompleteError::Service(error) => error.into(),
    }
}

/// A grant that cannot be used.
pub(super) fn using(error: UseError) -> Problem {
    match error {
        UseError::NotUsable { reason: Some(reason) } => reason.into(),
        UseError::NotUsable { reason: None } => Problem::new(ProblemCode::NotConnected),
        UseError::Unanswered { reason, retry_after } => Problem::new(reason).with_retry_after(retry_after),
        UseError::NotPassedOn { detail } => {
            Problem::new(RequestCode::GraphCallNotAllowed).with_detail(detail)
        }
        UseError::Service(error) => error.into(),
    }
}

/// How long it is until `at`.
pub(super) fn until(at: Timestamp, clock: &dyn Clock) -> std::time::Duration {
    at.duration_since(clock.now()).try_into().unwrap_or_default()
}
