//! How session tokens are to be judged.

use clerk_session::{PemError, Policy};

use super::kept_keys::KeptKeys;
use super::keys::KeySource;

/// How session tokens are judged.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    /// What a token must satisfy; see [`super::policy()`].
    pub policy: Policy,
    /// Where the keys come from.
    pub keys: KeySource,
    /// Where fetched keys are kept for the next start; `None` for nowhere.
    pub kept_keys: Option<KeptKeys>,
}

/// Why session tokens cannot be verified with this configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("CLERK_JWT_KEY: {0}")]
pub struct ConfigError(#[from] PemError);
