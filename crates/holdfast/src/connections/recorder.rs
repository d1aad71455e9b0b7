//! Recording what was observed: load, [`apply`], compare-and-set, again where others were faster.

use jiff::Timestamp;
use uuid::Uuid;

use super::error::ServiceError;
use crate::clock::SharedClock;
use crate::connection::Connection;
use crate::connection::observation::Observation;
use crate::connection::transition::{apply, is_change, is_news};
use crate::store::{ChangeSet, CommitOutcome, ConnectionWrite, HistoryEntry, Store};

/// A compare-and-set that keeps losing is tried this often before the caller is asked to come back.
const MAX_CONFLICTS: u32 = 20;

/// Records observations.
#[derive(Debug, Clone)]
pub struct Recorder {
    store: Store,
    clock: SharedClock,
}

/// What an observation came to.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The connection as it is now.
    pub connection: Connection,
    /// Whether the state or its reason changed.
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

    /// The same, tried first on the connection as the caller has `seen` it: mostly it is still so.
    pub async fn record_on(
        &self,
        seen: &Connection,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        match self.write(seen, observation, detail).await? {
            Some(recorded) if is_change(seen, &recorded.connection) => Ok(Some(recorded)),
            // Lost to others, or nothing to write as it was seen: what is stored decides.
            Some(_) | None => self.record(seen.id, observation, detail).await,
        }
    }

    /// `None` where others changed the connection meanwhile.
    async fn write(
        &self,
        before: &Connection,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        let now = self.clock.now();
        let mut connection = apply(before, observation, now);
        let news = is_news(before, &connection);
        if !is_change(before, &connection) {
            return Ok(Some(Recorded { connection, news: false }));
        }
        connection.version = before.version + 1;
        let mut changes = change(before, connection.clone(), now, detail);
        if matches!(
            observation,
            Observation::Deauthorized { .. } | Observation::Disconnected | Observation::DataDeleted { .. }
        ) {
            changes.erase_all_grants = Some(before.id);
        }
        let is_stored = is_stored(self.store.commit(&changes).await?)?;
        Ok(is_stored.then_some(Recorded { connection, news }))
    }
}

/// Counts lost compare-and-sets.
#[derive(Debug, Default)]
pub(super) struct Conflicts(u32);

impl Conflicts {
    /// One more was lost to others; an error after 20.
    pub(super) fn lost(&mut self) -> Result<(), ServiceError> {
        self.0 += 1;
        if self.0 < MAX_CONFLICTS { Ok(()) } else { Err(ServiceError::Contended) }
    }
}

/// Whether a change was stored; it was not where others wrote first.
pub(super) fn is_stored(outcome: CommitOutcome) -> Result<bool, ServiceError> {
    match outcome {
        CommitOutcome::Committed => Ok(true),
        CommitOutcome::UserDeleted => Err(ServiceError::UserGone),
        CommitOutcome::Conflict | CommitOutcome::AccountAlreadyLinked | CommitOutcome::TooManyAttempts => {
            Ok(false)
        }
    }
}

/// The unit of work that turns `before` into `after`, with a line of history where it is news.
pub(super) fn change(
    before: &Connection,
    after: Connection,
    now: Timestamp,
    detail: Option<&str>,
) -> ChangeSet {
    let history = if is_news(before, &after) {
        vec![HistoryEntry {
            connection_id: after.id,
            at: now,
            version: after.version,
            state: after.standing.state(),
            reason: after.standing.reason(),
            evidence: after.evidence,
            detail: detail.map(str::to_owned),
            attempt: None,
        }]
    } else {
        Vec::new()
    };
    ChangeSet {
        connection: Some(ConnectionWrite { expected_version: Some(before.version), connection: after }),
        history,
        ..ChangeSet::default()
    }
}
