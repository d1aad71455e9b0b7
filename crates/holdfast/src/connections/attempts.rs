//! The rows of connect attempts: advancing one, ending it, and its entries in the history.

use jiff::Timestamp;

use crate::caller::OwnerId;
use crate::connection::Connection;
use crate::connection::attempt::{Attempt, AttemptNote, AttemptOutcome, AttemptStage};
use crate::connection::observation::Observation;
use crate::connection::transition::apply;
use crate::connections::grants::RowSeal;
use crate::connections::recorder::{Conflicts, change, is_stored};
use crate::connections::{Connections, ServiceError};
use crate::provider::ProviderId;
use crate::store::{AttemptWrite, ChangeSet, HistoryEntry};

impl Connections {
    /// Closes an attempt without a link and records that on the connection, in one unit of work.
    /// Returns false if another writer was faster.
    pub(super) async fn end_attempt(
        &self,
        attempt: &Attempt,
        outcome: AttemptOutcome,
        now: Timestamp,
    ) -> Result<bool, ServiceError> {
        let write = AttemptWrite::update(attempt, attempt.closed(outcome, now));
        let mut conflicts = Conflicts::default();
        loop {
            let connection = self.parts.store.connection_of(attempt).await?;
            let mut changes = connection
                .map_or_else(ChangeSet::default, |connection| ended(&connection, attempt, outcome, now));
            changes.attempt = Some(write.clone());
            if is_stored(self.parts.store.commit(&changes).await?)? {
                return Ok(true);
            }
            // Try again if only the connection changed, not if the attempt did.
            let current = self.parts.store.attempt(attempt.id).await?;
            if current.is_none_or(|current| current.revision != attempt.revision) {
                return Ok(false);
            }
            conflicts.lost()?;
        }
    }

    /// Closes all open attempts, because the person disconnects.
    pub(super) async fn withdraw_attempts(
        &self,
        owner: &OwnerId,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let closed = self.parts.store.close_attempts(owner, ProviderId::INSTAGRAM, now).await?;
        if closed.is_empty() {
            return Ok(());
        }
        for id in &closed {
            self.parts.journal.forget(*id);
        }
        let Some(connection) = self.parts.store.connection(owner, ProviderId::INSTAGRAM).await? else {
            return Ok(());
        };
        let outcome = Some(AttemptOutcome::Disconnected);
        let notes = closed.iter().map(|id| noted(&connection, AttemptNote { id: *id, outcome }, now));
        let changes = ChangeSet { history: notes.collect(), ..ChangeSet::default() };
        // A conflict loses only these history entries; the disconnecting goes on.
        self.parts.store.commit(&changes).await?;
        Ok(())
    }

    /// Ends the person's other attempts that wait for the provider with a consent from before
    /// `decided_at`, the time of `later`'s: each with the outcome for the account that its token
    /// names. One that cannot be ended now is judged again before it links.
    pub(super) async fn supersede(
        &self,
        later: &Attempt,
        decided_at: Timestamp,
        outcome: impl Fn(Option<&str>) -> AttemptOutcome,
    ) {
        let ended = async {
            for attempt in self.parts.store.open_attempts_beside(later).await? {
                if !attempt.is_begun() {
                    continue;
                }
                ServiceError::of_one(self.end_if_earlier(&attempt, decided_at, &outcome).await, |error| {
                    tracing::warn!(attempt = %attempt.id, %error, "a connect attempt of before could not be ended");
                })?;
            }
            Ok::<_, ServiceError>(())
        };
        if let Err(error) = ended.await {
            tracing::warn!(attempt = %later.id, %error, "earlier connect attempts of its person could not be ended");
        }
    }

    async fn end_if_earlier(
        &self,
        attempt: &Attempt,
        decided_at: Timestamp,
        outcome: impl Fn(Option<&str>) -> AttemptOutcome,
    ) -> Result<(), ServiceError> {
        if let Some((account, consented_at)) = self.consent_of(attempt).await?
            && consented_at < decided_at
            && self.end_attempt(attempt, outcome(account.as_deref()), self.parts.clock.now()).await?
        {
            self.parts.journal.forget(attempt.id);
        }
        Ok(())
    }

    /// The account of the attempt's token, if Instagram named it, and when the person consented.
    /// `None` where that is not known.
    pub(super) async fn consent_of(
        &self,
        attempt: &Attempt,
    ) -> Result<Option<(Option<String>, Timestamp)>, ServiceError> {
        let Some(sealed) = &attempt.sealed else { return Ok(None) };
        let key = self.stored_user_key(&attempt.user_id).await?;
        let seal = RowSeal::of_attempt(&key, attempt);
        Ok(match attempt.stage {
            AttemptStage::Returned | AttemptStage::Redeeming => attempt.returned_at.map(|at| (None, at)),
            AttemptStage::ShortGranted => {
                let short = seal.open_short(sealed)?;
                Some((short.account_id, short.obtained_at))
            }
            AttemptStage::Granted => {
                let held = seal.open_unlinked_grant(sealed)?;
                Some((held.account_id, held.consented_at))
            }
            AttemptStage::Open | AttemptStage::Closed => None,
        })
    }

    /// Stores the next revision of an attempt and returns it; `None` if another writer was faster.
    pub(super) async fn advance(
        &self,
        attempt: &Attempt,
        next: Attempt,
    ) -> Result<Option<Attempt>, ServiceError> {
        let changes =
            ChangeSet { attempt: Some(AttemptWrite::update(attempt, next)), ..ChangeSet::default() };
        let is_stored = is_stored(self.parts.store.commit(&changes).await?)?;
        Ok(changes.attempt.filter(|_| is_stored).map(|write| write.attempt))
    }
}

/// The changes to a connection when an attempt ends without a link.
fn ended(before: &Connection, attempt: &Attempt, outcome: AttemptOutcome, now: Timestamp) -> ChangeSet {
    let note = AttemptNote { id: attempt.id, outcome: Some(outcome) };
    // An attempt that ran out did so on time, as the status has said since, whenever it is noticed.
    let ran_out = Some(attempt.expires_at.max(before.since)).filter(|_| outcome == AttemptOutcome::Expired);
    let ended_at = ran_out.map_or(now, |at| at.min(now));
    let next = apply(before, &Observation::AttemptEnded(outcome), ended_at);
    let mut changes = ChangeSet::default();
    if next != *before {
        changes = change(before, next, now, None);
    }
    match changes.history.last_mut() {
        Some(entry) => entry.attempt = Some(note),
        // The connection did not change: note the attempt beside its present state.
        None => changes.history.push(noted(before, note, now)),
    }
    changes
}

/// A history entry for a connect attempt, with the connection's present state and what that rests
/// on: an attempt that began or ended proves nothing.
pub(super) fn noted(connection: &Connection, note: AttemptNote, now: Timestamp) -> HistoryEntry {
    HistoryEntry { attempt: Some(note), ..HistoryEntry::of(connection, now) }
}
