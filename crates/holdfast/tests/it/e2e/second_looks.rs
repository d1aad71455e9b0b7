//! What is told after the first answer: of an attempt that is over, of one that waits, of a call
//! whose answer was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use holdfast::clock::{ManualClock, SharedClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault, UsageFigures};
use holdfast::transport::{Answer, Outgoing};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::Member;
use super::statuses::told;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, Returned, SignedIn};
use crate::testing::database::{Engine, execute_on};
use crate::testing::serving::serving;
use crate::testing::waiting::until;

const NO_WORKER: &[(&str, &str)] = &[("HOLDFAST_WORKER", "off")];

fn clock() -> ManualClock {
    ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap())
}

async fn at(clock: &ManualClock) -> App {
    let shared: SharedClock = Arc::new(clock.clone());
    App::at(shared, NO_WORKER, |_| {}).await
}

fn state_of(authorize_url: &str) -> String {
    let url: url::Url = authorize_url.parse().unwrap();
    url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_failed_at_the_callback_is_told_as_failed() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    for query in ["error=server_error", "error=temporarily_unavailable&code=x", "nothing=1"] {
        let state = state_of(&ada.connect().await);
        let attempt = ada.status().await["attempt"]["id"].as_str().unwrap().to_owned();
        let back = app.get(&format!("/instagram/callback?state={state}&{query}")).await;
        let location = back.headers["location"].to_str().unwrap();
        assert!(location.contains("reason=attempt_failed"), "{location}");
        // There was no completion, so what is sent in its place is not what is wrong.
        let returned = Returned { attempt, completion: "none-came-with-the-redirect".to_owned() };
        let answer = ada.complete(&returned).await;
        assert_eq!(answer.told(), (424, "attempt_failed"), "{query}");
        assert_eq!(answer.json()["action"], "connect");
        assert_eq!(grace.complete(&returned).await.code(), "attempt-not-yours");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_opened_again_hours_later_does_not_deny_what_it_connected() {
    let clock = clock();
    let app = at(&clock).await;
    let ada = app.sign_in(Person::Ada);
    let authorize = ada.connect().await;
    let state = state_of(&authorize);
    let end = app.decide(&authorize, "ada.makes", &Decision::Approve).await;
    let parameter = |name: &str| end.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
    let returned = Returned { attempt: parameter("attempt"), completion: parameter("completion") };
    ada.complete(&returned).await.good();
    clock.advance(Duration::from_hours(3));
    let page = app.get(&format!("/instagram/callback?state={state}&code=x")).await;
    assert!(!page.headers.contains_key("location"));
    let told = page.text();
    assert!(told.contains("The account was connected") && !told.contains("Nothing was connected"), "{told}");
}

/// Completes while the clock runs, for what is asked twice with a pause.
pub(super) async fn complete(ada: &SignedIn<'_>, returned: &Returned, clock: &ManualClock) -> Answer {
    let is_done = AtomicBool::new(false);
    let work = async {
        let answer = ada.complete(returned).await;
        is_done.store(true, Ordering::Relaxed);
        answer
    };
    let tick = until("it is answered", async || {
        clock.advance(Duration::from_millis(100));
        is_done.load(Ordering::Relaxed)
    });
    tokio::join!(work, tick).0
}

fn wait(answer: &Answer) -> u64 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longer_an_outage_lasts_the_rarer_an_attempt_asks() {
    let clock = clock();
    let app = at(&clock).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.arm(Some("ada.makes"), Fault::ServerErrorJson, Some(Endpoint::Me), None).unwrap();
    let mut waits = Vec::new();
    for pause in [0, 80, 160, 240, 480, 1200] {
        clock.advance(Duration::from_secs(pause));
        let waited = complete(&ada, &returned, &clock).await;
        assert_eq!(waited.code(), "provider_unavailable", "{}", waited.text());
        waits.push(wait(&waited));
    }
    assert_eq!(waits[0], 5, "a person may be waiting");
    assert!(waits.is_sorted() && waits[2] >= 25 && waits[5] == 60, "{waits:?}");
    app.instagram.clear(None).unwrap();
    clock.advance(Duration::from_mins(1));
    assert_eq!(complete(&ada, &returned, &clock).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_without_a_reason_that_lasts_ends_the_attempt() {
    let clock = clock();
    let app = at(&clock).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.arm(Some("ada.makes"), Fault::FalseAlarm, Some(Endpoint::Me), None).unwrap();
    assert_eq!(complete(&ada, &returned, &clock).await.code(), "provider_unavailable");
    clock.advance(Duration::from_mins(9));
    assert_eq!(complete(&ada, &returned, &clock).await.code(), "provider_unavailable");
    assert_eq!(told(&ada.status().await), ("connecting", None, "none"));
    clock.advance(Duration::from_mins(2));
    let ended = complete(&ada, &returned, &clock).await;
    assert_eq!((ended.code(), &ended.json()["action"]), ("attempt_failed", &json!("connect")));
    assert_eq!(told(&ada.status().await), ("not_connected", Some("attempt_failed"), "connect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_answer_is_lost_says_what_is_safe() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let path = format!("/service/users/{}/instagram/graph/me/media", Person::Ada.user_id());
    for (method, may_be_done) in [(Method::GET, false), (Method::POST, true), (Method::DELETE, true)] {
        app.instagram.arm(None, Fault::LostReply, Some(Endpoint::Graph), Some(1)).unwrap();
        let lost = app.request(method.clone(), &path, Some(&format!("Bearer {key}")), None).await;
        assert_eq!(lost.code(), "provider_unavailable", "{method}: {}", lost.text());
        // A call that may be repeated says when; one that might be done twice does not.
        assert_eq!(lost.headers.contains_key("retry-after"), !may_be_done, "{method}");
        assert_eq!(lost.json()["action"], json!(if may_be_done { "look_first" } else { "retry" }));
        let detail = lost.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(detail.contains("may have carried the call out"), may_be_done, "{method}: {detail}");
    }
}

/// Told of the database instead, a backend would publish the same again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_made_is_answered_though_it_cannot_be_noted() {
    let app = App::with(NO_WORKER, |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let no_more_changes = match app.place.engine {
        Engine::Sqlite => {
            "CREATE TRIGGER stands BEFORE UPDATE ON connections BEGIN SELECT RAISE(ABORT, 'it stands'); END"
        }
        Engine::Postgres => {
            "CREATE FUNCTION stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it stands'; END $$; \
             CREATE TRIGGER stands BEFORE UPDATE ON connections FOR EACH ROW EXECUTE FUNCTION stands()"
        }
    };
    execute_on(&app.place, no_more_changes).await;
    app.instagram.script(None, Endpoint::Graph, 200, r#"{"id":"18"}"#, Some(1)).unwrap();
    let made = ada.service(Method::POST, "graph/me/media", Some(json!({"image_url": "x"}))).await;
    assert_eq!((made.status, &made.body["status"]), (StatusCode::OK, &json!(200)), "{}", made.body);
    app.instagram.arm(None, Fault::LostReply, Some(Endpoint::Graph), Some(1)).unwrap();
    let lost = ada.service(Method::POST, "graph/me/media", Some(json!({"image_url": "x"}))).await;
    assert_eq!(
        (&lost.body["code"], &lost.body["action"]),
        (&json!("provider_unavailable"), &json!("look_first"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_says_nothing_unless_me_fails_too() {
    let clock = clock();
    let app = at(&clock).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let path = format!("/service/users/{}/instagram/graph/me/media_publish", Person::Ada.user_id());
    let authorization = format!("Bearer {key}");
    let publish = || app.request(Method::POST, &path, Some(&authorization), None);
    let version = ada.here.status().await["version"].clone();
    for _ in 0..2 {
        app.instagram.script(None, Endpoint::Graph, 500, "", Some(1)).unwrap();
        assert_eq!(publish().await.json()["status"], json!(500));
        let status = ada.here.status().await;
        assert_eq!(told(&status), ("connected", None, "none"));
        assert_ne!((&status["version"], &status["evidence"]["source"]), (&version, &json!("oauth")));
    }
    clock.advance(Duration::from_mins(1));
    for endpoint in [Endpoint::Graph, Endpoint::Me] {
        app.instagram.script(None, endpoint, 500, "", None).unwrap();
    }
    publish().await;
    assert_eq!(told(&ada.here.status().await), ("degraded", Some("provider_unavailable"), "wait"));
    let asked = app.instagram.call_counts()[&Endpoint::Me];
    publish().await;
    assert_eq!(app.instagram.call_counts()[&Endpoint::Me], asked, "the worker asks where trouble is known");
}

/// One by one and all at once: of a storm of failing calls nobody else must notice anything.
#[tokio::test(flavor = "multi_thread")]
async fn calls_that_keep_failing_cost_one_look_and_one_write_a_minute() {
    const DEAD: &str = r#"{"error":{"message":"The access token is invalid","type":"OAuthException","code":190,"error_subcode":467}}"#;
    let clock = clock();
    let app = at(&clock).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let asked = || app.instagram.call_counts()[&Endpoint::Me];
    let call = || ada.get("graph/me/media");
    let version = async || ada.here.status().await["version"].as_i64().unwrap();
    for (status, body, looks) in [(500, "", 1), (400, DEAD, 12)] {
        clock.advance(Duration::from_mins(2));
        app.instagram.script(None, Endpoint::Graph, status, body, None).unwrap();
        let (asked_before, version_before) = (asked(), version().await);
        futures_util::future::join_all((0..6).map(|_| call())).await;
        for _ in 0..6 {
            assert_eq!(call().await.body["status"], status);
        }
        // A sign of death is looked into at once, each time.
        assert!((1..=looks).contains(&(asked() - asked_before)), "{status}: {}", asked() - asked_before);
        assert_eq!(version().await, version_before + 1, "{status}");
        clock.advance(Duration::from_mins(1));
        call().await;
        assert_eq!(version().await, version_before + 2, "{status}: the next minute");
        app.instagram.clear(None).unwrap();
    }
    assert_eq!(told(&ada.here.status().await), ("connected", None, "none"));
}

/// Instagram may end a grant before the answer to its refresh arrives.
#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_somebody_refreshes_is_not_called_dead() {
    let clock = clock();
    let app = at(&clock).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    let until = holdfast::clock::after(app.clock.now(), Duration::from_mins(3)).as_millisecond();
    let hold =
        format!("UPDATE connections SET lease_owner = 'worker', lease_until = {until}, lease_epoch = 1");
    execute_on(&app.place, &hold).await;
    for method in [Method::GET, Method::POST] {
        let refused = ada.service(method.clone(), "graph/me/media", None).await;
        let told = (refused.status.as_u16(), &refused.body["code"], &refused.body["action"]);
        assert_eq!(told, (424, &json!("provider_unavailable"), &json!("retry")), "{method}");
    }
    assert_eq!(ada.service(Method::POST, "check", None).await.body["state"], "connected");
    assert_eq!(told(&ada.here.status().await), ("connected", None, "none"));
    // Nobody brings another one after all.
    clock.advance(Duration::from_mins(4));
    let refused = ada.get("graph/me/media").await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (424, &json!("revoked")));
}

/// Some answers of `/me` have the professional id in `id`, and nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_is_named_by_its_professional_id_alone_is_the_same() {
    let clock = clock();
    let app = at(&clock).await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    let connected = ada.connect_account("ada.makes").await;
    let me = |account: &Value| json!({"id": account["professional_id"], "username": account["username"]});
    let named = me(&connected["account"]).to_string();
    app.instagram.script(Some("ada.makes"), Endpoint::Me, 200, named, None).unwrap();
    for _ in 0..3 {
        clock.advance(Duration::from_mins(30));
        let status = ada.check().await.json();
        assert_eq!(told(&status), ("connected", None, "none"));
    }
    // Where it is linked, the token's own answer has the other id.
    let graces = json!({"professional_id": "17841400000000042", "username": "grace.hops"});
    app.instagram.script(Some("grace.hops"), Endpoint::Me, 200, me(&graces).to_string(), None).unwrap();
    let linked = grace.connect_account("grace.hops").await;
    assert_eq!(linked["account"]["professional_id"], graces["professional_id"]);
    assert_ne!(linked["account"]["id"], graces["professional_id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_apps_own_calls_count_for_the_budget() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let used = async || {
        app.overview.look().await.unwrap();
        app.overview.look_at_the_rest().await.unwrap();
        let shown = app.metrics.render();
        let line = shown.lines().find(|line| line.starts_with("holdfast_provider_budget_ratio"));
        line.and_then(|line| line.rsplit(' ').next()).unwrap().parse::<f64>().unwrap()
    };
    assert!(used().await < 0.01);
    let figures = UsageFigures { app_percent: Some(62), account_percent: None, regains_in_minutes: 0 };
    app.instagram.set_usage(figures);
    assert_eq!(ada.get("graph/me/media").await.status, StatusCode::OK);
    assert!((used().await - 0.62).abs() < 0.001, "{}", used().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_an_access_level_that_a_call_wants_is_nobodys_permission() {
    const REFUSED: &str = r#"{"error":{"message":"(#200) App does not have Advanced Access to instagram_business_manage_insights permission and recipient user does not have role on app","type":"OAuthException","code":200}}"#;
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    app.instagram.script(None, Endpoint::Graph, 400, REFUSED, Some(1)).unwrap();
    let refused = ada.get("graph/me/insights").await;
    assert_eq!(refused.body["status"], 400);
    let status = ada.here.status().await;
    assert_eq!((told(&status), &status["missing_scopes"]), (("connected", None, "none"), &json!([])));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_at_instagram_is_not_denied_where_the_app_is_not_set_up() {
    let app = App::with(&[("INSTAGRAM_APP_ID", ""), ("INSTAGRAM_APP_SECRET", "")], |_| {}).await;
    let receipt = app.sign_in(Person::Ada).disconnect().await.json();
    let hint = receipt["revoke_hint"].as_str().unwrap();
    assert!(hint.contains("remove the app") && !hint.contains("Nothing"), "{hint}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_cursor_is_refused_by_whichever_name_it_came() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    for name in ["cursor", "before"] {
        let refused = ada.get(&format!("/user/instagram/history?{name}=x")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST);
        let detail: Value = refused.json()["detail"].clone();
        assert_eq!(detail, "This server did not issue that cursor.", "{name}");
    }
}

/// Without a word any coding is allowed, and none is read here.
#[tokio::test(flavor = "multi_thread")]
async fn what_goes_out_asks_for_plain_answers() {
    let echo = |headers: http::HeaderMap| async move {
        headers.get("accept-encoding").map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
    };
    let router = axum::Router::new().fallback(axum::routing::get(echo));
    let url = serving(router).await.parse().unwrap();
    let app = App::start().await;
    assert_eq!(app.send(Outgoing::new(Method::GET, url)).await.text(), "identity");
}

/// Calling while throttled lengthens the pause, also when the call is about another account.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_about_while_the_app_is_throttled() {
    let clock = clock();
    let app = at(&clock).await;
    let key = app.service_key().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    ada.connect_account("ada.makes").await;
    grace.connect_account("grace.hops").await;
    clock.advance(Duration::from_mins(2));
    let asked = || app.instagram.call_counts()[&Endpoint::Me];
    let check = async |who: &SignedIn<'_>| {
        let answer = who.check().await;
        answer.good()
    };
    app.instagram.arm(None, Fault::AppRateLimit, Some(Endpoint::Me), Some(1)).unwrap();
    assert_eq!(check(&ada).await["reason"], "rate_limited");
    let calls = asked();
    check(&grace).await;
    let path = format!("/service/users/{}/instagram/graph/me/media", Person::Grace.user_id());
    let called = app.get_as(&format!("Bearer {key}"), &path).await;
    called.is(424, "rate_limited");
    assert!(called.headers.contains_key("retry-after"));
    assert!(!app.instagram.call_counts().contains_key(&Endpoint::Graph));
    clock.advance(Duration::from_mins(2));
    check(&ada).await;
    assert_eq!(asked(), calls, "while it is throttled");
    clock.advance(Duration::from_hours(1));
    assert_eq!(check(&ada).await["state"], "connected");
    check(&grace).await;
    assert_eq!(asked(), calls + 2);
}
