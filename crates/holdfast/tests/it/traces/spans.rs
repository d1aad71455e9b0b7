//! Which spans there are, what they say, and how they hang together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use holdfast::standin::clerk::Person;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::collector::{Collector, Seen, resource};
use super::traced;
use crate::testing::leaks;
use crate::testing::serving::serving;
use crate::testing::waiting::until;

const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;

const REMOTE_TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const REMOTE_SPAN: &str = "b7ad6b7169203331";

fn traceparent(values: &[&str]) -> HeaderMap {
    let values = values.iter().map(|value| HeaderValue::from_str(value).unwrap());
    values.map(|value| (http::HeaderName::from_static("traceparent"), value)).collect()
}

fn children<'a>(spans: &'a [Seen], of: &Seen) -> Vec<&'a Seen> {
    spans.iter().filter(|span| span.parent == of.id && span.trace == of.trace).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_a_span_of_the_trace_that_it_names_with_what_it_asked_below() {
    let collector = Collector::start().await;
    let app = traced(&collector, &[]).await;
    // The keys are there by then, so that it is not the request that has them fetched.
    app.is_ready().await;
    let mut headers = traceparent(&[&format!("00-{REMOTE_TRACE}-{REMOTE_SPAN}-01")]);
    headers.insert("tracestate", HeaderValue::from_static("vendor=hostile"));
    headers.insert("x-request-id", HeaderValue::from_static("request-7"));
    let ada = app.sign_in(Person::Ada);
    headers.insert("authorization", ada.authorization().parse().unwrap());
    let answer = app.request_with(Method::POST, "/auth/sync?x=unseen", headers, None).await;
    assert_eq!(answer.status, StatusCode::OK);

    let server = collector.span("POST /auth/sync").await;
    assert_eq!((server.kind, server.is_error), (SERVER, false), "{server:#?}");
    assert_eq!((server.trace.as_str(), server.parent.as_str()), (REMOTE_TRACE, REMOTE_SPAN));
    assert!(server.took.is_some(), "it ends after it begins");
    for (name, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/auth/sync"),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
        ("server.address", "127.0.0.1"),
        ("holdfast.request_id", "request-7"),
        ("holdfast.verdict", "accepted"),
    ] {
        assert_eq!(server.attribute(name), value, "{name}");
    }
    assert_eq!(server.attribute("error.type"), "");

    let asked = collector.span("GET /v1/users/{user_id}").await;
    assert_eq!((asked.kind, &asked.trace), (CLIENT, &server.trace));
    assert_eq!(asked.parent, server.id, "Clerk is asked on behalf of the request");
    assert_eq!(asked.attribute("http.response.status_code"), "200");
    assert_eq!(asked.attribute("url.template"), "/v1/users/{user_id}");
    let is_commit = |span: &Seen| span.name == "database commit" && span.kind == INTERNAL;
    let commits = |spans: &[Seen]| children(spans, &server).into_iter().any(is_commit);
    collector.until("a commit below the request", commits).await;
    // A statement that answers many is waited for by each.
    assert_eq!(ada.status().await["state"], "not_connected");
    let status = collector.span("GET /user/instagram/status").await;
    let reads = |spans: &[Seen]| children(spans, &status).iter().any(|span| span.name == "database read");
    collector.until("a read below the request", reads).await;
    // Spans that are nobody's child begin traces of their own.
    let keys = collector.span("GET {jwks_url}").await;
    assert!(keys.parent.is_empty() && keys.trace != server.trace, "{keys:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_exactly_a_traceparent_is_ignored() {
    let collector = Collector::start().await;
    let app = traced(&collector, &[]).await;
    let zeros = format!("00-{}-{REMOTE_SPAN}-01", "0".repeat(32));
    let good = format!("00-{REMOTE_TRACE}-{REMOTE_SPAN}-01");
    let hostile: Vec<Vec<String>> = vec![
        vec![String::new()],
        vec!["00".to_owned()],
        vec![zeros],
        vec![format!("00-{REMOTE_TRACE}-{}-01", "0".repeat(16))],
        vec![format!("ff-{REMOTE_TRACE}-{REMOTE_SPAN}-01")],
        vec![good.to_uppercase()],
        vec![format!("{good}-more")],
        vec![good.replace("-01", "-0+")],
        vec![format!("+0{}", &good[2..])],
        vec![good.replace('-', "_")],
        vec!["x".repeat(4000)],
        vec![good.clone(), good],
    ];
    for (at, values) in hostile.iter().enumerate() {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let mut headers = traceparent(&values);
        headers.insert("x-request-id", HeaderValue::from_str(&format!("hostile-{at}")).unwrap());
        let answer = app.request_with(Method::GET, "/healthz", headers, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{values:?}");
    }
    let is_hostile = |span: &&Seen| span.attribute("holdfast.request_id").starts_with("hostile-");
    let all = |spans: &[Seen]| spans.iter().filter(is_hostile).count() == hostile.len();
    let spans = collector.until("a span for each", all).await;
    let spans: Vec<&Seen> = spans.iter().filter(is_hostile).collect();
    assert!(spans.iter().all(|span| span.parent.is_empty() && span.trace != REMOTE_TRACE), "{spans:#?}");
    let traces: BTreeSet<_> = spans.iter().map(|span| &span.trace).collect();
    assert_eq!(traces.len(), hostile.len(), "each is a trace of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_is_told_by_its_code_and_an_invented_route_or_method_by_none() {
    let collector = Collector::start().await;
    let app = traced(&collector, &[]).await;
    assert_eq!(app.get("/user/profile").await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(app.get("/no/such/route-of-anybody").await.status, StatusCode::NOT_FOUND);
    let brew = Method::from_bytes(b"BREW").unwrap();
    app.request(brew, "/healthz", None, None).await;

    let refused = collector.span("GET /user/profile").await;
    assert_eq!(refused.attribute("holdfast.problem"), "session-token-missing");
    assert_eq!(refused.attribute("holdfast.verdict"), "refused");
    assert!(!refused.is_error, "the client's own mistake is none of the server's");
    let unmatched = collector.span("GET").await;
    assert_eq!(unmatched.attribute("http.response.status_code"), "404");
    assert!(!unmatched.attributes.contains_key("http.route"), "{unmatched:#?}");
    let invented = collector.span("HTTP /healthz").await;
    assert_eq!(invented.attribute("http.request.method"), "_OTHER");
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_what_the_specification_says() {
    let collector = Collector::start().await;
    let key = "Bearer a-key-of-the-collector-that-nobody-may-see";
    leaks::secret(key);
    let settings = [
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20a-key-of-the-collector-that-nobody-may-see,x-tenant=7",
        ),
        ("OTEL_SERVICE_NAME", "connections"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=st%2Caging,service.name=overruled"),
    ];
    let app = traced(&collector, &settings).await;
    app.get("/healthz").await;
    collector.span("GET /healthz").await;
    let export = &collector.exports()[0];
    assert_eq!(export.path, "/v1/traces");
    assert_eq!(export.headers["content-type"], "application/x-protobuf");
    assert_eq!(export.headers["authorization"], key);
    assert_eq!(export.headers["x-tenant"], "7");
    assert!(!export.headers.contains_key("traceparent"), "exports are no part of traces");
    let resource = resource(export);
    for (name, value) in [
        ("service.name", "connections"),
        ("deployment.environment.name", "st,aging"),
        ("telemetry.sdk.language", "rust"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(resource.get(name).map(String::as_str), Some(value), "{resource:#?}");
    }
    assert!(resource.contains_key("service.instance.id"));
    // Counted once the collector has answered.
    let counted = r#"holdfast_trace_spans_total{outcome="exported"}"#;
    until("it is counted", async || app.metrics.render().contains(counted)).await;
    // The log finds the trace.
    let span = collector.span("GET /healthz").await;
    let log = String::from_utf8(app.watch.log()).unwrap();
    assert!(log.contains(&format!("\"trace_id\":\"{}\"", span.trace)), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sampler_decides_and_whoever_began_the_trace_before_it() {
    let collector = Collector::start().await;
    let app = traced(&collector, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]).await;
    for (id, flags) in [("unsampled", Some("00")), ("nobodys", None), ("sampled", Some("01"))] {
        let value = flags.map(|flags| format!("00-{REMOTE_TRACE}-{REMOTE_SPAN}-{flags}"));
        let mut headers = traceparent(&value.iter().map(String::as_str).collect::<Vec<_>>());
        headers.insert("x-request-id", HeaderValue::from_static(id));
        app.request_with(Method::GET, "/healthz", headers, None).await;
    }
    // They are finished in order, so that the last one has not overtaken another.
    let spans = collector.until("the sampled one", |spans| !spans.is_empty()).await;
    let ids: Vec<_> = spans.iter().map(|span| span.attribute("holdfast.request_id")).collect();
    assert_eq!(ids, ["sampled"]);
}

/// Answers 204, and keeps the headers of what it was sent.
async fn listener() -> (String, Arc<Mutex<Vec<HeaderMap>>>) {
    let seen: Arc<Mutex<Vec<HeaderMap>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| {
        kept.lock().unwrap().push(request.headers().clone());
        std::future::ready(StatusCode::NO_CONTENT)
    });
    (format!("{}/events", serving(router).await), seen)
}

#[tokio::test(flavor = "multi_thread")]
async fn refreshes_and_deliveries_are_traces_and_only_the_app_is_told_of_them() {
    let collector = Collector::start().await;
    let (address, seen) = listener().await;
    let settings = [
        ("HOLDFAST_WEBHOOK_URL", address.as_str()),
        ("HOLDFAST_WEBHOOK_SECRET", crate::outbox::endpoint::SECRET),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "1"),
        ("HOLDFAST_REFRESH_AT", "0.0000001"),
    ];
    let app = traced(&collector, &settings).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;

    let refresh = collector.span("grant refresh").await;
    assert_eq!((refresh.kind, refresh.parent.as_str()), (INTERNAL, ""), "{refresh:#?}");
    let asked = collector.span("GET /refresh_access_token").await;
    assert_eq!((asked.kind, &asked.parent, &asked.trace), (CLIENT, &refresh.id, &refresh.trace));

    let told = collector.span("POST {webhook_url}").await;
    assert_eq!(told.kind, CLIENT);
    // Its parent ends after it.
    let is_delivery = |span: &Seen| span.name == "event delivery" && span.id == told.parent;
    collector.until("the delivery", |spans| spans.iter().any(is_delivery)).await;
    let expected = format!("00-{}-{}-01", told.trace, told.id);
    let sent = seen.lock().unwrap().clone();
    assert!(
        sent.iter().any(|headers| headers["traceparent"] == expected.as_str()),
        "{expected} in {sent:#?}"
    );

    // The dance is done in the request's trace, also what outlives the request.
    let redeemed = collector.span("POST /oauth/access_token").await;
    let complete = collector.span("POST /user/instagram/connect/{attempt_id}/complete").await;
    assert_eq!(redeemed.trace, complete.trace);
}
