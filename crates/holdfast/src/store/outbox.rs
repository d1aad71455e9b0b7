//! The transactional outbox: events that the app has not taken yet. Each is stored in the unit of
//! work that made the change, so it is sent if and only if the change happened.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Failure, Row, Unit, Unreadable, from_row, values};
use super::notices::EVENT_HOLD;
use super::unreadable::UNREADABLE_RESTS;
use super::{Change, StatusFacts, Store, StoreError, rows, statements};
use crate::clock;
use crate::provider::ProviderId;

/// A claimed event. Made only by claiming, and the proof for reading the user's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingEvent {
    user_id: String,
    provider: ProviderId,
    /// The same for every delivery of this event.
    pub id: String,
    /// When the status changed.
    pub occurred_at: Timestamp,
    /// How often it has been claimed, this time included.
    pub tries: u32,
}

impl PendingEvent {
    /// Clerk user id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }
}

/// Events that the app should have by now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LateEvents {
    /// How many.
    pub amount: u64,
    /// Whether one of them has been sent in vain.
    pub is_tried: bool,
    /// When the status of the oldest changed.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// Stores an event about the change of this connection in `unit`, if the outbox is on. It
    /// replaces an older, undelivered one.
    pub(super) async fn put_change_event(
        &self,
        unit: &mut Unit,
        connection: Uuid,
        change: &Change,
        at: Timestamp,
    ) -> Result<(), Failure> {
        let id = format!("evt_{}_{}", connection.simple(), change.version.unwrap_or_default());
        self.put_event(unit, change, id, at).await
    }

    /// Stores an event about the erasure of a user likewise.
    pub(super) async fn put_erasure_event(
        &self,
        unit: &mut Unit,
        change: &Change,
        at: Timestamp,
    ) -> Result<(), Failure> {
        let id = format!("evt_erased_{}_{}", change.provider, change.user_id);
        self.put_event(unit, change, id, at).await
    }

    /// `id` is the same for every delivery of one event, and for no other.
    async fn put_event(
        &self,
        unit: &mut Unit,
        change: &Change,
        id: String,
        at: Timestamp,
    ) -> Result<(), Failure> {
        if !self.inner.outbox {
            return Ok(());
        }
        unit.run(statements::OUTBOX_PUT, values![&change.user_id, change.provider, id, at]).await.map(drop)
    }

    /// Claims up to `limit` events that are due at `now`. Nobody else gets them for a minute.
    /// Unreadable rows are postponed.
    pub async fn claim_events(&self, now: Timestamp, limit: usize) -> Result<Vec<PendingEvent>, StoreError> {
        let values = values![now, clock::after(now, EVENT_HOLD), limit];
        let claimed = self.write_rows(statements::OUTBOX_CLAIM, values).await?;
        let each = self.read_each(&claimed, |row| rows::read(row, "outbox", "user_id", read))?;
        for user_id in each.unreadable {
            let values = values![user_id, clock::after(now, EVENT_HOLD), clock::after(now, UNREADABLE_RESTS)];
            self.write(statements::OUTBOX_POSTPONE, values).await?;
        }
        Ok(each.values)
    }

    /// Deletes an event that was delivered or given up. A newer one that has replaced it stays.
    pub async fn remove_event(&self, event: &PendingEvent) -> Result<(), StoreError> {
        self.write(statements::OUTBOX_REMOVE, key(event)).await.map(drop)
    }

    /// Postpones an event until `at`, but not a newer one that has replaced it.
    pub async fn reschedule_event(&self, event: &PendingEvent, at: Timestamp) -> Result<(), StoreError> {
        self.write(statements::OUTBOX_RESCHEDULE, [key(event), values![at]].concat()).await.map(drop)
    }

    /// When the next event is due; may be in the past. `None` where none waits.
    pub async fn next_event_at(&self) -> Result<Option<Timestamp>, StoreError> {
        self.time(statements::OUTBOX_NEXT, Vec::new(), "outbox").await
    }

    /// Events that were sent in vain, or wait since before `before`.
    pub async fn late_events(&self, before: Timestamp) -> Result<LateEvents, StoreError> {
        let late = |row: &Row| {
            Ok(from_row!(row => LateEvents { amount, is_tried: row.get::<i64>("tries")? > 1, oldest }))
        };
        let found = self.total(statements::OUTBOX_LATE, values![before], "outbox", late);
        Ok(found.await?.unwrap_or_default())
    }

    /// The present facts of the status that the event is about.
    pub async fn event_facts(&self, event: &PendingEvent) -> Result<StatusFacts, StoreError> {
        self.read_status(&event.user_id, event.provider).await
    }
}

fn key(event: &PendingEvent) -> Vec<super::Value> {
    values![&event.user_id, event.provider, &event.id]
}

fn read(row: &Row) -> Result<PendingEvent, Unreadable> {
    let (id, tries) = (row.get("event_id")?, rows::tries(row)?);
    Ok(from_row!(row => PendingEvent { user_id, provider, id: id, occurred_at, tries: tries }))
}
