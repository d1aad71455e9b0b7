//! How often the real server asks Clerk's Backend API about people who sync: a Clerk that counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode as Answered;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use holdfast::clock::{Clock as _, ManualClock};
use http::Method;
use jiff::Timestamp;
use serde_json::json;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::serving::serving;

/// Clerk's `GET /v1/users/{id}`.
#[derive(Clone)]
struct CountingClerk {
    clock: ManualClock,
    /// When each user was asked about.
    asked: Arc<Mutex<HashMap<String, Vec<Timestamp>>>>,
    /// Whether the next question gets 429 with ten minutes' rest.
    limits: Arc<Mutex<bool>>,
}

impl CountingClerk {
    async fn start(clock: &ManualClock) -> (Self, String) {
        let clerk = Self { clock: clock.clone(), asked: Arc::default(), limits: Arc::default() };
        let router = Router::new()
            .route(
                "/v1/users/{id}",
                get(async |State(clerk): State<Self>, Path(id): Path<String>| clerk.user(&id)),
            )
            .with_state(clerk.clone());
        (clerk, serving(router).await)
    }

    fn user(&self, id: &str) -> Response {
        self.asked.lock().unwrap().entry(id.to_owned()).or_default().push(self.clock.now());
        if std::mem::take(&mut *self.limits.lock().unwrap()) {
            let error = json!({"errors": [{"code": "too_many_requests", "message": "Too many requests"}]});
            return (Answered::TOO_MANY_REQUESTS, [("retry-after", "600")], Json(error)).into_response();
        }
        Json(json!({"id": id, "first_name": "Told by Clerk", "email_addresses": []})).into_response()
    }

    fn questions(&self) -> usize {
        self.asked.lock().unwrap().values().map(Vec::len).sum()
    }
}

async fn installation() -> (App, ManualClock, CountingClerk) {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let (clerk, address) = CountingClerk::start(&clock).await;
    let app = App::at(Arc::new(clock.clone()), &[("CLERK_API_URL", &address)], |_| {}).await;
    app.is_ready().await;
    (app, clock, clerk)
}

/// What the record says of the first name.
async fn sync(app: &App, authorization: &str) -> serde_json::Value {
    let answer = app.request(Method::POST, "/auth/sync", Some(authorization), None).await;
    answer.good()["user"]["first_name"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_accounts_that_sync_in_turn_cost_one_question_a_minute_each() {
    let (app, clock, clerk) = installation().await;
    let accounts: Vec<String> =
        (0..8).map(|number| app.lasting_authorization(&format!("user_{number}"))).collect();
    for _ in 0..36 {
        for authorization in &accounts {
            assert_eq!(sync(&app, authorization).await, "Told by Clerk");
        }
        clock.advance(Duration::from_secs(5));
    }
    let asked = clerk.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 8);
    for (user, at) in asked {
        assert_eq!(at.len(), 3, "{user} in three minutes: {at:?}");
        assert!(at.windows(2).all(|two| two[1].as_second() - two[0].as_second() >= 60), "{user}: {at:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_who_sync_at_once_share_a_budget_and_each_is_answered() {
    let (app, clock, clerk) = installation().await;
    let mut told = 0;
    for number in 0..300 {
        let authorization = app.lasting_authorization(&format!("user_{number}"));
        told += usize::from(sync(&app, &authorization).await == "Told by Clerk");
    }
    assert_eq!((clerk.questions(), told), (250, 250), "a quarter of what Clerk allows in ten seconds");
    clock.advance(Duration::from_secs(10));
    let late = app.lasting_authorization("user_299");
    assert_eq!(sync(&app, &late).await, "Told by Clerk");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_minutes_rest_that_clerk_asks_for_end_after_one() {
    let (app, clock, clerk) = installation().await;
    let accounts = ["user_1", "user_2"].map(|user| app.lasting_authorization(user));
    *clerk.limits.lock().unwrap() = true;
    for second in 0..60 {
        for authorization in &accounts {
            assert_ne!(sync(&app, authorization).await, "Told by Clerk", "after {second} s");
        }
        assert_eq!(clerk.questions(), 1, "after {second} s");
        clock.advance(Duration::from_secs(1));
    }
    for authorization in &accounts {
        assert_eq!(sync(&app, authorization).await, "Told by Clerk");
    }
}
