//! The app's side: takes events, judges their signatures by itself, and fails as it is told.

use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::body::Bytes;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use tokio::sync::watch;
use url::Url;

/// 32 bytes; of tests, and of nothing else.
pub const SECRET: &str = "whsec_ZXZlbnRzIHRvIHRoZSBhcHAgYXJlIHNpZ25lZCA6KSE=";

/// A delivery whose signature was right.
#[derive(Debug, Clone)]
pub struct Delivered {
    pub id: String,
    pub body: Value,
}

#[derive(Clone)]
pub struct AppEndpoint {
    pub url: Url,
    answer: Arc<Mutex<(StatusCode, HeaderMap)>>,
    page: Arc<Mutex<String>>,
    taken: Arc<Mutex<Vec<Delivered>>>,
    refused: Arc<Mutex<Vec<Delivered>>>,
    /// The user whose events wait for an answer.
    held: watch::Sender<Option<String>>,
}

impl AppEndpoint {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/holdfast-events", listener.local_addr().unwrap()).parse().unwrap();
        let endpoint = Self {
            url,
            answer: Arc::new(Mutex::new((StatusCode::NO_CONTENT, HeaderMap::new()))),
            page: Arc::default(),
            taken: Arc::default(),
            refused: Arc::default(),
            held: watch::Sender::new(None),
        };
        let router =
            axum::Router::new().route("/holdfast-events", post(receive)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        endpoint
    }

    /// What it answers from now on.
    pub fn answers(&self, status: StatusCode) {
        *self.answer.lock().unwrap() = (status, HeaderMap::new());
    }

    /// It takes events from now on, and answers with a page of that size.
    pub fn answers_at_length(&self, bytes: usize) {
        self.answers(StatusCode::OK);
        *self.page.lock().unwrap() = "x".repeat(bytes);
    }

    /// It refuses from now on, and asks for that pause.
    pub fn asks_to_wait(&self, status: StatusCode, retry_after: &str) {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, retry_after.parse().unwrap())]);
        *self.answer.lock().unwrap() = (status, headers);
    }

    /// It answers no event of this user until that is taken back.
    pub fn holds(&self, user_id: Option<&str>) {
        self.held.send_replace(user_id.map(str::to_owned));
    }

    /// Deliveries that it took, in order.
    pub fn taken(&self) -> Vec<Delivered> {
        self.taken.lock().unwrap().clone()
    }

    /// Deliveries that it answered with an error.
    pub fn refused(&self) -> Vec<Delivered> {
        self.refused.lock().unwrap().clone()
    }
}

async fn receive(
    State(endpoint): State<AppEndpoint>,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let tag = STANDARD.decode(header("webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    let content = [id.as_bytes(), b".", timestamp.as_bytes(), b".", &body].concat();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content, &tag).unwrap();
    assert_eq!(header("content-type"), "application/json");
    let delivered = Delivered { id, body: serde_json::from_slice(&body).unwrap() };
    let whose = delivered.body["data"]["user_id"].as_str();
    let is_free = |held: &Option<String>| whose.is_none() || held.as_deref() != whose;
    endpoint.held.subscribe().wait_for(is_free).await.unwrap();
    let (status, headers) = endpoint.answer.lock().unwrap().clone();
    let list = if status.is_success() { &endpoint.taken } else { &endpoint.refused };
    list.lock().unwrap().push(delivered);
    (status, headers, endpoint.page.lock().unwrap().clone())
}
