//! How session tokens are to be judged.

use clerk_session::{PemError, Policy};

use super::kept_keys::KeptKeys;
use super::keys::{KeySource, UnusableSource};
use super::repeat_limiter::RepeatLimits;

/// How session tokens are judged.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    /// What a token must satisfy; see [`super::policy`].
    pub policy: Policy,
    /// Where the keys come from.
    pub keys: KeySource,
    /// How many verified tokens are remembered; `None` verifies every time.
    pub remember: Option<usize>,
    /// When a client is told to stop repeating a refused token; `None` for never.
    pub breaker: Option<RepeatLimits>,
    /// Where fetched keys are kept for the next start; `None` for nowhere.
    pub kept_keys: Option<KeptKeys>,
}

impl ClerkConfig {
    /// By that policy, with 30,000 remembered tokens (some tens of megabytes when full).
    pub fn new(policy: Policy, keys: KeySource) -> Self {
        Self { policy, keys, remember: Some(30_000), breaker: Some(RepeatLimits::default()), kept_keys: None }
    }
}

/// The configuration cannot be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The pinned key is none.
    #[error("CLERK_JWT_KEY: {0}")]
    JwtKey(#[from] PemError),
    /// The key source cannot be asked.
    #[error(transparent)]
    Source(#[from] UnusableSource),
}
