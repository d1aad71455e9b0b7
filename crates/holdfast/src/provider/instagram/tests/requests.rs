//! The requests as they leave, and what becomes of answers that only headers or form explain.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use crate::clock::{ManualClock, after};
use crate::provider::contract::outcome;
use crate::provider::instagram::{Instagram, InstagramConfig};
use crate::provider::{
    DeathCause, Grant, LONGEST_LIFE, LimitScope, Meaning, PassThrough, Provider as _, ShortGrant,
};
use crate::transport::{Answer, Outgoing, Transport, TransportError};

/// Keeps what was sent and answers with one fixed answer.
#[derive(Debug)]
pub(super) struct Script {
    sent: Mutex<Vec<Outgoing>>,
    answer: Result<(u16, HeaderMap, Bytes), TransportError>,
}

impl Transport for Script {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        self.sent.lock().unwrap().push(request);
        let answer = self.answer.clone().map(|(status, headers, body)| Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body,
        });
        Box::pin(async { answer })
    }
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

pub(super) fn instagram(answer: Result<(u16, HeaderMap, &str), TransportError>) -> (Instagram, Arc<Script>) {
    let answer = answer.map(|(status, headers, body)| (status, headers, Bytes::from(body.to_owned())));
    let script = Arc::new(Script { sent: Mutex::default(), answer });
    let config = InstagramConfig {
        app_id: "1234567890".to_owned(),
        app_secret: SecretString::from("app+secret/="),
        callback_secrets: Vec::new(),
        scopes: vec!["instagram_business_basic".to_owned(), "instagram_business_manage_insights".to_owned()],
        authorize_url: Url::parse("https://www.instagram.com/oauth/authorize?enable_fb_login=false").unwrap(),
        api_url: Url::parse("https://api.instagram.com").unwrap(),
        graph_url: Url::parse("https://proxy.example/graph/").unwrap(),
        graph_version: "v25.0".to_owned(),
        redirect_uri: Url::parse("https://holdfast.example/instagram/callback").unwrap(),
    };
    (Instagram::new(config, script.clone(), Arc::new(ManualClock::new(now()))), script)
}

pub(super) fn short() -> ShortGrant {
    ShortGrant {
        access_token: SecretString::from("IGAA+short"),
        scopes: Some(vec!["instagram_business_basic".to_owned()]),
        account_id: None,
        obtained_at: now(),
    }
}

pub(super) fn grant() -> Grant {
    Grant {
        access_token: SecretString::from("IGAA+long"),
        scopes: Some(vec!["instagram_business_basic".to_owned()]),
        obtained_at: now(),
        expires_at: now(),
    }
}

fn only(script: &Script) -> (Method, String, String) {
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent.len(), 1, "one exchange a call");
    let request = &sent[0];
    (request.method.clone(), request.url.to_string(), String::from_utf8(request.body.to_vec()).unwrap())
}

#[test]
fn the_consent_address_is_as_documented() {
    let (instagram, _) = instagram(Ok((200, HeaderMap::new(), "")));
    assert_eq!(
        instagram.authorize_url("s+t/a=", true).as_str(),
        "https://www.instagram.com/oauth/authorize?enable_fb_login=false&client_id=1234567890\
         &redirect_uri=https%3A%2F%2Fholdfast.example%2Finstagram%2Fcallback&response_type=code\
         &scope=instagram_business_basic%2Cinstagram_business_manage_insights&state=s%2Bt%2Fa%3D&force_reauth=true"
    );
    assert!(!instagram.authorize_url("s", false).as_str().contains("force"));
}

#[tokio::test]
async fn the_code_exchange_is_a_form() {
    let (instagram, script) = instagram(Ok((200, HeaderMap::new(), r#"{"access_token":"t"}"#)));
    instagram.redeem(&SecretString::from("AQ-code")).await.outcome.unwrap();
    let (method, url, body) = only(&script);
    assert_eq!((method, url.as_str()), (Method::POST, "https://api.instagram.com/oauth/access_token"));
    assert_eq!(
        body,
        "client_id=1234567890&client_secret=app%2Bsecret%2F%3D&grant_type=authorization_code\
         &redirect_uri=https%3A%2F%2Fholdfast.example%2Finstagram%2Fcallback&code=AQ-code"
    );
    let sent = script.sent.lock().unwrap();
    assert_eq!(sent[0].headers["content-type"], "application/x-www-form-urlencoded");
}

#[tokio::test]
async fn the_token_endpoints_are_gets_and_unversioned() {
    let body = r#"{"access_token":"t","expires_in":5183944}"#;
    let (instagram_, script) = instagram(Ok((200, HeaderMap::new(), body)));
    let extended = instagram_.extend(&short()).await.outcome.unwrap();
    assert_eq!(extended.scopes, short().scopes);
    assert_eq!(extended.expires_at, now() + Duration::from_secs(5_183_944));
    assert_eq!(
        only(&script).1,
        "https://proxy.example/graph/access_token?grant_type=ig_exchange_token&client_secret=app%2Bsecret%2F%3D&access_token=IGAA%2Bshort"
    );
    let (instagram_, script) = instagram(Ok((200, HeaderMap::new(), body)));
    instagram_.refresh(&grant()).await.outcome.unwrap();
    let (method, url, _) = only(&script);
    assert_eq!(method, Method::GET);
    assert_eq!(
        url,
        "https://proxy.example/graph/refresh_access_token?grant_type=ig_refresh_token&access_token=IGAA%2Blong"
    );
    assert!(!url.contains("secret"));
}

#[tokio::test]
async fn i10_a_refresh_that_names_fewer_permissions_is_believed() {
    let wider = Grant { scopes: Some(vec!["a".to_owned(), "b".to_owned()]), ..grant() };
    // What it does not name is not said: neither kept nor taken away.
    for (permissions, expected) in
        [(r#""a""#, Some("a")), (r#"["b"]"#, Some("b")), (r#""""#, None), ("[]", None), ("null", None)]
    {
        let body = format!(r#"{{"access_token":"t","expires_in":5183944,"permissions":{permissions}}}"#);
        let (instagram, _) = instagram(Ok((200, HeaderMap::new(), &body)));
        let renewed = instagram.refresh(&wider).await.outcome.unwrap();
        assert_eq!(renewed.scopes, expected.map(|scope| vec![scope.to_owned()]), "{permissions}");
    }
}

#[tokio::test]
async fn the_account_is_asked_for_under_the_version() {
    let (instagram, script) = instagram(Ok((200, HeaderMap::new(), r#"{"id":"1"}"#)));
    instagram.identify(&grant()).await.outcome.unwrap();
    assert_eq!(
        only(&script).1,
        "https://proxy.example/graph/v25.0/me?fields=id%2Cuser_id%2Cusername%2Cname%2Caccount_type%2Cprofile_picture_url&access_token=IGAA%2Blong"
    );
}

#[tokio::test]
async fn a_personal_account_is_not_eligible() {
    let (instagram, _) = instagram(Ok((200, HeaderMap::new(), r#"{"id":"1","account_type":"PERSONAL"}"#)));
    let failure = instagram.identify(&grant()).await.outcome.unwrap_err();
    assert_eq!(failure.meaning, Meaning::Dead(DeathCause::AccountIneligible));
}

pub(super) fn call(path: &str, query: &[(&str, &str)]) -> PassThrough {
    PassThrough {
        method: Method::GET,
        path: path.to_owned(),
        query: query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: None,
    }
}

#[tokio::test]
async fn a_call_stays_below_the_versioned_root_and_carries_our_grant_only() {
    let (instagram, script) = instagram(Ok((200, HeaderMap::new(), r#"{"data":[]}"#)));
    let query = [("fields", "id,caption")];
    let passed = instagram.pass_through(&grant(), call("/../me/./me dia?x#y/", &query)).await.unwrap();
    assert_eq!((passed.status, passed.failure, passed.usage_headers.len()), (200, None, 0));
    assert_eq!(
        only(&script).1,
        "https://proxy.example/graph/v25.0/me/me%20dia%3Fx%23y?fields=id%2Ccaption&access_token=IGAA%2Blong"
    );
}

#[tokio::test]
async fn what_changes_something_is_given_more_time() {
    for (method, seconds) in [(Method::GET, 8), (Method::POST, 12), (Method::DELETE, 12)] {
        let (instagram, script) = instagram(Ok((200, HeaderMap::new(), "{}")));
        let call = PassThrough { method, ..call("me/media_publish", &[]) };
        instagram.pass_through(&grant(), call).await.unwrap();
        assert_eq!(script.sent.lock().unwrap()[0].timeout, Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn tokens_are_not_fetched_behind_the_connections_back() {
    for path in ["refresh_access_token", "me/../access_token", "oauth/access_token"] {
        let (instagram, script) = instagram(Ok((200, HeaderMap::new(), "{}")));
        let failure = outcome(instagram.pass_through(&grant(), call(path, &[])).await).unwrap_err();
        assert_eq!(failure.meaning, Meaning::Content);
        assert!(script.sent.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_bare_true_is_a_success_and_html_is_none() {
    for (status, body, works) in
        [(200, "true", true), (200, "<html>", false), (500, "true", false), (401, "", false)]
    {
        let (instagram, _) = instagram(Ok((status, HeaderMap::new(), body)));
        let passed = instagram.pass_through(&grant(), call("me", &[])).await.unwrap();
        match passed.failure {
            None => assert!(works, "{body}"),
            Some(failure) => {
                assert!(!works, "{body}");
                assert_eq!(failure.meaning, Meaning::Unavailable);
            }
        }
    }
}

#[tokio::test]
async fn a_limit_says_how_long_to_wait() {
    let mut headers = HeaderMap::new();
    headers.insert("x-app-usage", r#"{"call_count":28,"total_time":25,"total_cputime":25}"#.parse().unwrap());
    let buc = r#"{"1":[{"type":"instagram","call_count":100,"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":19}]}"#;
    headers.insert("x-business-use-case-usage", buc.parse().unwrap());
    let body = r#"{"error":{"message":"(#80002) There have been too many calls","type":"OAuthException","code":80002}}"#;
    let (instagram, _) = instagram(Ok((403, headers, body)));
    let reply = instagram.identify(&grant()).await;
    assert_eq!(reply.usage.app_percent, Some(28));
    let failure = reply.outcome.unwrap_err();
    assert_eq!(failure.meaning, Meaning::RateLimited(LimitScope::Account));
    assert_eq!(failure.retry_after, Some(Duration::from_mins(19)));
    assert_eq!((failure.http_status, failure.code), (Some(403), Some(80_002)));
    assert_eq!(
        failure.detail,
        "Instagram answered the request for the account with HTTP 403, code 80002: “(#80002) There have been too many calls”."
    );
}

#[tokio::test]
async fn no_answer_kills_nothing() {
    for error in
        [TransportError::Connect, TransportError::Timeout, TransportError::Broken, TransportError::TooLarge]
    {
        let (instagram, _) = instagram(Err(error));
        let failure = instagram.refresh(&grant()).await.outcome.unwrap_err();
        assert_eq!((failure.meaning, failure.http_status), (Meaning::Unavailable, None));
        assert_eq!(failure.was_sent, error != TransportError::Connect);
    }
    let (instagram, _) = instagram(Err(TransportError::Crowded));
    let failure = instagram.refresh(&grant()).await.outcome.unwrap_err();
    assert_eq!((failure.meaning, failure.was_sent), (Meaning::Crowded, false), "it was not asked");
}

#[tokio::test]
async fn a_failure_repeats_no_secret() {
    let echo =
        r#"{"error":{"message":"Cannot parse access token IGAA+long of app app+secret/=","code":190}}"#;
    let (instagram, _) = instagram(Ok((400, HeaderMap::new(), echo)));
    for failure in [
        instagram.identify(&grant()).await.outcome.unwrap_err(),
        instagram.extend(&short()).await.outcome.unwrap_err(),
    ] {
        assert!(!failure.detail.contains("IGAA+") && !failure.detail.contains("app+secret"), "{failure:?}");
    }
}

#[tokio::test]
async fn a_success_needs_a_successful_status() {
    for status in [302, 401, 403, 500, 503] {
        let (instagram, _) =
            instagram(Ok((status, HeaderMap::new(), r#"{"access_token":"t","expires_in":60}"#)));
        let failure = instagram.refresh(&grant()).await.outcome.unwrap_err();
        assert_eq!(failure.meaning, Meaning::Unavailable, "{status}");
    }
}

#[tokio::test]
async fn the_status_plays_no_part_in_what_an_error_means() {
    for status in [200, 400, 401, 403, 404, 429, 500, 503] {
        let (instagram, _) =
            instagram(Ok((status, HeaderMap::new(), include_str!("../testdata/expired.json"))));
        let failure = instagram.identify(&grant()).await.outcome.unwrap_err();
        assert_eq!(failure.meaning, Meaning::Dead(DeathCause::Expired), "{status}");
        assert_eq!(failure.http_status, Some(status));
    }
}

#[tokio::test]
async fn an_endless_lifetime_is_held_at_the_longest() {
    let body = format!(r#"{{"access_token":"t","expires_in":{}}}"#, u64::MAX);
    let (instagram, _) = instagram(Ok((200, HeaderMap::new(), &body)));
    assert_eq!(instagram.refresh(&grant()).await.outcome.unwrap().expires_at, after(now(), LONGEST_LIFE));
}

#[tokio::test]
async fn one_failing_server_stops_nobody_for_a_day() {
    let day = || HeaderMap::from_iter([(http::header::RETRY_AFTER, http::HeaderValue::from_static("86400"))]);
    let (instagram, _) = self::instagram(Ok((503, day(), "maintenance")));
    let failure = instagram.identify(&grant()).await.outcome.unwrap_err();
    assert_eq!((failure.meaning, failure.retry_after), (Meaning::Unavailable, Some(Duration::from_hours(1))));
    // A limit knows when it ends.
    let (instagram, _) = self::instagram(Ok((400, day(), r#"{"error":{"code":4}}"#)));
    let failure = instagram.identify(&grant()).await.outcome.unwrap_err();
    assert_eq!(failure.retry_after, Some(Duration::from_hours(24)));
}
