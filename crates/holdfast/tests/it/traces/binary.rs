//! The real program: its settings, and that a signal lets it send what it has.

use std::process::{Command, Stdio};

use super::collector::Collector;
use crate::edge::client::Raw;
use crate::replicas::processes::serves;
use crate::testing::ports::ReservedPort;
use crate::testing::program::{Place, ring_entry};

const HEADER: &str = "x-api-key=key-of-the-collector-in-the-environment";

fn configured() -> Place {
    Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("OTEL_EXPORTER_OTLP_HEADERS", HEADER)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_sends_its_last_traces() {
    let collector = Collector::start().await;
    let port = ReservedPort::new();
    let address = port.address();
    let place = configured()
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("HOLDFAST_LISTEN", address.to_string())
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str())
        .with("OTEL_BSP_SCHEDULE_DELAY", "60000");
    let mut server = place.start(&["serve"], Stdio::null());
    serves(&mut server, address).await;
    let mut raw = Raw::connect(address).await;
    let request = "GET /user/profile HTTP/1.1\r\nHost: h\r\nX-Request-Id: of-the-binary\r\n\r\n";
    assert_eq!(raw.ask(request).await.unwrap().status, 401);
    let killed = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    let span = collector.span("GET /user/profile").await;
    assert_eq!(span.attribute("holdfast.request_id"), "of-the-binary");
    assert_eq!(collector.exports()[0].headers["x-api-key"], "key-of-the-collector-in-the-environment");
}

#[test]
fn settings_that_are_none_are_refused_with_what_mends_them() {
    for (name, value, remedy) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "start it with https://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318?key=1", "before the ?"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "nonsense", "write it in full"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "4318, not 4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "write http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_traceidratio"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "write otlp or none"),
        ("OTEL_RESOURCE_ATTRIBUTES", "nonsense", "name=value"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "write 10000"),
    ] {
        let place = configured();
        let place = match name {
            "OTEL_EXPORTER_OTLP_ENDPOINT" => place,
            _ => place.with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        };
        let ended = place.with(name, value).run(&["config", "check"]);
        assert_eq!(ended.code, 2, "{name}={value}: {}", ended.whole());
        assert!(ended.stderr.contains(name) && ended.stderr.contains(remedy), "{}", ended.whole());
    }
    // What a platform puts into every environment is nothing to a server that sends no traces.
    assert_eq!(configured().with("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc").run(&["config", "check"]).code, 0);
}

#[test]
fn headers_for_the_collector_are_not_printed() {
    let place = configured().with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let printed = place.run(&["config", "print"]).whole();
    assert!(printed.contains("http://collector:4318"), "{printed}");
    assert!(
        printed.contains("OTEL_EXPORTER_OTLP_HEADERS") && !printed.contains("key-of-the-collector"),
        "{printed}"
    );
}
