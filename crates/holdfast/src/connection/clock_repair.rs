//! A wrong system clock must never end a connection.
//!
//! A clock that was ahead leaves times behind that lie in the future once it is right again. The
//! rules here recognise them.

use std::time::Duration;

use jiff::Timestamp;

use super::{Connection, EvidenceSource, GrantFacts, Reason};
use crate::clock::after;

/// The longest wait that is believed: the provider counts its limits over 24 hours at most.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// How far apart the clocks of two replicas may be before times are put right and leases ignored.
/// An hour of sixty days is no harm.
pub const TOLERANCE: Duration = Duration::from_hours(1);
/// The usual lifetime of Instagram's grants.
pub const USUAL_LIFE: Duration = Duration::from_hours(60 * 24);
/// How long it counts that a grant has worked past its expiry.
pub const PROOF_LASTS: Duration = Duration::from_hours(24);

impl Connection {
    /// Until when the provider may not be asked about this connection. Ignores a time further off
    /// than [`LONGEST_WAIT`]: its clock was ahead.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.retry_after.filter(|until| *until > now && *until <= after(now, LONGEST_WAIT))
    }

    /// Whether the grant has worked past its stored expiry, not long ago: then not the grant is
    /// over, but a clock is wrong.
    pub fn has_outlived_expiry(&self, now: Timestamp) -> bool {
        let (Some(grant), Some(evidence)) = (self.grant, self.evidence) else { return false };
        let by_answer = match evidence.source {
            EvidenceSource::Refresh | EvidenceSource::Use => true,
            EvidenceSource::Oauth | EvidenceSource::Callback | EvidenceSource::Clock => false,
        };
        by_answer && evidence.at >= grant.expires_at && after(evidence.at, PROOF_LASTS) > now
    }

    /// Whether nothing but the clock has ended this connection, so that the clock can give it back.
    pub(crate) fn is_expired_by_clock(&self) -> bool {
        self.grant.is_some()
            && self.standing.reason() == Some(Reason::Expired)
            && self.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Clock)
    }
}

/// The same grant with times that it can have at `now`: it has not arrived later, and has at most
/// its whole life before it.
pub fn possible(grant: GrantFacts, now: Timestamp) -> GrantFacts {
    if grant.obtained_at <= after(now, TOLERANCE) {
        return grant;
    }
    let life = grant.expires_at.duration_since(grant.obtained_at);
    let life = if life.is_negative() { Duration::ZERO } else { life.unsigned_abs() };
    GrantFacts { obtained_at: now, expires_at: after(now, life), ..grant }
}
