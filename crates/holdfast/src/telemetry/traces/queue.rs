//! Where finished spans wait for the exporter: bounded, and never waited for. What does not fit is
//! dropped and counted.

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::metric::Labels;
use crate::names::names;

/// Spans that wait, and spans that are sent at once: the defaults of the specification.
pub(super) const CAPACITY: usize = 2048;
pub(super) const BATCH: usize = 512;

/// What became of spans.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts(pub(super) Family<Labels<1>, Counter>);

names! {
    /// What may become of a span.
    pub(super) enum Outcome {
        /// The collector took it.
        Exported = "exported",
        /// There was no room for it.
        QueueFull = "queue_full",
        /// The collector did not take it, or could not be asked.
        ExportFailed = "export_failed",
    }
}

impl Counts {
    pub(super) fn add(&self, outcome: Outcome, spans: u64) {
        self.of(outcome).inc_by(spans);
    }

    pub(super) fn get(&self, outcome: Outcome) -> u64 {
        self.of(outcome).get()
    }

    fn of(&self, outcome: Outcome) -> Counter {
        self.0.get_or_create_owned(&[("outcome", outcome.as_str())])
    }
}

/// The end that spans are put in at.
#[derive(Debug)]
pub(super) struct Queue {
    spans: Sender<SpanData>,
    full_batch: Arc<Notify>,
    counts: Counts,
}

/// The end that they are taken out at.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) spans: Receiver<SpanData>,
    /// Told when there is a batch. Not of every span: an exporter that is woken by each would cost
    /// each request something.
    pub(super) full_batch: Arc<Notify>,
}

/// A queue.
pub(super) fn new(counts: Counts) -> (Queue, Waiting) {
    let (sender, receiver) = channel(CAPACITY);
    let full_batch = Arc::new(Notify::new());
    let queue = Queue { spans: sender, full_batch: Arc::clone(&full_batch), counts };
    (queue, Waiting { spans: receiver, full_batch })
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if !span.span_context.is_sampled() || !span.span_context.is_valid() {
            return;
        }
        if self.spans.try_send(span).is_err() {
            self.counts.add(Outcome::QueueFull, 1);
        }
        if self.spans.max_capacity() - self.spans.capacity() >= BATCH {
            self.full_batch.notify_one();
        }
    }

    /// The exporter is told by the server when to finish, in its own task; there is nothing to do
    /// on this thread.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
