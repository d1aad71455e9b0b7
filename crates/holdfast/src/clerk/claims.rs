//! What a session token itself says of its user, where the instance's token was customized to say
//! more than an id.

use clerk_session::Claims;
use serde_json::{Map, Value};

use super::{Fact, UserFacts};
use crate::clock::from_millis;
use crate::display_text::{EMAIL, NAME, line, picture};

const EMAIL_CLAIMS: &[&str] = &["email", "primary_email", "primaryEmail"];
const FIRST_NAME: &[&str] = &["first_name", "firstName", "given_name"];
const LAST_NAME: &[&str] = &["last_name", "lastName", "family_name"];
const IMAGE_URL: &[&str] = &["image_url", "imageUrl", "picture"];

/// The facts in a token's claims, under the names that Clerk's shortcodes suggest: partial, and
/// as old as the token.
pub fn facts_from_claims(claims: &Claims) -> UserFacts {
    // The payload of a verified token is an object.
    let payload: Map<String, Value> = claims.custom().unwrap_or_default();
    let text = |names: &[&str]| {
        let found = names.iter().find_map(|name| payload.get(*name)?.as_str());
        found.filter(|text| !text.is_empty())
    };
    // A shortcode without a value is null.
    let is_gone = |names: &[&str]| {
        let mut claimed = names.iter().filter_map(|name| payload.get(*name)).peekable();
        claimed.peek().is_some() && claimed.all(Value::is_null)
    };
    let gone = [
        (Fact::Email, EMAIL_CLAIMS),
        (Fact::FirstName, FIRST_NAME),
        (Fact::LastName, LAST_NAME),
        (Fact::ImageUrl, IMAGE_URL),
    ];
    let gone = gone.into_iter().filter(|(_, names)| is_gone(names)).map(|(fact, _)| fact).collect();
    // A token's template may put anything there, a person's own writing included.
    let email = text(EMAIL_CLAIMS).and_then(|text| line(text, EMAIL));
    let facts = UserFacts {
        // `email_verified` without an address says nothing.
        email_verified: email.as_ref().and(payload.get("email_verified")).and_then(Value::as_bool),
        email,
        first_name: text(FIRST_NAME).and_then(|name| line(name, NAME)),
        last_name: text(LAST_NAME).and_then(|name| line(name, NAME)),
        image_url: text(IMAGE_URL).and_then(picture),
        updated_at: None,
        claimed_at: None,
        gone,
    };
    // A token that tells nothing is newer than no fact.
    let issued_at = claims.issued_at_ms.filter(|_| facts != UserFacts::default());
    UserFacts { claimed_at: issued_at.map(from_millis), ..facts }
}
