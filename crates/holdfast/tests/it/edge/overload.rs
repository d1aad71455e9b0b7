//! More requests than the server takes at a time: the others are turned away at once and told when to return.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use http::StatusCode;

use super::client::{Raw, statuses};
use crate::e2e::app::{App, code};

/// As many as run at a time.
const PLACES: usize = 1024;

#[tokio::test(flavor = "multi_thread")]
async fn a_full_server_sheds_load_with_503_and_stays_alive() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    while ada.get("/user/instagram/status").await.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut holding = Vec::new();
    for _ in 0..PLACES {
        let mut client = Raw::connect(app.address()).await;
        let head = b"POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n{";
        client.send(head).await.unwrap();
        holding.push(client);
    }
    for _ in 0..500 {
        if ada.get("/user/instagram/status").await.status == StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let shed = ada.get("/user/instagram/status").await;
    assert_eq!(shed.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(code(&shed), "overloaded");
    assert_eq!(shed.headers["retry-after"], "1");
    assert!(shed.headers.contains_key("access-control-allow-origin"), "a page must be able to read it");
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK, "under load, not dead");
    // The bodies have 8 s to come.
    clock.advance(Duration::from_secs(9));
    for client in &mut holding {
        assert_eq!(statuses(&client.rest().await), ["408"]);
    }
    assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK, "service returns by itself");
}
