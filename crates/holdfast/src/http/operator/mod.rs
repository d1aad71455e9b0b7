//! What the metrics listener serves: `/metrics`, the operator's page at `/`, the runbook, and why a
//! request was refused.
//!
//! It is not the public listener: no caller, no secret, nothing that changes anything. Everyone who
//! can reach it sees user ids.

mod look_up;
mod page;
mod pieces;
mod result;
mod runbook;
mod troubles;

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::memory::{Recalled, RefusedOrigin};
use super::metrics::Metrics;
use super::pages::Page;
use super::readiness::Readiness;
use super::state::AppState;
use crate::address::names_this_machine;
use crate::overview::Overview;
pub use troubles::Trouble;

/// What the pages read.
#[derive(Clone)]
struct Operator {
    state: AppState,
    overview: Overview,
    looking_up: Arc<Semaphore>,
}

/// Look-ups at once: each sends the database many queries, and callers wait behind them.
const LOOK_UPS: usize = 2;

/// The routes of the metrics listener.
#[expect(
    clippy::disallowed_methods,
    reason = "another listener, for operators only: nobody is authenticated there"
)]
pub fn router(state: AppState, overview: Overview) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/", get(index))
        .route("/runbook", get(async || runbook::page()))
        .route("/why/{request_id}", get(why))
        .route("/refused-origins", get(refused_origins))
        .route("/troubles", get(wrong_now))
        .with_state(Operator { state, overview, looking_up: Arc::new(Semaphore::new(LOOK_UPS)) })
}

/// `router` for a listener on loopback: it refuses requests for a host that is not this machine.
pub fn for_this_machine_only(router: Router) -> Router {
    router.layer(middleware::from_fn(async |request: Request, next: Next| {
        if names_this_machine(request.headers()) {
            return next.run(request).await;
        }
        let refusal = "This listener is on a loopback address and answers to localhost, 127.0.0.1 and [::1] only. \
                       A proxy in front of it has to send one of them as Host.\n";
        (StatusCode::MISDIRECTED_REQUEST, refusal).into_response()
    }))
}

/// What it serves while the server starts: what is counted and refused so far.
#[expect(clippy::disallowed_methods, reason = "as above")]
pub fn starting(metrics: Metrics) -> Router {
    let starting =
        || (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], "The server is starting.\n");
    let memory = metrics.memory.clone();
    let why = async move |Path(id): Path<String>| memory.find(&id).map(Json).ok_or_else(starting);
    Router::new()
        .route("/metrics", get(async move || rendered(&metrics, &Readiness::starting())))
        .route("/why/{request_id}", get(why))
        .fallback(starting())
}

async fn metrics(State(operator): State<Operator>) -> Response {
    rendered(&operator.state.edge.metrics, &Readiness::of(&operator.state).await)
}

fn rendered(metrics: &Metrics, readiness: &Readiness) -> Response {
    metrics.set_ready(readiness.told());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], metrics.render()).into_response()
}

async fn refused_origins(State(operator): State<Operator>) -> Json<Vec<RefusedOrigin>> {
    Json(operator.state.edge.metrics.memory.origins())
}

/// What the page says, for `holdfast doctor`.
async fn wrong_now(State(operator): State<Operator>) -> Json<Vec<Trouble>> {
    Json(troubles::now(&operator, &Readiness::of(&operator.state).await))
}

#[derive(Debug, Default, Deserialize)]
struct Search {
    /// A user id, an account id, a handle or a request id.
    #[serde(default)]
    q: String,
}

async fn index(State(operator): State<Operator>, Query(search): Query<Search>) -> Page {
    let asked = search.q.trim();
    let found = if asked.is_empty() {
        None
    } else {
        // An error would mean that the semaphore was closed, which nobody does.
        let _turn = operator.looking_up.acquire().await.ok();
        Some(look_up::find(&operator, asked).await)
    };
    let troubles = if found.is_none() {
        troubles::now(&operator, &Readiness::of(&operator.state).await)
    } else {
        Vec::new()
    };
    page::render(&operator, &troubles, asked, found.as_ref())
}

async fn why(
    State(operator): State<Operator>,
    Path(request_id): Path<String>,
) -> Result<Json<Recalled>, StatusCode> {
    operator.state.edge.metrics.memory.find(&request_id).map(Json).ok_or(StatusCode::NOT_FOUND)
}
