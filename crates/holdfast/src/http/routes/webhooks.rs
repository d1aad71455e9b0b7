//! Clerk's webhooks.

use axum::extract::State;
use http::{HeaderMap, StatusCode};

use super::prelude::*;
use crate::clerk::webhook::{Delivery, DeliveryError};
use crate::http::body::RawBody;
use crate::http::failure;

/// Adds the route.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .public()
        .public_post(PublicRoute::ClerkWebhook, clerk, |op| {
            op.about("clerkWebhook", tags::CALLBACKS, "Clerk says that a user changed")
                .description(
                    "`user.created`, `user.updated` and `user.deleted`, signed by Svix. Duplicate and late events do no harm; \
                     `user.deleted` erases the user and every grant.",
                )
                .response_with::<204, (), _>(|answer| answer.description("Stored, or nothing to do."))
                .problems(failure::WRITING)
                .problems([RequestCode::SignatureInvalid, RequestCode::MalformedBody])
                .problems([ServerCode::NotSetUp, ServerCode::KeysUnavailable])
        })
        .done()
}

async fn clerk(
    State(state): State<AppState>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<StatusCode, Problem> {
    // 503 rather than 404: Svix repeats the delivery for days, so nothing is lost until the secret
    // is set.
    let verifier = state.clerk_webhooks.as_ref().ok_or(ServerCode::NotSetUp)?;
    let keys = state.verifier.key_status();
    let event = match verifier.verify(&headers, &body) {
        Ok(Delivery::User(event)) if event.is_of_another_instance(&keys.kids) => {
            // Svix never repeats what was acknowledged.
            if keys.are_restored {
                return Err(Problem::new(ServerCode::KeysUnavailable).with_detail(
                    "Clerk's keys, which name the instance that events must come from, were not fetched since the start.",
                ));
            }
            tracing::warn!(
                "a webhook from another Clerk instance than the configured one was ignored; remove its endpoint for this \
                 address in that instance's dashboard"
            );
            return Ok(StatusCode::NO_CONTENT);
        }
        Ok(Delivery::User(event)) => event,
        Ok(Delivery::Ignored(because)) => {
            tracing::debug!(?because, "a webhook from Clerk has no effect");
            return Ok(StatusCode::NO_CONTENT);
        }
        Err(error) => return Err(refused(&state, error)),
    };
    let (store, now) = (state.store.clone(), state.edge.clock.now());
    let outcome = state.detached().run(async move { store.apply_clerk_event(&event, now).await }).await??;
    tracing::info!(?outcome, "a webhook from Clerk was handled");
    Ok(StatusCode::NO_CONTENT)
}

fn refused(state: &AppState, error: DeliveryError) -> Problem {
    if let Some(suppressed) = state.refusals().admit("clerk", state.edge.clock.now()) {
        tracing::warn!(%error, suppressed, "a webhook that claims to come from Clerk was refused");
    }
    let code = match error {
        DeliveryError::Header(_)
        | DeliveryError::TooOld
        | DeliveryError::TooNew
        | DeliveryError::Signature => RequestCode::SignatureInvalid,
        DeliveryError::Body => RequestCode::MalformedBody,
    };
    Problem::new(code).with_detail(format!("Not accepted: {error}."))
}
