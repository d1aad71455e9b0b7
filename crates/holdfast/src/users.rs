//! User records on behalf of a caller.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::caller::{Caller, OwnerId};
use crate::clerk::backend::{BackendApi, BackendError};
use crate::clerk::pauses::UserPauses;
use crate::clerk::{User, UserFacts, facts_from_claims};
use crate::clock::{SharedClock, after};
use crate::lock::Lock;
use crate::store::{SEEN_EVERY, Store, StoreError, Synced, UserRecord, Visit};

/// Facts that Clerk did not give are asked for again after this, and at last once in
/// [`LAST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(10);
const LAST_RETRY: Duration = Duration::from_hours(1);
/// Users remembered for that.
const REMEMBERED: usize = 10_000;

/// Why there is no record. Neither variant is about the caller's credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// The user was deleted at Clerk, and erased here; their last session token still lives for
    /// seconds.
    #[error("this user was deleted")]
    Erased,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes, refreshes and reads user records. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Users {
    store: Store,
    backend: Option<Arc<BackendApi>>,
    /// Users whose record Clerk did not give. Failures that concern all users are paced by the
    /// Backend API's client itself.
    missing_facts: Arc<Lock<UserPauses>>,
    clock: SharedClock,
}

impl Users {
    /// `backend` is there where a secret key is configured.
    pub fn new(store: Store, backend: Option<Arc<BackendApi>>, clock: SharedClock) -> Self {
        let missing_facts = UserPauses::new(FIRST_RETRY, LAST_RETRY, REMEMBERED);
        Self { store, backend, missing_facts: Arc::new(Lock::new(missing_facts)), clock }
    }

    /// Users in memory: answers of Clerk's Backend API, its failures, and those whose facts are
    /// missing.
    pub fn remembered(&self) -> (usize, usize, usize) {
        let (answers, failures) = self.backend.as_ref().map_or((0, 0), |backend| backend.remembered());
        (answers, failures, self.missing_facts.lock().remembered())
    }

    /// Makes or refreshes the caller's record. Where the Backend API fails, the facts come from the
    /// claims: the failure never fails a sign-in and never removes stored facts.
    pub async fn sync(&self, caller: &Caller) -> Result<Synced, UsersError> {
        self.meet(caller, Visit::Sync).await
    }

    /// The caller's record; made on the spot where there is none.
    pub async fn profile(&self, caller: &Caller) -> Result<User, UsersError> {
        match self.store.user_record(caller.owner()).await? {
            Some(record) if caller.is_impersonated() => Ok(self.shown(record.user)),
            Some(record) if self.wants_facts(&record, caller.owner()) => {
                Ok(self.meet(caller, Visit::Other).await?.user)
            }
            Some(record) => Ok(self.seen(caller.owner(), record.user)),
            None => Ok(self.meet(caller, Visit::Other).await?.user),
        }
    }

    async fn meet(&self, caller: &Caller, visit: Visit) -> Result<Synced, UsersError> {
        let facts = self.facts(caller).await;
        // An impersonator's visit is not the person's.
        let visit = if caller.is_impersonated() { Visit::Impersonated } else { visit };
        let met = self.store.meet_user(caller.owner(), &facts, self.clock.now(), visit).await?;
        let Synced { user, created } = met.ok_or(UsersError::Erased)?;
        Ok(Synced { user: self.shown(user), created })
    }

    /// Facts that could not be had are asked for again by later calls, until they are there.
    fn wants_facts(&self, record: &UserRecord, owner: &OwnerId) -> bool {
        let can_ask = self.backend.as_ref().is_some_and(|backend| !backend.is_left_alone(owner.as_str()));
        let may_ask = || self.missing_facts.lock().until(owner.as_str(), self.clock.now()).is_none();
        can_ask && !record.is_told_by_clerk && may_ask()
    }

    /// From the Backend API; from the session token's claims where no secret key is configured, or
    /// where the API gives nothing.
    async fn facts(&self, caller: &Caller) -> UserFacts {
        let claimed = facts_from_claims(caller.claims());
        let Some(backend) = &self.backend else { return claimed };
        match backend.user(caller.owner().as_str()).await {
            Ok(facts) => {
                self.missing_facts.lock().forget(caller.owner().as_str());
                facts
            }
            Err(error) => {
                if error.concerns_one_user() {
                    self.missing_facts.lock().failed(caller.owner().as_str(), self.clock.now());
                }
                report(error, caller.owner());
                claimed
            }
        }
    }

    /// As it is told. A clock that was ahead may have written a time to come.
    fn shown(&self, mut user: User) -> User {
        user.last_seen_at = user.last_seen_at.map(|seen| seen.min(self.clock.now()));
        user
    }

    /// Stores `last_seen_at`, at most once in [`SEEN_EVERY`].
    fn seen(&self, owner: &OwnerId, mut user: User) -> User {
        let now = self.clock.now();
        if !is_due(user.last_seen_at, now) {
            return self.shown(user);
        }
        self.store.touch_user(owner, now);
        user.last_seen_at = Some(now);
        user
    }
}

fn is_due(last_seen_at: Option<Timestamp>, now: Timestamp) -> bool {
    last_seen_at.is_none_or(|seen| after(seen, SEEN_EVERY) <= now)
}

/// Logs a failure, as an error only where a person must act. A cool-down repeats a failure that was
/// logged.
fn report(error: BackendError, owner: &OwnerId) {
    let user_id = owner.as_str();
    match error {
        BackendError::CoolingDown { .. } => {
            tracing::debug!(%error, user_id, "user facts taken from the session token");
        }
        BackendError::SecretRefused(_) => {
            tracing::error!(%error, user_id, "user facts taken from the session token");
        }
        BackendError::Unreachable(_)
        | BackendError::RateLimited { .. }
        | BackendError::Overloaded { .. }
        | BackendError::NoSuchUser
        | BackendError::Status(_)
        | BackendError::NotUnderstood
        | BackendError::OddRecord => {
            tracing::warn!(%error, user_id, "user facts taken from the session token");
        }
    }
}
