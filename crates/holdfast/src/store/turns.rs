//! One unit of work at a time for each user: in the database they wait for each other anyway, each
//! with a connection that others need.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tokio::sync::{Mutex, MutexGuard};

use super::Store;
use super::engine::{Failure, Unit};

/// One for each first byte of a user id's hash: users whose ids fall together share it.
#[derive(Debug)]
pub(super) struct Turns(Box<[Mutex<()>; 256]>);

impl Default for Turns {
    fn default() -> Self {
        Self(Box::new(std::array::from_fn(|_| Mutex::default())))
    }
}

impl Turns {
    async fn of(&self, user_id: &str) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        user_id.hash(&mut hasher);
        let [number, ..] = hasher.finish().to_le_bytes();
        self.0[usize::from(number)].lock().await
    }
}

impl Store {
    /// A unit of work in which rows of that user are locked, and their turn, which is to be kept
    /// until the unit has ended.
    pub(super) async fn begin_of(&self, user_id: &str) -> Result<(Unit, MutexGuard<'_, ()>), Failure> {
        let turn = self.inner.turns.of(user_id).await;
        Ok((self.begin().await?, turn))
    }
}
