//! All connections, for a backend that keeps an eye on them, and for finding the user behind a
//! webhook's account id.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::prelude::*;
use crate::caller::service::ServiceCaller;
use crate::clock::parse_time;
use crate::connection::{Reason, State as ConnectionState};
use crate::connections::listing::{Filter, UserStatus, is_account_id};
use crate::http::failure;
use crate::http::params::{Query, limit, malformed};

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// Adds the route.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .service()
        .get("/service/connections", connections, |op| {
            op.about("serviceConnections", tags::SERVICE, "The connections of all users")
                .description(
                    "Pass `next` back as `cursor` for the next page; it is `null` on the last one. A page may hold fewer \
                     connections than `limit` and still have a `next`. With `expires_before` the earliest come first, \
                     else the oldest. Users who never started to connect are not listed.",
                )
                .problems(failure::READING)
        })
        .done()
}

/// Filters; a connection must match all that are given. An unknown name is refused, because
/// ignoring a misspelt filter would find the wrong connections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    /// Only in this state, such as `reconnect_required`.
    state: Option<String>,
    /// Only for this reason, such as `expired`.
    reason: Option<String>,
    /// Only those whose `token_expires_at` is before this time, RFC 3339.
    expires_before: Option<String>,
    /// Only those of this account: either id, as in a webhook's `entry.id`, or `@` and its handle.
    account: Option<String>,
    /// `next` of the page before, exactly as received, with the same filters.
    cursor: Option<String>,
    /// Connections per page, 1 to 200. Default 50.
    limit: Option<usize>,
}

/// One page.
#[derive(Debug, Serialize, JsonSchema)]
struct ConnectionsPage {
    /// The connections that match.
    connections: Vec<UserStatus>,
    /// The opaque cursor of the next page.
    next: Option<String>,
}

async fn connections(
    _caller: ServiceCaller,
    State(listed): State<Connections>,
    Query(wanted): Query<Wanted>,
) -> Result<Json<ConnectionsPage>, Problem> {
    let limit = limit(wanted.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let cursor = wanted.cursor.as_deref().map(str::parse).transpose();
    let cursor = cursor.map_err(|_| malformed("This server did not issue that cursor."))?;
    let page = listed.list(&filter(&wanted)?, cursor, limit).await?;
    let next = page.next.map(|cursor| cursor.to_string());
    Ok(Json(ConnectionsPage { connections: page.connections, next }))
}

fn filter(wanted: &Wanted) -> Result<Filter, Problem> {
    let state = wanted.state.as_deref().map(|name| {
        let wrong = || malformed(format!("state must be one of {}.", ConnectionState::names()));
        ConnectionState::parse(name).ok_or_else(wrong)
    });
    let reason = wanted.reason.as_deref().map(|name| {
        let wrong = || malformed(format!("reason must be one of {}.", Reason::names()));
        Reason::parse(name).ok_or_else(wrong)
    });
    let expires_before = wanted.expires_before.as_deref().map(|time| {
        parse_time(time)
            .ok_or_else(|| malformed("expires_before must be a time such as 2026-12-24T18:00:00Z."))
    });
    // A backend that looks an unset variable up, or forgets the @, must not read that nobody has
    // the account.
    let names_nobody = |account: &str| {
        let handle = account.trim_start_matches('@');
        !is_account_id(account) && (handle.is_empty() || handle == account)
    };
    if wanted.account.as_deref().is_some_and(names_nobody) {
        return Err(malformed("account must be an id of Instagram's, in digits, or @ and a handle."));
    }
    Ok(Filter {
        state: state.transpose()?,
        reason: reason.transpose()?,
        expires_before: expires_before.transpose()?,
        account: wanted.account.clone(),
    })
}
