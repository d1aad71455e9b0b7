//! Every row of `testdata/answers.md`, sent through the client.

use http::HeaderMap;
use secrecy::SecretString;

use super::requests::{call, grant, instagram, short};
use crate::provider::contract::outcome;
use crate::provider::{AppFault, DeathCause, LimitScope, Meaning, Provider as _, UserAction};

const TABLE: &str = include_str!("../testdata/answers.md");

/// One row of the table.
struct Row<'a> {
    status: u16,
    body: &'a str,
    /// In the order of its columns: code, long-lived, refresh, `/me`, app's call.
    meanings: [&'a str; 5],
}

fn rows() -> Vec<Row<'static>> {
    TABLE.lines().filter_map(row).collect()
}

fn row(line: &str) -> Option<Row<'_>> {
    let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
    let [status, body, redeem, extend, refresh, me, used, ..] = cells[..] else { return None };
    let meanings = [redeem, extend, refresh, me, used];
    Some(Row {
        status: status.parse().ok()?,
        body: body.trim_matches('`').trim_start_matches("(empty)"),
        meanings,
    })
}

/// The table's word for it.
fn word(meaning: Meaning) -> &'static str {
    match meaning {
        Meaning::Dead(DeathCause::Expired) => "expired",
        Meaning::Dead(DeathCause::Revoked) => "revoked",
        Meaning::Dead(DeathCause::PasswordChanged) => "password changed",
        Meaning::Dead(DeathCause::Invalid) => "token invalid",
        Meaning::Dead(DeathCause::AccountIneligible) => "not professional",
        Meaning::DeadUnexplained => "dead, unexplained",
        Meaning::UserAction(UserAction::Checkpoint) => "checkpoint",
        Meaning::UserAction(UserAction::Unconfirmed) => "unconfirmed",
        Meaning::UserAction(UserAction::Restricted) => "restricted",
        Meaning::UserAction(UserAction::ConsentBlocked) => "consent",
        Meaning::Permission => "permission",
        Meaning::RateLimited(LimitScope::App) => "limit of the app",
        Meaning::RateLimited(LimitScope::Account) => "limit of the account",
        Meaning::Unavailable => "outage",
        Meaning::Crowded => "not asked",
        Meaning::App(AppFault::Credentials) => "app: credentials",
        Meaning::App(AppFault::RedirectUri) => "app: redirect address",
        Meaning::App(AppFault::Scope) => "app: scope",
        Meaning::App(AppFault::NotAdmitted) => "app: not admitted",
        Meaning::App(AppFault::Unsupported) => "app: unsupported",
        Meaning::App(AppFault::Deactivated) => "app: deactivated",
        Meaning::App(AppFault::Request) => "app: request",
        Meaning::Content => "about the call",
        Meaning::CodeRejected => "code refused",
    }
}

/// What the client makes of an answer, call by call.
async fn told(status: u16, body: &str) -> [&'static str; 5] {
    let (client, _) = instagram(Ok((status, HeaderMap::new(), body)));
    let used = client.pass_through(&grant(), call("me/media", &[])).await;
    let outcomes = [
        client.redeem(&SecretString::from("code")).await.outcome.map(|_| ()),
        client.extend(&short()).await.outcome.map(|_| ()),
        client.refresh(&grant()).await.outcome.map(|_| ()),
        client.identify(&grant()).await.outcome.map(|_| ()),
        outcome(used),
    ];
    outcomes.map(|outcome| outcome.err().map_or("works", |failure| word(failure.meaning)))
}

#[tokio::test]
async fn every_answer_means_what_the_table_says() {
    let mut wrong = Vec::new();
    for Row { status, body, meanings } in rows() {
        let told = told(status, body).await;
        if told != meanings {
            wrong.push(format!("{status} {body}\n  table {meanings:?}\n  told  {told:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_long_and_repeats_nothing() {
    let rows = rows();
    let mut seen: Vec<_> = rows.iter().map(|row| (row.status, row.body)).collect();
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), rows.len());
    assert!(rows.len() >= 150, "{}", rows.len());
}

/// The recordings stand in the table, whatever else does.
#[test]
fn every_recorded_error_stands_in_the_table() {
    let message = |body: &str| {
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        ["/error/message", "/error_message"].iter().find_map(|at| body.pointer(at)).cloned()
    };
    let listed: Vec<_> = rows()
        .iter()
        .filter(|row| serde_json::from_str::<serde_json::Value>(row.body).is_ok())
        .filter_map(|row| message(row.body))
        .collect();
    for recorded in [
        include_str!("../testdata/code_spent.json"),
        include_str!("../testdata/deactivated_200.json"),
        include_str!("../testdata/malformed_key.json"),
        include_str!("../testdata/method_type_get.json"),
        include_str!("../testdata/no_permission.json"),
        include_str!("../testdata/password_changed.json"),
        include_str!("../testdata/platform_app.json"),
        include_str!("../testdata/undecryptable.json"),
    ] {
        let said = message(recorded).unwrap();
        assert!(listed.contains(&said), "{said}");
    }
}
