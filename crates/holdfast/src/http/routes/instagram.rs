//! The status of the caller's Instagram connection, asking Instagram now, and disconnecting.

use axum::Json;
use axum::extract::State;
use axum::response::Response;

use super::prelude::*;
use crate::caller::Caller;
use crate::connection::status::InstagramStatus;
use crate::connections::disconnect::DisconnectReceipt;
use crate::http::answer_headers::AnswerHeaders;
use crate::http::authentication::NotImpersonated;
use crate::http::etag::{KnownTags, conditional};
use crate::http::failure;

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .get("/user/instagram/status", status, |op| {
            op.about("instagramStatus", tags::INSTAGRAM, "What is known about the connection")
                .description(
                    "Answers 200 for every verified caller, whatever the state. Reads storage only and never \
                     calls Instagram, so it may be polled; with `If-None-Match` an unchanged status is a 304.",
                )
                .response_with::<200, Json<InstagramStatus>, _>(|answer| answer.description("The status."))
                .response_with::<304, (), _>(|answer| answer.description("Unchanged since the given `ETag`."))
                .sends(200, &[openapi_headers::ETAG])
                .sends(304, &[openapi_headers::ETAG])
                .problems(failure::READING)
        })
        .post("/user/instagram/check", check, |op| {
            op.about("checkInstagram", tags::INSTAGRAM, "Ask Instagram now")
                .description(
                    "At most one call per connection and minute reaches Instagram; further ones are answered \
                     from storage. What Instagram says changes the status, never the status code.",
                )
                .problems(failure::CHANGING)
        })
        .delete("/user/instagram", disconnect, |op| {
            op.about("disconnectInstagram", tags::INSTAGRAM, "Disconnect")
                .description("The grant's bytes are gone when this answers. Idempotent.")
                .problems(failure::CHANGING)
        })
        .done()
}

async fn status(
    caller: Caller,
    State(state): State<AppState>,
    known: KnownTags,
    headers: AnswerHeaders,
) -> Result<Response, Problem> {
    let status = state.connections.status(caller.owner()).await?;
    Ok(conditional(&status, &known, headers))
}

async fn check(
    NotImpersonated(caller): NotImpersonated,
    State(connections): State<Connections>,
    State(detached): State<Detached>,
) -> Result<Json<InstagramStatus>, Problem> {
    let owner = caller.owner().clone();
    let checked = detached.run(async move { connections.check(&owner).await }).await??;
    Ok(Json(checked))
}

async fn disconnect(
    NotImpersonated(caller): NotImpersonated,
    State(connections): State<Connections>,
    State(detached): State<Detached>,
) -> Result<Json<DisconnectReceipt>, Problem> {
    let owner = caller.owner().clone();
    let receipt = detached.run(async move { connections.disconnect(&owner).await }).await??;
    Ok(Json(receipt))
}
