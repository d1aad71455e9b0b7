//! The whole way: a person connects, Instagram revokes, the app hears of both.

use std::time::Duration;

use holdfast::standin::clerk::Person;
use http::{Method, StatusCode};
use serde_json::Value;

use super::endpoint::{AppEndpoint, SECRET};
use crate::e2e::app::App;

/// Waits until the app has taken an event whose status has that state.
async fn told_of(endpoint: &AppEndpoint, state: &str) -> Value {
    let found = async {
        loop {
            let taken = endpoint.taken();
            if let Some(event) = taken.iter().find(|event| event.body["data"]["status"]["state"] == state) {
                return event.body.clone();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), found)
        .await
        .unwrap_or_else(|_| panic!("no event says {state}: {:?}", endpoint.taken()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_hears_of_every_change() {
    let endpoint = AppEndpoint::start().await;
    let settings = [("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)];
    let app = App::with(&settings, |_| {}).await;
    app.note(SECRET.strip_prefix("whsec_").unwrap());
    let ada = app.sign_in(Person::Ada);
    // The app is away while the person connects, and is told all the same.
    endpoint.answers(StatusCode::SERVICE_UNAVAILABLE);
    let connected = ada.connect_account("ada.makes").await;
    endpoint.answers(StatusCode::OK);
    let event = told_of(&endpoint, "connected").await;
    assert_eq!(event["data"]["status"], connected);

    let answer = ada.send(Method::DELETE, "/user/instagram", None).await;
    assert_eq!(answer.status, StatusCode::OK);
    let event = told_of(&endpoint, "not_connected").await;
    assert_eq!(event["data"]["status"], ada.status().await);
    assert!(app.metrics.render().contains(r#"holdfast_webhook_deliveries_total{outcome="delivered"}"#));
}
