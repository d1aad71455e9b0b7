//! The one function that changes what we know about a connection.
//!
//! [`apply`] is pure and total: every observation on every connection has a defined outcome, and an
//! observation about a grant that is no longer the stored one changes nothing.

mod account;
mod failure;
mod news;
mod profile;

use jiff::Timestamp;

pub use self::account::{is_another_account, same_account};
pub use self::news::{is_event, is_news, same_scopes};
use super::attempt::AttemptOutcome;
use super::observation::{Granted, Observation};
use super::{Connection, Evidence, EvidenceSource, GrantFacts, Reason, Standing, State, Suspicion};
use crate::provider::Account;

/// The connection after `observation`. The caller advances its `version`.
pub fn apply(connection: &Connection, observation: &Observation, now: Timestamp) -> Connection {
    let mut next = connection.clone();
    if observation.grant_version().is_none_or(|version| is_about(connection, version)) {
        change(connection, &mut next, observation, now);
    }
    if !next.standing.state().is_alive() {
        // An ended connection is not asked about any more.
        next.next_refresh_at = None;
        next.suspicion = None;
    }
    next
}

/// Makes each observation's changes. An observation about a grant must be about the stored one.
fn change(connection: &Connection, next: &mut Connection, observation: &Observation, now: Timestamp) {
    match observation {
        Observation::Linked { account, scopes, missing_scopes, grant, linked_at, next_refresh_at } => {
            next.account = Some(account.clone());
            next.scopes.clone_from(scopes);
            next.missing_scopes.clone_from(missing_scopes);
            next.linked_at = Some(*linked_at);
            install_grant(next, *grant, *next_refresh_at);
            next.expiry_is_assumed = false;
            next.since = now;
            mark_working(next, EvidenceSource::Oauth, now);
        }
        Observation::Refreshed { from_version: _, grant, granted, next_refresh_at } => {
            install_grant(next, *grant, *next_refresh_at);
            if let Some(Granted { scopes, missing_scopes }) = granted {
                next.scopes.clone_from(scopes);
                next.missing_scopes.clone_from(missing_scopes);
            }
            mark_working(next, EvidenceSource::Refresh, now);
        }
        Observation::RolledBack { from_version: _, grant, next_refresh_at } => {
            install_grant(next, *grant, *next_refresh_at);
            mark_working(next, EvidenceSource::Use, now);
            // The refresh that brought the dead grant counts as a failure.
            next.failures = 1;
        }
        Observation::TakenBack { fallen_after, next_refresh_at } => {
            take_back(connection, next, *fallen_after, *next_refresh_at, now);
        }
        // The app makes many calls, also at once: one a minute is enough.
        Observation::Worked { account: None, .. } if connection.is_just_proven(now) => {}
        Observation::Worked { grant_version: _, account, next_refresh_at } => {
            if !account.as_ref().is_some_and(|seen| is_another_account(connection, seen)) {
                work(connection, next, account.as_ref(), *next_refresh_at, now);
            }
        }
        Observation::Described { grant_version: _, account } => profile::rename(next, account),
        Observation::ScopesRefused { grant_version: _, scopes, asked_for } => {
            profile::refuse_scopes(next, scopes, asked_for, now);
        }
        Observation::ScopeProven { grant_version: _, scope } => profile::prove_scope(next, scope, now),
        Observation::AccountMoved => {
            if connection.account.is_some() && !is_working(connection, now) {
                clear_link(next, Reason::AccountMoved, now);
                next.evidence = Some(Evidence { source: EvidenceSource::Oauth, at: now });
            }
        }
        Observation::Failed { grant_version: _, call, failure, next_refresh_at, confidence } => {
            // Ignore a late answer about a connection that has ended meanwhile.
            if connection.standing.state().is_alive() {
                next.next_refresh_at = next_refresh_at.or(connection.next_refresh_at);
                failure::fail(next, *call, failure, *confidence, now);
            }
        }
        Observation::Deauthorized { issued_at } => {
            let is_known = connection.standing == Reason::Deauthorized.into();
            if !is_known && !is_about_an_earlier_link(connection, *issued_at, now) {
                drop_grant(next);
                set_standing(next, Reason::Deauthorized.into(), now);
                next.evidence = Some(Evidence { source: EvidenceSource::Callback, at: now });
            }
        }
        Observation::Doubted { grant_version, probe_at } => {
            let doubt = Suspicion { grant_version: *grant_version, first_at: now };
            next.suspicion = connection.suspicion.or(Some(doubt));
            let due = connection.next_refresh_at.map_or(*probe_at, |due| due.min(*probe_at));
            next.next_refresh_at = Some(due);
        }
        Observation::Disconnected => {
            clear_link(next, Reason::UserDisconnected, now);
            next.evidence = None;
        }
        Observation::DataDeleted { issued_at } => {
            let is_linked_since =
                connection.linked_at.is_some_and(|linked| predates(*issued_at, linked, now));
            if !is_linked_since {
                clear_link(next, Reason::UserDisconnected, now);
                next.evidence = Some(Evidence { source: EvidenceSource::Callback, at: now });
            }
        }
        // A failed attempt changes nothing on a linked connection.
        Observation::AttemptEnded(outcome) => {
            if connection.standing.state() == State::NotConnected {
                end_attempt(next, *outcome, now);
            }
        }
        Observation::ExpiryPassed => expire(connection, next, now),
        Observation::TimesRepaired { grant, next_refresh_at } => {
            repair_times(connection, next, *grant, *next_refresh_at, now);
        }
        // A connection that has already ended keeps its reason.
        Observation::GrantUnreadable { grant_version: _ } => {
            if connection.standing.state().is_alive() {
                set_standing(next, Reason::GrantUnreadable.into(), now);
            }
        }
        Observation::GrantReadable { grant_version: _, next_refresh_at } => {
            if connection.standing == Reason::GrantUnreadable.into() {
                set_standing(next, connection.healthy_standing(), now);
                next.next_refresh_at = Some(*next_refresh_at);
            }
        }
    }
}

/// Revokes what an answer after `fallen_after` said against a grant that has not expired.
fn take_back(
    connection: &Connection,
    next: &mut Connection,
    fallen_after: Timestamp,
    next_refresh_at: Timestamp,
    now: Timestamp,
) {
    let by_answer =
        connection.evidence.is_some_and(|each| each.source.is_an_answer() && each.at > fallen_after);
    let is_fallen = matches!(connection.standing.state(), State::ReconnectRequired | State::ActionRequired);
    let has_time = |grant: GrantFacts| grant.expires_at > now || connection.expiry_is_assumed;
    if is_fallen && by_answer && connection.grant.is_some_and(has_time) {
        set_standing(next, Reason::ProviderIncident.into(), now);
        next.next_refresh_at = Some(next_refresh_at);
    }
}

/// A call with the grant worked.
fn work(
    connection: &Connection,
    next: &mut Connection,
    account: Option<&Account>,
    next_refresh_at: Option<Timestamp>,
    now: Timestamp,
) {
    if let Some(seen) = account {
        profile::rename(next, seen);
    }
    next.retry_after = None;
    // A connection that recovered is scheduled again.
    next.next_refresh_at = next_refresh_at.or(connection.next_refresh_at).or(Some(now));
    // A given refresh time means that no refresh was due, so none is failing.
    if connection.fails_to_renew() && next_refresh_at.is_none() {
        // Working today does not prove that it can be refreshed.
        next.evidence = Some(Evidence { source: EvidenceSource::Use, at: now });
    } else {
        mark_working(next, EvidenceSource::Use, now);
    }
}

/// A connect attempt ended, and nothing is linked.
fn end_attempt(next: &mut Connection, outcome: AttemptOutcome, now: Timestamp) {
    let (reason, source) = match outcome {
        AttemptOutcome::Denied => (Reason::Denied, EvidenceSource::Oauth),
        AttemptOutcome::Expired => (Reason::AttemptExpired, EvidenceSource::Clock),
        AttemptOutcome::Failed(reason @ Reason::AccountNotAdmitted) => (reason, EvidenceSource::Oauth),
        AttemptOutcome::DifferentAccount | AttemptOutcome::AccountTaken | AttemptOutcome::Failed(_) => {
            (Reason::AttemptFailed, EvidenceSource::Oauth)
        }
        // The link and its end have observations of their own.
        AttemptOutcome::Connected | AttemptOutcome::Disconnected => return,
    };
    set_standing(next, reason.into(), now);
    next.evidence = Some(Evidence { source, at: now });
}

/// Ends a live connection whose grant has expired.
fn expire(connection: &Connection, next: &mut Connection, now: Timestamp) {
    let is_alive = connection.standing.state().is_alive();
    if let Some(grant) = connection.grant.filter(|_| is_alive && connection.has_expired(now)) {
        set_standing(next, Reason::Expired.into(), now);
        next.since = grant.expires_at;
        next.evidence = Some(Evidence { source: EvidenceSource::Clock, at: grant.expires_at });
    }
}

/// Replaces times written by a clock that was ahead; restores a connection that only they ended.
fn repair_times(
    connection: &Connection,
    next: &mut Connection,
    grant: GrantFacts,
    next_refresh_at: Timestamp,
    now: Timestamp,
) {
    next.grant = Some(grant);
    next.linked_at = connection.linked_at.map(|linked| linked.min(now));
    // The status tells none of the future either way; stored, it has one `ETag`.
    next.since = connection.since.min(now);
    next.evidence = connection.evidence.map(|each| Evidence { at: each.at.min(now), ..each });
    next.retry_after = connection.waits_until(now);
    if connection.is_expired_by_clock() && grant.expires_at > now {
        set_standing(next, connection.healthy_standing(), now);
        next.evidence = Some(Evidence { source: EvidenceSource::Clock, at: now });
    }
    if next.standing.state().is_alive() {
        next.next_refresh_at = Some(next_refresh_at);
    }
}

/// Whether a message issued at this time may be about a link before the present one. A message
/// without a time never counts against the present link.
pub fn is_about_an_earlier_link(
    connection: &Connection,
    issued_at: Option<Timestamp>,
    now: Timestamp,
) -> bool {
    match (connection.linked_at, issued_at) {
        (Some(linked), Some(issued)) => predates(issued, linked, now),
        (None, _) | (Some(_), None) => true,
    }
}

/// Whether a message issued at `issued`, in whole seconds, is older than what began at `began`. A
/// beginning in the future was written by a clock that was ahead, and excuses nothing.
pub fn predates(issued: Timestamp, began: Timestamp, now: Timestamp) -> bool {
    began <= now && issued.as_second() < began.as_second()
}

/// Whether the account can be used as far as we know: not once its grant has expired.
pub fn is_working(connection: &Connection, now: Timestamp) -> bool {
    connection.standing.state().is_usable() && connection.grant.is_some() && !connection.has_expired(now)
}

/// Whether `grant_version` is the present grant; a late answer may be about an earlier one.
fn is_about(connection: &Connection, grant_version: i64) -> bool {
    connection.grant.is_some_and(|grant| grant.version == grant_version)
}

fn install_grant(next: &mut Connection, grant: GrantFacts, next_refresh_at: Timestamp) {
    next.expiry_is_assumed = next.grant.is_some_and(|before| before.expires_at == grant.expires_at);
    next.grant = Some(grant);
    next.next_refresh_at = Some(next_refresh_at);
    next.retry_after = None;
}

fn clear_link(next: &mut Connection, reason: Reason, now: Timestamp) {
    drop_grant(next);
    next.account = None;
    next.linked_at = None;
    next.scopes.clear();
    next.missing_scopes.clear();
    set_standing(next, reason.into(), now);
}

fn drop_grant(next: &mut Connection) {
    next.grant = None;
    next.expiry_is_assumed = false;
    next.next_refresh_at = None;
    next.retry_after = None;
    next.suspicion = None;
    next.failures = 0;
}

/// Clears every suspicion and failure: the grant has just worked.
fn mark_working(next: &mut Connection, source: EvidenceSource, now: Timestamp) {
    set_standing(next, next.healthy_standing(), now);
    next.suspicion = None;
    next.failures = 0;
    next.evidence = Some(Evidence { source, at: now });
}

fn set_standing(next: &mut Connection, standing: Standing, now: Timestamp) {
    if next.standing != standing {
        next.standing = standing;
        next.since = now;
    }
}

#[cfg(test)]
mod tests;
