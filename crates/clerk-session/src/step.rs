//! The steps of the verdict, in the order in which they are taken.

/// A step of the verifier, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Step {
    /// Presence, size, three segments.
    Form,
    /// base64url, UTF-8, JSON objects without duplicate members.
    Encoding,
    /// `cat` and what else tells kinds of tokens apart.
    Kind,
    /// `typ` is absent or JWT.
    Type,
    /// `alg` is RS256.
    Algorithm,
    /// No critical extensions; `kid` is a string.
    Extensions,
    /// A key for `kid`.
    Key,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Signature,
    /// `sub` and `sid`.
    Subject,
    /// `aud`.
    Audience,
    /// `azp`.
    AuthorizedParty,
    /// `iss`.
    Issuer,
    /// `exp`.
    Expiry,
    /// `nbf`.
    NotBefore,
    /// `iat`.
    IssuedAt,
    /// `sts`.
    Status,
}

impl Step {
    /// Every step, in order.
    pub const ALL: &[Self] = &[
        Self::Form,
        Self::Encoding,
        Self::Kind,
        Self::Type,
        Self::Algorithm,
        Self::Extensions,
        Self::Key,
        Self::Signature,
        Self::Subject,
        Self::Audience,
        Self::AuthorizedParty,
        Self::Issuer,
        Self::Expiry,
        Self::NotBefore,
        Self::IssuedAt,
        Self::Status,
    ];

    /// The stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Encoding => "encoding",
            Self::Algorithm => "algorithm",
            Self::Kind => "kind",
            Self::Type => "type",
            Self::Extensions => "extensions",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Subject => "subject",
            Self::Audience => "audience",
            Self::AuthorizedParty => "authorized-party",
            Self::Issuer => "issuer",
            Self::Expiry => "expiry",
            Self::NotBefore => "not-before",
            Self::IssuedAt => "issued-at",
            Self::Status => "status",
        }
    }
}
