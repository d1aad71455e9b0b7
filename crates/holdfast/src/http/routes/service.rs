//! For the app's own backend: a user's status, the grant itself, and Graph calls with the grant injected.

use axum::Json;
use axum::extract::{RawQuery, State};
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::prelude::*;
use crate::caller::OwnerId;
use crate::caller::service::ServiceCaller;
use crate::connection::Reason;
use crate::connection::status::InstagramStatus;
use crate::http::body::RawBody;
use crate::http::failure;
use crate::http::params::Path;
use crate::provider::Account;
use crate::provider::PassThrough;

const GRAPH: &str = "/service/users/{user_id}/instagram/graph/{*path}";
/// What a path segment may consist of: Graph ids, edges and nothing that a URL parser treats specially.
const PLAIN: &[u8] = b"_-.:,";

/// Adds the routes.
pub(super) fn add(routes: Routes<AppState>) -> Routes<AppState> {
    routes
        .service()
        .get("/service/users/{user_id}/instagram/status", status, |op| {
            let op = op.id("serviceStatus").tag(tags::SERVICE).summary("What is known about a user's connection");
            problems(problems(op, &failure::READING), &[RequestCode::UserNotFound.into()])
        })
        .post("/service/users/{user_id}/instagram/token", token, |op| {
            let op = op
                .id("serviceToken")
                .tag(tags::SERVICE)
                .summary("The access token itself")
                .description("Keep it in memory only, and ask again rather than storing it: it changes.");
            problems(op, &using())
        })
        .get(GRAPH, graph_get, |op| {
            let op = op.id("graphGet").tag(tags::SERVICE).summary("A Graph call with the grant injected").description(
                "The path below the Graph version, with its query. Instagram's own answer comes back wrapped, \
                 whatever its status; what it says about the grant updates the status.",
            );
            problems(op, &calling())
        })
        .post(GRAPH, graph_post, |op| {
            let op = op.id("graphPost").tag(tags::SERVICE).summary("As above, with a body");
            problems(problems(op, &calling()), &[RequestCode::UnsupportedMediaType.into()])
        })
        .delete(GRAPH, graph_delete, |op| {
            let op = op.id("graphDelete").tag(tags::SERVICE).summary("As above, deleting");
            problems(op, &calling())
        })
        .done()
}

/// What using a grant can lead to: any reason that a status can have.
fn using() -> Vec<ProblemCode> {
    let mut codes = vec![ProblemCode::NotConnected, RequestCode::UserNotFound.into()];
    codes.extend(failure::CHANGING);
    codes.extend(Reason::ALL.iter().copied().map(ProblemCode::from));
    codes
}

fn calling() -> Vec<ProblemCode> {
    let mut codes = using();
    codes.push(RequestCode::GraphCallNotAllowed.into());
    codes.push(RequestCode::GraphAnswerTooLarge.into());
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
    State(state): State<AppState>,
    Path(path): Path<UserPath>,
) -> Result<Json<InstagramStatus>, Problem> {
    Ok(Json(state.connections().status(&owner(&caller, &path.user_id)?).await?))
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
    /// Whose it is.
    account: Option<Account>,
}

async fn token(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<UserPath>,
) -> Result<Json<TokenAnswer>, Problem> {
    let owner = owner(&caller, &path.user_id)?;
    let usable = state.connections().usable_grant(&owner).await.map_err(failure::using)?;
    tracing::info!(key = %caller.key_id(), user = owner.as_str(), "a grant was handed to the app's backend");
    Ok(Json(TokenAnswer {
        access_token: usable.grant.access_token.expose_secret().to_owned(),
        token_expires_at: usable.grant.expires_at,
        scopes: usable.status.scopes,
        account: usable.status.account,
    }))
}

#[derive(Debug, Deserialize, JsonSchema)]
struct GraphPath {
    /// Clerk user id, `user_…`.
    user_id: String,
    /// Path below the Graph version, for example `me/media`.
    path: String,
}

/// Instagram's own answer.
#[derive(Debug, Serialize, JsonSchema)]
struct GraphAnswer {
    /// The status that Instagram answered with; it says nothing about the caller of this API.
    status: u16,
    /// Its JSON; `null` where it was none.
    body: Option<Value>,
}

async fn graph_get(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<GraphPath>,
    RawQuery(query): RawQuery,
) -> Result<Json<GraphAnswer>, Problem> {
    graph(&caller, &state, path, Method::GET, query, None).await
}

async fn graph_post(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<GraphPath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Json<GraphAnswer>, Problem> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let body = match (body.is_empty(), kind) {
        (true, _) => None,
        (false, Some(kind)) => Some((kind.to_owned(), body)),
        (false, None) => return Err(RequestCode::UnsupportedMediaType.into()),
    };
    graph(&caller, &state, path, Method::POST, query, body).await
}

async fn graph_delete(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<GraphPath>,
    RawQuery(query): RawQuery,
) -> Result<Json<GraphAnswer>, Problem> {
    graph(&caller, &state, path, Method::DELETE, query, None).await
}

async fn graph(
    caller: &ServiceCaller,
    state: &AppState,
    path: GraphPath,
    method: Method,
    query: Option<String>,
    body: Option<(String, bytes::Bytes)>,
) -> Result<Json<GraphAnswer>, Problem> {
    let owner = owner(caller, &path.user_id)?;
    let call =
        PassThrough { method, path: plain_path(&path.path)?, query: query_pairs(query.as_deref()), body };
    let connections = state.connections().clone();
    let answer = state
        .detached()
        .run(async move { connections.pass_through(&owner, call).await })
        .await?
        .map_err(failure::using)?;
    if answer.is_too_large {
        return Err(RequestCode::GraphAnswerTooLarge.into());
    }
    Ok(Json(GraphAnswer { status: answer.status, body: answer.body }))
}

/// The path, if every segment is a plain word: nothing that could leave the versioned root or the host.
fn plain_path(path: &str) -> Result<String, Problem> {
    let is_plain = |segment: &str| {
        !segment.is_empty()
            && !segment.bytes().all(|byte| byte == b'.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte))
    };
    if path.split('/').all(is_plain) {
        Ok(path.to_owned())
    } else {
        Err(RequestCode::GraphCallNotAllowed.into())
    }
}

/// Which names may not stand there, the provider knows.
fn query_pairs(query: Option<&str>) -> Vec<(String, String)> {
    url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_passed_on() {
        for path in ["me", "me/media", "17841479677897649/insights", "v25.0/me", "a-b_c:d,e"] {
            assert_eq!(plain_path(path).unwrap(), path);
        }
        for path in [
            "",
            "/me",
            "me/",
            "me//media",
            "..",
            "me/../x",
            ".",
            "me/...",
            "me?x",
            "me#x",
            "a b",
            "a\\b",
            "a@b",
            "é",
            "a%2fb",
            "https://x",
        ] {
            assert!(plain_path(path).is_err(), "{path}");
        }
    }
}
