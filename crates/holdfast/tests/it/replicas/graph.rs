//! `graph.instagram.com` in the hardest of worlds, without a minimum age: each refresh kills the
//! token it was asked with. The next question finds out who lost an answer.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use holdfast::clock::{Clock as _, SystemClock};
use serde::Deserialize;
use serde_json::json;

use crate::testing::serving::serving;

/// The server of one account, `ada.makes`.
#[derive(Clone, Default)]
pub struct Graph {
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    /// How many tokens there were; only the last one works.
    issued: u32,
    refreshes: u32,
    refused: u32,
    /// Answers no refresh, and does nothing either.
    hangs: bool,
    /// What a token lives, in seconds.
    life: u32,
    /// When the last token was issued.
    issued_at: Option<Instant>,
    /// The longest time from a token to its refresh.
    oldest: Duration,
    /// Which tokens were refreshed, counted from 0, and when: in microseconds since 1970.
    used: Vec<(usize, u64)>,
}

impl Default for Shared {
    fn default() -> Self {
        let (life, oldest) = (5_184_000, Duration::ZERO);
        let used = Vec::new();
        Self { issued: 0, refreshes: 0, refused: 0, hangs: false, life, issued_at: None, oldest, used }
    }
}

fn token(number: u32) -> String {
    format!("IGAA-of-the-hardest-world-{number:04}")
}

#[derive(Deserialize)]
struct Asked {
    access_token: String,
}

impl Graph {
    /// Starts it; with its address.
    pub async fn start() -> (Self, String) {
        let graph = Self::default();
        let router = Router::new()
            .route("/access_token", get(async |State(graph): State<Self>| graph.issue()))
            .route("/refresh_access_token", get(Self::refresh))
            .route(
                "/{version}/me",
                get(async |State(graph): State<Self>, Query(asked): Query<Asked>| graph.me(&asked)),
            )
            .with_state(graph.clone());
        (graph, serving(router).await)
    }

    pub fn hang(&self, hangs: bool) {
        self.shared.lock().unwrap().hangs = hangs;
    }

    /// From now on tokens live that long, and come due in as short a time.
    pub fn live_for(&self, seconds: u32) {
        self.shared.lock().unwrap().life = seconds;
    }

    /// The longest time from a token to its refresh.
    pub fn oldest_refreshed(&self) -> Duration {
        self.shared.lock().unwrap().oldest
    }

    /// How often a refresh was asked for.
    pub fn refreshes(&self) -> u32 {
        self.shared.lock().unwrap().refreshes
    }

    /// Every token that there was.
    pub fn issued(&self) -> Vec<String> {
        (1..=self.shared.lock().unwrap().issued).map(token).collect()
    }

    /// Which tokens were refreshed, by their place among [`Self::issued`], and when: a caller that
    /// sends one has stored it.
    pub fn used(&self) -> Vec<(usize, u64)> {
        self.shared.lock().unwrap().used.clone()
    }

    /// How often somebody came with a token that is dead.
    pub fn refused(&self) -> u32 {
        self.shared.lock().unwrap().refused
    }

    fn issue(&self) -> Response {
        let mut shared = self.shared.lock().unwrap();
        shared.issued += 1;
        shared.issued_at = Some(Instant::now());
        let token = token(shared.issued);
        Json(json!({"access_token": token, "token_type": "bearer", "expires_in": shared.life}))
            .into_response()
    }

    /// The refusal, unless the token is the one that works.
    fn refuse(&self, asked: &Asked) -> Option<Response> {
        let mut shared = self.shared.lock().unwrap();
        if asked.access_token == token(shared.issued) {
            return None;
        }
        shared.refused += 1;
        let error = json!({"error": {"message": "Error validating access token", "type": "OAuthException", "code": 190,
            "error_subcode": 458, "fbtrace_id": "AbC"}});
        Some((StatusCode::BAD_REQUEST, Json(error)).into_response())
    }

    async fn refresh(State(graph): State<Self>, Query(asked): Query<Asked>) -> Response {
        let hangs = {
            let mut shared = graph.shared.lock().unwrap();
            shared.refreshes += 1;
            let age = shared.issued_at.map_or(Duration::ZERO, |at| at.elapsed());
            shared.oldest = shared.oldest.max(age);
            let now = u64::try_from(SystemClock.now_fine().as_microsecond()).unwrap();
            let number = (1..=shared.issued).position(|number| token(number) == asked.access_token);
            shared.used.extend(number.map(|number| (number, now)));
            shared.hangs
        };
        if hangs {
            std::future::pending::<()>().await;
        }
        graph.refuse(&asked).unwrap_or_else(|| graph.issue())
    }

    fn me(&self, asked: &Asked) -> Response {
        self.refuse(asked).unwrap_or_else(|| {
            let ada = json!({"id": "25982752248032036", "user_id": "17841479677897649",
                "username": "ada.makes", "account_type": "BUSINESS"});
            Json(ada).into_response()
        })
    }
}
