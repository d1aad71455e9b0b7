//! Clerk's `User` object as its Backend API and its webhooks send it (OpenAPI 2026-05-12, schema
//! `User`).

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::UserFacts;
use crate::clock;
use crate::display_text::{EMAIL, NAME, line, picture};

/// The part of a `User` that we keep. Everything but the id may be missing, null, or of another
/// shape than documented: one odd fact must not keep the others from us.
#[derive(Deserialize)]
pub(super) struct WireUser {
    /// `user_…`.
    pub id: String,
    #[serde(default, deserialize_with = "where_readable")]
    first_name: Option<String>,
    #[serde(default, deserialize_with = "where_readable")]
    last_name: Option<String>,
    #[serde(default, deserialize_with = "where_readable")]
    image_url: Option<String>,
    #[serde(default, deserialize_with = "where_readable")]
    primary_email_address_id: Option<String>,
    #[serde(default, deserialize_with = "where_readable")]
    email_addresses: Option<Vec<Readable<WireEmail>>>,
    #[serde(default, deserialize_with = "where_readable")]
    updated_at: Option<i64>,
}

fn where_readable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    Readable::deserialize(from).map(|read| match read {
        Readable::Known(value) => Some(value),
        Readable::Odd(_) => None,
    })
}

/// A value, or JSON of another shape in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Readable<T> {
    Known(T),
    Odd(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
struct WireEmail {
    id: Option<String>,
    email_address: Option<String>,
    verification: Option<WireVerification>,
}

#[derive(Deserialize)]
struct WireVerification {
    status: Option<String>,
}

impl From<WireUser> for UserFacts {
    fn from(user: WireUser) -> Self {
        // The primary address is named by its id; the order of the list says nothing.
        let addresses: Vec<&WireEmail> = user
            .email_addresses
            .iter()
            .flatten()
            .filter_map(|each| match each {
                Readable::Known(address) => Some(address),
                Readable::Odd(_) => None,
            })
            .collect();
        let primary = user
            .primary_email_address_id
            .as_deref()
            .and_then(|primary| addresses.into_iter().find(|each| each.id.as_deref() == Some(primary)));
        let email = primary.and_then(|each| each.email_address.as_deref()).and_then(|text| line(text, EMAIL));
        let email_verified = email.as_ref().and(primary).map(|each| {
            each.verification.as_ref().and_then(|check| check.status.as_deref()) == Some("verified")
        });
        Self {
            email,
            email_verified,
            first_name: user.first_name.and_then(|name| line(&name, NAME)),
            last_name: user.last_name.and_then(|name| line(&name, NAME)),
            image_url: user.image_url.and_then(|url| picture(&url)),
            updated_at: user.updated_at.map(instant),
            claimed_at: None,
            gone: Vec::new(),
        }
    }
}

/// Clerk sends milliseconds; emulators of its API are known to send seconds. As milliseconds, a
/// number that small would be before March 1973, so it is seconds.
fn instant(number: i64) -> Timestamp {
    const SMALLEST_MILLIS: u64 = 100_000_000_000;
    clock::from_millis(if number.unsigned_abs() < SMALLEST_MILLIS {
        number.saturating_mul(1000)
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(json: &str) -> UserFacts {
        serde_json::from_str::<WireUser>(json).unwrap().into()
    }

    #[test]
    fn the_primary_address_is_found_by_its_id_not_by_its_place() {
        let facts = facts(
            r#"{"id":"user_1","primary_email_address_id":"idn_2","email_addresses":[
                {"id":"idn_1","email_address":"old@example.com","verification":{"status":"verified"}},
                {"id":"idn_2","email_address":"new@example.com","verification":{"status":"unverified"}}]}"#,
        );
        assert_eq!(facts.email.as_deref(), Some("new@example.com"));
        assert_eq!(facts.email_verified, Some(false));
    }

    #[test]
    fn without_a_primary_address_there_is_no_address() {
        let facts = facts(
            r#"{"id":"user_1","primary_email_address_id":null,"email_addresses":[
                {"id":"idn_1","email_address":"a@example.com","verification":null}]}"#,
        );
        assert_eq!((facts.email, facts.email_verified), (None, None));
    }

    #[test]
    fn a_null_verification_is_no_verification() {
        let facts = facts(
            r#"{"id":"user_1","primary_email_address_id":"idn_1","email_addresses":[
                {"id":"idn_1","email_address":"a@example.com","verification":null}]}"#,
        );
        assert_eq!(facts.email_verified, Some(false));
    }

    #[test]
    fn only_the_id_is_required_and_cleared_fields_are_absent() {
        let facts = facts(r#"{"id":"user_1","first_name":"","last_name":null}"#);
        assert_eq!(facts, UserFacts::default());
    }

    #[test]
    fn times_are_milliseconds_and_seconds_are_understood() {
        assert_eq!(
            facts(r#"{"id":"u","updated_at":1795396260123}"#).updated_at.unwrap().to_string(),
            "2026-11-23T01:11:00.123Z"
        );
        assert_eq!(
            facts(r#"{"id":"u","updated_at":1795396260}"#).updated_at.unwrap().to_string(),
            "2026-11-23T01:11:00Z"
        );
        for odd in [i64::MIN, i64::MAX] {
            assert!(facts(&format!(r#"{{"id":"u","updated_at":{odd}}}"#)).updated_at.is_some());
        }
    }
}
