//! One verifier: every protected route gives the same verdict on the same token. The routes come
//! from the OpenAPI document that the router itself makes, so that a new one cannot be forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::{Expectation, Person};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};

/// The routes that ask for a session token.
fn protected(openapi: &Value) -> Vec<(Method, String)> {
    let mut routes = Vec::new();
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            let schemes: Vec<_> = operation["security"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|each| each.as_object().unwrap().keys().cloned())
                .collect();
            if schemes.iter().any(|scheme| scheme.contains("session")) {
                routes.push((method, path.replace("{attempt_id}", "0199f0a0-0000-7000-8000-000000000000")));
            }
        }
    }
    routes
}

fn request_body(path: &str) -> Option<Value> {
    path.ends_with("/complete").then(|| json!({"completion": "x"}))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_protected_route_gives_every_token_the_same_verdict() {
    // The clock stands still: the verdict is one on a token *at one instant*.
    let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
    let app = App::at(clock, &[], |_| {}).await;
    app.is_ready().await;
    let openapi = app.get("/openapi.json").await.json();
    let routes = protected(&openapi);
    assert!(routes.len() >= 9, "{routes:?}");
    let corpus = app.clerk.corpus(Person::Ada, ORIGIN).unwrap();
    assert!(corpus.len() >= 100, "{} tokens", corpus.len());
    let mut tally = BTreeMap::<&str, usize>::new();
    for case in &corpus {
        for (method, path) in &routes {
            let Ok(value) = HeaderValue::from_bytes(format!("Bearer {}", case.token).as_bytes()) else {
                continue;
            };
            let mut headers = HeaderMap::new();
            headers.insert("authorization", value);
            if path == "/user/events" && case.expect == Expectation::Accepted {
                // A stream does not end by itself; its first answer is asked for elsewhere.
                continue;
            }
            let answer = app.request_with(method.clone(), path, headers, request_body(path)).await;
            if answer.status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
                assert!(case.token.len() > 16 * 1024, "{}", case.name);
                continue;
            }
            let told = format!("{} on {method} {path}: {} {}", case.name, answer.status, answer.text());
            assert!(!answer.status.is_server_error(), "{told}");
            assert!(answer.headers.contains_key("access-control-allow-origin"), "{told}");
            match case.expect {
                Expectation::Accepted => assert_ne!(answer.status, StatusCode::UNAUTHORIZED, "{told}"),
                Expectation::Pending => assert_eq!(answer.told(), (403, "session-pending"), "{told}"),
                Expectation::Refused(expected) if answer.status == StatusCode::TOO_MANY_REQUESTS => {
                    assert!(answer.text().contains(expected), "{told}");
                }
                Expectation::Refused(expected) => {
                    assert_eq!(answer.told(), (401, expected), "{told}");
                    let challenge = answer.headers["www-authenticate"].to_str().unwrap();
                    assert!(challenge.starts_with("Bearer"), "{told}");
                    assert_eq!(
                        challenge.contains("invalid_token"),
                        expected != "session-token-missing",
                        "{told}"
                    );
                }
            }
        }
        *tally
            .entry(match case.expect {
                Expectation::Accepted => "accepted",
                Expectation::Pending => "pending",
                Expectation::Refused(_) => "refused",
            })
            .or_default() += 1;
    }
    println!("{} tokens on {} routes: {tally:?}", corpus.len(), routes.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_protected_or_on_the_public_list() {
    let app = App::start().await;
    let openapi = app.get("/openapi.json").await.json();
    let public: std::collections::BTreeSet<_> =
        holdfast::http::public::PublicRoute::ALL.iter().map(|route| route.as_str()).collect();
    for (path, operations) in openapi["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let secured = operation["security"].as_array().is_some_and(|each| !each.is_empty());
            assert!(secured != public.contains(path.as_str()), "{method} {path}: secured {secured}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_missing_or_two() {
    let app = App::start().await;
    let bare = app.get("/user/profile").await;
    assert_eq!(
        (bare.status, bare.headers["www-authenticate"].to_str().unwrap()),
        (StatusCode::UNAUTHORIZED, "Bearer")
    );
    let problem = bare.json();
    assert_eq!((&problem["code"], &problem["source"]), (&json!("session-token-missing"), &json!("session")));
    assert_eq!(problem["error"], problem["detail"]);
    assert_eq!(bare.headers["content-type"], "application/problem+json");
    let page = app.get(url::Url::parse(problem["type"].as_str().unwrap()).unwrap().path()).await;
    assert_eq!(page.status, StatusCode::OK);
    let ada = app.sign_in(Person::Ada);
    let mut two = HeaderMap::new();
    let value = HeaderValue::from_str(&ada.authorization()).unwrap();
    two.append("authorization", value.clone());
    two.append("authorization", value);
    assert_eq!(
        app.request_with(Method::GET, "/user/profile", two, None).await.status,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_impersonator_may_read_and_nothing_else() {
    let app = App::start().await;
    let case = holdfast::standin::clerk::Case::find("genuine-impersonated").unwrap();
    let bearer = || format!("Bearer {}", app.clerk.mint(case, Person::Ada, ORIGIN).unwrap());
    // Their visit is neither the person's first nor their last.
    let synced = app.request(Method::POST, "/auth/sync", Some(&bearer()), None).await.json();
    assert_eq!((&synced["created"], &synced["user"]["last_seen_at"]), (&json!(false), &json!(null)));
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.sync().await.json()["created"], json!(true));
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history"] {
        assert_eq!(app.get_as(&bearer(), path).await.status, StatusCode::OK, "{path}");
    }
    for (method, path) in [
        (Method::POST, "/user/instagram/connect"),
        (Method::POST, "/user/instagram/check"),
        (Method::DELETE, "/user/instagram"),
        (Method::POST, "/user/instagram/connect/0199f0a0-0000-7000-8000-000000000000/complete"),
    ] {
        let answer = app.request(method, path, Some(&bearer()), request_body(path)).await;
        assert_eq!(answer.told(), (403, "impersonation-not-allowed"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_knows_the_answer_gets_304() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let first = ada.get("/user/instagram/status").await;
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::from_str(&ada.authorization()).unwrap());
    headers.insert("if-none-match", first.headers["etag"].clone());
    let again = app.request_with(Method::GET, "/user/instagram/status", headers, None).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    assert!(again.body.is_empty());
}
