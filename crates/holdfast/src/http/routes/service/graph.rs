//! A Graph call with the grant injected. Instagram's own answer comes back wrapped: its status says
//! nothing about our caller.

use aide::openapi::{MediaType, ReferenceOr, RequestBody, SchemaObject};
use aide::transform::TransformOperation;
use axum::Json;
use axum::extract::{RawQuery, State};
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use schemars::{JsonSchema, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::prelude::*;
use super::{owner, using};
use crate::caller::service::ServiceCaller;
use crate::http::body::RawBody;
use crate::http::failure;
use crate::http::layers::GRAPH_CALL;
use crate::http::openapi::with_query;
use crate::http::params::Path;
use crate::provider::PassThrough;

/// What a path segment may consist of: Graph ids, edges and nothing that a URL parser treats
/// specially.
const PLAIN: &[u8] = b"_-.:,";

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .service()
        .get(GRAPH_CALL, graph_get, |op| {
            let op = op.about("graphGet", tags::SERVICE, "A Graph call with the grant injected").description(
                "The path below the Graph version, with its query. Instagram's own answer comes back wrapped, \
                 whatever its status; what it says about the grant updates the status. Meta's usage headers \
                 (`x-app-usage`, `x-business-use-case-usage`) come along. No address in the answer carries the grant.",
            );
            answered(op).problems(calling())
        })
        .post(GRAPH_CALL, graph_with_body, |op| {
            let op = op.about("graphPost", tags::SERVICE, "As above, with a body").description(
                "JSON, a form, or multipart.",
            );
            answered(with_body(op)).problems(calling()).problems([RequestCode::UnsupportedMediaType])
        })
        .delete(GRAPH_CALL, graph_with_body, |op| {
            let op = op.about("graphDelete", tags::SERVICE, "As above, deleting");
            answered(with_body(op)).problems(calling()).problems([RequestCode::UnsupportedMediaType])
        })
        .done()
}

/// Describes the body: every kind that Instagram takes.
fn with_body(mut op: TransformOperation<'_>) -> TransformOperation<'_> {
    let object = || json_schema!({"type": "object", "additionalProperties": true});
    let anything = || MediaType {
        schema: Some(SchemaObject { json_schema: object(), external_docs: None, example: None }),
        ..MediaType::default()
    };
    let kinds = ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"];
    let content = kinds.map(|kind| (kind.to_owned(), anything())).into_iter().collect();
    op.inner_mut().request_body = Some(ReferenceOr::Item(RequestBody { content, ..RequestBody::default() }));
    op
}

/// Wrapped, whatever Instagram's own status was.
fn answered(mut op: TransformOperation<'_>) -> TransformOperation<'_> {
    let schema = json_schema!({"type": "object", "additionalProperties": {"type": "string"}});
    with_query(&mut op, "query", "Parameters of the call, such as `fields`.", schema);
    op.response_with::<200, Json<GraphAnswer>, _>(|answer| {
        answer.description("Instagram's own answer, wrapped.")
    })
    .sends(200, &openapi_headers::USAGE)
}

fn calling() -> Vec<ProblemCode> {
    let mut codes = using();
    codes.push(RequestCode::GraphCallNotAllowed.into());
    codes.push(RequestCode::GraphAnswerTooLarge.into());
    codes
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
    /// The JSON of Instagram's answer as it was sent, but for the grant; `null` where the answer is
    /// not JSON.
    #[schemars(with = "Option<Value>")]
    body: Option<Box<RawValue>>,
}

async fn graph_get(
    caller: ServiceCaller,
    State(state): State<AppState>,
    Path(path): Path<GraphPath>,
    RawQuery(query): RawQuery,
) -> Result<(HeaderMap, Json<GraphAnswer>), Problem> {
    graph(&caller, &state, path, Method::GET, query, None).await
}

async fn graph_with_body(
    caller: ServiceCaller,
    State(state): State<AppState>,
    method: Method,
    Path(path): Path<GraphPath>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<(HeaderMap, Json<GraphAnswer>), Problem> {
    graph(&caller, &state, path, method, query, typed(&headers, body)?).await
}

/// The body with its content type; `None` without one.
fn typed(headers: &HeaderMap, body: Bytes) -> Result<Option<(String, Bytes)>, Problem> {
    if body.is_empty() {
        return Ok(None);
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.ok_or(Problem::new(RequestCode::UnsupportedMediaType))?;
    Ok(Some((kind.to_owned(), body)))
}

async fn graph(
    caller: &ServiceCaller,
    state: &AppState,
    path: GraphPath,
    method: Method,
    query: Option<String>,
    body: Option<(String, Bytes)>,
) -> Result<(HeaderMap, Json<GraphAnswer>), Problem> {
    let owner = owner(caller, &path.user_id)?;
    let query = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect();
    let call = PassThrough { method, path: plain_path(&path.path)?, query, body };
    let connections = state.connections.clone();
    let answer = state
        .detached()
        .run(async move { connections.pass_through(&owner, call).await })
        .await?
        .map_err(failure::using)?;
    Ok((answer.usage_headers, Json(GraphAnswer { status: answer.status, body: answer.body })))
}

/// The path, if every segment is a plain word: nothing that could leave the versioned root or the
/// host.
fn plain_path(path: &str) -> Result<String, Problem> {
    let is_plain = |segment: &str| {
        !segment.is_empty()
            && !segment.bytes().all(|byte| byte == b'.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || PLAIN.contains(&byte))
    };
    if path.split('/').next().is_some_and(is_version) {
        return Err(Problem::new(RequestCode::GraphCallNotAllowed).with_detail(
            "Leave the version out of the path: INSTAGRAM_GRAPH_VERSION sets it for all calls.",
        ));
    }
    if path.split('/').all(is_plain) {
        Ok(path.to_owned())
    } else {
        Err(Problem::new(RequestCode::GraphCallNotAllowed).with_detail(
            "The path must look like me/media: letters, digits and `_-.:,` only, no empty segment (so no slash at its end), \
             no segment of dots alone.",
        ))
    }
}

/// `v22.0`, in any spelling; no id and no edge of Graph's looks like that.
fn is_version(segment: &str) -> bool {
    let number = segment.strip_prefix(['v', 'V']).filter(|number| !number.is_empty());
    number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_paths_are_passed_on() {
        for path in ["me", "me/media", "17841479677897649/insights", "me/v25.0", "vision", "a-b_c:d,e"] {
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

    #[test]
    fn i9_a_path_brings_no_version_of_its_own() {
        for path in ["v22.0/me", "v25.0/me", "V1/me", "v9.0", "v22/me/media"] {
            let problem = plain_path(path).unwrap_err();
            assert_eq!(problem.code(), RequestCode::GraphCallNotAllowed.into(), "{path}");
        }
    }
}
