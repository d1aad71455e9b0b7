//! Why the server cannot start.

use crate::caller::ConfigError;
use crate::clerk::backend::UnusableSecret;
use crate::clerk::webhook::SecretError;
use crate::connection::return_url::ReturnUrlError;
use crate::entropy::EntropyExhausted;
use crate::store::{MigrateError, OpenError, StoreError};
use crate::vault::{KeyRingFaults, SentinelError};

/// Why the server cannot start, in one sentence each.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Its schema cannot be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It stopped answering meanwhile.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no key ring.
    #[error("HOLDFAST_ENCRYPTION_KEYS is not set; make a key with `holdfast keys generate`")]
    NoKeys,
    /// The key ring cannot be read.
    #[error("HOLDFAST_ENCRYPTION_KEYS: {0}")]
    Keys(#[from] KeyRingFaults),
    /// The key ring is not the one of this database.
    #[error(transparent)]
    Sentinel(#[from] SentinelError),
    /// Session tokens cannot be judged by this configuration.
    #[error(transparent)]
    Clerk(#[from] ConfigError),
    /// Nothing says where the keys are.
    #[error("no source of Clerk's keys is configured; set CLERK_PUBLISHABLE_KEY")]
    NoKeySource,
    /// The secret key cannot stand in a header.
    #[error("CLERK_SECRET_KEY has a character that HTTP headers do not allow; copy it again")]
    SecretKey(#[from] UnusableSecret),
    /// A webhook secret cannot be used.
    #[error("CLERK_WEBHOOK_SIGNING_SECRET: {0}")]
    WebhookSecret(#[from] SecretError),
    /// The secret for events to the app cannot be used.
    #[error("HOLDFAST_WEBHOOK_SECRET is not `whsec_` followed by base64")]
    EventSecret,
    /// The list of return addresses cannot be used.
    #[error("HOLDFAST_RETURN_URLS: {0}")]
    ReturnUrls(#[from] ReturnUrlError),
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
}
