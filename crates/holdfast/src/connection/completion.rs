//! What a failed step of a completion does to its connect attempt.

use std::time::Duration;

use super::Reason;
use super::attempt::LONGEST_PAUSE;
use super::reasons::reason_of;
use crate::provider::{AppFault, DeathCause, Failure, Meaning};

/// The first pause of an attempt whose code or token is kept because Instagram could not be asked.
/// Shorter than a repeated `complete` waits, so that a person who tries again is not turned away.
const OUTAGE_PAUSE: Duration = Duration::from_secs(5);
/// Later pauses are this part of the attempt's age, and at most [`LONG_PAUSE`]: during an outage
/// Instagram must not be called every few seconds for each attempt.
const OUTAGE_PART: u32 = 8;
/// The pause where the provider limits us without saying for how long (calling on would lengthen
/// it), or where our app must be mended first.
const LONG_PAUSE: Duration = Duration::from_mins(1);
/// How old an attempt must be before an unexplained refusal of its new token is believed: some node
/// of Instagram may not have heard of the token yet.
const PROPAGATION: Duration = Duration::from_mins(10);

/// What becomes of an attempt after a failed step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Its token is kept, and a later try continues.
    Wait,
    /// Instagram does not serve our app, for this account or at all.
    Refuse,
    /// It ends for this reason.
    End(Reason),
}

/// The fate of an attempt that began `age` ago. Without a token there is nothing to keep.
pub fn fate(meaning: Meaning, has_token: bool, age: Duration) -> Fate {
    match meaning {
        Meaning::App(AppFault::NotAdmitted | AppFault::Unsupported) | Meaning::Permission => Fate::Refuse,
        Meaning::DeadUnexplained if age > PROPAGATION => Fate::End(Reason::AttemptFailed),
        Meaning::RateLimited(_)
        | Meaning::Unavailable
        | Meaning::Crowded
        | Meaning::DeadUnexplained
        | Meaning::App(
            AppFault::Credentials
            | AppFault::RedirectUri
            | AppFault::Scope
            | AppFault::Deactivated
            | AppFault::Request,
        ) => {
            if has_token {
                Fate::Wait
            } else {
                Fate::End(reason_of(meaning))
            }
        }
        Meaning::Dead(DeathCause::AccountIneligible) | Meaning::UserAction(_) => {
            Fate::End(reason_of(meaning))
        }
        // The token was issued a moment ago, so its death concerns only this attempt.
        Meaning::Dead(_) | Meaning::Content | Meaning::CodeRejected => Fate::End(Reason::AttemptFailed),
    }
}

/// Whether the code is certainly unused: it was never sent, or the rate limit refused it.
pub fn is_unspent(failure: &Failure) -> bool {
    !failure.was_sent || matches!(failure.meaning, Meaning::RateLimited(_))
}

/// How long an attempt that began `age` ago waits after a failure.
pub fn pause(failure: &Failure, age: Duration) -> Duration {
    let usual = if is_passing(failure.meaning) {
        (age / OUTAGE_PART).clamp(OUTAGE_PAUSE, LONG_PAUSE)
    } else {
        LONG_PAUSE
    };
    failure.retry_after.unwrap_or(usual).min(LONGEST_PAUSE)
}

/// The reason to tell while an attempt waits. An unexplained death of a token issued a moment ago
/// is not believed.
pub fn waited_for(meaning: Meaning) -> Reason {
    if meaning == Meaning::DeadUnexplained { Reason::ProviderUnavailable } else { reason_of(meaning) }
}

/// Whether a call is repeated once: its failure may pass in a moment, or would end the attempt.
pub fn is_repeated(meaning: Meaning) -> bool {
    is_passing(meaning) || fate(meaning, true, Duration::ZERO) == Fate::Refuse
}

/// Whether the failure may pass in a moment. An unexplained death may come from a node of Instagram
/// that does not know the new token yet.
fn is_passing(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Unavailable | Meaning::Crowded | Meaning::DeadUnexplained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{LimitScope, UserAction};

    /// After which failure an attempt waits with its token, how it ends at once with one, and how
    /// without.
    #[test]
    fn every_failure_has_its_fate() {
        use Fate::{End, Refuse, Wait};
        use Reason::{
            AccountIneligible, AppMisconfigured, AttemptFailed, Checkpoint, ConsentBlocked,
            ProviderUnavailable, RateLimited, Restricted, TokenInvalid, Unconfirmed,
        };
        let table = [
            (Meaning::App(AppFault::NotAdmitted), Refuse, Refuse),
            (Meaning::App(AppFault::Unsupported), Refuse, Refuse),
            (Meaning::Permission, Refuse, Refuse),
            (Meaning::RateLimited(LimitScope::App), Wait, End(RateLimited)),
            (Meaning::RateLimited(LimitScope::Account), Wait, End(RateLimited)),
            (Meaning::Unavailable, Wait, End(ProviderUnavailable)),
            (Meaning::Crowded, Wait, End(ProviderUnavailable)),
            (Meaning::DeadUnexplained, Wait, End(TokenInvalid)),
            (Meaning::App(AppFault::Credentials), Wait, End(AppMisconfigured)),
            (Meaning::App(AppFault::RedirectUri), Wait, End(AppMisconfigured)),
            (Meaning::App(AppFault::Scope), Wait, End(AppMisconfigured)),
            (Meaning::App(AppFault::Deactivated), Wait, End(AppMisconfigured)),
            (Meaning::App(AppFault::Request), Wait, End(AppMisconfigured)),
            (Meaning::Dead(DeathCause::AccountIneligible), End(AccountIneligible), End(AccountIneligible)),
            (Meaning::Dead(DeathCause::Expired), End(AttemptFailed), End(AttemptFailed)),
            (Meaning::Dead(DeathCause::Revoked), End(AttemptFailed), End(AttemptFailed)),
            (Meaning::Dead(DeathCause::PasswordChanged), End(AttemptFailed), End(AttemptFailed)),
            (Meaning::Dead(DeathCause::Invalid), End(AttemptFailed), End(AttemptFailed)),
            (Meaning::Content, End(AttemptFailed), End(AttemptFailed)),
            (Meaning::CodeRejected, End(AttemptFailed), End(AttemptFailed)),
            (Meaning::UserAction(UserAction::Checkpoint), End(Checkpoint), End(Checkpoint)),
            (Meaning::UserAction(UserAction::Unconfirmed), End(Unconfirmed), End(Unconfirmed)),
            (Meaning::UserAction(UserAction::Restricted), End(Restricted), End(Restricted)),
            (Meaning::UserAction(UserAction::ConsentBlocked), End(ConsentBlocked), End(ConsentBlocked)),
        ];
        for (meaning, with_token, without) in table {
            for age in [Duration::ZERO, PROPAGATION] {
                let fates = (fate(meaning, true, age), fate(meaning, false, age));
                assert_eq!(fates, (with_token, without), "{meaning:?} after {age:?}");
            }
            let late = PROPAGATION + Duration::from_secs(1);
            let fates = (fate(meaning, true, late), fate(meaning, false, late));
            let is_believed = meaning == Meaning::DeadUnexplained;
            let ended = (End(AttemptFailed), End(AttemptFailed));
            assert_eq!(fates, if is_believed { ended } else { (with_token, without) }, "{meaning:?}");
        }
    }

    #[test]
    fn a_pause_grows_with_an_outage_and_is_otherwise_what_the_provider_says() {
        let secs = Duration::from_secs;
        let failure = |meaning, retry_after| Failure { retry_after, ..Failure::new(meaning, "") };
        let outage = failure(Meaning::Unavailable, None);
        let pauses = [0, 80, 3600].map(|age| pause(&outage, secs(age)).as_secs());
        assert_eq!(pauses, [5, 10, 60]);
        assert_eq!(pause(&failure(Meaning::App(AppFault::Deactivated), None), secs(0)), secs(60));
        let limited = |wait| failure(Meaning::RateLimited(LimitScope::App), Some(secs(wait)));
        assert_eq!(pause(&limited(19 * 60), secs(0)), secs(19 * 60));
        assert_eq!(pause(&limited(86_400), secs(0)), LONGEST_PAUSE);
    }
}
