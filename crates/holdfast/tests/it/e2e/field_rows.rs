//! Rows C11, C14 and C17 of what people who use Clerk really meet, over HTTP.

use holdfast::standin::clerk::{Case, Person};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::Value;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};

#[tokio::test(flavor = "multi_thread")]
async fn c11_a_wrapped_token_is_refused_by_the_name_of_its_wrapping() {
    let app = App::start().await;
    let session = app.clerk.sign_in(Person::Ada).unwrap();
    let token = || app.clerk.token(&session, Some(ORIGIN)).unwrap();
    for (sent, wrapping) in [
        (format!("\"{}\"", token()), "quotation marks"),
        (format!("__session={}", token()), "cookie"),
        (format!("{{\"jwt\":\"{}\"}}", token()), "JSON"),
        (token().replace('.', "%2E"), "percent-encoding"),
    ] {
        let answer = app.get_as(&format!("Bearer {sent}"), "/user/profile").await;
        answer.is(401, "token-invalid");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(wrapping), "{wrapping}: {detail}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c14_a_refused_origin_is_counted_and_named_beside_the_one_that_was_meant() {
    let app = App::start().await;
    let preflight = async |origin: &'static str| {
        let mut request =
            holdfast::transport::Outgoing::new(Method::OPTIONS, app.base.join("auth/sync").unwrap());
        request.headers.insert("origin", HeaderValue::from_static(origin));
        request.headers.insert("access-control-request-method", HeaderValue::from_static("POST"));
        app.send(request).await
    };
    for _ in 0..3 {
        let refused = preflight("https://www.app.example.com").await;
        assert!(!refused.headers.contains_key("access-control-allow-origin"));
    }
    preflight(ORIGIN).await;
    assert!(app.metrics.render().contains("holdfast_cors_origins_refused_total 3"));
    let log = String::from_utf8(app.watch.log()).unwrap();
    let named: Vec<_> = log.lines().filter(|line| line.contains("https://www.app.example.com")).collect();
    assert_eq!(named.len(), 1, "once a minute: {named:?}");
    assert!(named[0].contains("https://app.example.com") && named[0].contains("HOLDFAST_ALLOWED_ORIGINS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn c17_pending_impersonated_and_machine_tokens_are_told_apart() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.get("/user/profile").await.status, StatusCode::OK);
    let send = async |case: &str, method: Method, path: &str| {
        let token = app.clerk.mint(Case::find(case).unwrap(), Person::Ada, ORIGIN).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        app.request_with(method, path, headers, None).await
    };
    for (case, method, path, expected) in [
        ("pending", Method::GET, "/user/profile", (403, "session-pending")),
        ("genuine-impersonated", Method::GET, "/user/profile", (200, "")),
        ("genuine-impersonated", Method::DELETE, "/user/instagram", (403, "impersonation-not-allowed")),
        ("sub-machine", Method::GET, "/user/profile", (401, "token-type-mismatch")),
        ("genuine-with-organization", Method::GET, "/user/profile", (200, "")),
        ("genuine-with-organization-v1", Method::GET, "/user/profile", (200, "")),
    ] {
        let answer = send(case, method, path).await;
        assert_eq!(answer.told(), expected, "{case}: {}", answer.text());
    }
    for (case, cause) in [("pending", true), ("sts-unknown", false), ("sts-number", false)] {
        let answer = send(case, Method::GET, "/user/profile").await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(detail.contains("pending"), cause, "{case}: {detail}");
    }
    let mut told = Vec::new();
    for case in ["genuine-with-organization", "genuine-with-organization-v1"] {
        let answer = send(case, Method::GET, "/forward-auth").await;
        let value = |name: &str| answer.headers[name].to_str().unwrap().to_owned();
        told.push((value("x-auth-org"), value("x-auth-org-role"), value("x-auth-org-permissions")));
    }
    assert_eq!(told[0], told[1], "both versions of the claims read alike");
    assert_ne!(ada.get("/user/profile").await.json()["id"], Value::Null);
}
