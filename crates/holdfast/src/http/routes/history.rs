//! Every change of the caller's connection.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::prelude::*;
use crate::caller::Caller;
use crate::connection::{Evidence, Reason, State as ConnectionState};
use crate::http::failure;
use crate::http::params::Query;
use crate::store::HistoryEntry;

const DEFAULT_LIMIT: usize = 20;
const MAX_LIMIT: usize = 100;

/// Adds the route.
pub(super) fn add(routes: Routes<AppState>) -> Routes<AppState> {
    routes
        .protected()
        .get("/user/instagram/history", history, |op| {
            let op = op
                .id("instagramHistory")
                .tag(tags::INSTAGRAM)
                .summary("Every change of state, newest first")
                .description("Pass `next` back as `before` for the next page; it is `null` on the last one.");
            problems(op, &failure::READING)
        })
        .done()
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Paging {
    /// `next` of the page before, exactly as received.
    before: Option<String>,
    /// Entries per page, 1 to 100. Default 20.
    limit: Option<usize>,
}

/// One page.
#[derive(Debug, Serialize, JsonSchema)]
struct HistoryPage {
    /// Newest first.
    entries: Vec<HistoryLine>,
    /// Where the next page begins; opaque.
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
    /// What that rested on.
    evidence: Option<Evidence>,
    /// The version of the connection that it led to.
    version: i64,
}

impl From<HistoryEntry> for HistoryLine {
    fn from(entry: HistoryEntry) -> Self {
        // `detail` is for the operator.
        let HistoryEntry { connection_id: _, at, version, state, reason, evidence, detail: _ } = entry;
        Self { at, state, reason, evidence, version }
    }
}

async fn history(
    caller: Caller,
    State(state): State<AppState>,
    Query(paging): Query<Paging>,
) -> Result<Json<HistoryPage>, Problem> {
    let limit = paging.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::new(RequestCode::MalformedParameter).with_detail("limit must be from 1 to 100."));
    }
    let before = paging.before.map(|cursor| cursor.parse()).transpose().map_err(|_| {
        Problem::new(RequestCode::MalformedParameter).with_detail("before is not a cursor of this server.")
    })?;
    let page = state.connections().history(caller.owner(), before, limit).await?;
    Ok(Json(HistoryPage {
        entries: page.entries.into_iter().map(HistoryLine::from).collect(),
        next: page.next.map(|cursor| cursor.to_string()),
    }))
}
