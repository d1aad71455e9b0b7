//! Calls that were refused because a scope is missing, until the refusals are confirmed.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::values;
use super::{Store, StoreError, statements};
use crate::connection::Connection;

impl Store {
    /// Notes that a call was refused because a scope is missing; refusals before `forget_before` no
    /// longer count. Returns when the present series of refusals began.
    pub async fn note_refusal(
        &self,
        connection: &Connection,
        scope: &str,
        now: Timestamp,
        forget_before: Timestamp,
    ) -> Result<Timestamp, StoreError> {
        // Ignore a link time in the future (its clock was ahead): each refusal would begin anew.
        let linked_at = connection.linked_at.filter(|linked| *linked <= now).unwrap_or(Timestamp::MIN);
        let values = values![connection.id, scope, now, forget_before, linked_at];
        let rows = self.write_rows(statements::REFUSAL_PUT, values).await?;
        let first = rows.first().map(|row| row.get("first_at")).transpose();
        let first = first.map_err(|error| error.at("scope_refusals", &connection.id.to_string()))?;
        Ok(first.unwrap_or(now))
    }

    /// Ends the series of refusals: a call that needs the scope has worked. Writes only where there
    /// is one.
    pub async fn end_refusals(&self, connection_id: Uuid, scope: &str) -> Result<(), StoreError> {
        let of_scope = || values![connection_id, scope];
        if self.read_one(statements::REFUSAL, of_scope()).await?.is_some() {
            self.write(statements::REFUSAL_FORGET, of_scope()).await?;
        }
        Ok(())
    }

    /// How many connections were refused calls for lack of `scope` after `since`, counted up to
    /// `most`.
    pub async fn refused(&self, scope: &str, since: Timestamp, most: u64) -> Result<u64, StoreError> {
        self.amount(statements::REFUSALS_COUNT, values![scope, since, most], "scope_refusals").await
    }
}
