//! The Graph API, as much of it as a connection needs: `/me`, its media, and a publishing
//! container.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use http::{Method, StatusCode, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::body::{self, GraphError};
use super::fault::Endpoint;
use super::oauth::{Enveloped, living, unsupported};
use super::people::Person;
use super::reply::Reply;
use super::world::{BASIC, Token, World};
use super::{ReplyShape, Shared, field, fields, picture};

const PUBLISH: &str = "instagram_business_content_publish";
const INSIGHTS: &str = "instagram_business_manage_insights";

/// Every request outside of the OAuth endpoints.
pub(super) async fn call(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let mut query = fields(uri.query().unwrap_or_default().as_bytes());
    query.extend(parameters(&body));
    let account = shared.owner(field(&query, "access_token"));
    let mut path: Vec<String> =
        uri.path().split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
    if path.first().is_some_and(|first| is_version(first)) {
        path.remove(0);
    }
    let endpoint = if path == ["me"] && method == Method::GET { Endpoint::Me } else { Endpoint::Graph };
    // As further pages name it.
    let root = format!("https://graph.instagram.com{}", uri.path());
    let this = shared.clone();
    let act = move |world: &mut World, now: Timestamp| {
        Ok(this.graph(world, &method, &path, &query, &root, now).unwrap_or_else(|error| Reply::graph(&error)))
    };
    shared.answer(endpoint, account, act).await
}

/// Parameters come in JSON as well as in a form, as Meta's examples of publishing send them.
fn parameters(body: &[u8]) -> Vec<(String, String)> {
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(body) else {
        return fields(body);
    };
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    object.into_iter().map(|(name, value)| (name, text(value))).collect()
}

/// `v25.0`
fn is_version(segment: &str) -> bool {
    segment
        .strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|each| each.is_ascii_digit() || each == '.'))
}

impl Shared {
    fn graph(
        &self,
        world: &mut World,
        method: &Method,
        path: &[String],
        query: &[(String, String)],
        root: &str,
        now: Timestamp,
    ) -> Result<Reply, GraphError> {
        let name = field(query, "access_token");
        let token = living(world, name, now)?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        let is_own =
            |node: &str| node == "me" || node == token.person.id || node == token.person.professional_id;
        match (method.as_str(), path.as_slice()) {
            ("GET", [node]) if is_own(node) => {
                needs(token, BASIC)?;
                self.person(&token.person, field(query, "fields"), now)
            }
            ("GET", [node, "media"]) if is_own(node) => {
                needs(token, BASIC)?;
                Ok(media(&token.person, root, query))
            }
            ("GET", [node, "insights"]) if is_own(node) => {
                needs(token, INSIGHTS)?;
                Ok(ok(&json!({"data": []})))
            }
            ("POST", [node, "media"]) if is_own(node) => {
                needs(token, PUBLISH)?;
                if field(query, "image_url").is_empty() {
                    return Err(GraphError::oauth(100, None, "(#100) The parameter image_url is required"));
                }
                Ok(ok(&json!({"id": "17889455560051444"})))
            }
            ("DELETE", [node, "messenger_profile"]) if is_own(node) => {
                if field(query, "fields").is_empty() {
                    return Err(GraphError::oauth(100, None, "(#100) The parameter fields is required"));
                }
                Ok(ok(&json!({"result": "success"})))
            }
            ("GET" | "POST" | "DELETE", [node, ..]) if node.chars().all(|each| each.is_ascii_digit()) => {
                let message = format!(
                    "Unsupported {} request. Object with ID '{node}' does not exist, cannot be loaded due to missing permissions, or does not support this operation",
                    method.as_str().to_lowercase()
                );
                Err(GraphError { kind: "GraphMethodException", ..GraphError::oauth(100, Some(33), message) })
            }
            _ => Err(GraphError {
                message: format!("Unsupported request - method type: {}", method.as_str().to_lowercase()),
                ..unsupported()
            }),
        }
    }

    fn picture_of(&self, person: &Person, now: Timestamp) -> Option<String> {
        self.setup().root.as_ref().map(|root| picture::address(root, person, now))
    }

    /// The fields asked for, in that order; `id` always.
    fn person(&self, person: &Person, asked: &str, now: Timestamp) -> Result<Reply, GraphError> {
        let mut object = Map::new();
        for name in asked.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let value = match name {
                "id" => json!(person.id),
                "user_id" => json!(person.professional_id),
                "username" => json!(person.username),
                "name" => json!(person.name),
                "account_type" => json!(person.account_type),
                "profile_picture_url" => json!(self.picture_of(person, now)),
                "followers_count" => json!(1815),
                "follows_count" => json!(36),
                "media_count" => json!(2),
                _ => {
                    let message =
                        format!("(#100) Tried accessing nonexisting field ({name}) on node type (IGUser)");
                    return Err(GraphError::oauth(100, None, message));
                }
            };
            object.insert(name.to_owned(), value);
        }
        if !object.contains_key("id") {
            object.insert("id".to_owned(), json!(person.id));
        }
        Ok(match self.setup().shape {
            ReplyShape::Live => ok(&Value::Object(object)),
            ReplyShape::Documented => {
                Reply::json(StatusCode::OK, body::json(&Enveloped { data: [Value::Object(object)] }))
            }
        })
    }
}

fn needs(token: &Token, scope: &str) -> Result<(), GraphError> {
    if token.may(scope) {
        Ok(())
    } else {
        Err(GraphError::api(10, "Application does not have permission for this action"))
    }
}

/// Two pages of one post each. As at Meta, the address of the next page repeats the token.
fn media(person: &Person, root: &str, query: &[(String, String)]) -> Reply {
    let first = field(query, "after").is_empty();
    let post = |number: u8| json!({"id": format!("1788945556005144{number}"), "caption": format!("Post {number} of {}", person.username)});
    let body = if first {
        let next = format!("{root}?access_token={}&limit=1&after=QVFIUm1", field(query, "access_token"));
        json!({"data": [post(1)], "paging": {"cursors": {"after": "QVFIUm1"}, "next": next}})
    } else {
        json!({"data": [post(2)], "paging": {"cursors": {"before": "QVFIUm1"}}})
    };
    ok(&body)
}

fn ok(value: &Value) -> Reply {
    Reply::json(StatusCode::OK, body::json(value))
}
