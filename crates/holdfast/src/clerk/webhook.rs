//! Events that Clerk signs, delivered by Svix: at least once, in any order, possibly never.
//!
//! The signature scheme is that of [Standard Webhooks](crate::standard_webhooks) under the `svix-*`
//! header names.

#[cfg(test)]
mod tests;

use std::fmt;

use http::HeaderMap;
use serde::Deserialize;

use super::UserFacts;
use super::wire::WireUser;
use crate::clock::SharedClock;
use crate::standard_webhooks::{self, SigningKey};

/// A delivery further than this from our clock, either way, is refused; in seconds. Svix's own
/// libraries say the same.
pub const TOLERANCE_SECONDS: i64 = 300;

/// A webhook delivery whose signature was verified; made nowhere else.
#[derive(Debug, Clone)]
pub struct SignedEvent {
    id: String,
    user_id: String,
    instance_id: Option<String>,
    change: UserChange,
}

/// What an event says about a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserChange {
    /// `user.created`, `user.updated`: the whole record.
    Stored(UserFacts),
    /// `user.deleted`.
    Deleted,
}

impl SignedEvent {
    /// The `svix-id`: the same for every delivery of one event.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Clerk user id.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Whether it certainly comes from another Clerk instance than the one whose keys are `kids`: a
    /// development instance pointed at production must change nothing. Clerk names its keys after
    /// the instance; with other key names, such as a pinned key's, nothing is certain.
    pub fn is_of_another_instance(&self, kids: &[String]) -> bool {
        let is_named = |kid: &String| kid.starts_with("ins_");
        let theirs = self.instance_id.as_deref().filter(|id| id.starts_with("ins_"));
        theirs.is_some_and(|theirs| {
            !kids.is_empty() && kids.iter().all(|kid| is_named(kid) && !kid.starts_with(theirs))
        })
    }

    /// What it says.
    pub fn change(&self) -> &UserChange {
        &self.change
    }
}

/// A genuine delivery.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// About a user whom we may keep a record of.
    User(Box<SignedEvent>),
    /// Genuine, and nothing for us to do: acknowledge it, or Svix will repeat it for days.
    Ignored(IgnoredBecause),
}

/// Why a genuine delivery has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IgnoredBecause {
    /// An event type that we do not keep anything of.
    OtherType(String),
    /// `user.deleted` without an id (Clerk's schema allows that).
    NoUser,
}

/// Why a delivery is not believed. All of them are the sender's fault: 400, never 401 (the route
/// has no caller).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// A header is missing, doubled or not text.
    #[error("the header {0} is missing, repeated or not readable")]
    Header(&'static str),
    /// The timestamp is older than [`TOLERANCE_SECONDS`].
    #[error("the delivery's timestamp is too old")]
    TooOld,
    /// The timestamp is further in the future than [`TOLERANCE_SECONDS`].
    #[error("the delivery's timestamp is in the future")]
    TooNew,
    /// No signature fits any configured secret.
    #[error("no signature matches a configured signing secret")]
    Signature,
    /// Signed, but not an event as Clerk documents it.
    #[error("the body is not a Clerk event")]
    Body,
}

/// Judges deliveries. Holds several secrets while one replaces another.
pub struct WebhookVerifier {
    keys: Vec<SigningKey>,
    clock: SharedClock,
}

impl fmt::Debug for WebhookVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookVerifier").field("secrets", &self.keys.len()).finish_non_exhaustive()
    }
}

impl WebhookVerifier {
    /// A verifier that accepts what one of `keys` has signed.
    pub fn new(keys: Vec<SigningKey>, clock: SharedClock) -> Self {
        Self { keys, clock }
    }

    /// Judges one delivery. `body` must be the bytes as received: any re-encoding breaks the
    /// signature.
    pub fn verify(&self, headers: &HeaderMap, body: &[u8]) -> Result<Delivery, DeliveryError> {
        let id = single(headers, "svix-id")?;
        let timestamp = single(headers, "svix-timestamp")?;
        let signatures = single(headers, "svix-signature")?;
        // `parse` would take a sign as well.
        let digits = Some(timestamp).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let sent_at: i64 =
            digits.and_then(|text| text.parse().ok()).ok_or(DeliveryError::Header("svix-timestamp"))?;
        let now = self.clock.now().as_second();
        if sent_at < now.saturating_sub(TOLERANCE_SECONDS) {
            return Err(DeliveryError::TooOld);
        }
        if sent_at > now.saturating_add(TOLERANCE_SECONDS) {
            return Err(DeliveryError::TooNew);
        }
        let genuine = standard_webhooks::is_signed(&self.keys, signatures, id, timestamp, body);
        if !genuine {
            return Err(DeliveryError::Signature);
        }
        read(id, body)
    }
}

fn read(id: &str, body: &[u8]) -> Result<Delivery, DeliveryError> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|_| DeliveryError::Body)?;
    let instance_id = envelope.instance_id;
    let (user_id, change) = match envelope.kind.as_str() {
        "user.created" | "user.updated" => {
            let user: WireUser = serde_json::from_value(envelope.data).map_err(|_| DeliveryError::Body)?;
            (user.id.clone(), UserChange::Stored(user.into()))
        }
        "user.deleted" => {
            let gone: Deleted = serde_json::from_value(envelope.data).map_err(|_| DeliveryError::Body)?;
            match gone.id {
                Some(user_id) => (user_id, UserChange::Deleted),
                None => return Ok(Delivery::Ignored(IgnoredBecause::NoUser)),
            }
        }
        _ => return Ok(Delivery::Ignored(IgnoredBecause::OtherType(envelope.kind))),
    };
    if !clerk_session::is_user_id(&user_id) {
        return Err(DeliveryError::Body);
    }
    Ok(Delivery::User(Box::new(SignedEvent { id: id.to_owned(), user_id, instance_id, change })))
}

/// The envelope of every Clerk event (`{object, type, data, timestamp, instance_id}`).
#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "type")]
    kind: String,
    data: serde_json::Value,
    instance_id: Option<String>,
}

#[derive(Deserialize)]
struct Deleted {
    id: Option<String>,
}

fn single<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, DeliveryError> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(only), None) => {
            only.to_str().ok().filter(|text| !text.is_empty()).ok_or(DeliveryError::Header(name))
        }
        (None, _) | (Some(_), Some(_)) => Err(DeliveryError::Header(name)),
    }
}
