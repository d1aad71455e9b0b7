//! Why Clerk's Backend API gave no user, and how long it is left alone for that.

use std::time::Duration;

use jiff::Timestamp;

use super::COOL_DOWN;
use crate::transport::TransportError;

/// Quiet after Clerk refused our secret key: only a person can mend that.
const SECRET_COOL_DOWN: Duration = Duration::from_mins(1);

/// The Backend API gave no user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It failed a moment ago or our budget is spent; it is not asked until then.
    #[error(
        "Clerk's Backend API failed a moment ago or was called too often; it is not called again before {until}"
    )]
    CoolingDown {
        /// When it will be asked again.
        until: Timestamp,
    },
    /// No answer arrived.
    #[error("Clerk's Backend API cannot be reached: {0}")]
    Unreachable(TransportError),
    /// 429.
    #[error("Clerk's Backend API rate-limits this server for {} s", .retry_after.as_secs())]
    RateLimited {
        /// How long it asked us to wait.
        retry_after: Duration,
    },
    /// 503 that says for how long: overload or maintenance, for questions about every user.
    #[error("Clerk's Backend API answers HTTP 503 and asks for a pause of {} s", .retry_after.as_secs())]
    Overloaded {
        /// How long it asked us to wait.
        retry_after: Duration,
    },
    /// 401 or 403: `CLERK_SECRET_KEY` is wrong, revoked, or of another instance.
    #[error("Clerk's Backend API refuses CLERK_SECRET_KEY (HTTP {0}): copy it again from the dashboard")]
    SecretRefused(u16),
    /// 404: no such user in the instance of the secret key.
    #[error("the Clerk instance of CLERK_SECRET_KEY has no such user")]
    NoSuchUser,
    /// Any other status.
    #[error("Clerk's Backend API answers HTTP {0}")]
    Status(u16),
    /// Success, but no record of Clerk's: HTML of a proxy, for example.
    #[error("Clerk's Backend API answers with something that is no user record")]
    NotUnderstood,
    /// A record, but not one that can be used: another user's, without an id, or too large. That is
    /// this record's trouble alone.
    #[error("Clerk's Backend API answers with a record that cannot be used for this user")]
    OddRecord,
}

impl BackendError {
    /// Whether it concerns this user's record alone.
    pub fn concerns_one_user(self) -> bool {
        match self {
            Self::NoSuchUser | Self::OddRecord => true,
            Self::CoolingDown { .. }
            | Self::Unreachable(_)
            | Self::RateLimited { .. }
            | Self::Overloaded { .. }
            | Self::SecretRefused(_)
            | Self::Status(_)
            | Self::NotUnderstood => false,
        }
    }

    /// Whether it may be that this user's record alone makes the API fail.
    pub(super) fn may_concern_one_user(self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Status(_) | Self::NotUnderstood)
    }

    /// How long to leave the API alone; `None` where the failure says nothing about the next call.
    pub(super) fn cool_down(self) -> Option<Duration> {
        match self {
            Self::CoolingDown { .. } | Self::NoSuchUser | Self::OddRecord => None,
            Self::Unreachable(_) | Self::Status(_) | Self::NotUnderstood => Some(COOL_DOWN),
            Self::RateLimited { retry_after } | Self::Overloaded { retry_after } => Some(retry_after),
            Self::SecretRefused(_) => Some(SECRET_COOL_DOWN),
        }
    }
}
