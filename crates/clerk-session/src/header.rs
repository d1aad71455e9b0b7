//! The `Authorization` header (RFC 9110 §11.6.2, RFC 6750 §2.1).

use crate::refusal::{Refusal, RefusalCode, Step};

/// The session token in an `Authorization` value. The scheme's name is case-insensitive. Another scheme counts as
/// no session token at all.
pub fn bearer_token(value: &str) -> Result<&str, Refusal> {
    let value = value.trim_matches([' ', '\t']);
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(if scheme.contains('.') && scheme.matches('.').count() == 2 {
            Refusal::new(
                RefusalCode::SessionTokenMissing,
                Step::Form,
                "The Authorization header holds a token without the word `Bearer` before it.",
            )
            .mended_by("Send `Authorization: Bearer <session token>`.")
        } else {
            Refusal::missing()
        });
    }
    let token = rest.trim_matches([' ', '\t']);
    if token.is_empty() {
        return Err(Refusal::new(
            RefusalCode::TokenInvalid,
            Step::Form,
            "The Authorization header says `Bearer` and nothing else.",
        )
        .mended_by("Await `getToken()`, and send nothing while nobody is signed in."));
    }
    if token.contains([' ', '\t', ',']) && token != "[object Promise]" && token != "[object Object]" {
        let public = if token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
            "The Authorization header says `Bearer` twice."
        } else {
            "The Authorization header holds more than one token."
        };
        return Err(Refusal::new(RefusalCode::TokenInvalid, Step::Form, public)
            .mended_by("Send the word `Bearer` once, followed by the token alone."));
    }
    Ok(token)
}
