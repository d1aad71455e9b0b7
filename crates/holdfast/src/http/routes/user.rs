//! The caller's own record.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Serialize;

use super::prelude::*;
use crate::caller::Caller;
use crate::clerk::User;
use crate::connection::status::InstagramStatus;
use crate::http::failure;
use crate::users::Users;

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .post_allow_impersonated("/auth/sync", sync, |op| {
            op.about("syncUser", tags::USER, "Create or refresh the caller's record")
                .description(
                    "The facts come from Clerk's Backend API where a secret key is configured, else from the token's claims. \
                     That API is asked about a person at most once a minute: a second call within it answers what the \
                     first learned. Idempotent, and safe under any number of parallel first calls. Takes no body.",
                )
                .problems(failure::USERS)
        })
        .get("/user/profile", profile, |op| {
            op.about("userProfile", tags::USER, "The caller's record with their connections")
                .description("Makes the record of a verified caller who never called `/auth/sync`.")
                .problems(failure::USERS)
        })
        .done()
}

/// The record, and whether this very call made it.
#[derive(Debug, Serialize, JsonSchema)]
struct SyncAnswer {
    /// The record.
    user: User,
    /// Whether this was the user's first call: true for exactly one of several parallel ones.
    created: bool,
}

async fn sync(caller: Caller, State(users): State<Users>) -> Result<Json<SyncAnswer>, Problem> {
    let synced = users.sync(&caller).await?;
    Ok(Json(SyncAnswer { user: synced.user, created: synced.created }))
}

/// The record, with the connections.
#[derive(Debug, Serialize, JsonSchema)]
struct Profile {
    /// The record.
    #[serde(flatten)]
    user: User,
    /// By provider.
    connections: ConnectionsByProvider,
}

/// By provider.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectionsByProvider {
    /// The Instagram connection.
    instagram: InstagramStatus,
}

async fn profile(
    caller: Caller,
    State(users): State<Users>,
    State(connections): State<Connections>,
) -> Result<Json<Profile>, Problem> {
    let user = users.profile(&caller).await?;
    let instagram = connections.status(caller.owner()).await?;
    Ok(Json(Profile { user, connections: ConnectionsByProvider { instagram } }))
}
