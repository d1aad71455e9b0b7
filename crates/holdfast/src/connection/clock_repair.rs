//! A wrong system clock must never end a connection.
//!
//! A clock that was ahead wrote times that lie in the future once it is corrected. The rules here
//! recognise them.

use std::time::Duration;

use jiff::Timestamp;

use super::{Connection, EvidenceSource, GrantFacts, Reason};
use crate::clock::{after, still_ahead};

/// The longest wait that is believed: the provider counts its limits over 24 hours at most.
pub const LONGEST_WAIT: Duration = Duration::from_hours(24);
/// Longer than any pause between two tries of a connect attempt or a delivery to the app.
pub const LONGEST_PAUSE: Duration = Duration::from_hours(2);
/// How far apart two replicas' clocks may be before times are repaired and leases ignored. An hour
/// out of sixty days does no harm.
pub const TOLERANCE: Duration = Duration::from_hours(1);
/// The usual lifetime of Instagram's grants.
pub const USUAL_LIFE: Duration = Duration::from_hours(60 * 24);
/// How long a call that worked past the grant's expiry proves the clock wrong.
pub const PROOF_LASTS: Duration = Duration::from_hours(24);

impl Connection {
    /// Until when the provider may not be asked about this connection.
    pub fn waits_until(&self, now: Timestamp) -> Option<Timestamp> {
        still_ahead(self.retry_after?, LONGEST_WAIT, now)
    }

    /// Whether the grant has recently worked past its stored expiry: then a clock is wrong, and the
    /// grant is still alive.
    pub(super) fn has_outlived_expiry(&self, now: Timestamp) -> bool {
        let (Some(grant), Some(evidence)) = (self.grant, self.evidence) else { return false };
        evidence.source.is_an_answer()
            && evidence.at >= grant.expires_at
            && after(evidence.at, PROOF_LASTS) > now
    }

    /// Whether the clock ends the grant: its expiry has passed, was named by the provider, and it
    /// has not worked since.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        let has_passed = self.grant.is_some_and(|grant| grant.expires_at <= now);
        has_passed && !self.expiry_is_assumed && !self.has_outlived_expiry(now)
    }

    /// Whether only the clock ended this connection, so that a corrected clock can restore it.
    pub(crate) fn is_expired_by_clock(&self) -> bool {
        self.grant.is_some()
            && self.standing.reason() == Some(Reason::Expired)
            && self.evidence.is_some_and(|evidence| evidence.source == EvidenceSource::Clock)
    }
}

/// The grant with times that are plausible at `now`: one from the future is taken to arrive now,
/// with its whole lifetime left.
pub fn possible(grant: GrantFacts, now: Timestamp) -> GrantFacts {
    if grant.obtained_at <= after(now, TOLERANCE) {
        return grant;
    }
    let life = grant.expires_at.duration_since(grant.obtained_at);
    let life = if life.is_negative() { Duration::ZERO } else { life.unsigned_abs() };
    GrantFacts { obtained_at: now, expires_at: after(now, life), ..grant }
}
