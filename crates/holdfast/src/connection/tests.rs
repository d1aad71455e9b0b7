//! The rules that are about one connection and one moment, each at its borders.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::attempt::{Attempt, AttemptOutcome, AttemptStage, Expect};
use super::belief::Population;
use super::clock_repair::possible;
use super::observation::{Call, Confidence};
use super::schedule::{Jitter, RefreshPolicy, Schedule};
use super::*;
use crate::clock::{after, before, from_millis};
use crate::provider::{AppFault, DeathCause, Failure, Meaning, UserAction};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const MILLISECOND: Duration = Duration::from_millis(1);
/// A grant's life.
const LIFE: Duration = Duration::from_hours(60 * 24);

fn born() -> Timestamp {
    from_millis(1_800_000_000_000)
}

/// On that day of the grant's life.
fn day(number: u32) -> Timestamp {
    after(born(), DAY * number)
}

fn facts() -> GrantFacts {
    GrantFacts { version: 3, obtained_at: born(), expires_at: after(born(), LIFE) }
}

/// Connected on day 0, to be refreshed on day 30.
fn connection() -> Connection {
    Connection {
        standing: Standing::CONNECTED,
        grant: Some(facts()),
        next_refresh_at: Some(day(30)),
        linked_at: Some(born()),
        evidence: Some(Evidence { source: EvidenceSource::Oauth, at: born() }),
        ..Connection::not_connected(Uuid::nil(), "user_ada".to_owned(), ProviderId::INSTAGRAM, born())
    }
}

fn suspected(first_at: Timestamp) -> Connection {
    Connection { suspicion: Some(Suspicion { grant_version: 3, first_at }), ..connection() }
}

fn schedule(now: Timestamp) -> Schedule {
    let policy = RefreshPolicy { min_age: DAY, at: 0.5 };
    Schedule { policy, now, jitter: Jitter(0) }
}

fn population(confidence: Confidence) -> Population {
    Population { confidence, ..Population::default() }
}

/// How long after `now` the worker comes back; `None` where the stored time stays.
fn comes_back(
    now: Timestamp,
    connection: &Connection,
    call: Call,
    meaning: Meaning,
    confidence: Confidence,
) -> Option<Duration> {
    let (failure, population) = (Failure::new(meaning, ""), population(confidence));
    let at = schedule(now).after_failure(connection, facts(), call, &failure, &population)?;
    Some(at.duration_since(now).try_into().unwrap())
}

fn tries_again(now: Timestamp, failures: u32, meaning: Meaning) -> Duration {
    let connection = Connection { failures, ..connection() };
    comes_back(now, &connection, Call::Refresh, meaning, Confidence::Unknown).unwrap()
}

#[test]
fn a_refresh_that_fails_is_tried_again_ever_more_rarely_and_often_before_the_end() {
    let unavailable = |now, failures| tries_again(now, failures, Meaning::Unavailable);
    assert_eq!(
        [0, 1, 2, 3].map(|failures| unavailable(day(30), failures) / 60),
        [1, 2, 4, 16].map(|m| SECOND * m)
    );
    assert_eq!(unavailable(day(30), 9), DAY, "never more rarely than once a day");
    // With three days left and more, a quarter of what is left; with less, every hour.
    assert_eq!(unavailable(day(57), 9), Duration::from_hours(18));
    assert_eq!(unavailable(after(day(57), SECOND), 9), HOUR);
    assert_eq!(unavailable(before(day(60), HOUR), 9), HOUR / 4);
    assert_eq!(unavailable(before(day(60), SECOND), 9), SECOND, "and never within a second");
    // It works past its expiry: as in its last days.
    assert_eq!(unavailable(day(60), 9), HOUR);
    assert_eq!(unavailable(day(61), 9), HOUR);
}

#[test]
fn a_wait_that_the_provider_asks_for_is_kept_to_for_a_day_at_most() {
    let asked = |wait| {
        let failure = Failure { retry_after: Some(wait), ..Failure::new(Meaning::Unavailable, "") };
        let population = population(Confidence::Unknown);
        let at =
            schedule(day(30)).after_failure(&connection(), facts(), Call::Refresh, &failure, &population);
        Duration::try_from(at.unwrap().duration_since(day(30))).unwrap()
    };
    assert_eq!(asked(HOUR), HOUR);
    assert_eq!(asked(SECOND), MINUTE);
    assert_eq!(asked(DAY * 2), DAY);
}

#[test]
fn a_sign_of_death_is_looked_into_again_until_it_may_be_believed() {
    // Four minutes after the first sign: three times as long again, or what is wanting to belief.
    let (now, signs) = (day(20), suspected(before(day(20), MINUTE * 4)));
    let again =
        |now, call| comes_back(now, &signs, call, Meaning::DeadUnexplained, Confidence::OthersHealthy);
    assert_eq!(again(now, Call::Refresh), Some(MINUTE * 12));
    assert_eq!(again(now, Call::Check), Some(MINUTE * 11), "the worker asks without refreshing");
    let due = Connection {
        suspicion: Some(Suspicion { grant_version: 3, first_at: before(day(31), MINUTE * 4) }),
        ..connection()
    };
    let again = comes_back(day(31), &due, Call::Check, Meaning::DeadUnexplained, Confidence::OthersHealthy);
    assert_eq!(again, Some(MINUTE * 12), "the worker refreshes");
    // A sign about another grant is none about this one.
    let other = Connection {
        suspicion: Some(Suspicion { grant_version: 2, first_at: before(now, MINUTE * 4) }),
        ..connection()
    };
    let again = comes_back(now, &other, Call::Refresh, Meaning::DeadUnexplained, Confidence::Unknown);
    assert_eq!(again, Some(MINUTE));
}

#[test]
fn what_a_person_must_do_is_asked_about_ever_more_rarely_once_it_is_known() {
    let meaning = Meaning::UserAction(UserAction::Checkpoint);
    let known = Connection { standing: Reason::Checkpoint.into(), failures: 3, ..connection() };
    let again =
        |connection: &Connection| comes_back(day(20), connection, Call::Probe, meaning, Confidence::TooFew);
    assert_eq!(again(&known), Some(MINUTE * 16));
    assert_eq!(again(&Connection { failures: 3, ..connection() }), Some(MINUTE));
}

#[test]
fn in_an_incident_the_struck_take_turns_and_the_faulty_app_waits_like_them() {
    let dead = Meaning::Dead(DeathCause::Revoked);
    for (meaning, confidence) in [
        (dead, Confidence::Incident),
        (Meaning::DeadUnexplained, Confidence::Incident),
        (Meaning::UserAction(UserAction::Checkpoint), Confidence::Incident),
        (Meaning::App(AppFault::Credentials), Confidence::Unknown),
    ] {
        let again = |failures, since| {
            let population = Population { since, ..population(confidence) };
            let connection = Connection { failures, ..connection() };
            let failure = Failure::new(meaning, "");
            let at =
                schedule(day(20)).after_failure(&connection, facts(), Call::Refresh, &failure, &population);
            Duration::try_from(at.unwrap().duration_since(day(20))).unwrap()
        };
        assert_eq!(again(0, None), MINUTE, "{meaning:?}");
        assert_eq!(again(9, None), HOUR, "{meaning:?}");
        assert_eq!(again(0, Some(before(day(20), HOUR * 4))), MINUTE * 15, "{meaning:?}");
    }
    // Outside of one, failures do not put off what would confirm the sign.
    assert_eq!(tries_again(day(20), 9, dead), MINUTE);
}

#[test]
fn a_look_that_fails_brings_the_worker_back_where_the_trouble_may_pass() {
    let look = |connection: &Connection, call, meaning| {
        comes_back(day(20), connection, call, meaning, Confidence::Unknown)
    };
    let stored = |next_refresh_at| Connection { next_refresh_at, ..connection() };
    for call in [Call::Check, Call::Probe] {
        assert_eq!(look(&connection(), call, Meaning::Unavailable), Some(MINUTE));
        // At the latest when it was due anyway; a time that has passed is no time.
        assert_eq!(look(&stored(Some(after(day(20), SECOND))), call, Meaning::Unavailable), Some(SECOND));
        assert_eq!(look(&stored(Some(day(20))), call, Meaning::Unavailable), Some(MINUTE));
        assert_eq!(look(&stored(None), call, Meaning::Unavailable), Some(MINUTE));
        // What says nothing about the grant leaves it to its time.
        for meaning in [Meaning::Content, Meaning::CodeRejected] {
            assert_eq!(look(&connection(), call, meaning), None);
            assert_eq!(look(&stored(None), call, meaning), Some(DAY * 10), "it had none");
            let due = comes_back(day(31), &stored(None), call, meaning, Confidence::Unknown);
            assert_eq!(due, None, "its turn is now");
        }
    }
}

#[test]
fn a_missing_permission_may_pass_unless_it_is_known_or_one_calls_own() {
    let look = |connection: &Connection, call| {
        comes_back(day(20), connection, call, Meaning::Permission, Confidence::Unknown)
    };
    assert_eq!(look(&connection(), Call::Check), Some(MINUTE));
    assert_eq!(look(&connection(), Call::PassThrough), None);
    let known = Connection { missing_scopes: vec!["a_scope".to_owned()], ..connection() };
    assert_eq!(look(&known, Call::Check), None);
}

#[test]
fn a_failure_of_the_apps_own_call_reschedules_nothing() {
    let answer = |call, code, http_status| {
        let failure = Failure { http_status, code, ..Failure::new(Meaning::Unavailable, "") };
        let population = population(Confidence::Unknown);
        schedule(day(20)).after_failure(&connection(), facts(), call, &failure, &population)
    };
    for (code, status) in [(None, Some(404)), (Some(2), Some(400)), (None, Some(500)), (None, None)] {
        assert_eq!(answer(Call::PassThrough, code, status), None, "{code:?} {status:?}");
        let checked = answer(Call::Check, code, status);
        assert_eq!(checked, Some(after(day(20), MINUTE)), "{code:?} {status:?}");
    }
}

#[test]
fn a_grant_is_due_from_its_time_on_and_a_doubted_one_gets_a_time_again() {
    assert!(!schedule(before(day(30), MILLISECOND)).is_due(facts()));
    assert!(schedule(day(30)).is_due(facts()));
    let doubted = suspected(day(19));
    assert_eq!(schedule(day(20)).due_again(&doubted, facts()), Some(day(30)));
    assert_eq!(schedule(day(30)).due_again(&doubted, facts()), None, "its turn is now");
    assert_eq!(schedule(day(20)).due_again(&connection(), facts()), None, "as stored");
}

#[test]
fn some_of_a_grants_life_is_left_whatever_the_policy() {
    let policy = |at| RefreshPolicy { min_age: DAY, at };
    assert_eq!([0.5, 0.95, 5.0].map(|at| policy(at).tail_percent()), [46, 4, 4]);
    assert_eq!(policy(5.0).due(born(), after(born(), LIFE), 1.0), day(57));
}

#[test]
fn a_wait_of_more_than_a_day_was_written_by_a_clock_that_was_ahead() {
    let now = day(10);
    let waits = |retry_after| Connection { retry_after: Some(retry_after), ..connection() }.waits_until(now);
    for believed in [after(now, MILLISECOND), after(now, DAY)] {
        assert_eq!(waits(believed), Some(believed));
    }
    for ignored in [before(now, DAY), now, after(now, DAY + MILLISECOND)] {
        assert_eq!(waits(ignored), None, "{ignored}");
    }
    assert_eq!(connection().waits_until(now), None);
}

#[test]
fn a_grant_that_worked_past_its_expiry_has_outlived_it_for_a_day() {
    let (source, expiry) = (EvidenceSource::Use, day(60));
    let outlived = |source, at, now| {
        Connection { evidence: Some(Evidence { source, at }), ..connection() }.has_outlived_expiry(now)
    };
    assert!(outlived(source, expiry, expiry));
    assert!(outlived(EvidenceSource::Refresh, expiry, before(after(expiry, DAY), MILLISECOND)));
    assert!(!outlived(source, expiry, after(expiry, DAY)));
    assert!(!outlived(source, before(expiry, MILLISECOND), expiry));
    for other in [EvidenceSource::Oauth, EvidenceSource::Callback, EvidenceSource::Clock] {
        assert!(!outlived(other, expiry, expiry), "{other:?}");
    }
    assert!(!Connection { evidence: None, ..connection() }.has_outlived_expiry(expiry));
}

#[test]
fn only_what_the_clock_has_ended_can_the_clock_give_back() {
    let ended = |standing: Standing, source, grant| {
        let evidence = Some(Evidence { source, at: day(60) });
        Connection { standing, grant, evidence, ..connection() }.is_expired_by_clock()
    };
    assert!(ended(Reason::Expired.into(), EvidenceSource::Clock, Some(facts())));
    assert!(!ended(Reason::Expired.into(), EvidenceSource::Clock, None));
    assert!(!ended(Reason::Expired.into(), EvidenceSource::Refresh, Some(facts())));
    assert!(!ended(Reason::Revoked.into(), EvidenceSource::Clock, Some(facts())));
    assert!(!ended(Standing::CONNECTED, EvidenceSource::Clock, Some(facts())));
}

#[test]
fn a_grant_from_more_than_an_hour_ahead_gets_times_that_it_can_have() {
    let from = |ahead| {
        let obtained_at = after(day(1), ahead);
        possible(GrantFacts { version: 3, obtained_at, expires_at: after(obtained_at, LIFE) }, day(1))
    };
    assert_eq!(from(HOUR).obtained_at, after(day(1), HOUR), "clocks differ by so much");
    let repaired = GrantFacts { version: 3, obtained_at: day(1), expires_at: after(day(1), LIFE) };
    assert_eq!(from(HOUR + MILLISECOND), repaired);
    let backwards = GrantFacts { version: 3, obtained_at: day(9), expires_at: day(8) };
    assert_eq!(possible(backwards, day(1)).expires_at, day(1));
}

#[test]
fn the_first_sign_is_the_one_about_this_grant_that_is_not_from_the_future() {
    let now = day(10);
    for first in [day(9), now] {
        assert_eq!(suspected(first).first_sign_at(facts(), now), first);
    }
    assert_eq!(suspected(after(now, MILLISECOND)).first_sign_at(facts(), now), now);
    assert_eq!(connection().first_sign_at(facts(), now), now);
    let renewed = GrantFacts { version: 4, ..facts() };
    assert_eq!(suspected(day(9)).first_sign_at(renewed, now), now);
}

#[test]
fn doubt_and_failing_renewals_are_told_apart() {
    let degraded = |reason: Reason| Connection { standing: reason.into(), ..connection() };
    let scopes = Connection { missing_scopes: vec!["a_scope".to_owned()], ..degraded(Reason::ScopesMissing) };
    assert!(!connection().is_doubted() && !scopes.is_doubted(), "each is as it should be");
    assert!(suspected(day(1)).is_doubted());
    assert!(degraded(Reason::ProviderUnavailable).is_doubted());
    assert!(!degraded(Reason::Revoked).is_doubted(), "that is no doubt");

    let fails = |connection: Connection| Connection { failures: 1, ..connection }.fails_to_renew();
    assert!(fails(connection()) && fails(scopes) && fails(degraded(Reason::RefreshFailing)));
    assert!(!connection().fails_to_renew());
    assert!(!fails(suspected(day(1))) && !fails(degraded(Reason::RateLimited)));
}

#[test]
fn an_attempt_that_has_ended_says_how_and_holds_nothing_to_go_on_with() {
    let open = Attempt {
        id: Uuid::nil(),
        revision: 1,
        user_id: "user_ada".to_owned(),
        provider: ProviderId::INSTAGRAM,
        state_hash: [1; 32],
        completion_hash: Some([2; 32]),
        stage: AttemptStage::Returned,
        outcome: None,
        return_to: "https://app.example.com/".to_owned(),
        expect: Expect::SameAccount,
        created_at: born(),
        expires_at: day(1),
        returned_at: Some(born()),
        sealed: Some(vec![3]),
        sealed_completion: Some(vec![4]),
        busy_until: Some(day(1)),
        paused_until: Some(day(1)),
        closed_at: None,
    };
    let closed = Attempt {
        stage: AttemptStage::Closed,
        outcome: Some(AttemptOutcome::Denied),
        sealed: None,
        busy_until: None,
        paused_until: None,
        closed_at: Some(day(2)),
        ..open.clone()
    };
    assert_eq!(open.closed(AttemptOutcome::Denied, day(2)), closed);
}

#[test]
fn every_outcome_of_an_attempt_is_read_by_its_name() {
    let plain = [
        AttemptOutcome::Connected,
        AttemptOutcome::Denied,
        AttemptOutcome::Expired,
        AttemptOutcome::DifferentAccount,
        AttemptOutcome::AccountTaken,
        AttemptOutcome::Disconnected,
    ];
    for outcome in plain.into_iter().chain(Reason::ALL.iter().copied().map(AttemptOutcome::Failed)) {
        assert_eq!(AttemptOutcome::parse(&outcome.to_name()), Some(outcome));
    }
    assert_eq!(AttemptOutcome::Failed(Reason::Checkpoint).to_name(), "failed:checkpoint");
    assert_eq!(AttemptOutcome::Denied.to_name(), "denied");
    for unknown in ["", "failed", "failed:", "failed:what", "checkpoint"] {
        assert_eq!(AttemptOutcome::parse(unknown), None, "{unknown}");
    }
}

#[test]
fn a_state_in_words_names_its_reason() {
    assert_eq!(state_in_words(State::Connected, None), "connected");
    assert_eq!(
        state_in_words(State::ActionRequired, Some(Reason::Checkpoint)),
        "action_required / checkpoint"
    );
}
