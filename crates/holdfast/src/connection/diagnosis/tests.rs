//! Every order of answers as a row, and what must hold for all of them.

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::clock::from_millis;
use crate::connection::schedule::{Jitter, RefreshPolicy};
use crate::connection::transition::apply;
use crate::connection::{Evidence, Reason, Standing, State, Suspicion};
use crate::provider::{AppFault, DeathCause, LimitScope, ProviderId, UserAction};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// When the answers come: the grant is half through its life.
const NOW: i64 = 30 * DAY;

fn at(ms: i64) -> Timestamp {
    from_millis(1_800_000_000_000 + ms)
}

fn schedule() -> Schedule {
    let policy = RefreshPolicy { min_age: std::time::Duration::from_hours(24), at: 0.5 };
    Schedule { policy, now: at(NOW), jitter: Jitter(0) }
}

fn account(id: &str) -> Account {
    Account {
        id: id.to_owned(),
        professional_id: Some(format!("1784{id}")),
        username: None,
        name: None,
        account_type: None,
        profile_picture_url: None,
    }
}

fn failure(meaning: Meaning) -> Failure {
    Failure { http_status: Some(400), code: Some(190), ..Failure::new(meaning, "") }
}

/// What is known of the connection before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// It has been seen to work.
    Proven,
    /// Its grant came by a refresh and has not been used.
    Renewed,
    /// A first sign, so many minutes ago.
    Suspected(i64),
    /// The same of a grant that came by a refresh.
    RenewedSuspected(i64),
    /// Told to reconnect.
    Dead,
    /// Told to pass a security check.
    Checkpoint,
}

const EVERY_KNOWN: [Known; 8] = [
    Known::Proven,
    Known::Renewed,
    Known::Suspected(2),
    Known::Suspected(20),
    Known::Suspected(25 * 60),
    Known::RenewedSuspected(2),
    Known::Dead,
    Known::Checkpoint,
];

fn connection(known: Known) -> Connection {
    let (standing, source, suspected) = match known {
        Known::Proven => (Standing::CONNECTED, EvidenceSource::Use, None),
        Known::Renewed => (Standing::CONNECTED, EvidenceSource::Refresh, None),
        Known::Suspected(ago) => (Reason::ProviderUnavailable.into(), EvidenceSource::Use, Some(ago)),
        Known::RenewedSuspected(ago) => {
            (Reason::ProviderUnavailable.into(), EvidenceSource::Refresh, Some(ago))
        }
        Known::Dead => (Reason::TokenInvalid.into(), EvidenceSource::Use, None),
        Known::Checkpoint => (Reason::Checkpoint.into(), EvidenceSource::Use, None),
    };
    Connection {
        standing,
        account: Some(account("ada")),
        scopes: vec!["instagram_business_basic".to_owned()],
        grant: Some(facts()),
        next_refresh_at: Some(at(NOW)),
        linked_at: Some(at(0)),
        evidence: Some(Evidence { source, at: at(0) }),
        suspicion: suspected.map(|ago| Suspicion { grant_version: 3, first_at: at(NOW - ago * MINUTE) }),
        version: 7,
        ..Connection::not_connected(Uuid::nil(), "user_ada".to_owned(), ProviderId::INSTAGRAM, at(0))
    }
}

fn facts() -> GrantFacts {
    GrantFacts { version: 3, obtained_at: at(0), expires_at: at(60 * DAY) }
}

/// What `/me` would answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Me {
    Own,
    /// By its professional id alone, in the place of the other.
    OwnProfessional,
    Other,
    Fails(Meaning),
}

/// How the others fare, before and after some of them were asked.
type Condition = (Confidence, usize, Confidence);

const FEW: Condition = (Confidence::TooFew, 0, Confidence::TooFew);
const LULL: Condition = (Confidence::Unknown, 4, Confidence::OthersHealthy);
const LULL_STRUCK: Condition = (Confidence::Unknown, 4, Confidence::Incident);
const LULL_SILENT: Condition = (Confidence::Unknown, 4, Confidence::Unknown);
const EARLY: Condition = (Confidence::Unknown, 0, Confidence::Unknown);
const HEALTHY: Condition = (Confidence::OthersHealthy, 0, Confidence::OthersHealthy);
const INCIDENT: Condition = (Confidence::Incident, 0, Confidence::Incident);

const EVERY_CONDITION: [Condition; 7] = [FEW, LULL, LULL_STRUCK, LULL_SILENT, EARLY, HEALTHY, INCIDENT];

struct Run {
    steps: Vec<&'static str>,
    observation: Observation,
}

/// Takes every step; no earlier grant works.
fn run(mut diagnosis: Diagnosis<'_>, condition: Condition, me: Me) -> Run {
    let (before, others_wanted, after) = condition;
    let mut population = Population { confidence: before, others_wanted, ..Population::default() };
    let mut steps = Vec::new();
    for _ in 0..5 {
        match diagnosis.next(&population, &schedule()) {
            Step::AskMe => {
                steps.push("whose");
                diagnosis.learned(Answer::Me(match me {
                    Me::Own => Ok(account("ada")),
                    Me::OwnProfessional => {
                        Ok(Account { id: "1784ada".to_owned(), professional_id: None, ..account("ada") })
                    }
                    Me::Other => Ok(account("grace")),
                    Me::Fails(meaning) => Err(failure(meaning)),
                }));
            }
            Step::AskOthers(wanted) => {
                assert_eq!(wanted, others_wanted);
                steps.push("others");
                population = Population { confidence: after, ..Population::default() };
                diagnosis.learned(Answer::Others);
            }
            Step::TryEarlierGrant => {
                steps.push("earlier");
                diagnosis.learned(Answer::NoEarlierGrant);
            }
            Step::AskLater => panic!("nothing was learnt after {steps:?}"),
            Step::Record(observation) => return Run { steps, observation: *observation },
        }
    }
    panic!("no end after {steps:?}");
}

/// The steps, and what the status says then.
fn told(known: Known, call: Call, said: Option<Meaning>, condition: Condition, me: Me) -> String {
    let before = connection(known);
    let diagnosis = match said {
        Some(meaning) => Diagnosis::of_failure(&before, facts(), call, failure(meaning)),
        None => Diagnosis::of_question(&before, facts(), call),
    };
    let Run { steps, observation } = run(diagnosis, condition, me);
    let standing = apply(&before, &observation, at(NOW)).standing;
    let reason = standing.reason().map_or("well", Reason::as_str);
    let mut told = steps.join(" ");
    if !told.is_empty() {
        told.push(' ');
    }
    told + "→ " + reason
}

/// What is known, what was asked, what the call met, how the others fare, what `/me` answers: what
/// comes of it.
type Row = (Known, Call, Option<Meaning>, Condition, Me, &'static str);

const STATED: Meaning = Meaning::Dead(DeathCause::Revoked);
const UNEXPLAINED: Meaning = Meaning::DeadUnexplained;
const ACTION: Meaning = Meaning::UserAction(UserAction::Checkpoint);
const APP: Meaning = Meaning::App(AppFault::Deactivated);
const LIMITED: Meaning = Meaning::RateLimited(LimitScope::Account);
const DOWN: Meaning = Meaning::Unavailable;

#[test]
fn every_order_of_answers_has_its_outcome() {
    use Call::{Check, PassThrough, Probe, Refresh};
    use Known::{Checkpoint, Dead, Proven, Renewed, RenewedSuspected, Suspected};
    use Me::{Fails, Other, Own, OwnProfessional};
    let day = 25 * 60;
    #[rustfmt::skip]
    let rows: &[Row] = &[
        // A refresh is refused with a cause: held for a minute among many, believed among few.
        (Proven, Refresh, Some(STATED), FEW, Own, "whose → well"),
        (Proven, Refresh, Some(STATED), FEW, Fails(STATED), "whose earlier → revoked"),
        (Proven, Refresh, Some(STATED), FEW, Fails(UNEXPLAINED), "whose earlier → revoked"),
        (Proven, Refresh, Some(STATED), FEW, Fails(DOWN), "whose earlier → revoked"),
        (Proven, Refresh, Some(STATED), EARLY, Own, "→ refresh_failing"),
        (Suspected(2), Refresh, Some(STATED), EARLY, Own, "whose → provider_unavailable"),
        (Suspected(2), Refresh, Some(STATED), EARLY, Fails(STATED), "whose earlier → revoked"),
        (Suspected(2), Refresh, Some(STATED), INCIDENT, Own, "→ provider_incident"),
        // Without a cause, for the first time: together with `/me` it is one sign.
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Own, "whose → well"),
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Other, "whose → refresh_failing"),
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Fails(UNEXPLAINED), "whose → refresh_failing"),
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Fails(STATED), "whose earlier → revoked"),
        (Proven, Refresh, Some(UNEXPLAINED), EARLY, Fails(STATED), "whose → refresh_failing"),
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Fails(ACTION), "whose → checkpoint"),
        (Proven, Refresh, Some(UNEXPLAINED), FEW, Fails(DOWN), "whose → refresh_failing"),
        (Proven, Refresh, Some(UNEXPLAINED), INCIDENT, Fails(UNEXPLAINED), "→ provider_incident"),
        // Again: others are asked in a lull; `/me` decides where the connection would end.
        (Suspected(20), Refresh, Some(UNEXPLAINED), LULL, Own, "others → refresh_failing"),
        (Suspected(20), Refresh, Some(UNEXPLAINED), LULL_STRUCK, Own, "others → provider_incident"),
        (Suspected(20), Refresh, Some(UNEXPLAINED), LULL_SILENT, Own, "others → refresh_failing"),
        (Suspected(2), Refresh, Some(UNEXPLAINED), EARLY, Own, "→ refresh_failing"),
        (Suspected(2), Refresh, Some(UNEXPLAINED), FEW, Own, "whose → provider_unavailable"),
        (Suspected(2), Refresh, Some(UNEXPLAINED), FEW, Fails(DOWN), "whose → provider_unavailable"),
        (Suspected(2), Refresh, Some(UNEXPLAINED), FEW, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        (Suspected(2), Refresh, Some(UNEXPLAINED), FEW, Fails(STATED), "whose earlier → revoked"),
        (Suspected(day), Refresh, Some(UNEXPLAINED), LULL, Fails(UNEXPLAINED), "others whose earlier → token_invalid"),
        (Suspected(day), Refresh, Some(UNEXPLAINED), LULL, Own, "others whose → provider_unavailable"),
        (Suspected(day), Refresh, Some(UNEXPLAINED), LULL_STRUCK, Own, "others → provider_incident"),
        (Suspected(day), Refresh, Some(UNEXPLAINED), HEALTHY, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        // Trouble that passes.
        (Proven, Refresh, Some(DOWN), EARLY, Own, "→ well"),
        (Proven, Refresh, Some(LIMITED), EARLY, Own, "→ rate_limited"),
        (Proven, Refresh, Some(APP), EARLY, Own, "→ app_misconfigured"),
        (Proven, Refresh, Some(ACTION), EARLY, Own, "→ refresh_failing"),
        (Proven, Refresh, Some(ACTION), INCIDENT, Own, "→ provider_incident"),
        (Proven, Refresh, Some(Meaning::Permission), EARLY, Own, "→ app_misconfigured"),
        (Proven, Refresh, Some(Meaning::Content), EARLY, Own, "→ well"),
        // A person asks.
        (Proven, Check, None, EARLY, Own, "whose → well"),
        (Proven, Check, None, EARLY, OwnProfessional, "whose → well"),
        (Proven, PassThrough, Some(STATED), EARLY, OwnProfessional, "whose → well"),
        (Suspected(2), Check, None, EARLY, Own, "whose → well"),
        (Dead, Check, None, EARLY, Own, "whose → well"),
        (Dead, Check, None, EARLY, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        (Checkpoint, Check, None, EARLY, Own, "whose → well"),
        (Checkpoint, Check, None, EARLY, Fails(DOWN), "whose → checkpoint"),
        (Proven, Check, None, EARLY, Fails(STATED), "whose earlier → revoked"),
        (Proven, Check, None, INCIDENT, Fails(STATED), "whose → provider_incident"),
        (Proven, Check, None, EARLY, Fails(ACTION), "whose → checkpoint"),
        (Proven, Check, None, EARLY, Fails(UNEXPLAINED), "whose → provider_unavailable"),
        (Proven, Check, None, EARLY, Fails(DOWN), "whose → provider_unavailable"),
        (Proven, Check, None, EARLY, Fails(LIMITED), "whose → rate_limited"),
        (Proven, Check, None, EARLY, Other, "whose → provider_unavailable"),
        (Suspected(2), Check, None, EARLY, Other, "whose earlier → provider_unavailable"),
        (Suspected(2), Check, None, FEW, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        (Suspected(20), Check, None, HEALTHY, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        (Suspected(20), Check, None, LULL, Fails(UNEXPLAINED), "whose → provider_unavailable"),
        // A grant that came by a refresh and never worked gives way at the first sign.
        (Renewed, Check, None, EARLY, Fails(UNEXPLAINED), "whose earlier → provider_unavailable"),
        (Renewed, Check, None, INCIDENT, Fails(UNEXPLAINED), "whose → provider_incident"),
        (RenewedSuspected(2), Probe, None, EARLY, Fails(STATED), "whose earlier → revoked"),
        // The worker looks: others are asked in a lull.
        (Suspected(20), Probe, None, LULL, Own, "whose → well"),
        (Suspected(20), Probe, None, LULL, Fails(UNEXPLAINED), "whose others earlier → token_invalid"),
        (Suspected(20), Probe, None, LULL_STRUCK, Fails(UNEXPLAINED), "whose others → provider_incident"),
        (Suspected(20), Probe, None, LULL_SILENT, Fails(UNEXPLAINED), "whose others → provider_unavailable"),
        (Suspected(20), Probe, None, LULL, Fails(DOWN), "whose → provider_unavailable"),
        (Proven, Probe, None, EARLY, Fails(STATED), "whose → provider_unavailable"),
        // The app's own call is refused: `/me` decides.
        (Proven, PassThrough, Some(STATED), EARLY, Own, "whose → well"),
        (Proven, PassThrough, Some(STATED), EARLY, Fails(STATED), "whose earlier → revoked"),
        (Proven, PassThrough, Some(STATED), EARLY, Fails(DOWN), "whose → provider_unavailable"),
        (Proven, PassThrough, Some(STATED), INCIDENT, Fails(STATED), "whose → provider_incident"),
        (Proven, PassThrough, Some(ACTION), EARLY, Own, "whose → well"),
        (Proven, PassThrough, Some(ACTION), EARLY, Fails(ACTION), "whose → checkpoint"),
        (Proven, PassThrough, Some(UNEXPLAINED), FEW, Own, "whose → well"),
        (Proven, PassThrough, Some(UNEXPLAINED), FEW, Fails(UNEXPLAINED), "whose → provider_unavailable"),
        (Suspected(2), PassThrough, Some(UNEXPLAINED), FEW, Fails(UNEXPLAINED), "whose earlier → token_invalid"),
        (Suspected(2), PassThrough, Some(UNEXPLAINED), FEW, Own, "whose → well"),
        (Proven, PassThrough, Some(APP), EARLY, Own, "whose → well"),
        (Proven, PassThrough, Some(APP), EARLY, Fails(APP), "whose → app_misconfigured"),
        (Proven, PassThrough, Some(LIMITED), EARLY, Own, "→ rate_limited"),
        (Proven, PassThrough, Some(DOWN), EARLY, Own, "whose → well"),
        (Proven, PassThrough, Some(DOWN), EARLY, Fails(DOWN), "whose → provider_unavailable"),
        (Proven, PassThrough, Some(Meaning::Permission), EARLY, Own, "→ well"),
        (Proven, PassThrough, Some(Meaning::Content), EARLY, Own, "→ well"),
    ];
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|(known, call, said, condition, me, expected)| {
            let told = told(*known, *call, *said, *condition, *me);
            (told != *expected)
                .then(|| format!("{known:?} {call:?} {said:?} {condition:?} {me:?}: {told}, not {expected}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_suspected_clock_is_believed_if_the_grant_is_refused() {
    let rows = [
        (Me::Own, "whose → well"),
        (Me::OwnProfessional, "whose → well"),
        (Me::Other, "whose → expired"),
        (Me::Fails(STATED), "whose → revoked"),
        (Me::Fails(UNEXPLAINED), "whose → expired"),
    ];
    let mut before = connection(Known::Proven);
    let facts = GrantFacts { expires_at: at(NOW), ..facts() };
    before.grant = Some(facts);
    for (me, expected) in rows {
        let Run { steps, observation } = run(Diagnosis::of_expiry(&before, facts), EARLY, me);
        let standing = apply(&before, &observation, at(NOW)).standing;
        let reason = standing.reason().map_or("well", Reason::as_str);
        assert_eq!(format!("{} → {reason}", steps.join(" ")), expected, "{me:?}");
    }
}

#[test]
fn nothing_is_recorded_where_nothing_was_learnt() {
    let (before, crowded) = (connection(Known::Proven), Meaning::Crowded);
    let next = |diagnosis: &Diagnosis<'_>| diagnosis.next(&Population::default(), &schedule());
    for meaning in EVERY_MEANING.into_iter().chain([crowded]) {
        let mut lapsed = Diagnosis::of_expiry(&before, facts());
        lapsed.learned(Answer::Me(Err(failure(meaning))));
        let is_settled = matches!(meaning, STATED | UNEXPLAINED | Meaning::UserAction(_));
        assert_eq!(next(&lapsed) == Step::AskLater, !is_settled, "{meaning:?}");
    }
    for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
        let met = Diagnosis::of_failure(&before, facts(), call, failure(crowded));
        assert_eq!(next(&met), Step::AskLater, "{call:?}");
        let mut refused = Diagnosis::of_failure(&before, facts(), call, failure(UNEXPLAINED));
        refused.learned(Answer::Me(Err(failure(crowded))));
        assert_eq!(next(&refused), Step::AskLater, "{call:?}");
    }
}

const EVERY_MEANING: [Meaning; 9] = [
    STATED,
    UNEXPLAINED,
    ACTION,
    Meaning::Permission,
    LIMITED,
    DOWN,
    APP,
    Meaning::Content,
    Meaning::CodeRejected,
];

/// Calls `hold` with every combination of what may be known, asked, said and answered.
fn for_all(mut hold: impl FnMut(&Connection, Call, Option<Meaning>, Condition, Me, &Run)) {
    let answers: Vec<Me> = [Me::Own, Me::Other].into_iter().chain(EVERY_MEANING.map(Me::Fails)).collect();
    for known in EVERY_KNOWN {
        let before = connection(known);
        for call in [Call::Refresh, Call::Check, Call::Probe, Call::PassThrough] {
            let question = match call {
                Call::Check | Call::Probe => vec![None],
                Call::Refresh | Call::PassThrough => EVERY_MEANING.map(Some).to_vec(),
            };
            for said in question {
                for condition in EVERY_CONDITION {
                    for me in &answers {
                        let diagnosis = match said {
                            Some(said) => Diagnosis::of_failure(&before, facts(), call, failure(said)),
                            None => Diagnosis::of_question(&before, facts(), call),
                        };
                        hold(&before, call, said, condition, *me, &run(diagnosis, condition, *me));
                    }
                }
            }
        }
    }
}

#[test]
fn no_step_is_taken_twice() {
    for_all(|_, call, said, condition, me, run| {
        let mut steps = run.steps.clone();
        steps.sort_unstable();
        steps.dedup();
        assert_eq!(steps.len(), run.steps.len(), "{call:?} {said:?} {condition:?} {me:?}: {:?}", run.steps);
    });
}

#[test]
fn nothing_ends_in_an_incident() {
    for_all(|before, call, said, condition, me, run| {
        let after = apply(before, &run.observation, at(NOW));
        if condition == INCIDENT && before.standing.state().is_alive() {
            assert!(after.standing.state().is_alive(), "{call:?} {said:?} {me:?}");
        }
    });
}

#[test]
fn an_unexplained_no_ends_nothing_that_me_does_not_refuse() {
    for_all(|before, call, said, condition, me, run| {
        let after = apply(before, &run.observation, at(NOW));
        let ended = before.standing.state().is_alive() && after.standing.state() == State::ReconnectRequired;
        if ended && said != Some(STATED) {
            let refused = matches!(me, Me::Other | Me::Fails(STATED | UNEXPLAINED));
            assert!(refused && run.steps.contains(&"whose"), "{call:?} {condition:?} {me:?}");
        }
    });
}

#[test]
fn nothing_is_cut_off_for_the_apps_own_call_before_me_has_refused_too() {
    for_all(|before, call, said, condition, me, run| {
        if call != Call::PassThrough || me != Me::Own {
            return;
        }
        let after = apply(before, &run.observation, at(NOW));
        let cut_off = matches!(after.standing.state(), State::ReconnectRequired | State::ActionRequired);
        assert!(!cut_off || after.standing == before.standing, "{said:?} {condition:?}");
    });
}

#[test]
fn an_earlier_grant_is_tried_before_a_connection_ends() {
    for_all(|before, call, said, condition, me, run| {
        let after = apply(before, &run.observation, at(NOW));
        let ended = before.standing.state().is_alive() && after.standing.state() == State::ReconnectRequired;
        assert!(!ended || run.steps.contains(&"earlier"), "{call:?} {said:?} {condition:?} {me:?}");
    });
}

#[test]
fn only_what_may_end_a_connection_is_held_against_its_grant() {
    let connection = connection(Known::Proven);
    for meaning in EVERY_MEANING {
        let met = Diagnosis::of_failure(&connection, facts(), Call::PassThrough, failure(meaning));
        assert_eq!(
            met.is_against_the_grant(),
            matches!(meaning, STATED | UNEXPLAINED | ACTION),
            "{meaning:?}"
        );
        let mut lapsed = Diagnosis::of_expiry(&connection, facts());
        assert!(!lapsed.is_against_the_grant());
        lapsed.learned(Answer::Me(Err(failure(meaning))));
        assert_eq!(lapsed.is_against_the_grant(), met.is_against_the_grant(), "{meaning:?}");
    }
}
