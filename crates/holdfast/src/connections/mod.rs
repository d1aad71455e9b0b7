//! What we do with connections: one file per thing that a person or the worker does.

pub mod callback;
pub mod check;
mod clock_repair;
pub mod complete;
pub mod connect;
pub mod disconnect;
mod expiry;
pub mod grants;
mod incidents;
pub mod journal;
mod overview;
pub mod pass_through;
mod provider_callbacks;
pub mod provider_gate;
pub mod refresh;
pub mod stop;
pub mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

use crate::caller::OwnerId;
use crate::clock::SharedClock;
use crate::connection::Connection;
use crate::connection::observation::Observation;
use crate::connection::return_url::ReturnUrls;
use crate::connection::schedule::RefreshPolicy;
use crate::connection::status::{InstagramStatus, OpenAttempt, derive};
use crate::connection::transition::{apply, is_change, is_news};
use crate::connections::expiry::ClockSuspicion;
use crate::connections::grants::SealingError;
use crate::connections::incidents::IncidentGuard;
use crate::connections::journal::Spill;
use crate::connections::journal::replay::InHand;
use crate::connections::provider_gate::breaker::Breaker;
use crate::connections::provider_gate::budget::Budget;
use crate::connections::unreadable::GrantMetrics;
use crate::entropy::{SharedEntropy, random};
use crate::provider::{Failure, Grant, Meaning, ProviderId, Reply, SharedProvider};
use crate::store::{
    AttemptLimits, ChangeSet, CommitOutcome, ConnectionWrite, HistoryCursor, HistoryEntry, HistoryPage,
    PendingEvent, Store, StoreError,
};
use crate::vault::{Vault, VaultError};

/// What [`Connections`] is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The key ring.
    pub vault: Vault,
    /// Instagram; `None` where no app id and secret are configured.
    pub provider: Option<SharedProvider>,
    /// Time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Where a browser may return to.
    pub return_urls: ReturnUrls,
    /// Two checks of one connection within this time make one upstream call.
    pub check_interval: Duration,
    /// When grants are refreshed.
    pub refresh: RefreshPolicy,
}

/// Connections to Instagram accounts.
#[derive(Debug, Clone)]
pub struct Connections {
    pub(super) parts: Parts,
    pub(super) incidents: Arc<IncidentGuard>,
    pub(super) budget: Arc<Budget>,
    pub(super) breaker: Arc<Breaker>,
    pub(super) doubt: Arc<ClockSuspicion>,
    pub(super) spill: Option<Spill>,
    pub(in crate::connections) in_hand: InHand,
    grant_metrics: GrantMetrics,
}

/// One user may have at most this many open connect attempts.
pub const ATTEMPT_LIMITS: AttemptLimits = AttemptLimits { open: 5, in_an_hour: 20 };
/// How long a connect attempt stays open.
pub const ATTEMPT_LIFETIME: Duration = Duration::from_mins(10);

/// A compare-and-set that keeps losing is tried this often before the caller is asked to come back.
const MAX_CONFLICTS: u32 = 20;

/// A change could not be made for reasons that are ours, never the caller's.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error("a stored secret could not be sealed or opened")]
    Vault(#[from] VaultError),
    /// What is stored cannot be opened by this process, which lacks the key; another may have it.
    #[error("key `{key_id}` is not in this process's HOLDFAST_ENCRYPTION_KEYS")]
    KeyNotHere {
        /// The key of the ring; no secret.
        key_id: String,
    },
    /// A sealed value holds something else than it should.
    #[error("a sealed {what} does not hold what belongs there")]
    Content {
        /// What should have been there.
        what: &'static str,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] crate::entropy::EntropyExhausted),
    /// Others kept changing the same connection; trying again will succeed.
    #[error("the connection kept changing; try again")]
    Contended,
    /// The user was erased while the request was under way.
    #[error("the user has been deleted")]
    UserGone,
}

impl From<SealingError> for ServiceError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Store(error) => Self::Store(error),
            SealingError::Vault(error) => Self::Vault(error),
            SealingError::KeyNotHere { key_id } => Self::KeyNotHere { key_id },
            SealingError::UserGone => Self::UserGone,
            SealingError::Content { what } => Self::Content { what },
        }
    }
}

impl ServiceError {
    /// Whether it is the database's, which concerns whatever comes next. A row that cannot be read is trouble of its own.
    pub fn concerns_all(&self) -> bool {
        match self {
            Self::Store(error) => !error.is_of_one_row(),
            Self::Vault(_)
            | Self::KeyNotHere { .. }
            | Self::Content { .. }
            | Self::Entropy(_)
            | Self::Contended
            | Self::UserGone => false,
        }
    }
}

/// What an observation came to.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// The connection as it is now.
    pub connection: Connection,
    /// Whether the state or its reason changed.
    pub news: bool,
}

impl Connections {
    /// The provider that the routes are about.
    pub const PROVIDER: ProviderId = ProviderId::INSTAGRAM;

    /// Connections over these parts.
    pub fn new(parts: Parts) -> Self {
        Self {
            parts,
            incidents: Arc::default(),
            budget: Arc::default(),
            breaker: Arc::default(),
            doubt: Arc::default(),
            spill: None,
            in_hand: InHand::default(),
            grant_metrics: GrantMetrics::default(),
        }
    }

    /// The same, keeping tokens in `spill` that the database cannot take at the moment they arrive.
    #[must_use]
    pub fn with_spill(mut self, spill: Spill) -> Self {
        self.spill = Some(spill);
        self
    }

    /// How many connections a worker may take on now, at most `most`: as the provider's rate budget and its health allow.
    pub fn provider_allows(&self, most: usize) -> usize {
        let now = self.parts.clock.now();
        self.breaker.allows(self.budget.allows(most, now), now)
    }

    /// The outcome of a provider call, having taken in what it says of the rate budget.
    pub(super) fn account_for<T>(&self, reply: Reply<T>) -> Result<T, Failure> {
        let Reply { outcome, usage } = reply;
        let now = self.parts.clock.now();
        self.budget.observe(usage, outcome.as_ref().err(), now);
        match outcome.as_ref().map_err(|failure| failure.meaning) {
            Err(Meaning::Unavailable | Meaning::App(_)) => self.breaker.failed(now),
            // Whether a death is the connection's own or everybody's shows later.
            Err(Meaning::Dead(_) | Meaning::DeadUnexplained) => {}
            Ok(_)
            | Err(
                Meaning::UserAction(_)
                | Meaning::Permission
                | Meaning::RateLimited(_)
                | Meaning::Content
                | Meaning::CodeRejected,
            ) => self.breaker.answered(),
        }
        outcome.map_err(|failure| Failure {
            retry_after: failure.retry_after.or(usage.account_regains_in),
            ..failure
        })
    }

    /// What is known of a connection, as it is told.
    pub(super) fn told(
        &self,
        connection: Option<&Connection>,
        open_attempt: Option<&OpenAttempt>,
    ) -> InstagramStatus {
        let now = self.parts.clock.now();
        derive(connection, open_attempt, self.asked_for(), now)
            .resting_until(self.breaker.rests_until(now))
            .throttled_until(self.budget.spent_until(now))
    }

    /// Where a browser may return to.
    pub fn return_urls(&self) -> &ReturnUrls {
        &self.parts.return_urls
    }

    /// Whether an app id and secret are configured.
    pub fn is_configured(&self) -> bool {
        self.parts.provider.is_some()
    }

    /// The scopes that the app asks for; `None` where Instagram is not configured.
    pub(super) fn asked_for(&self) -> Option<&[String]> {
        self.parts.provider.as_ref().map(|provider| provider.scopes())
    }

    /// The status of a caller's connection. Reads storage only; never calls Instagram.
    pub async fn status(&self, owner: &OwnerId) -> Result<InstagramStatus, StoreError> {
        let facts = self.parts.store.status_facts(owner, Self::PROVIDER).await?;
        Ok(self.told(facts.connection.as_ref(), facts.open_attempt.as_ref()))
    }

    /// The status that an event in the outbox tells of, as it is now.
    pub async fn status_for(&self, event: &PendingEvent) -> Result<InstagramStatus, StoreError> {
        let facts = self.parts.store.event_facts(event).await?;
        Ok(self.told(facts.connection.as_ref(), facts.open_attempt.as_ref()))
    }

    /// Every change of state of a caller's connection, newest first.
    pub async fn history(
        &self,
        owner: &OwnerId,
        before: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, ServiceError> {
        let now = self.parts.clock.now();
        // What the clock has ended is told at once by the status; here too, though no worker may have come by.
        if let Some(connection) = self.parts.store.connection(owner, Self::PROVIDER).await?
            && connection.grant.is_some_and(|grant| grant.expires_at <= now)
        {
            self.record(connection.id, &Observation::ExpiryPassed, None).await?;
        }
        Ok(self.parts.store.history(owner, Self::PROVIDER, before, limit).await?)
    }

    /// Loads the connection, applies `observation`, and stores the outcome, again if somebody else was faster.
    pub(super) async fn record(
        &self,
        id: uuid::Uuid,
        observation: &Observation,
        detail: Option<&str>,
    ) -> Result<Option<Recorded>, ServiceError> {
        for _ in 0..MAX_CONFLICTS {
            let Some(before) = self.parts.store.connection_by_id(id).await? else { return Ok(None) };
            let now = self.parts.clock.now();
            let mut connection = apply(&before, observation, now);
            let news = is_news(&before, &connection);
            if !is_change(&before, &connection) {
                return Ok(Some(Recorded { connection: before, news: false }));
            }
            connection.version = before.version + 1;
            let mut changes = change(&before, connection.clone(), now, detail);
            if matches!(
                observation,
                Observation::Deauthorized { .. } | Observation::Disconnected | Observation::DataDeleted
            ) {
                changes.erase_all_grants = Some(id);
            }
            match self.parts.store.commit(&changes).await? {
                CommitOutcome::Committed => return Ok(Some(Recorded { connection, news })),
                CommitOutcome::UserDeleted => return Err(ServiceError::UserGone),
                CommitOutcome::Conflict
                | CommitOutcome::AccountAlreadyLinked
                | CommitOutcome::TooManyAttempts => {}
            }
        }
        Err(ServiceError::Contended)
    }

    pub(super) async fn open_sealed(
        &self,
        connection: &Connection,
        sealed: &crate::store::SealedGrant,
    ) -> Result<Grant, SealingError> {
        let key = grants::user_key(&self.parts.store, &self.parts.vault, &connection.user_id).await?;
        grants::open_grant(&key, &connection.user_id, connection.provider, sealed)
    }

    /// When a grant obtained now should be refreshed.
    pub(super) fn refresh_due(&self, grant: &Grant) -> Result<jiff::Timestamp, ServiceError> {
        self.due_between(grant.obtained_at, grant.expires_at)
    }

    /// The same by the grant's facts.
    pub(super) fn due_between(
        &self,
        obtained_at: jiff::Timestamp,
        expires_at: jiff::Timestamp,
    ) -> Result<jiff::Timestamp, ServiceError> {
        let [byte] = random::<1>(&*self.parts.entropy)?;
        Ok(self.parts.refresh.due(obtained_at, expires_at, f64::from(byte) / 255.0))
    }

    /// A fresh 256-bit secret, as unpadded base64url.
    pub(super) fn fresh_secret(&self) -> Result<SecretString, ServiceError> {
        use base64::Engine;
        let bytes = zeroize::Zeroizing::new(random::<32>(&*self.parts.entropy)?);
        Ok(SecretString::from(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes)))
    }
}

/// The unit of work that turns `before` into `after`, with a line of history where it is news.
pub(super) fn change(
    before: &Connection,
    after: Connection,
    now: jiff::Timestamp,
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
