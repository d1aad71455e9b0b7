//! The collector: takes exports, or fails as it is told, and keeps every byte.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use prost::Message as _;
use url::Url;

use crate::testing::waiting::until_seen;

/// What it does with an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    /// Says that it did not want so many of the spans.
    Rejects(i64),
    Answers(StatusCode),
    /// Answers the first export so, and takes the next ones.
    FirstAnswers(StatusCode),
    /// Is no collector, but a web page.
    Page,
    /// Does not answer.
    Hangs,
}

/// An export, as it came.
#[derive(Debug, Clone)]
pub struct Export {
    pub path: String,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A span, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub name: String,
    /// As the protocol numbers them: 1 internal, 2 server, 3 client.
    pub kind: i32,
    pub trace: String,
    pub id: String,
    pub parent: String,
    pub attributes: BTreeMap<String, String>,
    pub is_error: bool,
    pub took: Option<u64>,
}

impl Seen {
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }
}

#[derive(Clone)]
pub struct Collector {
    pub url: Url,
    mood: Arc<Mutex<Mood>>,
    exports: Arc<Mutex<Vec<Export>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let collector = Self { url, mood: Arc::new(Mutex::new(Mood::Takes)), exports: Arc::default() };
        let router = axum::Router::new().fallback(receive).with_state(collector.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        collector
    }

    pub fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What it does with the export that has just come.
    fn next_mood(&self) -> Mood {
        let mut mood = self.mood.lock().unwrap();
        let now = *mood;
        if let Mood::FirstAnswers(_) = now {
            *mood = Mood::Takes;
        }
        now
    }

    /// Everything that came, in order, taken or not.
    pub fn exports(&self) -> Vec<Export> {
        self.exports.lock().unwrap().clone()
    }

    pub fn spans(&self) -> Vec<Seen> {
        self.exports().iter().flat_map(|export| read(&export.body)).collect()
    }

    /// Waits until such spans have come, and gives all that have.
    pub async fn until(&self, what: &str, holds: impl Fn(&[Seen]) -> bool) -> Vec<Seen> {
        until_seen(what, async || self.spans(), |spans| holds(spans)).await
    }

    /// Waits for a span of that name.
    pub async fn span(&self, name: &str) -> Seen {
        let spans = self.until(name, |spans| spans.iter().any(|span| span.name == name)).await;
        spans.into_iter().find(|span| span.name == name).unwrap()
    }
}

async fn receive(
    State(collector): State<Collector>,
    uri: http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mood = collector.next_mood();
    // A test that sees this export may change the mood: that concerns the next one.
    let export = Export { path: uri.path().to_owned(), headers, body };
    collector.exports.lock().unwrap().push(export);
    let taken = |rejected_spans| {
        let partial_success =
            Some(ExportTracePartialSuccess { rejected_spans, error_message: String::new() });
        let body = ExportTraceServiceResponse { partial_success }.encode_to_vec();
        ([("content-type", "application/x-protobuf")], body).into_response()
    };
    match mood {
        Mood::Takes => taken(0),
        Mood::Rejects(spans) => taken(spans),
        Mood::Answers(status) | Mood::FirstAnswers(status) => status.into_response(),
        Mood::Page => Html("<!doctype html><title>Welcome</title>").into_response(),
        Mood::Hangs => std::future::pending().await,
    }
}

/// Attributes of the resource of an export.
pub fn resource(export: &Export) -> BTreeMap<String, String> {
    let request = ExportTraceServiceRequest::decode(export.body.clone()).unwrap();
    attributes(&request.resource_spans[0].resource.as_ref().unwrap().attributes)
}

fn read(body: &Bytes) -> Vec<Seen> {
    let request = ExportTraceServiceRequest::decode(body.clone()).unwrap();
    let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
    let spans = scopes.flat_map(|scope| scope.spans);
    let spans = spans.map(|span| Seen {
        name: span.name,
        kind: span.kind,
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        attributes: attributes(&span.attributes),
        is_error: span.status.is_some_and(|status| status.code == 2),
        took: span.end_time_unix_nano.checked_sub(span.start_time_unix_nano),
    });
    spans.collect()
}

fn attributes(pairs: &[KeyValue]) -> BTreeMap<String, String> {
    pairs.iter().map(|pair| (pair.key.clone(), text(pair.value.as_ref()))).collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::IntValue(number)) => number.to_string(),
        other => panic!("{other:?} is neither text nor a number"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
