//! The names of metrics that the contract promises, as a scrape shows them.

use crate::reference;
use holdfast::overview::alerts::ALERTS;
use holdfast::standin::clerk::Person;

use super::page::page;
use crate::testing::app::App;
use crate::testing::waiting::until_seen;

const PROMISED: &[&str] = &[
    "holdfast_connections{provider=\"instagram\",state=\"connected\",reason=\"\"} 1",
    "holdfast_refreshes_total{outcome=",
    "holdfast_refresh_overdue 0",
    "holdfast_grant_soonest_expiry_timestamp_seconds",
    "holdfast_provider_calls_total{endpoint=\"/oauth/access_token\",outcome=\"ok\"}",
    "holdfast_provider_budget_ratio",
    "holdfast_provider_incident 0",
    "holdfast_journal_entries 0",
    "holdfast_worker_last_tick_timestamp_seconds",
    "holdfast_database_pool{state=\"used\"}",
    "holdfast_build_info{version=",
    "process_cpu_seconds_total",
    "process_resident_memory_bytes",
    "process_open_fds",
    "holdfast_table_rows{table=\"grants\"}",
];

/// The words of an expression that name a metric.
fn named(expression: &str) -> Vec<String> {
    let is_part = |each: char| each.is_ascii_alphanumeric() || each == '_';
    expression
        .split(|each: char| !is_part(each))
        .filter(|word| word.starts_with("holdfast_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Every name that a query may use.
fn known() -> Vec<String> {
    let rows = reference::metrics();
    let rows = rows.iter().flat_map(|(_, table)| table.iter());
    rows.flat_map(|row| {
        let name = row.full_name();
        [format!("{name}_bucket"), format!("{name}_sum"), format!("{name}_count"), name]
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_promised_name_is_served() {
    let app = App::with(&[("HOLDFAST_REFRESH_MIN_AGE_S", "0"), ("HOLDFAST_REFRESH_AT", "0")], |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let mut text = String::new();
    let missing = async || {
        app.overview.look().await.unwrap();
        text = page(&app, "/metrics").await.1;
        PROMISED.iter().filter(|name| !text.contains(**name)).collect::<Vec<_>>()
    };
    until_seen("nothing is missing", missing, Vec::is_empty).await;
    assert!(text.ends_with("# EOF\n") && text.matches("# EOF").count() == 1);
}

#[test]
fn alerts_and_dashboard_name_only_metrics_that_exist() {
    let known = known();
    let mut used: Vec<(String, String)> = ALERTS
        .iter()
        .flat_map(|alert| named(alert.expr).into_iter().map(|name| (alert.name.to_owned(), name)))
        .collect();
    let dashboard: serde_json::Value =
        serde_json::from_str(include_str!("../../../../../deploy/grafana/holdfast.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 10);
    for panel in panels {
        for target in panel["targets"].as_array().unwrap() {
            let names = named(target["expr"].as_str().unwrap());
            assert!(!names.is_empty(), "{panel}");
            used.extend(names.into_iter().map(|name| (panel["title"].to_string(), name)));
        }
    }
    for (place, name) in used {
        assert!(known.contains(&name), "{place} names {name}, which is none");
    }
}
