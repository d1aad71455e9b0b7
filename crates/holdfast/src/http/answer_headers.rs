//! The headers of an answer, in the memory of the request's: what every answer carries.

use std::cell::RefCell;
use std::convert::Infallible;

use aide::OperationInput;
use axum::extract::{FromRequest, Request};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::request_id::{RequestId, X_REQUEST_ID};

/// Headers that most answers have at most.
const USUAL: usize = 16;
const STRICT_TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");
/// Content policy of answers that are not pages: a browser that shows one may load and run nothing.
const NO_CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Adds what every answer carries; a page has set its own content policy already.
pub(super) fn complete(headers: &mut HeaderMap, id: &RequestId, now: Timestamp) {
    make_room(headers);
    headers.insert(X_REQUEST_ID, id.header());
    date(headers, now);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NO_CONTENT_POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}

/// Makes browsers ask the host of this answer, and those below it, over TLS alone.
pub(super) fn require_tls(headers: &mut HeaderMap) {
    headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
}

/// Makes room for the headers of an answer, so that the map grows once at most.
fn make_room(headers: &mut HeaderMap) {
    headers.reserve(USUAL.saturating_sub(headers.len()));
}

thread_local! {
    /// The last date and its second: most requests of a busy server share it.
    static LAST: RefCell<Option<(i64, HeaderValue)>> = const { RefCell::new(None) };
}

/// Puts the date into an answer (RFC 9110, 5.6.7). hyper's own never goes back, so that it would
/// stay in the future where a clock that was ahead is set right.
fn date(headers: &mut HeaderMap, now: Timestamp) {
    let second = now.as_second();
    LAST.with_borrow_mut(|last| {
        if last.as_ref().is_none_or(|(at, _)| *at != second) {
            let text = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
            *last = HeaderValue::try_from(text).ok().map(|value| (second, value));
        }
        headers.extend(last.as_ref().map(|(_, value)| (header::DATE, value.clone())));
    });
}

/// An empty map for the headers of the answer: the request's, which nobody needs once the arguments
/// of a handler are made. hyper takes the answer's map for the connection's next request, so that
/// none is made anew. The last argument of a handler that is asked often.
#[derive(Debug)]
pub(super) struct AnswerHeaders(pub(super) HeaderMap);

impl<S: Sync> FromRequest<S> for AnswerHeaders {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        let mut headers = request.into_parts().0.headers;
        headers.clear();
        make_room(&mut headers);
        Ok(Self(headers))
    }
}

impl OperationInput for AnswerHeaders {}
