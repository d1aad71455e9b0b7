//! Cross-origin rules: which pages of which origins may read our answers.
//!
//! Credentials are bearer tokens, never cookies, so `Access-Control-Allow-Credentials` is not sent.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use clerk_session::OriginPattern;
use http::{HeaderName, HeaderValue, Method, header};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer, ExposeHeaders};

use super::refused_origins::RefusedOrigins;
use super::request_id::X_REQUEST_ID;

/// Where a stream is taken up again (WHATWG HTML, server-sent events).
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

/// Answers preflights by itself, and marks every other answer, whatever its status.
pub fn layer(allowed: &AllowedOrigins, refused: Arc<RefusedOrigins>) -> CorsLayer {
    let allowed = allowed.clone();
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin: &HeaderValue, _| {
            let allowed = allowed.0.load();
            let is_allowed = is_allowed(&allowed, origin);
            if !is_allowed {
                refused.note(&allowed, origin);
            }
            is_allowed
        }))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // Whatever a page's own libraries add (tracing, for example): it is an allowed origin's,
        // and we read none of it.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(ExposeHeaders::list([
            header::WWW_AUTHENTICATE,
            header::ETAG,
            header::RETRY_AFTER,
            X_REQUEST_ID,
        ]))
        .vary([header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS])
        .max_age(Duration::from_mins(10))
}

/// Whether an `Origin` header names an allowed origin. `null` (sandboxed frames, files) is
/// nobody's.
pub fn is_allowed(allowed: &[OriginPattern], origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    origin != "null" && allowed.iter().any(|each| each.matches(origin))
}
