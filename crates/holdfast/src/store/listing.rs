//! Lists connections page by page, for backends and operators.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Row, from_row, values};
use super::{StatusFacts, Store, StoreError, rows, statements};
use crate::connection::{Connection, State};
use crate::provider::ProviderId;

/// A connection that may be on the page. Its status is read separately, so that one unreadable row
/// does not break the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The connection.
    pub id: Uuid,
    /// Its owner.
    pub user_id: String,
    /// When its grant expires.
    pub expires_at: Option<Timestamp>,
}

impl From<&Connection> for Listed {
    fn from(connection: &Connection) -> Self {
        Self {
            id: connection.id,
            user_id: connection.user_id.clone(),
            expires_at: connection.grant.map(|grant| grant.expires_at),
        }
    }
}

/// Which connections are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// All, by id.
    All,
    /// Those in one stored state, by id. For `connected` all are read, since most are.
    InState(State),
    /// Live ones whose grant has expired, by id.
    Lapsed {
        /// The time.
        now: Timestamp,
    },
    /// Those whose grant expires before a time, by expiry.
    ByDeadline {
        /// That time.
        before: Timestamp,
        /// The expiry at which the last page ended.
        from: Timestamp,
    },
}

impl Store {
    /// The next connections after `after`.
    pub async fn listed(
        &self,
        provider: ProviderId,
        selection: Selection,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut values = values![provider, after.unwrap_or(Uuid::nil()), limit];
        let sql = match selection {
            Selection::All | Selection::InState(State::Connected) => statements::LISTED,
            Selection::InState(state) => {
                values.extend(values![state]);
                statements::LISTED_IN_STATE
            }
            Selection::Lapsed { now } => {
                values.extend(values![now]);
                statements::LISTED_LAPSED
            }
            Selection::ByDeadline { before, from } => {
                values.extend(values![before, from]);
                statements::LISTED_BY_DEADLINE
            }
        };
        self.read(sql, values).await?.iter().map(listed).collect()
    }

    /// The facts of a listed user's status. Read in one batch with concurrent calls.
    pub async fn facts_of(&self, listed: &Listed, provider: ProviderId) -> Result<StatusFacts, StoreError> {
        self.read_status(&listed.user_id, provider).await
    }

    /// The connections whose account has this handle, as far as we know; the handle may have moved
    /// to another account.
    pub async fn connections_by_username(
        &self,
        provider: ProviderId,
        username: &str,
    ) -> Result<Vec<Connection>, StoreError> {
        self.connections_of(statements::CONNECTIONS_BY_USERNAME, values![provider, username]).await
    }
}

fn listed(row: &Row) -> Result<Listed, StoreError> {
    rows::read(row, "connections", "id", |row| {
        Ok(from_row!(row => Listed { id, user_id, expires_at: row.get("grant_expires_at")? }))
    })
}
