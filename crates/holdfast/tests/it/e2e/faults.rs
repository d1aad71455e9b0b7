//! Every fault that the Instagram stand-in knows, on every operation of the OpenAPI document: never
//! 401, never 500, and what the status says afterwards is the contract's. The tables here are
//! written down a second time on purpose.

use std::iter;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Effect, Endpoint, Fault};
use http::StatusCode;
use serde_json::{Value, json};

use super::operations::{self, Asks, Member, Operation, Outcome};
use super::statuses;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::database::execute_on;

/// Has `people` work through every fault in one installation, each with an account of their own.
/// How many faults it was.
async fn under_every_fault(people: &[Person], act: impl AsyncFn(&Member<'_>, Fault)) -> usize {
    let app = App::start().await;
    let key = app.service_key().await;
    // Those first whose answers have to be waited for: they wait side by side.
    let (slow, quick): (Vec<_>, Vec<_>) = Fault::ALL.iter().partition(|fault| !answers(**fault));
    let left = Mutex::new(slow.into_iter().chain(quick));
    let done = AtomicUsize::new(0);
    let next = || left.lock().unwrap().next();
    join_all(people.iter().map(|person| async {
        let member = Member::new(&app, *person, &key);
        while let Some(fault) = next() {
            act(&member, fault).await;
            done.fetch_add(1, Ordering::Relaxed);
        }
    }))
    .await;
    done.into_inner()
}

/// The reason that a check (`/me`) must come to under each fault; `None` where the connection
/// stands as it was.
fn reason_after_check(fault: Fault) -> Option<&'static str> {
    Some(match fault {
        Fault::Expired => "expired",
        Fault::Revoked | Fault::RevokedWithoutSubcode => "revoked",
        Fault::PasswordChanged | Fault::PasswordChangedWithoutSubcode => "password_changed",
        Fault::LoggedOut => "token_invalid",
        Fault::Checkpoint => "checkpoint",
        Fault::Unconfirmed => "unconfirmed",
        Fault::Restricted => "restricted",
        Fault::ConsentBlocked => "consent_blocked",
        Fault::Ineligible => "account_ineligible",
        Fault::AppRateLimit | Fault::AccountRateLimit => "rate_limited",
        // What each grant may do is refused to the app, which is nobody's own doing.
        Fault::Permission | Fault::NotAdmitted | Fault::NoAdvancedAccess | Fault::AppDeactivated => {
            "app_misconfigured"
        }
        // One unexplained sign is not believed, but it shows.
        Fault::DeadWithoutReason
        | Fault::FalseAlarm
        | Fault::ServerErrorHtml
        | Fault::ServerErrorJson
        | Fault::UnknownError
        | Fault::Hang
        | Fault::HtmlOk
        | Fault::HtmlForbidden
        | Fault::EmptyBody
        | Fault::BareUnauthorized
        | Fault::LostReply
        | Fault::TruncatedJson
        | Fault::SlowBody
        | Fault::HugeBody => "provider_unavailable",
        Fault::EmptyToken
        | Fault::MissingExpiresIn
        | Fault::WrongClientSecret
        | Fault::InvalidPlatformApp
        | Fault::DeveloperRole
        | Fault::RedirectMismatch
        | Fault::CodeRejected
        | Fault::UnsupportedRequest
        | Fault::ConsentDenied
        | Fault::DeniedWithoutState => return None,
    })
}

/// The reason that a call of the app's backend must come to. Such a call says less about the
/// connection than `/me` does: what it may do, and about whom it is, is the app's choice.
fn reason_after_use(fault: Fault) -> Option<&'static str> {
    match fault {
        // How much an answer holds is the app's choice as well.
        Fault::Permission
        | Fault::NotAdmitted
        | Fault::NoAdvancedAccess
        | Fault::Ineligible
        | Fault::HugeBody => None,
        // A mistyped path is answered like that, and says nothing about the grant.
        Fault::HtmlOk
        | Fault::HtmlForbidden
        | Fault::EmptyBody
        | Fault::BareUnauthorized
        | Fault::TruncatedJson => None,
        // No answer says nothing either: the stored state stands.
        Fault::Hang | Fault::LostReply | Fault::SlowBody => None,
        _ if fault.effect() == Effect::Kills || fault.endpoints().contains(&Endpoint::Graph) => {
            reason_after_check(fault)
        }
        _ => None,
    }
}

/// Whether Instagram answers at all under that fault, so that there is an answer to wrap.
fn answers(fault: Fault) -> bool {
    !matches!(fault, Fault::Hang | Fault::LostReply | Fault::SlowBody)
}

impl Member<'_> {
    /// Sets the fault for this account alone.
    fn meets(&self, fault: Fault) {
        self.app.instagram.set_fault(Some(self.account), fault).unwrap();
    }

    /// Not connected, with no attempt open and no fault set.
    async fn begins(&self) {
        self.app.instagram.clear(Some(self.account)).unwrap();
        // More attempts than a person may begin in an hour.
        let earlier = format!(
            "UPDATE attempts SET created_at = created_at - 3600000 WHERE user_id = '{}'",
            self.person.user_id()
        );
        execute_on(&self.app.place, &earlier).await;
        self.here.disconnect().await.good();
    }

    /// Connected, with a grant that nothing is known against.
    async fn is_connected(&self) {
        self.begins().await;
        let status = self.here.connect_account(self.account).await;
        assert_eq!((&status["state"], &status["reason"]), (&json!("connected"), &Value::Null));
    }

    /// The status, which the browser and the app's backend are told alike.
    async fn status_told(&self) -> Value {
        let status = self.here.status().await;
        let service = self.get("status").await;
        assert_eq!((service.status, at_that_moment(service.body, &status)), (StatusCode::OK, status.clone()));
        statuses::in_contract(&status);
        status
    }
}

/// What was told a moment before or after `status`. A fault that another person meets meanwhile may
/// concern the whole app, and with it when the worker asks again.
fn at_that_moment(mut told: Value, status: &Value) -> Value {
    for changes in ["next_refresh_at", "retry_after"] {
        told[changes] = status[changes].clone();
    }
    told
}

/// What an operation that has Instagram do nothing answers, and the state and reason that it leaves
/// a connection in.
fn regardless(operation: &Operation) -> (u16, &'static str, Option<&'static str>) {
    match (operation.method.as_str(), operation.path.as_str()) {
        // The account is linked, so the open attempt stands beside what is known of it.
        ("POST", "/user/instagram/connect") => (201, "connected", None),
        ("DELETE", "/user/instagram" | "/service/users/{user_id}/instagram") => {
            (200, "not_connected", Some("user_disconnected"))
        }
        ("POST", "/webhooks/clerk") => (204, "connected", None),
        ("POST", "/webhooks/instagram/deauthorize") => (200, "reconnect_required", Some("deauthorized")),
        ("POST", "/webhooks/instagram/data-deletion") | ("GET", "/data-deletion/{code}") => {
            (200, "not_connected", Some("user_disconnected"))
        }
        _ => (200, "connected", None),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_instagram_nothing_is_the_same_under_every_fault() {
    // One after the other, so that nobody else's calls are counted.
    let faults = under_every_fault(&[Person::Ada], async |ada, fault| {
        let (mut before, mut called) = (Value::Null, 0);
        for operation in operations::all(ada.app).await {
            if operation.asks() != Asks::Nothing {
                continue;
            }
            if before["state"] != "connected" {
                ada.is_connected().await;
                ada.meets(fault);
                before = ada.status_told().await;
            }
            let asked = ada.app.instagram.call_counts();
            let told = ada.call(&operation).await;
            let (status, state, reason) = regardless(&operation);
            assert_eq!(told.status, status, "{fault:?} {operation:?}: {}", told.body);
            assert_eq!(ada.app.instagram.call_counts(), asked, "{fault:?} {operation:?} called Instagram");
            let after = ada.status_told().await;
            assert_eq!(
                (&after["state"], &after["reason"]),
                (&json!(state), &json!(reason)),
                "{fault:?} {operation:?}"
            );
            if operation.path == "/user/instagram/connect" {
                assert!(!after["attempt"].is_null(), "{fault:?}: {after}");
                ada.begins().await;
                before = Value::Null;
                called += 1;
                continue;
            }
            if state == "connected" {
                assert_eq!(after, before, "{fault:?} {operation:?}");
            }
            before = after;
            called += 1;
        }
        assert!(called >= 20, "only {called} operations");
    })
    .await;
    assert_eq!(faults, Fault::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_asks_whose_the_grant_is_tells_every_fault_apart() {
    // An installation for three faults: a second check of one connection within a minute is
    // answered from storage. One for the limit of the whole app, under which nobody is checked.
    let (limit, others): (Vec<_>, Vec<_>) =
        Fault::ALL.iter().copied().partition(|fault| *fault == Fault::AppRateLimit);
    let apart = iter::once(&limit[..]).chain(others.chunks(Person::ALL.len()));
    let asked = stream::iter(apart).map(|faults| async move {
        let app = App::start().await;
        let key = app.service_key().await;
        let mut checks = operations::all(&app).await;
        checks.retain(|each| each.asks() == Asks::Whose && each.path == "/user/instagram/check");
        let [check] = &checks[..] else { panic!("{checks:?}") };
        let asking = faults.iter().zip(Person::ALL).map(|(fault, person)| {
            let member = Member::new(&app, *person, &key);
            async move {
                member.is_connected().await;
                member.meets(*fault);
                let told = member.call(check).await;
                assert_eq!(told.status, StatusCode::OK, "{fault:?}: {}", told.body);
                let status = member.status_told().await;
                assert_eq!(at_that_moment(told.body, &status), status, "{fault:?}");
                let is_met = fault.effect() == Effect::Kills || fault.endpoints().contains(&Endpoint::Me);
                let expected = if is_met { reason_after_check(*fault) } else { None };
                assert_eq!(status["reason"], json!(expected), "{fault:?}: {status}");
                member.is_handed_out_as_told(&status).await;
            }
        });
        join_all(asking).await.len()
    });
    let asked = asked.buffer_unordered(4).collect::<Vec<usize>>().await;
    assert_eq!(asked.iter().sum::<usize>(), Fault::ALL.len());
}

impl Member<'_> {
    /// Only a connection that counts as connected hands its grant out; else the answer has the
    /// status's reason.
    async fn is_handed_out_as_told(&self, status: &Value) {
        let told = self.token().await;
        if status["connected"] == true {
            assert_eq!(told.status, StatusCode::OK, "{status}");
            assert!(told.body["access_token"].as_str().is_some_and(|grant| !grant.is_empty()), "{status}");
        } else {
            has_the_reason(&told, status);
        }
    }
}

/// A 424 with the status's own reason.
fn has_the_reason(told: &Outcome, status: &Value) {
    assert_eq!(told.status, StatusCode::FAILED_DEPENDENCY, "{} {status}", told.body);
    assert_eq!(
        (&told.body["source"], &told.body["reason"]),
        (&json!("instagram"), &status["reason"]),
        "{status}"
    );
}

/// One such call under that fault.
async fn is_wrapped(member: &Member<'_>, operation: &Operation, fault: Fault) {
    member.is_connected().await;
    member.meets(fault);
    let told = member.call(operation).await;
    let what = format!("{fault:?} {operation:?}: {} {}", told.status, told.body);
    let status = member.status_told().await;
    assert_eq!(status["reason"], json!(reason_after_use(fault)), "{what}: {status}");
    let is_met = fault.effect() == Effect::Kills || fault.endpoints().contains(&Endpoint::Graph);
    if fault == Fault::HugeBody {
        assert_eq!(
            (told.status, &told.body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("graph-answer-too-large")),
            "{what}"
        );
    } else if status["connected"] == true && (answers(fault) || !is_met) {
        // Instagram's own status is in the body, where nobody takes it for ours.
        assert_eq!(told.status, StatusCode::OK, "{what}");
        assert!(told.body["status"].is_u64(), "{what}");
        if fault == Fault::BareUnauthorized {
            assert_eq!(told.body, json!({"status": 401, "body": null}), "{what}");
        }
    } else if answers(fault) {
        has_the_reason(&told, &status);
    } else {
        let (code, reason) = (told.status, &told.body["reason"]);
        assert_eq!((code, reason), (StatusCode::FAILED_DEPENDENCY, &json!("provider_unavailable")), "{what}");
    }
    member.is_handed_out_as_told(&status).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_apps_backend_asks_is_wrapped_or_has_the_status_s_reason() {
    let faults = under_every_fault(Person::ALL, async |member, fault| {
        let mut calls = operations::all(member.app).await;
        calls.retain(|operation| operation.asks() == Asks::Graph);
        assert_eq!(calls.len(), 3, "operations that pass a call on");
        for operation in &calls {
            if fault == Fault::AppRateLimit {
                // An installation of its own: after one call nobody makes another.
                let app = App::start().await;
                let key = app.service_key().await;
                is_wrapped(&Member::new(&app, member.person, &key), operation, fault).await;
            } else {
                is_wrapped(member, operation, fault).await;
            }
        }
    })
    .await;
    assert_eq!(faults, Fault::ALL.len());
}

/// What the callback answers: only a fault of the consent page can touch it.
fn callback_answer(fault: Fault) -> (u16, Option<&'static str>) {
    match fault {
        Fault::ConsentDenied => (303, Some("instagram=denied")),
        // Whose denial it is, nobody can tell: a page says so, and the attempt ends by itself.
        Fault::DeniedWithoutState => (400, None),
        _ => (303, Some("instagram=complete")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reconnecting_under_any_fault_keeps_what_works() {
    let faults = under_every_fault(Person::ALL, async |member, fault| {
        let mut called = 0;
        for operation in operations::all(member.app).await {
            if operation.asks() != Asks::Dance {
                continue;
            }
            member.is_connected().await;
            if operation.path == "/instagram/callback" {
                member.meets(fault);
                let told = member.come_back().await;
                let (status, outcome) = callback_answer(fault);
                assert_eq!(told.status, status, "{fault:?}: {}", told.text());
                let to = told.headers.get("location").map(|to| to.to_str().unwrap());
                assert!(
                    outcome.is_none_or(|part| to.is_some_and(|to| to.contains(part))),
                    "{fault:?}: {to:?}"
                );
            } else {
                let returned = member.approve().await;
                member.meets(fault);
                let told = member.here.complete(&returned).await;
                assert_eq!(told.status, completing(fault), "{fault:?}: {}", told.text());
            }
            let status = member.status_told().await;
            assert_eq!(status["connected"], true, "{fault:?} {operation:?}: {status}");
            member.is_handed_out_as_told(&status).await;
            called += 1;
        }
        assert_eq!(called, 2, "operations of the dance");
    })
    .await;
    assert_eq!(faults, Fault::ALL.len());
}

/// What `complete` answers: 424 wherever one of its three calls meets the fault.
fn completing(fault: Fault) -> StatusCode {
    let meets = fault
        .endpoints()
        .iter()
        .any(|each| matches!(each, Endpoint::Token | Endpoint::Exchange | Endpoint::Me));
    // What kills the tokens that there are does not touch the new one.
    if meets && fault.effect() != Effect::Kills { StatusCode::FAILED_DEPENDENCY } else { StatusCode::OK }
}

#[tokio::test(flavor = "multi_thread")]
async fn connecting_under_any_fault_leaves_nothing_half_made() {
    let faults = under_every_fault(Person::ALL, async |member, fault| {
        member.begins().await;
        if fault.endpoints() == [Endpoint::Authorize] {
            member.meets(fault);
            assert_eq!(member.come_back().await.status, callback_answer(fault).0);
            let status = member.status_told().await;
            if fault == Fault::ConsentDenied {
                assert_eq!(status["reason"], "denied");
            } else {
                assert_eq!(status["state"], "connecting");
            }
            return;
        }
        let returned = member.approve().await;
        member.meets(fault);
        let completed = member.here.complete(&returned).await;
        let told = completed.json();
        assert_eq!(completed.status, completing(fault), "{fault:?}: {told}");
        let status = member.status_told().await;
        assert_eq!(status["connected"], completed.status == StatusCode::OK, "{fault:?}: {status}");
        if completed.status == StatusCode::FAILED_DEPENDENCY {
            assert_eq!((&told["source"], &told["status"]), (&json!("instagram"), &json!(424)), "{fault:?}");
            let is_open = status["state"] == "connecting";
            let has_ended =
                status["reason"] == "attempt_failed" || status["reason"] == "account_not_admitted";
            assert!(has_ended || is_open, "{fault:?}: {status}");
            // The action `retry` stands only beside an open attempt.
            assert_eq!(told["action"] == "retry", is_open, "{fault:?}: {told} {status}");
            let grant = member.token().await;
            assert_eq!(grant.status, StatusCode::FAILED_DEPENDENCY, "{fault:?}: {}", grant.body);
        }
    })
    .await;
    assert_eq!(faults, Fault::ALL.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_and_checking_cost_instagram_at_most_one_call_a_minute() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let before = app.instagram.call_counts().get(&Endpoint::Me).copied().unwrap_or(0);
    let checks = (0..20).map(|_| ada.check());
    for answer in futures_util::future::join_all(checks).await {
        assert_eq!(answer.status, StatusCode::OK);
    }
    for _ in 0..20 {
        ada.status().await;
    }
    assert_eq!(app.instagram.call_counts()[&Endpoint::Me] - before, 1);
}
