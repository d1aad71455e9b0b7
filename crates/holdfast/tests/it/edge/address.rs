//! Bounds by client address, through the settings and the whole server.

use holdfast::standin::clerk::{Fault, Person, Surface};
use http::StatusCode;
use serde_json::Value;

use super::client::{Raw, Reply};
use crate::testing::app::{App, ORIGIN};
use crate::testing::waiting::until;

fn get(path: &str, forwarded: &str, authorization: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\nX-Forwarded-For: {forwarded}\r\n{authorization}\r\n"
    )
}

async fn ask(app: &App, path: &str, forwarded: &str) -> Reply {
    Raw::connect(app.address()).await.ask(&get(path, forwarded, "")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_behind_a_trusted_proxy_is_bounded_alone() {
    let settings = [("HOLDFAST_REQUESTS_PER_ADDRESS", "1"), ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.0/8")];
    let app = App::with(&settings, |_| {}).await;
    app.is_ready().await;
    assert_eq!(ask(&app, "/user/profile", "203.0.113.9").await.status, 401, "the first is not bounded");
    // Clerk hangs, so that the request which asks there for the user's facts is under way for a
    // while.
    app.clerk.set_fault(Surface::Users, Some(Fault::Hang));
    let authorization = format!("Authorization: {}\r\n", app.sign_in(Person::Ada).authorization());
    let (address, own) = (app.address(), "198.51.100.7, 203.0.113.9");
    let under_way = tokio::spawn(async move {
        let mut client = Raw::connect(address).await;
        client.ask(&get("/user/profile", own, &authorization)).await
    });
    until("it is under way", async || app.clerk.requests(Surface::Users) == 1).await;
    let bounded = ask(&app, "/user/profile", "203.0.113.9").await;
    assert_eq!(bounded.status, 429, "a second request of the same client: {}", bounded.body);
    assert_eq!(ask(&app, "/user/profile", "198.51.100.7").await.status, 401, "another client");
    assert_eq!(under_way.await.unwrap().unwrap().status, 200);
    assert_eq!(ask(&app, "/user/profile", "203.0.113.9").await.status, 401, "one after the other");
    let problem: Value = serde_json::from_str(&bounded.body).unwrap();
    assert_eq!(problem["code"], "too-many-requests");
    assert_eq!(bounded.header("retry-after"), Some("1"));
    assert_eq!(bounded.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
}
