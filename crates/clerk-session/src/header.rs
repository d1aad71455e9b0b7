//! The `Authorization` header (RFC 9110 §11.6.2, RFC 6750 §2.1).

use crate::code::RefusalCode;
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::token::wrapped;

/// The session token in an `Authorization` value. The scheme's name is case-insensitive. Another
/// scheme counts as no session token at all.
pub fn bearer_token(value: &str) -> Result<&str, Refusal> {
    let refused = |code, public: &str, remedy| Err(Refusal::new(code, Step::Form, public, remedy));
    let value = value.trim_matches([' ', '\t']);
    let (scheme, rest) = value.split_once([' ', '\t']).unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        if scheme.eq_ignore_ascii_case("bearer:") {
            return refused(
                RefusalCode::SessionTokenMissing,
                "The Authorization header says `Bearer:`; the word stands there without a colon.",
                Remedy::WriteBearer,
            );
        }
        if scheme.matches('.').count() == 2 {
            return refused(
                RefusalCode::SessionTokenMissing,
                "The Authorization header holds a token without the word `Bearer` before it.",
                Remedy::WriteBearer,
            );
        }
        return Err(Refusal::missing());
    }
    let token = rest.trim_matches([' ', '\t']);
    if token.is_empty() {
        return refused(
            RefusalCode::TokenInvalid,
            "The Authorization header says `Bearer` and nothing else.",
            Remedy::AwaitToken,
        );
    }
    // By bytes, and without stopping at the first hit, so that the compiler vectorizes the loop:
    // decoding each character would cost more than hashing the token.
    let is_one = !token.bytes().fold(false, |found, byte| found | matches!(byte, b' ' | b'\t' | b','));
    if !is_one && token != "[object Promise]" && token != "[object Object]" {
        if let Some(wrapped) = wrapped(token) {
            return Err(wrapped);
        }
        let twice = token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer "));
        let public = if twice {
            "The Authorization header says `Bearer` twice."
        } else {
            "The Authorization header holds more than one token."
        };
        return refused(RefusalCode::TokenInvalid, public, Remedy::WriteBearerOnce);
    }
    Ok(token)
}
