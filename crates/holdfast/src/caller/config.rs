//! How session tokens are to be judged.

use clerk_session::{PemError, Policy};

use super::kept_keys::KeptKeys;
use super::keys::KeySource;
use super::repeat_limiter::RepeatLimits;

/// Verified tokens that are remembered: some tens of megabytes when full.
const REMEMBERED_TOKENS: usize = 30_000;

/// How session tokens are judged.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    /// What a token must satisfy; see [`super::policy()`].
    pub policy: Policy,
    /// Where the keys come from.
    pub keys: KeySource,
    /// How many verified tokens are remembered; `None` verifies every time.
    pub remember: Option<usize>,
    /// When a client that repeats a refused token is told to stop; `None` for never.
    pub repeat_limits: Option<RepeatLimits>,
    /// Where fetched keys are kept for the next start; `None` for nowhere.
    pub kept_keys: Option<KeptKeys>,
}

impl ClerkConfig {
    /// The default configuration for that policy: tokens are remembered, fetched keys are kept in
    /// memory only.
    pub fn new(policy: Policy, keys: KeySource) -> Self {
        Self {
            policy,
            keys,
            remember: Some(REMEMBERED_TOKENS),
            repeat_limits: Some(RepeatLimits::default()),
            kept_keys: None,
        }
    }
}

/// Why session tokens cannot be verified with this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The pinned key is not a public key.
    #[error("CLERK_JWT_KEY: {0}")]
    JwtKey(#[from] PemError),
}
