//! Whether the process lives, and whether it can judge.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::prelude::*;
use crate::clock::within;
use crate::store::SchemaState;

/// Adds the routes.
pub(super) fn add(routes: Routes<AppState>) -> Routes<AppState> {
    routes
        .public()
        .route(PublicRoute::Healthz, healthz, |op| {
            op.id("healthz").tag(tags::OPERATION).summary("The process runs")
        })
        .route(PublicRoute::Readyz, readyz, |op| {
            op.id("readyz")
                .tag(tags::OPERATION)
                .summary("The server can judge and read")
                .description(
                    "Keys loaded, database and schema good, key ring opens. Does not depend on Instagram: an \
                     outage there must not take this server out of rotation.",
                )
                .response_with::<200, Json<Readiness>, _>(|answer| answer.description("Ready."))
                .response_with::<503, Json<Readiness>, _>(|answer| answer.description("Not ready, and why."))
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

async fn healthz() -> Json<Health> {
    Json(Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
}

/// Whether the server can judge and read.
#[derive(Debug, Serialize, JsonSchema)]
struct Readiness {
    /// Whether every check is good.
    ready: bool,
    /// Each of them.
    checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
struct Check {
    /// `session_keys`, `database`, `schema`, `encryption_keys`, or `stopping` where the server was
    /// told to stop.
    name: &'static str,
    /// Whether it is good.
    ok: bool,
    /// What is wrong, without secrets or addresses.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'static str>,
}

impl Check {
    fn new(name: &'static str, outcome: Result<(), &'static str>) -> Self {
        Self { name, ok: outcome.is_ok(), problem: outcome.err() }
    }
}

async fn readyz(State(state): State<AppState>) -> Response {
    let keys = if state.verifier().can_judge() { Ok(()) } else { Err("no key to judge session tokens with") };
    let clock = &*state.edge().clock;
    let (database, schema, sentinels) = tokio::join!(
        within(PATIENCE, clock, state.store().ping()),
        within(PATIENCE, clock, state.store().schema_state()),
        within(PATIENCE, clock, state.store().sentinels()),
    );
    let database = match database {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => {
            tracing::warn!(%error, "not ready");
            Err("does not answer")
        }
        None => {
            tracing::warn!("not ready: the database hangs");
            Err("does not answer within 1.5 s")
        }
    };
    let schema = match schema {
        Some(Ok(SchemaState::Current)) => Ok(()),
        Some(Ok(SchemaState::Behind(_))) => Err("older than this program: run holdfast migrate"),
        Some(Ok(SchemaState::Ahead { .. })) => Err("newer than this program"),
        Some(Err(_)) | None => Err("cannot be read: the database does not answer"),
    };
    let ring = match sentinels {
        Some(Ok(sentinels)) => state.vault().prove(&sentinels).map(drop).map_err(|error| {
            tracing::error!(%error, "not ready");
            "the configured keys are not those of this database"
        }),
        Some(Err(_)) | None => Err("cannot be compared: the database does not answer"),
    };
    let mut checks = vec![
        Check::new("session_keys", keys),
        Check::new("database", database),
        Check::new("schema", schema),
        Check::new("encryption_keys", ring),
    ];
    if state.is_leaving() {
        checks.push(Check::new("stopping", Err("was told to stop")));
    }
    let ready = checks.iter().all(|check| check.ok);
    let body = Json(Readiness { ready, checks });
    if ready {
        body.into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "5")], body).into_response()
    }
}

/// For the database to answer: whoever asks gives up after two seconds, and learns nothing from
/// silence.
const PATIENCE: Duration = Duration::from_millis(1500);
