//! Why the server cannot start.

use crate::caller::ConfigError;
use crate::entropy::EntropyExhausted;
use crate::store::{MigrateError, OpenError, StoreError};
use crate::vault::SentinelError;

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
    /// The key ring is not the one of this database.
    #[error(transparent)]
    Sentinel(#[from] SentinelError),
    /// Session tokens cannot be judged by this configuration.
    #[error(transparent)]
    Clerk(#[from] ConfigError),
    /// Nothing says where the keys are.
    #[error("no source of Clerk's keys is configured; set CLERK_PUBLISHABLE_KEY")]
    NoKeySource,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
}
