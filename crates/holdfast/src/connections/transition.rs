//! The one function that changes what we know about a connection.
//!
//! [`apply`] is pure and total: every observation on every connection has a defined outcome, and an
//! observation about a grant that is no longer the stored one changes nothing.

use std::time::Duration;

use jiff::Timestamp;

use super::{Connection, Evidence, EvidenceSource, GrantFacts, Reason, Standing, State, Suspicion};
use crate::clock::after;
use crate::provider::{Account, DeathCause, Failure, Meaning, UserAction};

/// How long after a first, unexplained sign of death a second one counts as its confirmation.
pub const CONFIRMATION_GAP: Duration = Duration::from_secs(60);

/// Temporary refresh failures in a row before the status says `refresh_failing`.
const FAILURES_BEFORE_DEGRADED: u32 = 3;

/// With less life left than this, the first failed refresh already shows.
const SHORT_OF_TIME: Duration = Duration::from_secs(7 * 24 * 3600);

/// Something that we learned.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A connect attempt was completed; the new grant has answered "whose are you" already.
    Linked {
        /// The account it belongs to.
        account: Account,
        /// What was granted.
        scopes: Vec<String>,
        /// What we asked for and was not granted.
        missing_scopes: Vec<String>,
        /// The new grant.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// A refresh answered with a new grant.
    Refreshed {
        /// The grant that was refreshed.
        from_version: i64,
        /// The new one.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// A call with the grant worked.
    Worked {
        /// The grant that was used.
        grant_version: i64,
        /// The account as the provider describes it now, where the call was about that.
        account: Option<Account>,
    },
    /// A call with the grant failed.
    Failed {
        /// The grant that was used.
        grant_version: i64,
        /// What kind of call it was.
        call: Call,
        /// What came back.
        failure: Failure,
        /// When the worker will try again, where it will.
        next_refresh_at: Option<Timestamp>,
        /// Many connections are failing alike at this moment: believe nothing about this one.
        incident: bool,
    },
    /// The provider told us, signed, that the person removed the app.
    Deauthorized {
        /// When the provider issued the message.
        issued_at: Option<Timestamp>,
    },
    /// The person disconnected.
    Disconnected,
    /// A connect attempt ended without a link.
    AttemptEnded(AttemptEnd),
    /// The stored expiry has passed.
    ExpiryPassed,
    /// The grant cannot be opened: its encryption key is not in the key ring.
    KeyLost {
        /// The grant that could not be opened.
        grant_version: i64,
    },
}

/// The kind of call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Refreshing the grant.
    Refresh,
    /// Asking whose grant it is.
    Identify,
    /// A call that the app made.
    Use,
}

/// How a connect attempt ended without a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The person declined.
    Denied,
    /// Its time ran out.
    Expired,
    /// It failed.
    Failed,
}

/// The connection as it is after `observation`. Its `version` is left for the store to advance.
pub fn apply(connection: &Connection, observation: &Observation, now: Timestamp) -> Connection {
    let mut next = connection.clone();
    match observation {
        Observation::Linked { account, scopes, missing_scopes, grant, next_refresh_at } => {
            next.account = Some(account.clone());
            next.scopes.clone_from(scopes);
            next.missing_scopes.clone_from(missing_scopes);
            next.linked_at = Some(now);
            hold(&mut next, *grant, *next_refresh_at);
            next.since = now;
            prove(&mut next, EvidenceSource::Oauth, now);
        }
        Observation::Refreshed { from_version, grant, next_refresh_at } => {
            if is_about(connection, *from_version) {
                hold(&mut next, *grant, *next_refresh_at);
                prove(&mut next, EvidenceSource::Refresh, now);
            }
        }
        Observation::Worked { grant_version, account } => {
            if is_about(connection, *grant_version) {
                if let Some(account) = account.as_ref().filter(|new| same_account(connection, new)) {
                    next.account = Some(account.clone());
                }
                next.retry_after = None;
                prove(&mut next, EvidenceSource::Use, now);
            }
        }
        Observation::Failed { grant_version, call, failure, next_refresh_at, incident } => {
            if is_about(connection, *grant_version) {
                if let Some(at) = next_refresh_at {
                    next.next_refresh_at = Some(*at);
                }
                fail(&mut next, *call, failure, *incident, now);
            }
        }
        Observation::Deauthorized { issued_at } => {
            // A message from before the present link is about an earlier one. Its time has whole seconds only.
            let stale = match (connection.linked_at, issued_at) {
                (Some(linked), Some(issued)) => issued.as_second() < linked.as_second(),
                (None, _) => true,
                (Some(_), None) => false,
            };
            if !stale {
                drop_grant(&mut next);
                stand(&mut next, Reason::Deauthorized.into(), now);
                next.evidence = Some(Evidence { source: EvidenceSource::Callback, at: now });
            }
        }
        Observation::Disconnected => {
            drop_grant(&mut next);
            next.account = None;
            next.linked_at = None;
            next.scopes.clear();
            next.missing_scopes.clear();
            next.evidence = None;
            stand(&mut next, Reason::UserDisconnected.into(), now);
        }
        Observation::AttemptEnded(end) => {
            // What a failed attempt says is news only where nothing is linked.
            if connection.standing.state() == State::NotConnected {
                let reason = match end {
                    AttemptEnd::Denied => Reason::Denied,
                    AttemptEnd::Expired => Reason::AttemptExpired,
                    AttemptEnd::Failed => Reason::AttemptFailed,
                };
                stand(&mut next, reason.into(), now);
                let source = match end {
                    AttemptEnd::Denied | AttemptEnd::Failed => EvidenceSource::Oauth,
                    AttemptEnd::Expired => EvidenceSource::Clock,
                };
                next.evidence = Some(Evidence { source, at: now });
            }
        }
        Observation::ExpiryPassed => {
            if let Some(grant) =
                connection.grant.filter(|grant| is_alive(connection) && grant.expires_at <= now)
            {
                stand(&mut next, Reason::Expired.into(), now);
                next.since = grant.expires_at;
                next.next_refresh_at = None;
                next.suspicion = None;
                next.evidence = Some(Evidence { source: EvidenceSource::Clock, at: grant.expires_at });
            }
        }
        Observation::KeyLost { grant_version } => {
            if is_about(connection, *grant_version) {
                stand(&mut next, Reason::KeyLost.into(), now);
                next.next_refresh_at = None;
                next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
            }
        }
    }
    next
}

/// Whether anything changed that has to be stored.
pub fn is_change(before: &Connection, after: &Connection) -> bool {
    before != after
}

/// Whether the change belongs in the history: another state or another reason.
pub fn is_news(before: &Connection, after: &Connection) -> bool {
    before.standing != after.standing || before.linked_at != after.linked_at
}

/// A late answer about an earlier grant must not touch the present one.
fn is_about(connection: &Connection, grant_version: i64) -> bool {
    connection.grant.is_some_and(|grant| grant.version == grant_version)
}

/// Whether the connection has a grant that, as far as we know, still lives.
fn is_alive(connection: &Connection) -> bool {
    matches!(connection.standing.state(), State::Connected | State::Degraded | State::ActionRequired)
}

/// Whether `account` is the linked one. Either id may be missing from an answer, so one match is enough.
pub fn same_account(connection: &Connection, account: &Account) -> bool {
    connection.account.as_ref().is_some_and(|linked| {
        linked.id == account.id
            || (linked.professional_id.is_some() && linked.professional_id == account.professional_id)
    })
}

fn hold(next: &mut Connection, grant: GrantFacts, next_refresh_at: Timestamp) {
    next.grant = Some(grant);
    next.next_refresh_at = Some(next_refresh_at);
    next.retry_after = None;
}

fn drop_grant(next: &mut Connection) {
    next.grant = None;
    next.next_refresh_at = None;
    next.retry_after = None;
    next.suspicion = None;
    next.failures = 0;
}

/// The grant has just worked: whatever was said against it is settled.
fn prove(next: &mut Connection, source: EvidenceSource, now: Timestamp) {
    let reason = (!next.missing_scopes.is_empty()).then_some(Reason::ScopesMissing);
    stand(next, reason.map_or(Standing::CONNECTED, Standing::from), now);
    next.suspicion = None;
    next.failures = 0;
    next.evidence = Some(Evidence { source, at: now });
}

fn stand(next: &mut Connection, standing: Standing, now: Timestamp) {
    if next.standing != standing {
        next.standing = standing;
        next.since = now;
    }
}

fn fail(next: &mut Connection, call: Call, failure: &Failure, incident: bool, now: Timestamp) {
    if !is_alive(next) {
        return;
    }
    if let Some(wait) = failure.retry_after {
        next.retry_after = Some(after(now, wait));
    }
    if call == Call::Refresh {
        next.failures = next.failures.saturating_add(1);
    }
    let source = match call {
        Call::Refresh => EvidenceSource::Refresh,
        Call::Identify | Call::Use => EvidenceSource::Use,
    };
    match failure.meaning {
        Meaning::Dead(_) | Meaning::DeadUnexplained if incident => {
            degrade(next, Reason::ProviderIncident, now)
        }
        Meaning::Dead(cause) => die(next, death_reason(cause), source, now),
        Meaning::DeadUnexplained => suspect(next, source, now),
        Meaning::UserAction(action) => {
            stand(next, action_reason(action).into(), now);
            next.evidence = Some(Evidence { source, at: now });
        }
        // Only a call that every grant must be able to make says something about the connection as a whole.
        Meaning::Permission => match call {
            Call::Refresh | Call::Identify => {
                stand(next, Reason::ScopesMissing.into(), now);
                next.evidence = Some(Evidence { source, at: now });
            }
            Call::Use => {}
        },
        Meaning::RateLimited(_) => degrade(next, Reason::RateLimited, now),
        Meaning::Unavailable => match call {
            Call::Refresh => {
                let short = next.grant.is_some_and(|grant| grant.expires_at <= after(now, SHORT_OF_TIME));
                if next.failures >= FAILURES_BEFORE_DEGRADED || short {
                    degrade(next, Reason::RefreshFailing, now);
                }
            }
            Call::Identify | Call::Use => degrade(next, Reason::ProviderUnavailable, now),
        },
        Meaning::App(_) => degrade(next, Reason::AppMisconfigured, now),
        Meaning::Content | Meaning::CodeRejected => {}
    }
}

fn die(next: &mut Connection, reason: Reason, source: EvidenceSource, now: Timestamp) {
    stand(next, reason.into(), now);
    next.suspicion = None;
    next.next_refresh_at = None;
    next.retry_after = None;
    next.evidence = Some(Evidence { source, at: now });
}

/// One unexplained "no" is not believed; a second one about the same grant, some time later, is.
fn suspect(next: &mut Connection, source: EvidenceSource, now: Timestamp) {
    let Some(grant) = next.grant else { return };
    match next.suspicion.filter(|each| each.grant_version == grant.version) {
        Some(first) if now >= after(first.first_at, CONFIRMATION_GAP) => {
            die(next, Reason::TokenInvalid, source, now)
        }
        Some(_) => {}
        None => next.suspicion = Some(Suspicion { grant_version: grant.version, first_at: now }),
    }
}

/// Trouble that passes never hides what the person must do, and leaves the proof of the last success standing:
/// the evidence says since when the connection has not been confirmed.
fn degrade(next: &mut Connection, reason: Reason, now: Timestamp) {
    if next.standing.state() != State::ActionRequired {
        stand(next, reason.into(), now);
    }
}

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

/// The reason that a failure gives, for a call that has no connection to record it on.
pub fn reason_of(meaning: Meaning) -> Reason {
    match meaning {
        Meaning::Dead(cause) => death_reason(cause),
        Meaning::DeadUnexplained => Reason::TokenInvalid,
        Meaning::UserAction(action) => action_reason(action),
        Meaning::Permission => Reason::ScopesMissing,
        Meaning::RateLimited(_) => Reason::RateLimited,
        Meaning::Unavailable => Reason::ProviderUnavailable,
        Meaning::App(_) => Reason::AppMisconfigured,
        Meaning::Content | Meaning::CodeRejected => Reason::AttemptFailed,
    }
}
