//! Which origins may read which answers: 60 origins, each with every method.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use clerk_session::OriginPattern;
use http::{Method, Request, StatusCode};
use tower::ServiceExt;

use super::super::admission::RequestLimits;
use super::super::{layered, layers};
use super::layers::edge;
use crate::clock::{ManualClock, from_millis};

const ALLOWED: [&str; 7] = [
    "https://app.example.com",
    "http://localhost:5173",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
    "https://xn--bcher-kva.example",
    "https://app.example.com:8443",
    "https://deploy-preview-*--acme.netlify.app",
];

/// An `Origin` header, and whether pages of it may read our answers.
const ORIGINS: [(&str, bool); 60] = [
    ("https://app.example.com", true),
    ("http://localhost:5173", true),
    ("http://127.0.0.1:3000", true),
    ("http://[::1]:3000", true),
    ("https://xn--bcher-kva.example", true),
    ("https://app.example.com:8443", true),
    ("https://deploy-preview-1--acme.netlify.app", true),
    ("https://deploy-preview-123456--acme.netlify.app", true),
    ("https://deploy-preview-a-b-c--acme.netlify.app", true),
    ("null", false),
    ("", false),
    (" ", false),
    ("*", false),
    ("https://*", false),
    ("https://", false),
    ("app.example.com", false),
    ("//app.example.com", false),
    ("https:app.example.com", false),
    ("https:/app.example.com", false),
    ("http://app.example.com", false),
    ("ftp://app.example.com", false),
    ("wss://app.example.com", false),
    ("file://", false),
    ("file:///app.example.com", false),
    ("chrome-extension://abcdefghijklmnop", false),
    ("capacitor://localhost", false),
    ("HTTPS://app.example.com", false),
    ("https://APP.example.com", false),
    ("https://app.example.com/", false),
    ("https://app.example.com/path", false),
    ("https://app.example.com?x", false),
    ("https://app.example.com#x", false),
    ("https://app.example.com:443", false),
    ("https://app.example.com:80", false),
    ("https://app.example.com:84430", false),
    ("https://app.example.com:", false),
    ("https://app.example.com.", false),
    ("https://app.example.com.evil.com", false),
    ("https://app.example.community", false),
    ("https://app.example.co", false),
    ("https://xapp.example.com", false),
    ("https://x.app.example.com", false),
    ("https://example.com", false),
    ("https://evil.com", false),
    ("https://app.example.com@evil.com", false),
    ("https://evil.com@app.example.com", false),
    ("https://app.example.com, https://evil.com", false),
    ("https://evil.com https://app.example.com", false),
    ("https://app.example.com\\evil.com", false),
    ("https://app.example.com%2eevil.com", false),
    ("http://localhost", false),
    ("http://localhost:5174", false),
    ("https://localhost:5173", false),
    ("http://127.0.0.1:5173", false),
    ("https://bücher.example", false),
    ("https://deploy-preview-*--acme.netlify.app", false),
    ("https://deploy-preview---acme.netlify.app", false),
    ("https://deploy-preview-1.evil--acme.netlify.app", false),
    ("https://deploy-preview-1--acme.netlify.app.evil.com", false),
    ("https://deploy-preview-A--acme.netlify.app", false),
];

#[expect(clippy::disallowed_methods, reason = "a router of the test's own")]
fn router() -> Router {
    let allowed = ALLOWED.map(|each| OriginPattern::parse(each).unwrap()).to_vec().into();
    let limits = RequestLimits { in_all: 8, reserved: 0, per_address: None };
    let edge = edge(&ManualClock::new(from_millis(1_750_000_000_000)), limits, &[]);
    layered(Router::new().route("/", get(|| async { "fine" })), layers(Arc::new(edge), &allowed))
}

async fn allowed_by(
    method: Method,
    origin: &str,
    asks_for: Option<&Method>,
) -> (StatusCode, Option<String>, String) {
    let mut request = Request::builder()
        .method(method)
        .uri("/")
        .header("host", "api.example.com")
        .header("origin", origin.as_bytes());
    if let Some(method) = asks_for {
        request = request
            .header("access-control-request-method", method.as_str())
            .header("access-control-request-headers", "authorization, content-type");
    }
    let answer = router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let text =
        |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    assert_eq!(text("access-control-allow-credentials"), None, "credentials are no cookies");
    assert!(text("vary").is_some_and(|vary| vary.contains("origin")), "a cache must tell origins apart");
    (
        answer.status(),
        text("access-control-allow-origin"),
        text("access-control-allow-methods").unwrap_or_default(),
    )
}

#[tokio::test]
async fn sixty_origins_with_every_method() {
    let served = [Method::GET, Method::POST, Method::DELETE];
    let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"]
        .map(|name| Method::from_bytes(name.as_bytes()).unwrap());
    let mut checked = 0;
    for (origin, may) in ORIGINS {
        let expected = may.then(|| origin.to_owned());
        for method in &methods {
            let (_, allowed, _) = allowed_by(method.clone(), origin, None).await;
            assert_eq!(allowed, expected, "{method} from {origin:?}");
            let (status, allowed, methods) = allowed_by(Method::OPTIONS, origin, Some(method)).await;
            assert_eq!(
                (status, allowed),
                (StatusCode::OK, expected.clone()),
                "preflight for {method} from {origin:?}"
            );
            let lists = methods.split(',').any(|each| each.trim() == method.as_str());
            assert_eq!(lists, served.contains(method), "{methods}");
            checked += 2;
        }
    }
    assert_eq!(checked, 60 * 8 * 2);
}
