//! Every change of the caller's connection.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::prelude::*;
use crate::caller::{Caller, OwnerId};
use crate::connection::attempt::{AttemptNote, AttemptOutcome};
use crate::connection::{Evidence, Reason, State as ConnectionState};
use crate::http::failure;
use crate::http::params::{Query, limit, malformed};
use crate::store::HistoryEntry;

/// How to read it.
pub(super) const ABOUT: &str = "Pass `next` back as `before` for the next page; it is `null` on the last one. Connect attempts stand in it as they \
     begin and end: `attempt.outcome` is `null` where one began.";
const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// Adds the route.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .get("/user/instagram/history", history, |op| {
            op.about("instagramHistory", tags::INSTAGRAM, "Every change of state, newest first")
                .description(ABOUT)
                .problems(failure::READING)
        })
        .done()
}

/// An unknown name is refused: a misspelt `before` would give the first page again and again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Paging {
    /// `next` of the page before, exactly as received. The name `cursor`, as on other routes, is
    /// accepted too.
    #[serde(alias = "cursor")]
    before: Option<String>,
    /// Entries per page, 1 to 100. Default 20.
    limit: Option<usize>,
}

/// One page.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct HistoryPage {
    /// Newest first.
    entries: Vec<HistoryLine>,
    /// The opaque cursor of the next page.
    next: Option<String>,
}

/// One change of state.
#[derive(Debug, Serialize, JsonSchema)]
struct HistoryLine {
    /// When, RFC 3339.
    #[schemars(with = "String")]
    at: Timestamp,
    /// The state that held from then on.
    state: ConnectionState,
    /// Why.
    reason: Option<Reason>,
    /// The evidence for it.
    evidence: Option<Evidence>,
    /// The version of the connection that it led to.
    version: i64,
    /// The connect attempt that began or ended with it.
    attempt: Option<AttemptLine>,
}

/// A connect attempt that began or ended.
#[derive(Debug, Serialize, JsonSchema)]
struct AttemptLine {
    /// The attempt.
    #[schemars(with = "String")]
    id: Uuid,
    /// How it ended: `connected`, `denied`, `expired`, `failed`, `different_account`,
    /// `account_taken` or `disconnected`; `null` where it began.
    outcome: Option<&'static str>,
    /// Why it failed.
    reason: Option<Reason>,
}

impl From<AttemptNote> for AttemptLine {
    fn from(note: AttemptNote) -> Self {
        let (outcome, reason) = match note.outcome {
            None => (None, None),
            Some(AttemptOutcome::Connected) => (Some("connected"), None),
            Some(AttemptOutcome::Denied) => (Some("denied"), None),
            Some(AttemptOutcome::Expired) => (Some("expired"), None),
            Some(AttemptOutcome::DifferentAccount) => (Some("different_account"), None),
            Some(AttemptOutcome::AccountTaken) => (Some("account_taken"), None),
            Some(AttemptOutcome::Disconnected) => (Some("disconnected"), None),
            Some(AttemptOutcome::Failed(reason)) => (Some("failed"), Some(reason)),
        };
        Self { id: note.id, outcome, reason }
    }
}

impl From<HistoryEntry> for HistoryLine {
    fn from(entry: HistoryEntry) -> Self {
        let (state, reason) = entry.told();
        // `detail` is for the operator.
        let HistoryEntry { connection_id: _, at, version, state: _, reason: _, evidence, detail: _, attempt } =
            entry;
        Self { at, state, reason, evidence, version, attempt: attempt.map(AttemptLine::from) }
    }
}

async fn history(
    caller: Caller,
    State(connections): State<Connections>,
    Query(paging): Query<Paging>,
) -> Result<Json<HistoryPage>, Problem> {
    page(&connections, caller.owner(), paging).await.map(Json)
}

/// A page of a user's history.
pub(super) async fn page(
    connections: &Connections,
    owner: &OwnerId,
    paging: Paging,
) -> Result<HistoryPage, Problem> {
    let limit = limit(paging.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let before = paging.before.map(|cursor| cursor.parse()).transpose();
    let before = before.map_err(|_| malformed("This server did not issue that cursor."))?;
    let page = connections.history(owner, before, limit).await?;
    Ok(HistoryPage {
        entries: page.entries.into_iter().map(HistoryLine::from).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    })
}
