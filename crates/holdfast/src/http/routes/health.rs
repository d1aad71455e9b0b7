//! Whether the process lives, and whether it can judge.

use std::sync::LazyLock;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::readiness::Readiness;
use super::prelude::*;
use crate::http::answer_headers::AnswerHeaders;

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .public()
        .public_get(PublicRoute::Healthz, healthz, |op| {
            op.about("healthz", tags::OPERATION, "The process runs").response::<200, Json<Health>>()
        })
        .public_get(PublicRoute::Readyz, readyz, |op| {
            op.about("readyz", tags::OPERATION, "The server can verify tokens and read the database")
                .description(
                    "Ready means: Clerk's keys are loaded, database and schema are good, the key ring opens what is stored. \
                     Instagram is not part of it: an outage there must not take this server out of rotation.",
                )
                .response_with::<200, Json<Readiness>, _>(|answer| answer.description("Ready."))
                .response_with::<503, Json<Readiness>, _>(|answer| answer.description("Not ready, and why."))
                .sends(503, &[openapi_headers::RETRY_AFTER])
        })
        .done()
}

/// The process runs.
#[derive(Debug, Serialize, JsonSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
    /// The version that runs.
    version: &'static str,
}

/// It is always the same.
static HEALTH: LazyLock<String> = LazyLock::new(|| {
    let health = Health { status: "ok", version: env!("CARGO_PKG_VERSION") };
    serde_json::to_string(&health).unwrap_or_default()
});

/// Says that the process runs.
pub(in crate::http) async fn healthz(AnswerHeaders(mut headers): AnswerHeaders) -> Response {
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = Response::new(HEALTH.as_str().into());
    *response.headers_mut() = headers;
    response
}

async fn readyz(State(state): State<AppState>) -> Response {
    Readiness::of(&state).await.into_response()
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        if self.ready {
            Json(self).into_response()
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], Json(self)).into_response()
        }
    }
}
