//! Deletes rows at the end of their retention, a few at a time.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::values;
use super::statements::{self, Sql};
use super::{Store, StoreError, rows};
use crate::clock::before;
use crate::names::names;

/// How old the newest row must be that says when the database was last used.
const LATELY: Duration = Duration::from_hours(1);

names! {
    /// The kinds of rows with a retention. The sweep knows how long.
    pub enum Kept {
        /// Attempts, by when they were closed.
        Attempts = "attempts",
        /// Secrets that closed attempts still hold, by when they expired.
        Completions = "completions",
        /// Webhook ids of Clerk, by when they arrived.
        ClerkEvents = "clerk_events",
        /// Receipts of data deletion, by when the request arrived.
        Deletions = "data_deletions",
        /// Withdrawn accounts, by when Meta said so.
        Withdrawals = "withdrawals",
        /// Events that the app has not taken, by when they occurred.
        Outbox = "outbox",
        /// Refusals for lack of a scope, by when the last one was.
        Refusals = "scope_refusals",
        /// The record of acts, by when they were done.
        Acts = "audit",
        /// Notices, by when they occurred: one that was not sent is given up long before.
        Notices = "notices",
        /// Counts of refreshes, by the hour.
        Refreshes = "refresh_tally",
        /// Grants that an earlier version left when it ended a connection, by when it did.
        Grants = "grants",
    }
}

impl Kept {
    fn statement(self) -> Sql {
        match self {
            Self::Attempts => statements::SWEEP_ATTEMPTS,
            Self::Completions => statements::SWEEP_COMPLETIONS,
            Self::ClerkEvents => statements::SWEEP_CLERK_EVENTS,
            Self::Deletions => statements::SWEEP_DELETIONS,
            Self::Withdrawals => statements::SWEEP_WITHDRAWALS,
            Self::Outbox => statements::SWEEP_OUTBOX,
            Self::Refusals => statements::SWEEP_REFUSALS,
            Self::Acts => statements::SWEEP_ACTS,
            Self::Notices => statements::SWEEP_NOTICES,
            Self::Refreshes => statements::SWEEP_REFRESHES,
            Self::Grants => statements::SWEEP_GRANTS,
        }
    }
}

/// The result of one step through the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryStep {
    /// Entries deleted.
    pub deleted: u64,
    /// Where the next step begins.
    pub reached: Timestamp,
}

impl Store {
    /// The time of the newest row among those that come often: when the database was last in use,
    /// an hour before `now` at the latest. A start shortly before may have written by the same
    /// wrong clock.
    pub async fn last_used_at(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let row = self.read_one(statements::LAST_USED, values![before(now, LATELY)]).await?;
        row.map_or(Ok(None), |row| rows::read_total(&row, "(all)", |row| row.get("at")))
    }

    /// Deletes up to `limit` rows older than `before`, oldest first; of [`Kept::Grants`], those
    /// that are younger. Returns how many.
    pub async fn sweep(&self, kept: Kept, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.write(kept.statement(), values![before, limit]).await
    }

    /// Reads the next `limit` entries of the history after `from` that are older than `before`, and
    /// deletes those that are not among the last twenty of their connection. `None` if there are
    /// none.
    pub async fn sweep_history(
        &self,
        from: Timestamp,
        before: Timestamp,
        limit: usize,
    ) -> Result<Option<HistoryStep>, StoreError> {
        let values = values![before, from, limit];
        let Some(row) = self.read_one(statements::SWEEP_HISTORY_NEXT, values).await? else {
            return Ok(None);
        };
        let reached = rows::read_total(&row, "connection_history", |row| row.get("at"))?;
        let Some(reached): Option<Timestamp> = reached else { return Ok(None) };
        let deleted = self.write(statements::SWEEP_HISTORY, values![from, reached]).await?;
        Ok(Some(HistoryStep { deleted, reached }))
    }
}
