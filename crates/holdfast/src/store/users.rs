//! User records, Clerk's events about them, and erasure.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::{Failure, Row, from_row, values};
use super::{Change, Store, StoreError, Unit, engine, notices, rows, statements};
use crate::caller::OwnerId;
use crate::clerk::webhook::{SignedEvent, UserChange};
use crate::clerk::{Fact, User, UserFacts};
use crate::clock::after;
use crate::provider::ProviderId;

/// When a person was last seen is written at most this often: a page that polls must not cost a
/// write each time.
pub const SEEN_EVERY: Duration = Duration::from_mins(1);
/// Entries of a user's history erased by one statement: they grow with use, and time is limited.
const ERASED_AT_ONCE: usize = 500;
/// Steps through the audit record of an erased user while the sender waits; the sweep goes on.
const ACT_STEPS: usize = 20;

/// A record after a synchronisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The record as it is now.
    pub user: User,
    /// Whether this was the user's first `sync`, even if there was a record; true for one of any
    /// number of parallel calls.
    pub created: bool,
}

/// The outcome of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventOutcome {
    /// Stored.
    Applied,
    /// This delivery was applied before.
    Duplicate,
    /// Newer facts are stored, or the user was erased: it changed nothing.
    Stale,
}

/// Why a user's record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visit {
    /// `POST /auth/sync`.
    Sync,
    /// Any other call.
    Other,
    /// Any call of an impersonator (`act`): the person was not there.
    Impersonated,
}

#[derive(Clone, PartialEq)]
struct StoredUser {
    user: User,
    clerk_updated_at: Option<Timestamp>,
    claimed_at: Option<Timestamp>,
    first_synced_at: Option<Timestamp>,
}

/// A user's record, and whether its facts ever came from Clerk itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// The record.
    pub user: User,
    /// Whether a dated source (the Backend API, a webhook) was read; token claims are partial.
    pub is_told_by_clerk: bool,
}

impl Store {
    /// The caller's record.
    pub async fn user(&self, owner: &OwnerId) -> Result<Option<User>, StoreError> {
        Ok(self.user_record(owner).await?.map(|record| record.user))
    }

    /// The caller's record, with what is known of its source.
    pub async fn user_record(&self, owner: &OwnerId) -> Result<Option<UserRecord>, StoreError> {
        let stored = self.one(statements::USER, values![owner], stored_user).await?;
        Ok(stored.map(|stored| UserRecord {
            user: stored.user,
            is_told_by_clerk: stored.clerk_updated_at.is_some(),
        }))
    }

    /// Whether the user has a record.
    pub async fn has_user(&self, user_id: &str) -> Result<bool, StoreError> {
        Ok(self.read_one(statements::USER, values![user_id]).await?.is_some())
    }

    /// Makes or refreshes the caller's record. Dated facts replace older ones; token claims are as
    /// old as the token, and partial. `None` where the user was erased: there is no record, and none
    /// is made.
    pub async fn meet_user(
        &self,
        owner: &OwnerId,
        facts: &UserFacts,
        now: Timestamp,
        visit: Visit,
    ) -> Result<Option<Synced>, StoreError> {
        let stored = self.one(statements::USER, values![owner], stored_user).await?;
        if let Some(StoredUser { user, .. }) = stored.filter(|stored| stored.stands(facts, now, visit)) {
            return Ok(Some(Synced { user, created: false }));
        }
        engine::retrying(|| async {
            let mut unit = self.begin_of(owner.as_str()).await?;
            unit.run(statements::USER_INSERT, values![owner, now]).await?;
            let Some(mut stored) = lock_user(&mut unit, owner.as_str()).await? else {
                return Ok(None);
            };
            stored.learn(facts, now);
            if visit != Visit::Impersonated {
                stored.user.last_seen_at = stored.user.last_seen_at.max(Some(now));
            }
            let created = visit == Visit::Sync && stored.first_synced_at.is_none();
            if created {
                stored.first_synced_at = Some(now);
            }
            save_user(&mut unit, &stored).await?;
            unit.commit().await?;
            Ok(Some(Synced { user: stored.user, created }))
        })
        .await
    }

    /// Notes that the caller was seen, and waits for nothing. Does nothing where there is no record.
    pub fn touch_user(&self, owner: &OwnerId, now: Timestamp) {
        self.stamp(statements::USER_TOUCH, owner.as_str().to_owned(), now);
    }

    /// Applies an event that Clerk signed, once, whatever the order of arrival. `user.deleted`
    /// erases: record, data key, connections, history, grants and attempts, in one unit of work. A
    /// tombstone stays, so that neither a late event nor a session token that still lives brings
    /// the user back. A long history goes before, and what the audit record says of the user after
    /// it, in steps.
    pub async fn apply_clerk_event(
        &self,
        event: &SignedEvent,
        now: Timestamp,
    ) -> Result<EventOutcome, StoreError> {
        let is_deleted = matches!(event.change(), UserChange::Deleted);
        if is_deleted {
            let values = values![event.user_id(), ERASED_AT_ONCE];
            while self.write(statements::HISTORY_ERASE, values.clone()).await? > 0 {}
        }
        let outcome = engine::retrying(|| self.apply_event(event, now)).await;
        // After a duplicate too: the delivery before may have been cut short after its commit.
        if is_deleted && matches!(outcome, Ok(_) | Err(StoreError::OutcomeUnknown)) {
            self.after_erasure(event.user_id()).await?;
        }
        outcome
    }

    async fn apply_event(&self, event: &SignedEvent, now: Timestamp) -> Result<EventOutcome, Failure> {
        let mut unit = self.begin_of(event.user_id()).await?;
        if unit.run(statements::CLERK_EVENT_INSERT, values![event.id(), now]).await? == 0 {
            return Ok(EventOutcome::Duplicate);
        }
        let outcome = match event.change() {
            UserChange::Deleted => {
                self.erase(&mut unit, event.user_id(), now).await?;
                EventOutcome::Applied
            }
            UserChange::Stored(facts) => {
                unit.run(statements::USER_INSERT, values![event.user_id(), now]).await?;
                match lock_user(&mut unit, event.user_id()).await? {
                    // Erased: roll back, so that neither a record nor the delivery is stored.
                    None => return Ok(EventOutcome::Stale),
                    Some(stored) if stored.knows_newer_than(facts) => EventOutcome::Stale,
                    Some(mut stored) => {
                        stored.learn(facts, now);
                        save_user(&mut unit, &stored).await?;
                        EventOutcome::Applied
                    }
                }
            }
        };
        unit.commit().await?;
        Ok(outcome)
    }

    /// Whether the user was erased.
    pub async fn is_deleted(&self, owner: &OwnerId) -> Result<bool, StoreError> {
        Ok(self.read_one(statements::TOMBSTONE, values![owner]).await?.is_some())
    }

    async fn erase(&self, unit: &mut Unit, user_id: &str, now: Timestamp) -> Result<(), Failure> {
        // Create the record if there is none, so that its lock excludes others that would create
        // it.
        unit.run(statements::USER_INSERT, values![user_id, now]).await?;
        unit.row(statements::USER_LOCK, values![user_id]).await?;
        let providers = unit.rows(statements::USER_PROVIDERS, values![user_id]).await?;
        let providers: Vec<_> = providers.iter().filter_map(|row| row.get("provider").ok()).collect();
        unit.run(statements::TOMBSTONE_INSERT, values![user_id, now]).await?;
        unit.run(statements::USER_DELETE, values![user_id]).await?;
        unit.run(notices::NOTICES_FORGET, values![user_id]).await?;
        for provider in &providers {
            let change = Change { user_id: user_id.to_owned(), provider: *provider, version: None };
            self.inner.changes.notify(unit, &change).await?;
            self.put_erasure_event(unit, &change, now).await?;
        }
        Ok(())
    }

    async fn after_erasure(&self, user_id: &str) -> Result<(), StoreError> {
        let provider = ProviderId::INSTAGRAM;
        self.inner.changes.tell([Change { user_id: user_id.to_owned(), provider, version: None }]);
        if let Err(error) = self.forget_acts(user_id, ACT_STEPS).await {
            tracing::warn!(%error, "the audit record still names an erased user; the next sweep mends that");
        }
        self.scrub().await
    }
}

impl StoredUser {
    fn knows_newer_than(&self, facts: &UserFacts) -> bool {
        if let Some(offered) = facts.updated_at {
            return self.clerk_updated_at.is_some_and(|known| known > offered);
        }
        // A token tells of the time when it was issued.
        self.clerk_updated_at.is_some_and(|known| facts.claimed_at.is_none_or(|claimed| known >= claimed))
            || self.claimed_at > facts.claimed_at
    }

    /// Whether a visit need not be written.
    fn stands(&self, facts: &UserFacts, now: Timestamp, visit: Visit) -> bool {
        let mut learnt = self.clone();
        learnt.learn(facts, now);
        let is_seen = self.user.last_seen_at.is_some_and(|at| now < after(at, SEEN_EVERY));
        learnt == *self
            && (is_seen || visit == Visit::Impersonated)
            && (self.first_synced_at.is_some() || visit != Visit::Sync)
    }

    fn learn(&mut self, facts: &UserFacts, now: Timestamp) {
        if self.knows_newer_than(facts) {
            return;
        }
        let before = self.user.clone();
        // A dated source speaks of the whole record: what it leaves out is gone. Claims are
        // partial.
        let whole = facts.updated_at.is_some();
        let is_told = |fact| whole || facts.gone.contains(&fact);
        let user = &mut self.user;
        merge(&mut user.email, facts.email.as_ref(), is_told(Fact::Email));
        // The flag is about the address: what is known of another one says nothing.
        let is_new_address = user.email != before.email;
        merge(&mut user.email_verified, facts.email_verified.as_ref(), whole || is_new_address);
        merge(&mut user.first_name, facts.first_name.as_ref(), is_told(Fact::FirstName));
        merge(&mut user.last_name, facts.last_name.as_ref(), is_told(Fact::LastName));
        merge(&mut user.image_url, facts.image_url.as_ref(), is_told(Fact::ImageUrl));
        self.clerk_updated_at = facts.updated_at.or(self.clerk_updated_at);
        self.claimed_at = facts.claimed_at.or(self.claimed_at);
        if *user != before {
            user.updated_at = now;
        }
    }
}

/// `is_told`: where nothing is offered, there is none.
fn merge<T: Clone>(known: &mut Option<T>, offered: Option<&T>, is_told: bool) {
    if is_told || offered.is_some() {
        *known = offered.cloned();
    }
}

/// Locks the record until the unit ends. `None` where the user was erased.
async fn lock_user(unit: &mut Unit, user_id: &str) -> Result<Option<StoredUser>, Failure> {
    let row = unit.row(statements::USER_LOCK, values![user_id]).await?;
    // Asked after the lock, so that an erasure which just ended is seen.
    let erased = unit.row(statements::TOMBSTONE, values![user_id]).await?.is_some();
    Ok(row.as_ref().filter(|_| !erased).map(stored_user).transpose()?)
}

async fn save_user(unit: &mut Unit, stored: &StoredUser) -> Result<(), Failure> {
    let StoredUser { user, clerk_updated_at, claimed_at, first_synced_at } = stored;
    let values = values![
        &user.id,
        &user.email,
        user.email_verified,
        &user.first_name,
        &user.last_name,
        &user.image_url,
        user.updated_at,
        user.last_seen_at,
        *clerk_updated_at,
        *claimed_at,
        *first_synced_at,
    ];
    unit.run(statements::USER_UPDATE, values).await.map(drop)
}

fn stored_user(row: &Row) -> Result<StoredUser, StoreError> {
    rows::read(row, "users", "id", |row| {
        let user = from_row!(row => User {
            id, email, email_verified, first_name, last_name, image_url, created_at, updated_at, last_seen_at,
        });
        Ok(from_row!(row => StoredUser { user: user, clerk_updated_at, claimed_at, first_synced_at }))
    })
}
