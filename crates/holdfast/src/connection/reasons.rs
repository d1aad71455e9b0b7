//! Maps the meaning of a provider's failure to a reason.

use super::Reason;
use crate::provider::{DeathCause, Meaning, UserAction};

fn death_reason(cause: DeathCause) -> Reason {
    match cause {
        DeathCause::Expired => Reason::Expired,
        DeathCause::Revoked => Reason::Revoked,
        DeathCause::PasswordChanged => Reason::PasswordChanged,
        DeathCause::Invalid => Reason::TokenInvalid,
        DeathCause::AccountIneligible => Reason::AccountIneligible,
    }
}

fn action_reason(action: UserAction) -> Reason {
    match action {
        UserAction::Checkpoint => Reason::Checkpoint,
        UserAction::Unconfirmed => Reason::Unconfirmed,
        UserAction::Restricted => Reason::Restricted,
        UserAction::ConsentBlocked => Reason::ConsentBlocked,
    }
}

/// The reason that a failure with this meaning gives.
pub fn reason_of(meaning: Meaning) -> Reason {
    match meaning {
        Meaning::Dead(cause) => death_reason(cause),
        Meaning::DeadUnexplained => Reason::TokenInvalid,
        Meaning::UserAction(action) => action_reason(action),
        Meaning::Permission => Reason::ScopesMissing,
        Meaning::RateLimited(_) => Reason::RateLimited,
        Meaning::Unavailable | Meaning::Crowded => Reason::ProviderUnavailable,
        Meaning::App(_) => Reason::AppMisconfigured,
        Meaning::Content | Meaning::CodeRejected => Reason::AttemptFailed,
    }
}
