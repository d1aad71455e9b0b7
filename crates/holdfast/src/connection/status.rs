//! The status as the outside sees it: derived from stored facts, the open attempt, the
//! configuration and the time.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Action, Connection, Evidence, EvidenceSource, Reason, Standing, State};
use crate::provider::Account;

/// What we know about a caller's Instagram connection, as far as we know it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InstagramStatus {
    /// Could the app use this account right now, as far as we know?
    pub connected: bool,
    /// The state.
    pub state: State,
    /// Why, where there is something to say.
    pub reason: Option<Reason>,
    /// What would mend it.
    pub action: Action,
    /// The linked account.
    pub account: Option<Account>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// Scopes that the app asks for and were not granted.
    pub missing_scopes: Vec<String>,
    /// When the grant dies unless refreshed.
    #[schemars(with = "Option<String>")]
    pub token_expires_at: Option<Timestamp>,
    /// When Instagram is asked next: to refresh the grant, or whether a trouble has passed or what
    /// the person had to do is done. Not before this replica would ask at all, where Instagram
    /// answers nobody or the app's budget is spent; in the past where its turn has come.
    #[schemars(with = "Option<String>")]
    pub next_refresh_at: Option<Timestamp>,
    /// Since when the state holds.
    #[schemars(with = "Option<String>")]
    pub since: Option<Timestamp>,
    /// Before this time asking Instagram again would not help.
    #[schemars(with = "Option<String>")]
    pub retry_after: Option<Timestamp>,
    /// What this knowledge rests on.
    pub evidence: Option<Evidence>,
    /// The connect attempt that is open.
    pub attempt: Option<AttemptUnderway>,
    /// Grows with every stored change.
    pub version: i64,
    /// One sentence for a person, where `connected` is false and something is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
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

/// The newest attempt that has not been closed; its time may have run out all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAttempt {
    /// Its id.
    pub id: Uuid,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
}

/// Derives the status. Pure: the same facts at the same time give the same answer, on every
/// replica. What the clock alone decides (a grant or an attempt that has run out) needs no worker
/// to be right. `asked_for` are the scopes that the app asks for by now, `None` where Instagram is
/// not configured.
pub fn derive(
    connection: Option<&Connection>,
    attempt: Option<&OpenAttempt>,
    asked_for: Option<&[String]>,
    now: Timestamp,
) -> InstagramStatus {
    let configured = asked_for.is_some();
    let stored = connection.map_or(Standing::NOT_CONNECTED, |each| each.standing);
    let expiry = connection.and_then(|each| each.grant).map(|grant| grant.expires_at);
    let returned = connection.filter(|each| each.is_expired_by_clock() && expiry.is_some_and(|at| at > now));
    let stored = returned.map_or(stored, Connection::healthy_standing);
    let outlived = connection.is_some_and(|each| each.has_outlived_expiry(now));
    let lapsed = expiry.filter(|at| *at <= now && stored.state().is_alive() && !outlived);
    let abandoned = attempt.filter(|each| each.expires_at <= now && stored.state() == State::NotConnected);
    let underway = attempt.filter(|each| each.expires_at > now);
    // An attempt on a linked account hides nothing of what is known about it.
    let connecting = underway.filter(|_| connection.is_none_or(|each| each.account.is_none()));

    let standing = match (lapsed, abandoned) {
        (Some(_), _) => Standing::from(Reason::Expired),
        (None, Some(_)) => Standing::from(Reason::AttemptExpired),
        (None, None) => stored,
    };
    let missing_scopes = connection.map(|each| missing_scopes(each, asked_for)).unwrap_or_default();
    let standing = limited(standing, &missing_scopes);
    // The clock's word, where it spoke after the last stored change.
    let clock_at = lapsed.or(abandoned.map(|each| each.expires_at));
    let connected = configured && is_usable(standing.state());
    let (state, reason) = match (configured, connecting) {
        (false, _) => (State::Unavailable, Some(Reason::NotConfigured)),
        (true, Some(_)) => (State::Connecting, None),
        (true, None) => (standing.state(), standing.reason()),
    };
    let since = match (state, connecting) {
        (State::Connecting, Some(attempt)) => Some(attempt.created_at),
        _ => clock_at.or(connection
            .filter(|each| each.version > 1 || each.linked_at.is_some())
            // A clock that was ahead may have written a time that has not come yet.
            .map(|each| each.since.min(now))),
    };
    InstagramStatus {
        connected,
        state,
        reason,
        action: action(state, reason),
        account: connection.and_then(|each| each.account.as_ref()).map(|account| account.shown_at(now)),
        scopes: connection.map(|each| lacking(&each.scopes, &missing_scopes)).unwrap_or_default(),
        missing_scopes,
        token_expires_at: expiry,
        // Too late is never: a grant that cannot be refreshed before it ends will not be.
        next_refresh_at: connection
            .filter(|_| configured && standing.state().is_alive())
            .and_then(|each| Some(each.next_refresh_at?).max(each.waits_until(now)))
            .filter(|at| expiry.is_none_or(|end| *at < end)),
        since,
        retry_after: connection.and_then(|each| each.waits_until(now)),
        evidence: match clock_at {
            Some(at) => Some(Evidence { source: EvidenceSource::Clock, at }),
            None => connection
                .and_then(|each| each.evidence)
                .map(|evidence| Evidence { at: evidence.at.min(now), ..evidence }),
        },
        attempt: underway.map(|each| AttemptUnderway { id: each.id, expires_at: each.expires_at }),
        // What the clock has changed will be stored as the next version.
        version: connection.map_or(0, |each| each.version + i64::from(clock_at.is_some())),
        error: if connected { None } else { reason.and_then(sentence).map(str::to_owned) },
    }
}

impl InstagramStatus {
    /// The same where the worker asks about nobody before `until`, whatever is due: the provider
    /// answers nobody.
    #[must_use]
    pub fn resting_until(self, until: Option<Timestamp>) -> Self {
        let next = self.next_refresh_at.and_then(|at| Some(at).max(until));
        let end = self.token_expires_at;
        Self { next_refresh_at: next.filter(|at| end.is_none_or(|end| *at < end)), ..self }
    }

    /// The same where the provider's budget for the whole app is spent until then, as far as this
    /// replica knows.
    #[must_use]
    pub fn throttled_until(self, until: Option<Timestamp>) -> Self {
        let waits = until.filter(|_| self.reason == Some(Reason::RateLimited));
        let retry_after = self.retry_after.max(waits);
        Self { retry_after, ..self }.resting_until(until)
    }
}

/// What the app asks for and may not do: not granted, or refused in use. The app may ask for more
/// than when the account was connected, or for less.
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

/// The scopes asked for that are not among the granted ones.
pub fn lacking(asked_for: &[String], granted: &[String]) -> Vec<String> {
    asked_for.iter().filter(|each| !granted.contains(each)).cloned().collect()
}

/// A connection works with what was granted, so a lack of scopes only shows where nothing worse
/// does; and only by name.
fn limited(standing: Standing, missing: &[String]) -> Standing {
    match (standing.state(), standing.reason()) {
        (State::Connected, None) if !missing.is_empty() => Reason::ScopesMissing.into(),
        (State::Connected, Some(Reason::ScopesMissing)) if missing.is_empty() => Standing::CONNECTED,
        _ => standing,
    }
}

/// Whether the app could use an account in this state, as far as we know.
pub fn is_usable(state: State) -> bool {
    match state {
        State::Connected | State::Degraded => true,
        State::NotConnected
        | State::Connecting
        | State::ActionRequired
        | State::ReconnectRequired
        | State::Unavailable => false,
    }
}

/// The one thing that would help, as the contract's table has it.
pub fn action(state: State, reason: Option<Reason>) -> Action {
    match state {
        State::NotConnected if reason == Some(Reason::AccountNotAdmitted) => Action::ContactSupport,
        State::NotConnected => Action::Connect,
        State::Connected if reason == Some(Reason::ScopesMissing) => Action::Reconnect,
        State::Connecting | State::Connected => Action::None,
        State::Degraded => Action::Wait,
        State::ActionRequired => Action::FixAtInstagram,
        State::ReconnectRequired => Action::Reconnect,
        State::Unavailable => Action::ContactSupport,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;
    use crate::connection::GrantFacts;
    use crate::provider::ProviderId;

    const BASIC: &str = "instagram_business_basic";
    const MESSAGES: &str = "instagram_business_manage_messages";

    fn scopes(names: &[&str]) -> Vec<String> {
        names.iter().map(|&each| each.to_owned()).collect()
    }

    fn linked(granted: &[&str], missing: &[&str]) -> Connection {
        let at = from_millis(0);
        Connection {
            id: Uuid::nil(),
            user_id: "user_1".to_owned(),
            provider: ProviderId::INSTAGRAM,
            standing: if missing.is_empty() { Standing::CONNECTED } else { Reason::ScopesMissing.into() },
            account: None,
            scopes: scopes(granted),
            missing_scopes: scopes(missing),
            grant: Some(GrantFacts { version: 1, obtained_at: at, expires_at: from_millis(1_000_000) }),
            next_refresh_at: None,
            retry_after: None,
            since: at,
            linked_at: Some(at),
            evidence: None,
            suspicion: None,
            failures: 0,
            version: 1,
        }
    }

    /// State, reason, action and what is missing, of an app that asks for `asked_for`.
    fn seen(connection: &Connection, asked_for: &[&str]) -> (State, Option<Reason>, Action, Vec<String>) {
        let status = derive(Some(connection), None, Some(&scopes(asked_for)), from_millis(1000));
        (status.state, status.reason, status.action, status.missing_scopes)
    }

    #[test]
    fn the_next_question_is_told_for_when_it_can_be_asked() {
        let at = |seconds: i64| Some(from_millis(seconds * 1000));
        let told = |connection: &Connection, resting_until| {
            let status = derive(Some(connection), None, Some(&scopes(&[BASIC])), from_millis(1000));
            status.resting_until(resting_until).next_refresh_at
        };
        let mut connection = Connection { next_refresh_at: at(10), ..linked(&[BASIC], &[]) };
        assert_eq!(told(&connection, None), at(10));
        assert_eq!(told(&connection, at(5)), at(10));
        assert_eq!(told(&connection, at(20)), at(20), "nobody is asked before");
        assert_eq!(told(&connection, at(1000)), None, "it has ended by then");
        connection.retry_after = at(30);
        assert_eq!(told(&connection, at(20)), at(30), "this one may not be asked before");
        connection.standing = Reason::RateLimited.into();
        let limited = derive(Some(&connection), None, Some(&scopes(&[BASIC])), from_millis(1000));
        let limited = limited.throttled_until(at(40));
        assert_eq!((limited.next_refresh_at, limited.retry_after), (at(40), at(40)));
        connection.standing = Reason::Checkpoint.into();
        assert_eq!(told(&connection, None), at(30), "it is looked at, too");
        connection.standing = Reason::Revoked.into();
        assert_eq!(told(&connection, None), None);
        assert_eq!(told(&Connection { next_refresh_at: None, ..connection }, at(20)), None);
    }

    #[test]
    fn an_app_that_asks_for_more_sees_what_is_missing() {
        let connection = linked(&[BASIC], &[]);
        assert_eq!(seen(&connection, &[BASIC]), (State::Connected, None, Action::None, Vec::new()));
        let limited = (State::Connected, Some(Reason::ScopesMissing), Action::Reconnect, scopes(&[MESSAGES]));
        assert_eq!(seen(&connection, &[BASIC, MESSAGES]), limited);
    }

    #[test]
    fn an_app_that_asks_for_less_misses_nothing_any_more() {
        let connection = linked(&[BASIC], &[MESSAGES]);
        assert_eq!(seen(&connection, &[BASIC]), (State::Connected, None, Action::None, Vec::new()));
    }

    #[test]
    fn nothing_is_missed_of_scopes_that_nobody_told() {
        let connection = linked(&[], &[]);
        assert_eq!(seen(&connection, &[BASIC]), (State::Connected, None, Action::None, Vec::new()));
        let none_granted = linked(&[], &[BASIC]);
        assert_eq!(seen(&none_granted, &[BASIC]).3, scopes(&[BASIC]));
    }

    #[test]
    fn i10_a_scope_that_was_refused_in_use_is_missing_by_its_name() {
        let refused = linked(&[BASIC, MESSAGES], &[MESSAGES]);
        let limited = (State::Connected, Some(Reason::ScopesMissing), Action::Reconnect, scopes(&[MESSAGES]));
        assert_eq!(seen(&refused, &[BASIC, MESSAGES]), limited);
        let status = derive(Some(&refused), None, Some(&scopes(&[BASIC, MESSAGES])), from_millis(1000));
        assert_eq!(status.scopes, scopes(&[BASIC]), "what may be used is what is left");
        assert_eq!(seen(&refused, &[BASIC]).1, None, "nobody misses what the app does not ask for");
    }

    #[test]
    fn scopes_missing_never_stands_without_their_names() {
        let unnamed = Connection { standing: Reason::ScopesMissing.into(), ..linked(&[BASIC], &[]) };
        assert_eq!(seen(&unnamed, &[BASIC]), (State::Connected, None, Action::None, Vec::new()));
    }

    fn open_until(millis: i64) -> OpenAttempt {
        OpenAttempt { id: Uuid::nil(), created_at: from_millis(500), expires_at: from_millis(millis) }
    }

    fn account(picture: Option<&str>) -> Account {
        Account {
            id: "25982752248032036".to_owned(),
            professional_id: None,
            username: None,
            name: None,
            account_type: None,
            profile_picture_url: picture.map(str::to_owned),
        }
    }

    #[test]
    fn an_open_attempt_stands_beside_the_truth_about_a_linked_account() {
        let asked_for = scopes(&[BASIC]);
        let at = |connection: &Connection, attempt: &OpenAttempt| {
            derive(Some(connection), Some(attempt), Some(&asked_for), from_millis(1000))
        };
        let well = Connection { account: Some(account(None)), ..linked(&[BASIC], &[]) };
        let dead = Connection { standing: Reason::Revoked.into(), ..well.clone() };
        let gone =
            Connection { account: None, standing: Reason::UserDisconnected.into(), ..linked(&[], &[]) };
        let underway = Some(AttemptUnderway { id: Uuid::nil(), expires_at: from_millis(2000) });
        for (connection, state, reason) in [
            (&well, State::Connected, None),
            (&dead, State::ReconnectRequired, Some(Reason::Revoked)),
            (&gone, State::Connecting, None),
        ] {
            let status = at(connection, &open_until(2000));
            assert_eq!((status.state, status.reason, status.attempt), (state, reason, underway));
            assert_eq!(at(connection, &open_until(900)).attempt, None, "it has run out");
        }
        let first = derive(None, Some(&open_until(2000)), Some(&asked_for), from_millis(1000));
        assert_eq!((first.state, first.connected, first.attempt), (State::Connecting, false, underway));
    }

    #[test]
    fn a_picture_is_told_until_its_own_signature_expires() {
        let url = "https://scontent.cdninstagram.com/v/t51/1.jpg?oh=00_A&oe=69000000&x=1";
        let ends = 0x6900_0000_i64 * 1000;
        for (now, told) in [(ends - 1, Some(url)), (ends, None), (ends + 1, None)] {
            let shown = account(Some(url)).shown_at(from_millis(now)).profile_picture_url;
            assert_eq!(shown.as_deref(), told, "{now}");
        }
        for lasting in
            ["https://x/1.jpg", "https://x/1.jpg?oe=", "https://x/1.jpg?oe=zz", "not an address", ""]
        {
            let shown = account(Some(lasting)).shown_at(from_millis(i64::from(i32::MAX) * 1000));
            assert_eq!(shown.profile_picture_url.as_deref(), Some(lasting));
        }
    }

    #[test]
    fn what_is_worse_than_a_lack_of_scopes_shows_instead() {
        let degraded = Connection { standing: Reason::RateLimited.into(), ..linked(&[BASIC], &[]) };
        let (state, reason, _, missing) = seen(&degraded, &[BASIC, MESSAGES]);
        assert_eq!((state, reason), (State::Degraded, Some(Reason::RateLimited)));
        assert_eq!(missing, scopes(&[MESSAGES]));
    }
}
