//! What people who connect Instagram really meet, from public reports: the rows on connecting.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault};
use holdfast::transport::Outgoing;
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use super::second_looks;
use super::statuses::told;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO};
use crate::testing::database::count_on;
use crate::testing::ports::ReservedPort;
use crate::testing::waiting::until;

/// As Meta words it where the account has no role on an app without Advanced Access.
const UNSUPPORTED: &str = r#"{"error":{"message":"Unsupported request - method type: get","type":"IGApiException","code":100,"fbtrace_id":"A"}}"#;
const NO_ACCESS: &str = r#"{"error":{"message":"(#200) App does not have Advanced Access to instagram_business_basic permission, and recipient user does not have role on app","type":"OAuthException","code":200}}"#;

/// What `complete` answered: status, code, action, and whether it says when to come again.
fn answered(answer: &holdfast::transport::Answer) -> (u16, String, String, bool) {
    let action = answer.json()["action"].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), answer.code().to_owned(), action, answer.headers.contains_key("retry-after"))
}

fn ended(code: &str, action: &str) -> (u16, String, String, bool) {
    (424, code.to_owned(), action.to_owned(), false)
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_an_account_that_the_app_may_not_serve_is_not_admitted() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    grace.connect_account("grace.hops").await;
    for endpoint in [Endpoint::Me, Endpoint::Refresh, Endpoint::Graph] {
        app.instagram.script(Some("ada.makes"), endpoint, 400, UNSUPPORTED, None).unwrap();
    }
    // A seventh try is not locked out, and nobody is told to try again.
    for _ in 0..7 {
        let returned = ada.approve("ada.makes").await;
        let refused = ada.complete(&returned).await;
        assert_eq!(answered(&refused), ended("account_not_admitted", "contact_support"));
        let again = ada.complete(&returned).await;
        assert_eq!(answered(&again), answered(&refused));
        assert_eq!(
            told(&ada.status().await),
            ("not_connected", Some("account_not_admitted"), "contact_support")
        );
    }
    let page = app.get("/docs/errors/account_not_admitted").await.text();
    assert!(page.contains("tester") && page.contains("Advanced Access"), "{page}");
    let history = ada.get("/user/instagram/history").await.json();
    let newest = &history["entries"][0]["attempt"];
    assert_eq!((&newest["outcome"], &newest["reason"]), (&json!("failed"), &json!("account_not_admitted")));
    // Once admitted, connecting works.
    app.instagram.clear(Some("ada.makes")).unwrap();
    assert_eq!(told(&ada.connect_account("ada.makes").await), ("connected", None, "none"));
    assert_eq!(told(&grace.status().await), ("connected", None, "none"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_the_very_first_account_of_an_installation_is_told_so_as_well() {
    for (endpoint, status, refusal) in [
        (Endpoint::Me, 400, UNSUPPORTED),
        (Endpoint::Me, 403, NO_ACCESS),
        (Endpoint::Exchange, 400, UNSUPPORTED),
        (
            Endpoint::Token,
            400,
            r#"{"error_type":"OAuthException","code":400,"error_message":"Insufficient developer role"}"#,
        ),
        (
            Endpoint::Me,
            400,
            r#"{"error":{"message":"Application does not have permission for this action","type":"IGApiException","code":10}}"#,
        ),
        (
            Endpoint::Me,
            400,
            r#"{"error":{"message":"Petición no admitida","type":"IGApiException","code":100,"error_subcode":33}}"#,
        ),
    ] {
        let app = App::start().await;
        let ada = app.sign_in(Person::Ada);
        let returned = ada.approve("ada.makes").await;
        app.instagram.script(None, endpoint, status, refusal, None).unwrap();
        let refused = ada.complete(&returned).await;
        assert_eq!(answered(&refused), ended("account_not_admitted", "contact_support"), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_where_the_app_serves_nobody_the_account_is_not_at_fault() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    grace.connect_account("grace.hops").await;
    let returned = ada.approve("ada.makes").await;
    app.instagram.script(None, Endpoint::Me, 400, UNSUPPORTED, None).unwrap();
    grace.check().await;
    assert_eq!(told(&grace.status().await), ("degraded", Some("app_misconfigured"), "wait"));
    let waits = ada.complete(&returned).await;
    assert_eq!(answered(&waits), (424, "app_misconfigured".to_owned(), "retry".to_owned(), true));
    assert_eq!(told(&ada.status().await), ("connecting", None, "none"), "what is in hand is kept");
}

/// In a small installation nobody's grant may have been used for days.
#[tokio::test(flavor = "multi_thread")]
async fn i1_one_account_that_lost_its_role_does_not_hide_that_the_app_serves_others() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    app.sign_in(Person::Grace).connect_account("grace.hops").await;
    app.sign_in(Person::Edsger).connect_account("edsger.writes").await;
    clock.advance(Duration::from_hours(48));
    let [ada, grace] = [Person::Ada, Person::Grace].map(|each| app.sign_in(each));
    for account in ["ada.makes", "grace.hops"] {
        app.instagram.script(Some(account), Endpoint::Me, 400, UNSUPPORTED, None).unwrap();
    }
    grace.check().await;
    assert_eq!(told(&grace.status().await), ("degraded", Some("app_misconfigured"), "wait"));
    for _ in 0..7 {
        let returned = ada.approve("ada.makes").await;
        let refused = second_looks::complete(&ada, &returned, &clock).await;
        assert_eq!(answered(&refused), ended("account_not_admitted", "contact_support"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i1_without_the_basic_permission_nothing_is_blamed_on_the_app() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let only = Decision::ApproveOnly(vec!["instagram_business_manage_insights".to_owned()]);
    let returned = ada.go_and_return("ada.makes", &only).await;
    let refused = ada.complete(&returned).await;
    assert_eq!(answered(&refused), ended("attempt_failed", "connect"));
    assert!(refused.text().contains("permission"), "{}", refused.text());
    assert_eq!(told(&ada.status().await), ("not_connected", Some("attempt_failed"), "connect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i2_an_access_level_is_the_apps_trouble_and_nobodys_permission() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    app.instagram.script(Some("ada.makes"), Endpoint::Me, 400, NO_ACCESS, None).unwrap();
    let checked = ada.check().await.json();
    assert_eq!(told(&checked), ("degraded", Some("app_misconfigured"), "wait"));
    assert_eq!(checked["missing_scopes"], json!([]));
    // Reconnecting does not help either, and what was linked stands.
    let returned = ada.approve("ada.makes").await;
    let again = ada.complete(&returned).await;
    assert_eq!(again.status, StatusCode::FAILED_DEPENDENCY);
    assert_ne!(again.code(), "scopes_missing");
    assert_eq!(told(&ada.status().await), ("degraded", Some("app_misconfigured"), "wait"));
}

/// Grace proves control of Ada's account: what came of it for both.
async fn grace_connects_adas_account(app: &App) -> (u16, Value, Value) {
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    let returned = grace.approve("ada.makes").await;
    let completed = grace.complete(&returned).await;
    (completed.status.as_u16(), ada.status().await, grace.status().await)
}

/// Grants in the table that no connection uses.
async fn abandoned_grants(app: &App) -> i64 {
    let sql =
        "SELECT COUNT(*) FROM grants JOIN connections ON id = connection_id WHERE grant_version IS NULL";
    count_on(app.place.engine, &app.place.url, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_an_account_moves_from_a_holder_whose_connection_does_not_work() {
    // Known to be dead; stopped; and dead without our knowing.
    for (fault, is_known) in
        [(Fault::Revoked, true), (Fault::Checkpoint, true), (Fault::PasswordChanged, false)]
    {
        let app = App::start().await;
        let ada = app.sign_in(Person::Ada);
        ada.connect_account("ada.makes").await;
        app.instagram.set_fault(Some("ada.makes"), fault).unwrap();
        if is_known {
            ada.check().await;
            assert_eq!(ada.status().await["connected"], false, "{fault:?}");
        } else {
            assert_eq!(ada.status().await["connected"], true);
        }
        app.instagram.clear(None).unwrap();
        let (status, former, holder) = grace_connects_adas_account(&app).await;
        assert_eq!(status, 200, "{fault:?}: {holder}");
        assert_eq!(told(&former), ("not_connected", Some("account_moved"), "connect"), "{fault:?}");
        assert_eq!(former["account"], Value::Null);
        assert_eq!(abandoned_grants(&app).await, 0, "{fault:?}");
        assert!(former["error"].is_string());
        assert_eq!(told(&holder), ("connected", None, "none"));
        assert_eq!(holder["account"]["username"], "ada.makes");
        let history = ada.get("/user/instagram/history").await.json();
        assert_eq!(history["entries"][0]["reason"], "account_moved");
        // It works for its new holder, so it does not go back and forth.
        let returned = ada.approve("ada.makes").await;
        ada.complete(&returned).await.is(409, "account-belongs-to-another-user");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_an_account_moves_after_a_deauthorization_and_after_its_time() {
    let app = App::start().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.instagram.deauthorize("ada.makes").await.unwrap();
    let (status, former, _) = grace_connects_adas_account(&app).await;
    assert_eq!((status, told(&former).1), (200, Some("account_moved")));

    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    // No worker comes by, so nothing but the clock has ended it.
    clock.advance(Duration::from_hours(61 * 24));
    assert_eq!(app.sign_in(Person::Ada).status().await["reason"], "expired");
    let (status, former, holder) = grace_connects_adas_account(&app).await;
    assert_eq!((status, told(&former).1, told(&holder).0), (200, Some("account_moved"), "connected"));
}

/// The newcomer's own question about Ada's account is answered; the one about its holder is not.
fn refuse_the_holder(app: &App, fault: Fault) {
    app.instagram.clear(None).unwrap();
    let me = json!({"id": "25982752248032036", "user_id": "17841479677897649", "username": "ada.makes"});
    app.instagram.script(Some("ada.makes"), Endpoint::Me, 200, me.to_string(), Some(1)).unwrap();
    app.instagram.arm(Some("ada.makes"), fault, Some(Endpoint::Me), None).unwrap();
}

/// One refusal without a cause may be false, so the account stays; and what the 409 says then helps.
#[tokio::test(flavor = "multi_thread")]
async fn i3_an_account_moves_a_few_minutes_after_its_holders_access_ended() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    refuse_the_holder(&app, Fault::FalseAlarm);
    let (status, holder, _) = grace_connects_adas_account(&app).await;
    assert_eq!((status, &holder["connected"]), (409, &json!(true)));
    let page = app.get("/docs/errors/account-belongs-to-another-user").await;
    assert!(page.text().contains("a few minutes later"), "{}", page.text());
    clock.advance(Duration::from_mins(3));
    refuse_the_holder(&app, Fault::FalseAlarm);
    let (status, former, holder) = grace_connects_adas_account(&app).await;
    assert_eq!((status, told(&former).1, told(&holder).0), (200, Some("account_moved"), "connected"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i3_an_account_that_works_stays_where_it_is_whatever_passes() {
    for fault in [None, Some(Fault::ServerErrorJson), Some(Fault::AccountRateLimit), Some(Fault::FalseAlarm)]
    {
        let app = App::start().await;
        let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
        ada.connect_account("ada.makes").await;
        let returned = grace.approve("ada.makes").await;
        if let Some(fault) = fault {
            refuse_the_holder(&app, fault);
        }
        let refused = grace.complete(&returned).await;
        assert_eq!(refused.told(), (409, "account-belongs-to-another-user"), "{fault:?}");
        assert_eq!(ada.status().await["connected"], true, "{fault:?}");
        assert_eq!(told(&grace.status().await), ("not_connected", Some("attempt_failed"), "connect"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_code_that_may_be_spent_ends_the_attempt_and_both_answers_say_so() {
    for fault in [
        Fault::ServerErrorHtml,
        Fault::LostReply,
        Fault::TruncatedJson,
        Fault::EmptyToken,
        Fault::CodeRejected,
    ] {
        let app = App::start().await;
        let ada = app.sign_in(Person::Ada);
        let returned = ada.approve("ada.makes").await;
        app.instagram.arm(None, fault, Some(Endpoint::Token), Some(1)).unwrap();
        for _ in 0..3 {
            let refused = ada.complete(&returned).await;
            assert_eq!(answered(&refused), ended("attempt_failed", "connect"), "{fault:?}");
            assert_eq!(told(&ada.status().await), ("not_connected", Some("attempt_failed"), "connect"));
        }
        assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1, "{fault:?}");
        assert_eq!(ada.connect_account("ada.makes").await["state"], "connected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_code_in_any_wording_or_form_that_is_not_taken_ends_the_attempt() {
    for refusal in [
        r#"{"error_type":"OAuthException","code":400,"error_message":"Este c\u00f3digo ya se utiliz\u00f3."}"#,
        r#"{"error":{"message":"This authorization code has expired.","type":"OAuthException","code":100,"error_subcode":36007}}"#,
        r#"{"error":"invalid_grant"}"#,
    ] {
        let app = App::start().await;
        let ada = app.sign_in(Person::Ada);
        let returned = ada.approve("ada.makes").await;
        app.instagram.script(None, Endpoint::Token, 400, refusal, None).unwrap();
        assert_eq!(answered(&ada.complete(&returned).await), ended("attempt_failed", "connect"), "{refusal}");
    }
}

/// Takes the code exchange in at that port, and passes it on to the stand-in.
fn open(at: ReservedPort, app: &App) {
    let (transport, to) = (app.transport.clone(), app.instagram.url().join("oauth/access_token").unwrap());
    let pass_on = move |form: axum::body::Bytes| {
        let (transport, mut request) = (transport.clone(), Outgoing::new(Method::POST, to.clone()));
        request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = form;
        async move {
            let answer = transport.send(request).await.unwrap();
            (answer.status, [("content-type", "application/json")], answer.body)
        }
    };
    let router = axum::Router::new().route("/oauth/access_token", axum::routing::post(pass_on));
    tokio::spawn(axum::serve(at.listen(), router).into_future());
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_code_that_was_never_sent_is_kept_and_sent() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let port = ReservedPort::new();
    let unreachable = format!("http://{}", port.address());
    // The worker would take the attempt on at the same moment.
    let settings = [("INSTAGRAM_API_URL", unreachable.as_str()), ("HOLDFAST_WORKER", "off")];
    let app = App::at(Arc::new(clock.clone()), &settings, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    let waits = ada.complete(&returned).await;
    assert_eq!(answered(&waits), (424, "provider_unavailable".to_owned(), "retry".to_owned(), true));
    let status = ada.status().await;
    assert_eq!(told(&status), ("connecting", None, "none"));
    assert_eq!(status["attempt"]["id"], returned.attempt.as_str());
    assert_eq!(status["retry_after"], "2026-11-23T12:00:05Z", "{status}");
    let waiting = "Instagram cannot complete the connection yet; it is tried again by itself.";
    assert_eq!(status["error"], waiting, "{status}");

    open(port, &app);
    clock.advance(Duration::from_secs(6));
    let status = ada.status().await;
    assert_eq!((&status["retry_after"], &status["error"]), (&Value::Null, &waiting.into()), "{status}");
    ada.complete(&returned).await.good();
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_the_worker_sends_a_code_that_was_never_sent() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let port = ReservedPort::new();
    let unreachable = format!("http://{}", port.address());
    let app = App::at(Arc::new(clock.clone()), &[("INSTAGRAM_API_URL", unreachable.as_str())], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    assert_eq!(ada.complete(&returned).await.status, StatusCode::FAILED_DEPENDENCY);
    // For longer than an attempt is open.
    clock.advance(Duration::from_mins(11));
    open(port, &app);
    until("the worker sends it", async || {
        clock.advance(Duration::from_secs(1));
        ada.status().await["connected"] == true
    })
    .await;
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn i4_a_code_that_was_turned_away_for_want_of_budget_is_sent_again() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    // The worker would take the attempt on at the same moment, and a `complete` meanwhile would
    // wait by a clock that stands still.
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.arm(None, Fault::AppRateLimit, Some(Endpoint::Token), Some(1)).unwrap();
    let waits = ada.complete(&returned).await;
    assert_eq!(answered(&waits), (424, "rate_limited".to_owned(), "retry".to_owned(), true));
    clock.advance(Duration::from_secs(61));
    ada.complete(&returned).await.good();
}

#[tokio::test(flavor = "multi_thread")]
async fn i11_a_callback_may_be_signed_with_any_of_the_secrets() {
    let app = App::with(
        &[("INSTAGRAM_APP_SECRET", "5ec0e7a9d0f7be57a4d1ac0ffee0c0de, the-meta-apps-own-secret")],
        |_| {},
    );
    let app = app.await;
    let ada = app.sign_in(Person::Ada);
    let connected = ada.connect_account("ada.makes").await;
    assert_eq!(connected["state"], "connected", "the first is sent to Instagram");
    let call = async |secret: &str| {
        let issued_at = app.clock.now().as_second() + 1;
        let payload = json!({"user_id": connected["account"]["id"], "algorithm": "HMAC-SHA256", "issued_at": issued_at});
        let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, payload.as_bytes()));
        let url = app.base.join("webhooks/instagram/deauthorize").unwrap();
        let mut request = Outgoing::new(Method::POST, url);
        request.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = format!("signed_request={signature}.{payload}").into();
        app.send(request).await.status
    };
    assert_eq!(call("somebody-elses-secret").await, StatusCode::BAD_REQUEST);
    assert_eq!(ada.status().await["state"], "connected");
    assert_eq!(call("the-meta-apps-own-secret").await, StatusCode::OK);
    assert_eq!(told(&ada.status().await), ("reconnect_required", Some("deauthorized"), "reconnect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn i12_whoever_came_back_as_somebody_else_is_offered_another_login() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let other = ada.approve("grace.hops").await;
    ada.complete(&other).await.is(409, "different-account");
    for code in ["different-account", "account-belongs-to-another-user"] {
        let page = app.get(&format!("/docs/errors/{code}")).await.text();
        assert!(page.contains("force_reauth"), "{page}");
    }
    let url = ada.connect_with(json!({"return_to": RETURN_TO, "force_reauth": true})).await;
    assert!(url.contains("force_reauth=true"), "{url}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_attempt_hides_nothing_of_a_linked_account() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let before = ada.status().await;
    ada.connect().await;
    let during = ada.status().await;
    assert_eq!(told(&during), ("connected", None, "none"));
    assert!(during["attempt"]["expires_at"].is_string(), "{during}");
    assert_eq!(during["account"]["username"], before["account"]["username"]);
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    let checked = ada.check().await.json();
    assert_eq!(told(&checked), ("reconnect_required", Some("revoked"), "reconnect"));
    assert!(!checked["attempt"].is_null(), "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_tells_of_attempts_as_they_begin_and_end_and_why() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let url = ada.connect().await;
    app.decide(&url, "ada.makes", &Decision::Deny).await;
    let url = ada.connect().await;
    app.decide(&url, "ada.makes", &Decision::Deny).await;
    ada.connect_account("ada.makes").await;
    ada.connect().await;
    ada.disconnect().await;
    let history = ada.get("/user/instagram/history").await.json();
    let lines: Vec<_> = history["entries"]
        .as_array()
        .unwrap()
        .iter()
        .rev()
        .map(|entry| {
            let word = |value: &Value| value.as_str().unwrap_or("-").to_owned();
            let attempt = &entry["attempt"];
            let attempt = if attempt.is_null() { "none".to_owned() } else { word(&attempt["outcome"]) };
            format!("{} {} {attempt}", word(&entry["state"]), word(&entry["reason"]))
        })
        .collect();
    assert_eq!(
        lines,
        [
            "connecting - -",
            "not_connected denied denied",
            "connecting - -",
            // Denied again: no news of the connection, but of the attempt.
            "not_connected denied denied",
            "connecting - -",
            "connected - connected",
            "connected - -",
            "connected - disconnected",
            "not_connected user_disconnected none",
        ]
    );
}
