//! Counts over all connections, by which incidents are recognised. Counted in the database, so that
//! replicas agree and a restart forgets nothing.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Row, from_row, values};
use super::{Store, StoreError, rows, statements};
use crate::clock;
use crate::connection::clock_repair::TOLERANCE;
use crate::connection::{Connection, Reason};

/// How many connections are in trouble.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trouble {
    /// Degraded by `provider_incident`, however long.
    pub held: u64,
    /// When the first of them was degraded.
    pub held_since: Option<Timestamp>,
    /// For each span, connections with an open suspicion that was first seen in it; for the two
    /// shorter ones also those declared dead in it because of an answer, for the reason asked
    /// about. (In the longest span these would count twice as long as those that work: once as
    /// suspected, once as dead.)
    pub struck: [Struck; 3],
}

/// How many connections were struck.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Struck {
    /// How many.
    pub count: u64,
    /// When the first of them was struck.
    pub first_at: Option<Timestamp>,
}

impl Store {
    /// Counts connections struck after each of `starts`, with those that died for `reason`.
    pub async fn trouble(&self, starts: [Timestamp; 3], reason: Reason) -> Result<Trouble, StoreError> {
        let [first, second, third] = starts;
        let values = values![first, second, third, reason];
        let trouble = |row: &Row| {
            let struck =
                |count, first_at| Ok(Struck { count: row.get(count)?, first_at: row.get(first_at)? });
            let struck = [
                struck("struck_short", "first_short")?,
                struck("struck_middle", "first_middle")?,
                struck("struck_long", "first_long")?,
            ];
            Ok(from_row!(row => Trouble { held, held_since, struck: struck }))
        };
        let found = self.total(statements::TROUBLE, values, "connections", trouble);
        Ok(found.await?.unwrap_or_default())
    }

    /// How many connections are degraded by `app_misconfigured`, however long.
    pub async fn misconfigured(&self) -> Result<u64, StoreError> {
        self.amount(statements::MISCONFIGURED_COUNT, Vec::new(), "connections").await
    }

    /// How many connections were proven alive by an answer between `since` and `now`, counted up to
    /// `most`.
    pub async fn proven(&self, since: Timestamp, now: Timestamp, most: u64) -> Result<u64, StoreError> {
        self.amount(statements::PROVEN_COUNT, values![since, latest(now), most], "connections").await
    }

    /// How many connections are not known to have ended, counted up to `most`.
    pub async fn alive(&self, most: u64) -> Result<u64, StoreError> {
        self.amount(statements::ALIVE_COUNT, values![most], "connections").await
    }

    /// Up to `limit` other connections that can be asked about at `now` and were last proven alive
    /// before `before`: the latest first.
    pub async fn proven_last_before(
        &self,
        before: Timestamp,
        besides: Uuid,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        self.readable(statements::PROVEN_LAST, values![besides, now, before], limit, rows::connection).await
    }

    /// Connections that were declared dead for `reason` after `since` because of an answer, and
    /// whose grant is still there.
    pub async fn fallen(
        &self,
        since: Timestamp,
        reason: Reason,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = values![since, reason];
        self.readable(statements::CONNECTIONS_FALLEN, values, limit, rows::connection).await
    }

    /// Makes up to `limit` connections that are degraded by `reason` due at `now`, those first
    /// that were tried least in vain. Answers how many.
    pub async fn make_due(&self, reason: Reason, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        self.write(statements::CONNECTIONS_MAKE_DUE, values![reason, now, limit]).await
    }
}

/// Evidence stamped later than this is ignored: its clock was ahead.
fn latest(now: Timestamp) -> Timestamp {
    clock::after(now, TOLERANCE)
}
