//! What a genuine session token says.

use serde_json::{Map, Value};

use crate::organization::Organization;

/// The claims of an accepted session token.
/// Source: <https://clerk.com/docs/guides/sessions/session-tokens>.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// `sub`: the user, `user_…`.
    pub subject: String,
    /// `sid`: the session, `sess_…`.
    pub session_id: String,
    /// `iss`: the instance.
    pub issuer: Option<String>,
    /// `azp`: the origin that the token was minted for.
    pub authorized_party: Option<String>,
    /// Whether [`AuthorizedPartiesMode::Enforce`](crate::AuthorizedPartiesMode::Enforce) would have refused the token.
    pub authorized_party_unknown: bool,
    /// `exp`, unix milliseconds.
    pub expires_at_ms: i64,
    /// `nbf`, unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// `iat`, unix milliseconds.
    pub issued_at_ms: Option<i64>,
    /// `act`: who is impersonating the user.
    pub actor: Option<Actor>,
    /// `sts`.
    pub status: SessionStatus,
    /// The active organization.
    pub organization: Option<Organization>,
    /// All other members that are text: what a customized token says about the user.
    pub custom: CustomClaims,
}

/// Who acts in the user's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// `act.sub`; `None` where the claim does not say.
    pub subject: Option<String>,
}

/// Whether the session is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionStatus {
    /// `active`, or not said: instances that never opted in do not say.
    Active,
    /// The user still has tasks to do before the session counts. Any value but `active` is treated so.
    Pending,
}

/// Facts about the user that a customized token may carry, under the names that Clerk's shortcodes suggest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CustomClaims {
    /// `email` or `primary_email` or `primaryEmail`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: Option<bool>,
    /// `first_name` or `firstName` or `given_name`.
    pub first_name: Option<String>,
    /// `last_name` or `lastName` or `family_name`.
    pub last_name: Option<String>,
    /// `image_url` or `imageUrl` or `picture`.
    pub image_url: Option<String>,
}

impl CustomClaims {
    pub(crate) fn read(payload: &Map<String, Value>) -> Self {
        let text = |names: &[&str]| {
            names
                .iter()
                .find_map(|name| payload.get(*name)?.as_str())
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        Self {
            email: text(&["email", "primary_email", "primaryEmail"]),
            email_verified: payload.get("email_verified").and_then(Value::as_bool),
            first_name: text(&["first_name", "firstName", "given_name"]),
            last_name: text(&["last_name", "lastName", "family_name"]),
            image_url: text(&["image_url", "imageUrl", "picture"]),
        }
    }
}

/// A NumericDate (RFC 7519 §2) in milliseconds, where it is a number that a calendar can hold. A fraction of a second
/// is cut off, as `Date.setUTCSeconds` in `@clerk/backend` does: `exp` 1000.9 expires with second 1000 for both.
pub(crate) fn numeric_date(value: &Value) -> Option<i64> {
    /// The end of year 9999, in seconds.
    const LATEST: i64 = 253_402_300_799;
    if let Some(seconds) = value.as_i64() {
        return (-LATEST..=LATEST).contains(&seconds).then(|| seconds * 1000);
    }
    let seconds = value.as_f64()?;
    #[expect(clippy::cast_precision_loss, reason = "LATEST is far below 2^53")]
    let latest = LATEST as f64;
    #[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
    (seconds.abs() <= latest).then(|| seconds.trunc() as i64 * 1000)
}
