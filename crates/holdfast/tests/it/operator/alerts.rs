//! Each trouble raises exactly its alert, as Prometheus' own rule tester judges.

use std::fmt::Write as _;
use std::process::Command;

use holdfast::overview::alerts::ALERTS;

use crate::reference::rules;

/// What a healthy replica shows, as series of Prometheus' unit tests: one sample a minute, for an
/// hour.
const HEALTHY: &[(&str, &str)] = &[
    ("up", "1x90"),
    ("holdfast_connections{state=\"connected\",reason=\"\"}", "100x90"),
    ("holdfast_refreshes_total{outcome=\"renewed\"}", "0+1x90"),
    ("holdfast_refresh_overdue", "0x90"),
    ("holdfast_data_deletions_unfinished", "0x90"),
    // One that was imported late.
    ("holdfast_grant_soonest_expiry_timestamp_seconds", "90000x90"),
    ("holdfast_grants_expiring_unrenewed", "0x90"),
    ("holdfast_provider_calls_total{endpoint=\"/refresh_access_token\",outcome=\"ok\"}", "0+2x90"),
    ("holdfast_provider_budget_ratio", "0.1x90"),
    ("holdfast_provider_incident", "0x90"),
    ("holdfast_journal_entries", "0x90"),
    ("holdfast_journal_writable", "1x90"),
    ("holdfast_ready{check=\"session_keys\"}", "1x90"),
    ("holdfast_ready{check=\"database\"}", "1x90"),
    ("holdfast_ready{check=\"schema\"}", "1x90"),
    ("holdfast_ready{check=\"encryption_keys\"}", "1x90"),
    ("holdfast_worker_last_tick_timestamp_seconds", "0+60x90"),
    ("holdfast_overview_timestamp_seconds", "0+60x90"),
    ("process_start_time_seconds", "0x90"),
    ("holdfast_clerk_keys_failing", "0x90"),
    ("holdfast_clock_ahead_seconds", "0x90"),
    ("holdfast_session_tokens_cannot_judge_total", "0x90"),
    // Strangers' tokens, which nobody else notices.
    ("holdfast_session_tokens_key_unknown_total", "0+60x90"),
    ("holdfast_session_tokens_accepted_total", "0+60x90"),
    ("holdfast_http_problems_total{code=\"token-expired\"}", "0+3x90"),
    (
        "holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\",le=\"0.01\"}",
        "0+100x90",
    ),
    (
        "holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\",le=\"1.0\"}",
        "0+100x90",
    ),
    (
        "holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\",le=\"+Inf\"}",
        "0+100x90",
    ),
    ("holdfast_webhook_deliveries_total{outcome=\"delivered\"}", "0+1x90"),
    ("holdfast_app_refusals_total", "0x90"),
    // One person's doing.
    ("holdfast_http_problems_total{code=\"app_misconfigured\"}", "0+1x90"),
];

/// A series that a trouble shows otherwise, or besides.
type Shown = (&'static str, &'static str);

/// Name of the trouble, the alert, and what is shown otherwise.
const TROUBLES: &[(&str, &str, &[Shown])] = &[
    (
        "Instagram is down",
        "HoldfastInstagramDown",
        &[
            ("holdfast_provider_calls_total{endpoint=\"/refresh_access_token\",outcome=\"ok\"}", "0x90"),
            (
                "holdfast_provider_calls_total{endpoint=\"/refresh_access_token\",outcome=\"failed\"}",
                "0+2x90",
            ),
        ],
    ),
    (
        "the secret is wrong after a rotation",
        "HoldfastAppRefused",
        &[
            ("holdfast_connections{state=\"degraded\",reason=\"app_misconfigured\"}", "7x90"),
            ("holdfast_provider_calls_total{endpoint=\"/refresh_access_token\",outcome=\"ok\"}", "0x90"),
            (
                "holdfast_provider_calls_total{endpoint=\"/refresh_access_token\",outcome=\"refused\"}",
                "0+2x90",
            ),
        ],
    ),
    (
        "two accounts of many are refused",
        "HoldfastAccountRefused",
        &[("holdfast_connections{state=\"degraded\",reason=\"app_misconfigured\"}", "2x90")],
    ),
    (
        "the app is refused to most accounts, whose calls are answered now and then",
        "HoldfastAppRefused",
        &[("holdfast_connections{state=\"degraded\",reason=\"app_misconfigured\"}", "120x90")],
    ),
    ("nobody can connect", "HoldfastAppRefused", &[("holdfast_app_refusals_total", "0+1x90")]),
    (
        "the database is slow",
        "HoldfastDatabaseSlow",
        &[(
            "holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\",le=\"0.01\"}",
            "0+50x90",
        )],
    ),
    (
        "the disk is full",
        "HoldfastDatabaseFull",
        &[("holdfast_http_problems_total{code=\"database-full\"}", "0+1x90")],
    ),
    ("the keys are stale", "HoldfastKeysStale", &[("holdfast_clerk_keys_failing", "1x90")]),
    (
        "many are revoked at once",
        "HoldfastIncident",
        &[
            ("holdfast_provider_incident", "1x90"),
            ("holdfast_connections{state=\"degraded\",reason=\"provider_incident\"}", "40x90"),
        ],
    ),
    ("the clock is off", "HoldfastClockOff", &[("holdfast_clock_ahead_seconds", "-31x90")]),
    (
        "the worker is stuck",
        "HoldfastWorkerStuck",
        &[("holdfast_worker_last_tick_timestamp_seconds", "60x90")],
    ),
    (
        "the figures are no longer gathered",
        "HoldfastFiguresStale",
        &[("holdfast_overview_timestamp_seconds", "60x90")],
    ),
    (
        "the figures were never gathered",
        "HoldfastFiguresStale",
        &[("holdfast_overview_timestamp_seconds", "_x90")],
    ),
    ("the budget is spent", "HoldfastBudgetSpent", &[("holdfast_provider_budget_ratio", "1x90")]),
    (
        "the receiver of events is down",
        "HoldfastWebhooksFail",
        // Tried again hourly by then, so that most windows see no failure.
        &[("holdfast_table_oldest_timestamp_seconds{table=\"outbox\"}", "60x90")],
    ),
    ("the journal cannot be written", "HoldfastJournalUnwritable", &[("holdfast_journal_writable", "0x90")]),
    ("a replica is lost", "HoldfastReplicaLost", &[("up", "0x90")]),
    (
        "a replica is started again and again, and does not get through",
        "HoldfastReplicaLost",
        &[("up", "1x77 0 1 0 1"), ("holdfast_ready{check=\"starting\"}", "_x79 0 stale 0")],
    ),
    (
        "tokens cannot be judged",
        "HoldfastCannotJudge",
        &[("holdfast_session_tokens_cannot_judge_total", "0+5x90")],
    ),
    (
        "nobody's token fits a key",
        "HoldfastCannotJudge",
        &[("holdfast_session_tokens_accepted_total", "7x90")],
    ),
    (
        "the database is away",
        "HoldfastDatabaseAway",
        &[("holdfast_http_problems_total{code=\"database-unavailable\"}", "0+5x90")],
    ),
    (
        "the database is away, and the proxy lets nobody through",
        "HoldfastDatabaseAway",
        &[
            ("holdfast_ready{check=\"database\"}", "0x90"),
            ("holdfast_ready{check=\"schema\"}", "_x90"),
            ("holdfast_ready{check=\"encryption_keys\"}", "_x90"),
            ("holdfast_journal_entries", "2x90"),
            ("holdfast_overview_timestamp_seconds", "60x90"),
            (
                "holdfast_http_request_duration_seconds_bucket{route=\"/user/instagram/status\",le=\"0.01\"}",
                "0+50x90",
            ),
        ],
    ),
    (
        "there is no key for session tokens, and the proxy lets nobody through",
        "HoldfastCannotJudge",
        &[("holdfast_ready{check=\"session_keys\"}", "0x90")],
    ),
    (
        "a replica lacks an encryption key",
        "HoldfastNotReady",
        &[
            ("holdfast_ready{check=\"encryption_keys\"}", "0x90"),
            ("holdfast_http_problems_total{code=\"database-unavailable\"}", "0+5x90"),
        ],
    ),
    ("refreshes are overdue", "HoldfastRefreshOverdue", &[("holdfast_refresh_overdue", "3x90")]),
    (
        "a data deletion is not done",
        "HoldfastDeletionUnfinished",
        &[("holdfast_data_deletions_unfinished", "1x90")],
    ),
    ("a grant is about to end", "HoldfastGrantExpiring", &[("holdfast_grants_expiring_unrenewed", "1x90")]),
    (
        "a row of a grant was changed",
        "HoldfastGrantDamaged",
        &[("holdfast_connections{state=\"reconnect_required\",reason=\"grant_unreadable\"}", "1x90")],
    ),
    ("the journal waits", "HoldfastJournalWaits", &[("holdfast_journal_entries", "2x90")]),
];

/// Troubles that lasted from three to four minutes, and were over three minutes ago: nobody need
/// get up.
const OVER: &[Shown] = &[
    ("holdfast_http_problems_total{code=\"database-unavailable\"}", "0x73 5 10 15 20x13"),
    ("holdfast_session_tokens_cannot_judge_total", "0x73 5 10 15 20x13"),
];

/// With job and instance, as a scrape adds them.
fn series(name: &str) -> String {
    let (name, labels) = name.split_once('{').unwrap_or((name, "}"));
    let comma = if labels == "}" { "" } else { "," };
    format!("{name}{{job=\"holdfast\",instance=\"a:9090\"{comma}{labels}")
}

/// A test of Prometheus' tester: the series of one replica, and which alert fires after an hour.
fn staged(shown: &[Shown], fires: Option<&str>) -> String {
    let mut text = String::from("  - interval: 1m\n    input_series:\n");
    let usual = HEALTHY.iter().filter(|(name, _)| !shown.iter().any(|(other, _)| other == name));
    for (name, values) in usual.chain(shown) {
        writeln!(text, "      - {{series: '{}', values: '{values}'}}", series(name)).unwrap();
    }
    text.push_str("    alert_rule_test:\n");
    for alert in ALERTS {
        writeln!(text, "      - eval_time: 80m\n        alertname: {}", alert.name).unwrap();
        if fires == Some(alert.name) {
            writeln!(text, "        exp_alerts: [{{exp_labels: LABELS_OF_{}}}]", alert.name).unwrap();
        } else {
            text.push_str("        exp_alerts: []\n");
        }
    }
    text
}

/// Prometheus' tester wants every label and annotation of an alert that fires.
pub(super) fn with_expectations(text: &str) -> String {
    let mut text = text.to_owned();
    for alert in ALERTS {
        let mut labels = format!("severity: {}, instance: 'a:9090'", alert.severity.as_str());
        if !alert.expr.contains("by (instance") {
            labels.push_str(", job: holdfast");
        }
        let annotations = format!(
            "summary: \"{}\", runbook: \"docs/guides/alerts.md#{}\", runbook_url: \"http://a:9090/runbook#{}\"",
            alert.summary,
            alert.name.to_lowercase(),
            alert.name
        );
        text = text.replace(
            &format!("{{exp_labels: LABELS_OF_{}}}", alert.name),
            &format!("{{exp_labels: {{{labels}}}, exp_annotations: {{{annotations}}}}}"),
        );
    }
    text
}

#[test]
fn each_trouble_raises_exactly_its_alert() {
    let mut text = String::from("rule_files: [holdfast.rules.yml]\nevaluation_interval: 1m\ntests:\n");
    text.push_str(&staged(&[], None));
    for shown in OVER {
        text.push_str(&staged(std::slice::from_ref(shown), None));
    }
    assert!(TROUBLES.len() >= 12);
    for (_, alert, shown) in TROUBLES {
        text.push_str(&with_expectations(&staged(shown, Some(alert))));
    }
    judged(&rules(), &text).unwrap_or_else(|told| panic!("{told}"));
}

/// What Prometheus' rule tester says of these rules and that test; `Err` where it is not content.
pub(super) fn judged(rules: &str, test: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("holdfast.rules.yml"), rules).unwrap();
    let file = folder.path().join("troubles.yml");
    std::fs::write(&file, test).unwrap();
    let tester = Command::new("promtool").arg("test").arg("rules").arg(&file).output();
    let output =
        tester.expect("promtool judges the alerts: `apt-get install prometheus`, as scripts/setup.sh does");
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(told) }
}
