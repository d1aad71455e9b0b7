//! The stable codes of refusals.

use std::fmt;

/// Why a session token is not acceptable. The names are those of Clerk's own backend SDK where it
/// has one (`TokenVerificationErrorReason` and `AuthErrorReason` of `@clerk/backend`), so that a
/// search finds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RefusalCode {
    /// No session token was presented.
    SessionTokenMissing,
    /// It is not a token.
    TokenInvalid,
    /// Genuine or not, it is another kind of token.
    TokenTypeMismatch,
    /// Signed with another algorithm than RS256.
    TokenInvalidAlgorithm,
    /// No key of that id.
    JwkKidMismatch,
    /// The signature does not fit.
    TokenInvalidSignature,
    /// A claim is missing or of the wrong type.
    TokenVerificationFailed,
    /// Minted for another front end.
    TokenInvalidAuthorizedParties,
    /// Minted by another Clerk instance.
    TokenInvalidIssuer,
    /// Too old.
    TokenExpired,
    /// Too early.
    TokenNotActiveYet,
    /// From the future.
    TokenIatInTheFuture,
}

impl RefusalCode {
    /// Every code.
    pub const ALL: &[Self] = &[
        Self::SessionTokenMissing,
        Self::TokenInvalid,
        Self::TokenTypeMismatch,
        Self::TokenInvalidAlgorithm,
        Self::JwkKidMismatch,
        Self::TokenInvalidSignature,
        Self::TokenVerificationFailed,
        Self::TokenInvalidAuthorizedParties,
        Self::TokenInvalidIssuer,
        Self::TokenExpired,
        Self::TokenNotActiveYet,
        Self::TokenIatInTheFuture,
    ];

    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SessionTokenMissing => "session-token-missing",
            Self::TokenInvalid => "token-invalid",
            Self::TokenTypeMismatch => "token-type-mismatch",
            Self::TokenInvalidAlgorithm => "token-invalid-algorithm",
            Self::JwkKidMismatch => "jwk-kid-mismatch",
            Self::TokenInvalidSignature => "token-invalid-signature",
            Self::TokenVerificationFailed => "token-verification-failed",
            Self::TokenInvalidAuthorizedParties => "token-invalid-authorized-parties",
            Self::TokenInvalidIssuer => "token-invalid-issuer",
            Self::TokenExpired => "token-expired",
            Self::TokenNotActiveYet => "token-not-active-yet",
            Self::TokenIatInTheFuture => "token-iat-in-the-future",
        }
    }

    /// Whether a newly minted token can be expected to pass where this one did not.
    pub fn fresh_token_may_help(self) -> bool {
        match self {
            Self::SessionTokenMissing
            | Self::TokenExpired
            | Self::TokenNotActiveYet
            | Self::TokenIatInTheFuture
            | Self::JwkKidMismatch
            | Self::TokenInvalidSignature => true,
            Self::TokenInvalid
            | Self::TokenTypeMismatch
            | Self::TokenInvalidAlgorithm
            | Self::TokenVerificationFailed
            | Self::TokenInvalidAuthorizedParties
            | Self::TokenInvalidIssuer => false,
        }
    }

    /// Whether the same token, with the same keys and settings, could pass at a later time.
    pub fn time_may_mend(self) -> bool {
        matches!(self, Self::TokenNotActiveYet | Self::TokenIatInTheFuture)
    }

    /// What the code means, in one sentence.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::SessionTokenMissing => "The request carried no session token.",
            Self::TokenInvalid => "The value that was sent does not have the form of a session token.",
            Self::TokenTypeMismatch => "The token is of another kind, not a session token.",
            Self::TokenInvalidAlgorithm => {
                "The token is not signed with RS256, the only algorithm of Clerk's session tokens."
            }
            Self::JwkKidMismatch => {
                "The token names a signing key that this server's Clerk instance does not have."
            }
            Self::TokenInvalidSignature => "The token's signature does not match the signing key.",
            Self::TokenVerificationFailed => {
                "The token is genuine, but a claim is missing, of the wrong type, or not accepted."
            }
            Self::TokenInvalidAuthorizedParties => {
                "The token is genuine, but was issued to a front end that this server does not accept."
            }
            Self::TokenInvalidIssuer => {
                "The token is genuine, but names an issuer that this server does not accept."
            }
            Self::TokenExpired => "The session token has expired. Session tokens live for 60 seconds.",
            Self::TokenNotActiveYet => "The session token is not valid yet.",
            Self::TokenIatInTheFuture => {
                "The session token was issued in the future, by this server's clock."
            }
        }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
