//! What was deleted leaves SQLite's write-ahead log too. Postgres has VACUUM for that.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::engine::{Engine, Sqlite};
use super::{Store, StoreError};
use crate::clock::{Clock as _, SystemClock, within};

/// How long an erasure waits for the readers of the log.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Erasures whose bytes may still be in the log.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    done: AtomicU64,
    /// How many of them the log was emptied after. One task at a time empties it.
    scrubbed: Mutex<u64>,
}

impl Erasures {
    /// Counts one more. [`Store::finish_scrub`] sees to it at the latest.
    pub(super) fn add(&self) {
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn amount(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }
}

impl Store {
    /// Removes what was deleted from the file and its write-ahead log. To be called before anybody
    /// is told that something is gone, also where it went before: the call that deleted it may have
    /// been cut short. An error says that it is not gone yet: the disk is full, or a long read uses
    /// the log. Then it is to be called again; a server does so by [`Store::finish_scrub`].
    pub async fn scrub(&self) -> Result<(), StoreError> {
        let Engine::Sqlite(sqlite) = &self.inner.engine else { return Ok(()) };
        self.inner.erasures.add();
        if self.empty_log(sqlite).await? {
            return Ok(());
        }
        let why =
            "what was deleted is still in the write-ahead log, which a backup or another long read uses";
        Err(StoreError::Busy(why.to_owned()))
    }

    /// Has the log emptied once: a process that was killed may have left an erasure's bytes in it.
    pub fn distrust_log(&self) {
        self.inner.erasures.add();
    }

    /// Moves the write-ahead log into the file and empties it. `false` if a reader uses it for long.
    pub(super) async fn empty_log(&self, sqlite: &Sqlite) -> Result<bool, StoreError> {
        let wanted = self.inner.erasures.amount();
        let _operation = self.enter().await?;
        let emptied = async {
            let mut scrubbed = self.inner.erasures.scrubbed.lock().await;
            while *scrubbed < wanted {
                if !self.checkpoint(sqlite, &mut scrubbed).await? {
                    SystemClock.sleep(PAUSE).await;
                }
            }
            Ok(true)
        };
        within(PATIENCE, &SystemClock, emptied).await.unwrap_or(Ok(false))
    }

    /// Removes from the write-ahead log what could not be removed when it was deleted: a backup or
    /// another long read needed the log, or the process was killed. Waits for nobody.
    pub async fn finish_scrub(&self) {
        if let Engine::Sqlite(sqlite) = &self.inner.engine
            && let Ok(mut scrubbed) = self.inner.erasures.scrubbed.try_lock()
            && *scrubbed < self.inner.erasures.amount()
            && let Err(error) = self.checkpoint(sqlite, &mut scrubbed).await
        {
            tracing::warn!(%error, "the write-ahead log could not be emptied");
        }
    }

    async fn checkpoint(&self, sqlite: &Sqlite, scrubbed: &mut u64) -> Result<bool, StoreError> {
        // Read first: what is erased meanwhile may stay in the log.
        let erasures = self.inner.erasures.amount();
        let is_empty = sqlite.checkpoint().await?;
        if is_empty {
            *scrubbed = erasures;
        }
        Ok(is_empty)
    }
}
