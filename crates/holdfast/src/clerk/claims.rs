//! What a session token itself says of its user, where the instance's token was customized to say more than an id.

use clerk_session::{Claims, CustomClaims};

use super::UserFacts;

/// The facts in a token's claims: partial and undated.
pub fn facts_from_claims(claims: &Claims) -> UserFacts {
    let CustomClaims { email, email_verified, first_name, last_name, image_url } = claims.custom.clone();
    UserFacts {
        // Whether an address that is not named was verified says nothing.
        email_verified: email.as_ref().and(email_verified),
        email,
        first_name,
        last_name,
        image_url,
        updated_at: None,
    }
}
