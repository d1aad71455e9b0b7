//! What a session token must satisfy beyond being genuine.

use crate::origin::OriginPattern;

/// The settings of the verdict. The same policy gives the same verdict on the same token at the same instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Accepted `iss`, exactly. Empty: not checked, which is right only where no issuer can be known.
    pub issuers: Vec<String>,
    /// Accepted `azp`. Empty: not checked.
    pub authorized_parties: Vec<OriginPattern>,
    /// How `azp` is treated.
    pub authorized_parties_mode: AuthorizedPartiesMode,
    /// Accepted `aud`. Empty: not checked.
    pub audiences: Vec<String>,
    /// Allowance for clocks that differ, in milliseconds.
    pub clock_skew_ms: i64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            authorized_parties: Vec::new(),
            authorized_parties_mode: AuthorizedPartiesMode::Enforce,
            audiences: Vec::new(),
            clock_skew_ms: 5_000,
        }
    }
}

/// How `azp`, the origin that the token was minted for, is treated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AuthorizedPartiesMode {
    /// Must be there and on the list. As `@clerk/backend` since 3.11.1.
    #[default]
    Enforce,
    /// If it is there, it must be on the list.
    IfPresent,
    /// Never refuses; what would have been refused is marked on the claims.
    Report,
}
