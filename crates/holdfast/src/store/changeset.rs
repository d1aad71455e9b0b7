//! Writing: one unit of work, all or nothing, guarded by compare-and-set.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Failure, Violation, values};
use super::keys::insert_user_key;
use super::{Change, HistoryEntry, Lease, SealedGrant, Store, StoreError, Unit, engine, rows, statements};
use crate::clock;
use crate::connection::Connection;
use crate::connection::attempt::{ATTEMPT_WINDOW, Attempt};
use crate::vault::WrappedKey;

/// Changes to be stored together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChangeSet {
    /// The connection's new facts.
    pub connection: Option<ConnectionWrite>,
    /// A data key for its user, who has none yet.
    pub new_user_key: Option<WrappedKey>,
    /// Entries for its history.
    pub history: Vec<HistoryEntry>,
    /// When it changed, where the app is told.
    pub event_at: Option<Timestamp>,
    /// A new version of the grant. An existing version is never overwritten.
    pub append_grant: Option<SealedGrant>,
    /// Deletes a connection's grants below a version: keeps that one and newer.
    pub erase_grants_below: Option<(Uuid, i64)>,
    /// Deletes all of a connection's grants. Done before `append_grant`.
    pub erase_all_grants: Option<Uuid>,
    /// The attempt's new facts.
    pub attempt: Option<AttemptWrite>,
    /// The lease to release with these changes; ignored if it is lost.
    pub release: Option<Lease>,
}

/// A connection to insert, or to update if it still has the expected version.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionWrite {
    /// `None` inserts.
    pub expected_version: Option<i64>,
    /// The new facts, with their new version.
    pub connection: Connection,
}

/// An attempt to insert, or to update if it still has the expected revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptWrite {
    /// `None` inserts.
    pub expected_revision: Option<i64>,
    /// The new facts, with their new revision. `user_id`, `provider`, `state_hash`, `return_to`,
    /// `expect` and `created_at` are kept as inserted.
    pub attempt: Attempt,
    /// On insert: refuse where the user already has too many at `attempt.created_at`.
    pub limits: Option<AttemptLimits>,
}

impl AttemptWrite {
    /// `next` as the revision after `attempt`.
    pub fn update(attempt: &Attempt, next: Attempt) -> Self {
        Self {
            expected_revision: Some(attempt.revision),
            attempt: Attempt { revision: attempt.revision + 1, ..next },
            limits: None,
        }
    }
}

/// How many attempts one user may have, counted in the unit of work that inserts another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Open at a time.
    pub open: u32,
    /// Begun within an hour, ended ones included.
    pub in_an_hour: u32,
}

/// What became of a [`ChangeSet`]. Except for `Committed`, nothing of it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitOutcome {
    /// Stored, durably.
    Committed,
    /// Another writer was first: read again.
    Conflict,
    /// The account is linked to another connection.
    AccountAlreadyLinked,
    /// The user was erased.
    UserDeleted,
    /// The user has reached a limit on attempts.
    TooManyAttempts,
}

/// Why a unit of work was given up.
enum Abort {
    Because(CommitOutcome),
    Failed(Failure),
}

impl From<Failure> for Abort {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Violated(Violation::Account) => Self::Because(CommitOutcome::AccountAlreadyLinked),
            Failure::Violated(Violation::Unique) => Self::Because(CommitOutcome::Conflict),
            Failure::Violated(Violation::ForeignKey) => Self::Because(CommitOutcome::UserDeleted),
            Failure::Again(_) | Failure::Final(_) => Self::Failed(failure),
        }
    }
}

impl Store {
    /// Stores `changes`, all or nothing. On [`CommitOutcome::Committed`] they are durable, and
    /// receivers of [`Store::changes`] are notified.
    pub async fn commit(&self, changes: &ChangeSet) -> Result<CommitOutcome, StoreError> {
        self.commit_all(std::slice::from_ref(changes)).await
    }

    /// Stores all of `all`, in this order, as one unit of work: see [`Store::commit`].
    pub async fn commit_all(&self, all: &[ChangeSet]) -> Result<CommitOutcome, StoreError> {
        let outcome = engine::retrying(|| async {
            match self.commit_once(all).await {
                Ok(()) => Ok(CommitOutcome::Committed),
                Err(Abort::Because(outcome)) => Ok(outcome),
                Err(Abort::Failed(failure)) => Err(failure),
            }
        })
        .await;
        // If the outcome is unknown, one notice too many is better than one too few.
        if matches!(outcome, Ok(CommitOutcome::Committed) | Err(StoreError::OutcomeUnknown)) {
            self.inner.changes.tell(all.iter().filter_map(announcement));
            if all.iter().any(|changes| changes.erase_all_grants.is_some()) {
                self.inner.erasures.add();
            }
        }
        outcome
    }

    async fn commit_once(&self, all: &[ChangeSet]) -> Result<(), Abort> {
        let mut unit = match all.last().and_then(announcement) {
            Some(change) => self.begin_of(&change.user_id).await?,
            None => self.begin().await?,
        };
        for changes in all {
            self.write_changes(&mut unit, changes).await?;
        }
        Ok(unit.commit().await?)
    }

    async fn write_changes(&self, unit: &mut Unit, changes: &ChangeSet) -> Result<(), Abort> {
        // Rows are always locked in the same order (user, connection, attempt), to avoid deadlocks.
        if let Some(write) = changes.attempt.as_ref().filter(|write| write.expected_revision.is_none()) {
            self.require_user(unit, &write.attempt.user_id).await?;
            limit_attempts(unit, write).await?;
        }
        if let Some(write) = changes.connection.as_ref().filter(|write| write.expected_version.is_none()) {
            self.require_user(unit, &write.connection.user_id).await?;
        }
        if let Some(write) = &changes.connection {
            if let Some(key) = &changes.new_user_key
                && !insert_user_key(unit, &write.connection.user_id, key, self.inner.clock.now()).await?
            {
                return Err(Abort::Because(CommitOutcome::Conflict));
            }
            write_connection(unit, write).await?;
        }
        if let Some(id) = changes.erase_all_grants {
            unit.run(statements::GRANTS_ERASE, values![id]).await?;
        }
        if let Some((id, version)) = changes.erase_grants_below {
            unit.run(statements::GRANTS_ERASE_BELOW, values![id, version]).await?;
        }
        if let Some(grant) = &changes.append_grant {
            append_grant(unit, grant).await?;
        }
        write_history(unit, &changes.history).await?;
        if let Some(write) = &changes.attempt {
            write_attempt(unit, write).await?;
        }
        if let Some(lease) = &changes.release {
            unit.run(statements::LEASE_RELEASE, lease.key()).await?;
        }
        if let Some(change) = announcement(changes) {
            self.inner.changes.notify(unit, &change).await?;
            if let (Some(write), Some(at)) = (&changes.connection, changes.event_at) {
                self.put_change_event(unit, write.connection.id, &change, at).await?;
            }
        }
        Ok(())
    }

    /// Ensures that the user has a record and is not erased, and locks it until the unit ends: an
    /// erasure either comes first and is seen, or waits and erases what this unit writes too.
    async fn require_user(&self, unit: &mut Unit, user_id: &str) -> Result<(), Abort> {
        let now = self.inner.clock.now();
        unit.run(statements::USER_INSERT, values![user_id, now]).await?;
        let user = unit.row(statements::USER_LOCK, values![user_id]).await?;
        let tombstone = unit.row(statements::TOMBSTONE, values![user_id]).await?;
        if user.is_some() && tombstone.is_none() {
            Ok(())
        } else {
            Err(Abort::Because(CommitOutcome::UserDeleted))
        }
    }
}

async fn limit_attempts(unit: &mut Unit, write: &AttemptWrite) -> Result<(), Abort> {
    let Some(AttemptLimits { open, in_an_hour }) = write.limits else { return Ok(()) };
    let Attempt { user_id, provider, created_at, .. } = &write.attempt;
    let an_hour_before = clock::before(*created_at, ATTEMPT_WINDOW);
    for (sql, values, most) in [
        (statements::ATTEMPTS_COUNT_OPEN, values![user_id, provider, created_at], open),
        (
            statements::ATTEMPTS_COUNT_BEGUN,
            values![user_id, provider, created_at, an_hour_before],
            in_an_hour,
        ),
    ] {
        let count =
            rows::counted(unit.row(sql, values).await?.as_ref(), "attempts").map_err(Failure::from)?;
        if count >= u64::from(most) {
            return Err(Abort::Because(CommitOutcome::TooManyAttempts));
        }
    }
    Ok(())
}

async fn write_connection(unit: &mut Unit, write: &ConnectionWrite) -> Result<(), Abort> {
    let Connection { id, user_id, provider, .. } = &write.connection;
    let (sql, key) = match write.expected_version {
        None => (statements::CONNECTION_INSERT, values![id, user_id, provider]),
        Some(expected) => (statements::CONNECTION_UPDATE, values![id, expected]),
    };
    let written = unit.run(sql, [key, rows::connection_facts(&write.connection)].concat()).await?;
    require_written(unit, written, user_id).await
}

async fn write_attempt(unit: &mut Unit, write: &AttemptWrite) -> Result<(), Abort> {
    let Attempt { id, user_id, provider, state_hash, return_to, expect, created_at, .. } = &write.attempt;
    let (sql, key) = match write.expected_revision {
        None => {
            let begun = values![id, user_id, provider, state_hash, return_to, expect, created_at];
            (statements::ATTEMPT_INSERT, begun)
        }
        Some(expected) => (statements::ATTEMPT_UPDATE, values![id, expected]),
    };
    let written = unit.run(sql, [key, rows::attempt_facts(&write.attempt)].concat()).await?;
    require_written(unit, written, user_id).await
}

/// Fails if no row was written: it has changed since it was read, or its user was erased.
async fn require_written(unit: &mut Unit, written: u64, user_id: &str) -> Result<(), Abort> {
    if written > 0 {
        return Ok(());
    }
    let erased = unit.row(statements::TOMBSTONE, values![user_id]).await?.is_some();
    Err(Abort::Because(if erased { CommitOutcome::UserDeleted } else { CommitOutcome::Conflict }))
}

async fn append_grant(unit: &mut Unit, grant: &SealedGrant) -> Result<(), Abort> {
    let values =
        values![grant.connection_id, grant.version, &grant.blob, grant.obtained_at, grant.expires_at];
    match unit.run(statements::GRANT_APPEND, values).await? {
        0 => Err(Abort::Because(CommitOutcome::Conflict)),
        _ => Ok(()),
    }
}

async fn write_history(unit: &mut Unit, entries: &[HistoryEntry]) -> Result<(), Abort> {
    for entry in entries {
        unit.run(statements::HISTORY_INSERT, rows::history_columns(entry)).await?;
    }
    Ok(())
}

/// The notice about the user whose status these changes may alter.
fn announcement(changes: &ChangeSet) -> Option<Change> {
    if let Some(ConnectionWrite { connection, .. }) = &changes.connection {
        return Some(Change {
            user_id: connection.user_id.clone(),
            provider: connection.provider,
            version: Some(connection.version),
        });
    }
    changes.attempt.as_ref().map(|AttemptWrite { attempt, .. }| Change {
        user_id: attempt.user_id.clone(),
        provider: attempt.provider,
        version: None,
    })
}
