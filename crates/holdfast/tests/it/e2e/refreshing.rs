//! The worker, against a provider whose answers are odd.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::Member;
use super::statuses::told;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::serving::serving;
use crate::testing::waiting::{until, until_seen};

/// Serves `graph.instagram.com`: grants live an hour, and a refresh is answered with `refreshed`.
/// Answers with its address and the number of refreshes.
async fn graph(refreshed: Value) -> (String, Arc<AtomicUsize>) {
    graph_with(refreshed, (200, json!({"data": []}))).await
}

/// The same with that answer of the insights.
async fn graph_with(refreshed: Value, insights: (u16, Value)) -> (String, Arc<AtomicUsize>) {
    let insights = (StatusCode::from_u16(insights.0).unwrap(), Json(insights.1));
    let refreshes = Arc::new(AtomicUsize::new(0));
    let counted = refreshes.clone();
    let long = json!({"access_token": "IGAAfirst", "token_type": "bearer", "expires_in": 3600});
    let me = json!({"id": "25982752248032036", "user_id": "17841479677897649", "username": "ada.makes"});
    let refresh = move || {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Json(refreshed) }
    };
    let router = Router::new()
        .route("/access_token", get(move || async move { Json(long) }))
        .route("/refresh_access_token", get(refresh))
        .route("/{version}/me/insights", get(move || async move { insights }))
        .route("/{version}/me", get(move || async move { Json(me) }));
    (serving(router).await, refreshes)
}

fn settings(graph: &str) -> [(&str, &str); 3] {
    [("INSTAGRAM_GRAPH_URL", graph), ("HOLDFAST_REFRESH_MIN_AGE_S", "2"), ("HOLDFAST_REFRESH_AT", "0.0001")]
}

/// Connects, and waits for the first refresh: the status before and after.
async fn refreshed_once(app: &App) -> (Value, Value) {
    let ada = app.sign_in(Person::Ada);
    let connected = ada.connect_account("ada.makes").await;

    // Due within 2 s of being linked: the worker, asleep by then, must not learn of it only at its
    // next round.
    let is_refreshed = |status: &Value| status["evidence"]["source"] == "refresh";
    let status =
        until_seen("the worker refreshes what is due", async || ada.status().await, is_refreshed).await;
    (connected, status)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_names_no_lifetime_is_kept_for_as_long_as_the_grant_before_had() {
    let (graph, refreshes) = graph(json!({"access_token": "IGAAsecond", "token_type": "bearer"})).await;
    let app = App::with(&settings(&graph), |_| {}).await;
    let key = app.service_key().await;
    let (connected, status) = refreshed_once(&app).await;
    // The provider may have ended the first one.
    assert_eq!((&status["state"], &status["reason"]), (&json!("connected"), &Value::Null), "{status}");
    assert_eq!(status["token_expires_at"], connected["token_expires_at"]);
    let ada = Person::Ada.user_id();
    let path = format!("/service/users/{ada}/instagram/token");
    let handed = app.request(Method::POST, &path, Some(&format!("Bearer {key}")), None).await;
    assert_eq!(handed.json()["access_token"], "IGAAsecond");
    assert!(refreshes.load(Ordering::SeqCst) > 0);
}

/// Instagram answers a call with the grant before when it has ended that, and sent the next one.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_a_refresh_overtakes_is_made_with_the_new_grant() {
    const DEAD: &str = r#"{"error":{"message":"The access token is invalid","type":"OAuthException","code":190,"error_subcode":467}}"#;
    let refreshed = Arc::new(tokio::sync::Notify::new());
    let has_refreshed = refreshed.clone();
    let waits = Arc::new(tokio::sync::Notify::new());
    let is_waiting = waits.clone();
    let media = move |Query(query): Query<HashMap<String, String>>| {
        let (refreshed, is_waiting) = (has_refreshed.clone(), is_waiting.clone());
        async move {
            if query["access_token"] == "IGAAsecond" {
                return (StatusCode::OK, r#"{"data":[]}"#);
            }
            is_waiting.notify_one();
            refreshed.notified().await;
            (StatusCode::BAD_REQUEST, DEAD)
        }
    };
    let first = json!({"access_token": "IGAAfirst", "token_type": "bearer", "expires_in": 3600});
    let second = json!({"access_token": "IGAAsecond", "token_type": "bearer", "expires_in": 3600});
    let me = json!({"id": "25982752248032036", "user_id": "17841479677897649", "username": "ada.makes"});
    let router = Router::new()
        .route("/access_token", get(move || async move { Json(first) }))
        .route("/refresh_access_token", get(move || async move { Json(second) }))
        .route("/{version}/me/media", get(media.clone()).post(media))
        .route("/{version}/me", get(move || async move { Json(me) }));
    let graph = serving(router).await;
    let mut settings = settings(&graph);
    // Time to make the calls before.
    settings[1].1 = "5";
    let app = App::with(&settings, |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let ended = async {
        waits.notified().await;
        waits.notified().await;
        let is_refreshed = |status: &Value| status["evidence"]["source"] == "refresh";
        until_seen("the worker refreshes what is due", async || ada.here.status().await, is_refreshed).await;
        refreshed.notify_waiters();
    };
    let read = ada.get("graph/me/media");
    let write = ada.service(Method::POST, "graph/me/media", None);
    let (read, write, ()) = tokio::join!(read, write, ended);
    assert_eq!((read.status.as_u16(), &read.body["body"]), (200, &json!({"data": []})), "{}", read.body);
    assert_eq!((write.status.as_u16(), &write.body["action"]), (424, &json!("retry")), "{}", write.body);
    assert_eq!(told(&ada.here.status().await), ("connected", None, "none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_shortens_the_life_is_kept() {
    let shorter = json!({"access_token": "IGAAsecond", "token_type": "bearer", "expires_in": 1800.0});
    let (graph, refreshes) = graph(shorter).await;
    let app = App::with(&settings(&graph), |_| {}).await;
    let (connected, status) = refreshed_once(&app).await;
    // The provider may have ended the first one.
    assert!(status["token_expires_at"].as_str() < connected["token_expires_at"].as_str(), "{status}");
    assert!(refreshes.load(Ordering::SeqCst) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_degraded_connection_too_young_to_be_renewed_recovers_by_itself_within_minutes() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    // "Wait" promises that somebody asks again, although a refresh is not allowed for a day.
    for fault in [Fault::AppDeactivated, Fault::FalseAlarm] {
        app.instagram.arm(Some("ada.makes"), fault, Some(Endpoint::Me), None).unwrap();
        let struck = ada.check().await.json();
        assert_eq!((&struck["state"], &struck["action"]), (&json!("degraded"), &json!("wait")), "{fault:?}");
        app.instagram.clear(None).unwrap();
        let mut minutes = 0;
        while ada.status().await["state"] != "connected" {
            assert!(minutes < 15, "{fault:?}: the worker has not asked again");
            clock.advance(Duration::from_mins(1));
            minutes += 1;
            // While it was at work, it may have gone to sleep by the time before or after.
            let then = clock.now();
            until("the worker has been at work", async || {
                let has_been = app.overview.tally.last_tick() >= Some(then);
                if !has_been {
                    clock.advance(Duration::from_secs(1));
                }
                has_been
            })
            .await;
        }
        assert_eq!(ada.status().await["evidence"]["source"], "use", "{fault:?}");
        clock.advance(Duration::from_mins(2));
    }
    assert!(!app.instagram.call_counts().contains_key(&Endpoint::Refresh), "it was looked at, not renewed");
}

/// Waits until the worker has refreshed twice more: what came before is stored by then.
async fn refreshed_again(refreshes: &AtomicUsize) {
    let before = refreshes.load(Ordering::SeqCst);
    until("two more refreshes", async || refreshes.load(Ordering::SeqCst) >= before + 2).await;
}

/// As the documented answer to a refresh is.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_names_no_permission_takes_none_away_that_a_call_has_proven() {
    let silent = json!({"access_token": "IGAAsecond", "token_type": "bearer", "expires_in": 3600});
    let (graph, refreshes) = graph(silent).await;
    let app = App::with(&settings(&graph), |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    let only = Decision::ApproveOnly(vec!["instagram_business_basic".to_owned()]);
    let returned = ada.here.go_and_return(ada.account, &only).await;
    ada.here.complete(&returned).await;
    assert_eq!(ada.here.status().await["reason"], "scopes_missing");
    assert_eq!(ada.get("graph/me/insights").await.body["status"], 200);
    assert_eq!(told(&ada.here.status().await), ("connected", None, "none"));
    refreshed_again(&refreshes).await;
    assert_eq!(told(&ada.here.status().await), ("connected", None, "none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_names_the_permissions_in_another_order_says_nothing_new() {
    let other_order = json!({
        "access_token": "IGAAsecond", "expires_in": 3600,
        "permissions": "instagram_business_manage_insights,instagram_business_basic",
    });
    let refusal = json!({"error": {
        "message": "(#10) Requires instagram_business_manage_insights permission", "type": "OAuthException", "code": 10,
    }});
    let (graph, refreshes) = graph_with(other_order, (400, refusal)).await;
    let app = App::with(&settings(&graph), |_| {}).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    ada.get("graph/me/insights").await;
    assert_eq!(ada.here.status().await["missing_scopes"], json!(["instagram_business_manage_insights"]));
    refreshed_again(&refreshes).await;
    assert_eq!(ada.here.status().await["missing_scopes"], json!(["instagram_business_manage_insights"]));
}
