//! When something was last used: useful, and nothing that an answer waits for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::Store;
use super::engine::values;
use super::statements::Sql;
use crate::lock::Lock;

/// Stamps that may be on their way at a time; a later call makes up for another one.
const MOST: usize = 64;
/// Written at a time: where nothing can be written, reads need the other connections.
const AT_A_TIME: usize = 2;

/// Whose stamps are on their way: parallel calls all find the old one.
#[derive(Debug)]
pub(super) struct Stamps {
    under_way: Lock<BTreeSet<String>>,
    turns: Semaphore,
}

impl Default for Stamps {
    fn default() -> Self {
        Self { under_way: Lock::default(), turns: Semaphore::new(AT_A_TIME) }
    }
}

impl Stamps {
    fn begin(&self, id: &str) -> bool {
        let mut under_way = self.under_way.lock();
        under_way.len() < MOST && under_way.insert(id.to_owned())
    }
}

impl Store {
    /// Stamps the row `id` with `now`, after the answer.
    pub(super) fn stamp(&self, sql: Sql, id: String, now: Timestamp) {
        if !self.inner.stamps.begin(&id) {
            return;
        }
        let store = self.clone();
        tokio::spawn(async move {
            // An error would mean that the semaphore was closed, which nobody does.
            let _turn = store.inner.stamps.turns.acquire().await.ok();
            if let Err(error) = store.write(sql, values![&id, now]).await {
                tracing::warn!(%error, "when a user or a service key was last seen could not be stored");
            }
            store.inner.stamps.under_way.lock().remove(&id);
        });
    }
}
