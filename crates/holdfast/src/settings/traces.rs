//! The settings of the traces, by the names of the OpenTelemetry specification
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>,
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>). They are read only where traces are on: a platform may
//! put them into every container's environment.

use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Url, form_urlencoded};

use super::entry::{Entry, Fallback, Wrong};
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
    /// Whether the decision of whoever began the trace holds.
    pub parent_based: bool,
    /// The share of the traces that are begun here; of all, where it is not parent-based. From 0 to
    /// 1.
    pub share: f64,
}

/// A sampler by its name, without its argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NamedSampler {
    /// Whether the decision of whoever began the trace holds.
    pub parent_based: bool,
    /// What is sampled of the rest.
    pub share: Share,
}

/// What a named sampler samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// Everything.
    All,
    /// Nothing.
    None,
    /// As much as the argument says.
    Argument,
}

/// A collector, for every kind of telemetry.
pub const OTLP_ENDPOINT: Entry<Url> = Entry {
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    aliases: &[],
    default: Fallback::Absent("off"),
    form: "http://host:4318",
    doc: "A collector that traces are sent to, as OTLP over HTTP (protobuf): `/v1/traces` is added to its path.",
    secret: false,
    read: parse::base_url,
};

/// A collector, for traces only.
pub const OTLP_TRACES_ENDPOINT: Entry<Url> = Entry {
    env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    aliases: &[],
    default: Fallback::Derived("`OTEL_EXPORTER_OTLP_ENDPOINT` + `/v1/traces`"),
    form: "http://host:4318/v1/traces",
    doc: "The same for traces only; used as it is, without anything added to it.",
    secret: false,
    read: parse::base_url,
};

/// Headers of every export.
pub const OTLP_HEADERS: Entry<HeaderMap> = Entry {
    env: "OTEL_EXPORTER_OTLP_HEADERS",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "name=value, comma-separated",
    doc: "Sent with each export, for collectors that ask for a key. Values are percent-encoded.",
    secret: true,
    read: headers,
};

/// Headers of the export of traces.
pub const OTLP_TRACES_HEADERS: Entry<HeaderMap> = Entry {
    env: "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    aliases: &[],
    default: Fallback::Derived("`OTEL_EXPORTER_OTLP_HEADERS`"),
    form: "name=value, comma-separated",
    doc: "The same for traces only, instead of the ones for everything.",
    secret: true,
    read: headers,
};

/// How it is sent.
pub const OTLP_PROTOCOL: Entry<()> = Entry {
    env: "OTEL_EXPORTER_OTLP_PROTOCOL",
    aliases: &[],
    default: Fallback::Text("http/protobuf"),
    form: "http/protobuf",
    doc: "The one protocol that is spoken. Collectors take it at port 4318; 4317 is for gRPC.",
    secret: false,
    read: protocol,
};

/// How traces are sent.
pub const OTLP_TRACES_PROTOCOL: Entry<()> = Entry {
    env: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    aliases: &[],
    default: Fallback::Derived("`OTEL_EXPORTER_OTLP_PROTOCOL`"),
    form: "http/protobuf",
    doc: "The same for traces only.",
    secret: false,
    read: protocol,
};

/// For one export.
pub const OTLP_TIMEOUT: Entry<Duration> = Entry {
    env: "OTEL_EXPORTER_OTLP_TIMEOUT",
    aliases: &[],
    default: Fallback::Text("10000"),
    form: "milliseconds, at most 60000",
    doc: "How long the collector has to answer.",
    secret: false,
    read: milliseconds,
};

/// How long spans are gathered.
pub const BSP_SCHEDULE_DELAY: Entry<Duration> = Entry {
    env: "OTEL_BSP_SCHEDULE_DELAY",
    aliases: &[],
    default: Fallback::Text("5000"),
    form: "milliseconds, at most 60000",
    doc: "How long spans are gathered before they are sent; 512 of them are sent at once in any case.",
    secret: false,
    read: milliseconds,
};

/// The name of the service.
pub const SERVICE_NAME: Entry<String> = Entry {
    env: "OTEL_SERVICE_NAME",
    aliases: &[],
    default: Fallback::Derived("`service.name` of `OTEL_RESOURCE_ATTRIBUTES`, else `holdfast`"),
    form: "a name",
    doc: "What this service is called in traces.",
    secret: false,
    read: |text| Ok(text.to_owned()),
};

/// Attributes of the resource.
pub const RESOURCE_ATTRIBUTES: Entry<Vec<(String, String)>> = Entry {
    env: "OTEL_RESOURCE_ATTRIBUTES",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "name=value, comma-separated",
    doc: "What else is said of this process in traces, such as `deployment.environment.name=staging`. Values are percent-encoded.",
    secret: false,
    read: pairs,
};

/// Which traces are recorded.
pub const TRACES_SAMPLER: Entry<NamedSampler> = Entry {
    env: "OTEL_TRACES_SAMPLER",
    aliases: &[],
    default: Fallback::Text("parentbased_always_on"),
    form: "always_on, always_off, traceidratio, or one of them after parentbased_",
    doc: "Which traces are recorded. After `parentbased_` the decision of whoever began a trace holds, and the rest is for \
          the traces that begin here.",
    secret: false,
    read: sampler,
};

/// How many.
pub const TRACES_SAMPLER_ARG: Entry<f64> = Entry {
    env: "OTEL_TRACES_SAMPLER_ARG",
    aliases: &[],
    default: Fallback::Text("1"),
    form: "a number from 0 to 1",
    doc: "The share of traces that `traceidratio` records.",
    secret: false,
    read: share,
};

/// The exporter.
pub const TRACES_EXPORTER: Entry<bool> = Entry {
    env: "OTEL_TRACES_EXPORTER",
    aliases: &[],
    default: Fallback::Text("otlp"),
    form: "otlp or none",
    doc: "`none` leaves traces off although there is an endpoint.",
    secret: false,
    read: exporter,
};

/// Everything of OpenTelemetry.
pub const SDK_DISABLED: Entry<bool> = Entry {
    env: "OTEL_SDK_DISABLED",
    aliases: &[],
    default: Fallback::Text("false"),
    form: "true or false",
    doc: "`true` leaves traces off although there is an endpoint.",
    secret: false,
    read: |text| parse::switch(&text.to_ascii_lowercase()),
};

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
            pair(word).ok_or_else(|| Wrong::new("is no list of pairs", "write name=value,name=value"))
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
        Wrong::new("has a part that is no header", "write name=value,name=value, with values percent-encoded")
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
    match text.parse::<u64>() {
        Ok(ms @ 1..=60_000) => Ok(Duration::from_millis(ms)),
        Ok(_) | Err(_) => {
            Err(Wrong::new("is not a number of milliseconds from 1 to 60000", "write it like 5000"))
        }
    }
}

fn sampler(text: &str) -> Read<NamedSampler> {
    let (parent_based, name) = text.strip_prefix("parentbased_").map_or((false, text), |name| (true, name));
    let share = match name {
        "always_on" => Share::All,
        "always_off" => Share::None,
        "traceidratio" => Share::Argument,
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

/// Where traces are posted: what is meant for every kind of telemetry lacks the path of traces.
pub(super) fn of_all_signals(mut endpoint: Url) -> Url {
    let path = format!("{}/v1/traces", endpoint.path().trim_end_matches('/'));
    endpoint.set_path(&path);
    endpoint
}
