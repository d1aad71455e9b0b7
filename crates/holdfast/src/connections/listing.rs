//! Listing connections by state, reason, expiry or account, page by page.
//!
//! What is listed is the status, which may differ from the stored state: it also depends on the
//! clock and the configuration. So the database only narrows the search, and each connection's
//! status decides.

use std::fmt;
use std::str::FromStr;

use futures_util::future::join_all;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use crate::clock::from_millis;
use crate::connection::status::InstagramStatus;
use crate::connection::{Connection, Reason, State};
use crate::connections::Connections;
use crate::provider::{Account, ProviderId};
use crate::store::{Listed, NotACursor, Selection, StatusFacts, Store, StoreError};

/// Connections read at a time.
const CHUNK: usize = 64;
/// Most connections read for one page. If too few of them match, the page is shorter and says where
/// to continue.
const MOST_LOOKED_AT: usize = 2048;

/// Which connections to list. All set conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The state in the status.
    pub state: Option<State>,
    /// The reason in the status.
    pub reason: Option<Reason>,
    /// The grant expires before this time.
    pub expires_before: Option<Timestamp>,
    /// Either id of the account, or `@` and its handle.
    pub account: Option<String>,
}

/// Where a page ended. Its text form is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last connection that was looked at.
    id: Uuid,
    /// Its deadline, where pages are by deadline.
    deadline: Option<Timestamp>,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.deadline {
            Some(deadline) => write!(f, "{}.{}", self.id.simple(), deadline.as_millisecond()),
            None => write!(f, "{}", self.id.simple()),
        }
    }
}

impl FromStr for Cursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (id, deadline) = match text.split_once('.') {
            Some((id, millis)) => (id, Some(millis.parse::<i64>().map_err(|_| NotACursor)?)),
            None => (text, None),
        };
        Ok(Self { id: Uuid::try_parse(id).map_err(|_| NotACursor)?, deadline: deadline.map(from_millis) })
    }
}

/// What is known about a user's connection.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct UserStatus {
    /// Clerk user id, `user_…`.
    pub user_id: String,
    /// The status.
    #[serde(flatten)]
    pub status: InstagramStatus,
}

/// A page of the list.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage {
    /// The matching connections.
    pub connections: Vec<UserStatus>,
    /// Where to continue; `None` on the last page.
    pub next: Option<Cursor>,
}

impl Connections {
    /// One page of all connections that match.
    pub async fn list(
        &self,
        filter: &Filter,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let tell = |facts: StatusFacts| self.status_from(facts);
        list(&self.parts.store, filter, cursor, limit, self.parts.clock.now(), tell).await
    }
}

/// One page of all connections that match; `tell` derives the status.
pub async fn list(
    store: &Store,
    filter: &Filter,
    cursor: Option<Cursor>,
    limit: usize,
    now: Timestamp,
    tell: impl Fn(StatusFacts) -> InstagramStatus,
) -> Result<ListPage, StoreError> {
    let mut page = ListPage { connections: Vec::new(), next: None };
    if let Some(account) = &filter.account {
        let found = by_account(store, account).await?;
        let found: Vec<Listed> = found.iter().map(Listed::from).collect();
        page.connections = statuses(store, &found, &tell).await?;
        page.connections.retain(|each| fits(filter, &each.status));
        return Ok(page);
    }
    let (mut behind, mut looked_at) = (cursor, 0);
    loop {
        let candidates = candidates(store, filter, behind, now).await?;
        let mut told = statuses(store, &candidates, &tell).await?.into_iter().peekable();
        for candidate in &candidates {
            if page.connections.len() == limit {
                page.next = behind;
                return Ok(page);
            }
            behind = Some(Cursor {
                id: candidate.id,
                deadline: candidate.expires_at.filter(|_| filter.expires_before.is_some()),
            });
            if let Some(told) = told.next_if(|told| told.user_id == candidate.user_id)
                && fits(filter, &told.status)
            {
                page.connections.push(told);
            }
        }
        looked_at += candidates.len();
        if candidates.len() < CHUNK {
            return Ok(page);
        }
        if looked_at >= MOST_LOOKED_AT {
            page.next = behind;
            return Ok(page);
        }
    }
}

/// Whether this is an id as Instagram's are, which a handle has an `@` before it to tell from.
pub fn is_account_id(account: &str) -> bool {
    !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit())
}

/// The connections of an account, by either id or by `@` and its handle.
pub async fn by_account(store: &Store, account: &str) -> Result<Vec<Connection>, StoreError> {
    let provider = ProviderId::INSTAGRAM;
    match account.strip_prefix('@') {
        // Instagram's handles are lower case, however people write them.
        Some(username) => store.connections_by_username(provider, &username.to_lowercase()).await,
        None => store.connections_by_account(provider, account).await,
    }
}

/// The connections that link this account. Either id may be missing from a row, or be another one:
/// the app-scoped id changes with the app.
pub async fn holders(store: &Store, account: &Account) -> Result<Vec<Connection>, StoreError> {
    let mut found = store.connections_by_account(ProviderId::INSTAGRAM, &account.id).await?;
    if let Some(other) = account.professional_id.as_deref().filter(|other| *other != account.id) {
        let known: Vec<_> = found.iter().map(|each| each.id).collect();
        let more = store.connections_by_account(ProviderId::INSTAGRAM, other).await?;
        found.extend(more.into_iter().filter(|each| !known.contains(&each.id)));
    }
    Ok(found)
}

/// The next connections whose status may match.
async fn candidates(
    store: &Store,
    filter: &Filter,
    behind: Option<Cursor>,
    now: Timestamp,
) -> Result<Vec<Listed>, StoreError> {
    let after = behind.map(|cursor| cursor.id);
    let read = |selection| store.listed(ProviderId::INSTAGRAM, selection, after, CHUNK);
    if let Some(before) = filter.expires_before {
        let from = behind.and_then(|cursor| cursor.deadline).unwrap_or(Timestamp::MIN);
        return read(Selection::ByDeadline { before, from }).await;
    }
    match filter.state.or(filter.reason.map(Reason::state)) {
        None | Some(State::Connected | State::Unavailable) => read(Selection::All).await,
        Some(State::Connecting) => read(Selection::InState(State::NotConnected)).await,
        Some(state @ (State::NotConnected | State::Degraded | State::ActionRequired)) => {
            read(Selection::InState(state)).await
        }
        Some(state @ State::ReconnectRequired) => {
            let mut both = read(Selection::InState(state)).await?;
            both.extend(read(Selection::Lapsed { now }).await?);
            both.sort_unstable_by_key(|each| each.id);
            both.truncate(CHUNK);
            Ok(both)
        }
    }
}

/// The status of each, in order. Unreadable rows are left out and logged.
async fn statuses(
    store: &Store,
    listed: &[Listed],
    tell: impl Fn(StatusFacts) -> InstagramStatus,
) -> Result<Vec<UserStatus>, StoreError> {
    let read = listed.iter().map(|each| store.facts_of(each, ProviderId::INSTAGRAM));
    let mut told = Vec::with_capacity(listed.len());
    for (facts, Listed { user_id, .. }) in join_all(read).await.into_iter().zip(listed) {
        match facts {
            Ok(facts) => told.push(UserStatus { user_id: user_id.clone(), status: tell(facts) }),
            Err(error) if error.is_of_one_row() => {
                tracing::error!(user = user_id, %error, "a connection cannot be read; the list omits it");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(told)
}

fn fits(filter: &Filter, status: &InstagramStatus) -> bool {
    filter.state.is_none_or(|state| status.state == state)
        && filter.reason.is_none_or(|reason| status.reason == Some(reason))
        && filter
            .expires_before
            .is_none_or(|before| status.token_expires_at.is_some_and(|expires_at| expires_at < before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        for deadline in [None, Some(from_millis(1_763_722_800_123))] {
            let cursor = Cursor { id: Uuid::from_u128(7), deadline };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "x", ".", "1.2", "00000000000000000000000000000007.x"] {
            assert_eq!(text.parse::<Cursor>(), Err(NotACursor), "{text}");
        }
    }
}
