//! Who has a connection, page by page: for backends and operators that look at all of them.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::Row;
use super::{StatusFacts, Store, StoreError, rows, statements};
use crate::connection::{Connection, State};
use crate::provider::ProviderId;

/// A connection that may be on the page. Its status is read by itself, so that one unreadable row
/// spoils no page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The connection.
    pub id: Uuid,
    /// Its owner.
    pub user_id: String,
    /// When its grant dies.
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

/// Which connections are looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// All, by id.
    All,
    /// Those in one stored state, by id. `connected` is looked for among all: that is what most
    /// are.
    InState(State),
    /// Those whose grant has died by the clock and which do not say so yet, by id.
    Lapsed {
        /// The time.
        now: Timestamp,
    },
    /// Those whose grant dies before a time, by deadline.
    ByDeadline {
        /// That time.
        before: Timestamp,
        /// The deadline at which the page before ended.
        from: Timestamp,
    },
}

impl Store {
    /// The next connections behind `after`.
    pub async fn listed(
        &self,
        provider: ProviderId,
        among: Among,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Listed>, StoreError> {
        let mut values = vec![provider.as_str().into(), rows::after(after), rows::limit(limit)];
        let sql = match among {
            Among::All | Among::InState(State::Connected) => statements::LISTED,
            Among::InState(state) => {
                values.push(state.as_str().into());
                statements::LISTED_IN_STATE
            }
            Among::Lapsed { now } => {
                values.push(now.into());
                statements::LISTED_LAPSED
            }
            Among::ByDeadline { before, from } => {
                values.extend([before.into(), from.into()]);
                statements::LISTED_BY_DEADLINE
            }
        };
        self.read(sql, values).await?.iter().map(listed).collect()
    }

    /// What the status of somebody who is listed is derived from. Read together with what others
    /// ask meanwhile.
    pub async fn facts_of(&self, listed: &Listed, provider: ProviderId) -> Result<StatusFacts, StoreError> {
        self.read_status(&listed.user_id, provider).await
    }

    /// The connections whose account bears that handle, as far as we know; an account may have
    /// passed it on.
    pub async fn connections_by_username(
        &self,
        provider: ProviderId,
        username: &str,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = vec![provider.as_str().into(), username.into()];
        self.connections_of(statements::CONNECTIONS_BY_USERNAME, values).await
    }
}

fn listed(row: &Row) -> Result<Listed, StoreError> {
    rows::read(row, "connections", "id", |row| {
        Ok(Listed {
            id: row.id("id")?,
            user_id: row.text("user_id")?,
            expires_at: row.opt_time("grant_expires_at")?,
        })
    })
}
