//! Cross-origin rules: which pages of which origins may read our answers.
//!
//! Credentials are bearer tokens, never cookies, so `Access-Control-Allow-Credentials` is not sent.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::response::Response;
use clerk_session::OriginPattern;
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::refused_origins::RefusedOrigins;

/// Sent when an event stream is resumed (WHATWG HTML, server-sent events).
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// For answers that are the same for everybody.
pub const EVERY_ORIGIN: HeaderValue = HeaderValue::from_static("*");

/// The origins that may call. Clones share the list, which a reload replaces.
#[derive(Debug, Clone, Default)]
pub struct AllowedOrigins(Arc<ArcSwap<Vec<OriginPattern>>>);

impl AllowedOrigins {
    /// Allows these from now on, in every clone, and no others.
    pub fn replace(&self, origins: Vec<OriginPattern>) {
        self.0.store(Arc::new(origins));
    }
}

impl From<Vec<OriginPattern>> for AllowedOrigins {
    fn from(origins: Vec<OriginPattern>) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(origins)))
    }
}

/// What we serve to pages of other origins.
const METHODS: HeaderValue = HeaderValue::from_static("GET,POST,DELETE");
/// What pages may read beside the body.
const EXPOSED: HeaderValue = HeaderValue::from_static("date,www-authenticate,etag,retry-after,x-request-id");
/// Seconds for which a browser need not ask again: ten minutes.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// Request headers that answers depend on, for caches.
const VARY: HeaderValue =
    HeaderValue::from_static("origin, access-control-request-method, access-control-request-headers");

/// Adds the CORS headers to answers (Fetch, 3.3). The rules are few and the same for every route,
/// so the headers are constants; a configurable layer would build them anew for each answer.
#[derive(Debug)]
pub(super) struct Cors {
    allowed: AllowedOrigins,
    refused: RefusedOrigins,
}

/// The mark of one answer.
pub(super) struct Mark {
    origin: Option<HeaderValue>,
}

impl Cors {
    pub(super) fn new(allowed: AllowedOrigins, refused: RefusedOrigins) -> Self {
        Self { allowed, refused }
    }

    /// The mark of the answer to a request.
    pub(super) fn mark(&self, request: &HeaderMap) -> Mark {
        let Some(origin) = request.get(header::ORIGIN) else { return Mark { origin: None } };
        let allowed = self.allowed.0.load();
        let is_allowed = is_allowed(&allowed, origin);
        if !is_allowed {
            self.refused.note(&allowed, origin);
        }
        Mark { origin: is_allowed.then(|| origin.clone()) }
    }
}

impl Mark {
    /// Marks an answer, whatever its status.
    pub(super) fn put_on(self, answer: &mut HeaderMap) {
        // An answer may depend on more than this.
        answer.append(header::VARY, VARY);
        if let Some(origin) = self.origin {
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
    }

    /// The answer to a preflight.
    pub(super) fn preflight(self, request: &HeaderMap) -> Response {
        let mut response = Response::default();
        let headers = response.headers_mut();
        headers.insert(header::VARY, VARY);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        // Any header that a page's libraries add is allowed (tracing, for example): the origin is
        // allowed, and we read none of them.
        if let Some(asked_for) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked_for.clone());
        }
        if let Some(origin) = self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        response
    }
}

/// Whether an `Origin` header names an allowed origin. `null` (sandboxed frames, files) is
/// nobody's.
pub fn is_allowed(allowed: &[OriginPattern], origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    origin != "null" && allowed.iter().any(|each| each.matches(origin))
}
