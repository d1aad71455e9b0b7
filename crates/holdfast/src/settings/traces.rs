//! The settings of the traces, by the names of the OpenTelemetry specification
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). They are read only where traces
//! are on: a platform may put them into every container's environment.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Url, form_urlencoded};

use super::entry::{Entry, Fallback, Setting, Wrong, either, settings};
use super::parse;

/// Where traces go and what becomes one.
#[derive(Debug, Clone)]
pub struct TraceSettings {
    /// Where they are posted, with the path.
    pub endpoint: Url,
    /// Sent with each export; secret, and marked so that they do not print.
    pub headers: HeaderMap,
    /// For one export.
    pub timeout: Duration,
    /// How long spans are gathered before they are sent.
    pub delay: Duration,
    /// Which traces are recorded.
    pub sampler: Sampler,
    /// `service.name`.
    pub service_name: String,
    /// Further attributes of the resource.
    pub resource: Vec<(String, String)>,
}

/// Which traces are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampler {
    /// Whether the sampling decision of the trace's beginner is followed.
    pub parent_based: bool,
    /// Share of traces that are recorded, from 0 to 1: of those begun here, or of all where it is
    /// not parent-based.
    pub share: f64,
}

/// A sampler by its name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NamedSampler {
    /// Whether the caller's sampling decision holds.
    pub parent_based: bool,
    /// What is sampled of the rest; `None` for the share given as the argument.
    pub share: Option<f64>,
}

settings! {
    /// Of the traces.
    ALL;
    OTLP_ENDPOINT: Url {
        env: "OTEL_EXPORTER_OTLP_ENDPOINT",
        default: Fallback::Absent("off"),
        form: "http://host:4318",
        doc: "The collector that receives traces, as OTLP over HTTP (protobuf). `/v1/traces` is added to the path.",
        read: parse::base_url,
    }
    OTLP_TRACES_ENDPOINT: Url {
        env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        default: Fallback::Derived("`OTEL_EXPORTER_OTLP_ENDPOINT` + `/v1/traces`"),
        form: "http://host:4318/v1/traces",
        doc: "The collector's address for traces only; it is used as it is, and nothing is added.",
        read: parse::base_url,
    }
    OTLP_HEADERS: HeaderMap {
        env: "OTEL_EXPORTER_OTLP_HEADERS",
        default: Fallback::Absent("none"),
        form: "name=value, comma-separated",
        doc: "Headers of each export, for collectors that need a key. Values are percent-encoded.",
        secret: true,
        read: headers,
    }
    OTLP_TRACES_HEADERS: HeaderMap {
        env: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
        default: Fallback::Derived("`OTEL_EXPORTER_OTLP_HEADERS`"),
        form: "name=value, comma-separated",
        doc: "Headers for traces only; they replace `OTEL_EXPORTER_OTLP_HEADERS`.",
        secret: true,
        read: headers,
    }
    OTLP_PROTOCOL: () {
        env: "OTEL_EXPORTER_OTLP_PROTOCOL",
        default: Fallback::Text("http/protobuf"),
        form: "http/protobuf",
        doc: "The protocol of the export; only this one is supported. Collectors accept it at port 4318; 4317 is for gRPC.",
        read: protocol,
    }
    OTLP_TRACES_PROTOCOL: () {
        env: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        default: Fallback::Derived("`OTEL_EXPORTER_OTLP_PROTOCOL`"),
        form: "http/protobuf",
        doc: "The protocol for traces only.",
        read: protocol,
    }
    OTLP_TIMEOUT: Duration {
        env: "OTEL_EXPORTER_OTLP_TIMEOUT",
        default: Fallback::Text("10000"),
        form: "milliseconds, at most 60000",
        doc: "The time that the collector has to answer.",
        read: milliseconds,
    }
    BSP_SCHEDULE_DELAY: Duration {
        env: "OTEL_BSP_SCHEDULE_DELAY",
        default: Fallback::Text("5000"),
        form: "milliseconds, at most 60000",
        doc: "How long spans are collected before they are sent. 512 spans are sent at once without waiting.",
        read: milliseconds,
    }
    SERVICE_NAME: String {
        env: "OTEL_SERVICE_NAME",
        default: Fallback::Derived("`service.name` of `OTEL_RESOURCE_ATTRIBUTES`, else `holdfast`"),
        form: "a name",
        doc: "The name of this service in traces.",
        read: |text| Ok(text.to_owned()),
    }
    RESOURCE_ATTRIBUTES: Vec<(String, String)> {
        env: "OTEL_RESOURCE_ATTRIBUTES",
        default: Fallback::Absent("none"),
        form: "name=value, comma-separated",
        doc: "Further attributes of this process in traces, such as `deployment.environment.name=staging`. Values are \
              percent-encoded.",
        read: pairs,
    }
    TRACES_SAMPLER: NamedSampler {
        env: "OTEL_TRACES_SAMPLER",
        default: Fallback::Text("parentbased_always_on"),
        form: "always_on, always_off, traceidratio, or one of them after parentbased_",
        doc: "Which traces are recorded. With `parentbased_`, the caller's decision holds for a trace that a caller started; \
              the rest of the name is for traces that start here.",
        read: sampler,
    }
    TRACES_SAMPLER_ARG: f64 {
        env: "OTEL_TRACES_SAMPLER_ARG",
        default: Fallback::Text("1"),
        form: "a number from 0 to 1",
        doc: "The share of traces that `traceidratio` records.",
        read: share,
    }
    TRACES_EXPORTER: bool {
        env: "OTEL_TRACES_EXPORTER",
        default: Fallback::Text("otlp"),
        form: "otlp or none",
        doc: "`none` turns traces off even if an endpoint is set.",
        read: exporter,
    }
    SDK_DISABLED: bool {
        env: "OTEL_SDK_DISABLED",
        default: Fallback::Text("false"),
        form: "true or false",
        doc: "`true` turns traces off even if an endpoint is set.",
        read: |text| parse::switch(&text.to_ascii_lowercase()),
    }
}

type Read<T> = Result<T, Wrong>;

/// `name=value` pairs between commas, with percent-encoded values (W3C Baggage, as the
/// specification has it).
fn pairs(text: &str) -> Read<Vec<(String, String)>> {
    let pair = |word: &str| {
        let (name, value) = word.split_once('=')?;
        let name = name.trim();
        (!name.is_empty()).then(|| (name.to_owned(), percent_decoded(value.trim())))
    };
    text.split(',')
        .filter(|word| !word.trim().is_empty())
        .map(|word| {
            pair(word).ok_or_else(|| Wrong::new("is not a list of pairs", "write name=value,name=value"))
        })
        .collect()
}

/// A form's decoder reads `+` as a blank, which it is not here.
fn percent_decoded(value: &str) -> String {
    let form = format!("={}", value.replace('+', "%2B").replace('&', "%26"));
    form_urlencoded::parse(form.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn headers(text: &str) -> Read<HeaderMap> {
    let wrong = || {
        Wrong::new(
            "has a part that is not a header",
            "write name=value,name=value, with values percent-encoded",
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs(text)? {
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(&value).map_err(|_| wrong())?;
        if [CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING].contains(&name) {
            return Err(Wrong::new("names a header that the exporter sets itself", "leave that header out"));
        }
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn protocol(text: &str) -> Read<()> {
    match text {
        "http/protobuf" => Ok(()),
        "grpc" => Err(Wrong::new(
            "is not spoken",
            "write http/protobuf, and name the collector's port for OTLP over HTTP (usually 4318, not 4317)",
        )),
        _ => Err(Wrong::new("is not spoken", "write http/protobuf; every OTLP collector takes it")),
    }
}

fn milliseconds(text: &str) -> Read<Duration> {
    if let Ok(ms @ 1..=60_000) = text.parse::<u64>() {
        return Ok(Duration::from_millis(ms));
    }
    let meant = parse::length(text).map(|meant| meant.as_millis()).filter(|ms| (1..=60_000).contains(ms));
    let remedy = meant.map_or_else(|| "write it like 5000".to_owned(), |ms| format!("write {ms}"));
    Err(Wrong::new("is not a number of milliseconds from 1 to 60000", remedy))
}

fn sampler(text: &str) -> Read<NamedSampler> {
    let (parent_based, name) = text.strip_prefix("parentbased_").map_or((false, text), |name| (true, name));
    let share = match name {
        "always_on" => Some(1.0),
        "always_off" => Some(0.0),
        "traceidratio" => None,
        _ => {
            return Err(Wrong::new(
                "is not a sampler that this program has",
                "write parentbased_always_on, or parentbased_traceidratio with OTEL_TRACES_SAMPLER_ARG",
            ));
        }
    };
    Ok(NamedSampler { parent_based, share })
}

fn share(text: &str) -> Read<f64> {
    match text.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => Ok(number),
        _ => Err(Wrong::new("is not a number from 0 to 1", "write it like 0.1")),
    }
}

fn exporter(text: &str) -> Read<bool> {
    match text {
        "otlp" => Ok(true),
        "none" => Ok(false),
        _ => Err(Wrong::new("is not an exporter that this program has", "write otlp or none")),
    }
}

/// The address of traces: the general endpoint lacks their path.
pub(super) fn of_all_signals(mut endpoint: Url) -> Url {
    let path = format!("{}/v1/traces", endpoint.path().trim_end_matches('/'));
    endpoint.set_path(&path);
    endpoint
}
