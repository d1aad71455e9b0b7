//! What people who keep Instagram connected really meet, from public reports: rows I5 and I6, and
//! threads that are named by repository and number.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault, decide};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::Member;
use super::statuses::{in_contract, told};
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, Returned, SignedIn};
use crate::testing::leaks;
use crate::testing::waiting::until_seen;

const WELL: (&str, Option<&str>, &str) = ("connected", None, "none");
const RESTRICTED: &str = r#"{"error":{"message":"The Instagram account is restricted.","type":"OAuthException","code":25,"error_subcode":2207050}}"#;
const CHECKPOINT: &str = r#"{"error":{"message":"Error validating access token: You cannot access the app till you log in to www.instagram.com and follow the instructions given.","type":"OAuthException","code":190,"error_subcode":459}}"#;
const PASSWORD: &str = r#"{"error":{"message":"Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.","type":"OAuthException","code":190,"error_subcode":460}}"#;

/// A month: more than half of a token's life and the spread of refreshes.
const MONTH: Duration = Duration::from_hours(33 * 24);

const EVERYBODY: [(Person, &str); 3] =
    [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops"), (Person::Edsger, "edsger.writes")];

/// An installation by a clock of its own, where these are connected.
async fn connected(people: &[(Person, &str)]) -> (App, ManualClock) {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    for (person, account) in people {
        app.sign_in(*person).connect_account(account).await;
    }
    (app, clock)
}

/// What is known of somebody who does not look themselves.
async fn status_of(app: &App, key: &str, person: Person) -> Value {
    let path = format!("/service/users/{}/instagram/status", person.user_id());
    let status = app.get_as(&format!("Bearer {key}"), &path).await.json();
    in_contract(&status);
    status
}

/// Waits until the worker has brought that about. A worker that is still at work while a test moves
/// the clock rests for a second afterwards, so time has to go on.
async fn until(
    (app, clock): (&App, &ManualClock),
    key: &str,
    person: Person,
    is_so: impl Fn(&Value) -> bool,
) -> Value {
    let look = async || {
        clock.advance(Duration::from_secs(1));
        status_of(app, key, person).await
    };
    until_seen("the worker's work", look, is_so).await
}

fn is_renewed(status: &Value) -> bool {
    status["evidence"]["source"] == "refresh"
}

async fn checked(here: &SignedIn<'_>) -> Value {
    here.check().await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn i5_a_refused_call_is_settled_by_asking_whose_the_grant_is() {
    for (refusal, reason) in [(RESTRICTED, "restricted"), (CHECKPOINT, "checkpoint")] {
        let app = App::start().await;
        let key = app.service_key().await;
        let ada = Member::new(&app, Person::Ada, &key);
        ada.here.connect_account(ada.account).await;
        let asked = app.instagram.call_counts()[&Endpoint::Me];
        app.instagram.script(None, Endpoint::Graph, 400, refusal, None).unwrap();
        for _ in 0..3 {
            // The call's own answer is passed on, and no other call waits for it.
            let called = ada.service(Method::POST, "graph/me/media", Some(json!({"image_url": "x"}))).await;
            assert_eq!(
                (called.status, &called.body["status"]),
                (StatusCode::OK, &json!(400)),
                "{}",
                called.body
            );
            let other = ada.get("graph/me").await;
            assert_eq!(
                (other.status, &other.body["status"]),
                (StatusCode::OK, &json!(200)),
                "{}",
                other.body
            );
        }
        assert!(app.instagram.call_counts()[&Endpoint::Me] > asked, "/me decides");
        assert_eq!(told(&ada.here.status().await), WELL, "{reason}");

        // Where `/me` says so as well, it is so, and the next call is not made.
        app.instagram.script(None, Endpoint::Me, 400, refusal, None).unwrap();
        let cut = ada.service(Method::POST, "graph/me/media", Some(json!({"image_url": "x"}))).await;
        assert_eq!(
            (cut.status, &cut.body["code"]),
            (StatusCode::FAILED_DEPENDENCY, &json!(reason)),
            "{}",
            cut.body
        );
        assert_eq!(told(&ada.here.status().await), ("action_required", Some(reason), "fix_at_instagram"));
    }
}

/// Nobody looks, and nobody presses check; chatwoot/chatwoot#12989: an idle account is renewed all
/// the same.
#[tokio::test(flavor = "multi_thread")]
async fn i6_a_renewal_brings_the_name_the_handle_and_the_picture_of_today() {
    let (app, clock) = connected(&EVERYBODY[..1]).await;
    let key = app.service_key().await;
    let before = status_of(&app, &key, Person::Ada).await;
    app.instagram.rename("ada.makes", "ada.lovelace", "Countess").unwrap();
    clock.advance(MONTH);
    let after =
        until((&app, &clock), &key, Person::Ada, |status| status["account"]["username"] == "ada.lovelace")
            .await;
    assert_eq!(told(&after), WELL);
    assert!(is_renewed(&after), "{after}");
    assert_eq!(after["account"]["name"], "Countess");
    assert_ne!(after["account"]["profile_picture_url"], before["account"]["profile_picture_url"]);
    for id in ["id", "professional_id"] {
        assert_eq!(after["account"][id], before["account"][id]);
    }
    assert!(after["token_expires_at"].as_str() > before["token_expires_at"].as_str(), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn i10_a_renewal_after_a_failed_one_tells_a_lost_permission() {
    let (app, clock) = connected(&EVERYBODY[..1]).await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    clock.advance(Duration::from_mins(2));
    let linked = checked(&ada.here).await;
    assert_eq!(linked["evidence"]["source"], "use");
    let token = ada.token().await.body["access_token"].clone();
    app.instagram.arm(None, Fault::ServerErrorJson, Some(Endpoint::Refresh), Some(1)).unwrap();
    // The renewed token is the old one, as Instagram may answer, with a permission less.
    let fewer = json!({"access_token": token, "token_type": "bearer", "expires_in": 5_184_000, "permissions": "instagram_business_basic"});
    clock.advance(MONTH);
    until_seen(
        "a renewal fails",
        async || {
            clock.advance(Duration::from_secs(1));
            app.instagram.call_counts()
        },
        |calls| calls.contains_key(&Endpoint::Refresh),
    )
    .await;
    app.instagram.script(None, Endpoint::Refresh, 200, fewer.to_string(), None).unwrap();
    let look = async || {
        clock.advance(Duration::from_mins(1));
        status_of(&app, &key, Person::Ada).await
    };
    let is_renewed = |status: &Value| status["token_expires_at"] != linked["token_expires_at"];
    let renewed = until_seen("it is renewed", look, is_renewed).await;
    assert_eq!(told(&renewed), ("connected", Some("scopes_missing"), "reconnect"), "{renewed}");
    assert_eq!(renewed["missing_scopes"], json!(["instagram_business_manage_insights"]));
}

/// Dymantic/laravel-instagram-feed#61, codingbadger/instant-tokens.com#8,
/// Automattic/wp-calypso#59203: one person's refused renewal is told to that person, and costs
/// nobody else theirs.
#[tokio::test(flavor = "multi_thread")]
async fn one_refused_renewal_stops_no_other() {
    let (app, clock) = connected(&EVERYBODY).await;
    let key = app.service_key().await;
    for endpoint in [Endpoint::Refresh, Endpoint::Me] {
        app.instagram.script(Some("ada.makes"), endpoint, 400, PASSWORD, None).unwrap();
    }
    clock.advance(MONTH);
    for person in [Person::Grace, Person::Edsger] {
        assert_eq!(told(&until((&app, &clock), &key, person, is_renewed).await), WELL);
    }
    let ada = until((&app, &clock), &key, Person::Ada, |status| status["connected"] == false).await;
    assert_eq!(told(&ada), ("reconnect_required", Some("password_changed"), "reconnect"));
}

/// companionstudio/instagram-token-agent#35: every token of an app is refused at once, as if each
/// were dead.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_meta_switched_off_has_nobody_reconnect() {
    let (app, clock) = connected(&EVERYBODY).await;
    let key = app.service_key().await;
    let answer = r#"{"error":{"message":"Error validating access token: Graph API access deactivated due to inactivity.","type":"OAuthException","code":190}}"#;
    for endpoint in [Endpoint::Refresh, Endpoint::Me, Endpoint::Graph] {
        app.instagram.script(None, endpoint, 400, answer, None).unwrap();
    }
    clock.advance(MONTH);
    for (person, _) in EVERYBODY {
        let status = until((&app, &clock), &key, person, |status| status["state"] == "degraded").await;
        assert_eq!(told(&status), ("degraded", Some("app_misconfigured"), "wait"));
    }
    app.instagram.clear(None).unwrap();
    clock.advance(Duration::from_hours(2));
    for (person, _) in EVERYBODY {
        assert_eq!(told(&until((&app, &clock), &key, person, is_renewed).await), WELL);
    }
}

/// stevenschobert/instafeed.js#654, in2code-de/instagram#41: renewals are answered with a complaint
/// about the method, while the token works.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_is_called_unsupported_ends_nothing_that_works() {
    let (app, clock) = connected(&EVERYBODY[..1]).await;
    let key = app.service_key().await;
    let answer = r#"{"error":{"message":"Unsupported request - method type: get","type":"IGApiException","code":100}}"#;
    app.instagram.script(None, Endpoint::Refresh, 400, answer, None).unwrap();
    clock.advance(MONTH);
    let struck = until((&app, &clock), &key, Person::Ada, |status| status["state"] != "connected").await;
    assert_eq!((told(&struck).0, told(&struck).2), ("degraded", "wait"), "{struck}");
    let used = Member::new(&app, Person::Ada, &key).get("graph/me").await;
    assert_eq!((used.status, &used.body["status"]), (StatusCode::OK, &json!(200)));
    app.instagram.clear(None).unwrap();
    clock.advance(Duration::from_hours(12));
    assert_eq!(told(&until((&app, &clock), &key, Person::Ada, is_renewed).await), WELL);
}

/// snarfed/bridgy#450, restfb/restfb#650, facebook/facebook-java-business-sdk#319: an answer that
/// calls itself transient, whatever its status and code.
#[tokio::test(flavor = "multi_thread")]
async fn what_calls_itself_transient_ends_nothing() {
    for (status, answer) in [
        (
            401,
            r#"{"error":{"message":"An unexpected error has occurred. Please retry your request later.","type":"OAuthException","is_transient":true,"code":2}}"#,
        ),
        (
            400,
            r#"{"error":{"message":"Error validating access token: Session has expired on Saturday.","type":"OAuthException","is_transient":true,"code":190,"error_subcode":463}}"#,
        ),
    ] {
        let app = App::start().await;
        let key = app.service_key().await;
        let ada = Member::new(&app, Person::Ada, &key);
        ada.here.connect_account(ada.account).await;
        app.instagram.script(None, Endpoint::Me, status, answer, Some(1)).unwrap();
        let struck = checked(&ada.here).await;
        assert_eq!((&struck["connected"], &struck["action"]), (&json!(true), &json!("wait")), "{struck}");
        let used = ada.get("graph/me").await;
        assert_eq!((used.status, &used.body["status"]), (StatusCode::OK, &json!(200)));
    }
}

/// gitroomhq/postiz-app#623: a metric that a newer version no longer knows.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_of_an_older_version_disconnects_nobody() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let history = ada.here.get("/user/instagram/history").await;
    let answer = r#"{"error":{"message":"(#100) Starting from version 22 and above, the impressions metric is no longer supported for the queried media.","type":"OAuthException","code":100}}"#;
    app.instagram.script(None, Endpoint::Graph, 400, answer, None).unwrap();
    for _ in 0..5 {
        let called = ada.get("graph/me/insights?metric=impressions").await;
        assert_eq!((called.status, &called.body["status"]), (StatusCode::OK, &json!(400)));
    }
    assert_eq!(told(&ada.here.status().await), WELL);
    assert_eq!(ada.here.get("/user/instagram/history").await.json(), history.json(), "nothing happened");
}

/// gitroomhq/postiz-app#2054: after the check in Instagram's app it goes on without reconnecting.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_passed_a_checkpoint_is_connected_again() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    // The worker would ask at the same moment, and one of the two is answered from storage.
    let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let linked = ada.connect_account("ada.makes").await;
    app.instagram.set_fault(Some("ada.makes"), Fault::Checkpoint).unwrap();
    assert_eq!(told(&checked(&ada).await), ("action_required", Some("checkpoint"), "fix_at_instagram"));
    app.instagram.clear(None).unwrap();
    clock.advance(Duration::from_mins(1));
    let passed = checked(&ada).await;
    assert_eq!(told(&passed), WELL);
    assert_eq!(passed["account"]["id"], linked["account"]["id"]);
}

/// in2code-de/instagram#5, fbsamples/threads_api#9, alexandrtovmach/react-instagram-login#6: ids as
/// numbers, exact and rounded.
#[tokio::test(flavor = "multi_thread")]
async fn an_id_is_taken_to_the_last_digit_or_not_at_all() {
    let app = App::with(&[("HOLDFAST_WORKER", "off")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    for rounded in ["2.5982752248032036e16", "25982752248032036.0"] {
        let returned = ada.approve("ada.makes").await;
        let answer = format!(r#"{{"id":{rounded},"username":"ada.makes"}}"#);
        app.instagram.script(None, Endpoint::Me, 200, answer, None).unwrap();
        let refused = ada.complete(&returned).await;
        assert_eq!(refused.status, StatusCode::FAILED_DEPENDENCY, "{rounded}: {}", refused.text());
        assert_eq!(ada.status().await["account"], Value::Null);
        app.instagram.clear(None).unwrap();
        ada.disconnect().await;
    }
    let returned = ada.approve("ada.makes").await;
    let exact = r#"{"id":25982752248032036,"user_id":17841479677897649,"username":"ada.makes"}"#;
    app.instagram.script(None, Endpoint::Me, 200, exact, Some(1)).unwrap();
    let status = ada.complete(&returned).await.json();
    assert_eq!(status["account"]["id"], "25982752248032036", "{status}");
    assert_eq!(status["account"]["professional_id"], "17841479677897649");
}

/// tashfeenahmed/freellmapi#1106, ever-works/ever-works#2318: another server's 401 that arrives as
/// ours signs people out.
#[tokio::test(flavor = "multi_thread")]
async fn a_401_of_instagrams_stays_inside() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    for endpoint in [Endpoint::Graph, Endpoint::Me, Endpoint::Refresh] {
        app.instagram.script(None, endpoint, 401, r#"{"error":"Unauthorized"}"#, None).unwrap();
    }
    let called = ada.get("graph/me/media").await;
    assert_ne!(called.status, StatusCode::UNAUTHORIZED, "{}", called.body);
    for (method, path) in [
        (Method::POST, "/user/instagram/check"),
        (Method::GET, "/user/instagram/status"),
        (Method::GET, "/user/profile"),
    ] {
        let answer = ada.here.send(method, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
        assert!(!answer.headers.contains_key("www-authenticate"));
    }
}

/// nextauthjs/next-auth#13317: the account is a personal one.
#[tokio::test(flavor = "multi_thread")]
async fn a_personal_account_is_told_so_and_not_to_try_again() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    app.instagram.set_fault(Some("ada.makes"), Fault::Ineligible).unwrap();
    let returned = ada.approve("ada.makes").await;
    let refused = ada.complete(&returned).await;
    refused.is(424, "account_ineligible");
    assert_ne!(refused.json()["action"], "retry");
    let again = ada.complete(&returned).await;
    assert_eq!(again.told(), refused.told());
    in_contract(&ada.status().await);
    // Made professional, it connects.
    app.instagram.clear(None).unwrap();
    assert_eq!(told(&ada.connect_account("ada.makes").await), WELL);
}

/// jsmrtn/craftagram#68, titarenko/OAuth2#129: the tail that Instagram puts behind the address, and
/// a callback that a browser opens twice at once.
#[tokio::test(flavor = "multi_thread")]
async fn the_tail_of_the_address_and_a_second_delivery_cost_no_code() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let authorize_url = ada.connect().await;
    let approval = decide(authorize_url.parse().unwrap(), "ada.makes", &Decision::Approve);
    let mut callback = app.send(approval).await.location();
    // As an in-app browser or a proxy passes it on: the fragment has become part of the code.
    let query: String = callback
        .query_pairs()
        .map(|(name, value)| {
            let tail = if name == "code" { "%23_" } else { "" };
            format!(
                "{name}={}{tail}&",
                url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>()
            )
        })
        .collect();
    callback.set_query(Some(query.trim_end_matches('&')));
    callback.set_fragment(None);
    let (first, second) = tokio::join!(app.follow(&callback), app.follow(&callback));
    assert_eq!(first, second);
    let parameter = |name: &str| {
        first.query_pairs().find_map(|(key, value)| (key == name).then(|| value.into_owned())).unwrap()
    };
    let returned = Returned { attempt: parameter("attempt"), completion: parameter("completion") };
    leaks::secret(&returned.completion);
    let (one, other) = tokio::join!(ada.complete(&returned), ada.complete(&returned));
    let statuses = [one.status, other.status];
    assert!(statuses.contains(&StatusCode::OK), "{} {}", one.text(), other.text());
    assert_eq!(told(&ada.status().await), WELL);
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1, "the code went out once");
}
