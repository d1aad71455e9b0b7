//! Events that Clerk signs, delivered by Svix: at least once, in any order, possibly never.
//!
//! The signature scheme is that of [Standard Webhooks](crate::standard_webhooks) under the `svix-*`
//! header names.

use std::fmt;

use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
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

    /// Whether it is certainly of another Clerk instance than the one whose keys are `kids`. A
    /// development instance pointed at production must change nothing. Clerk names its keys after
    /// the instance; where a key is named otherwise, as a pinned one, nothing is certain.
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
    User(SignedEvent),
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
    #[error("no signature fits a configured signing secret")]
    Signature,
    /// Signed, but not an event as Clerk documents it.
    #[error("the body is not a Clerk event")]
    Body,
}

/// A signing secret cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    /// There is none.
    #[error("no signing secret is given")]
    Empty,
    /// Not `whsec_` followed by base64.
    #[error("signing secret number {0} is not `whsec_` followed by base64")]
    Malformed(usize),
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
    /// `secrets` is one `whsec_…`, or several between commas or spaces.
    pub fn new(secrets: &SecretString, clock: SharedClock) -> Result<Self, SecretError> {
        let mut keys = Vec::new();
        for (index, secret) in secrets
            .expose_secret()
            .split(|c: char| c == ',' || c.is_whitespace())
            .filter(|each| !each.is_empty())
            .enumerate()
        {
            keys.push(SigningKey::parse(secret).ok_or(SecretError::Malformed(index + 1))?);
        }
        if keys.is_empty() { Err(SecretError::Empty) } else { Ok(Self { keys, clock }) }
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
    if !is_user_id(&user_id) {
        return Err(DeliveryError::Body);
    }
    Ok(Delivery::User(SignedEvent { id: id.to_owned(), user_id, instance_id, change }))
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

/// Ids stand in paths, logs and keys of ours: letters and digits behind the prefix, as Clerk makes
/// them.
fn is_user_id(text: &str) -> bool {
    text.len() <= 128
        && text.strip_prefix("user_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::clock::ManualClock;

    const NOW: i64 = 1_795_396_260;
    // The example of Svix's documentation, whose signature is published with it.
    const SVIX_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn verifier_at(second: i64, secrets: &str) -> WebhookVerifier {
        let clock = Arc::new(ManualClock::new(Timestamp::from_second(second).unwrap()));
        WebhookVerifier::new(&SecretString::from(secrets), clock).unwrap()
    }

    fn sign(secret: &str, id: &str, timestamp: i64, body: &str) -> String {
        SigningKey::parse(secret).unwrap().sign(id, &timestamp.to_string(), body.as_bytes())
    }

    fn headers(id: &str, timestamp: i64, signature: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert("svix-id", id.parse().unwrap());
        headers.insert("svix-timestamp", timestamp.to_string().parse().unwrap());
        headers.insert("svix-signature", signature.parse().unwrap());
        headers
    }

    fn deliver(verifier: &WebhookVerifier, timestamp: i64, body: &str) -> Result<Delivery, DeliveryError> {
        let signature = sign(SVIX_SECRET, "msg_1", timestamp, body);
        verifier.verify(&headers("msg_1", timestamp, &signature), body.as_bytes())
    }

    const UPDATED: &str = r#"{"object":"event","type":"user.updated","instance_id":"ins_ours","timestamp":1,
        "data":{"id":"user_1","first_name":"Ada","updated_at":1795396260123}}"#;

    #[test]
    fn the_published_example_of_svix_verifies() {
        let verifier = verifier_at(1_614_265_330, SVIX_SECRET);
        let headers = headers(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        );
        // Its body is no Clerk event, which is only looked at once the signature is proven.
        let verdict = verifier.verify(&headers, br#"{"test": 2432232314}"#);
        assert_eq!(verdict.unwrap_err(), DeliveryError::Body);
        let tampered = verifier.verify(&headers, br#"{"test": 2432232315}"#);
        assert_eq!(tampered.unwrap_err(), DeliveryError::Signature);
    }

    #[test]
    fn an_update_carries_the_whole_record() {
        let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, UPDATED).unwrap() else {
            panic!("not about a user")
        };
        assert_eq!((event.id(), event.user_id()), ("msg_1", "user_1"));
        let UserChange::Stored(facts) = event.change() else { panic!("deleted") };
        assert_eq!(facts.first_name.as_deref(), Some("Ada"));
        assert_eq!(facts.updated_at.unwrap().as_millisecond(), 1_795_396_260_123);
    }

    #[test]
    fn another_instance_is_told_by_the_names_of_the_keys() {
        let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, UPDATED).unwrap() else {
            panic!("not about a user")
        };
        let foreign = |kids: &[&str]| {
            event.is_of_another_instance(&kids.iter().map(|kid| (*kid).to_owned()).collect::<Vec<_>>())
        };
        assert!(foreign(&["ins_theirs"]));
        for ours in
            [&["ins_ours"][..], &["ins_theirs", "ins_ours"], &["ins_ours2"], &[], &["pinned", "ins_theirs"]]
        {
            assert!(!foreign(ours), "{ours:?}");
        }
    }

    #[test]
    fn the_tolerance_is_300_seconds_either_way() {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        assert!(deliver(&verifier, NOW - 300, UPDATED).is_ok());
        assert_eq!(deliver(&verifier, NOW - 301, UPDATED).unwrap_err(), DeliveryError::TooOld);
        assert!(deliver(&verifier, NOW + 300, UPDATED).is_ok());
        assert_eq!(deliver(&verifier, NOW + 301, UPDATED).unwrap_err(), DeliveryError::TooNew);
        assert_eq!(deliver(&verifier, 0, UPDATED).unwrap_err(), DeliveryError::TooOld);
        assert_eq!(deliver(&verifier, -1, UPDATED).unwrap_err(), DeliveryError::Header("svix-timestamp"));
        assert_eq!(deliver(&verifier, i64::MAX, UPDATED).unwrap_err(), DeliveryError::TooNew);
    }

    #[test]
    fn while_secrets_rotate_either_signs() {
        let other = "whsec_c2Vjb25kIHNlY3JldCBzZWNvbmQgc2VjcmV0";
        for list in [format!("{other},{SVIX_SECRET}"), format!("{SVIX_SECRET} {other}")] {
            let verifier = verifier_at(NOW, &list);
            assert!(deliver(&verifier, NOW, UPDATED).is_ok());
            // Svix sends both signatures in one header for a while.
            let both = format!("v2,xxxx {} {}", sign("whsec_AAAA", "msg_1", NOW, UPDATED), {
                sign(other, "msg_1", NOW, UPDATED)
            });
            assert!(verifier.verify(&headers("msg_1", NOW, &both), UPDATED.as_bytes()).is_ok());
        }
    }

    #[test]
    fn each_signed_part_matters() {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        let signature = sign(SVIX_SECRET, "msg_1", NOW, UPDATED);
        for forged in [
            headers("msg_2", NOW, &signature),
            headers("msg_1", NOW + 1, &signature),
            headers("msg_1", NOW, &signature.replace("v1,", "v2,")),
            headers("msg_1", NOW, "v1,"),
            headers("msg_1", NOW, "v1,%%%"),
        ] {
            let verdict = verifier.verify(&forged, UPDATED.as_bytes());
            assert_eq!(verdict.unwrap_err(), DeliveryError::Signature);
        }
    }

    #[test]
    fn a_missing_or_repeated_header_is_named() {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        let good = headers("msg_1", NOW, &sign(SVIX_SECRET, "msg_1", NOW, UPDATED));
        for name in ["svix-id", "svix-timestamp", "svix-signature"] {
            let mut without = good.clone();
            without.remove(name);
            assert_eq!(
                verifier.verify(&without, UPDATED.as_bytes()).unwrap_err(),
                DeliveryError::Header(name)
            );
            let mut twice = good.clone();
            twice.append(name, good[name].clone());
            assert_eq!(verifier.verify(&twice, UPDATED.as_bytes()).unwrap_err(), DeliveryError::Header(name));
        }
    }

    #[test]
    fn what_we_keep_nothing_of_is_acknowledged() {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        let ignored = |body: &str| match deliver(&verifier, NOW, body).unwrap() {
            Delivery::Ignored(because) => because,
            Delivery::User(event) => panic!("{event:?}"),
        };
        assert_eq!(
            ignored(r#"{"type":"session.created","data":{"id":"sess_1"}}"#),
            IgnoredBecause::OtherType("session.created".to_owned())
        );
        assert_eq!(ignored(r#"{"type":"user.deleted","data":{"deleted":true}}"#), IgnoredBecause::NoUser);
    }

    #[test]
    fn a_deletion_names_the_user() {
        let body = r#"{"type":"user.deleted","data":{"id":"user_1","object":"user","deleted":true}}"#;
        let Delivery::User(event) = deliver(&verifier_at(NOW, SVIX_SECRET), NOW, body).unwrap() else {
            panic!("ignored")
        };
        assert_eq!((event.user_id(), event.change()), ("user_1", &UserChange::Deleted));
    }

    #[test]
    fn bad_secrets_are_named_by_place_and_never_shown() {
        let clock: SharedClock = Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH));
        let error =
            |list: &str| WebhookVerifier::new(&SecretString::from(list), Arc::clone(&clock)).unwrap_err();
        assert_eq!(error(" , "), SecretError::Empty);
        assert_eq!(error("whsec_AAAA, secret"), SecretError::Malformed(2));
        assert_eq!(error("whsec_"), SecretError::Malformed(1));
        let shown = format!("{:?}", verifier_at(NOW, SVIX_SECRET));
        assert!(!shown.contains("MfKQ9r8G"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_signed_is_believed_and_nothing_near_it(
            id in "[!-~&&[^.]]{1,24}", late in -TOLERANCE_SECONDS..=TOLERANCE_SECONDS, bit in 0_u8..8, at in any::<prop::sample::Index>(),
        ) {
            let verifier = verifier_at(NOW, SVIX_SECRET);
            let timestamp = NOW - late;
            let signature = sign(SVIX_SECRET, &id, timestamp, UPDATED);
            let verify = |headers: &HeaderMap, body: &[u8]| verifier.verify(headers, body);
            prop_assert!(verify(&headers(&id, timestamp, &signature), UPDATED.as_bytes()).is_ok());
            let among_others = format!("v1,AAAA v2,x {signature}");
            prop_assert!(verify(&headers(&id, timestamp, &among_others), UPDATED.as_bytes()).is_ok());

            let mut changed = UPDATED.as_bytes().to_vec();
            let position = at.index(changed.len());
            changed[position] ^= 1 << bit;
            for (headers, body) in [
                (headers(&id, timestamp, &signature), &changed[..]),
                (headers(&format!("{id}x"), timestamp, &signature), UPDATED.as_bytes()),
                (headers(&id, timestamp, &signature.replace("v1,", "v2,")), UPDATED.as_bytes()),
            ] {
                prop_assert_eq!(verify(&headers, body).unwrap_err(), DeliveryError::Signature);
            }
            for (outside, error) in
                [(NOW - TOLERANCE_SECONDS - 1, DeliveryError::TooOld), (NOW + TOLERANCE_SECONDS + 1, DeliveryError::TooNew)]
            {
                let signature = sign(SVIX_SECRET, &id, outside, UPDATED);
                prop_assert_eq!(verify(&headers(&id, outside, &signature), UPDATED.as_bytes()).unwrap_err(), error);
            }
        }
    }

    #[test]
    fn s12_ids_and_times_are_what_clerk_makes() {
        let verifier = verifier_at(NOW, SVIX_SECRET);
        for id in ["../../x\\n", "user_", "user_a/b", "user_a b", "usr_1"] {
            let body = format!(
                r#"{{"object":"event","type":"user.deleted","data":{{"id":"{id}"}},"instance_id":"i"}}"#
            );
            assert_eq!(deliver(&verifier, NOW, &body).unwrap_err(), DeliveryError::Body, "{id}");
        }
        let now = format!("+{NOW}");
        let signature = SigningKey::parse(SVIX_SECRET).unwrap().sign("msg_1", &now, UPDATED.as_bytes());
        let mut headers = headers("msg_1", NOW, &signature);
        headers.insert("svix-timestamp", now.parse().unwrap());
        let refused = verifier.verify(&headers, UPDATED.as_bytes()).unwrap_err();
        assert_eq!(refused, DeliveryError::Header("svix-timestamp"));
    }
}
