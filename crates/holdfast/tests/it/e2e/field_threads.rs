//! Situations from public issue threads of programs that connect Instagram, each named by
//! repository and number. What was expected there, or should have been, is what happens here.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::operations::Member;
use super::statuses::{in_contract, told};
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO};
use crate::testing::database::count_on;

const WELL: (&str, Option<&str>, &str) = ("connected", None, "none");

/// Completes under a scripted answer of one endpoint: what was answered.
async fn complete_under(endpoint: Endpoint, status: u16, answer: &str) -> (u16, String, String) {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.script(None, endpoint, status, answer, None).unwrap();
    let completed = ada.complete(&returned).await;
    let problem = completed.json();
    in_contract(&ada.status().await);
    (
        completed.status.as_u16(),
        completed.code().to_owned(),
        problem["action"].as_str().unwrap_or_default().to_owned(),
    )
}

/// The status after one of the app's calls was answered so. The connection was well before.
async fn status_after_use(status: u16, answer: &str) -> Value {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    app.instagram.script(None, Endpoint::Graph, status, answer, Some(1)).unwrap();
    let called = ada.get("graph/me/insights").await;
    assert_eq!((called.status, &called.body["status"]), (StatusCode::OK, &json!(status)), "{}", called.body);
    // Other calls go on.
    let again = ada.get("graph/me").await;
    assert_eq!((again.status, &again.body["status"]), (StatusCode::OK, &json!(200)), "{}", again.body);
    let status = ada.here.status().await;
    in_contract(&status);
    status
}

/// jetrockets/omniauth-instagram-graph#1, sachin-handiekar/jInstagram#191,
/// facebookarchive/python-instagram#149: the same spent code in three wordings.
#[tokio::test(flavor = "multi_thread")]
async fn a_spent_code_is_one_in_each_of_its_wordings() {
    for wording in [
        "This authorization code has been used",
        "Matching code was not found or was already used.",
        "No matching code found.",
    ] {
        let answer = json!({"error_type": "OAuthException", "code": 400, "error_message": wording});
        let told = complete_under(Endpoint::Token, 400, &answer.to_string()).await;
        assert_eq!(told, (424, "attempt_failed".to_owned(), "connect".to_owned()), "{wording}");
    }
}

/// pradel/node-instagram#16: a switch in the app's settings, not the person's code.
#[tokio::test(flavor = "multi_thread")]
async fn a_demand_for_signed_requests_is_the_apps_trouble() {
    let answer = r#"{"error_type":"OAuthForbiddenException","code":403,"error_message":"Invalid signed-request: Missing required parameter 'sig'"}"#;
    let told = complete_under(Endpoint::Token, 403, answer).await;
    assert_eq!(told, (424, "app_misconfigured".to_owned(), "contact_support".to_owned()));
}

/// jsmrtn/craftagram#68, wagnerdelima/drf-social-oauth2#115: connecting again does not mend a
/// redirect address.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_address_that_differs_sends_nobody_in_a_circle() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    app.instagram.arm(None, Fault::RedirectMismatch, None, None).unwrap();
    for _ in 0..2 {
        let refused = ada.complete(&ada.approve("ada.makes").await).await;
        assert_eq!(
            (refused.code(), &refused.json()["action"]),
            ("app_misconfigured", &json!("contact_support"))
        );
    }
}

/// hungdev/react-native-instagram-login#120: a firewall's page at the code exchange.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_html_at_the_code_exchange_ends_the_attempt() {
    let told = complete_under(Endpoint::Token, 403, "<html><body>Forbidden</body></html>").await;
    assert_eq!(told, (424, "attempt_failed".to_owned(), "connect".to_owned()));
}

/// gitroomhq/postiz-app#638: the second exchange is refused, over and over.
#[tokio::test(flavor = "multi_thread")]
async fn an_unsupported_second_exchange_is_an_answer_and_no_crash() {
    let answer = r#"{"error":{"message":"Unsupported request - method type: get","type":"IGApiException","code":100,"fbtrace_id":"xxx"}}"#;
    let told = complete_under(Endpoint::Exchange, 400, answer).await;
    assert_eq!(told, (424, "account_not_admitted".to_owned(), "contact_support".to_owned()));
}

/// chatwoot/chatwoot#12656, gitroomhq/postiz-app#1122: testers connect, everybody else does not,
/// until they are added.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_made_a_tester_connects_with_the_next_try() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    ada.connect_account("ada.makes").await;
    app.instagram.arm(Some("grace.hops"), Fault::DeveloperRole, None, None).unwrap();
    let refused = grace.complete(&grace.approve("grace.hops").await).await;
    assert_eq!(refused.code(), "account_not_admitted");
    app.instagram.clear(None).unwrap();
    assert_eq!(told(&grace.connect_account("grace.hops").await), WELL);
    assert_eq!(told(&ada.status().await), WELL);
}

/// crino/instagram-ios-sdk#16: every error ended the session.
#[tokio::test(flavor = "multi_thread")]
async fn no_error_that_says_nothing_of_the_token_ends_a_connection() {
    for (status, answer) in [
        (400, r#"{"error":{"message":"An unknown error has occurred.","type":"OAuthException","code":1}}"#),
        (401, ""),
        (403, "<html></html>"),
        (
            404,
            r#"{"error":{"message":"(#803) Some of the aliases you requested do not exist: me","type":"OAuthException","code":803}}"#,
        ),
        (429, "Too many requests"),
        (500, r#"{"error":{"message":"Something new.","type":"OAuthException","code":4711}}"#),
        (
            200,
            r#"{"error":{"message":"API access deactivated. To reactivate, go to the app dashboard.","type":"OAuthException","code":200}}"#,
        ),
    ] {
        let app = App::start().await;
        let ada = app.sign_in(Person::Ada);
        ada.connect_account("ada.makes").await;
        app.instagram.script(None, Endpoint::Me, status, answer, None).unwrap();
        let checked = ada.check().await.json();
        in_contract(&checked);
        assert_eq!(
            (&checked["connected"], &checked["state"]),
            (&json!(true), &json!("degraded")),
            "{answer}"
        );
    }
}

/// gitroomhq/postiz-app#757: opening the analytics disconnected the channel.
#[tokio::test(flavor = "multi_thread")]
async fn a_metric_that_is_refused_disconnects_nobody() {
    for answer in [
        r#"{"error":{"message":"(#100) metric[0] must be one of the following values: reach","type":"OAuthException","code":100}}"#,
        r#"{"error":{"message":"(#100) There cannot be more than 30 days (2592000 s) between since and until","type":"IGApiException","code":100,"error_subcode":2108006}}"#,
        r#"{"error":{"message":"(#10) Not enough viewers for the media to show insights","type":"OAuthException","code":10}}"#,
    ] {
        assert_eq!(told(&status_after_use(400, answer).await), WELL, "{answer}");
    }
}

/// snarfed/bridgy#1280: a deprecated edge, as Instagram words a wrong node.
#[tokio::test(flavor = "multi_thread")]
async fn a_deprecated_edge_is_about_the_call() {
    let answer = r#"{"error":{"message":"(#12) singular published story API is deprecated for versions v2.4 and higher","type":"OAuthException","code":12}}"#;
    assert_eq!(told(&status_after_use(400, answer).await), WELL);
}

/// restfb/restfb#1256: the quota of publishing is the account's own, and of publishing only.
#[tokio::test(flavor = "multi_thread")]
async fn a_used_up_quota_of_publishing_is_about_the_call() {
    for answer in [
        r#"{"error":{"message":"Application request limit reached","type":"OAuthException","code":9,"error_subcode":2207042}}"#,
        r#"{"error":{"message":"We restrict certain activity to protect our community","type":"OAuthException","code":4,"error_subcode":2207051}}"#,
        r#"{"error":{"message":"The action attempted has been deemed abusive or is otherwise disallowed","type":"OAuthException","code":368}}"#,
    ] {
        let status = status_after_use(400, answer).await;
        assert_eq!((told(&status), &status["retry_after"]), (WELL, &Value::Null), "{answer}");
    }
}

/// gitroomhq/postiz-app#1914: the refusal names the scope, so the person can be told which; of
/// another product's scope nobody can be told anything.
#[tokio::test(flavor = "multi_thread")]
async fn i10_a_refused_call_names_the_scope_that_is_missing() {
    let refusal = |scope: &str| {
        format!(
            r#"{{"error":{{"message":"(#10) Requires {scope} permission to manage the object","type":"OAuthException","code":10}}}}"#
        )
    };
    let status = status_after_use(403, &refusal("instagram_business_manage_insights")).await;
    assert_eq!(told(&status), ("connected", Some("scopes_missing"), "reconnect"));
    assert_eq!(status["missing_scopes"], json!(["instagram_business_manage_insights"]));
    assert_eq!(status["scopes"], json!(["instagram_business_basic"]));
    // Not asked for: reconnecting would not grant it.
    for scope in ["instagram_business_manage_messages", "instagram_content_publish"] {
        assert_eq!(told(&status_after_use(403, &refusal(scope)).await), WELL, "{scope}");
    }
}

/// Instagram may refuse for a while what it has granted (messages that a person lets no app read):
/// a call that works takes it back, without a reconnect.
#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_works_again_is_not_missing() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let refusal = r#"{"error":{"message":"(#10) Requires instagram_business_manage_insights permission","type":"OAuthException","code":10}}"#;
    app.instagram.script(None, Endpoint::Graph, 403, refusal, Some(1)).unwrap();
    ada.get("graph/me/insights").await;
    let missing = ("connected", Some("scopes_missing"), "reconnect");
    assert_eq!(told(&ada.here.status().await), missing);
    // Not one that needs no such scope, nor one that fails.
    ada.get("graph/me").await;
    app.instagram.script(None, Endpoint::Graph, 500, "", Some(1)).unwrap();
    ada.get("graph/me/insights").await;
    assert_ne!(ada.here.status().await["missing_scopes"], json!([]));
    ada.get("graph/me/insights").await;
    let status = ada.here.status().await;
    in_contract(&status);
    assert_eq!((told(&status), &status["missing_scopes"]), (WELL, &json!([])));
    // Where many are connected a refusal must last: a later one is not a day old already.
    let noted = count_on(app.place.engine, &app.place.url, "SELECT COUNT(*) FROM scope_refusals").await;
    assert_eq!(noted, 0, "the refusals before the call that worked count no more");
}

/// fbsamples/reels_publishing_apis#35: a batch holds calls with parameters of their own.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_not_passed_on() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let batch = json!({"batch": [{"method": "GET", "relative_url": "refresh_access_token?access_token=x"}]});
    let told = ada.service(Method::POST, "graph/me", Some(batch)).await;
    assert_eq!(
        (told.status, &told.body["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("graph-call-not-allowed"))
    );
}

/// gitroomhq/postiz-app#1884: a reconnect that brought an empty token overwrote the one that
/// worked.
#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_that_brings_nothing_keeps_what_works() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let before = ada.token().await.body["access_token"].clone();
    for fault in [Fault::EmptyToken, Fault::MissingExpiresIn] {
        let returned = ada.here.approve(ada.account).await;
        app.instagram.arm(Some(ada.account), fault, Some(Endpoint::Exchange), None).unwrap();
        assert_eq!(ada.here.complete(&returned).await.status, StatusCode::FAILED_DEPENDENCY, "{fault:?}");
        app.instagram.clear(None).unwrap();
        let status = ada.here.status().await;
        assert_eq!((told(&status).0, &status["attempt"]["id"]), ("connected", &json!(returned.attempt)));
        assert_eq!(ada.token().await.body["access_token"], before, "{fault:?}");
    }
}

/// kevinrivm/vocero-crm#60: `/me` names one id, webhooks another.
#[tokio::test(flavor = "multi_thread")]
async fn either_id_finds_the_user_behind_a_webhook() {
    let app = App::start().await;
    let key = app.service_key().await;
    let status = app.sign_in(Person::Ada).connect_account("ada.makes").await;
    for id in ["id", "professional_id"] {
        let path = format!("/service/connections?account={}", status["account"][id].as_str().unwrap());
        let page = app.get_as(&format!("Bearer {key}"), &path).await.json();
        assert_eq!(page["connections"][0]["user_id"], Person::Ada.user_id(), "{id}: {page}");
    }
}

/// simstudioai/sim#5568: `/me` without `user_id`, later with it: the same account all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_named_one_id_first_is_the_same_when_it_names_both() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let returned = ada.approve("ada.makes").await;
    app.instagram.script(None, Endpoint::Me, 200, r#"{"id":"25982752248032036"}"#, Some(1)).unwrap();
    let first = ada.complete(&returned).await.json();
    assert_eq!((told(&first), &first["account"]["professional_id"]), (WELL, &Value::Null));
    let second = ada.connect_account("ada.makes").await;
    assert_eq!(second["account"]["professional_id"], "17841479677897649");
    assert_eq!(second["account"]["id"], first["account"]["id"]);
}

/// The id that an app sees changes with the app; the professional id stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_account_under_another_id_is_still_the_one_that_is_linked() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    ada.connect_account("ada.makes").await;
    for known in [r#"{"id":"999","user_id":"17841479677897649"}"#, r#"{"user_id":"17841479677897649"}"#] {
        let returned = grace.approve("ada.makes").await;
        app.instagram.script(None, Endpoint::Me, 200, known, Some(1)).unwrap();
        let refused = grace.complete(&returned).await;
        assert_eq!(refused.told(), (409, "account-belongs-to-another-user"), "{known}");
    }
    assert_eq!(told(&ada.status().await), WELL);
}

/// AudiusProject/apps#1095: the handle changes between consent and `/me`.
#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_changes_on_the_way_is_no_other_account() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let returned = ada.approve("ada.makes").await;
    app.instagram.rename("ada.makes", "ada.lovelace", "Ada L.").unwrap();
    let status = ada.complete(&returned).await.json();
    assert_eq!((told(&status), &status["account"]["username"]), (WELL, &json!("ada.lovelace")));
}

/// chatwoot/chatwoot#2341: names that changed could not be had without connecting anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_check_brings_the_names_that_changed() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    app.instagram.rename("ada.makes", "ada.lovelace", "Ada L.").unwrap();
    let status = ada.check().await.json();
    let account = &status["account"];
    assert_eq!((&account["username"], &account["name"]), (&json!("ada.lovelace"), &json!("Ada L.")));
    assert!(account["profile_picture_url"].as_str().unwrap().contains("ada.lovelace"), "{account}");
}

/// chatwoot/chatwoot#4235: an account that was moved to another holder worked for neither.
#[tokio::test(flavor = "multi_thread")]
async fn a_disconnected_account_is_free_for_whoever_connects_it() {
    let app = App::start().await;
    let (ada, grace) = (app.sign_in(Person::Ada), app.sign_in(Person::Grace));
    ada.connect_account("ada.makes").await;
    ada.disconnect().await;
    assert_eq!(told(&grace.connect_account("ada.makes").await), WELL);
    assert_eq!(told(&ada.status().await), ("not_connected", Some("user_disconnected"), "connect"));
}

/// Automattic/jetpack#42810, Automattic/wp-calypso#15118: the account that was chosen first comes
/// back each time.
#[tokio::test(flavor = "multi_thread")]
async fn another_account_can_be_had_without_disconnecting_first() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let wish = json!({"return_to": RETURN_TO, "expect": "any_account", "force_reauth": true});
    let returned = ada.approve_with("grace.hops", wish).await;
    let status = ada.complete(&returned).await.json();
    assert_eq!((told(&status), &status["account"]["username"]), (WELL, &json!("grace.hops")));
}

/// RealmTeam/django-rest-framework-social-oauth2#230: a denial that carries a code as well is a
/// denial.
#[tokio::test(flavor = "multi_thread")]
async fn a_denial_beside_a_code_is_a_denial() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let authorize_url: Url = ada.connect().await.parse().unwrap();
    let (_, state) = authorize_url.query_pairs().find(|(name, _)| name == "state").unwrap();
    let callback = format!("{}instagram/callback?error=access_denied&code=x&state={state}", app.base);
    let back = app.follow(&callback.parse().unwrap()).await;
    assert!(back.query().unwrap().contains("instagram=denied"), "{back}");
    assert_eq!(told(&ada.status().await), ("not_connected", Some("denied"), "connect"));
}

/// restfb/restfb#1527: a misspelt scope is shown on Instagram's page, and never comes back.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_never_comes_back_ends_by_itself() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let scopes = [("INSTAGRAM_SCOPES", "instagram_business_basic,instagram_business_content_publishing")];
    let app = App::at(Arc::new(clock.clone()), &scopes, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect().await;
    assert_eq!(told(&ada.status().await), ("connecting", None, "none"));
    clock.advance(Duration::from_mins(10));
    let status = ada.status().await;
    assert_eq!(
        (told(&status), &status["attempt"]),
        (("not_connected", Some("attempt_expired"), "connect"), &Value::Null)
    );
}

/// pgrimaud/instagram-user-feed#148: a limit that something before Instagram's API imposes.
#[tokio::test(flavor = "multi_thread")]
async fn a_bare_429_is_a_limit_and_disconnects_nobody() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    app.instagram.script(None, Endpoint::Me, 429, "<html>Too many requests</html>", None).unwrap();
    let status = ada.check().await.json();
    assert_eq!(told(&status), ("degraded", Some("rate_limited"), "wait"));
}

/// khrnchn/sedekah-je#535, criso/fbgraph#33: what is not signed, or not where it belongs, is not
/// believed.
#[tokio::test(flavor = "multi_thread")]
async fn a_deauthorization_that_is_not_signed_is_not_believed() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    for (path, kind, sent) in [
        (
            "webhooks/instagram/deauthorize",
            "application/x-www-form-urlencoded",
            "signed_request=x.eyJ1c2VyX2lkIjoiMjU5ODI3NTIyNDgwMzIwMzYifQ",
        ),
        ("webhooks/instagram/deauthorize?signed_request=x.y", "application/x-www-form-urlencoded", ""),
        ("webhooks/instagram/deauthorize", "application/json", r#"{"user_id":"25982752248032036"}"#),
    ] {
        let mut request = holdfast::transport::Outgoing::new(Method::POST, app.base.join(path).unwrap());
        request.headers.insert("content-type", kind.parse().unwrap());
        request.body = sent.into();
        let answer = app.send(request).await;
        assert!(
            answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED,
            "{}",
            answer.text()
        );
    }
    assert_eq!(told(&ada.status().await), WELL);
}

/// msigley/WP-Instagram-API#6, codingbadger/instant-tokens.com#14: the whole app is switched off,
/// with status 200.
#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_is_switched_off_has_nobody_reconnect() {
    let app = App::start().await;
    let people =
        [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops"), (Person::Edsger, "edsger.writes")];
    for (person, account) in people {
        app.sign_in(person).connect_account(account).await;
    }
    app.instagram.set_fault(None, Fault::AppDeactivated).unwrap();
    for (person, _) in people {
        let here = app.sign_in(person);
        let status = here.check().await.json();
        assert_eq!(told(&status), ("degraded", Some("app_misconfigured"), "wait"));
    }
}
