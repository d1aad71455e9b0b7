//! What we do with connections: one file per use case.
//!
//! A use case reads facts from the store, asks the provider where it must, and expresses what it
//! learned as an [`Observation`](crate::connection::observation::Observation). The [`Recorder`]
//! applies the observation and stores the result, and tries again if another writer was faster.
//!
//! | use cases of | files |
//! |---|---|
//! | a person | `connect`, `callback`, `complete`, `check`, `disconnect` |
//! | the app's backend | `pass_through`, `listing` |
//! | an operator | `import`, `overview` |
//! | the worker | `refresh`, `expiry`, `unreadable`, `clock_repair`; `complete` after a crash |
//! | Instagram | `provider_callbacks` |
//!
//! The other files are what these share: `grants` and `journal` keep grants; `recorder`, `switch`
//! and `attempts` write; `diagnose` finds out what a failure means, `incidents` whether others meet
//! it too; `provider_gate` says how many calls are allowed.

pub mod app_refusals;
mod attempts;
pub mod callback;
pub mod check;
mod clock_repair;
mod clock_suspicion;
pub mod complete;
pub mod connect;
mod data_deletions;
pub mod diagnose;
pub mod disconnect;
mod error;
mod expiry;
pub mod grants;
pub mod import;
mod incidents;
pub mod journal;
pub mod listing;
mod overview;
mod parallel;
pub mod pass_through;
mod profile;
mod provider_callbacks;
mod provider_gate;
mod recorder;
pub mod refresh;
mod switch;
pub mod unreadable;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::counter::Counter;
use secrecy::SecretString;
use tokio::sync::Semaphore;

use self::app_refusals::AppRefusals;
use self::clock_suspicion::ClockSuspicion;
pub use self::error::ServiceError;
use self::incidents::Incidents;
use self::journal::Journal;
use self::provider_gate::ProviderGate;
pub use self::recorder::Recorded;
use self::recorder::Recorder;
use crate::caller::OwnerId;
use crate::clock::SharedClock;
use crate::connection::Connection;
use crate::connection::return_url::ReturnUrls;
use crate::connection::schedule::{Jitter, RefreshPolicy, Schedule};
use crate::connection::status::{InstagramStatus, OpenAttempt, derive, recorded};
use crate::entropy::{SharedEntropy, random};
use crate::provider::{ProviderId, SharedProvider};
use crate::store::{HistoryCursor, HistoryPage, Notice, PendingEvent, StatusFacts, Store, StoreError};
use crate::vault::{UserKey, Vault};

/// The version in the event of an erased user: the greatest of 32 bits, so that the app never takes
/// an earlier event for the newer one.
pub const VERSION_OF_ERASED: i64 = i32::MAX as i64;

/// The parts of [`Connections`].
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
    /// Where new tokens are written before the database.
    pub journal: Journal,
}

/// Connections to Instagram accounts.
#[derive(Debug, Clone)]
pub struct Connections {
    parts: Parts,
    recorder: Recorder,
    incidents: Incidents,
    gate: ProviderGate,
    clock_suspicion: ClockSuspicion,
    /// Grants that were found damaged.
    unreadable: Counter,
    app_refusals: AppRefusals,
    pass_through_turns: Arc<Semaphore>,
}

impl Connections {
    /// Connections over these parts.
    pub fn new(parts: Parts) -> Self {
        let (store, clock) = (parts.store.clone(), parts.clock.clone());
        Self {
            parts,
            recorder: Recorder::new(store.clone(), clock.clone()),
            incidents: Incidents::new(store, clock.clone()),
            gate: ProviderGate::new(clock),
            clock_suspicion: ClockSuspicion::default(),
            unreadable: Counter::default(),
            app_refusals: AppRefusals::default(),
            pass_through_turns: Arc::new(Semaphore::new(pass_through::PASS_THROUGH_TURNS)),
        }
    }

    /// The journal, which holds new tokens until the database has them.
    pub fn journal(&self) -> &Journal {
        &self.parts.journal
    }

    /// When Instagram last refused the app itself to somebody who connected, in this process.
    pub fn app_refused_at(&self) -> Option<Timestamp> {
        self.app_refusals.last()
    }

    /// How many connections a worker may take on now, at most `most`: as the provider's rate budget
    /// and its health allow.
    pub fn provider_allows(&self, most: usize) -> usize {
        self.gate.allows(most)
    }

    /// A connection's status, with Instagram's health and rate budget as this replica sees them.
    pub(super) fn told(
        &self,
        connection: Option<Connection>,
        open_attempt: Option<OpenAttempt>,
    ) -> InstagramStatus {
        let now = self.parts.clock.now();
        self.paced(derive(connection, open_attempt, self.asked_for(), now), now)
    }

    /// The status as events tell it.
    fn announced(&self, connection: Option<Connection>) -> InstagramStatus {
        let now = self.parts.clock.now();
        self.paced(recorded(connection, self.asked_for(), now), now)
    }

    fn paced(&self, status: InstagramStatus, now: Timestamp) -> InstagramStatus {
        status.resting_until(self.gate.rests_until(now)).throttled_until(self.gate.spent_until(now))
    }

    /// The status derived from stored facts.
    pub(super) fn status_from(&self, facts: StatusFacts) -> InstagramStatus {
        self.told(facts.connection, facts.open_attempt)
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
        let facts = self.parts.store.status_facts(owner, ProviderId::INSTAGRAM).await?;
        Ok(self.status_from(facts))
    }

    /// The present status of the user that a notice is about, as stored.
    pub async fn status_of_notice(&self, notice: &Notice) -> Result<InstagramStatus, StoreError> {
        Ok(self.announced(self.parts.store.notice_facts(notice).await?.connection))
    }

    /// The present status of the connection that an outbox event is about, as stored. A connection
    /// ends only with its user: then the version is [`VERSION_OF_ERASED`].
    pub async fn status_for(&self, event: &PendingEvent) -> Result<InstagramStatus, StoreError> {
        let connection = self.parts.store.event_facts(event).await?.connection;
        let is_erased = connection.is_none();
        let status = self.announced(connection);
        let version = if is_erased { VERSION_OF_ERASED } else { status.version };
        Ok(InstagramStatus { version, ..status })
    }

    /// Every change of state of a caller's connection, newest first. Writes nothing: a passed
    /// expiry is the worker's to record, which asks the provider first where it is in doubt.
    pub async fn history(
        &self,
        owner: &OwnerId,
        before: Option<HistoryCursor>,
        limit: usize,
    ) -> Result<HistoryPage, ServiceError> {
        Ok(self.parts.store.history(owner, ProviderId::INSTAGRAM, before, limit).await?)
    }

    /// The user's data key, created on first use.
    pub(super) async fn user_key(&self, user_id: &str) -> Result<UserKey, ServiceError> {
        grants::user_key(&self.parts.store, &self.parts.vault, user_id).await
    }

    /// The user's data key, which has sealed something.
    pub(super) async fn stored_user_key(&self, user_id: &str) -> Result<UserKey, ServiceError> {
        grants::stored_user_key(&self.parts.store, &self.parts.vault, user_id).await
    }

    /// The schedule for a decision made now.
    pub(super) fn schedule(&self) -> Result<Schedule, ServiceError> {
        let jitter = Jitter(u16::from_be_bytes(random::<2>(&*self.parts.entropy)?));
        Ok(Schedule { policy: self.parts.refresh, now: self.parts.clock.now(), jitter })
    }

    /// A fresh 256-bit secret, as unpadded base64url.
    pub(super) fn fresh_secret(&self) -> Result<SecretString, ServiceError> {
        use base64::Engine;
        let bytes = zeroize::Zeroizing::new(random::<32>(&*self.parts.entropy)?);
        Ok(SecretString::from(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(*bytes)))
    }
}
