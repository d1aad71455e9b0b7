//! One unit of work at a time for each user: in the database they wait for each other anyway, each
//! with a connection that others need.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::Store;
use super::engine::{Failure, Unit};

/// One for each first byte of a user id's hash: users whose ids fall together share it.
#[derive(Debug)]
pub(super) struct Turns(Box<[Arc<Mutex<()>>; 256]>);

impl Default for Turns {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Arc::default())))
    }
}

impl Turns {
    async fn of(&self, user_id: &str) -> OwnedMutexGuard<()> {
        let mut hasher = DefaultHasher::new();
        user_id.hash(&mut hasher);
        let [number, ..] = hasher.finish().to_le_bytes();
        Arc::clone(&self.0[usize::from(number)]).lock_owned().await
    }
}

impl Store {
    /// A unit of work in which rows of that user are locked: it has their turn until it ends.
    pub(super) async fn begin_of(&self, user_id: &str) -> Result<Unit, Failure> {
        // What waits on the way to the database has no turn that others wait for.
        let operation = self.enter().await?;
        let turn = self.inner.turns.of(user_id).await;
        Ok(self.inner.engine.begin().await?.over(operation).with(turn))
    }
}
