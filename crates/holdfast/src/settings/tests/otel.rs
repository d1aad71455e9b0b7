//! Settings of traces.

use super::*;

#[test]
fn what_is_for_traces_only_wins_over_what_is_for_everything() {
    let traces = tools([COLLECTOR]).unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://collector:4318/v1/traces");
    assert_eq!(traces.service_name, "holdfast");
    assert!(traces.headers.is_empty());
    let traces = tools([
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://all.example.com/otlp/"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Basic%20YTpi+/=,x-tenant=a%2Cb"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf"),
        // Not what traces are sent by.
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=from-the-resource"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ]);
    let traces = traces.unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "https://all.example.com/otlp/v1/traces");
    assert_eq!(traces.headers["authorization"], "Basic YTpi+/=");
    assert_eq!(traces.headers["x-tenant"], "a,b");
    assert!(!format!("{traces:?}").contains("YTpi"), "{traces:?}");
    assert_eq!(traces.service_name, "from-the-resource");
    assert_eq!(traces.sampler, traces::Sampler { parent_based: false, share: 0.25 });
    let traces = tools([
        COLLECTOR,
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:9/as/it/is"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-for=all"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-for=traces"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=overruled"),
        ("OTEL_SERVICE_NAME", "named"),
        ("OTEL_TRACES_SAMPLER", "parentbased_always_off"),
    ]);
    let traces = traces.unwrap().traces.unwrap();
    assert_eq!(traces.endpoint.as_str(), "http://traces:9/as/it/is");
    assert_eq!(
        (&traces.headers["x-for"], traces.service_name.as_str()),
        (&"traces".parse().unwrap(), "named")
    );
    assert_eq!(traces.sampler, traces::Sampler { parent_based: true, share: 0.0 });
}

#[test]
fn settings_of_traces_are_judged_only_where_there_are_traces() {
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no pair"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "host=elsewhere"),
        ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x=%00"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "-1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=value"),
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_TRACES_EXPORTER", "console"),
        ("OTEL_SDK_DISABLED", "maybe"),
    ] {
        assert_eq!(faulty_names([COLLECTOR, (name, value)]), [name], "{value}");
        assert!(tools([(name, value)]).unwrap().traces.is_none(), "{name}={value}");
    }
    assert_eq!(
        faulty_names([COLLECTOR, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]),
        ["OTEL_TRACES_SAMPLER_ARG"]
    );
    assert_eq!(
        faulty_names([("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318")]),
        ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    );
    for off in [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert!(tools([COLLECTOR, off]).unwrap().traces.is_none());
    }
}
