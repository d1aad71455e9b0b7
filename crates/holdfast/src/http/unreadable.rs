//! Answers to requests whose head could not be read, so that no router ever saw them.

use std::sync::Arc;

use axum::response::IntoResponse;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::answer_headers::complete;
use super::cors::EVERY_ORIGIN;
use super::layers::Edge;
use super::memory::Remembered;
use super::problem::{Problem, RequestCode, document, render};
use super::request_id::RequestId;
use super::server::Refusals;

/// Problems with everything that other answers carry: body, request id, security headers, a line in
/// the access log.
///
/// The asking origin is unknown, so pages of every origin may read them; they contain nothing
/// personal.
pub fn refusals(edge: Arc<Edge>) -> Refusals {
    Arc::new(move |status| answer(&edge, status))
}

fn answer(edge: &Edge, status: StatusCode) -> Response<Bytes> {
    let code = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => RequestCode::HeaderTooLarge,
        StatusCode::URI_TOO_LONG => RequestCode::AddressTooLong,
        _ => RequestCode::MalformedRequest,
    };
    let problem = Problem::new(code);
    let code = problem.code().entry().code;
    let id = RequestId::of(&HeaderMap::new(), &*edge.entropy, edge.clock.now());
    let body = document(&problem, &edge.public_url, id.as_str());
    let mut response = render(&problem, body.clone(), problem.clone().into_response());
    let headers = response.headers_mut();
    complete(headers, &id, edge.clock.now());
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, EVERY_ORIGIN);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-request-id"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    let status = response.status();
    edge.metrics.problem(code);
    edge.metrics.memory.remember(Remembered {
        request_id: id.as_str().to_owned(),
        at: edge.clock.now(),
        route: "unreadable".to_owned(),
        status: status.as_u16(),
        code: code.to_owned(),
        detail: problem.detail().to_owned(),
        ..Remembered::default()
    });
    tracing::info!(
        target: "holdfast::access",
        status = status.as_u16(),
        code,
        request_id = id.as_str(),
        "a request could not be parsed"
    );
    response.map(|_| body.into())
}
