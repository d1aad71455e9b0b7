//! A collector that is away, hangs or is none: nobody notices but the operator.

use holdfast::standin::clerk::Person;
use http::StatusCode;

use super::collector::{Collector, Mood};
use super::traced;
use crate::testing::app::App;
use crate::testing::ports::ReservedPort;
use crate::testing::waiting::{PATIENCE, until};

fn count(app: &App, outcome: &str) -> u64 {
    let line = format!("holdfast_trace_spans_total{{outcome=\"{outcome}\"}} ");
    app.metrics.render().lines().find_map(|each| each.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// People are served, and the server comes to its end; what was not exported has been counted.
async fn is_served_and_drains(mut app: App) -> App {
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.connect_account("ada.makes").await["state"], "connected");
    for _ in 0..20 {
        assert_eq!(ada.status().await["state"], "connected");
    }
    // Far longer than it gives the collector.
    tokio::time::timeout(PATIENCE, app.stop()).await.expect("the server drains");
    assert!(count(&app, "export_failed") > 0, "{}", app.metrics.render());
    assert_eq!(count(&app, "exported"), 0);
    let log = String::from_utf8(app.watch.log()).unwrap();
    let warned = log.lines().any(|line| line.contains("telemetry::traces") && line.contains("\"WARN\""));
    assert!(warned, "{log}");
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_traces_and_nothing_else() {
    let nobody = ReservedPort::new();
    let endpoint = format!("http://{}", nobody.address());
    let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "20")];
    is_served_and_drains(App::with(&settings, |_| {}).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_costs_traces_and_nothing_else() {
    let collector = Collector::start().await;
    collector.is(Mood::Hangs);
    let app = traced(&collector, &[]).await;
    app.get("/healthz").await;
    collector.until("it is asked", |spans| !spans.is_empty()).await;
    is_served_and_drains(app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_answers_500_costs_traces_and_nothing_else() {
    let collector = Collector::start().await;
    collector.is(Mood::Answers(StatusCode::INTERNAL_SERVER_ERROR));
    is_served_and_drains(traced(&collector, &[]).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_page_is_not_taken_for_a_collector() {
    let collector = Collector::start().await;
    collector.is(Mood::Page);
    let app = is_served_and_drains(traced(&collector, &[]).await).await;
    let log = String::from_utf8(app.watch.log()).unwrap();
    assert!(log.contains("a web page answered, not a collector"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_busy_collector_does_not_take_is_sent_again_and_what_it_rejects_is_counted() {
    let collector = Collector::start().await;
    collector.is(Mood::FirstAnswers(StatusCode::SERVICE_UNAVAILABLE));
    let mut app = traced(&collector, &[]).await;
    app.get("/docs/errors").await;
    let first = collector.until("an export", |spans| !spans.is_empty()).await;
    until("it is taken", async || count(&app, "exported") > 0).await;
    let again = collector.spans().iter().filter(|span| span.id == first[0].id).count();
    assert!(again >= 2, "the same span, sent {again} times");
    assert_eq!(count(&app, "export_failed"), 0);

    collector.is(Mood::Rejects(1));
    app.get("/docs/errors").await;
    until("one is counted as rejected", async || count(&app, "export_failed") > 0).await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_the_server_stops_is_sent() {
    let collector = Collector::start().await;
    // The longest there is.
    let delay = [("OTEL_BSP_SCHEDULE_DELAY", "60000")];
    let mut app = traced(&collector, &delay).await;
    assert_eq!(app.get("/docs/errors").await.status, StatusCode::OK);
    assert_eq!(collector.spans(), [], "they are gathered for a minute");
    app.stop().await;
    assert!(collector.spans().iter().any(|span| span.name == "GET /docs/errors"));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_nothing_is_sent_and_nothing_counted() {
    let collector = Collector::start().await;
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        let mut app = traced(&collector, &[off]).await;
        assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
        app.stop().await;
        assert!(!app.metrics.render().contains("trace_spans"));
    }
    assert!(collector.exports().is_empty());
}
