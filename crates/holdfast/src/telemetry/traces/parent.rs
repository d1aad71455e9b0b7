//! The trace that a request says it is part of: `traceparent` of W3C Trace Context
//! (<https://www.w3.org/TR/trace-context/>).
//!
//! Anybody may send anything: what is not exactly of the form is ignored, as the recommendation
//! asks. `tracestate` is dropped, because it is the caller's free text and would be exported with
//! every span.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::SpanContext;
use opentelemetry_sdk::propagation::TraceContextPropagator;

const TRACEPARENT: &str = "traceparent";
/// `00-` and 32 digits, `-` and 16, `-` and 2.
const LENGTH: usize = 55;

/// `context` below the span that the request names; `context` itself where it names none.
pub(super) fn below(context: &Context, headers: &HeaderMap) -> Context {
    let mut sent = headers.get_all(TRACEPARENT).iter();
    match (sent.next().and_then(|value| value.to_str().ok()), sent.next()) {
        (Some(value), None) if is_well_formed(value) => {
            let read = HashMap::from([(TRACEPARENT.to_owned(), value.to_owned())]);
            TraceContextPropagator::new().extract_with_context(context, &read)
        }
        _ => context.clone(),
    }
}

/// The header for calls made within `span`; `None` for a span without ids.
pub(super) fn header(span: &SpanContext) -> Option<(HeaderName, HeaderValue)> {
    let flags = u8::from(span.is_sampled());
    let text = format!("00-{}-{}-{flags:02x}", span.trace_id(), span.span_id());
    span.is_valid()
        .then(|| HeaderValue::from_str(&text).ok())
        .flatten()
        .map(|value| (HeaderName::from_static(TRACEPARENT), value))
}

/// The SDK's own reader is laxer about signs and lengths of the parts.
fn is_well_formed(value: &str) -> bool {
    let of_version_0 = value.len() == LENGTH;
    let of_a_later_one =
        value.len() > LENGTH && !value.starts_with("00") && value.as_bytes().get(LENGTH) == Some(&b'-');
    (of_version_0 || of_a_later_one)
        && value.bytes().take(LENGTH).enumerate().all(|(at, byte)| match at {
            2 | 35 | 52 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}
