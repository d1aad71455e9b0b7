//! What a failed call changes: a sign of death is believed or suspected, other trouble degrades.

use std::time::Duration;

use jiff::Timestamp;

use super::set_standing;
use crate::clock::after;
use crate::connection::belief::is_believed;
use crate::connection::clock_repair::LONGEST_WAIT;
use crate::connection::observation::{Call, Confidence};
use crate::connection::reasons::reason_of;
use crate::connection::schedule::LIMITED_PAUSE;
use crate::connection::{Connection, Evidence, EvidenceSource, Reason, State, Suspicion};
use crate::provider::{Failure, Meaning};

/// After this many temporary refresh failures in a row the status says `refresh_failing`.
const FAILURES_BEFORE_DEGRADED: u32 = 3;

/// With less lifetime left than this, the first failed refresh already shows in the status.
const SHORT_OF_TIME: Duration = Duration::from_hours(168);

/// A call with the grant failed.
pub(super) fn fail(
    next: &mut Connection,
    call: Call,
    failure: &Failure,
    confidence: Confidence,
    now: Timestamp,
) {
    match (failure.retry_after, failure.meaning) {
        (Some(wait), _) => next.retry_after = Some(after(now, wait.min(LONGEST_WAIT))),
        // A guess: it shortens no wait that was told, and does not outlast the grant.
        (None, Meaning::RateLimited(_)) => {
            let left = next.grant.map(|facts| facts.expires_at.duration_since(now));
            let left = left.and_then(|left| Duration::try_from(left).ok()).filter(|left| !left.is_zero());
            let pause = left.map_or(LIMITED_PAUSE, |left| LIMITED_PAUSE.min(left / 4));
            next.retry_after = next.waits_until(now).max(Some(after(now, pause)));
        }
        (None, _) => {}
    }
    match call {
        Call::Refresh | Call::Probe => next.failures = next.failures.saturating_add(1),
        // How often somebody asks does not measure the trouble.
        Call::Check | Call::PassThrough => {}
    }
    match failure.meaning {
        Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_)
            if confidence == Confidence::Incident =>
        {
            degrade(next, Reason::ProviderIncident, now);
            next.suspicion = None;
        }
        Meaning::Dead(_) | Meaning::DeadUnexplained | Meaning::UserAction(_) => {
            suspect(next, failure.meaning, call, confidence, now);
        }
        // Every grant may refresh and call `/me`, so a refusal there is the app's fault. A scope
        // refused to a pass-through call is an observation of its own.
        Meaning::Permission => match call {
            Call::Refresh | Call::Check | Call::Probe => degrade(next, Reason::AppMisconfigured, now),
            Call::PassThrough => {}
        },
        Meaning::RateLimited(_) => degrade(next, Reason::RateLimited, now),
        Meaning::Unavailable => match call {
            Call::Refresh => {
                let short = next.grant.is_some_and(|grant| grant.expires_at <= after(now, SHORT_OF_TIME));
                if next.failures >= FAILURES_BEFORE_DEGRADED || short {
                    degrade(next, Reason::RefreshFailing, now);
                }
            }
            // One slow or failing pass-through call says nothing about the connection; `/me` does.
            Call::PassThrough => {}
            Call::Check | Call::Probe => degrade(next, Reason::ProviderUnavailable, now),
        },
        Meaning::App(_) => degrade(next, Reason::AppMisconfigured, now),
        Meaning::Crowded | Meaning::Content | Meaning::CodeRejected => {}
    }
}

fn believe(next: &mut Connection, reason: Reason, source: EvidenceSource, now: Timestamp) {
    if next.standing != reason.into() {
        next.failures = 0;
    }
    set_standing(next, reason.into(), now);
    next.suspicion = None;
    next.retry_after = None;
    next.evidence = Some(Evidence { source, at: now });
}

/// Believes a sign of death, or keeps it as a suspicion and shows that something is wrong.
fn suspect(next: &mut Connection, meaning: Meaning, call: Call, confidence: Confidence, now: Timestamp) {
    let Some(grant) = next.grant else { return };
    if is_believed(next, grant, meaning, call, confidence, now) {
        return believe(next, reason_of(meaning), evidence_source(call), now);
    }
    let first_at = next.first_sign_at(grant, now);
    next.suspicion = Some(Suspicion { grant_version: grant.version, first_at });
    let shown = match call {
        Call::Refresh => Reason::RefreshFailing,
        Call::Check | Call::Probe | Call::PassThrough => Reason::ProviderUnavailable,
    };
    degrade(next, shown, now);
}

fn evidence_source(call: Call) -> EvidenceSource {
    match call {
        Call::Refresh => EvidenceSource::Refresh,
        Call::Check | Call::Probe | Call::PassThrough => EvidenceSource::Use,
    }
}

/// Records temporary trouble. It never hides what the person must do, and keeps the evidence of the
/// last success, which says since when the connection is unconfirmed.
fn degrade(next: &mut Connection, reason: Reason, now: Timestamp) {
    if next.standing.state() != State::ActionRequired {
        set_standing(next, reason.into(), now);
    }
}
