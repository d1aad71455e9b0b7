//! The verdict on a Clerk session token: accepted, refused with a stable code, or cannot judge.
//!
//! Begin with [`Clerk`], or with [`Verifier`] where keys and time are your own.
#![cfg_attr(all(feature = "axum", feature = "reqwest"), doc = "\n", doc = include_str!("../README.md"))]

#[cfg(feature = "axum")]
mod axum;
mod cache_options;
mod cannot_judge;
mod claims;
mod clerk;
mod code;
#[cfg(feature = "http")]
mod cookies;
mod explain;
mod fetch;
mod header;
mod inactive;
mod jose;
mod json;
mod key_cache;
mod keys;
mod organization;
mod origin;
mod policy;
mod proven;
mod publishable_key;
mod refusal;
#[cfg(feature = "http")]
mod rejection;
mod remedy;
#[cfg(feature = "reqwest")]
mod reqwest_fetcher;
mod step;
mod times;
mod token;
#[cfg(feature = "tower")]
mod tower;
mod unwrapped;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub use cache_options::CacheOptions;
pub use cannot_judge::{CannotJudge, CannotJudgeReason};
pub use claims::{Actor, Claims, CustomClaimsError, FactorAges, SessionStatus};
pub use clerk::{Clerk, ClerkBuilder};
pub use code::RefusalCode;
pub use explain::{ExplainedStep, Explanation, StepOutcome, VerdictWord, explain};
pub use fetch::{FetchError, FetchJwks, Fetched};
pub use header::bearer_token;
pub use inactive::{Inactive, SESSION_PENDING};
pub use key_cache::{KeyCache, KeyStatus};
pub use keys::{JwksDocument, JwksError, KeySet, PemError, SkipReason, SkippedKey};
pub use organization::Organization;
pub use origin::{OriginError, OriginPattern};
pub use policy::{AuthorizedPartiesMode, OtherCredential, Policy};
pub use proven::is_user_id;
pub use publishable_key::{PublishableKey, PublishableKeyError};
pub use refusal::Refusal;
#[cfg(feature = "http")]
pub use rejection::{Rejection, Session, bearer_challenge};
pub use remedy::Remedy;
#[cfg(feature = "reqwest")]
pub use reqwest_fetcher::ReqwestFetcher;
pub use step::Step;
pub use token::fingerprint;
#[cfg(feature = "tower")]
pub use tower::{SessionLayer, SessionService};
pub use unwrapped::{Unwrapped, Wrapping, looks_like_a_token, unwrapped};
pub use verifier::{Verdict, Verifier};
