//! The whole way: a person connects, Instagram revokes, the app hears of both.

use holdfast::standin::clerk::Person;
use http::StatusCode;
use serde_json::Value;

use super::endpoint::{AppEndpoint, Delivered, SECRET};
use crate::testing::app::App;
use crate::testing::leaks;
use crate::testing::waiting::{until, until_seen};

/// Waits until the app has taken an event whose status has that state.
async fn told_of(endpoint: &AppEndpoint, state: &str) -> Value {
    let says_so = |event: &Delivered| event.body["data"]["status"]["state"] == state;
    let taken = until_seen(state, async || endpoint.taken(), |taken| taken.iter().any(says_so)).await;
    taken.into_iter().find(says_so).unwrap().body
}

#[tokio::test(flavor = "multi_thread")]
async fn the_app_hears_of_every_change() {
    let endpoint = AppEndpoint::start().await;
    let settings = [("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)];
    let app = App::with(&settings, |_| {}).await;
    leaks::secret(SECRET.strip_prefix("whsec_").unwrap());
    // The rise of a series that begins above zero is none, and would raise no alert.
    for outcome in ["delivered", "failed", "given_up"] {
        let none = format!("holdfast_webhook_deliveries_total{{outcome=\"{outcome}\"}} 0\n");
        assert!(app.metrics.render().contains(&none), "{none}");
    }
    let ada = app.sign_in(Person::Ada);
    // The app is away while the person connects, and is told all the same.
    endpoint.answers(StatusCode::SERVICE_UNAVAILABLE);
    let connected = ada.connect_account("ada.makes").await;
    endpoint.answers(StatusCode::OK);
    let event = told_of(&endpoint, "connected").await;
    assert_eq!(event["data"]["status"], connected);

    let answer = ada.disconnect().await;
    assert_eq!(answer.status, StatusCode::OK);
    let event = told_of(&endpoint, "not_connected").await;
    assert_eq!(event["data"]["status"], ada.status().await);
    // Counted once the answer is there and the event has been removed.
    let counted = "holdfast_webhook_deliveries_total{outcome=\"delivered\"} 2\n";
    until("it is counted", async || app.metrics.render().contains(counted)).await;
}
