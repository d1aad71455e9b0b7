//! Connections, their history and their sealed grants: reading.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Row, Unreadable, from_row, values};
use super::{Store, StoreError, rows, statements};
use crate::caller::OwnerId;
use crate::clock::{after, before};
use crate::connection::attempt::{Attempt, AttemptNote};
use crate::connection::clock_repair::{LONGEST_PAUSE, LONGEST_WAIT, PROOF_LASTS, TOLERANCE, USUAL_LIFE};
use crate::connection::{Connection, Evidence, Reason, Standing, State};
use crate::provider::ProviderId;
use crate::vault::WrappedKey;

/// An entry in a connection's history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The connection.
    pub connection_id: Uuid,
    /// When it happened.
    pub at: Timestamp,
    /// The connection's version after it.
    pub version: i64,
    /// The state after it.
    pub state: State,
    /// Its reason.
    pub reason: Option<Reason>,
    /// The evidence for it.
    pub evidence: Option<Evidence>,
    /// One sentence of ours for the operator; never a secret.
    pub detail: Option<String>,
    /// The connect attempt that began or ended with it. If it began, nothing else changed.
    pub attempt: Option<AttemptNote>,
}

impl HistoryEntry {
    /// The connection as it is at `now`.
    pub fn of(connection: &Connection, now: Timestamp) -> Self {
        Self {
            connection_id: connection.id,
            at: now,
            version: connection.version,
            state: connection.standing.state(),
            reason: connection.standing.reason(),
            evidence: connection.evidence,
            detail: None,
            attempt: None,
        }
    }

    /// State and reason as the API shows them: if nothing was linked, an attempt that began is
    /// `connecting`.
    pub fn told(&self) -> (State, Option<Reason>) {
        match self.attempt {
            Some(AttemptNote { outcome: None, .. }) if self.state == State::NotConnected => {
                (State::Connecting, None)
            }
            Some(_) | None => (self.state, self.reason),
        }
    }
}

/// A page of the history, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<HistoryEntry>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<HistoryCursor>,
}

/// Where a page of the history ended. Its text form is opaque to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistoryCursor {
    version: i64,
    /// Place among the entries of one version.
    position: i64,
}

impl fmt::Display for HistoryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.position)
    }
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NotACursor;

impl FromStr for HistoryCursor {
    type Err = NotACursor;

    fn from_str(text: &str) -> Result<Self, NotACursor> {
        let (version, position) = text.split_once('.').ok_or(NotACursor)?;
        let number = |digits: &str| digits.parse().map_err(|_| NotACursor);
        Ok(Self { version: number(version)?, position: number(position)? })
    }
}

/// A stored grant: the blob and its facts that are not secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedGrant {
    /// The connection.
    pub connection_id: Uuid,
    /// Grows per connection; never reused.
    pub version: i64,
    /// Sealed under the user's data key.
    pub blob: Vec<u8>,
    /// When it arrived.
    pub obtained_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// How many connections are in a standing; for metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionCount {
    /// The provider.
    pub provider: ProviderId,
    /// State and reason.
    pub standing: Standing,
    /// How many.
    pub amount: u64,
}

impl Store {
    /// The caller's connection.
    pub async fn connection(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
    ) -> Result<Option<Connection>, StoreError> {
        self.one(statements::CONNECTION, values![owner, provider], rows::connection).await
    }

    /// A connection by its id; for the worker and for provider callbacks.
    pub async fn connection_by_id(&self, id: Uuid) -> Result<Option<Connection>, StoreError> {
        self.one(statements::CONNECTION_BY_ID, values![id], rows::connection).await
    }

    /// The connections that link an account, by its app-scoped or its professional id.
    pub async fn connections_by_account(
        &self,
        provider: ProviderId,
        account_or_professional_id: &str,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = values![provider, account_or_professional_id];
        self.connections_of(statements::CONNECTIONS_BY_ACCOUNT, values).await
    }

    /// Live connections whose grant has expired beyond doubt, and has not recently worked past its
    /// expiry. Expiries up to `doubted_until` are in doubt, and those that no refresh named.
    /// Earliest first; unreadable rows are skipped.
    pub async fn expired_connections(
        &self,
        now: Timestamp,
        doubted_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        self.expired(statements::CONNECTIONS_EXPIRED, now, doubted_until, limit).await
    }

    /// Those whose expiry is in doubt, without those that the provider may not be asked about yet.
    pub async fn connections_expired_in_doubt(
        &self,
        now: Timestamp,
        doubted_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        self.expired(statements::CONNECTIONS_EXPIRED_IN_DOUBT, now, doubted_until, limit).await
    }

    async fn expired(
        &self,
        sql: statements::Sql,
        now: Timestamp,
        doubted_until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = values![now, before(now, PROOF_LASTS), doubted_until];
        self.readable(sql, values, limit, rows::connection).await
    }

    /// Connections with times that a right clock cannot have written at or before `now`:
    ///
    /// - a grant that arrives in the future;
    /// - an expiry that the clock has declared and that has not come yet;
    /// - a next refresh that is too far off for a retry and lies in the last `tail_percent` of the
    ///   grant's life. It is judged so only where no more than that part of a usual life is left.
    ///
    /// Rows that cannot be read are passed over.
    pub async fn mistimed_connections(
        &self,
        now: Timestamp,
        tail_percent: u32,
        limit: usize,
    ) -> Result<Vec<Connection>, StoreError> {
        let values = values![
            after(now, TOLERANCE),
            now,
            after(now, LONGEST_WAIT + TOLERANCE),
            tail_percent,
            after(now, USUAL_LIFE / 100 * tail_percent),
        ];
        self.readable(statements::CONNECTIONS_MISTIMED, values, limit, rows::connection).await
    }

    /// Brings back to `now` what a clock that was ahead began or postponed: connect attempts, and
    /// events to the app; of each kind at most `limit` rows. Returns how many.
    pub async fn bring_back_waits(&self, now: Timestamp, limit: usize) -> Result<u64, StoreError> {
        let mut found = 0;
        for (sql, latest) in [
            (statements::ATTEMPTS_BRING_BACK_CLAIMS, LONGEST_PAUSE),
            (statements::ATTEMPTS_BRING_BACK, TOLERANCE),
            (statements::OUTBOX_BRING_BACK, LONGEST_PAUSE),
            (statements::NOTICES_BRING_BACK, LONGEST_PAUSE),
        ] {
            found += self.write(sql, values![after(now, latest), now, limit]).await?;
        }
        Ok(found)
    }

    pub(super) async fn connections_of(
        &self,
        sql: statements::Sql,
        values: Vec<super::Value>,
    ) -> Result<Vec<Connection>, StoreError> {
        self.read(sql, values).await?.iter().map(rows::connection).collect()
    }

    /// How many connections are in which standing. Those in one that this version does not know are
    /// left out.
    pub async fn connection_counts(&self) -> Result<Vec<ConnectionCount>, StoreError> {
        let found = self.read(statements::CONNECTION_COUNTS, Vec::new()).await?;
        let count = |row: &Row| {
            Ok(from_row!(row => ConnectionCount { provider, standing: rows::standing(row)?, amount }))
        };
        // The log names the reason of such a group.
        Ok(self.read_each(&found, |row| rows::read(row, "connections", "reason", count))?.values)
    }

    /// The caller's history, newest first. Unreadable rows are skipped.
    pub async fn history(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
        before: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, StoreError> {
        let before = before.unwrap_or(HistoryCursor { version: i64::MAX, position: i64::MAX });
        let values = values![
            owner,
            provider,
            before.version,
            before.position,
            // One more than asked for tells whether there is another page.
            limit.saturating_add(1),
        ];
        let mut found = self.read(statements::HISTORY, values).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let cursor = |row| rows::read(row, "connection_history", "connection_id", history_cursor);
        let next = found.last().filter(|_| more).map(cursor).transpose()?;
        Ok(HistoryPage { entries: self.read_each(&found, history_entry)?.values, next })
    }

    /// The connection that an attempt is about. Holding the attempt is the proof.
    pub async fn connection_of(&self, attempt: &Attempt) -> Result<Option<Connection>, StoreError> {
        let values = values![&attempt.user_id, attempt.provider];
        self.one(statements::CONNECTION, values, rows::connection).await
    }

    /// Claims the right to ask the provider about this connection: true for exactly one caller per
    /// `gap` and link, across all replicas. A clock that was set back delays it by at most another
    /// gap.
    pub async fn claim_me_call(&self, id: Uuid, now: Timestamp, gap: Duration) -> Result<bool, StoreError> {
        let values = values![id, now, before(now, gap), after(now, gap)];
        Ok(self.write(statements::CONNECTION_CLAIM_PROBE, values).await? > 0)
    }

    /// One version of a connection's grant, with the owner's data key.
    pub async fn sealed_grant_and_key(
        &self,
        user_id: &str,
        connection_id: Uuid,
        version: i64,
    ) -> Result<Option<(SealedGrant, WrappedKey)>, StoreError> {
        let values = values![connection_id, version, user_id];
        let Some(row) = self.read_one(statements::GRANT_AND_KEY, values).await? else { return Ok(None) };
        let key = || -> Result<_, Unreadable> {
            Ok(WrappedKey { key_id: row.get("key_id")?, blob: row.get("key_blob")? })
        };
        let key = key().map_err(|error| error.at("user_keys", user_id))?;
        Ok(Some((sealed_grant(&row)?, key)))
    }

    /// All connections, by id, each with its grant and its owner's data key where both are stored.
    /// `after` is the last id of the page before.
    pub async fn sealed_page(
        &self,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<(Connection, Option<(SealedGrant, WrappedKey)>)>, StoreError> {
        let rows = self.read(statements::SEALED_PAGE, values![after.unwrap_or(Uuid::nil()), limit]).await?;
        let read = |row: &Row| {
            let connection = rows::connection(row)?;
            let stored = || -> Result<_, Unreadable> {
                let (key_id, blob): (Option<_>, Option<_>) = (row.get("key_id")?, row.get("key_blob")?);
                Ok((row.get("sealed")?, key_id.zip(blob).map(|(key_id, blob)| WrappedKey { key_id, blob })))
            };
            let (sealed, key) = stored().map_err(|error| error.at("grants", &connection.id.to_string()))?;
            let grant = connection.grant.zip(sealed).map(|(facts, blob)| SealedGrant {
                connection_id: connection.id,
                version: facts.version,
                blob,
                obtained_at: facts.obtained_at,
                expires_at: facts.expires_at,
            });
            Ok((connection, grant.zip(key)))
        };
        rows.iter().map(read).collect()
    }

    /// Connections whose grant could not be opened, oldest first. Unreadable rows are skipped.
    pub async fn connections_unreadable(&self, limit: usize) -> Result<Vec<Connection>, StoreError> {
        self.readable(statements::CONNECTIONS_UNREADABLE, Vec::new(), limit, rows::connection).await
    }

    /// Every stored grant of a user, each with its provider.
    pub async fn sealed_grants_of(
        &self,
        user_id: &str,
    ) -> Result<Vec<(ProviderId, SealedGrant)>, StoreError> {
        let rows = self.read(statements::GRANTS_OF_USER, values![user_id]).await?;
        let provider = |row| rows::read(row, "connections", "connection_id", |row| row.get("provider"));
        rows.iter().map(|row| Ok((provider(row)?, sealed_grant(row)?))).collect()
    }

    /// Every stored version of a connection's grant, newest first.
    pub async fn sealed_grants(&self, connection_id: Uuid) -> Result<Vec<SealedGrant>, StoreError> {
        self.read(statements::GRANTS, values![connection_id]).await?.iter().map(sealed_grant).collect()
    }
}

fn history_cursor(row: &Row) -> Result<HistoryCursor, Unreadable> {
    Ok(from_row!(row => HistoryCursor { version, position }))
}

fn history_entry(row: &Row) -> Result<HistoryEntry, StoreError> {
    rows::read(row, "connection_history", "connection_id", |row| {
        let standing = rows::standing(row)?;
        let attempt = match row.get("attempt_id")? {
            Some(id) => Some(AttemptNote { id, outcome: row.get("attempt_outcome")? }),
            None => None,
        };
        Ok(from_row!(row => HistoryEntry {
            connection_id,
            at,
            version,
            state: standing.state(),
            reason: standing.reason(),
            evidence: rows::evidence(row)?,
            detail,
            attempt: attempt,
        }))
    })
}

fn sealed_grant(row: &Row) -> Result<SealedGrant, StoreError> {
    rows::read(row, "grants", "connection_id", |row| {
        Ok(from_row!(row => SealedGrant { connection_id, version, blob, obtained_at, expires_at }))
    })
}
