//! The composition root: makes the parts from the settings and puts them together. The only place that knows all of them.

use clerk_session::{AuthorizedPartiesMode, Policy};

use crate::caller::keys::{KeySettings, KeySource};
use crate::settings::{ClerkSettings, PartiesMode};

/// The policy that every session token is judged by.
pub fn policy(clerk: &ClerkSettings) -> Policy {
    Policy {
        issuers: clerk.issuer.iter().cloned().collect(),
        authorized_parties: clerk.parties.clone(),
        authorized_parties_mode: match clerk.parties_mode {
            PartiesMode::Enforce => AuthorizedPartiesMode::Enforce,
            PartiesMode::IfPresent => AuthorizedPartiesMode::IfPresent,
            PartiesMode::Report => AuthorizedPartiesMode::Report,
        },
        audiences: clerk.audience.clone(),
        clock_skew_ms: i64::try_from(clerk.clock_skew.as_millis()).unwrap_or(i64::MAX),
    }
}

/// Where the keys come from; `None` where the configuration names no source.
pub fn key_source(clerk: &ClerkSettings) -> Option<KeySource> {
    KeySource::choose(KeySettings {
        jwt_key: clerk.jwt_key.clone(),
        jwks_url: clerk.jwks_url.clone(),
        frontend_api: clerk.publishable_key.as_ref().map(|key| key.frontend_api_host().to_owned()),
        secret_key: clerk.secret_key.clone(),
        api_url: Some(clerk.api_url.clone()),
    })
}
