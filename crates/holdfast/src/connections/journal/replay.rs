//! Writing a token down before the database is tried, and putting into the database what it could not take ([`super::spill`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Handle, RuntimeFlavor};
use uuid::Uuid;

use crate::connections::grants::SealingError;
use crate::connections::journal::{Held, Origin, Room, Spilled};
use crate::connections::stop::Stop;
use crate::connections::{Connections, ServiceError};
use crate::store::StoreError;

impl Connections {
    /// Puts what was spilled into the database. A file goes only when the database has answered for it.
    /// One that cannot be stored for a reason of its own keeps its file, and the others go on.
    pub async fn replay_spill(&self, stop: &Stop) -> Result<usize, ServiceError> {
        let Some(spill) = &self.spill else { return Ok(0) };
        let all = spill.read().unwrap_or_else(|error| {
            tracing::error!(%error, "the spill directory cannot be read");
            Vec::new()
        });
        let mut replayed = 0;
        for spilled in all.into_iter().take_while(|_| !stop.is_asked()) {
            match self.replay(&spilled).await {
                Ok(true) => replayed += 1,
                Ok(false) => {}
                Err(error) if error.concerns_all() => return Err(error),
                Err(error) => {
                    tracing::error!(row = %spilled.origin.row(), %error, "a spilled token cannot be stored; its file stays");
                }
            }
        }
        Ok(replayed)
    }

    /// Puts one into the database, or finds that it is not wanted any more, and deletes its file. Answers whether that was done;
    /// it is not while somebody here is about to store it.
    pub(in crate::connections) async fn replay(&self, spilled: &Spilled) -> Result<bool, ServiceError> {
        let Some(spill) = &self.spill else { return Ok(false) };
        let replayed = match spilled.origin {
            Origin::Refresh { connection_id, linked_at, from_version } => {
                self.replay_refresh(spilled, connection_id, linked_at, from_version).await
            }
            Origin::Attempt { attempt_id, .. } if self.in_hand.has(attempt_id) => return Ok(false),
            Origin::Attempt { attempt_id, step } => self.replay_attempt(spilled, attempt_id, step).await,
        };
        match replayed {
            // Neither the user nor the data key exists any more, and neither does a wish to keep the token.
            Ok(()) | Err(ServiceError::UserGone) => {}
            Err(error) => return Err(error),
        }
        if let Err(error) = spill.remove(&spilled.origin) {
            tracing::warn!(row = %spilled.origin.row(), %error, "the file of a spilled token could not be deleted");
        }
        Ok(true)
    }

    /// Room for the provider's answer should the database not take it. Where there is none, that concerns every token, so it
    /// counts as the database's trouble.
    pub(in crate::connections) async fn room(&self, origin: Origin) -> Result<Option<Room>, ServiceError> {
        let Some(spill) = self.spill.clone() else { return Ok(None) };
        let directory = spill.directory().to_owned();
        let reserve = move || spill.reserve(&origin);
        let reserved = match Handle::current().runtime_flavor() {
            // Nobody is kept waiting who could run beside it; and in a simulation nothing may.
            RuntimeFlavor::CurrentThread => reserve(),
            _ => tokio::task::spawn_blocking(reserve).await.map_err(std::io::Error::other).flatten(),
        };
        match reserved {
            Ok(room) => Ok(Some(room)),
            Err(error) => {
                tracing::error!(directory = %directory.display(), %error, "nothing is refreshed or connected: a new token could not be kept while the database is away");
                Err(StoreError::Full("no room to keep a new token".to_owned()).into())
            }
        }
    }

    /// Writes down a token that may be the only one that works, before anything is waited for.
    pub(in crate::connections) fn write_down(
        &self,
        room: Option<Room>,
        user_id: &str,
        origin: Origin,
        sealed: Result<Vec<u8>, SealingError>,
    ) -> Option<Held> {
        let (spill, room) = (self.spill.as_ref()?, room?);
        let held = sealed.map_err(|error| error.to_string()).and_then(|blob| {
            let spilled = Spilled { user_id: user_id.to_owned(), origin, blob };
            spill.hold(room, &spilled).map_err(|error| error.to_string())
        });
        held.inspect_err(|error| {
            tracing::error!(row = %origin.row(), error, "a new token is only in memory until the database has it");
        })
        .ok()
    }
}

/// The database has the token, or nobody wants it any more.
pub(in crate::connections) fn let_go(origin: Origin, held: Option<Held>) {
    if let Some(Err(error)) = held.map(Held::remove) {
        tracing::warn!(row = %origin.row(), %error, "the file of a token that was stored could not be deleted");
    }
}

/// The database could not take the token: its file is all there is.
pub(in crate::connections) fn keep(origin: Origin, held: Option<Held>, why: &ServiceError) {
    let row = origin.row();
    match held.map(|held| held.sync()) {
        Some(Ok(())) => {
            tracing::warn!(%row, %why, "a new token could not be stored and was spilled to a file");
        }
        Some(Err(error)) => {
            tracing::error!(%row, %why, %error, "a new token could not be stored, and its file may not survive the machine");
        }
        None => {
            tracing::error!(%row, %why, "a new token could be neither stored nor spilled");
        }
    }
}

/// The attempts whose token this process is about to store: their files are nobody else's business yet.
#[derive(Debug, Clone, Default)]
pub(in crate::connections) struct InHand(Arc<Mutex<HashMap<Uuid, usize>>>);

impl InHand {
    /// Until what it answers is dropped.
    pub(in crate::connections) fn take(&self, attempt_id: Uuid) -> Taken {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(attempt_id).or_default() += 1;
        Taken { in_hand: self.clone(), attempt_id }
    }

    fn has(&self, attempt_id: Uuid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&attempt_id)
    }
}

/// As long as this lives, the attempt is in hand.
pub(in crate::connections) struct Taken {
    in_hand: InHand,
    attempt_id: Uuid,
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut all = self.in_hand.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.attempt_id) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.attempt_id);
            }
        }
    }
}
