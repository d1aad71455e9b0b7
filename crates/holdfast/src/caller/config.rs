//! How session tokens are to be judged.

use std::time::Duration;

use clerk_session::{AuthorizedPartiesMode, OriginPattern, PemError};

use super::kept_keys::KeptKeys;
use super::keys::{KeySource, UnusableSource};
use super::repeat_limiter::RepeatLimits;

/// How session tokens are judged.
#[derive(Debug, Clone)]
pub struct ClerkConfig {
    /// Accepted `iss`; empty for any that the keys prove.
    pub issuers: Vec<String>,
    /// Where the keys come from.
    pub keys: KeySource,
    /// Accepted `azp`; empty for any.
    pub parties: Vec<OriginPattern>,
    /// How strictly.
    pub party_mode: AuthorizedPartiesMode,
    /// Accepted `aud`; empty for any.
    pub audiences: Vec<String>,
    /// Allowance for clocks that differ.
    pub skew: Duration,
    /// How many verified tokens are remembered; `None` verifies every time.
    pub remember: Option<usize>,
    /// When a client is told to stop repeating a refused token; `None` for never.
    pub breaker: Option<RepeatLimits>,
    /// Where fetched keys are kept for the next start; `None` for nowhere.
    pub kept_keys: Option<KeptKeys>,
}

impl ClerkConfig {
    /// The defaults, for one issuer: any party, 5 s of skew, 50 000 remembered tokens (some tens of
    /// megabytes when full).
    pub fn new(issuer: impl Into<String>, keys: KeySource) -> Self {
        Self {
            issuers: vec![issuer.into()],
            keys,
            parties: Vec::new(),
            party_mode: AuthorizedPartiesMode::default(),
            audiences: Vec::new(),
            skew: Duration::from_secs(5),
            remember: Some(50_000),
            breaker: Some(RepeatLimits::default()),
            kept_keys: None,
        }
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
