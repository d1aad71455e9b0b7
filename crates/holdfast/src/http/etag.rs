//! Entity tags, `If-None-Match` and 304 (RFC 9110, 8.8.3, 13.1.2 and 15.4.5).

use std::convert::Infallible;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{HeaderStyle, Operation, Parameter, ReferenceOr};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;

use super::answer_headers::AnswerHeaders;
use super::openapi::parameter;
use super::problem::{Problem, ServerCode};
use crate::connection::status::InstagramStatus;
use crate::digest::sha256;

/// Bytes of a status, as most are.
const USUAL_STATUS: usize = 1024;

/// The status, or 304 where the client has this very one. `no-cache` lets a browser keep it, but
/// ask each time.
pub(super) fn conditional(
    status: &InstagramStatus,
    known: &KnownTags,
    AnswerHeaders(mut headers): AnswerHeaders,
) -> Response {
    let mut body = Vec::with_capacity(USUAL_STATUS);
    if let Err(error) = serde_json::to_writer(&mut body, status) {
        return Problem::new(ServerCode::Internal).with_cause(error.to_string()).into_response();
    }
    let tag = ETag::of(&body);
    let mut response = Response::default();
    headers.insert(header::ETAG, tag.header());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Authorization"));
    if known.have(&tag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = body.into();
    }
    *response.headers_mut() = headers;
    response
}

/// A strong tag over the bytes of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ETag(String);

impl ETag {
    /// The tag of these bytes: 128 bits of their SHA-256.
    pub fn of(body: &[u8]) -> Self {
        let digest = sha256(body);
        let half = digest.get(..16).unwrap_or_default();
        let mut tag = String::with_capacity(24);
        tag.push('"');
        URL_SAFE_NO_PAD.encode_string(half, &mut tag);
        tag.push('"');
        Self(tag)
    }

    /// The tag without its quotes, as the id of an event.
    pub fn opaque(&self) -> &str {
        self.0.trim_matches('"')
    }

    /// The tag as a header.
    pub fn header(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("\"\""))
    }
}

/// The versions that a client has: the lines of `If-None-Match`.
#[derive(Debug, Clone, Default)]
pub struct KnownTags(Vec<HeaderValue>);

impl KnownTags {
    /// As the request says.
    pub fn of(headers: &HeaderMap) -> Self {
        Self(headers.get_all(header::IF_NONE_MATCH).iter().cloned().collect())
    }

    /// Whether this very version is among them. Comparison is weak, as `If-None-Match` wants it.
    pub fn have(&self, tag: &ETag) -> bool {
        let mut lists = self.0.iter().filter_map(|value| value.to_str().ok());
        lists.any(|list| list.trim() == "*" || tags(list).any(|each| each == tag.0))
    }
}

impl<S: Sync> FromRequestParts<S> for KnownTags {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.headers))
    }
}

impl OperationInput for KnownTags {
    fn operation_input(_: &mut GenContext, operation: &mut Operation) {
        let schema = schemars::json_schema!({"type": "string"});
        let parameter_data = parameter("If-None-Match", "`ETag` of the status that is known.", false, schema);
        let parameter = Parameter::Header { parameter_data, style: HeaderStyle::Simple };
        operation.parameters.push(ReferenceOr::Item(parameter));
    }
}

/// The tags of a list, without `W/`. A tag may hold a comma, so the list is not simply split; what
/// follows a malformed member is not looked at.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let tag = rest.strip_prefix("W/").unwrap_or(rest);
        let end = tag.strip_prefix('"')?.find('"')? + 2;
        let (tag, after) = tag.split_at_checked(end)?;
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn if_none_match_in_all_its_forms() {
        let tag = ETag::of(b"body");
        let own = tag.0.clone();
        let known = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_NONE_MATCH, HeaderValue::from_str(line).unwrap());
            }
            KnownTags::of(&headers).have(&tag)
        };
        assert!(known(&[&own]));
        assert!(known(&[&format!("W/{own}")]));
        assert!(known(&["*"]));
        assert!(known(&[&format!("\"other\", {own}")]));
        assert!(known(&[&format!("\"with,comma\" ,W/\"x\",W/{own}, \"y\"")]));
        assert!(known(&["\"other\"", &own]));

        assert!(!known(&[]));
        assert!(!known(&["\"other\""]));
        assert!(!known(&[tag.opaque()]), "an unquoted tag is none");
        assert!(!known(&[&format!("unquoted, {own}")]), "nothing is trusted after a malformed member");
        assert!(!known(&[&format!("w/{own}")]), "W/ is case-sensitive");
        assert!(!known(&["\""]));
    }

    #[test]
    fn the_tag_changes_with_the_body() {
        assert_eq!(ETag::of(b"a"), ETag::of(b"a"));
        assert_ne!(ETag::of(b"a"), ETag::of(b"b"));
    }
}
