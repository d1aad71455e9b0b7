//! Strict parsing of a compact JWS (RFC 7515 §3.1, RFC 7519): one reading, or none.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::json;
use crate::refusal::{Refusal, RefusalCode, Step};

/// Longest token considered, in bytes. Clerk's tokens stay below the 4 KiB of a cookie; twice that leaves room
/// for large custom claims and bounds the work for everything else.
pub const MAX_TOKEN: usize = 8 * 1024;

/// No padding, and no bits set that no byte uses: otherwise one token would have many spellings.
pub(crate) const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(false),
);

/// A token taken apart. Nothing in it is proven.
pub(crate) struct Parts<'a> {
    pub(crate) header: Map<String, Value>,
    pub(crate) payload: Map<String, Value>,
    /// What was signed.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// The three segments, after the checks that need no decoding.
pub(crate) fn segments(token: &str) -> Result<[&str; 3], Refusal> {
    let form = |public: &str| Refusal::new(RefusalCode::TokenInvalid, Step::Form, public);
    if token.is_empty() {
        return Err(form("What was sent is empty, not a session token.")
            .mended_by("Await `getToken()`, and send nothing while nobody is signed in."));
    }
    if token.len() > MAX_TOKEN {
        return Err(form("The session token is longer than any session token can be."));
    }
    if let Some((what, remedy)) = recognize(token) {
        return Err(form(&format!("What was sent is {what}, not a session token.")).mended_by(remedy));
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        _ => Err(form("A session token consists of three parts separated by dots.")
            .because(format!("{} parts separated by dots instead of 3", token.split('.').count()))),
    }
}

/// Well-known values that are sent in place of a token.
fn recognize(token: &str) -> Option<(&'static str, &'static str)> {
    const AWAIT: &str = "Await `getToken()`, and send nothing while nobody is signed in.";
    const CALL: &str = "Send what `await getToken()` returns instead.";
    let lower = token.get(..7).map(str::to_ascii_lowercase);
    Some(match token {
        "null" => ("the text `null`", AWAIT),
        "undefined" => ("the text `undefined`", AWAIT),
        "[object Promise]" => ("the text `[object Promise]`", AWAIT),
        "[object Object]" => ("the text `[object Object]`", AWAIT),
        _ if lower.as_deref() == Some("bearer ") => (
            "a value that starts with `Bearer `",
            "Send the word `Bearer` once, followed by the token alone.",
        ),
        _ if token.starts_with("pk_test_") || token.starts_with("pk_live_") => {
            ("a Clerk publishable key", CALL)
        }
        _ if token.starts_with("sk_test_") || token.starts_with("sk_live_") => (
            "a Clerk secret key",
            "Never send a secret key from a browser: replace this one in the Clerk dashboard, and send what `await getToken()` returns instead.",
        ),
        _ if token.starts_with("hf_sk_") => (
            "a Holdfast service key",
            "Service keys are for the `/service` routes; here send what `await getToken()` returns.",
        ),
        _ if token.starts_with("sess_") => ("a session id", CALL),
        _ if token.starts_with("user_") => ("a user id", CALL),
        _ if token.starts_with("mt_") => ("an opaque machine-to-machine token", CALL),
        _ if token.starts_with("oat_") => ("an opaque OAuth access token", CALL),
        _ if token.starts_with("ak_") => ("an API key", CALL),
        _ => return None,
    })
}

/// Decodes the segments.
pub(crate) fn decode<'a>(
    token: &'a str,
    [header, payload, signature]: [&str; 3],
) -> Result<Parts<'a>, Refusal> {
    let bytes = |segment: &str, name: &str| {
        BASE64URL.decode(segment).map_err(|_| {
            Refusal::new(RefusalCode::TokenInvalid, Step::Encoding, "The session token could not be decoded.")
                .because(format!("the {name} is not canonical base64url without padding"))
        })
    };
    let object = |segment: &str, name: &str| {
        json::object(&bytes(segment, name)?).map_err(|error| {
            Refusal::new(RefusalCode::TokenInvalid, Step::Encoding, "The session token could not be decoded.")
                .because(format!("the {name} is not a plain JSON object: {}", error.0))
        })
    };
    Ok(Parts {
        header: object(header, "header")?,
        payload: object(payload, "payload")?,
        signature: bytes(signature, "signature")?,
        signed: &token[..header.len() + 1 + payload.len()],
    })
}

/// The first half of a token's SHA-256, in hexadecimal digits: names a token in a log without giving it away.
pub fn fingerprint(token: &str) -> String {
    use std::fmt::Write as _;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    digest.as_ref().iter().take(8).fold(String::with_capacity(16), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A value from an unproven token, fit for a log line: short, and without control characters.
pub(crate) fn quoted(value: &Value) -> String {
    const LONGEST: usize = 80;
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_default).collect();
    if text.chars().count() > LONGEST {
        shown.push('…');
    }
    format!("`{shown}`")
}
