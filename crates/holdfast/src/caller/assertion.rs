//! `X-Auth-Assertion`: proves to a backend that the identity headers of a request are ours, even
//! where requests can reach it past the proxy. A short-lived JWT (RFC 7519), signed with
//! HMAC-SHA-256.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use super::Caller;
use crate::clock::after;

/// Longest lifetime of an assertion; it never outlives the session token.
const LIFETIME: Duration = Duration::from_mins(1);
/// `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// Signs assertions.
pub struct AssertionKey(hmac::Key);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    sub: &'a str,
    sid: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_role: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    org_permissions: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Act<'a>>,
    iat: i64,
    exp: i64,
}

#[derive(Serialize)]
struct Act<'a> {
    sub: &'a str,
}

impl AssertionKey {
    /// `HOLDFAST_FORWARD_AUTH_SECRET`.
    pub fn new(secret: &SecretString) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes()))
    }

    /// The assertion about `caller`, from `issuer` to the host that the request was for.
    pub fn sign(&self, caller: &Caller, issuer: &str, audience: Option<&str>, now: Timestamp) -> String {
        let organization = caller.claims().organization.as_ref();
        let claims = Claims {
            iss: issuer,
            aud: audience,
            sub: caller.owner().as_str(),
            sid: caller.session_id(),
            org: organization.map(|each| each.id.as_str()),
            org_role: organization.and_then(|each| each.role.as_deref()),
            org_permissions: organization.map(|each| each.permissions.as_slice()).unwrap_or_default(),
            act: caller.impersonator().map(|sub| Act { sub }),
            iat: now.as_second(),
            exp: after(now, LIFETIME).min(caller.expires_at()).as_second(),
        };
        // A struct of strings and numbers cannot fail to serialize.
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).unwrap_or_default());
        let message = format!("{HEADER}.{payload}");
        let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&self.0, message.as_bytes()));
        format!("{message}.{signature}")
    }
}
