//! The span of a request that is being answered, after the semantic conventions for HTTP
//! (<https://opentelemetry.io/docs/specs/semconv/http/http-spans/>). The route's template stands
//! for the address.

use http::{HeaderMap, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanBuilder, SpanKind};
use url::Url;

use super::{Going, Traces, parent};

/// What is said of every request.
#[derive(Debug, Clone)]
pub struct ServerSpans {
    traces: Traces,
    scheme: &'static str,
    address: String,
    port: i64,
}

impl ServerSpans {
    /// Spans of a server that is reached there. What a request says in its `Host` is not believed.
    pub fn of(traces: Traces, public_url: &Url) -> Self {
        Self {
            traces,
            scheme: if public_url.scheme() == "https" { "https" } else { "http" },
            address: public_url.host_str().unwrap_or_default().to_owned(),
            port: i64::from(public_url.port_or_known_default().unwrap_or_default()),
        }
    }

    /// No spans.
    pub fn off() -> Self {
        Self { traces: Traces::off(), scheme: "http", address: String::new(), port: 0 }
    }

    /// Begins the span of a request, in the trace that it names; `None` where traces are off.
    pub fn begin(
        &self,
        headers: &HeaderMap,
        method: &'static str,
        route: Option<&str>,
        request_id: &str,
    ) -> Option<Going> {
        if !self.traces.are_on() {
            return None;
        }
        // The names that the conventions have for a method that is none.
        let (method, verb) = if method == "other" { ("_OTHER", "HTTP") } else { (method, method) };
        let name = match route {
            Some(route) => format!("{verb} {route}"),
            None => verb.to_owned(),
        };
        let mut attributes = vec![
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.scheme", self.scheme),
            KeyValue::new("server.address", self.address.clone()),
            KeyValue::new("server.port", self.port),
            KeyValue::new("holdfast.request_id", request_id.to_owned()),
        ];
        attributes.extend(route.map(|route| KeyValue::new("http.route", route.to_owned())));
        let builder = SpanBuilder::from_name(name).with_kind(SpanKind::Server).with_attributes(attributes);
        Going::begin(&parent::below(&self.traces.context(), headers), builder)
    }
}

impl Going {
    /// What the request was answered with. An answer that tells the client of its own mistake is no
    /// error of the server's.
    pub fn answered(&self, status: StatusCode, problem: Option<&'static str>) {
        self.set("http.response.status_code", i64::from(status.as_u16()));
        if let Some(code) = problem {
            self.set("holdfast.problem", code);
        }
        if status.is_server_error() {
            match problem {
                Some(code) => self.failed(code),
                None => self.failed(status.as_u16().to_string()),
            }
        }
    }

    /// The trace, for the log: what finds the one from the other.
    pub fn trace_id(&self) -> String {
        self.span_context().trace_id().to_string()
    }
}
