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
        expiry_is_assumed: false,
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
    let status = derive(Some(connection.clone()), None, Some(&scopes(asked_for)), from_millis(1000));
    (status.state, status.reason, status.action, status.missing_scopes)
}

#[test]
fn the_next_question_is_told_for_when_it_can_be_asked() {
    let at = |seconds: i64| Some(from_millis(seconds * 1000));
    let told = |connection: &Connection, resting_until| {
        let status = derive(Some(connection.clone()), None, Some(&scopes(&[BASIC])), from_millis(1000));
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
    let limited = derive(Some(connection.clone()), None, Some(&scopes(&[BASIC])), from_millis(1000));
    let limited = limited.throttled_until(at(40));
    assert_eq!((limited.next_refresh_at, limited.retry_after), (at(40), at(40)));
    connection.standing = Reason::Checkpoint.into();
    assert_eq!(told(&connection, None), at(30), "it is looked at, too");
    let waiting = Connection { retry_after: at(2000), ..connection.clone() };
    let ended = derive(Some(waiting), None, Some(&scopes(&[BASIC])), from_millis(1_000_000));
    assert_eq!((ended.reason, ended.retry_after), (Some(Reason::Expired), None), "a reconnect need not wait");
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
    let status = derive(Some(refused.clone()), None, Some(&scopes(&[BASIC, MESSAGES])), from_millis(1000));
    assert_eq!(status.scopes, scopes(&[BASIC]), "what may be used is what is left");
    assert_eq!(seen(&refused, &[BASIC]).1, None, "nobody misses what the app does not ask for");
}

#[test]
fn scopes_missing_never_stands_without_their_names() {
    let unnamed = Connection { standing: Reason::ScopesMissing.into(), ..linked(&[BASIC], &[]) };
    assert_eq!(seen(&unnamed, &[BASIC]), (State::Connected, None, Action::None, Vec::new()));
}

/// A receiver keeps the status with the greater version.
#[test]
fn what_the_clock_has_ended_never_has_the_version_of_a_later_change() {
    let asked_for = scopes(&[BASIC]);
    let stored = linked(&[BASIC], &[]);
    let ended = derive(Some(stored.clone()), None, Some(&asked_for), from_millis(1_000_001));
    assert_eq!((ended.state, ended.reason), (State::ReconnectRequired, Some(Reason::Expired)));
    let again = Connection { version: stored.version + 1, ..stored };
    let grant = again.grant.map(|grant| GrantFacts { expires_at: from_millis(9_000_000), ..grant });
    let again = derive(Some(Connection { grant, ..again }), None, Some(&asked_for), from_millis(1_000_002));
    assert!(again.connected && again.version > ended.version, "{} then {}", ended.version, again.version);

    let gone = Connection { standing: Standing::NOT_CONNECTED, grant: None, ..linked(&[], &[]) };
    let before = derive(Some(gone.clone()), Some(open_until(900)), Some(&asked_for), from_millis(1000));
    assert_eq!(before.reason, Some(Reason::AttemptExpired));
    let next = derive(Some(gone), Some(open_until(2000)), Some(&asked_for), from_millis(1001));
    assert!(next.state == State::Connecting && next.version >= before.version);
}

fn open_until(millis: i64) -> OpenAttempt {
    OpenAttempt {
        id: Uuid::nil(),
        created_at: from_millis(500),
        expires_at: from_millis(millis),
        is_newest: true,
        paused_until: None,
    }
}

#[test]
fn an_attempt_that_waits_for_instagram_says_so_and_until_when() {
    let asked_for = scopes(&[BASIC]);
    let waiting = OpenAttempt { paused_until: Some(from_millis(1500)), ..open_until(2000) };
    let at = |connection: Option<Connection>, attempt, now| {
        let status = derive(connection, Some(attempt), Some(&asked_for), from_millis(now));
        (status.state, status.retry_after, status.error.is_some())
    };
    assert_eq!(at(None, open_until(2000), 1000), (State::Connecting, None, false));
    assert_eq!(at(None, waiting, 1000), (State::Connecting, Some(from_millis(1500)), true));
    assert_eq!(at(None, waiting, 1500), (State::Connecting, None, true), "its turn comes");
    let leapt = OpenAttempt { paused_until: Some(from_millis(1_000_000_000)), ..waiting };
    assert_eq!(at(None, leapt, 1000), (State::Connecting, None, true), "a clock was ahead");
    let unconfigured = derive(None, Some(waiting), None, from_millis(1000));
    assert_eq!((unconfigured.retry_after, unconfigured.error.is_some()), (None, true), "it is not tried");
    let gone = OpenAttempt { is_newest: false, ..waiting };
    assert_eq!(at(None, gone, 1000), (State::NotConnected, None, false), "a later one has ended");
    let well = Connection { account: Some(account(None)), ..linked(&[BASIC], &[]) };
    assert_eq!(at(Some(well), waiting, 1000), (State::Connected, None, false), "the account is used");
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
        derive(Some(connection.clone()), Some(*attempt), Some(&asked_for), from_millis(1000))
    };
    let well = Connection { account: Some(account(None)), ..linked(&[BASIC], &[]) };
    let dead = Connection { standing: Reason::Revoked.into(), ..well.clone() };
    let gone = Connection { account: None, standing: Reason::UserDisconnected.into(), ..linked(&[], &[]) };
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
    let first = derive(None, Some(open_until(2000)), Some(&asked_for), from_millis(1000));
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
    for lasting in ["https://x/1.jpg", "https://x/1.jpg?oe=", "https://x/1.jpg?oe=zz", "not an address", ""] {
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

/// What passes without a change of the row is no event when it passes.
#[test]
fn an_event_tells_the_stored_state_whatever_an_attempt_the_clock_or_the_settings_make_of_it() {
    let connection = linked(&[BASIC], &[]);
    let late = from_millis(2_000_000);
    assert_eq!(derive(Some(connection.clone()), None, None, late).state, State::Unavailable);
    assert_eq!(
        derive(Some(connection.clone()), None, Some(&scopes(&[BASIC])), late).state,
        State::ReconnectRequired
    );
    for asked_for in [None, Some(&scopes(&[BASIC])[..])] {
        let told = recorded(Some(connection.clone()), asked_for, late);
        assert_eq!((told.connected, told.state, told.reason), (true, State::Connected, None));
        assert_eq!(recorded(None, asked_for, late).state, State::NotConnected);
    }
}

#[test]
fn an_expiry_that_no_refresh_named_ends_nothing() {
    let named = linked(&[BASIC], &[]);
    let assumed = Connection { expiry_is_assumed: true, ..named.clone() };
    let told = |connection: &Connection| {
        let status = derive(Some(connection.clone()), None, Some(&scopes(&[BASIC])), from_millis(1_000_001));
        (status.connected, status.reason)
    };
    assert_eq!(told(&named), (false, Some(Reason::Expired)));
    assert_eq!(told(&assumed), (true, None));
    let away = Connection { standing: Reason::ProviderUnavailable.into(), ..assumed };
    assert_eq!(told(&away), (true, Some(Reason::ProviderUnavailable)));
}
