//! Beginning to connect: makes a single-use attempt and the address to send the browser to.

use std::time::Duration;

use jiff::Timestamp;
use secrecy::ExposeSecret;
use url::Url;
use uuid::Uuid;

use crate::caller::OwnerId;
use crate::clock::after;
use crate::connection::Connection;
use crate::connection::attempt::{ATTEMPT_WINDOW, Attempt, AttemptNote, AttemptStage, Expect};
use crate::connection::return_url::ReturnToError;
use crate::connections::attempts::noted;
use crate::connections::recorder::Conflicts;
use crate::connections::{Connections, ServiceError};
use crate::digest::sha256;
use crate::entropy::new_id;
use crate::provider::ProviderId;
use crate::store::{AttemptLimits, AttemptWrite, ChangeSet, CommitOutcome, ConnectionWrite};

/// How many connect attempts one user may have.
const ATTEMPT_LIMITS: AttemptLimits = AttemptLimits { open: 5, in_an_hour: 20 };
/// How long a connect attempt stays open.
const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// What a caller asks for.
#[derive(Debug, Clone, Default)]
pub struct ConnectRequest {
    /// Where the browser returns to.
    pub return_to: Option<String>,
    /// Whether Instagram asks for the password even where somebody is signed in.
    pub force_reauth: bool,
    /// Whether another account than the linked one may come back.
    pub expect: Expect,
}

/// A connect attempt that has begun.
#[derive(Debug, Clone)]
pub struct ConnectStarted {
    /// Where to send the browser. Carries the `state`, so it goes to the caller and nowhere else.
    pub authorize_url: Url,
    /// The attempt.
    pub attempt_id: Uuid,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// Which limit on connect attempts is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptLimit {
    /// The limit on open attempts.
    Open,
    /// The limit on attempts begun within an hour, closed ones included.
    InAnHour,
}

/// An attempt could not begin.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address to return to is missing or not allowed.
    #[error(transparent)]
    ReturnTo(#[from] ReturnToError),
    /// Too many are open, or were begun within the hour.
    #[error("too many connect attempts are open, or were started within the last hour")]
    TooManyAttempts {
        /// The limit that is reached.
        limit: AttemptLimit,
        /// When the next one may begin.
        free_at: Timestamp,
    },
    /// No app id and secret.
    #[error("connecting Instagram is not set up on this server")]
    NotConfigured,
    /// An internal failure.
    #[error(transparent)]
    Service(#[from] ServiceError),
}

impl Connections {
    /// Begins to connect. The present grant, if any, stays in use until the new one is proven.
    pub async fn connect(
        &self,
        owner: &OwnerId,
        request: ConnectRequest,
    ) -> Result<ConnectStarted, ConnectError> {
        let provider = self.parts.provider.as_ref().ok_or(ConnectError::NotConfigured)?;
        let return_to = self.parts.return_urls.choose(request.return_to.as_deref())?;
        let now = self.parts.clock.now();
        let state = self.fresh_secret()?;
        let attempt = Attempt {
            id: new_id(&*self.parts.entropy, now).map_err(ServiceError::from)?,
            revision: 1,
            user_id: owner.as_str().to_owned(),
            provider: ProviderId::INSTAGRAM,
            state_hash: hash(state.expose_secret()),
            completion_hash: None,
            stage: AttemptStage::Open,
            outcome: None,
            return_to: return_to.into(),
            expect: request.expect,
            created_at: now,
            expires_at: after(now, ATTEMPT_LIFETIME),
            returned_at: None,
            sealed: None,
            sealed_completion: None,
            busy_until: None,
            paused_until: None,
            closed_at: None,
        };
        let started = ConnectStarted {
            authorize_url: provider.authorize_url(state.expose_secret(), request.force_reauth),
            attempt_id: attempt.id,
            expires_at: attempt.expires_at,
        };
        let write = AttemptWrite { expected_revision: None, attempt, limits: Some(ATTEMPT_LIMITS) };
        let mut conflicts = Conflicts::default();
        loop {
            let changes = self.beginning(owner, write.clone(), now).await?;
            match self.parts.store.commit(&changes).await.map_err(ServiceError::from)? {
                CommitOutcome::Committed => return Ok(started),
                CommitOutcome::TooManyAttempts => return Err(self.too_many_attempts(owner, now).await?),
                CommitOutcome::UserDeleted => return Err(ServiceError::UserGone.into()),
                // Another request made the connection at the same moment.
                CommitOutcome::Conflict | CommitOutcome::AccountAlreadyLinked => {}
            }
            conflicts.lost()?;
        }
    }

    /// The unit of work that begins an attempt. The first one makes the connection as well: by
    /// itself its row would change the status, and tell nothing.
    async fn beginning(
        &self,
        owner: &OwnerId,
        write: AttemptWrite,
        now: Timestamp,
    ) -> Result<ChangeSet, ServiceError> {
        let stored = self.parts.store.connection(owner, write.attempt.provider).await?;
        let fresh = match stored {
            Some(_) => None,
            None => Some(self.new_connection(owner, now)?),
        };
        let begun = AttemptNote { id: write.attempt.id, outcome: None };
        let history = stored.iter().chain(&fresh).map(|connection| noted(connection, begun, now)).collect();
        let connection = fresh.map(|connection| ConnectionWrite { expected_version: None, connection });
        Ok(ChangeSet { connection, history, attempt: Some(write), ..ChangeSet::default() })
    }

    /// Which limit is reached and until when; if both are, the one that lasts longer.
    async fn too_many_attempts(&self, owner: &OwnerId, now: Timestamp) -> Result<ConnectError, ServiceError> {
        let open = self.parts.store.open_attempts(owner, ProviderId::INSTAGRAM).await?;
        // An attempt that waits for Instagram stays open for longer than it counts.
        let counts_until =
            |each: &Attempt| each.expires_at.min(after(each.created_at.min(now), ATTEMPT_LIFETIME));
        let open = open.iter().filter(|each| each.created_at < after(now, ATTEMPT_LIFETIME));
        let open: Vec<_> = open.map(counts_until).filter(|at| *at > now).collect();
        let is_full = |count: usize, most: u32| u32::try_from(count).is_ok_and(|count| count >= most);
        let of_open = open.iter().min().filter(|_| is_full(open.len(), ATTEMPT_LIMITS.open)).copied();
        let most = usize::try_from(ATTEMPT_LIMITS.in_an_hour).unwrap_or(usize::MAX);
        let begun = self.parts.store.attempts_begun(owner, ProviderId::INSTAGRAM, now, most).await?;
        let oldest = begun.last().filter(|_| begun.len() >= most);
        let of_begun = oldest.map(|oldest| after(*oldest, ATTEMPT_WINDOW));
        let (limit, free_at) = if of_begun > of_open {
            (AttemptLimit::InAnHour, of_begun)
        } else {
            (AttemptLimit::Open, of_open)
        };
        Ok(ConnectError::TooManyAttempts { limit, free_at: free_at.unwrap_or(now) })
    }

    /// A connection of somebody who has none, "not connected" and not stored.
    pub(super) fn new_connection(&self, owner: &OwnerId, now: Timestamp) -> Result<Connection, ServiceError> {
        let id = new_id(&*self.parts.entropy, now)?;
        Ok(Connection::not_connected(id, owner.as_str().to_owned(), ProviderId::INSTAGRAM, now))
    }
}

/// The stored form of `state` and completion. They are 256 random bits, so an unsalted hash is
/// safe.
pub(super) fn hash(secret: &str) -> [u8; 32] {
    sha256(secret.as_bytes())
}
