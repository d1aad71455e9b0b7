//! Connect attempts, and the status read that joins them: reading.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Cells, RowOf, Unreadable, values};
use super::{Change, Store, StoreError, engine, rows, statements};
use crate::caller::OwnerId;
use crate::clock;
use crate::connection::Connection;
use crate::connection::attempt::{ATTEMPT_WINDOW, Attempt, AttemptOutcome, LONGEST_PAUSE, SPENT};
use crate::connection::status::OpenAttempt;
use crate::provider::ProviderId;

/// What the status is derived from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StatusFacts {
    /// The connection.
    pub connection: Option<Connection>,
    /// The newest attempt that is not closed. It may have expired.
    pub open_attempt: Option<OpenAttempt>,
}

impl Store {
    /// The facts of the caller's status: the hot path. Read after the call, in one batch with
    /// concurrent calls.
    pub async fn status_facts(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
    ) -> Result<StatusFacts, StoreError> {
        self.read_status(owner.as_str(), provider).await
    }

    /// An attempt by its id.
    pub async fn attempt(&self, id: Uuid) -> Result<Option<Attempt>, StoreError> {
        self.one(statements::ATTEMPT, values![id], rows::attempt).await
    }

    /// An attempt by the SHA-256 of its `state`.
    pub async fn attempt_by_state(&self, state_hash: &[u8; 32]) -> Result<Option<Attempt>, StoreError> {
        let row = self.read_for_stranger(statements::ATTEMPT_BY_STATE, values![state_hash]).await?;
        row.as_ref().map(rows::attempt).transpose()
    }

    /// The caller's attempts that are not closed, oldest first, expired ones included. Unreadable
    /// rows are skipped.
    pub async fn open_attempts(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
    ) -> Result<Vec<Attempt>, StoreError> {
        self.open_attempts_of(owner.as_str(), provider).await
    }

    /// The other attempts of the same person that are not closed. Holding one is the proof.
    pub async fn open_attempts_beside(&self, attempt: &Attempt) -> Result<Vec<Attempt>, StoreError> {
        let mut open = self.open_attempts_of(&attempt.user_id, attempt.provider).await?;
        open.retain(|each| each.id != attempt.id);
        Ok(open)
    }

    async fn open_attempts_of(
        &self,
        user_id: &str,
        provider: ProviderId,
    ) -> Result<Vec<Attempt>, StoreError> {
        let values = values![user_id, provider];
        let found = self.read(statements::ATTEMPTS_OPEN, values).await?;
        Ok(self.read_each(&found, rows::attempt)?.values)
    }

    /// Whether the person of this attempt declined another one at the provider after `since`, and not
    /// in the future.
    pub async fn has_declined(
        &self,
        attempt: &Attempt,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let values = values![&attempt.user_id, attempt.provider, since, now];
        Ok(self.amount(statements::ATTEMPTS_COUNT_DECLINED, values, "attempts").await? > 0)
    }

    /// When the caller began their newest attempts within the hour before `now`, newest first.
    pub async fn attempts_begun(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<Timestamp>, StoreError> {
        let since = clock::before(now, ATTEMPT_WINDOW);
        let begun =
            self.read(statements::ATTEMPTS_BEGUN, values![owner, provider, now, since, limit]).await?;
        rows::read_all(&begun, "attempts", |row| row.get("created_at"))
    }

    /// All users' attempts that [have expired](Attempt::has_expired) and are not closed yet,
    /// earliest first. Unreadable rows are skipped.
    pub async fn expired_attempts(&self, now: Timestamp, limit: usize) -> Result<Vec<Attempt>, StoreError> {
        let values = values![now, clock::before(now, SPENT)];
        self.readable(statements::ATTEMPTS_EXPIRED, values, limit, rows::attempt).await
    }

    /// All users' unexpired attempts whose completion was begun and interrupted, by a crash or
    /// because the provider could not be asked. Unreadable rows are skipped.
    pub async fn stranded_attempts(&self, now: Timestamp, limit: usize) -> Result<Vec<Attempt>, StoreError> {
        let values = values![now, clock::after(now, LONGEST_PAUSE)];
        self.readable(statements::ATTEMPTS_STRANDED, values, limit, rows::attempt).await
    }

    /// All users' open attempts that have brought a token, or are about to. Unreadable rows are
    /// skipped.
    pub async fn holding_attempts(&self, provider: ProviderId) -> Result<Vec<Attempt>, StoreError> {
        self.readable(statements::ATTEMPTS_HOLDING, values![provider], usize::MAX, rows::attempt).await
    }

    /// Closes every attempt of the caller as expired and deletes their secrets, even during
    /// completion, and whether or not it can be read. Returns their ids, in the order of their
    /// beginning.
    pub async fn close_attempts(
        &self,
        owner: &OwnerId,
        provider: ProviderId,
        now: Timestamp,
    ) -> Result<Vec<Uuid>, StoreError> {
        let outcome = AttemptOutcome::Expired.to_name();
        let values = values![owner, provider, outcome, now];
        let change = Change { user_id: owner.as_str().to_owned(), provider, version: None };
        let closed = engine::retrying(|| async {
            let mut unit = self.begin_of(owner.as_str()).await?;
            let closed = unit.rows(statements::ATTEMPTS_CLOSE, values.clone()).await?;
            if !closed.is_empty() {
                self.inner.changes.notify(&mut unit, &change).await?;
            }
            unit.commit().await?;
            Ok(closed)
        })
        .await;
        let may_have_closed = match &closed {
            Ok(closed) => !closed.is_empty(),
            Err(error) => *error == StoreError::OutcomeUnknown,
        };
        self.inner.changes.tell(may_have_closed.then_some(change));
        let closed = closed?;
        // Ids that begin with the time.
        let ids: BTreeSet<Uuid> = closed.iter().filter_map(|row| row.get("id").ok()).collect();
        Ok(ids.into_iter().collect())
    }
}

/// The facts in a row of the status statement.
pub(super) fn status_facts(row: &RowOf<impl Cells>) -> Result<StatusFacts, StoreError> {
    let corrupt = |error: Unreadable| error.at("attempts", &rows::name_of(row, "attempt_id"));
    let connection = match row.get::<Option<Uuid>>("id").map_err(corrupt)? {
        Some(_) => Some(rows::connection(row)?),
        None => None,
    };
    Ok(StatusFacts { connection, open_attempt: open_attempt(row).map_err(corrupt)? })
}

fn open_attempt(row: &RowOf<impl Cells>) -> Result<Option<OpenAttempt>, Unreadable> {
    let Some(id) = row.get("attempt_id")? else { return Ok(None) };
    Ok(Some(OpenAttempt {
        id,
        created_at: row.get("attempt_created_at")?,
        expires_at: row.get("attempt_expires_at")?,
        is_newest: row.get::<Option<i64>>("attempt_newer")?.is_none(),
        paused_until: row.get("attempt_paused_until")?,
    }))
}
