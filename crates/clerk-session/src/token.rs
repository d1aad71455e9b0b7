//! Strict parsing of a compact JWS (RFC 7515 §3.1, RFC 7519): one reading, or none.

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use crate::code::RefusalCode;
use crate::json;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::unwrapped::unwrapped;

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
    /// The payload as text.
    pub(crate) payload_text: String,
    /// What was signed.
    pub(crate) signed: &'a str,
    pub(crate) signature: Vec<u8>,
}

/// The three segments, after the checks that need no decoding.
pub(crate) fn segments<'a>(token: &'a str, policy: &Policy) -> Result<[&'a str; 3], Refusal> {
    if token.is_empty() {
        return Err(form("What was sent is empty, not a session token.", Remedy::AwaitToken));
    }
    let (length, limit) = (token.len(), policy.max_token_len);
    if length > limit {
        let public = format!("The session token has {length} bytes; longer than {limit} is not considered.");
        return Err(form(public, Remedy::ShortenToken { length, limit }));
    }
    if let Some((what, remedy)) = recognize(token, policy) {
        return Err(form(format!("What was sent is {what}, not a session token."), remedy));
    }
    if let Some(wrapped) = wrapped(token) {
        return Err(wrapped);
    }
    let mut parts = token.split('.');
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(header), Some(payload), Some(signature), None) => Ok([header, payload, signature]),
        _ => Err(form("A session token consists of three parts separated by dots.", Remedy::SendToken)
            .because(format!("{} parts separated by dots instead of 3", token.split('.').count()))),
    }
}

/// The refusal of a token that has something around it.
pub(crate) fn wrapped(text: &str) -> Option<Refusal> {
    let wrapping = unwrapped(text)?.wrapping;
    let public = format!("The session token was sent with {wrapping} around it.");
    Some(form(public, Remedy::SendTokenAlone(wrapping)))
}

fn form(public: impl Into<String>, remedy: Remedy) -> Refusal {
    Refusal::new(RefusalCode::TokenInvalid, Step::Form, public, remedy)
}

/// Well-known values that are sent in place of a token.
fn recognize<'a>(token: &str, policy: &'a Policy) -> Option<(&'a str, Remedy)> {
    if let Some(other) = policy.other_credentials.iter().find(|other| token.starts_with(&other.prefix)) {
        return Some((&other.name, Remedy::SendTokenInsteadOf { name: other.name.clone() }));
    }
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| token.starts_with(prefix));
    Some(match token {
        "null" => ("the text `null`", Remedy::AwaitToken),
        "undefined" => ("the text `undefined`", Remedy::AwaitToken),
        "None" => ("the text `None`", Remedy::AwaitToken),
        "[object Promise]" => ("the text `[object Promise]`", Remedy::AwaitToken),
        "[object Object]" => ("the text `[object Object]`", Remedy::AwaitToken),
        _ if token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) => {
            ("a value that starts with `Bearer `", Remedy::WriteBearerOnce)
        }
        _ if begins(&["pk_test_", "pk_live_"]) => ("a Clerk publishable key", Remedy::SendToken),
        _ if begins(&["sk_test_", "sk_live_"]) => ("a Clerk secret key", Remedy::ReplaceSecretKey),
        _ if begins(&["dvb_"]) => ("a browser's id of a development instance", Remedy::SendToken),
        _ if begins(&["sess_"]) => ("a session id", Remedy::SendToken),
        _ if begins(&["user_"]) => ("a user id", Remedy::SendToken),
        _ if begins(&["mt_"]) => ("an opaque machine-to-machine token", Remedy::SendToken),
        _ if begins(&["oat_"]) => ("an opaque OAuth access token", Remedy::SendToken),
        _ if begins(&["ak_"]) => ("an API key", Remedy::SendToken),
        _ => return None,
    })
}

/// Decodes the segments.
pub(crate) fn decode<'a>(
    token: &'a str,
    [header, payload, signature]: [&str; 3],
) -> Result<Parts<'a>, Refusal> {
    let refused = |reasoning: String| {
        Refusal::new(
            RefusalCode::TokenInvalid,
            Step::Encoding,
            "The session token could not be decoded.",
            Remedy::SendToken,
        )
        .because(reasoning)
    };
    let bytes = |segment: &str, name: &str| {
        BASE64URL
            .decode(segment)
            .map_err(|_| refused(format!("the {name} is not canonical base64url without padding")))
    };
    let object = |segment: &str, name: &str| {
        let read = json::text(bytes(segment, name)?).and_then(|text| Ok((json::object(&text)?, text)));
        read.map_err(|error| refused(format!("the {name} is not a plain JSON object: {error}")))
    };
    let (payload_members, payload_text) = object(payload, "payload")?;
    Ok(Parts {
        header: object(header, "header")?.0,
        payload: payload_members,
        payload_text,
        signature: bytes(signature, "signature")?,
        signed: &token[..header.len() + 1 + payload.len()],
    })
}

/// The first half of a token's SHA-256, in hexadecimal digits: names a token in a log without
/// giving it away.
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
