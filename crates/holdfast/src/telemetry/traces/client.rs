//! A span for each request to somebody else's server.
//!
//! The collector never sees its address: grants, codes and ids stand in paths and queries. A span
//! has the host, the method and the route's name. The called server learns nothing of the trace
//! unless the request asks for that.

use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind};

use super::{Going, WithContext as _, begin, parent};
use crate::transport::{Answer, Outgoing, SharedTransport, Transport, TransportError};

/// A transport whose requests are spans.
#[derive(Debug)]
pub struct Traced(SharedTransport);

impl Traced {
    /// Makes spans of what `transport` sends.
    pub fn new(transport: SharedTransport) -> Self {
        Self(transport)
    }
}

impl Transport for Traced {
    fn send(&self, mut request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        let Some(going) = begin(builder(&request)) else { return self.0.send(request) };
        if request.continues_trace
            && let Some((name, value)) = parent::header(&going.span_context())
        {
            request.headers.insert(name, value);
        }
        Box::pin(async move {
            let outcome = self.0.send(request).with_context(going.context()).await;
            tell(&going, &outcome);
            outcome
        })
    }
}

fn builder(request: &Outgoing) -> SpanBuilder {
    let method = request.method.as_str().to_owned();
    let name = match request.route {
        Some(route) => format!("{method} {route}"),
        None => method.clone(),
    };
    let mut attributes = vec![
        KeyValue::new("http.request.method", method),
        KeyValue::new("url.scheme", request.url.scheme().to_owned()),
    ];
    attributes.extend(request.route.map(|route| KeyValue::new("url.template", route)));
    attributes.extend(request.url.host_str().map(|host| KeyValue::new("server.address", host.to_owned())));
    let port = request.url.port_or_known_default();
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    SpanBuilder::from_name(name).with_kind(SpanKind::Client).with_attributes(attributes)
}

fn tell(going: &Going, outcome: &Result<Answer, TransportError>) {
    match outcome {
        Ok(answer) => {
            let status = answer.status;
            going.set("http.response.status_code", i64::from(status.as_u16()));
            if status.is_client_error() || status.is_server_error() {
                going.failed(status.as_u16().to_string());
            }
        }
        Err(error) => going.failed(match error {
            TransportError::Crowded => "crowded",
            TransportError::Connect => "connect",
            TransportError::Certificate(_) => "certificate",
            TransportError::Timeout => "timeout",
            TransportError::Broken => "broken",
            TransportError::TooLarge => "too_large",
            TransportError::NoRoots => "no_roots",
            TransportError::Unsendable => "unsendable",
        }),
    }
}
