use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::queue::{BATCH, CAPACITY};
use super::*;
use crate::clock::{ManualClock, from_millis};
use crate::entropy::SeededEntropy;
use crate::settings::{Environment, LogFormat, Purpose, load};
use crate::telemetry::tests::Captured;
use crate::transport::{Answer, Outgoing, Transport, TransportError};

/// The network: answers with what it is told, and keeps what was sent.
#[derive(Debug, Clone)]
struct Script {
    /// A status, and for how long it asks to be left alone.
    answer: Arc<Mutex<(u16, Option<&'static str>)>>,
    sent: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

impl Script {
    fn new() -> Self {
        Self { answer: Arc::new(Mutex::new((200, None))), sent: Arc::default() }
    }

    fn answers(&self, status: u16, retry_after: Option<&'static str>) {
        *self.answer.lock().unwrap() = (status, retry_after);
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.sent.lock().unwrap();
        let exports = sent.iter().map(|(_, body)| ExportTraceServiceRequest::decode(body.clone()).unwrap());
        let scopes = exports.flat_map(|export| export.resource_spans).flat_map(|each| each.scope_spans);
        scopes.flat_map(|scope| scope.spans).collect()
    }

    fn requests(&self) -> usize {
        self.sent.lock().unwrap().len()
    }
}

impl Transport for Script {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        self.sent.lock().unwrap().push((request.headers, request.body));
        let (status, retry_after) = *self.answer.lock().unwrap();
        let value = retry_after.map(HeaderValue::from_static);
        let headers = value.map(|value| (http::header::RETRY_AFTER, value)).into_iter().collect();
        let status = StatusCode::from_u16(status).unwrap();
        Box::pin(std::future::ready(Ok(Answer { status, headers, body: Bytes::new() })))
    }
}

struct Stage {
    clock: ManualClock,
    network: Script,
    traces: Traces,
    exporter: Exporter,
}

fn stage() -> Stage {
    let clock = ManualClock::new(from_millis(1_790_000_000_000));
    let network = Script::new();
    let environment = Environment::of([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector.example.com:4318")]);
    let settings = load(&environment, None, Purpose::Tools).unwrap().traces.unwrap();
    let entropy = Arc::new(SeededEntropy::new(7));
    let (traces, exporter) =
        Traces::on(&settings, Arc::new(clock.clone()), entropy, Arc::new(network.clone())).unwrap();
    Stage { clock, network, traces, exporter }
}

/// Makes spans.
async fn work(traces: &Traces, spans: usize) {
    let many = async {
        for _ in 0..spans {
            in_span("work", std::future::ready(())).await;
        }
    };
    many.with_context(traces.context()).await;
}

async fn flush(exporter: Exporter) {
    let stopped = CancellationToken::new();
    stopped.cancel();
    exporter.run(stopped).await;
}

/// What the exporter counts, by outcome.
fn counted(exporter: &Exporter) -> impl Fn() -> BTreeMap<String, u64> + use<> {
    let mut registry = prometheus_client::registry::Registry::default();
    exporter.register(&mut registry);
    move || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("trace_spans_total{outcome=\""));
        lines
            .filter_map(|line| line.split_once("\"} "))
            .map(|(name, n)| (name.to_owned(), n.parse().unwrap()))
            .collect()
    }
}

async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn what_does_not_fit_is_dropped_and_counted_and_nobody_waits() {
    let Stage { network, traces, exporter, .. } = stage();
    let counted = counted(&exporter);
    work(&traces, CAPACITY + 5).await;
    assert_eq!(counted(), BTreeMap::from([("queue_full".to_owned(), 5)]));
    flush(exporter).await;
    assert_eq!((network.requests(), network.spans().len()), (CAPACITY / BATCH, CAPACITY));
    assert_eq!(counted()["exported"], CAPACITY as u64);
}

#[tokio::test]
async fn a_full_batch_is_sent_before_its_time() {
    let Stage { network, traces, exporter, .. } = stage();
    let stop = CancellationToken::new();
    let running = tokio::spawn(exporter.run(stop.clone()));
    work(&traces, BATCH - 1).await;
    settle().await;
    assert_eq!(network.requests(), 0, "the clock stands still");
    work(&traces, 1).await;
    settle().await;
    assert_eq!((network.requests(), network.spans().len()), (1, BATCH));
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn a_span_has_its_time_from_the_clock_and_its_ids_from_the_entropy() {
    let run = async || {
        let Stage { clock, network, traces, exporter } = stage();
        let whole = async {
            in_span("outer", async {
                clock.set(from_millis(1_790_000_000_003));
                in_span("inner", async { clock.advance(Duration::from_millis(4)) }).await;
                clock.set(from_millis(1_790_000_000_000 - 3_600_000));
            })
            .await;
        };
        whole.with_context(traces.context()).await;
        flush(exporter).await;
        network.spans()
    };
    let spans = run().await;
    let [inner, outer] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((inner.name.as_str(), outer.name.as_str()), ("inner", "outer"));
    assert_eq!((&inner.parent_span_id, &inner.trace_id), (&outer.span_id, &outer.trace_id));
    let begins = 1_790_000_000_000_000_000;
    assert_eq!(
        (inner.start_time_unix_nano, inner.end_time_unix_nano),
        (begins + 3_000_000, begins + 7_000_000)
    );
    assert_eq!((outer.start_time_unix_nano, outer.end_time_unix_nano), (begins, begins));
    assert_eq!(run().await, spans, "the same seed and clock");
}

#[tokio::test]
async fn what_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let Stage { clock, network, traces, exporter } = stage();
    let counted = counted(&exporter);
    network.answers(429, Some("20"));
    let stop = CancellationToken::new();
    let running = tokio::spawn(exporter.run(stop.clone()));
    work(&traces, BATCH).await;
    settle().await;
    assert_eq!(network.requests(), 1);
    clock.advance(Duration::from_secs(19));
    settle().await;
    assert_eq!(network.requests(), 1, "it asked for 20 s");
    network.answers(200, None);
    clock.advance(Duration::from_secs(1));
    settle().await;
    assert_eq!(network.requests(), 2);
    assert_eq!(counted()["exported"], BATCH as u64);
    // What will not be taken later either is not sent again.
    network.answers(400, None);
    work(&traces, BATCH).await;
    settle().await;
    clock.advance(Duration::from_mins(10));
    settle().await;
    assert_eq!(network.requests(), 3);
    assert_eq!(counted()["export_failed"], BATCH as u64);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn one_warning_a_minute_says_how_much_was_dropped() {
    let captured = Captured::default();
    let subscriber = crate::telemetry::subscriber("info", LogFormat::Text, false, captured.clone()).unwrap();
    let _log = tracing::subscriber::set_default(subscriber);
    let Stage { clock, network, traces, exporter } = stage();
    network.answers(500, None);
    let stop = CancellationToken::new();
    let running = tokio::spawn(exporter.run(stop.clone()));
    for _ in 0..3 {
        work(&traces, BATCH).await;
        settle().await;
    }
    let warnings = || String::from_utf8(captured.0.lock().unwrap().clone()).unwrap();
    assert_eq!(warnings().lines().count(), 1, "{}", warnings());
    assert!(warnings().contains("answered 500") && warnings().contains("dropped=512"), "{}", warnings());
    clock.advance(Duration::from_mins(1));
    work(&traces, BATCH).await;
    settle().await;
    assert_eq!(warnings().lines().count(), 2, "{}", warnings());
    assert!(warnings().contains("dropped=1536"), "{}", warnings());
    assert_eq!(network.requests(), 4);
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn whoever_is_called_learns_of_the_trace_only_where_that_is_wanted() {
    let Stage { network, traces, exporter, .. } = stage();
    let provider = Script::new();
    provider.answers(404, None);
    let transport = Traced::new(Arc::new(provider.clone()));
    let address = || "https://graph.example.com/v25.0/me?access_token=of-somebody".parse().unwrap();
    let calls = async {
        transport.send(Outgoing::new(Method::GET, address()).named("/{version}/me")).await.unwrap();
        let mut ours = Outgoing::new(Method::POST, address());
        ours.continues_trace = true;
        transport.send(ours).await.unwrap();
    };
    calls.with_context(traces.context()).await;
    let sent: Vec<_> = provider.sent.lock().unwrap().iter().map(|(headers, _)| headers.clone()).collect();
    assert!(sent[0].is_empty(), "{sent:?}");
    assert_eq!(sent[1]["traceparent"].len(), 55);
    flush(exporter).await;
    let spans = network.spans();
    let names: Vec<_> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["GET /{version}/me", "POST"]);
    assert_eq!(
        spans[0].status.as_ref().map(|status| status.code),
        Some(2),
        "the caller of a 404 has an error"
    );
    let whole = format!("{spans:?}");
    assert!(whole.contains("graph.example.com"), "{whole}");
    assert!(!whole.contains("of-somebody") && !whole.contains("v25.0"), "{whole}");
}

#[tokio::test]
async fn where_traces_are_off_nothing_is_made() {
    let traces = Traces::off();
    let work = async { in_span("work", async { begin(SpanBuilder::from_name("inner")).is_none() }).await };
    assert!(work.with_context(traces.context()).await);
    assert!(begin(SpanBuilder::from_name("outside")).is_none());
}
