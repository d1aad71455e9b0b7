//! A genuine token whose session does not count, in the words of every place that says so.

use serde::Deserialize;
use serde_json::Value;

use crate::claims::{Claims, SessionStatus};
use crate::remedy::Remedy;
use crate::token::quoted;

/// The code of a genuine token whose session is not active.
pub const SESSION_PENDING: &str = "session-pending";

/// Why a genuine session does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Inactive {
    /// The user still has tasks to do.
    Pending,
    /// Its status is not known here.
    Unknown {
        /// The claim as it was sent, short and in quotation marks.
        sts: String,
    },
}

impl Inactive {
    /// Why the session of these claims does not count; `None` where it does.
    pub fn of(claims: &Claims) -> Option<Self> {
        #[derive(Deserialize)]
        struct Status {
            sts: Value,
        }
        match claims.status {
            SessionStatus::Active => None,
            SessionStatus::Pending => Some(Self::Pending),
            SessionStatus::Unknown => {
                let sent = claims.custom::<Status>().map(|status| quoted(&status.sts));
                Some(Self::Unknown { sts: sent.unwrap_or_default() })
            }
        }
    }

    /// What was found, for the operator.
    pub fn found(&self) -> String {
        match self {
            Self::Pending => "`sts` is pending".to_owned(),
            Self::Unknown { sts } => format!("`sts` is {sts}, neither active nor pending"),
        }
    }

    /// One sentence for the caller.
    pub fn public_detail(&self) -> &'static str {
        match self {
            Self::Pending => "The session is pending: the user still has tasks to do.",
            Self::Unknown { .. } => "The session is not active: it has a status that is not known here.",
        }
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Pending => Remedy::FinishSessionTasks,
            Self::Unknown { .. } => Remedy::SignInAgain,
        }
    }
}
