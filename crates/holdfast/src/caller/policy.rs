//! The policy that every session token is judged by.

use std::time::Duration;

use clerk_session::{AuthorizedPartiesMode, OriginPattern, OtherCredential, Policy};

use super::service::PREFIX;

/// Makes the policy from its settings.
pub fn policy(
    issuers: Vec<String>,
    parties: Vec<OriginPattern>,
    mode: AuthorizedPartiesMode,
    audiences: Vec<String>,
    skew: Duration,
) -> Policy {
    let mut policy = Policy::default();
    policy.issuers = issuers;
    policy.authorized_parties = parties;
    policy.authorized_parties_mode = mode;
    policy.audiences = audiences;
    policy.clock_skew_ms = i64::try_from(skew.as_millis()).unwrap_or(i64::MAX);
    policy.other_credentials =
        vec![OtherCredential { prefix: PREFIX.to_owned(), name: "a Holdfast service key".to_owned() }];
    policy
}
