//! Bodies that drip, in any number, take no place from anybody whose request is complete.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use http::StatusCode;
use serde_json::json;

use super::client::{Raw, statuses};
use super::isolated::{is_alone, resident_kib};
use crate::testing::app::{App, RETURN_TO};

/// Twice as many as requests may be under way.
const DRIPPING: usize = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_bodies_keep_no_caller_waiting() {
    if !is_alone("edge::overload::two_thousand_slow_bodies_keep_no_caller_waiting") {
        return;
    }
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    app.is_ready().await;
    let before = resident_kib();
    let mut dripping = Vec::new();
    for _ in 0..DRIPPING {
        let mut client = Raw::connect(app.address()).await;
        // With this the server says when it wants the body: from then on the request is under way.
        let head = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 200000\r\nExpect: 100-continue\r\n\r\n";
        assert_eq!(client.ask(head).await.unwrap().status, 100);
        dripping.push(client);
    }
    for round in 0..7 {
        for client in &mut dripping {
            client.send(b"{").await.unwrap();
        }
        let asked = std::time::Instant::now();
        assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK);
        assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
        let body = json!({"return_to": RETURN_TO});
        let connected = ada.begin(body).await;
        // Each user has five attempts, also while others drip.
        let expected = if round < 5 { StatusCode::CREATED } else { StatusCode::TOO_MANY_REQUESTS };
        assert_eq!(connected.status, expected);
        println!("round {round}: three answers beside {DRIPPING} slow bodies in {:?}", asked.elapsed());
        clock.advance(Duration::from_secs(1));
    }
    println!("memory grew by {} KiB, client and server", resident_kib() - before);
    // The bodies have 8 s to come.
    clock.advance(Duration::from_secs(2));
    for client in &mut dripping {
        assert_eq!(statuses(&client.rest().await), ["408"]);
    }
}
