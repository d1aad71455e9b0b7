//! What Instagram handed over at connecting outlives trouble at the next question: the code is
//! spent, so it is the only way on.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use holdfast::clock::{ManualClock, SystemClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault};
use holdfast::store::{Store, StoreOptions};
use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, Returned};
use crate::testing::waiting::until;

const NO_WORKER: &[(&str, &str)] = &[("HOLDFAST_WORKER", "off")];
const ACCOUNT: &str = "ada.makes";

/// What the attempt holds, and its stage.
async fn kept(app: &App, returned: &Returned) -> (Option<usize>, &'static str) {
    let options = StoreOptions::tool(app.place.url.clone());
    let store = Store::open(&options, Arc::new(SystemClock)).await.unwrap();
    let attempt = store.attempt(returned.attempt.parse().unwrap()).await.unwrap().unwrap();
    store.close().await;
    (attempt.sealed.map(|sealed| sealed.len()), attempt.stage.as_str())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_completes_go_on_from_a_short_lived_token_after_an_outage() {
    let app = App::with(NO_WORKER, |_| {}).await;
    for (fault, endpoint, stage) in [
        (Fault::ServerErrorHtml, Endpoint::Exchange, "short_granted"),
        (Fault::ServerErrorJson, Endpoint::Me, "granted"),
        // A node that has not heard of the token yet, or an incident.
        (Fault::FalseAlarm, Endpoint::Exchange, "short_granted"),
        (Fault::FalseAlarm, Endpoint::Me, "granted"),
    ] {
        let ada = app.sign_in(Person::Ada);
        let spent = app.instagram.call_counts().get(&Endpoint::Token).copied().unwrap_or(0);
        let returned = ada.approve(ACCOUNT).await;
        app.instagram.arm(Some(ACCOUNT), fault, Some(endpoint), None).unwrap();
        let failed = ada.complete(&returned).await;
        failed.is(424, "provider_unavailable");
        assert_eq!(
            (&failed.json()["action"], &failed.headers["retry-after"]),
            (&json!("retry"), &"5".parse().unwrap())
        );
        assert!(matches!(kept(&app, &returned).await, (Some(1..), found) if found == stage), "{stage}");

        app.instagram.clear(None).unwrap();
        for answer in join_all((0..2).map(|_| ada.complete(&returned))).await {
            assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::OK, &json!("connected")));
        }
        assert_eq!(app.instagram.call_counts()[&Endpoint::Token], spent + 1, "the code went out once");
        assert_eq!(kept(&app, &returned).await, (None, "closed"));
        ada.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_of_our_app_after_the_code_is_spent_is_waited_for() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), NO_WORKER, |_| {}).await;
    for (fault, endpoint, stage) in [
        (Fault::AppDeactivated, Endpoint::Exchange, "short_granted"),
        (Fault::WrongClientSecret, Endpoint::Exchange, "short_granted"),
        (Fault::AppDeactivated, Endpoint::Me, "granted"),
    ] {
        let ada = app.sign_in(Person::Ada);
        let returned = ada.approve(ACCOUNT).await;
        app.instagram.arm(Some(ACCOUNT), fault, Some(endpoint), None).unwrap();
        let failed = ada.complete(&returned).await;
        failed.is(424, "app_misconfigured");
        let wait: u64 = failed.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert_eq!((&failed.json()["action"], wait), (&json!("retry"), 60));
        assert!(matches!(kept(&app, &returned).await, (Some(1..), found) if found == stage), "{stage}");

        app.instagram.clear(None).unwrap();
        clock.advance(Duration::from_secs(wait));
        let done = ada.complete(&returned).await;
        assert_eq!(done.status, StatusCode::OK, "{fault:?}: {}", done.text());
        ada.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_unexplained_no_is_not_even_told() {
    let app = App::with(NO_WORKER, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    for endpoint in [Endpoint::Exchange, Endpoint::Me] {
        let returned = ada.approve(ACCOUNT).await;
        app.instagram.arm(Some(ACCOUNT), Fault::FalseAlarm, Some(endpoint), Some(1)).unwrap();
        let done = ada.complete(&returned).await;
        assert_eq!(done.status, StatusCode::OK, "{endpoint:?}: {}", done.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stated_death_ends_the_attempt() {
    let app = App::with(NO_WORKER, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve(ACCOUNT).await;
    app.instagram.arm(Some(ACCOUNT), Fault::Ineligible, Some(Endpoint::Me), None).unwrap();
    for _ in 0..2 {
        let failed = ada.complete(&returned).await;
        failed.is(424, "account_ineligible");
        assert!(!failed.headers.contains_key("retry-after"));
        app.instagram.clear(None).unwrap();
    }
    assert_eq!(kept(&app, &returned).await, (None, "closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_goes_on_from_a_short_lived_token_by_itself() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve(ACCOUNT).await;
    app.instagram.arm(Some(ACCOUNT), Fault::HtmlOk, Some(Endpoint::Exchange), None).unwrap();
    assert_eq!(ada.complete(&returned).await.code(), "provider_unavailable");
    assert_eq!(ada.status().await["connected"], false, "nothing half-made is connected");
    app.instagram.clear(None).unwrap();
    until("the worker finishes it", async || ada.status().await["connected"] == true).await;
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1, "the code went out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_pause_is_told_however_short() {
    for (endpoint, fault) in
        [(Endpoint::Token, Fault::AppRateLimit), (Endpoint::Exchange, Fault::AccountRateLimit)]
    {
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
        let app = App::at(Arc::new(clock.clone()), NO_WORKER, |_| {}).await;
        let ada = app.sign_in(Person::Ada);
        let returned = ada.approve(ACCOUNT).await;
        app.instagram.arm(None, fault, Some(endpoint), None).unwrap();
        let limited = ada.complete(&returned).await;
        assert_eq!(limited.code(), "rate_limited");
        let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
        // As long as a claim may still last.
        clock.advance(Duration::from_secs(wait - 30));
        let early = tokio::time::timeout(Duration::from_secs(30), ada.complete(&returned)).await;
        let early = early.unwrap_or_else(|_| panic!("{endpoint:?}: it is answered at once"));
        assert_eq!(
            (early.code(), &early.headers["retry-after"]),
            ("attempt-in-progress", &"30".parse().unwrap())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_at_the_exchange_is_waited_for_and_what_is_kept_ends_with_the_attempt() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), NO_WORKER, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve(ACCOUNT).await;
    app.instagram.arm(Some(ACCOUNT), Fault::AccountRateLimit, Some(Endpoint::Exchange), None).unwrap();
    let limited = ada.complete(&returned).await;
    limited.is(424, "rate_limited");
    assert_eq!(limited.json()["action"], "retry");
    let wait: u64 = limited.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert_eq!(wait, 19 * 60, "Instagram's own");

    // Calling on would lengthen the pause: an early caller is told when to come, and Instagram is
    // not asked.
    let calls = app.instagram.call_counts()[&Endpoint::Exchange];
    let early = ada.complete(&returned).await;
    early.is(409, "attempt-in-progress");
    assert_eq!(early.headers["retry-after"], wait.to_string().as_str());
    assert_eq!(app.instagram.call_counts()[&Endpoint::Exchange], calls);

    // Longer than an attempt usually lives.
    clock.advance(Duration::from_secs(wait));
    assert_eq!(ada.complete(&returned).await.code(), "rate_limited");
    assert!(kept(&app, &returned).await.0.is_some());

    clock.advance(Duration::from_hours(1));
    ada.complete(&returned).await.is(410, "attempt-expired");
    assert_eq!(kept(&app, &returned).await, (None, "closed"));
    let reason: Value = ada.status().await["reason"].clone();
    assert_eq!(reason, "attempt_expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_waits_for_a_day_for_the_answer_whose_it_is() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), NO_WORKER, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    for (hours, is_over) in [(2, false), (23, false), (25, true)] {
        let returned = ada.approve(ACCOUNT).await;
        app.instagram.arm(Some(ACCOUNT), Fault::AppDeactivated, Some(Endpoint::Me), None).unwrap();
        assert_eq!(ada.complete(&returned).await.code(), "app_misconfigured");
        clock.advance(Duration::from_hours(hours));
        let answer = ada.complete(&returned).await;
        if is_over {
            assert_eq!(answer.code(), "attempt-expired", "{}", answer.text());
            assert_eq!(kept(&app, &returned).await, (None, "closed"));
            break;
        }
        assert_eq!(answer.code(), "app_misconfigured", "{}", answer.text());
        assert!(matches!(kept(&app, &returned).await, (Some(1..), "granted")));
        app.instagram.clear(None).unwrap();
        clock.advance(Duration::from_mins(1));
        let done = ada.complete(&returned).await;
        assert_eq!(done.status, StatusCode::OK, "{hours} h: {}", done.text());
        ada.disconnect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_waited_does_not_replace_what_was_linked_later() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), NO_WORKER, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    for (later, answered) in [(ACCOUNT, (200, "")), ("grace.hops", (409, "different-account"))] {
        let any = json!({"expect": "any_account"});
        let returned = ada.approve_with(ACCOUNT, any).await;
        app.instagram.arm(Some(ACCOUNT), Fault::AppDeactivated, Some(Endpoint::Me), None).unwrap();
        assert_eq!(ada.complete(&returned).await.code(), "app_misconfigured");
        app.instagram.clear(None).unwrap();
        clock.advance(Duration::from_mins(2));
        let linked = ada.connect_account(later).await;
        assert_eq!(linked["attempt"], Value::Null, "the first has ended");
        let answer = ada.complete(&returned).await;
        assert_eq!(answer.told(), answered, "{}", answer.text());
        assert_eq!(ada.status().await, linked);
        assert_eq!(kept(&app, &returned).await, (None, "closed"));
        ada.disconnect().await;
    }
}
