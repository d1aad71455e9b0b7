//! The layers around small handlers of the tests' own.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::{any, get, post};
use clerk_session::OriginPattern;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use super::super::admission::{Admission, RequestLimits};
use super::super::layers::{Edge, GRAPH_CALL, not_found};
use super::super::metrics::Metrics;
use super::super::problem::{Problem, RequestCode, ServerCode};
use super::super::server::PeerAddr;
use super::super::{layered, layers};
use crate::client_address::Network;
use crate::clock::{ManualClock, SharedClock, from_millis};
use crate::entropy::SeededEntropy;

const APP: &str = "https://app.example.com";
const PREVIEWS: &str = "https://deploy-preview-*--site.netlify.app";

struct Stage {
    router: Router,
    edge: Arc<Edge>,
    clock: ManualClock,
}

fn stage(permits: usize) -> Stage {
    stage_with(RequestLimits { in_all: permits, reserved: 0, per_address: None }, &[])
}

pub(super) fn edge(clock: &ManualClock, limits: RequestLimits, proxies: &[&str]) -> Edge {
    let shared: SharedClock = Arc::new(clock.clone());
    Edge {
        public_url: "https://api.example.com".to_owned(),
        clock: shared,
        entropy: Arc::new(SeededEntropy::new(1)),
        metrics: Metrics::default(),
        admission: Admission::new(limits),
        proxies: proxies.iter().map(|each| each.parse::<Network>().unwrap()).collect(),
        request_timeout: Duration::from_secs(10),
        spans: crate::telemetry::traces::ServerSpans::off(),
    }
}

#[expect(clippy::disallowed_methods, reason = "a router of the test's own")]
fn stage_with(limits: RequestLimits, proxies: &[&str]) -> Stage {
    let clock = ManualClock::new(from_millis(1_750_000_000_000));
    let edge = Arc::new(edge(&clock, limits, proxies));
    let router = Router::new()
        .route("/fine", get(|| async { "fine" }))
        .route("/echo", post(|body: String| async move { body }))
        .route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        )
        .route("/stuck", get(std::future::pending::<()>))
        .route(GRAPH_CALL, any(std::future::pending::<()>))
        .route("/instagram/callback", get(|| async { Problem::new(ServerCode::DatabaseUnavailable) }))
        .route("/forward-auth", any(|| async { Problem::new(RequestCode::NotAMember) }))
        .route("/forward-auth/", any(|| async { Problem::new(RequestCode::NotAMember) }))
        .route("/forward-auth/{*path}", any(|| async { Problem::new(RequestCode::NotAMember) }))
        .route("/healthz", get(|| async { "alive" }));
    let origins = [APP, PREVIEWS].map(|each| OriginPattern::parse(each).unwrap()).to_vec().into();
    let router = layered(router.fallback(not_found), layers(Arc::clone(&edge), &origins));
    Stage { router, edge, clock }
}

async fn send(stage: &Stage, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    stage.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn problem(response: Response) -> (StatusCode, HeaderMap, Value) {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn every_kind_of_error_is_a_problem_with_cors_and_a_request_id() {
    let stage = stage(8);
    let origin = [("origin", APP), ("x-request-id", "mine-1")];
    let cases = [
        (Method::GET, "/nothing", 404, "not-found"),
        (Method::POST, "/nothing/at/all", 404, "not-found"),
        (Method::DELETE, "/fine", 405, "method-not-allowed"),
        (Method::from_bytes(b"BREW").unwrap(), "/fine", 405, "method-not-allowed"),
        (Method::GET, "/panic", 500, "internal-error"),
    ];
    for (method, path, status, code) in cases {
        let (got, headers, body) = problem(send(&stage, method.clone(), path, &origin).await).await;
        assert_eq!(got.as_u16(), status, "{method} {path}");
        assert_eq!(body["code"], code);
        assert_eq!(body["request_id"], "mine-1");
        assert_eq!(headers["x-request-id"], "mine-1");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(headers["access-control-allow-origin"], APP, "{method} {path}");
        assert_eq!(headers["cache-control"], "no-store");
    }
    let (_, headers, _) = problem(send(&stage, Method::DELETE, "/fine", &[]).await).await;
    assert_eq!(headers["allow"], "GET,HEAD");
    assert_eq!(stage.edge.metrics.in_flight.get(), 0);
}

#[tokio::test]
async fn a_person_back_from_instagram_reads_a_page_when_the_database_is_away() {
    const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let stage = stage(8);
    let opened = [("accept", BROWSER), ("origin", APP), ("x-request-id", "mine-2")];
    let response = send(&stage, Method::GET, "/instagram/callback?code=a&state=b", &opened).await;
    let (parts, body) = response.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert_eq!(parts.status, 503);
    assert_eq!(parts.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(parts.headers["cache-control"], "no-store");
    assert_eq!(parts.headers["retry-after"], "5");
    assert_eq!(parts.headers["access-control-allow-origin"], APP);
    for part in ["Wait a moment, then load this page again.", "mine-2", "database not available"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A program that asks there, or a browser that opens an address of the API, reads JSON.
    for (path, accept) in [("/instagram/callback", "*/*"), ("/nothing", BROWSER)] {
        let (_, headers, _) = problem(send(&stage, Method::GET, path, &[("accept", accept)]).await).await;
        assert_eq!(headers["content-type"], "application/problem+json", "{path}");
    }
}

/// What a request has that is not answered in time: within so many seconds.
async fn not_in_time(method: Method, path: &str, seconds: u64) -> (HeaderMap, Value) {
    let stage = stage(8);
    let mut asked = Box::pin(send(&stage, method, path, &[("origin", APP)]));
    assert!(futures_util::poll!(&mut asked).is_pending());
    stage.clock.advance(Duration::from_secs(seconds - 1));
    assert!(futures_util::poll!(&mut asked).is_pending(), "it has time left");
    stage.clock.advance(Duration::from_secs(1));
    let response = asked.await;
    let (status, headers, body) = problem(response).await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &Value::from("deadline-exceeded")));
    (headers, body)
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_a_503_that_a_page_can_read() {
    let (headers, body) = not_in_time(Method::GET, "/stuck", 10).await;
    assert_eq!((&headers["retry-after"], &body["action"]), (&"5".parse().unwrap(), &"retry".into()));
    assert_eq!(headers["access-control-allow-origin"], APP);
}

/// A client that asks again by itself would publish twice.
#[tokio::test]
async fn a_call_that_may_be_done_is_not_to_be_repeated() {
    let path = "/service/users/user_1/instagram/graph/me/media_publish";
    for (method, seconds, action) in
        [(Method::GET, 10, "retry"), (Method::POST, 14, "look_first"), (Method::DELETE, 14, "look_first")]
    {
        let (headers, body) = not_in_time(method.clone(), path, seconds).await;
        assert_eq!(
            (&body["action"], headers.contains_key("retry-after")),
            (&action.into(), action == "retry")
        );
        let detail = body["detail"].as_str().unwrap();
        assert_eq!(detail.contains("may have carried the call out"), action != "retry", "{method}: {detail}");
    }
}

#[tokio::test]
async fn too_many_at_a_time_are_turned_away_but_health_is_answered() {
    let stage = stage(1);
    let stuck = tokio::spawn(
        stage
            .router
            .clone()
            .oneshot(Request::builder().uri("/stuck").header("host", "x").body(Body::empty()).unwrap()),
    );
    while stage.edge.admission.under_way() == 0 {
        tokio::task::yield_now().await;
    }
    let (status, headers, body) = problem(send(&stage, Method::GET, "/fine", &[("origin", APP)]).await).await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &Value::from("overloaded")));
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["access-control-allow-origin"], APP);
    assert_eq!(send(&stage, Method::GET, "/healthz", &[]).await.status(), 200);
    stuck.abort();
    let _ = stuck.await;
    assert_eq!(send(&stage, Method::GET, "/fine", &[]).await.status(), 200, "the place is given back");
}

/// Holds a place with a request from `peer` that is not answered.
async fn occupy(stage: &Stage, peer: &str, forwarded: &str) -> tokio::task::JoinHandle<()> {
    let before = stage.edge.admission.under_way();
    let stuck = from(stage, "/stuck", peer, forwarded);
    let stuck = tokio::spawn(async move { drop(stuck.await) });
    while stage.edge.admission.under_way() == before {
        tokio::task::yield_now().await;
    }
    stuck
}

fn from(
    stage: &Stage,
    path: &str,
    peer: &str,
    forwarded: &str,
) -> impl Future<Output = Response> + Send + 'static {
    let request = Request::builder()
        .uri(path)
        .header("host", "api.example.com")
        .header("origin", APP)
        .header("x-forwarded-for", forwarded)
        .header("forwarded", "for=198.51.100.99")
        .extension(PeerAddr((peer.parse::<IpAddr>().unwrap(), 4711).into()))
        .body(Body::empty())
        .unwrap();
    let answer = stage.router.clone().oneshot(request);
    async move { answer.await.unwrap() }
}

#[tokio::test]
async fn a_bound_by_address_counts_the_client_that_a_trusted_proxy_names_and_nobody_else_names() {
    let bound = RequestLimits { in_all: 8, reserved: 0, per_address: Some(1) };
    let stage = stage_with(bound, &["10.0.0.0/8"]);
    let held = occupy(&stage, "10.0.0.1", "203.0.113.9").await;
    for (peer, forwarded, expected) in [
        ("10.0.0.1", "203.0.113.9", 429),
        ("10.0.0.2", "203.0.113.9, 10.0.0.7", 429),
        // What a client wrote itself changes nothing.
        ("10.0.0.1", "198.51.100.1, 203.0.113.9", 429),
        ("203.0.113.9", "198.51.100.1", 429),
        ("::ffff:203.0.113.9", "198.51.100.1", 429),
        ("10.0.0.1", "198.51.100.1", 200),
        ("198.51.100.1", "203.0.113.9", 200),
        ("10.0.0.1", "unknown", 200),
    ] {
        let (status, headers, body) = {
            let answer = from(&stage, "/fine", peer, forwarded).await;
            let (parts, bytes) = answer.into_parts();
            let bytes = bytes.collect().await.unwrap().to_bytes();
            (parts.status, parts.headers, String::from_utf8(bytes.to_vec()).unwrap())
        };
        assert_eq!(status.as_u16(), expected, "{peer} {forwarded}");
        assert_eq!(headers["access-control-allow-origin"], APP);
        if expected == 429 {
            assert!(body.contains("\"code\":\"too-many-requests\""), "{body}");
            assert_eq!(headers["retry-after"], "1");
        }
    }
    held.abort();
    let _ = held.await;
    assert_eq!(from(&stage, "/fine", "10.0.0.1", "203.0.113.9").await.status(), 200);
}

#[tokio::test]
async fn one_address_cannot_take_the_last_places_from_the_others() {
    let stage = stage_with(RequestLimits { in_all: 20, reserved: 2, per_address: None }, &[]);
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(occupy(&stage, "203.0.113.9", "").await);
    }
    assert_eq!(from(&stage, "/fine", "203.0.113.9", "").await.status(), 503);
    assert_eq!(from(&stage, "/fine", "203.0.113.10", "").await.status(), 200);
    assert_eq!(from(&stage, "/fine", "2001:db8::1", "").await.status(), 200);
    for each in held {
        each.abort();
    }
}

#[tokio::test]
async fn preflights_are_answered_without_asking_for_anything() {
    let stage = stage(8);
    for path in ["/fine", "/nothing", "/panic", "/stuck"] {
        let asked = [
            ("origin", APP),
            ("access-control-request-method", "DELETE"),
            // A page's libraries add headers of their own.
            (
                "access-control-request-headers",
                "authorization,content-type,if-none-match,sentry-trace,traceparent",
            ),
        ];
        let response = send(&stage, Method::OPTIONS, path, &asked).await;
        let headers = response.headers();
        assert_eq!(response.status(), 200, "{path}");
        assert_eq!(headers["access-control-allow-origin"], APP);
        for method in ["GET", "POST", "DELETE"] {
            assert!(headers["access-control-allow-methods"].to_str().unwrap().contains(method));
        }
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        for name in ["authorization", "content-type", "if-none-match", "sentry-trace", "traceparent"] {
            assert!(allowed.contains(name), "{name} is not in {allowed}");
        }
        assert!(headers.contains_key("access-control-max-age"));
        assert!(headers.contains_key("x-request-id"));
        assert!(!headers.contains_key("access-control-allow-credentials"));
    }
}

#[tokio::test]
async fn origins_are_matched_exactly() {
    let stage = stage(8);
    let allowed =
        [APP, "https://deploy-preview-1--site.netlify.app", "https://deploy-preview-4711--site.netlify.app"];
    let refused = [
        "null",
        "https://app.example.com:443",
        "https://app.example.com:8443",
        "https://app.example.com/",
        "http://app.example.com",
        "https://APP.example.com",
        "https://app.example.com.evil.com",
        "https://evil-app.example.com",
        "https://evil.com#https://app.example.com",
        "https://app.example.com@evil.com",
        "https://xapp.example.com",
        "https://example.com",
        "https://deploy-preview---site.netlify.app.evil.com",
        "https://deploy-preview-1--other.netlify.app",
        "https://deploy-preview-1.evil.com--site.netlify.app",
        "https://deploy-preview-1/--site.netlify.app",
        "https://site.netlify.app",
        "*",
        "https://*.example.com",
        "",
    ];
    for method in [Method::GET, Method::POST, Method::OPTIONS, Method::DELETE, Method::HEAD] {
        for (origins, expected) in [(&allowed[..], true), (&refused[..], false)] {
            for origin in origins {
                let asked = [("origin", *origin), ("access-control-request-method", "GET")];
                let response = send(&stage, method.clone(), "/fine", &asked).await;
                let got = response.headers().get("access-control-allow-origin");
                let wanted = expected.then_some(*origin);
                assert_eq!(got.map(|value| value.to_str().unwrap()), wanted, "{method} {origin}");
                let vary: Vec<_> = response
                    .headers()
                    .get_all(header::VARY)
                    .iter()
                    .map(|value| value.to_str().unwrap().to_ascii_lowercase())
                    .collect();
                assert!(vary.join(",").contains("origin"), "{method} {origin}: {vary:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_page_may_read_the_headers_that_it_needs() {
    let stage = stage(8);
    let response = send(&stage, Method::GET, "/fine", &[("origin", APP)]).await;
    let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_ascii_lowercase();
    for name in ["date", "www-authenticate", "etag", "retry-after", "x-request-id"] {
        assert!(exposed.contains(name), "{name} is not in {exposed}");
    }
}

#[tokio::test]
async fn every_answer_has_security_headers() {
    let stage = stage(8);
    for path in ["/fine", "/nothing", "/panic"] {
        let response = send(&stage, Method::GET, path, &[]).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert!(headers["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        assert!(headers.contains_key("strict-transport-security"), "the public address is https");
        assert_eq!(headers["cache-control"], "no-store");
    }
}

/// A proxy hands a refusal on under the name of the app's host, and browsers apply this to all of it.
#[tokio::test]
async fn a_verdict_for_a_proxy_makes_no_rule_for_the_apps_host() {
    let stage = stage(1);
    for path in ["/forward-auth", "/forward-auth/", "/forward-auth/api/things"] {
        for method in [Method::GET, Method::OPTIONS] {
            let response = send(&stage, method.clone(), path, &[]).await;
            assert!(!response.headers().contains_key("strict-transport-security"), "{method} {path}");
            assert_eq!(response.headers()["x-content-type-options"], "nosniff", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_request_has_exactly_one_host() {
    let stage = stage(8);
    let bare = |hosts: &[&str]| {
        let mut request = Request::builder().uri("/fine");
        for host in hosts {
            request = request.header("host", *host);
        }
        request.body(Body::empty()).unwrap()
    };
    for hosts in
        [&[][..], &["a", "b"], &["a", "a"], &["a b"], &["a/b"], &["u@a"], &["a?"], &["a\\b"], &["\"a\""]]
    {
        let response = stage.router.clone().oneshot(bare(hosts)).await.unwrap();
        let (status, _, body) = problem(response).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &Value::from("malformed-request")), "{hosts:?}");
    }
    for host in ["", "a:8080", "[::1]:80", "a_b.example.com", "xn--bcher-kva.example", "a%41"] {
        let response = stage.router.clone().oneshot(bare(&[host])).await.unwrap();
        assert_eq!(response.status(), 200, "{host}");
    }
    let mut old = bare(&[]);
    *old.version_mut() = http::Version::HTTP_10;
    assert_eq!(stage.router.clone().oneshot(old).await.unwrap().status(), 200);
}

#[tokio::test]
async fn metrics_count_by_route_template_and_code() {
    let stage = stage(8);
    send(&stage, Method::GET, "/fine?code=secret", &[]).await;
    send(&stage, Method::GET, "/secret-path", &[]).await;
    let text = stage.edge.metrics.render();
    assert!(
        text.contains(r#"holdfast_http_requests_total{method="GET",route="/fine",status="200"} 1"#),
        "{text}"
    );
    assert!(text.contains(r#"holdfast_http_requests_total{method="GET",route="unmatched",status="404"} 1"#));
    assert!(text.contains(r#"holdfast_http_problems_total{code="not-found"} 1"#));
    assert!(!text.contains("secret"), "{text}");
}
