//! Counts the calls to a provider, as they pass through its transport, and logs what kept it from
//! answering.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use crate::clock::{SharedClock, Throttle};
use crate::lock::Lock;
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

/// Pause between two log lines about the same failure at the same host.
const SAID_EVERY: Duration = Duration::from_mins(10);

/// A transport that counts, and logs why a call was not answered.
#[derive(Debug)]
pub struct Counted {
    inner: SharedTransport,
    counts: CallCounts,
    clock: SharedClock,
    said: Lock<BTreeMap<(String, String), Throttle>>,
}

impl Counted {
    /// Counts the calls to `inner` in `counts`.
    pub fn new(inner: SharedTransport, counts: CallCounts, clock: SharedClock) -> Self {
        Self { inner, counts, clock, said: Lock::default() }
    }

    fn is_news(&self, host: &str, error: TransportError) -> bool {
        let mut said = self.said.lock();
        said.entry((host.to_owned(), error.to_string())).or_default().admits(SAID_EVERY, self.clock.now())
    }
}

impl Transport for Counted {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let endpoint = request.route.unwrap_or("other");
        let host = request.url.host_str().unwrap_or_default().to_owned();
        let sent = self.inner.send(request);
        Box::pin(async move {
            let answer = sent.await;
            if let Err(error) = answer.as_ref().map_err(|error| *error)
                && !matches!(
                    error,
                    TransportError::Crowded | TransportError::Unsendable | TransportError::TooLarge
                )
                && self.is_news(&host, error)
            {
                tracing::warn!(host, %error, help = error.help(), "Instagram did not answer");
            }
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{ManualClock, from_millis};

    #[derive(Debug)]
    struct Nobody;

    impl Transport for Nobody {
        fn send(&self, _: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
            Box::pin(async { Err(TransportError::Connect) })
        }
    }

    #[test]
    fn each_kind_of_failure_of_each_host_is_told_now_and_then() {
        let clock = ManualClock::new(from_millis(0));
        let counted = Counted::new(Arc::new(Nobody), CallCounts::default(), Arc::new(clock.clone()));
        let news = || {
            [
                counted.is_news("graph.instagram.com", TransportError::Connect),
                counted.is_news("graph.instagram.com", TransportError::Connect),
                counted.is_news("graph.instagram.com", TransportError::Timeout),
                counted.is_news("api.instagram.com", TransportError::Connect),
            ]
        };
        assert_eq!(news(), [true, false, true, true]);
        assert_eq!(news(), [false; 4]);
        clock.advance(SAID_EVERY);
        assert_eq!(news(), [true, false, true, true]);
    }
}
