//! Reads for callers who have proven nothing yet: few at a time, so that however many come, most
//! connections are left to everybody else.

use std::collections::VecDeque;

use tokio::sync::Semaphore;

use super::engine::{Row, Value};
use super::statements::Sql;
use super::{Store, StoreError};
use crate::lock::Lock;

/// Such reads at a time; there are ten connections (Postgres) or four readers (SQLite).
const AT_A_TIME: usize = 2;
/// Service keys remembered, by hash, as genuine when they came last.
const KNOWN_KEYS: usize = 64;

#[derive(Debug)]
pub(super) struct Strangers {
    turns: Semaphore,
    known_keys: Lock<VecDeque<[u8; 32]>>,
}

impl Default for Strangers {
    fn default() -> Self {
        Self { turns: Semaphore::new(AT_A_TIME), known_keys: Lock::default() }
    }
}

impl Strangers {
    /// Whether that service key is no stranger's.
    pub(super) fn knows(&self, hash: &[u8; 32]) -> bool {
        self.known_keys.lock().contains(hash)
    }

    /// Remembers whether a service key is genuine.
    pub(super) fn learn(&self, hash: &[u8; 32], is_genuine: bool) {
        let mut known = self.known_keys.lock();
        known.retain(|each| each != hash);
        if is_genuine {
            known.truncate(KNOWN_KEYS - 1);
            known.push_front(*hash);
        }
    }
}

impl Store {
    /// Reads the first row for a stranger.
    pub(super) async fn read_for_stranger(
        &self,
        sql: Sql,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        // An error would mean that the semaphore was closed, which nobody does.
        let _turn = self.inner.strangers.turns.acquire().await.ok();
        self.read_one(sql, values).await
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::{ManualClock, from_millis};
    use crate::store::{NewServiceKey, StoreOptions};

    #[test]
    fn the_keys_that_came_last_are_known() {
        let strangers = Strangers::default();
        for n in 0..=u8::try_from(KNOWN_KEYS).unwrap() {
            strangers.learn(&[n; 32], true);
        }
        assert!(!strangers.knows(&[0; 32]) && strangers.knows(&[1; 32]));
        strangers.learn(&[1; 32], false);
        assert!(!strangers.knows(&[1; 32]), "it was revoked");
    }

    #[tokio::test]
    async fn strangers_wait_for_each_other_and_keep_nobody_else_waiting() {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("strangers.db").display());
        let now = from_millis(1_750_000_000_000);
        let store = Store::open(&StoreOptions::serve(url), Arc::new(ManualClock::new(now))).await.unwrap();
        store.migrate().await.unwrap();
        let key = NewServiceKey { id: uuid::Uuid::from_u128(1), name: "app".to_owned(), hash: [1; 32] };
        store.insert_service_key(&key, now).await.unwrap();
        assert!(store.service_key_by_hash(&[1; 32]).await.unwrap().is_some());

        let turns = store.inner.strangers.turns.acquire_many(AT_A_TIME.try_into().unwrap()).await.unwrap();
        let mut waiting = Box::pin(store.service_key_by_hash(&[2; 32]));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(store.service_key_by_hash(&[1; 32]).await.unwrap().is_some(), "a key that is known");
        store.ping().await.unwrap();
        assert!(store.attempt_by_state(&[3; 32]).now_or_never().is_none());
        assert!(store.deletion("nobodys").now_or_never().is_none());
        drop(turns);
        assert_eq!(waiting.await, Ok(None));
    }
}
