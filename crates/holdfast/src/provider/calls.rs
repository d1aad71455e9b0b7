//! Counts the calls to a provider, as they pass through its transport.

use futures_util::future::BoxFuture;
use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::metric::{Labels, metrics};
use crate::transport::{Answer, Outgoing, SharedTransport, Transport, TransportError};

metrics! {
    /// The metrics of calls.
    TABLE;
    CALLS = Counter "provider_calls",
        "Calls to Instagram by endpoint and outcome",
        "Alert where `failed`, `no_connection` and `timeout` are more than half of all for 10 minutes (`HoldfastInstagramDown`).",
        by [
            ("endpoint", "the template of what was asked, such as `/refresh_access_token`"),
            (
                "outcome",
                "`ok`, `refused` (4xx: of one connection, or of the app), `rate_limited` (429), `failed` (5xx), `no_connection`, `timeout`, `broken` or `crowded` (not sent: too many of ours are under way)",
            ),
        ];
}

/// The counters; clones count together.
#[derive(Debug, Clone, Default)]
pub struct CallCounts(Family<Labels<2>, Counter>);

impl CallCounts {
    /// Registers the counters.
    pub fn register(&self, registry: &mut Registry) {
        CALLS.register(registry, self.0.clone());
    }
}

/// A transport that counts.
#[derive(Debug)]
pub struct Counted {
    inner: SharedTransport,
    counts: CallCounts,
}

impl Counted {
    /// Counts the calls to `inner` in `counts`.
    pub fn new(inner: SharedTransport, counts: CallCounts) -> Self {
        Self { inner, counts }
    }
}

impl Transport for Counted {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let endpoint = request.route.unwrap_or("other");
        let sent = self.inner.send(request);
        Box::pin(async move {
            let answer = sent.await;
            let labels = [("endpoint", endpoint), ("outcome", outcome(&answer))];
            self.counts.0.get_or_create(&labels).inc();
            answer
        })
    }
}

fn outcome(answer: &Result<Answer, TransportError>) -> &'static str {
    match answer {
        Ok(answer) if answer.status == StatusCode::TOO_MANY_REQUESTS => "rate_limited",
        Ok(answer) if answer.status.is_server_error() => "failed",
        Ok(answer) if answer.status.is_client_error() => "refused",
        Ok(_) => "ok",
        Err(TransportError::Crowded) => "crowded",
        Err(TransportError::Connect | TransportError::Certificate(_) | TransportError::NoRoots) => {
            "no_connection"
        }
        Err(TransportError::Timeout) => "timeout",
        Err(TransportError::Broken | TransportError::TooLarge | TransportError::Unsendable) => "broken",
    }
}
