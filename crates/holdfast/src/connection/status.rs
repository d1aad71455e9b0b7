//! The public status, derived from stored facts, the open attempt, the configuration and the time.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attempt::pause_end;
use super::{Action, Connection, Evidence, EvidenceSource, Reason, Standing, State};
use crate::provider::Account;

/// A caller's Instagram connection, as far as we know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstagramStatus {
    /// Could the app use this account right now, as far as we know?
    pub connected: bool,
    /// The state.
    pub state: State,
    /// Why, where there is something to say.
    pub reason: Option<Reason>,
    /// The action that would help.
    pub action: Action,
    /// The linked account.
    pub account: Option<Account>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Scopes that the app asks for and lacks.
    pub missing_scopes: Vec<String>,
    /// When the grant expires unless refreshed.
    #[schemars(with = "Option<String>")]
    pub token_expires_at: Option<Timestamp>,
    /// When Instagram is asked next: to refresh the grant, or to see whether a failure has passed
    /// or the person has done what Instagram wants. Never before the end of this replica's own
    /// pause, while Instagram does not answer or the app's budget is used up. In the past when it
    /// is due.
    #[schemars(with = "Option<String>")]
    pub next_refresh_at: Option<Timestamp>,
    /// Since when the state holds.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Do not ask Instagram again before this time: it would not help. An attempt that waits for
    /// Instagram goes on then, by itself.
    #[schemars(with = "Option<String>")]
    pub retry_after: Option<Timestamp>,
    /// The event that the state rests on.
    pub evidence: Option<Evidence>,
    /// The connect attempt that is open.
    pub attempt: Option<AttemptUnderway>,
    /// Grows with every stored change.
    pub version: i64,
    /// One sentence for a person, if `connected` is false and something is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "String")]
    pub error: Option<String>,
}

/// A connect attempt that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttemptUnderway {
    /// Its id, as `connect` answered it.
    #[schemars(with = "String")]
    pub id: Uuid,
    /// When it ends by itself.
    #[schemars(with = "String")]
    pub expires_at: Timestamp,
}

/// The newest attempt that has not been closed. It may have expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its id.
    pub id: Uuid,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// No later attempt has ended.
    pub is_newest: bool,
    /// Until when it waits, because Instagram could not complete it.
    pub paused_until: Option<Timestamp>,
}

/// The sentence for an attempt that Instagram could not complete, whatever kept it.
const WAITS_FOR_INSTAGRAM: &str =
    "Instagram cannot complete the connection yet; it is tried again by itself.";

/// Derives the status. Pure: the same facts at the same time give the same answer on every replica.
/// An expired grant or attempt shows at once, without the worker. `asked_for` are the scopes that
/// the app asks for now; `None`: Instagram is not configured.
pub fn derive(
    connection: Option<Connection>,
    attempt: Option<OpenAttempt>,
    asked_for: Option<&[String]>,
    now: Timestamp,
) -> InstagramStatus {
    let standing = standing_by_the_clock(connection.as_ref(), attempt, now);
    shown(connection, attempt, asked_for, asked_for.is_some(), standing, now)
}

/// The status as events tell it: the stored state, without what an open attempt, the clock or the
/// configuration make of it. These pass without an event, so the app would keep them for good.
pub fn recorded(
    connection: Option<Connection>,
    asked_for: Option<&[String]>,
    now: Timestamp,
) -> InstagramStatus {
    let standing = connection.as_ref().map_or(Standing::NOT_CONNECTED, |each| each.standing);
    shown(connection, None, asked_for, true, (standing, None), now)
}

fn shown(
    mut connection: Option<Connection>,
    attempt: Option<OpenAttempt>,
    asked_for: Option<&[String]>,
    configured: bool,
    (standing, clock_at): (Standing, Option<Timestamp>),
    now: Timestamp,
) -> InstagramStatus {
    let missing_scopes = connection.as_ref().map(|each| missing_scopes(each, asked_for)).unwrap_or_default();
    // Moved, not cloned: nothing else needs the connection.
    let taken = connection.as_mut().map(|each| (each.account.take(), std::mem::take(&mut each.scopes)));
    let (account, mut scopes) = taken.unwrap_or_default();
    scopes.retain(|each| !missing_scopes.contains(each));
    let connection = connection.as_ref();
    let expiry = connection.and_then(|each| each.grant).map(|grant| grant.expires_at);
    let underway = attempt.filter(|each| each.expires_at > now);
    // An open attempt hides neither the state of a linked account nor how a later one has ended.
    let connecting = underway.filter(|each| configured && account.is_none() && each.is_newest);
    let standing = limited(standing, &missing_scopes);
    let connected = configured && standing.state().is_usable();
    let (state, reason) = match (configured, connecting) {
        (false, _) => (State::Unavailable, Some(Reason::NotConfigured)),
        (true, Some(_)) => (State::Connecting, None),
        (true, None) => (standing.state(), standing.reason()),
    };
    let since = match connecting {
        Some(attempt) => Some(attempt.created_at),
        None => clock_at.or(connection
            .filter(|each| each.version > 1 || each.linked_at.is_some())
            // A clock that was ahead may have written a future time.
            .map(|each| each.since.min(now))),
    };
    // Instagram is not asked about a grant that has ended, and a reconnect need not wait.
    let asked_about = connection.filter(|_| configured && standing.state().is_alive());
    InstagramStatus {
        connected,
        state,
        reason,
        action: Action::of(state, reason),
        account: account.map(|account| account.shown_at(now)),
        scopes,
        missing_scopes,
        token_expires_at: expiry,
        // A refresh after the expiry will never happen.
        next_refresh_at: asked_about
            .and_then(|each| Some(each.next_refresh_at?).max(each.waits_until(now)))
            .filter(|at| expiry.is_none_or(|end| *at < end)),
        since,
        retry_after: match connecting {
            Some(attempt) => pause_end(attempt.paused_until, now),
            None => asked_about.and_then(|each| each.waits_until(now)),
        },
        evidence: match clock_at {
            Some(at) => Some(Evidence { source: EvidenceSource::Clock, at }),
            None => connection
                .and_then(|each| each.evidence)
                .map(|evidence| Evidence { at: evidence.at.min(now), ..evidence }),
        },
        attempt: underway.map(|each| AttemptUnderway { id: each.id, expires_at: each.expires_at }),
        // An end by the clock has a version once it is stored: the next one may be a reconnect's.
        version: connection.map_or(0, |each| each.version),
        error: match connecting {
            Some(attempt) => attempt.paused_until.map(|_| WAITS_FOR_INSTAGRAM.to_owned()),
            None if connected => None,
            None => reason.and_then(sentence).map(str::to_owned),
        },
    }
}

/// The standing at this time; and since when, where the clock has ended something after the last
/// stored change.
fn standing_by_the_clock(
    connection: Option<&Connection>,
    attempt: Option<OpenAttempt>,
    now: Timestamp,
) -> (Standing, Option<Timestamp>) {
    let stored = connection.map_or(Standing::NOT_CONNECTED, |each| each.standing);
    let expiry = connection.and_then(|each| each.grant).map(|grant| grant.expires_at);
    let returned = connection.filter(|each| each.is_expired_by_clock() && expiry.is_some_and(|at| at > now));
    let stored = returned.map_or(stored, Connection::healthy_standing);
    let lapsed =
        expiry.filter(|_| stored.state().is_alive() && connection.is_some_and(|each| each.has_expired(now)));
    let abandoned = attempt.filter(|each| each.expires_at <= now && stored.state() == State::NotConnected);
    match (lapsed, abandoned) {
        (Some(at), _) => (Reason::Expired.into(), Some(at)),
        (None, Some(attempt)) => (Reason::AttemptExpired.into(), Some(attempt.expires_at)),
        (None, None) => (stored, None),
    }
}

impl InstagramStatus {
    /// The status while the provider answers nobody and the worker therefore asks nothing before
    /// `until`.
    #[must_use]
    pub fn resting_until(self, until: Option<Timestamp>) -> Self {
        let next = self.next_refresh_at.and_then(|at| Some(at).max(until));
        let end = self.token_expires_at;
        Self { next_refresh_at: next.filter(|at| end.is_none_or(|end| *at < end)), ..self }
    }

    /// The status while the app's rate budget is spent until `until`, as far as this replica knows.
    #[must_use]
    pub fn throttled_until(self, until: Option<Timestamp>) -> Self {
        let waits = until.filter(|_| self.reason == Some(Reason::RateLimited));
        let retry_after = self.retry_after.max(waits);
        Self { retry_after, ..self }.resting_until(until)
    }
}

/// The scopes that the app asks for now and lacks: not granted, or refused in use.
pub fn missing_scopes(connection: &Connection, asked_for: Option<&[String]>) -> Vec<String> {
    let (granted, missing) = (&connection.scopes, &connection.missing_scopes);
    // Where the provider did not say what it granted, nothing is known to be missing.
    let is_known = !granted.is_empty() || !missing.is_empty();
    match asked_for {
        Some(asked_for) if connection.grant.is_some() && is_known => {
            let is_missing = |scope: &&String| !granted.contains(scope) || missing.contains(scope);
            asked_for.iter().filter(is_missing).cloned().collect()
        }
        Some(_) | None => missing.clone(),
    }
}

/// The scopes in `asked_for` that are not in `granted`.
pub fn not_granted(asked_for: &[String], granted: &[String]) -> Vec<String> {
    asked_for.iter().filter(|each| !granted.contains(each)).cloned().collect()
}

/// `standing`, with `scopes_missing` set or cleared according to `missing`. A connection works with
/// the scopes it has, so any worse standing wins.
fn limited(standing: Standing, missing: &[String]) -> Standing {
    match (standing.state(), standing.reason()) {
        (State::Connected, None) if !missing.is_empty() => Reason::ScopesMissing.into(),
        (State::Connected, Some(Reason::ScopesMissing)) if missing.is_empty() => Standing::CONNECTED,
        _ => standing,
    }
}

/// One sentence for a person, for reasons that mean something is wrong.
pub fn sentence(reason: Reason) -> Option<&'static str> {
    Some(match reason {
        Reason::UserDisconnected => return None,
        Reason::Denied => "The connection was declined at Instagram.",
        Reason::AttemptExpired => "The last attempt to connect ran out of time.",
        Reason::AttemptFailed => "The last attempt to connect did not succeed.",
        Reason::AccountMoved => "The Instagram account is connected to another user now.",
        Reason::AccountNotAdmitted => {
            "Instagram does not let this app use this account yet; that is not your doing. Contact support."
        }
        Reason::ScopesMissing => "Instagram is connected, but not every permission was granted.",
        Reason::RefreshFailing => "Renewing the access to Instagram is failing; we keep trying.",
        Reason::RateLimited => "Instagram asks us to wait before we call it again.",
        Reason::ProviderUnavailable => "Instagram does not answer properly at the moment.",
        Reason::ProviderIncident => {
            "Instagram is refusing many connections at once; nobody needs to reconnect yet."
        }
        Reason::AppMisconfigured => {
            "Instagram does not accept this app's configuration; reconnecting will not help."
        }
        Reason::Checkpoint => "Instagram wants a security check: open Instagram and follow its instructions.",
        Reason::Unconfirmed => {
            "Instagram wants the account confirmed: open Instagram and follow its instructions."
        }
        Reason::Restricted => "Instagram restricts this account: open Instagram and see what it asks for.",
        Reason::ConsentBlocked => "Instagram is waiting for its terms to be accepted: open Instagram.",
        Reason::Expired => "The access to Instagram has expired: connect again.",
        Reason::Revoked => "The access was removed at Instagram: connect again.",
        Reason::PasswordChanged => {
            "Instagram ended the access after a password or security change: connect again."
        }
        Reason::Deauthorized => "This app was removed at Instagram: connect again.",
        Reason::TokenInvalid => "Instagram no longer accepts the access that it gave: connect again.",
        Reason::AccountIneligible => "This Instagram account is no longer a professional account.",
        Reason::KeyLost => "The stored access can no longer be opened: connect again.",
        Reason::GrantUnreadable => "The stored access is damaged and cannot be opened: connect again.",
        Reason::NotConfigured => "Connecting Instagram is not set up on this server.",
    })
}
