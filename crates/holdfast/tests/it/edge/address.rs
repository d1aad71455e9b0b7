//! Bounds by client address, through the settings and the whole server.

use std::time::Duration;

use holdfast::standin::clerk::{Fault, Person, Surface};
use http::StatusCode;
use serde_json::Value;

use super::client::{Raw, Reply};
use crate::e2e::app::{App, ORIGIN};

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
    // Clerk's key server hangs, so that requests with a token are under way for a while.
    let settings = [("HOLDFAST_REQUESTS_PER_ADDRESS", "1"), ("HOLDFAST_TRUSTED_PROXIES", "127.0.0.0/8")];
    let app = App::with(&settings, |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::Hang))).await;
    let ada = app.sign_in(Person::Ada);
    let authorization = format!("Authorization: {}\r\n", ada.authorization());
    let (address, own) = (app.address(), "198.51.100.7, 203.0.113.9");
    let under_way = tokio::spawn(async move {
        loop {
            let mut client = Raw::connect(address).await;
            let _ = client.ask(&get("/user/profile", own, &authorization)).await;
        }
    });
    let mut bounded = None;
    for _ in 0..2_000 {
        let reply = ask(&app, "/user/profile", "203.0.113.9").await;
        if reply.status == 429 {
            bounded = Some(reply);
            break;
        }
        assert_eq!(reply.status, 401, "{}", reply.body);
        assert_eq!(ask(&app, "/user/profile", "198.51.100.7").await.status, 401, "another client");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    under_way.abort();
    let bounded = bounded.expect("a second request of the same client was never turned away");
    let problem: Value = serde_json::from_str(&bounded.body).unwrap();
    assert_eq!(problem["code"], "too-many-requests");
    assert_eq!(bounded.header("retry-after"), Some("1"));
    assert_eq!(bounded.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
}
