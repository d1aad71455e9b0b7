//! Meta's `signed_request`, which proves that a deauthorization or deletion request is Meta's.
//!
//! `SIG.PAYLOAD`, both base64url; SIG is HMAC-SHA256 over the *encoded* payload with the app
//! secret. Source: "Data Deletion Request Callback". Which of an installation's secrets Meta uses
//! is not stated, so several are tried.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::digest::sha256;

/// Meta sends no padding, but some senders that follow its samples do.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a genuine request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The account: app-scoped by the documentation. Look it up by both ids.
    pub user_id: String,
    /// When Meta issued it. Old ones still count: late retries must still delete.
    pub issued_at: Option<Timestamp>,
    /// A number that cannot be guessed without the request, and is the same if it comes again.
    pub code: u128,
}

/// Why a request is not genuine, or not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignedRequestError {
    /// Not two base64url parts.
    #[error("the signed request is not two base64url parts joined by a dot")]
    Malformed,
    /// None of our secrets made the signature.
    #[error("the signature of the signed request does not match INSTAGRAM_APP_SECRET")]
    WrongSignature,
    /// Signed, but it names another algorithm.
    #[error("the signed request does not name HMAC-SHA256 as its algorithm")]
    WrongAlgorithm,
    /// Signed, but without a user id.
    #[error("the signed request names no user")]
    NoUser,
}

/// Verifies `raw` against each of `secrets`. The payload is parsed only after the signature is
/// verified.
pub fn verify(secrets: &[SecretString], raw: &str) -> Result<SignedRequest, SignedRequestError> {
    let (signature, payload) = raw.split_once('.').ok_or(SignedRequestError::Malformed)?;
    let tag = BASE64URL.decode(signature).map_err(|_| SignedRequestError::Malformed)?;
    let json = BASE64URL.decode(payload).map_err(|_| SignedRequestError::Malformed)?;
    let genuine = secrets.iter().map(|secret| secret.expose_secret().as_bytes()).any(|secret| {
        // An empty secret is a missing one, and anybody could sign with it.
        !secret.is_empty()
            && hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), payload.as_bytes(), &tag).is_ok()
    });
    if !genuine {
        return Err(SignedRequestError::WrongSignature);
    }
    let payload: Value = serde_json::from_slice(&json).map_err(|_| SignedRequestError::Malformed)?;
    let algorithm = payload.get("algorithm").and_then(Value::as_str).unwrap_or_default();
    if !algorithm.eq_ignore_ascii_case("HMAC-SHA256") {
        return Err(SignedRequestError::WrongAlgorithm);
    }
    let user_id = match payload.get("user_id") {
        Some(Value::String(id)) if !id.is_empty() => id.clone(),
        Some(Value::Number(id)) => id.as_u64().ok_or(SignedRequestError::NoUser)?.to_string(),
        Some(_) | None => return Err(SignedRequestError::NoUser),
    };
    let issued_at = payload.get("issued_at").and_then(whole_seconds);
    Ok(SignedRequest { user_id, issued_at, code: code_of(&tag) })
}

/// A time in seconds, as a number or a text. Documented as a whole number; one that is passed over
/// would leave a removed app connected.
fn whole_seconds(value: &Value) -> Option<Timestamp> {
    let text = match value {
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let (whole, _fraction) = text.split_once('.').unwrap_or((&text, ""));
    Timestamp::from_second(whole.parse().ok()?).ok()
}

/// Part of the signature's hash, which nobody can guess without our secret.
fn code_of(tag: &[u8]) -> u128 {
    sha256(tag).iter().take(16).fold(0, |code, byte| (code << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Recorded, from the tests of the crate facebook-signed-request.
    const RECORDED: &str = "Mf_s6nTb38UYqioBmPqu0Ewm9souPZB9I2fIGwV729U.eyJ1c2VyX2lkIjoiMCIsImFsZ29yaXRobSI6IkhNQUMtU0hBMjU2IiwiaXNzdWVkX2F0IjoxNjI0MjQ0MTU2fQ";

    fn secrets(all: &[&str]) -> Vec<SecretString> {
        all.iter().map(|each| SecretString::from(*each)).collect()
    }

    fn sign(secret: &str, payload: &str) -> String {
        let payload = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(payload);
        sign_encoded(secret, &payload)
    }

    fn sign_encoded(secret: &str, payload: &str) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), payload.as_bytes());
        format!("{}.{payload}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(tag))
    }

    #[test]
    fn the_recorded_request_is_genuine() {
        let request = verify(&secrets(&["key"]), RECORDED).unwrap();
        assert_eq!(request.user_id, "0");
        assert_eq!(request.issued_at, Some(Timestamp::from_second(1_624_244_156).unwrap()));
    }

    #[test]
    fn any_of_our_secrets_will_do_and_no_other() {
        assert!(verify(&secrets(&["another", "key"]), RECORDED).is_ok());
        for wrong in [secrets(&[]), secrets(&[""]), secrets(&["Key", "another"])] {
            assert_eq!(verify(&wrong, RECORDED), Err(SignedRequestError::WrongSignature));
        }
        let by_nobody = sign_encoded("", "e30");
        assert_eq!(verify(&secrets(&[""]), &by_nobody), Err(SignedRequestError::WrongSignature));
    }

    #[test]
    fn padding_is_tolerated() {
        let (signature, payload) = RECORDED.split_once('.').unwrap();
        assert!(verify(&secrets(&["key"]), &format!("{signature}=.{payload}")).is_ok());
        let payload =
            base64::engine::general_purpose::URL_SAFE.encode(r#"{"user_id":"1","algorithm":"hmac-sha256"}"#);
        assert!(payload.ends_with('='));
        assert!(verify(&secrets(&["key"]), &sign_encoded("key", &payload)).is_ok());
    }

    #[test]
    fn ids_stay_exact() {
        for payload in [
            r#"{"user_id":"17841479677897649","algorithm":"HMAC-SHA256"}"#,
            r#"{"user_id":17841479677897649,"algorithm":"HMAC-SHA256","issued_at":null,"expires":1}"#,
        ] {
            let request = verify(&secrets(&["key"]), &sign("key", payload)).unwrap();
            assert_eq!(
                request,
                SignedRequest {
                    user_id: "17841479677897649".to_owned(),
                    issued_at: None,
                    code: request.code
                }
            );
        }
    }

    #[test]
    fn a_signed_request_that_says_nothing_is_refused() {
        for (payload, error) in [
            (r#"{"user_id":"1"}"#, SignedRequestError::WrongAlgorithm),
            (r#"{"user_id":"1","algorithm":"none"}"#, SignedRequestError::WrongAlgorithm),
            (r#"{"algorithm":"HMAC-SHA256"}"#, SignedRequestError::NoUser),
            (r#"{"user_id":"","algorithm":"HMAC-SHA256"}"#, SignedRequestError::NoUser),
            (r#"{"user_id":1.5,"algorithm":"HMAC-SHA256"}"#, SignedRequestError::NoUser),
            ("not json", SignedRequestError::Malformed),
        ] {
            assert_eq!(verify(&secrets(&["key"]), &sign("key", payload)), Err(error), "{payload}");
        }
    }

    #[test]
    fn every_changed_character_breaks_it() {
        let dot = RECORDED.find('.').unwrap();
        for at in (0..RECORDED.len()).filter(|at| *at != dot) {
            let mut changed = RECORDED.as_bytes().to_vec();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            assert!(verify(&secrets(&["key"]), std::str::from_utf8(&changed).unwrap()).is_err(), "at {at}");
        }
        for malformed in ["", ".", "a", "a.b.c", "🦀.🦀", &format!("{RECORDED}.x")] {
            assert!(verify(&secrets(&["key"]), malformed).is_err(), "{malformed}");
        }
    }

    #[test]
    fn the_time_of_issue_is_read_however_it_is_written() {
        let issued = |at: &str| {
            let payload = format!(r#"{{"user_id":"7","algorithm":"HMAC-SHA256","issued_at":{at}}}"#);
            verify(&secrets(&["key"]), &sign("key", &payload)).unwrap().issued_at
        };
        let time = Timestamp::from_second(1_624_244_156).unwrap();
        for written in ["1624244156", "\"1624244156\"", "1624244156.75", "\" 1624244156.0 \""] {
            assert_eq!(issued(written), Some(time), "{written}");
        }
        for none in ["null", "\"soon\"", "[1]", "\"\"", "1e300"] {
            assert_eq!(issued(none), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic_or_believe(raw in "\\PC*") {
            prop_assert!(verify(&secrets(&["key"]), &raw).is_err());
        }

        #[test]
        fn what_is_signed_is_believed_and_nothing_near_it(id in "[!-~]{1,24}", position in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let raw = sign("key", &serde_json::json!({"user_id": id, "algorithm": "HMAC-SHA256"}).to_string());
            prop_assert_eq!(verify(&secrets(&["key"]), &raw).unwrap().user_id, id);
            prop_assert_eq!(verify(&secrets(&["other"]), &raw), Err(SignedRequestError::WrongSignature));
            let mut changed = raw.into_bytes();
            let at = position.index(changed.len());
            changed[at] ^= 1 << bit;
            prop_assert!(verify(&secrets(&["key"]), &String::from_utf8_lossy(&changed)).is_err());
        }
    }
}
