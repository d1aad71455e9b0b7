//! What the metrics listener shows is what docs/reference/metrics.md says, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use crate::reference;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use holdfast::standin::clerk::Person;
use http::StatusCode;
use tower::ServiceExt as _;

use crate::outbox::endpoint::{AppEndpoint, SECRET};
use crate::testing::app::App;
use crate::testing::waiting::until_seen;
use crate::traces::collector::Collector;

/// What the metrics listener answers to a scrape.
async fn scraped(app: &App) -> String {
    let request = Request::builder().uri("/metrics").body(Body::empty()).unwrap();
    let answer = app.operator.clone().oneshot(request).await.unwrap();
    String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
}

/// Type and label names by family, as OpenMetrics names it.
fn families(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let series = line.split_whitespace().next().unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let (_, (_, found)) = families
                .iter_mut()
                .rfind(|(family, _)| name.starts_with(family.as_str()))
                .unwrap_or_else(|| panic!("{line} belongs to nothing"));
            // Values of these labels hold neither commas nor equals signs.
            let names = labels.trim_end_matches('}').split(',').filter_map(|each| each.split_once('='));
            found.extend(names.map(|(label, _)| label.to_owned()).filter(|label| label != "le"));
        }
    }
    families
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_lists_what_is_served() {
    let endpoint = AppEndpoint::start().await;
    endpoint.answers(StatusCode::SERVICE_UNAVAILABLE);
    let collector = Collector::start().await;
    let settings = [
        ("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()),
        ("HOLDFAST_WEBHOOK_SECRET", SECRET),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "0"),
        ("HOLDFAST_REFRESH_AT", "0"),
    ];
    let app = App::with(&settings, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    app.get("/user/profile").await;

    let listed: BTreeMap<_, _> = reference::metrics()
        .iter()
        .flat_map(|(_, table)| *table)
        .map(|metric| {
            assert!(!metric.watch.is_empty() && !metric.help.ends_with('.'), "{metric:?}");
            let family = metric.full_name().trim_end_matches("_total").to_owned();
            let labels: BTreeSet<_> = metric.labels.iter().map(|(label, _)| (*label).to_owned()).collect();
            (family, (metric.kind.as_str().to_owned(), labels))
        })
        .collect();
    assert!(listed.len() >= 18, "{listed:?}");
    let served = async || {
        app.overview.look().await.unwrap();
        app.overview.look_at_the_rest().await.unwrap();
        families(&scraped(&app).await)
    };
    // What the worker, the outbox and the exporter count comes with their first work.
    let is_complete = |served: &BTreeMap<String, (String, BTreeSet<String>)>| {
        listed.iter().all(|(name, listed)| served.get(name) == Some(listed))
    };
    assert_eq!(until_seen("all is counted", served, is_complete).await, listed);
}
