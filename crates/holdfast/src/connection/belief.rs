//! When a sign of death is believed: all the numbers.

use std::time::Duration;

use jiff::Timestamp;

use super::observation::{Call, Confidence};
use super::reasons::reason_of;
use super::{Connection, GrantFacts};
use crate::clock::after;
use crate::provider::Meaning;

/// With fewer than [`INCIDENT_MIN_STRUCK`] connections, an unexplained death is believed when it is
/// repeated this much later: so few cannot show an incident.
pub const CONFIRM_AMONG_FEW: Duration = Duration::from_mins(1);
/// A stated death seen by the worker is believed when it is repeated this much later. Long enough
/// for a batch of refreshes to show an incident.
pub const HOLD: Duration = Duration::from_mins(1);
/// An unexplained death outside a refresh is believed after this time if others are known to work.
pub const CONFIRM_IN_USE: Duration = Duration::from_mins(15);
/// [`CONFIRM_IN_USE`] requires that this many others have worked since the first sign: of [`SHARE`]
/// connections asked, only one is then struck.
pub const OTHERS_NEEDED: u64 = SHARE - 1;
/// Otherwise an unexplained death is believed after this time. Few connections come due per hour,
/// so an incident may show late; half the lifetime remains, so a day's wait is affordable.
pub const CONFIRM_UNEXPLAINED: Duration = Duration::from_hours(24);
/// Spans over which struck connections are counted, shortest first. The shortest exceeds [`HOLD`],
/// so that all connections of one batch count together; the longest is [`CONFIRM_UNEXPLAINED`].
pub const SPANS: [Duration; 3] = [Duration::from_mins(20), Duration::from_hours(2), CONFIRM_UNEXPLAINED];
/// Fewer struck connections than this are no incident.
pub const INCIDENT_MIN_STRUCK: u64 = 10;
/// An incident strikes at least one in this many of the connections asked about.
pub const SHARE: u64 = 5;

/// How old the first sign must be before a repeated one is believed.
pub fn confirmation_delay(meaning: Meaning, call: Call, confidence: Confidence) -> Duration {
    match (meaning, confidence) {
        (Meaning::DeadUnexplained, Confidence::TooFew) => CONFIRM_AMONG_FEW,
        (Meaning::DeadUnexplained, Confidence::Unknown | Confidence::Incident) => CONFIRM_UNEXPLAINED,
        (Meaning::DeadUnexplained, Confidence::OthersHealthy) => match call {
            Call::Refresh => CONFIRM_UNEXPLAINED,
            Call::Check | Call::Probe | Call::PassThrough => CONFIRM_IN_USE,
        },
        // Nobody waits for the worker, so it has time to see whether others are struck too.
        (_, Confidence::Unknown | Confidence::OthersHealthy | Confidence::Incident) => match call {
            Call::Refresh | Call::Probe => HOLD,
            Call::Check | Call::PassThrough => Duration::ZERO,
        },
        (_, Confidence::TooFew) => Duration::ZERO,
    }
}

/// Whether the answer says that the grant is dead or that its owner must act.
pub fn is_sign(meaning: Meaning) -> bool {
    matches!(meaning, Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_))
}

/// Whether a sign seen at `now` is believed: the connection already has that standing, or the first
/// sign about the same grant is old enough.
pub fn is_believed(
    connection: &Connection,
    facts: GrantFacts,
    meaning: Meaning,
    call: Call,
    confidence: Confidence,
    now: Timestamp,
) -> bool {
    if !is_sign(meaning) || confidence == Confidence::Incident {
        return false;
    }
    let confirmed_at =
        after(connection.first_sign_at(facts, now), confirmation_delay(meaning, call, confidence));
    connection.standing == reason_of(meaning).into() || now >= confirmed_at
}

/// What is known of all connections together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Population {
    /// How far a sign of death is believed.
    pub confidence: Confidence,
    /// How many connections wait for the same trouble to pass.
    pub waiting: u64,
    /// No connection has worked lately.
    pub strikes_all: bool,
    /// When the current incident began, if any.
    pub since: Option<Timestamp>,
    /// How many others must still be seen to work before an unexplained death is believed.
    pub others_wanted: usize,
}

/// How many connections must be seen to work to rule out an incident when `struck` are struck.
pub fn healthy_to_rule_out(struck: u64) -> u64 {
    struck.saturating_mul(SHARE - 1).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_that_work_outnumber_one_that_is_struck() {
        assert_eq!(healthy_to_rule_out(10), 41);
        assert_eq!(healthy_to_rule_out(0), 1);
    }

    #[test]
    fn a_stated_death_is_believed_sooner_than_one_without_a_cause_and_sooner_where_somebody_waits() {
        let stated = Meaning::Dead(crate::provider::DeathCause::Revoked);
        for confidence in [Confidence::TooFew, Confidence::Unknown, Confidence::OthersHealthy] {
            for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
                let unexplained = confirmation_delay(Meaning::DeadUnexplained, call, confidence);
                assert!(confirmation_delay(stated, call, confidence) <= unexplained);
                assert!(unexplained >= CONFIRM_AMONG_FEW, "two signs are needed");
                assert!(
                    unexplained <= confirmation_delay(Meaning::DeadUnexplained, Call::Refresh, confidence)
                );
            }
        }
        assert_eq!(confirmation_delay(stated, Call::Check, Confidence::Unknown), Duration::ZERO);
    }
}
