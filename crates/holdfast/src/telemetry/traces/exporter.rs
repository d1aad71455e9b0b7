//! Sends finished spans to the collector: OTLP over HTTP, as protobuf
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), through the seam that every outgoing
//! request goes through.
//!
//! A task of its own. Whatever the collector does, requests do not notice: spans wait in a bounded
//! queue, and are dropped and counted where they cannot be sent. One warning a minute says so.

use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use jiff::Timestamp;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SpanData;
use prometheus_client::registry::Registry;
use prost::Message as _;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::queue::{self, BATCH, Counts, Outcome, Queue, Waiting};
use crate::clock::{Backoff, SharedClock, Throttle};
use crate::metric::metrics;
use crate::settings::TraceSettings;
use crate::transport::{Answer, Outgoing, SharedTransport, TransportError};

const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// For what is left when the server stops.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);
/// A batch that the collector cannot take for the moment is sent so often in all.
const TRIES: u32 = 4;
/// The pauses between them; the longest also where the collector asks for a longer one.
const BACKOFF: Backoff =
    Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(30) };
/// One warning in this time, however much is dropped.
const WARN_EVERY: Duration = Duration::from_mins(1);
/// An answer says little.
const MAX_ANSWER: usize = 64 * 1024;

metrics! {
    /// What is counted of traces; there only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set.
    TABLE;
    SPANS = Counter "trace_spans",
        "Finished spans by outcome: exported, queue_full, export_failed",
        "Nothing to alert on at night: only traces are missing. If `export_failed` rises and `exported` does not, look \
         at the collector.",
        by [(
            "outcome",
            "`exported`, `queue_full` (more came than could be sent) or `export_failed` (the collector did not take it)",
        )];
}

/// Sends spans until it is told to stop.
pub struct Exporter {
    waiting: Waiting,
    batch: Vec<SpanData>,
    /// Spans of the batch that is being sent.
    under_way: u64,
    counts: Counts,
    resource: ResourceAttributesWithSchema,
    endpoint: Url,
    headers: HeaderMap,
    timeout: Duration,
    delay: Duration,
    clock: SharedClock,
    transport: SharedTransport,
    warnings: Throttle,
    /// What was dropped when it was last warned of.
    warned_of: u64,
}

/// Why a batch did not reach the collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the collector answered {0}")]
    Refused(StatusCode),
    #[error("a web page answered, not a collector")]
    Page,
}

impl ExportError {
    /// Whether the same may be taken later. The statuses are the specification's.
    fn is_passing(self) -> bool {
        match self {
            Self::Transport(error) => !matches!(error, TransportError::Unsendable | TransportError::TooLarge),
            Self::Refused(status) => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            Self::Page => false,
        }
    }
}

/// A batch that was not taken.
struct NotTaken {
    why: ExportError,
    retry_after: Option<Duration>,
}

/// An exporter, and the queue that it empties.
pub(super) fn new(
    settings: &TraceSettings,
    resource: &Resource,
    clock: SharedClock,
    transport: SharedTransport,
) -> (Queue, Exporter) {
    let counts = Counts::default();
    let (queue, waiting) = queue::new(counts.clone());
    let exporter = Exporter {
        waiting,
        batch: Vec::with_capacity(BATCH),
        under_way: 0,
        counts,
        resource: ResourceAttributesWithSchema::from(resource),
        endpoint: settings.endpoint.clone(),
        headers: settings.headers.clone(),
        timeout: settings.timeout,
        delay: settings.delay,
        clock,
        transport,
        warnings: Throttle::default(),
        warned_of: 0,
    };
    (queue, exporter)
}

impl Exporter {
    /// Makes its counters known.
    pub fn register(&self, registry: &mut Registry) {
        SPANS.register(registry, self.counts.0.clone());
    }

    /// Sends until told to stop; then what is left, within a bound.
    pub async fn run(mut self, stop: CancellationToken) {
        let clock = self.clock.clone();
        let deadline = async {
            stop.cancelled().await;
            clock.sleep(FLUSH_WITHIN).await;
        };
        tokio::select! {
            () = self.export(&stop) => {}
            () = deadline => {
                let left = self.batch.len() + self.waiting.spans.len();
                let left = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(self.under_way);
                self.counts.add(Outcome::ExportFailed, left);
                tracing::warn!(left, "the collector did not accept the last traces in time; they are dropped");
            }
        }
    }

    async fn export(&mut self, stop: &CancellationToken) {
        loop {
            if !stop.is_cancelled() {
                tokio::select! {
                    () = self.clock.sleep(self.delay) => {}
                    () = self.waiting.full_batch.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
            // Seen before the queue: what is put in after this is none of the server's, which has
            // finished.
            let is_last = stop.is_cancelled();
            while self.take() {
                self.deliver(stop).await;
            }
            if is_last {
                return;
            }
        }
    }

    /// Takes up to a batch from the queue; whether there was anything.
    fn take(&mut self) -> bool {
        while self.batch.len() < BATCH
            && let Ok(span) = self.waiting.spans.try_recv()
        {
            self.batch.push(span);
        }
        !self.batch.is_empty()
    }

    /// Sends the batch, again where that may help. Of a server that stops each batch is sent once.
    async fn deliver(&mut self, stop: &CancellationToken) {
        let spans = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        self.under_way = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let body = self.encoded(spans);
        let mut tries = 1;
        let failure = loop {
            match self.send(body.clone()).await {
                Ok(rejected) => {
                    let rejected = rejected.min(self.under_way);
                    self.counts.add(Outcome::Exported, self.under_way - rejected);
                    self.counts.add(Outcome::ExportFailed, rejected);
                    break None;
                }
                Err(failure) if tries == TRIES || !failure.why.is_passing() || stop.is_cancelled() => {
                    self.counts.add(Outcome::ExportFailed, self.under_way);
                    break Some(failure.why);
                }
                Err(failure) => {
                    let pause = failure.retry_after.unwrap_or(BACKOFF.pause(tries - 1)).min(BACKOFF.longest);
                    tries += 1;
                    stop.run_until_cancelled(self.clock.sleep(pause)).await;
                }
            }
        };
        self.under_way = 0;
        self.warn_of_what_was_dropped(failure);
    }

    fn encoded(&self, spans: Vec<SpanData>) -> Bytes {
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        ExportTraceServiceRequest { resource_spans }.encode_to_vec().into()
    }

    /// How many spans of the batch the collector did not want.
    async fn send(&self, body: Bytes) -> Result<u64, NotTaken> {
        let mut request = Outgoing::new(Method::POST, self.endpoint.clone());
        request.headers = self.headers.clone();
        request.headers.insert(CONTENT_TYPE, PROTOBUF);
        request.timeout = self.timeout;
        request.max_answer = MAX_ANSWER;
        request.body = body;
        match self.transport.send(request).await {
            Ok(answer) => read(&answer, self.clock.now()),
            Err(error) => Err(NotTaken { why: error.into(), retry_after: None }),
        }
    }

    fn warn_of_what_was_dropped(&mut self, failure: Option<ExportError>) {
        let dropped = self.counts.get(Outcome::QueueFull) + self.counts.get(Outcome::ExportFailed);
        if dropped == self.warned_of || !self.warnings.admits(WARN_EVERY, self.clock.now()) {
            return;
        }
        let dropped = dropped - std::mem::replace(&mut self.warned_of, dropped);
        if let Some(error) = failure {
            tracing::warn!(%error, dropped, "traces cannot be sent to the collector and are dropped");
        } else {
            tracing::warn!(dropped, "the collector does not accept all traces; the rest are dropped");
        }
    }
}

fn read(answer: &Answer, now: Timestamp) -> Result<u64, NotTaken> {
    let kind = answer.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    if !answer.status.is_success() {
        let why = ExportError::Refused(answer.status);
        return Err(NotTaken { why, retry_after: answer.retry_after(now) });
    }
    if kind.starts_with(b"text/html") {
        return Err(NotTaken { why: ExportError::Page, retry_after: None });
    }
    // Many answer with nothing, or with JSON, which says no more than that all was taken.
    if !kind.starts_with(PROTOBUF.as_bytes()) {
        return Ok(0);
    }
    let response = ExportTraceServiceResponse::decode(answer.body.clone()).ok();
    let partial = response.and_then(|response| response.partial_success);
    Ok(partial.map_or(0, |partial| u64::try_from(partial.rejected_spans).unwrap_or(0)))
}
