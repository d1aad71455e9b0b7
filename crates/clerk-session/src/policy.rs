//! What a session token must satisfy beyond being genuine.

use crate::origin::OriginPattern;

/// The settings of the verdict. The same policy gives the same verdict on the same token at the
/// same instant.
///
/// ```
/// # use clerk_session::Policy;
/// let mut policy = Policy::default();
/// policy.issuers = vec!["https://clerk.example.com".to_owned()];
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Policy {
    /// Accepted `iss`, exactly. Empty: not checked, which is right only where no issuer can be
    /// known.
    pub issuers: Vec<String>,
    /// Accepted `azp`. Empty: not checked.
    pub authorized_parties: Vec<OriginPattern>,
    /// How `azp` is treated.
    pub authorized_parties_mode: AuthorizedPartiesMode,
    /// Accepted `aud`. Empty: not checked.
    pub audiences: Vec<String>,
    /// Allowance for clocks that differ, in milliseconds. 5,000 by default, as in `@clerk/backend`.
    pub clock_skew_ms: i64,
    /// Longest token considered, in bytes. 8 KiB by default: Clerk's tokens stay below the 4 KiB of
    /// a cookie, twice that leaves room for large custom claims and bounds the work for everything
    /// else.
    pub max_token_len: usize,
    /// Credentials of your own that clients mistake for a session token, to be named when one comes
    /// in.
    pub other_credentials: Vec<OtherCredential>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            authorized_parties: Vec::new(),
            authorized_parties_mode: AuthorizedPartiesMode::Enforce,
            audiences: Vec::new(),
            clock_skew_ms: 5_000,
            max_token_len: 8 * 1024,
            other_credentials: Vec::new(),
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

/// A credential that is not a session token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherCredential {
    /// What it begins with, such as `acme_sk_`.
    pub prefix: String,
    /// Its name with an article, such as "an Acme service key".
    pub name: String,
}
