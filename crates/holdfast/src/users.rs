//! User records on behalf of a caller.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::caller::{Caller, OwnerId};
use crate::clerk::backend::{BackendApi, BackendError};
use crate::clerk::{User, UserFacts, facts_from_claims};
use crate::clock::{SharedClock, after};
use crate::store::{Store, StoreError, SyncedUser};

/// `last_seen_at` is written at most this often per user: a page that polls must not cost a write each time.
const SEEN_EVERY: Duration = Duration::from_mins(1);

/// Where a user's facts came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactsSource {
    /// Clerk's Backend API.
    BackendApi,
    /// The session token's claims; no secret key is configured.
    Claims,
    /// The session token's claims, because the Backend API gave nothing.
    ClaimsInstead(BackendError),
}

/// A record after a synchronisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The record as it is now.
    pub user: User,
    /// Whether this very call made it.
    pub created: bool,
    /// Where its facts came from.
    pub source: FactsSource,
}

/// There is no record to give. Neither variant is about the caller's credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UsersError {
    /// The user was deleted at Clerk, and erased here; their last session token still lives for seconds.
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
    clock: SharedClock,
}

impl Users {
    /// `backend` is there where a secret key is configured.
    pub fn new(store: Store, backend: Option<Arc<BackendApi>>, clock: SharedClock) -> Self {
        Self { store, backend, clock }
    }

    /// Makes or refreshes the caller's record. What the Backend API fails to give is taken from the claims: a
    /// failure there never fails a sign-in, and never takes away what is stored.
    pub async fn sync(&self, caller: &Caller) -> Result<Synced, UsersError> {
        let (facts, source) = self.facts(caller).await;
        match self.store.sync_user(caller.owner(), &facts, self.clock.now()).await? {
            SyncedUser::Stored { user, created } => Ok(Synced { user, created, source }),
            SyncedUser::Erased => Err(UsersError::Erased),
        }
    }

    /// The caller's record; made on the spot where there is none.
    pub async fn profile(&self, caller: &Caller) -> Result<User, UsersError> {
        match self.store.user(caller.owner()).await? {
            // Whoever impersonates the person is not the person.
            Some(user) if caller.is_impersonated() => Ok(user),
            Some(user) => Ok(self.seen(caller.owner(), user).await),
            None => Ok(self.sync(caller).await?.user),
        }
    }

    async fn facts(&self, caller: &Caller) -> (UserFacts, FactsSource) {
        let claimed = facts_from_claims(caller.claims());
        let Some(backend) = &self.backend else { return (claimed, FactsSource::Claims) };
        match backend.user(caller.owner().as_str()).await {
            Ok(facts) => (facts, FactsSource::BackendApi),
            Err(error) => {
                report(error, caller.owner());
                (claimed, FactsSource::ClaimsInstead(error))
            }
        }
    }

    /// Notes that the caller was seen, unless that was noted a moment ago. The answer does not depend on it.
    async fn seen(&self, owner: &OwnerId, mut user: User) -> User {
        let now = self.clock.now();
        if !is_due(user.last_seen_at, now) {
            return user;
        }
        match self.store.touch_user(owner, now).await {
            Ok(()) => user.last_seen_at = Some(now),
            Err(error) => tracing::warn!(%error, "when a user was last seen could not be stored"),
        }
        user
    }
}

fn is_due(last_seen_at: Option<Timestamp>, now: Timestamp) -> bool {
    last_seen_at.is_none_or(|seen| after(seen, SEEN_EVERY) <= now)
}

/// Tells the operator, loudly only where a person must act; a cool-down repeats what was said.
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
        | BackendError::NoSuchUser
        | BackendError::Status(_)
        | BackendError::NotUnderstood => {
            tracing::warn!(%error, user_id, "user facts taken from the session token");
        }
    }
}
