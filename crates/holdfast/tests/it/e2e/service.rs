//! What the app's own backend asks for, beside the faults of Instagram.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault};
use http::{Method, StatusCode};
use serde_json::json;
use tokio::time::timeout;

use super::operations::Member;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::database::{Engine, Place};
use crate::testing::waiting::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_hands_out_tokens_is_refused_and_says_nothing_about_the_connection() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    let connected = ada.here.connect_account(ada.account).await;
    let asked = app.instagram.call_counts();
    for path in ["graph/refresh_access_token", "graph/access_token", "graph/oauth/access_token"] {
        let told = ada.get(path).await;
        assert_eq!(
            (told.status, &told.body["code"], &told.body["source"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("graph-call-not-allowed"), &json!("request")),
            "{path}: {}",
            told.body
        );
    }
    assert_eq!(app.instagram.call_counts(), asked);
    assert_eq!(ada.here.status().await, connected);
}

/// No Postgres takes one in a text.
#[tokio::test(flavor = "multi_thread")]
async fn a_nul_in_an_address_is_the_callers_mistake() {
    let app = App::start().await;
    let key = app.service_key().await;
    assert_eq!(app.get("/data-deletion/%00").await.status, StatusCode::NOT_FOUND);
    let key = format!("Bearer {key}");
    for account in ["%00", "@%00"] {
        let path = format!("/service/connections?account={account}");
        let listed = app.get_as(&key, &path).await;
        assert_eq!(listed.status, StatusCode::BAD_REQUEST, "{}", listed.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reason_is_that_of_the_status_while_a_person_connects_again() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    let same = async |state: &str, reason: Option<&str>| {
        let status = ada.get("status").await.body;
        assert_eq!((&status["state"], &status["reason"]), (&json!(state), &json!(reason)));
        for path in ["graph/me", "token"] {
            let method = if path == "token" { Method::POST } else { Method::GET };
            let told = ada.service(method, path, None).await;
            assert_eq!(told.status, StatusCode::FAILED_DEPENDENCY, "{path}");
            let code = reason.unwrap_or("not_connected");
            assert_eq!((&told.body["code"], &told.body["reason"]), (&json!(code), &json!(reason)), "{path}");
        }
    };
    same("not_connected", None).await;
    let url = ada.here.connect().await;
    app.decide(&url, ada.account, &Decision::Deny).await;
    same("not_connected", Some("denied")).await;
    clock.advance(Duration::from_secs(1));
    ada.here.connect().await;
    same("connecting", None).await;
    // Nobody has swept it yet.
    clock.advance(Duration::from_mins(11));
    same("not_connected", Some("attempt_expired")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_instagram_asks_us_to_wait_it_is_not_called() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    app.instagram.set_fault(Some(ada.account), Fault::AccountRateLimit).unwrap();
    // Instagram's own answer is wrapped, and says for how long to wait.
    assert_eq!(ada.get("graph/me").await.status, StatusCode::OK);
    let status = ada.here.status().await;
    assert_eq!(status["reason"], "rate_limited");
    assert!(status["retry_after"].is_string(), "{status}");
    app.instagram.clear(Some(ada.account)).unwrap();
    let asked = app.instagram.call_counts();
    let told = ada.get("graph/me").await;
    assert_eq!((told.status, &told.body["reason"]), (StatusCode::FAILED_DEPENDENCY, &json!("rate_limited")));
    assert_eq!(app.instagram.call_counts(), asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_without_an_end_is_waited_for_as_well() {
    for code in [4, 17, 32, 341, 613, 80_002] {
        let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
        let key = app.service_key().await;
        let ada = Member::new(&app, Person::Ada, &key);
        ada.here.connect_account(ada.account).await;
        let limited = json!({"error": {"message": "too many calls", "type": "OAuthException", "code": code}});
        app.instagram.script(None, Endpoint::Graph, 400, limited.to_string(), Some(1)).unwrap();
        assert_eq!(ada.service(Method::GET, "graph/me/media", None).await.body["status"], 400, "{code}");
        let status = ada.here.status().await;
        assert_eq!(status["reason"], "rate_limited", "{code}");
        assert!(status["retry_after"].is_string(), "{code}: {status}");
        let asked = app.instagram.call_counts();
        let path = format!("/service/users/{}/instagram/graph/me/media", Person::Ada.user_id());
        let told = app.request(Method::GET, &path, Some(&format!("Bearer {key}")), None).await;
        assert_eq!(told.status, StatusCode::FAILED_DEPENDENCY, "{code}");
        let wait: u64 = told.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((290..=300).contains(&wait), "{code}: {wait} s");
        assert_eq!(app.instagram.call_counts(), asked, "{code}: asking again lengthens it");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instagrams_answer_arrives_as_it_was_sent() {
    let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let path = format!("/service/users/{}/instagram/graph/me/media", Person::Ada.user_id());
    for sent in [
        r#"{"id":340282366920938463463374607431768211456,"huge":1e400,"small":0.10,"caption":"\ud83d\/","id":1}"#,
        "true",
    ] {
        app.instagram.script(None, Endpoint::Graph, 200, sent, Some(1)).unwrap();
        let answer = app.get_as(&format!("Bearer {key}"), &path).await;
        assert_eq!(answer.text(), format!(r#"{{"status":200,"body":{sent}}}"#));
    }
    // An error is seen beside a number that nothing can hold.
    let dead = r#"{"n":1e400,"error":{"message":"Not authorized","code":190,"error_subcode":458}}"#;
    app.instagram.script(None, Endpoint::Graph, 400, dead, Some(1)).unwrap();
    app.instagram.script(None, Endpoint::Me, 400, dead.replace("1e400", "1"), None).unwrap();
    let told = ada.get("graph/me/media").await;
    assert_eq!(told.status, StatusCode::FAILED_DEPENDENCY, "{}", told.body);
}

/// As by a long transaction of somebody else's.
#[tokio::test(flavor = "multi_thread")]
async fn reads_are_answered_while_nothing_can_be_written_and_each_use_is_noted_once() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let place = Place::new(Engine::Sqlite).await;
    let app = App::on(place, Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    let read = async || {
        let profile = async { ada.here.get("/user/profile").await.status };
        let status = async { ada.get("status").await.status };
        let (profile, status) = tokio::join!(profile, status);
        assert_eq!((profile, status), (StatusCode::OK, StatusCode::OK));
    };
    read().await;
    let database = rusqlite::Connection::open(app.place.directory.path().join("holdfast.db")).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let (used, seen) = ("SELECT last_used_at FROM service_keys", "SELECT last_seen_at FROM users");
    let notes = "CREATE TABLE noted (what TEXT); \
                 CREATE TRIGGER used AFTER UPDATE ON service_keys BEGIN INSERT INTO noted VALUES ('used'); END; \
                 CREATE TRIGGER seen AFTER UPDATE ON users BEGIN INSERT INTO noted VALUES ('seen'); END";
    until("both are noted", async || count("SELECT COUNT(last_used_at) FROM service_keys") == 1).await;
    database.execute_batch(notes).unwrap();
    clock.advance(Duration::from_mins(2));
    database.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reads = join_all((0..10).map(|_| read()));
    timeout(Duration::from_secs(4), reads).await.expect("no read waits for a write");
    database.execute_batch("COMMIT").unwrap();
    let now = clock.now().as_millisecond();
    until("both are noted", async || count(used) == now && count(seen) == now).await;
    assert_eq!(count("SELECT COUNT(*) FROM noted"), 2);
}
