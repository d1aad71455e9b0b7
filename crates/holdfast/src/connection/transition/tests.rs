use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::clock::{after, from_millis};
use crate::connection::belief::confirmation_delay;
use crate::connection::observation::{Call, Confidence};
use crate::provider::{AppFault, DeathCause, Failure, LimitScope, Meaning, ProviderId, UserAction};

const DAY: i64 = 86_400_000;

fn at(days: i64) -> Timestamp {
    from_millis(1_800_000_000_000 + days * DAY)
}

fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        professional_id: Some(format!("1784{id}")),
        username: Some("ada.makes".to_owned()),
        name: None,
        account_type: Some("business".to_owned()),
        profile_picture_url: None,
    }
}

fn facts(version: i64, from: i64) -> GrantFacts {
    GrantFacts { version, obtained_at: at(from), expires_at: at(from + 60) }
}

fn never_connected() -> Connection {
    Connection::not_connected(Uuid::nil(), "user_ada".to_owned(), ProviderId::INSTAGRAM, at(0))
}

fn linked_with(missing: &[&str]) -> Connection {
    let observation = Observation::Linked {
        account: account("25982752248032036"),
        scopes: vec!["instagram_business_basic".to_owned()],
        missing_scopes: missing.iter().map(|&each| each.to_owned()).collect(),
        grant: facts(1, 0),
        linked_at: at(0),
        next_refresh_at: at(30),
    };
    apply(&never_connected(), &observation, at(0))
}

fn connected() -> Connection {
    linked_with(&[])
}

fn refreshed(grant: GrantFacts, next_refresh_at: Timestamp) -> Observation {
    Observation::Refreshed { from_version: 1, grant, granted: None, next_refresh_at }
}

fn failure(meaning: Meaning) -> Failure {
    Failure { http_status: Some(400), ..Failure::new(meaning, "") }
}

fn failed(grant_version: i64, call: Call, meaning: Meaning) -> Observation {
    Observation::Failed {
        grant_version,
        call,
        failure: failure(meaning),
        next_refresh_at: None,
        confidence: Confidence::Unknown,
    }
}

fn standing_after(before: &Connection, observation: &Observation, now: Timestamp) -> Standing {
    apply(before, observation, now).standing
}

const EVERY_MEANING: [Meaning; 23] = [
    Meaning::Dead(DeathCause::Expired),
    Meaning::Dead(DeathCause::Revoked),
    Meaning::Dead(DeathCause::PasswordChanged),
    Meaning::Dead(DeathCause::Invalid),
    Meaning::Dead(DeathCause::AccountIneligible),
    Meaning::DeadUnexplained,
    Meaning::UserAction(UserAction::Checkpoint),
    Meaning::UserAction(UserAction::Unconfirmed),
    Meaning::UserAction(UserAction::Restricted),
    Meaning::UserAction(UserAction::ConsentBlocked),
    Meaning::Permission,
    Meaning::RateLimited(LimitScope::App),
    Meaning::RateLimited(LimitScope::Account),
    Meaning::Unavailable,
    Meaning::App(AppFault::Credentials),
    Meaning::App(AppFault::RedirectUri),
    Meaning::App(AppFault::Scope),
    Meaning::App(AppFault::NotAdmitted),
    Meaning::App(AppFault::Unsupported),
    Meaning::App(AppFault::Deactivated),
    Meaning::App(AppFault::Request),
    Meaning::Content,
    Meaning::CodeRejected,
];

#[test]
fn each_meaning_of_a_failed_identify_gives_its_state() {
    use Meaning as M;
    for (meaning, expected) in [
        (M::Dead(DeathCause::Expired), Some(Reason::Expired)),
        (M::Dead(DeathCause::Revoked), Some(Reason::Revoked)),
        (M::Dead(DeathCause::PasswordChanged), Some(Reason::PasswordChanged)),
        (M::Dead(DeathCause::Invalid), Some(Reason::TokenInvalid)),
        (M::Dead(DeathCause::AccountIneligible), Some(Reason::AccountIneligible)),
        (M::DeadUnexplained, Some(Reason::ProviderUnavailable)),
        (M::UserAction(UserAction::Checkpoint), Some(Reason::Checkpoint)),
        (M::UserAction(UserAction::Unconfirmed), Some(Reason::Unconfirmed)),
        (M::UserAction(UserAction::Restricted), Some(Reason::Restricted)),
        (M::UserAction(UserAction::ConsentBlocked), Some(Reason::ConsentBlocked)),
        (M::Permission, Some(Reason::AppMisconfigured)),
        (M::RateLimited(LimitScope::App), Some(Reason::RateLimited)),
        (M::RateLimited(LimitScope::Account), Some(Reason::RateLimited)),
        (M::Unavailable, Some(Reason::ProviderUnavailable)),
        (M::App(AppFault::Credentials), Some(Reason::AppMisconfigured)),
        (M::App(AppFault::Deactivated), Some(Reason::AppMisconfigured)),
        (M::Content, None),
        (M::CodeRejected, None),
    ] {
        let now = standing_after(&connected(), &failed(1, Call::Check, meaning), at(1));
        assert_eq!(now.reason(), expected, "{meaning:?}");
    }
}

#[test]
fn a_late_answer_about_an_earlier_grant_changes_nothing() {
    let refreshed = refreshed(facts(2, 30), at(60));
    let now = apply(&connected(), &refreshed, at(30));
    for meaning in EVERY_MEANING {
        for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
            assert_eq!(apply(&now, &failed(1, call, meaning), at(31)), now, "{meaning:?}");
        }
    }
    let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
    assert_eq!(apply(&now, &worked, at(31)), now);
    assert_eq!(apply(&now, &refreshed, at(32)), now);
}

/// Long enough for any sign to be believed.
fn in_time(since: Timestamp) -> Timestamp {
    after(since, confirmation_delay(Meaning::DeadUnexplained, Call::Refresh, Confidence::Unknown))
}

#[test]
fn an_unexplained_death_needs_a_second_sign_some_time_later() {
    for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
        let sign = failed(1, call, Meaning::DeadUnexplained);
        let once = apply(&connected(), &sign, at(1));
        assert_eq!(once.standing.state(), State::Degraded);
        let at_once = apply(&once, &sign, at(1));
        assert_eq!(at_once.standing, once.standing);
        let later = apply(&at_once, &sign, in_time(at(1)));
        assert_eq!(later.standing, Reason::TokenInvalid.into());
    }
}

#[test]
fn a_success_between_two_signs_clears_the_suspicion() {
    let sign = failed(1, Call::Check, Meaning::DeadUnexplained);
    let once = apply(&connected(), &sign, at(1));
    let worked =
        apply(&once, &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None }, at(2));
    assert_eq!(worked.standing, Standing::CONNECTED);
    let again = apply(&worked, &sign, in_time(at(2)));
    assert_eq!(again.standing, Reason::ProviderUnavailable.into());
}

#[test]
fn nothing_is_scheduled_for_whoever_has_ended_whatever_answers_arrive_late() {
    let end = failed(1, Call::PassThrough, Meaning::Dead(DeathCause::Revoked));
    let dead = apply(&connected(), &end, at(5));
    assert_eq!((dead.standing, dead.next_refresh_at), (Reason::Revoked.into(), None));
    for meaning in EVERY_MEANING {
        for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
            let mut late = failed(1, call, meaning);
            if let Observation::Failed { next_refresh_at, .. } = &mut late {
                *next_refresh_at = Some(at(6));
            }
            assert_eq!(apply(&dead, &late, at(5)), dead, "{meaning:?}");
        }
    }
}

#[test]
fn a_failing_renewal_shows_although_other_calls_work() {
    let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
    let mut now = connected();
    for _ in 0..3 {
        now = apply(&now, &failed(1, Call::Refresh, Meaning::Unavailable), at(30));
        now = apply(&now, &worked, at(30));
    }
    assert_eq!((now.standing, now.failures), (Reason::RefreshFailing.into(), 3));
    assert_eq!(now.evidence, Some(Evidence { source: EvidenceSource::Use, at: at(30) }));
    let refreshed = refreshed(facts(2, 31), at(61));
    let renewed = apply(&now, &refreshed, at(31));
    assert_eq!((renewed.standing, renewed.failures), (Standing::CONNECTED, 0));
}

#[test]
fn what_the_person_must_do_settles_a_suspicion() {
    let doubted = apply(&connected(), &failed(1, Call::PassThrough, Meaning::DeadUnexplained), at(1));
    assert!(doubted.suspicion.is_some());
    let stopped = failed(1, Call::Check, Meaning::UserAction(UserAction::Checkpoint));
    assert_eq!(apply(&doubted, &stopped, at(1)).suspicion, None);
}

#[test]
fn during_an_incident_nobody_is_told_to_reconnect() {
    for meaning in [Meaning::Dead(DeathCause::PasswordChanged), Meaning::DeadUnexplained] {
        let observation = Observation::Failed {
            grant_version: 1,
            call: Call::Refresh,
            failure: failure(meaning),
            next_refresh_at: None,
            confidence: Confidence::Incident,
        };
        let now = apply(&connected(), &observation, at(1));
        assert_eq!(now.standing, Reason::ProviderIncident.into());
        let worked = apply(
            &now,
            &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None },
            at(2),
        );
        assert_eq!(worked.standing, Standing::CONNECTED);
    }
}

#[test]
fn passing_refresh_failures_show_only_after_some_of_them() {
    let blip = failed(1, Call::Refresh, Meaning::Unavailable);
    let one = apply(&connected(), &blip, at(30));
    let two = apply(&one, &blip, at(30));
    assert_eq!(two.standing, Standing::CONNECTED);
    let three = apply(&two, &blip, at(30));
    assert_eq!(three.standing, Reason::RefreshFailing.into());
    let short_of_time = apply(&connected(), &blip, at(54));
    assert_eq!(short_of_time.standing, Reason::RefreshFailing.into());
}

#[test]
fn trouble_that_passes_does_not_hide_what_the_person_must_do() {
    let checkpoint = failed(1, Call::Check, Meaning::UserAction(UserAction::Checkpoint));
    let waiting = apply(&connected(), &checkpoint, at(1));
    let down = apply(&waiting, &failed(1, Call::Check, Meaning::Unavailable), at(2));
    assert_eq!(down.standing, Reason::Checkpoint.into());
}

#[test]
fn a_deauthorization_from_before_the_link_is_ignored() {
    let stale = Observation::Deauthorized { issued_at: Some(at(-1)) };
    assert_eq!(apply(&connected(), &stale, at(1)), connected());
    let same_second = Observation::Deauthorized { issued_at: Some(at(0)) };
    let gone = apply(&connected(), &same_second, at(1));
    assert_eq!(gone.standing, Reason::Deauthorized.into());
    assert_eq!(gone.grant, None);
    assert!(gone.account.is_some(), "the person shall see which account to reconnect");
    let undated = Observation::Deauthorized { issued_at: None };
    assert_eq!(apply(&connected(), &undated, at(1)), connected(), "it proves nothing about this link");
    assert_eq!(apply(&never_connected(), &undated, at(1)), never_connected());
}

#[test]
fn the_clock_ends_what_lives_and_nothing_else() {
    assert_eq!(apply(&connected(), &Observation::ExpiryPassed, at(59)), connected());
    let expired = apply(&connected(), &Observation::ExpiryPassed, at(61));
    assert_eq!(expired.standing, Reason::Expired.into());
    assert_eq!(expired.since, at(60));
    let revoked =
        apply(&connected(), &failed(1, Call::PassThrough, Meaning::Dead(DeathCause::Revoked)), at(5));
    assert_eq!(apply(&revoked, &Observation::ExpiryPassed, at(61)), revoked);
}

#[test]
fn a_partial_grant_stays_partial_through_refreshes() {
    let partial = linked_with(&["instagram_business_manage_insights"]);
    assert_eq!(partial.standing, Reason::ScopesMissing.into());
    let refreshed = refreshed(facts(2, 30), at(60));
    assert_eq!(standing_after(&partial, &refreshed, at(30)), Reason::ScopesMissing.into());
}

#[test]
fn a_repeated_deauthorization_changes_nothing() {
    let told = Observation::Deauthorized { issued_at: Some(at(1)) };
    let once = apply(&connected(), &told, at(1));
    assert_eq!(once.standing, Reason::Deauthorized.into());
    assert_eq!(apply(&once, &told, at(2)), once);
}

#[test]
fn a_deletion_that_the_provider_asks_for_has_its_word_as_evidence() {
    let linked_at = connected().linked_at.unwrap();
    let deleted = |issued_at| apply(&connected(), &Observation::DataDeleted { issued_at }, at(1));
    let earlier = linked_at.checked_sub(std::time::Duration::from_secs(1)).unwrap();
    assert_eq!(deleted(earlier), connected(), "linked since, whoever read what and when");
    let now = deleted(linked_at);
    assert_eq!(now.standing, Reason::UserDisconnected.into());
    assert_eq!(now.evidence, Some(Evidence { source: EvidenceSource::Callback, at: at(1) }));
    assert_eq!((now.account, now.grant), (None, None));
}

/// As a clock left it that was three days ahead.
fn linked_in_the_future() -> Connection {
    let evidence = Some(Evidence { source: EvidenceSource::Oauth, at: at(4) });
    Connection { linked_at: Some(at(4)), since: at(4), grant: Some(facts(1, 4)), evidence, ..connected() }
}

#[test]
fn a_link_time_in_the_future_excuses_no_message() {
    let deleted = Observation::DataDeleted { issued_at: at(1) };
    assert_eq!(apply(&linked_in_the_future(), &deleted, at(1)).account, None);
    let gone = Observation::Deauthorized { issued_at: Some(at(1)) };
    assert_eq!(standing_after(&linked_in_the_future(), &gone, at(1)), Reason::Deauthorized.into());
}

#[test]
fn a_repaired_link_time_is_the_same_link() {
    let repaired = Observation::TimesRepaired { grant: facts(1, 1), next_refresh_at: at(31) };
    let after = apply(&linked_in_the_future(), &repaired, at(1));
    assert_eq!((after.linked_at, after.since), (Some(at(1)), at(1)));
    assert_eq!(after.evidence.map(|evidence| evidence.at), Some(at(1)), "one status, one ETag");
    assert!(!is_news(&linked_in_the_future(), &after));
    let later = Observation::Deauthorized { issued_at: Some(at(2)) };
    assert_eq!(standing_after(&after, &later, at(2)), Reason::Deauthorized.into());
}

#[test]
fn a_failed_attempt_is_news_only_where_nothing_is_linked() {
    let denied = Observation::AttemptEnded(AttemptOutcome::Denied);
    assert_eq!(standing_after(&never_connected(), &denied, at(1)), Reason::Denied.into());
    assert_eq!(apply(&connected(), &denied, at(1)), connected());
}

#[test]
fn another_account_never_replaces_the_linked_one_by_a_mere_answer() {
    let other = Observation::Worked { grant_version: 1, account: Some(account("7")), next_refresh_at: None };
    assert_eq!(apply(&connected(), &other, at(1)), connected(), "nor does it prove anything about that one");
}

#[test]
fn a_dead_grant_that_works_again_is_alive_again() {
    let dead = apply(&connected(), &failed(1, Call::PassThrough, Meaning::Dead(DeathCause::Invalid)), at(5));
    let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
    assert_eq!(standing_after(&dead, &worked, at(6)), Standing::CONNECTED);
}

#[test]
fn a_provider_wait_is_kept_and_ends_with_a_success() {
    let mut limited = failure(Meaning::RateLimited(LimitScope::Account));
    limited.retry_after = Some(Duration::from_mins(19));
    let observation = Observation::Failed {
        grant_version: 1,
        call: Call::Check,
        failure: limited,
        next_refresh_at: None,
        confidence: Confidence::Unknown,
    };
    let waiting = apply(&connected(), &observation, at(1));
    assert_eq!(waiting.retry_after, Some(after(at(1), Duration::from_mins(19))));
    let worked = apply(
        &waiting,
        &Observation::Worked { grant_version: 1, account: None, next_refresh_at: None },
        at(2),
    );
    assert_eq!(worked.retry_after, None);
}

#[test]
fn a_grant_that_cannot_be_opened_ends_what_lives_and_nothing_else() {
    let unreadable = Observation::GrantUnreadable { grant_version: 1 };
    let damaged = apply(&connected(), &unreadable, at(1));
    assert_eq!(damaged.standing, Reason::GrantUnreadable.into());
    assert_eq!(
        (damaged.grant, damaged.next_refresh_at),
        (connected().grant, None),
        "its bytes may come back"
    );
    let readable = Observation::GrantReadable { grant_version: 1, next_refresh_at: at(9) };
    let back = apply(&damaged, &readable, at(2));
    assert_eq!((back.standing, back.next_refresh_at), (Standing::CONNECTED, Some(at(9))));
    let gone = apply(&connected(), &Observation::Deauthorized { issued_at: Some(at(0)) }, at(1));
    assert_eq!(apply(&gone, &unreadable, at(2)), gone);
    assert_eq!(apply(&gone, &readable, at(2)), gone);
    let another = Observation::GrantUnreadable { grant_version: 7 };
    assert_eq!(apply(&connected(), &another, at(1)), connected());
}

#[test]
fn other_permissions_are_news_and_another_description_is_an_event() {
    let refused = |scope: &str| Observation::ScopesRefused {
        grant_version: 1,
        scopes: vec![scope.to_owned()],
        asked_for: vec!["basic".to_owned(), "publish".to_owned(), "messages".to_owned()],
    };
    let granted = ["basic", "publish", "messages"].map(str::to_owned).to_vec();
    let all = Connection { scopes: granted, ..connected() };
    let one = apply(&all, &refused("publish"), at(1));
    let two = apply(&one, &refused("messages"), at(2));
    assert_eq!(one.standing, two.standing, "the standing alone does not tell");
    assert!(is_news(&one, &two) && is_news(&two, &one));

    let described = |change: &dyn Fn(&mut Account)| {
        let mut account = connected().account.expect("linked");
        change(&mut account);
        apply(&connected(), &Observation::Described { grant_version: 1, account }, at(1))
    };
    let renamed = described(&|account| account.username = Some("another.handle".to_owned()));
    assert!(is_event(&connected(), &renamed) && !is_news(&connected(), &renamed));
    let pictured =
        described(&|account| account.profile_picture_url = Some("https://cdn.example/2".to_owned()));
    assert!(connected() != pictured && !is_event(&connected(), &pictured));
    let mut reordered = two.clone();
    reordered.scopes.reverse();
    reordered.missing_scopes.reverse();
    assert!(!is_event(&two, &reordered));
}

#[test]
fn what_an_answer_lacks_is_no_news() {
    let full = Account {
        professional_id: Some("17841479677897649".to_owned()),
        name: Some("Ada".to_owned()),
        account_type: Some("business".to_owned()),
        profile_picture_url: Some("https://cdn.example/ada.jpg".to_owned()),
        ..account("25982752248032036")
    };
    let connection = Connection { account: Some(full.clone()), ..connected() };
    let described = |seen: Account| {
        let observation = Observation::Described { grant_version: 1, account: seen };
        apply(&connection, &observation, at(1)).account.unwrap()
    };
    let bare = Account { username: None, ..account("25982752248032036") };
    assert_eq!(described(bare.clone()), full);
    let renamed = Account { username: Some("ada.new".to_owned()), ..bare };
    assert_eq!(described(renamed), Account { username: Some("ada.new".to_owned()), ..full.clone() });
}

#[test]
fn an_account_is_known_by_either_id_in_either_place() {
    const SCOPED: &str = "25982752248032036";
    const PROFESSIONAL: &str = "17841479677897649";
    let named = |id: &str, professional: Option<&str>| Account {
        professional_id: professional.map(str::to_owned),
        ..account(id)
    };
    let of = |linked: Account| Connection { account: Some(linked), ..connected() };
    let whole = of(named(SCOPED, Some(PROFESSIONAL)));
    let rows = [
        (named(SCOPED, Some(PROFESSIONAL)), true, false),
        (named(SCOPED, None), true, false),
        (named(PROFESSIONAL, None), true, false),
        (named(PROFESSIONAL, Some(PROFESSIONAL)), true, false),
        (named(PROFESSIONAL, Some(SCOPED)), true, false),
        (named(SCOPED, Some("17849999999999999")), true, false),
        (named("999", Some(PROFESSIONAL)), true, false),
        (named("999", None), false, true),
        (named("17849999999999999", None), false, true),
        (named("17849999999999999", Some("17849999999999999")), false, true),
    ];
    for (seen, is_same, is_another) in rows {
        let told = (same_account(&whole, &seen), is_another_account(&whole, &seen));
        assert_eq!(told, (is_same, is_another), "{seen:?}");
    }
    // Where only one id is stored, one of the other kind can be compared with nothing.
    let scoped = of(named(SCOPED, None));
    for (seen, is_another) in [
        (named(PROFESSIONAL, None), false),
        (named(PROFESSIONAL, Some(PROFESSIONAL)), false),
        (named("999", None), true),
        (named("999", Some(PROFESSIONAL)), true),
    ] {
        assert_eq!(is_another_account(&scoped, &seen), is_another, "{seen:?}");
    }
    assert!(is_another_account(&of(named(PROFESSIONAL, None)), &named("17849999999999999", None)));
    // The other id is learned from either field.
    for seen in [named(SCOPED, Some(PROFESSIONAL)), named(PROFESSIONAL, Some(SCOPED))] {
        let described = Observation::Described { grant_version: 1, account: seen };
        let known = apply(&scoped, &described, at(1)).account.unwrap();
        assert_eq!((known.id.as_str(), known.professional_id.as_deref()), (SCOPED, Some(PROFESSIONAL)));
    }
}

#[test]
fn the_expiry_of_a_refresh_that_names_none_is_assumed_until_one_names_it() {
    let named = connected();
    let silent = GrantFacts { version: 2, ..GrantFacts { expires_at: at(60), ..facts(2, 30) } };
    let assumed = apply(&named, &refreshed(silent, at(45)), at(30));
    assert_eq!((named.expiry_is_assumed, assumed.expiry_is_assumed), (false, true));
    assert_eq!(apply(&assumed, &Observation::ExpiryPassed, at(61)), assumed);
    assert!(is_working(&assumed, at(61)) && !is_working(&named, at(61)));
    let renewed = Observation::Refreshed {
        from_version: 2,
        grant: facts(3, 45),
        granted: None,
        next_refresh_at: at(75),
    };
    assert!(!apply(&assumed, &renewed, at(45)).expiry_is_assumed);
    assert!(!apply(&assumed, &Observation::Disconnected, at(45)).expiry_is_assumed);
}

#[test]
fn that_a_call_of_the_apps_has_worked_is_recorded_once_a_minute() {
    let minute = 60_000;
    let worked = Observation::Worked { grant_version: 1, account: None, next_refresh_at: None };
    let now = |ms: i64| from_millis(at(1).as_millisecond() + ms);
    let proven = apply(&connected(), &worked, now(0));
    assert_ne!(proven, connected());
    assert_eq!(apply(&proven, &worked, now(minute - 1)), proven);
    assert_ne!(apply(&proven, &worked, now(minute)), proven);
    // Trouble in between is over at once, and a question of somebody's is always confirmed.
    let troubled = apply(&proven, &failed(1, Call::Check, Meaning::Unavailable), now(1));
    assert_eq!(apply(&troubled, &worked, now(2)).standing, Standing::CONNECTED);
    let asked = Observation::Worked { grant_version: 1, account: connected().account, next_refresh_at: None };
    assert_eq!(apply(&proven, &asked, now(1)).evidence.map(|evidence| evidence.at), Some(now(1)));
}
