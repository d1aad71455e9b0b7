//! What a session token itself says of its user, where the instance's token was customized to say
//! more than an id.

use clerk_session::Claims;
use serde_json::{Map, Value};

use super::UserFacts;
use crate::display_text::{EMAIL, NAME, line, picture};

/// The facts in a token's claims, under the names that Clerk's shortcodes suggest: partial and
/// undated.
pub fn facts_from_claims(claims: &Claims) -> UserFacts {
    // The payload of a verified token is an object.
    let payload: Map<String, Value> = claims.custom().unwrap_or_default();
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| payload.get(*name)?.as_str());
        found.filter(|text| !text.is_empty())
    };
    // A token's template may put anything there, a person's own writing included.
    let email = text(&["email", "primary_email", "primaryEmail"]).and_then(|text| line(text, EMAIL));
    UserFacts {
        // `email_verified` without an address says nothing.
        email_verified: email.as_ref().and(payload.get("email_verified")).and_then(Value::as_bool),
        email,
        first_name: text(&["first_name", "firstName", "given_name"]).and_then(|name| line(name, NAME)),
        last_name: text(&["last_name", "lastName", "family_name"]).and_then(|name| line(name, NAME)),
        image_url: text(&["image_url", "imageUrl", "picture"]).and_then(picture),
        updated_at: None,
    }
}
