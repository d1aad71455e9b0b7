//! Sealed data keys of users, and the key ring's sentinels.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Failure, Row, Unreadable, from_row, values};
use super::{Change, SealedGrant, Store, StoreError, Unit, Value, engine, rows, statements};
use crate::vault::{Sentinel, WrappedKey};

/// Users whose lost key is counted or given up in one step: a statement's time is limited.
const LOST_AT_ONCE: usize = 500;

/// A user's data key with its owner; for rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUserKey {
    /// Clerk user id.
    pub user_id: String,
    /// The sealed key.
    pub wrapped: WrappedKey,
}

/// How many users' data keys are sealed with each key of the ring. Keys with a sentinel that seal
/// nothing count 0.
pub type KeyUse = BTreeMap<String, u64>;

/// Whether a key of the ring was retired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retired {
    /// It was retired; the configuration may drop it.
    Done,
    /// So many data keys are still sealed with it: rotate first.
    StillNeeded(u64),
}

impl Store {
    /// A user's data key.
    pub async fn user_key(&self, user_id: &str) -> Result<Option<WrappedKey>, StoreError> {
        self.one(statements::USER_KEY, values![user_id], wrapped_key).await
    }

    /// Stores a user's data key unless there is one, and returns the one that is stored. `None`
    /// where the user was erased or has no record yet. Fails where the key that sealed it was
    /// retired.
    pub async fn insert_user_key(
        &self,
        user_id: &str,
        wrapped: &WrappedKey,
    ) -> Result<Option<WrappedKey>, StoreError> {
        let now = self.inner.clock.now();
        engine::retrying(|| async {
            let mut unit = self.begin_of(user_id).await?;
            if unit.row(statements::USER_LOCK, values![user_id]).await?.is_none() {
                return Ok(None);
            }
            insert_user_key(&mut unit, user_id, wrapped, now).await?;
            let row = unit.row(statements::USER_KEY, values![user_id]).await?;
            let winner = row.as_ref().map(wrapped_key).transpose()?;
            unit.commit().await?;
            Ok(winner)
        })
        .await
    }

    /// Data keys that are not sealed with `key_id`, by user; `after` is the last user of the page
    /// before. For rotation.
    pub async fn user_keys_not_under(
        &self,
        key_id: &str,
        after: &str,
        limit: usize,
    ) -> Result<Vec<StoredUserKey>, StoreError> {
        let values = values![key_id, after, limit];
        self.read(statements::USER_KEYS_NOT_UNDER, values).await?.iter().map(stored_user_key).collect()
    }

    /// Replaces a data key, and the blobs of grants that the new one has sealed anew, if the key is
    /// still the one in `old`. Returns whether it was. A grant that is gone meanwhile stays so.
    pub async fn renew_user_key(
        &self,
        old: &StoredUserKey,
        new: &WrappedKey,
        resealed: &[(SealedGrant, Vec<u8>)],
    ) -> Result<bool, StoreError> {
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            let values = values![&old.user_id, &new.key_id, &new.blob, &old.wrapped.blob];
            if unit.run(statements::USER_KEY_RENEW, values).await? == 0 {
                return Ok(false);
            }
            for (grant, blob) in resealed {
                let values = values![grant.connection_id, grant.version, &grant.blob, blob];
                unit.run(statements::GRANT_RESEAL, values).await?;
            }
            unit.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Which keys of the ring are needed, and by how many data keys.
    pub async fn key_use(&self) -> Result<KeyUse, StoreError> {
        let mut needed: KeyUse = self.sentinels().await?.into_iter().map(|each| (each.key_id, 0)).collect();
        let counts = self.read(statements::USER_KEY_COUNTS, Vec::new()).await?;
        let read = |row: &Row| Ok((row.get("key_id")?, row.get("amount")?));
        needed.extend(rows::read_all(&counts, "user_keys", read)?);
        Ok(needed)
    }

    /// The stored sentinels.
    pub async fn sentinels(&self) -> Result<Vec<Sentinel>, StoreError> {
        let read = |row: &Row| Ok(from_row!(row => Sentinel { key_id, blob }));
        self.read(statements::SENTINELS, Vec::new())
            .await?
            .iter()
            .map(|row| rows::read(row, "key_ring_sentinel", "key_id", read))
            .collect()
    }

    /// Stores the sentinel of a key that has none. Where another process was first its row stays,
    /// so read and prove again.
    pub async fn insert_sentinel(&self, Sentinel { key_id, blob }: &Sentinel) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        self.write(statements::SENTINEL_INSERT, values![key_id, blob, now]).await.map(drop)
    }

    /// Deletes the sentinel of a key, unless a data key is sealed with the key. By then no process
    /// may seal with it.
    pub async fn retire_key(&self, key_id: &str) -> Result<Retired, StoreError> {
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            unit.row(statements::SENTINEL_LOCK, values![key_id]).await?;
            let needed = unit.row(statements::USER_KEY_COUNT, values![key_id]).await?;
            let needed = rows::counted(needed.as_ref(), "user_keys")?;
            if needed > 0 {
                return Ok(Retired::StillNeeded(needed));
            }
            unit.run(statements::SENTINEL_DELETE, values![key_id]).await?;
            unit.commit().await?;
            Ok(Retired::Done)
        })
        .await
    }

    /// What [`give_up_key`](Self::give_up_key) would take: connections with a grant, open attempts.
    pub async fn opened_by_key(&self, key_id: &str) -> Result<(u64, u64), StoreError> {
        let (mut from, mut connections, mut attempts) = (String::new(), 0, 0);
        loop {
            let next = self.read_one(statements::LOST_KEY_NEXT, next_lost(key_id, &from)).await?;
            let Some(last) = last_lost(next)? else { return Ok((connections, attempts)) };
            let users = values![key_id, from, &last];
            connections += self.amount(statements::LOST_KEY_COUNT, users.clone(), "connections").await?;
            attempts += self.amount(statements::LOST_KEY_ATTEMPT_COUNT, users, "attempts").await?;
            from = last;
        }
    }

    /// Gives up a key of the ring whose bytes are lost, with all that only it could open: data
    /// keys, grants, open attempts. The connections become `reconnect_required`, `key_lost`.
    /// Returns how many. Goes in steps, and on from where it was cut short.
    pub async fn give_up_key(&self, key_id: &str, now: Timestamp) -> Result<usize, StoreError> {
        let mut lost = 0;
        loop {
            match engine::retrying(|| self.give_up_next(key_id, now)).await? {
                Some((connections, changes)) => {
                    self.inner.changes.tell(changes);
                    lost += connections;
                }
                // Counts what is left, which is nothing.
                None if self.retire_key(key_id).await? == Retired::Done => return Ok(lost),
                None => {}
            }
        }
    }

    async fn give_up_next(
        &self,
        key_id: &str,
        now: Timestamp,
    ) -> Result<Option<(usize, Vec<Change>)>, Failure> {
        let mut unit = self.begin().await?;
        // No key is made meanwhile for a user of this step.
        unit.row(statements::SENTINEL_LOCK, values![key_id]).await?;
        let next = unit.row(statements::LOST_KEY_NEXT, next_lost(key_id, "")).await?;
        let Some(last) = last_lost(next)? else { return Ok(None) };
        let users = values![key_id, last];
        let with = |more: Vec<Value>| [users.clone(), more].concat();
        let detail = format!("the encryption key {key_id} was given up as lost");
        unit.run(statements::LOST_KEY_HISTORY, with(values![now, detail])).await?;
        unit.run(statements::LOST_KEY_GRANTS, users.clone()).await?;
        let lost = unit.rows(statements::LOST_KEY_CONNECTIONS, with(values![now])).await?;
        let attempts = unit.rows(statements::LOST_KEY_ATTEMPTS, users.clone()).await?;
        let mut changes = Vec::with_capacity(lost.len() + attempts.len());
        for row in lost.iter().chain(&attempts) {
            // A row that cannot be read concerns nobody who could be told.
            let Ok((id, change)) = given_up(row) else { continue };
            self.inner.changes.notify(&mut unit, &change).await?;
            if let Some(id) = id {
                self.put_change_event(&mut unit, id, &change, now).await?;
            }
            changes.push(change);
        }
        unit.run(statements::LOST_KEY_USER_KEYS, users).await?;
        unit.commit().await?;
        Ok(Some((lost.len(), changes)))
    }
}

/// The values of `LOST_KEY_NEXT`.
fn next_lost(key_id: &str, from: &str) -> Vec<Value> {
    values![key_id, from, LOST_AT_ONCE]
}

/// The last of the next users of a lost key, from its row, if there are any.
fn last_lost(row: Option<Row>) -> Result<Option<String>, StoreError> {
    row.map_or(Ok(None), |row| row.get("last")).map_err(|error| error.at("user_keys", "(many)"))
}

/// Whose connection or attempt was given up; of a connection, its id too.
fn given_up(row: &Row) -> Result<(Option<Uuid>, Change), Unreadable> {
    Ok((row.get("id")?, from_row!(row => Change { user_id, provider, version })))
}

/// Inserts a user's data key; `false` where there is one.
pub(super) async fn insert_user_key(
    unit: &mut Unit,
    user_id: &str,
    key: &WrappedKey,
    now: Timestamp,
) -> Result<bool, Failure> {
    let values = values![user_id, &key.key_id, &key.blob, now];
    let is_stored = unit.run(statements::USER_KEY_INSERT, values).await? > 0;
    if !is_stored && unit.row(statements::USER_KEY, values![user_id]).await?.is_none() {
        return Err(StoreError::KeyRetired { key_id: key.key_id.clone() }.into());
    }
    Ok(is_stored)
}

fn stored_user_key(row: &Row) -> Result<StoredUserKey, StoreError> {
    let user_id = row.get("user_id").map_err(|error| error.at("user_keys", ""))?;
    Ok(StoredUserKey { user_id, wrapped: wrapped_key(row)? })
}

fn wrapped_key(row: &Row) -> Result<WrappedKey, StoreError> {
    rows::read(row, "user_keys", "user_id", |row| Ok(from_row!(row => WrappedKey { key_id, blob })))
}
