//! The controls over HTTP, for the demo page and for tests in other languages. Loopback origins
//! only.
//!
//! | route | does |
//! |---|---|
//! | `GET /dev/accounts` | accounts with their tokens (never the strings) and faults |
//! | `GET /dev/accounts/{account}/preview` | what `/me` would answer now to the account's newest grant; no call is noted, no fault counted down |
//! | `POST /dev/accounts/{account}/{fault}` | sets a lasting fault, such as `revoked`, for that account |
//! | `GET /dev/faults` | every fault with its description, and what is armed |
//! | `POST /dev/faults` | `{"account": id, handle or null, "fault": name, "endpoint"?: name, "times"?: n}` |
//! | `DELETE /dev/faults` | clears all; `?account=` only that account's |
//! | `POST /dev/deauthorize`, `POST /dev/data-deletion` | `{"account": id or handle}`; sends the callback |
//! | `POST /dev/redirect-uris` | `{"redirect_uri": address}`; registers it beside the others |
//! | `GET /dev/calls` | requests so far, and their counts |

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tower_http::cors::{AllowOrigin, CorsLayer};
use url::Url;

use super::super::server::is_page_here;
use super::callbacks::{CallbackError, Delivered};
use super::fault::{Endpoint, Fault};
use super::{Shared, not_found};

#[expect(clippy::disallowed_methods, reason = "these are the stand-in's routes, not the service's")]
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(|origin, _| is_page_here(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([header::CONTENT_TYPE]);
    Router::new()
        .route("/accounts", get(accounts))
        .route("/accounts/{account}/preview", get(preview))
        .route("/accounts/{account}/{fault}", post(set_for_account))
        .route("/faults", get(faults).post(set).delete(clear))
        .route("/deauthorize", post(deauthorize))
        .route("/data-deletion", post(request_deletion))
        .route("/redirect-uris", post(register))
        .route("/calls", get(calls))
        .layer(cors)
        .with_state(shared)
}

async fn accounts(State(shared): State<Arc<Shared>>) -> Json<Value> {
    Json(json!({ "accounts": shared.accounts() }))
}

async fn preview(State(shared): State<Arc<Shared>>, Path(account): Path<String>) -> Response {
    match shared.preview(&account) {
        Ok(Some(preview)) => Json(preview).into_response(),
        Ok(None) => failed(StatusCode::NOT_FOUND, "no access was ever granted to this account"),
        Err(error) => not_found(&error),
    }
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let all: Vec<Value> = Fault::ALL
        .iter()
        .map(|fault| {
            json!({
                "name": fault.as_str(),
                "title": fault.title(),
                "about": fault.about(),
                "effect": fault.effect(),
                "endpoints": fault.endpoints(),
            })
        })
        .collect();
    let armed = shared.world().armed().to_vec();
    Json(json!({ "faults": all, "armed": armed }))
}

#[derive(Deserialize)]
struct Setting {
    account: Option<String>,
    fault: String,
    endpoint: Option<String>,
    times: Option<u32>,
}

async fn set(State(shared): State<Arc<Shared>>, Json(setting): Json<Setting>) -> Response {
    arm(&shared, &setting)
}

async fn set_for_account(
    State(shared): State<Arc<Shared>>,
    Path((account, fault)): Path<(String, String)>,
) -> Response {
    arm(&shared, &Setting { account: Some(account), fault, endpoint: None, times: None })
}

fn arm(shared: &Shared, setting: &Setting) -> Response {
    let Some(fault) = Fault::parse(&setting.fault) else {
        return unprocessable("there is no such fault; GET /dev/faults lists them");
    };
    let endpoint = match setting.endpoint.as_deref().map(Endpoint::parse) {
        Some(None) => return unprocessable("there is no such endpoint"),
        Some(Some(endpoint)) if !fault.endpoints().contains(&endpoint) => {
            return unprocessable("this fault cannot occur at that endpoint");
        }
        Some(Some(endpoint)) => Some(endpoint),
        None => None,
    };
    match shared.arm(setting.account.as_deref(), fault, endpoint, setting.times) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => not_found(&error),
    }
}

#[derive(Deserialize)]
struct Registration {
    redirect_uri: Url,
}

async fn register(
    State(shared): State<Arc<Shared>>,
    Json(Registration { redirect_uri }): Json<Registration>,
) -> StatusCode {
    shared.setup().redirect_uris.push(redirect_uri);
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Whom {
    account: Option<String>,
}

async fn clear(State(shared): State<Arc<Shared>>, Query(whom): Query<Whom>) -> Response {
    match shared.clear(whom.account.as_deref()) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => not_found(&error),
    }
}

#[derive(Deserialize)]
struct Subject {
    account: String,
}

async fn deauthorize(State(shared): State<Arc<Shared>>, Json(subject): Json<Subject>) -> Response {
    delivered(shared.deauthorize(&subject.account).await)
}

async fn request_deletion(State(shared): State<Arc<Shared>>, Json(subject): Json<Subject>) -> Response {
    delivered(shared.request_deletion(&subject.account).await)
}

fn delivered(outcome: Result<Delivered, CallbackError>) -> Response {
    match outcome {
        Ok(delivered) => Json(delivered).into_response(),
        Err(CallbackError::NoSuchAccount(error)) => not_found(&error),
        Err(error @ CallbackError::NotRegistered) => failed(StatusCode::CONFLICT, &error.to_string()),
        Err(error @ CallbackError::Transport(_)) => failed(StatusCode::BAD_GATEWAY, &error.to_string()),
    }
}

async fn calls(State(shared): State<Arc<Shared>>) -> Json<Value> {
    let world = shared.world();
    let counts: serde_json::Map<String, Value> = world
        .counts()
        .into_iter()
        .map(|(endpoint, count)| (endpoint.as_str().to_owned(), count.into()))
        .collect();
    Json(json!({ "counts": counts, "calls": world.calls() }))
}

fn unprocessable(why: &str) -> Response {
    failed(StatusCode::UNPROCESSABLE_ENTITY, why)
}

fn failed(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}
