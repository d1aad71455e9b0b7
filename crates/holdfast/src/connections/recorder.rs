//! Recording observations: load, [`apply`], compare-and-set; repeated if another writer was faster.

use jiff::Timestamp;
use uuid::Uuid;

use super::error::ServiceError;
use crate::clock::SharedClock;
use crate::connection::Connection;
use crate::connection::observation::Observation;
use crate::connection::transition::{apply, is_event, is_news};
use crate::store::{ChangeSet, CommitOutcome, ConnectionWrite, HistoryEntry, Store};

/// How often a compare-and-set is tried before the caller must come back later.
const MAX_CONFLICTS: u32 = 20;

/// Records observations.
#[derive(Debug, Clone)]
pub struct Recorder {
    store: Store,
    clock: SharedClock,
}

/// The result of recording an observation.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The connection as it is now.
    pub connection: Connection,
    /// Whether it belongs in the history.
    pub news: bool,
}

impl Recorder {
    /// Records into `store`.
    pub fn new(store: Store, clock: SharedClock) -> Self {
        Self { store, clock }
    }

    /// Records `observation` on the connection of that id. `None` where there is none.
    pub async fn record(
        &self,
        id: Uuid,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        let mut conflicts = Conflicts::default();
        loop {
            let Some(before) = self.store.connection_by_id(id).await? else { return Ok(None) };
            if let Some(recorded) = self.write(&before, observation, detail).await? {
                return Ok(Some(recorded));
            }
            conflicts.lost()?;
        }
    }

    /// Like [`Self::record`], but tries `seen` first, which is usually still current.
    pub async fn record_on(
        &self,
        seen: &Connection,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        match self.write(seen, observation, detail).await? {
            Some(recorded) if recorded.connection != *seen => Ok(Some(recorded)),
            // `seen` is outdated, or nothing changes on it: decide by the stored row.
            Some(_) | None => self.record(seen.id, observation, detail).await,
        }
    }

    /// `None` if another writer changed the connection meanwhile.
    async fn write(
        &self,
        before: &Connection,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        let now = self.clock.now();
        let connection = apply(before, observation, now);
        if connection == *before {
            return Ok(Some(Recorded { connection, news: false }));
        }
        let changes = change(before, connection, now, detail);
        let is_stored = is_stored(self.store.commit(&changes).await?)?;
        let news = !changes.history.is_empty();
        let written = changes.connection.filter(|_| is_stored);
        Ok(written.map(|write| Recorded { connection: write.connection, news }))
    }
}

/// Counts lost compare-and-sets.
#[derive(Debug, Default)]
pub(super) struct Conflicts(u32);

impl Conflicts {
    /// Counts one more; an error at [`MAX_CONFLICTS`].
    pub(super) fn lost(&mut self) -> Result<(), ServiceError> {
        self.0 += 1;
        if self.0 < MAX_CONFLICTS { Ok(()) } else { Err(ServiceError::Contended) }
    }
}

/// Whether a change was stored; false if another writer was first.
pub(super) fn is_stored(outcome: CommitOutcome) -> Result<bool, ServiceError> {
    match outcome {
        CommitOutcome::Committed => Ok(true),
        CommitOutcome::UserDeleted => Err(ServiceError::UserGone),
        CommitOutcome::Conflict | CommitOutcome::AccountAlreadyLinked | CommitOutcome::TooManyAttempts => {
            Ok(false)
        }
    }
}

/// The unit of work that turns `before` into `after`, its next version, with a history entry if it
/// is news, and an event where the app is told. A connection that has lost its grant keeps none of
/// it.
pub(super) fn change(
    before: &Connection,
    after: Connection,
    now: Timestamp,
    detail: Option<&str>,
) -> ChangeSet {
    let after = Connection { version: before.next_version(), ..after };
    let history = if is_news(before, &after) {
        vec![HistoryEntry { detail: detail.map(str::to_owned), ..HistoryEntry::of(&after, now) }]
    } else {
        Vec::new()
    };
    let event_at = is_event(before, &after).then_some(now);
    let erase_all_grants = (before.grant.is_some() && after.grant.is_none()).then_some(after.id);
    ChangeSet {
        erase_all_grants,
        connection: Some(ConnectionWrite { expected_version: Some(before.version), connection: after }),
        history,
        event_at,
        ..ChangeSet::default()
    }
}
