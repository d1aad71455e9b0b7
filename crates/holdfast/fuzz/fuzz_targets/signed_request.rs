//! A `signed_request` is believed exactly where Meta's HMAC is right, as another library computes
//! it, and says then what its payload says.
#![no_main]

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use holdfast::provider::instagram::signed_request::{SignedRequestError, verify};
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;
use serde_json::Value;

const SECRET: &str = "an app secret of 32 characters..";

fn tag(payload: &str) -> Vec<u8> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length will do");
    mac.update(payload.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fuzz_target!(|bytes: &[u8]| {
    let ours = [SecretString::from("another"), SecretString::from(SECRET)];
    if let Ok(raw) = std::str::from_utf8(bytes)
        && verify(&ours, raw).is_ok()
    {
        let (signature, payload) = raw.split_once('.').expect("two parts");
        let unpadded = signature.trim_end_matches('=');
        assert_eq!(URL_SAFE_NO_PAD.decode(unpadded).expect("base64url"), tag(payload));
    }

    let payload = URL_SAFE_NO_PAD.encode(bytes);
    let genuine = tag(&payload);
    let signed = |tag: &[u8]| format!("{}.{payload}", URL_SAFE_NO_PAD.encode(tag));
    let said: Option<Value> = serde_json::from_slice(bytes).ok();
    match verify(&ours, &signed(&genuine)) {
        Ok(request) => {
            let said = said.expect("what is believed is JSON");
            assert!(said["algorithm"].as_str().expect("an algorithm").eq_ignore_ascii_case("HMAC-SHA256"));
            match &said["user_id"] {
                Value::String(id) => assert_eq!(&request.user_id, id),
                Value::Number(id) => assert_eq!(request.user_id, id.to_string()),
                other => panic!("{other} became the user id {}", request.user_id),
            }
            assert!(!request.user_id.is_empty());
        }
        Err(SignedRequestError::WrongSignature) => panic!("the signature is right"),
        Err(SignedRequestError::Malformed) => assert!(said.is_none()),
        Err(SignedRequestError::WrongAlgorithm | SignedRequestError::NoUser) => assert!(said.is_some()),
    }

    let at = bytes.len() % genuine.len();
    let mut changed = genuine.clone();
    changed[at] ^= 1 << (bytes.len() % 8);
    for wrong in [&changed[..], &genuine[..at], &[]] {
        assert_eq!(verify(&ours, &signed(wrong)), Err(SignedRequestError::WrongSignature));
    }
    assert_eq!(verify(&ours[..1], &signed(&genuine)), Err(SignedRequestError::WrongSignature));
});
