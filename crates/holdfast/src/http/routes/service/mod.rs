//! For the app's own backend: what is known of its users' connections, the grant itself, and Graph
//! calls with the grant injected.

mod graph;
mod list;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::history::{self, HistoryPage, Paging};
use super::prelude::*;
use crate::caller::OwnerId;
use crate::caller::service::ServiceCaller;
use crate::connection::Reason;
use crate::connection::status::InstagramStatus;
use crate::connections::disconnect::DisconnectReceipt;
use crate::http::answer_headers::AnswerHeaders;
use crate::http::etag::{KnownTags, conditional};
use crate::http::failure;
use crate::http::params::{Path, Query};
use crate::provider::Account;

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    let routes = routes
        .service()
        .get("/service/users/{user_id}/instagram/status", status, |op| {
            op.about("serviceStatus", tags::SERVICE, "What is known about a user's connection")
                .description("Reads storage only; with `If-None-Match` an unchanged status is a 304.")
                .response_with::<200, Json<InstagramStatus>, _>(|answer| answer.description("The status."))
                .response_with::<304, (), _>(|answer| answer.description("Unchanged since the given `ETag`."))
                .sends(200, &[openapi_headers::ETAG])
                .sends(304, &[openapi_headers::ETAG])
                .problems(failure::READING)
                .problems([RequestCode::UserNotFound])
        })
        .get("/service/users/{user_id}/instagram/history", history, |op| {
            op.about("serviceHistory", tags::SERVICE, "Every change of a user's connection, newest first")
                .description(history::ABOUT)
                .problems(failure::READING)
                .problems([RequestCode::UserNotFound])
        })
        .post("/service/users/{user_id}/instagram/check", check, |op| {
            op.about("serviceCheck", tags::SERVICE, "Ask Instagram now about a user's connection")
                .description(
                    "At most one call per connection and minute reaches Instagram, whoever asks; further ones are answered \
                     from storage.",
                )
                .problems(failure::CHANGING)
                .problems([RequestCode::UserNotFound])
        })
        .delete("/service/users/{user_id}/instagram", disconnect, |op| {
            op.about("serviceDisconnect", tags::SERVICE, "Disconnect a user")
                .description(
                    "The grant's bytes are gone when this answers. Idempotent: where nothing is connected, and for an \
                     unknown user, the answer is the same with `deleted_at: null`. What cannot be a user's id is 404.",
                )
                .problems(failure::CHANGING)
                .problems([RequestCode::UserNotFound])
        })
        .post("/service/users/{user_id}/instagram/token", token, |op| {
            op.about("serviceToken", tags::SERVICE, "The access token itself")
                .description("Keep it in memory only. Ask again instead of storing it, because it changes with each refresh.")
                .problems(using())
        })
        .done();
    graph::add(list::add(routes))
}

/// What using a grant can lead to: any reason that a status can have.
fn using() -> Vec<ProblemCode> {
    let mut codes = vec![ProblemCode::NotConnected, RequestCode::UserNotFound.into()];
    codes.extend(failure::CHANGING);
    codes.extend(Reason::ALL.iter().copied().map(ProblemCode::from));
    codes
}

#[derive(Debug, Deserialize, JsonSchema)]
struct UserPath {
    /// Clerk user id, `user_…`.
    user_id: String,
}

fn owner(caller: &ServiceCaller, user_id: &str) -> Result<OwnerId, Problem> {
    caller.owner(user_id).ok_or_else(|| RequestCode::UserNotFound.into())
}

async fn status(
    caller: ServiceCaller,
    State(connections): State<Connections>,
    Path(path): Path<UserPath>,
    known: KnownTags,
    headers: AnswerHeaders,
) -> Result<Response, Problem> {
    let status = connections.status(&owner(&caller, &path.user_id)?).await?;
    Ok(conditional(&status, &known, headers))
}

async fn history(
    caller: ServiceCaller,
    State(connections): State<Connections>,
    Path(path): Path<UserPath>,
    Query(paging): Query<Paging>,
) -> Result<Json<HistoryPage>, Problem> {
    history::page(&connections, &owner(&caller, &path.user_id)?, paging).await.map(Json)
}

async fn check(
    caller: ServiceCaller,
    State(connections): State<Connections>,
    State(detached): State<Detached>,
    Path(path): Path<UserPath>,
) -> Result<Json<InstagramStatus>, Problem> {
    let owner = owner(&caller, &path.user_id)?;
    Ok(Json(detached.run(async move { connections.check(&owner).await }).await??))
}

async fn disconnect(
    caller: ServiceCaller,
    State(connections): State<Connections>,
    State(detached): State<Detached>,
    Path(path): Path<UserPath>,
) -> Result<Json<DisconnectReceipt>, Problem> {
    let owner = owner(&caller, &path.user_id)?;
    tracing::info!(key = %caller.key_id(), user = owner.as_str(), "the app's backend disconnects a user");
    Ok(Json(detached.run(async move { connections.disconnect(&owner).await }).await??))
}

/// A grant for use by the app's backend.
#[derive(Serialize, JsonSchema)]
struct TokenAnswer {
    /// The token, for Graph calls.
    access_token: String,
    /// When it dies unless refreshed, RFC 3339.
    #[schemars(with = "String")]
    token_expires_at: Timestamp,
    /// What was granted.
    scopes: Vec<String>,
    /// The account that it is for.
    account: Option<Account>,
}

async fn token(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<UserPath>,
) -> Result<Json<TokenAnswer>, Problem> {
    let owner = owner(&caller, &path.user_id)?;
    let usable = state.connections.usable_grant(&owner).await.map_err(failure::using)?;
    state.record_taken(caller.key_id(), &owner).await?;
    tracing::info!(key = %caller.key_id(), user = owner.as_str(), "a grant was handed to the app's backend");
    Ok(Json(TokenAnswer {
        access_token: usable.grant.access_token.expose_secret().to_owned(),
        token_expires_at: usable.grant.expires_at,
        scopes: usable.status.scopes,
        account: usable.status.account,
    }))
}
