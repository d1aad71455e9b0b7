//! Leases: which worker works on a connection, so that no two refresh it at once.
//!
//! A lease is a few columns of the connection's row, claimed in one short statement; the provider
//! is called outside any transaction. A lease saves calls and protects no data: a new grant is
//! stored even after the lease has run out. Data is protected by the row's version, which every
//! write compares, and by the grant's link, which a switch compares. The epoch grows with each
//! claim, so that releasing a lost lease does nothing.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Engine, Row, values};
use super::unreadable::{Read, UNREADABLE_RESTS};
use super::{Store, StoreError, Value, rows, statements};
use crate::clock;
use crate::connection::Connection;
use crate::connection::clock_repair::{LONGEST_WAIT, TOLERANCE};

/// With this many due rows or more, they are read by the index of expiries instead of sorted.
const BACKLOG: usize = 1000;

/// A claimed connection. Made only by claiming.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    connection: Connection,
    owner: String,
    epoch: i64,
    until: Timestamp,
}

impl Lease {
    /// The connection as it was when it was claimed.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Who holds it.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Grows with every claim.
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// When others may claim it.
    pub fn until(&self) -> Timestamp {
        self.until
    }

    /// The parameters that identify it.
    pub(super) fn key(&self) -> Vec<Value> {
        values![self.connection.id, &self.owner, self.epoch]
    }
}

impl Store {
    /// Claims up to `limit` connections whose refresh is due at `now`, that need not wait and that
    /// nobody holds; earliest expiry first. Parallel claims never give one connection to two
    /// owners. Unreadable rows are postponed.
    pub async fn claim_due(
        &self,
        owner: &str,
        now: Timestamp,
        lease_for: Duration,
        limit: usize,
    ) -> Result<Vec<Lease>, StoreError> {
        let until = clock::after(now, lease_for);
        let values =
            values![now, limit, owner, until, latest(now, lease_for), clock::after(now, LONGEST_WAIT)];
        loop {
            let way = match self.due_count(now).await? {
                // The usual case, which needs no lock.
                0 => return Ok(Vec::new()),
                1..BACKLOG => statements::CLAIM_FEW_DUE,
                BACKLOG.. => statements::CLAIM_MANY_DUE,
            };
            let claimed = self.write_rows(way, values.clone()).await?;
            let Read { values: mut leases, unreadable } =
                self.read_each(&claimed, |row| lease(row, owner, until))?;
            let freed = self.postpone_unreadable(&unreadable, owner, until, now).await;
            if let Err(error) = &freed
                && !leases.is_empty()
            {
                tracing::warn!(%error, "leases of unreadable rows could not be released; they will expire");
            } else if freed? > 0 && leases.is_empty() {
                // The unreadable rows came before others that are due as well.
                continue;
            }
            // `RETURNING` promises no order.
            leases.sort_by_key(|lease| {
                (lease.connection.grant.map(|grant| grant.expires_at), lease.connection.id)
            });
            return Ok(leases);
        }
    }

    /// Releases and postpones claimed rows that cannot be read: they would be the first to be
    /// claimed again, and another version may be able to read them. Returns how many.
    async fn postpone_unreadable(
        &self,
        ids: &[String],
        owner: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        let ids = serde_json::json!(ids).to_string();
        let values = values![ids, owner, until, clock::after(now, UNREADABLE_RESTS)];
        self.write(statements::LEASES_POSTPONE, values).await
    }

    /// How many are due, counted up to [`BACKLOG`]. More should not be sorted at each claim; both
    /// statements claim the same rows.
    async fn due_count(&self, now: Timestamp) -> Result<usize, StoreError> {
        let due = self.amount(statements::DUE_COUNT, values![now, BACKLOG], "connections").await?;
        Ok(usize::try_from(due).unwrap_or(usize::MAX))
    }

    /// Claims one connection, due or not. `None` if it is held, or there is none.
    pub async fn claim(
        &self,
        connection_id: Uuid,
        owner: &str,
        now: Timestamp,
        lease_for: Duration,
    ) -> Result<Option<Lease>, StoreError> {
        let until = clock::after(now, lease_for);
        let values = values![connection_id, owner, until, now, latest(now, lease_for)];
        let rows = self.write_rows(statements::CLAIM_ONE, values).await?;
        rows.first().map(|row| lease(row, owner, until)).transpose()
    }

    /// Releases the leases of a killed server and its claims on attempts, so that nothing waits for
    /// them. Only on SQLite, where there is no other server. Returns how many.
    pub async fn release_dead_server(&self) -> Result<u64, StoreError> {
        match &self.inner.engine {
            Engine::Sqlite(_) => {
                let leases = self.write(statements::LEASES_FENCE, Vec::new()).await?;
                Ok(leases + self.write(statements::ATTEMPTS_RELEASE, Vec::new()).await?)
            }
            Engine::Postgres(_) | Engine::Driven(_) => Ok(0),
        }
    }

    /// Whether this version of a connection's grant has been replaced or dropped, or somebody else
    /// than the holder of `lease` holds the connection to refresh it.
    pub async fn is_replaced(
        &self,
        connection_id: Uuid,
        grant_version: i64,
        lease: Option<&Lease>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let epoch = lease.map_or(-1, Lease::epoch);
        let values = values![connection_id, grant_version, now, latest(now, Duration::ZERO), epoch];
        Ok(self.read_one(statements::GRANT_IS_REPLACED, values).await?.is_some())
    }

    /// Releases a lease. Does nothing if it is lost.
    pub async fn release(&self, lease: &Lease) -> Result<(), StoreError> {
        self.write(statements::LEASE_RELEASE, lease.key()).await.map(drop)
    }

    /// When the next connection will be claimable; may be in the past. `None` where none is
    /// waiting.
    pub async fn next_due_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.time(statements::NEXT_DUE, Vec::new(), "connections").await
    }
}

/// The latest believed end of a lease, given how far replicas' clocks may be apart. A later one,
/// written by a wrong clock, would lock its row for too long.
fn latest(now: Timestamp, lease_for: Duration) -> Timestamp {
    clock::after(now, lease_for + TOLERANCE)
}

fn lease(row: &Row, owner: &str, until: Timestamp) -> Result<Lease, StoreError> {
    let connection = rows::connection(row)?;
    let epoch = rows::read(row, "connections", "id", |row| row.get("lease_epoch"))?;
    Ok(Lease { connection, owner: owner.to_owned(), epoch, until })
}
