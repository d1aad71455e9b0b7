//! Ids of traces and spans, from our own source of randomness.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::trace::IdGenerator;

use crate::entropy::{SharedEntropy, random};

/// Without randomness an id is the invalid one, and the span is not exported.
#[derive(Debug)]
pub(super) struct Ids(pub(super) SharedEntropy);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        random(&*self.0).map_or(TraceId::INVALID, TraceId::from_bytes)
    }

    fn new_span_id(&self) -> SpanId {
        random(&*self.0).map_or(SpanId::INVALID, SpanId::from_bytes)
    }
}
