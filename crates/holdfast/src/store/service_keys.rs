//! Service keys of the app's own backend: stored hashed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::engine::{Row, from_row, values};
use super::{Store, StoreError, rows, statements};
use crate::caller::service::{KnownServiceKey, ServiceKeys, ServiceKeysUnavailable};
use crate::clock::after;

/// A key's last use is written at most this often.
const USED_EVERY: Duration = Duration::from_mins(1);

/// A service key to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewServiceKey {
    /// Row id; stands for the key in lists and logs.
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// SHA-256 of the key; the key itself has 256 random bits, so nothing slower is needed.
    pub hash: [u8; 32],
}

/// A stored service key, without its hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServiceKey {
    /// Row id.
    pub id: Uuid,
    /// What the operator calls it.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_used_at: Option<Timestamp>,
    /// When it was revoked; a revoked key is refused.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Stores a service key.
    pub async fn insert_service_key(&self, key: &NewServiceKey, now: Timestamp) -> Result<(), StoreError> {
        self.write(statements::SERVICE_KEY_INSERT, values![key.id, &key.name, &key.hash, now]).await.map(drop)
    }

    /// All service keys, oldest first, revoked ones included.
    pub async fn service_keys(&self) -> Result<Vec<ServiceKey>, StoreError> {
        self.read(statements::SERVICE_KEYS, Vec::new()).await?.iter().map(service_key).collect()
    }

    /// The service key of that hash, revoked or not.
    pub async fn service_key_by_hash(&self, hash: &[u8; 32]) -> Result<Option<ServiceKey>, StoreError> {
        let (sql, values) = (statements::SERVICE_KEY_BY_HASH, values![hash]);
        let strangers = &self.inner.strangers;
        let row = if strangers.knows(hash) {
            self.read_one(sql, values).await?
        } else {
            self.read_for_stranger(sql, values).await?
        };
        let key = row.as_ref().map(service_key).transpose()?;
        strangers.learn(hash, key.as_ref().is_some_and(|key| key.revoked_at.is_none()));
        Ok(key)
    }

    /// Revokes a service key. `false` where there is none, or it was revoked before.
    pub async fn revoke_service_key(&self, id: Uuid, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.write(statements::SERVICE_KEY_REVOKE, values![id, now]).await? == 1)
    }

    /// Notes that a service key was used, and waits for nothing.
    pub fn touch_service_key(&self, id: Uuid, now: Timestamp) {
        self.stamp(statements::SERVICE_KEY_TOUCH, id.to_string(), now);
    }
}

impl ServiceKeys for Store {
    fn find<'a>(
        &'a self,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<KnownServiceKey>, ServiceKeysUnavailable>> {
        Box::pin(async move {
            let found = self.service_key_by_hash(hash).await.map_err(|error| {
                tracing::warn!(%error, "the service keys cannot be read");
                ServiceKeysUnavailable { retry_after: error.retry_after() }
            })?;
            let Some(key) = found else { return Ok(None) };
            let (now, revoked) = (self.inner.clock.now(), key.revoked_at.is_some());
            if !revoked && key.last_used_at.is_none_or(|used| after(used, USED_EVERY) <= now) {
                self.touch_service_key(key.id, now);
            }
            Ok(Some(KnownServiceKey { id: key.id, revoked }))
        })
    }
}

fn service_key(row: &Row) -> Result<ServiceKey, StoreError> {
    let read =
        |row: &Row| Ok(from_row!(row => ServiceKey { id, name, created_at, last_used_at, revoked_at }));
    rows::read(row, "service_keys", "id", read)
}
