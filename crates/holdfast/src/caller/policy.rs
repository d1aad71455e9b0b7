//! The policy that every session token is judged by.

use clerk_session::{OriginPattern, OtherCredential, Policy};

use super::service::PREFIX;

/// A policy for these issuers and parties, with the verifier's defaults besides. An empty list
/// accepts any.
pub fn policy(issuers: Vec<String>, parties: Vec<OriginPattern>) -> Policy {
    let mut policy = Policy::default();
    policy.issuers = issuers;
    policy.authorized_parties = parties;
    policy.other_credentials =
        vec![OtherCredential { prefix: PREFIX.to_owned(), name: "a Holdfast service key".to_owned() }];
    policy
}
