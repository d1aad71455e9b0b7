#![doc = include_str!("../README.md")]

mod cache_options;
mod cannot_judge;
mod claims;
mod code;
mod explain;
mod fetch;
mod header;
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
mod remedy;
mod step;
mod times;
mod token;
mod unwrapped;
mod verifier;
#[cfg(test)]
mod wycheproof;

pub use cache_options::CacheOptions;
pub use cannot_judge::{CannotJudge, CannotJudgeReason};
pub use claims::{Actor, Claims, CustomClaimsError, FactorAges, SessionStatus};
pub use code::RefusalCode;
pub use explain::{ExplainedStep, Explanation, SESSION_PENDING, StepOutcome, VerdictWord, explain};
pub use fetch::{FetchError, FetchJwks};
pub use header::bearer_token;
pub use key_cache::{KeyCache, KeyStatus};
pub use keys::{JwksDocument, JwksError, KeySet, PemError, SkipReason, SkippedKey};
pub use organization::Organization;
pub use origin::{OriginError, OriginPattern};
pub use policy::{AuthorizedPartiesMode, OtherCredential, Policy};
pub use publishable_key::{PublishableKey, PublishableKeyError};
pub use refusal::Refusal;
pub use remedy::Remedy;
pub use step::Step;
pub use token::fingerprint;
pub use unwrapped::{Unwrapped, Wrapping, unwrapped};
pub use verifier::{Verdict, Verifier};
