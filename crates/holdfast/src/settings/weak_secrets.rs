//! Secrets that somebody could guess. They work, so they are warnings: a server that ran yesterday
//! must start today.

use secrecy::ExposeSecret as _;

use super::Settings;
use super::fault::Fault;
use super::table;
use crate::standard_webhooks::SigningKey;
use crate::vault::KeyRing;

/// The shortest key that Standard Webhooks and Svix, and so Clerk, use.
const SHORTEST_WEBHOOK_KEY: usize = 24;
/// 24 random bytes have fewer different values once in 10²⁴ times.
const FEWEST_DIFFERENT_BYTES: usize = 8;

/// Every one of them.
pub(super) fn of(settings: &Settings) -> Vec<Fault> {
    let mut found = Vec::new();
    let mut warn = |name: &str, what: &str, remedy: &str| found.push(Fault::new(name, what, remedy));
    if let Some(webhook) = &settings.webhook
        && is_weak(&webhook.key)
    {
        warn(
            table::WEBHOOK_SECRET.env,
            "the value is shorter than 24 bytes or hardly random: who guesses it can send your app false events",
            "make one with `echo whsec_$(openssl rand -base64 32)`, and give it to your app too",
        );
    }
    if settings
        .forward_auth_secret
        .as_ref()
        .is_some_and(|secret| is_monotonous(secret.expose_secret().as_bytes()))
    {
        warn(
            table::FORWARD_AUTH_SECRET.env,
            "the value is hardly random: who guesses it can tell your backends to be anybody",
            "make one with `openssl rand -base64 32`, and give it to your backends too",
        );
    }
    if settings.clerk.webhook_keys.iter().flatten().any(is_weak) {
        warn(
            table::CLERK_WEBHOOK_SIGNING_SECRET.env,
            "the value is shorter than Clerk makes them or hardly random: who guesses it can erase your users here",
            "copy it in full from the Clerk dashboard, Webhooks",
        );
    }
    for id in settings.encryption_keys.iter().flat_map(KeyRing::guessable_ids) {
        warn(
            table::ENCRYPTION_KEYS.env,
            &format!("the key {id} is one byte repeated, which anybody can guess"),
            "make a random one with `holdfast keys generate`, put it first, and run `holdfast keys rotate`",
        );
    }
    found
}

fn is_weak(key: &SigningKey) -> bool {
    key.expose_bytes().len() < SHORTEST_WEBHOOK_KEY || is_monotonous(key.expose_bytes())
}

fn is_monotonous(key: &[u8]) -> bool {
    let mut bytes = key.to_vec();
    bytes.sort_unstable();
    bytes.dedup();
    bytes.len() < FEWEST_DIFFERENT_BYTES
}
