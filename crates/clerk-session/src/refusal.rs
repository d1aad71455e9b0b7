//! The verdict that is not "accepted": refusals with their stable codes, and what cannot be judged.

use std::fmt;
use std::time::Duration;

/// Why a session token is not acceptable. The names are those of Clerk's own backend SDK where it has one
/// (`TokenVerificationErrorReason` and `AuthErrorReason` of `@clerk/backend`), so that a search finds both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    pub const ALL: [Self; 12] = [
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

    /// Every code; as a function for callers that iterate over several such tables.
    pub fn all() -> &'static [Self] {
        &Self::ALL
    }

    /// The stable name.
    pub fn as_str(self) -> &'static str {
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

    /// What the code means, for the page that explains it.
    pub fn page(self) -> Page {
        let (meaning, causes, remedy): (_, &'static [&'static str], _) = match self {
            Self::SessionTokenMissing => (
                "The request carried no session token.",
                &[
                    "The front end did not send `Authorization: Bearer <session token>`.",
                    "A cookie was sent instead: Clerk's `__session` cookie does not reach a backend on another host.",
                    "A proxy in between removed the header.",
                ],
                "Call `getToken()` for each request and send what it returns as `Authorization: Bearer …`.",
            ),
            Self::TokenInvalid => (
                "What was sent is not a session token: its form is wrong.",
                &[
                    "The text `null`, `undefined` or `[object Promise]` was sent: `getToken()` was not awaited, or nobody was signed in.",
                    "A publishable key, a secret key or another opaque value was sent.",
                    "The token was cut off or re-encoded on its way.",
                ],
                "Send exactly what `await getToken()` returns. `holdfast token explain` shows where the form breaks.",
            ),
            Self::TokenTypeMismatch => (
                "It is a token of another kind than a session token.",
                &[
                    "A JWT template token (`getToken({template})`): it is not bound to a session and outlives its revocation.",
                    "A machine-to-machine or OAuth token.",
                ],
                "Call `getToken()` without a template.",
            ),
            Self::TokenInvalidAlgorithm => (
                "The token is not signed with RS256, the only algorithm of Clerk's session tokens.",
                &["A JWT template with a custom signing key.", "A token that Clerk did not make."],
                "Call `getToken()` without a template.",
            ),
            Self::JwkKidMismatch => (
                "The token names a signing key that this server's Clerk instance does not have.",
                &[
                    "The front end uses another Clerk instance (development and production mixed up) than the backend.",
                    "The instance's key was replaced a moment ago; the server looks for new keys by itself.",
                ],
                "Compare the publishable key of the front end with the backend's settings.",
            ),
            Self::TokenInvalidSignature => (
                "The signature does not fit the token and the key.",
                &[
                    "The token was changed on its way.",
                    "`CLERK_JWT_KEY` holds the key of another instance, or is mangled.",
                    "The instance's key was replaced; the server looks for new keys by itself.",
                ],
                "Compare the backend's keys with the instance: `holdfast doctor`.",
            ),
            Self::TokenVerificationFailed => (
                "The token is genuine, but a claim that every session token has is missing or of the wrong type.",
                &[
                    "A customized token that overrides a standard claim.",
                    "An audience that this server does not accept (`CLERK_AUDIENCE`).",
                ],
                "`holdfast token explain` names the claim.",
            ),
            Self::TokenInvalidAuthorizedParties => (
                "The token is genuine, but was minted for a front end that this server does not know.",
                &[
                    "The front end's origin is missing from `CLERK_AUTHORIZED_PARTIES` (by default the allowed origins): another port, `www.`, a preview address.",
                    "The token carries no origin at all: it was minted on a server or in a top-level navigation.",
                ],
                "Add the front end's origin, exactly as the browser shows it, to `CLERK_AUTHORIZED_PARTIES`.",
            ),
            Self::TokenInvalidIssuer => (
                "The token is genuine, but was issued by another Clerk instance than the configured one.",
                &["The backend's `CLERK_PUBLISHABLE_KEY` or `CLERK_ISSUER` belongs to another instance."],
                "Use the keys of one instance in front end and backend.",
            ),
            Self::TokenExpired => (
                "The session token is too old. Session tokens live for 60 seconds.",
                &[
                    "The token was kept and sent again, instead of calling `getToken()` for each request.",
                    "The device's clock is slow: Clerk's front end ages tokens by it.",
                    "The server's clock is fast.",
                ],
                "Call `getToken({skipCache: true})` and send the request once more.",
            ),
            Self::TokenNotActiveYet => (
                "The session token is not valid yet.",
                &["The server's clock is slow."],
                "Check the server's clock (NTP).",
            ),
            Self::TokenIatInTheFuture => (
                "The session token says that it was issued in the future.",
                &["The server's clock is slow."],
                "Check the server's clock (NTP).",
            ),
        };
        Page { meaning, causes, remedy }
    }
}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What there is to say about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// One or two sentences.
    pub meaning: &'static str,
    /// What usually causes it.
    pub causes: &'static [&'static str],
    /// The first thing to do.
    pub remedy: &'static str,
}

/// A step of the verifier, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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
    pub const ALL: [Self; 16] = [
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

/// A session token is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// Where it failed.
    pub step: Step,
    public: String,
    reasoning: String,
    remedy: Option<String>,
}

impl Refusal {
    pub(crate) fn new(code: RefusalCode, step: Step, public: impl Into<String>) -> Self {
        let public = public.into();
        Self { code, step, reasoning: public.clone(), public, remedy: None }
    }

    /// Adds what only the operator may see.
    pub(crate) fn because(mut self, reasoning: impl Into<String>) -> Self {
        self.reasoning = reasoning.into();
        self
    }

    /// Replaces the code's general remedy by the one that fits this token.
    pub(crate) fn mended_by(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// No credentials were sent.
    pub fn missing() -> Self {
        Self::new(RefusalCode::SessionTokenMissing, Step::Form, "The request carries no session token.")
    }

    /// One sentence that may be shown to whoever sent the token.
    pub fn public_detail(&self) -> &str {
        &self.public
    }

    /// The full reasoning, for the operator. Never holds the token.
    pub fn operator_detail(&self) -> &str {
        &self.reasoning
    }

    /// The one thing that would mend it, for the operator: it may name keys and parties.
    pub fn remedy(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.code.page().remedy)
    }
}

/// A token cannot be judged at the moment. This is not a "no".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CannotJudge {
    /// Why.
    pub reason: CannotJudgeReason,
    /// When to try again.
    pub retry_after: Duration,
}

/// Why a token cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CannotJudgeReason {
    /// The keys have never been loaded.
    KeysNotLoaded,
    /// The keys that we have are too old to rely on, and newer ones cannot be loaded.
    KeysTooOld,
    /// The token names a key that we do not have, and whether Clerk has it could not be asked.
    KeyUnknownAndUnreachable,
    /// The token names a key that we do not have, and is newer than the keys that we have: Clerk may have made the key
    /// since, and may not be asked again yet.
    KeyNewerThanOurs,
}

impl CannotJudgeReason {
    /// Every reason.
    pub const ALL: [Self; 4] =
        [Self::KeysNotLoaded, Self::KeysTooOld, Self::KeyUnknownAndUnreachable, Self::KeyNewerThanOurs];

    /// The stable name; Clerk's where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeysNotLoaded => "jwk-remote-failed-to-load",
            Self::KeysTooOld => "jwk-remote-too-old",
            Self::KeyUnknownAndUnreachable => "jwk-failed-to-resolve",
            Self::KeyNewerThanOurs => "jwk-maybe-new",
        }
    }

    /// One sentence.
    pub fn detail(self) -> &'static str {
        match self {
            Self::KeysNotLoaded => {
                "The keys to check session tokens with could not be loaded from Clerk yet."
            }
            Self::KeysTooOld => {
                "The keys to check session tokens with are too old, and Clerk cannot be reached for new ones."
            }
            Self::KeyUnknownAndUnreachable => {
                "The session token names a new key, and Clerk cannot be reached to ask for it."
            }
            Self::KeyNewerThanOurs => {
                "The session token names a key that Clerk may have made since we last asked; we ask again shortly."
            }
        }
    }
}
