//! Deletes rows at the end of their retention, a few at a time.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::values;
use super::statements::{self, Sql};
use super::{Store, StoreError};
use crate::clock::before;

/// How old the newest row must be that says when the database was last used.
const LATELY: Duration = Duration::from_hours(1);

const fn days(amount: u64) -> Duration {
    Duration::from_hours(amount * 24)
}

/// A kind of rows with a retention.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// What they are called.
    pub name: &'static str,
    /// How long they are kept.
    pub lasts: Duration,
    statement: Sql,
}

/// Events that the app has not taken, among [`KEPT`].
pub const OUTBOX: &str = "outbox";

/// Every kind, and how long it is kept. What is not among them has no retention: tombstones of
/// erased users stay for ever, and a user's own rows until the user is erased. The history's is the
/// sweep's.
pub const KEPT: [Kept; 11] = [
    // By when they were closed.
    Kept { name: "attempts", lasts: days(1), statement: statements::SWEEP_ATTEMPTS },
    // Secrets that closed attempts still hold. The limit is their own expiry.
    Kept { name: "completions", lasts: Duration::ZERO, statement: statements::SWEEP_COMPLETIONS },
    // Webhook ids of Clerk, by when they arrived.
    Kept { name: "clerk_events", lasts: days(30), statement: statements::SWEEP_CLERK_EVENTS },
    // Receipts of data deletion, by when the request arrived.
    Kept { name: "data_deletions", lasts: days(365), statement: statements::SWEEP_DELETIONS },
    // By when Meta said so: longer than an attempt can take from its first token to the link.
    Kept { name: "withdrawals", lasts: days(2), statement: statements::SWEEP_WITHDRAWALS },
    // By when they occurred. The outbox gives an event up after a week, at the next try, and counts
    // it as lost.
    Kept { name: OUTBOX, lasts: days(8), statement: statements::SWEEP_OUTBOX },
    // Refusals for lack of a scope, by when the last one was.
    Kept { name: "scope_refusals", lasts: days(1), statement: statements::SWEEP_REFUSALS },
    // The record of acts, by when they were done.
    Kept { name: "audit", lasts: days(365), statement: statements::SWEEP_ACTS },
    // By when they occurred: one that was not sent is given up long before.
    Kept { name: "notices", lasts: days(30), statement: statements::SWEEP_NOTICES },
    // Counts of refreshes, by the hour. The page shows thirty days of them.
    Kept { name: "refresh_tally", lasts: days(40), statement: statements::SWEEP_REFRESHES },
    // Grants that an earlier version left when it ended a connection: not kept. A day is how far
    // back each sweep looks.
    Kept { name: "grants", lasts: days(1), statement: statements::SWEEP_GRANTS },
];

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
        self.time(statements::LAST_USED, values![before(now, LATELY)], "(all)").await
    }

    /// Deletes up to `limit` rows older than `before`, oldest first; of grants, those that are
    /// younger. Returns how many.
    pub async fn sweep(&self, kept: &Kept, before: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.write(kept.statement, values![before, limit]).await
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
        let (next, values) = (statements::SWEEP_HISTORY_NEXT, values![before, from, limit]);
        let Some(reached) = self.time(next, values, "connection_history").await? else { return Ok(None) };
        let deleted = self.write(statements::SWEEP_HISTORY, values![from, reached]).await?;
        Ok(Some(HistoryStep { deleted, reached }))
    }
}
