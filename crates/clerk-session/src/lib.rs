//! The verdict on a Clerk session token: accepted, refused with a stable code, or cannot judge.
//!
//! No HTTP server, no database and no clock of its own: times are unix milliseconds and come from the caller, and
//! the keys come from a [`FetchJwks`] that the caller implements, or from a pinned PEM.
//!
//! The parsing and the policy are strict on purpose. Common JWT libraries accept dozens of tokens that a session
//! verifier must refuse; `docs/token-policy.md` names each difference from `@clerk/backend` with its reason. Only
//! the RSA arithmetic is a library's (aws-lc-rs), with every key parsed once.

mod claims;
mod explain;
mod header;
mod jose;
mod json;
mod jwks;
mod keys;
mod organization;
mod origin;
mod policy;
mod publishable_key;
mod refusal;
mod roca;
mod token;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub use claims::{Actor, Claims, CustomClaims, SessionStatus};
pub use explain::{ExplainedStep, Explanation, SESSION_PENDING, StepOutcome, VerdictWord, explain};
pub use header::bearer_token;
pub use jwks::{
    COLD_GAP_MS, FORCE_GAP_MS, FetchError, FetchJwks, KeyCache, KeyStatus, MAX_AGE_MS, MAX_DOCUMENT,
    MAX_WAITING, RENEW_AT_MS,
};
pub use keys::{JwksDocument, JwksError, KeySet, PemError, SkipReason, SkippedKey};
pub use organization::Organization;
pub use origin::{OriginError, OriginPattern};
pub use policy::{AuthorizedPartiesMode, Policy};
pub use publishable_key::{PublishableKey, PublishableKeyError};
pub use refusal::{CannotJudge, CannotJudgeReason, Page, Refusal, RefusalCode, Step};
pub use token::{MAX_TOKEN, fingerprint};
pub use verifier::{Verdict, Verifier};

/// The example of the README, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
