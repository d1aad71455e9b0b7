use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::RsaKeyPair;
use clerk_session::{JwksError, KeySet, PemError, SkipReason, Verifier};
use serde_json::json;

use crate::support::*;

fn accepts(keys: &KeySet) -> bool {
    word(&Verifier::new(policy()).verify(&with(json!({})), keys, NOW * 1000)) == "accepted"
}

#[test]
fn every_common_spelling_of_a_pem_is_understood() {
    use base64::Engine;
    let (spki, pkcs1) = (pem(&KEY), pkcs1_pem(&KEY));
    let body: String = spki.lines().filter(|line| !line.starts_with("-----")).collect();
    let as_base64 = base64::engine::general_purpose::STANDARD.encode(&spki);
    for text in [
        spki.clone(),
        pkcs1,
        spki.replace('\n', "\\n"),
        spki.replace('\n', "\r\n"),
        format!("\"{}\"", spki.replace('\n', "\\n")),
        spki.replace('\n', " "),
        body,
        as_base64,
    ] {
        assert!(
            accepts(&KeySet::from_pem(&text).unwrap_or_else(|error| panic!("{error}: {text}"))),
            "{text}"
        );
    }
}

#[test]
fn a_4096_bit_key_serves() {
    let big = RsaKeyPair::generate(KeySize::Rsa4096).unwrap();
    let token = sign_bytes(header().to_string().as_bytes(), payload().to_string().as_bytes(), &big);
    let keys = KeySet::from_pem(&pem(&big)).unwrap();
    assert_eq!(word(&Verifier::new(policy()).verify(&token, &keys, NOW * 1000)), "accepted");
}

#[test]
fn what_is_no_public_key_is_named() {
    assert_eq!(KeySet::from_pem(" ").unwrap_err(), PemError::Empty);
    assert_eq!(KeySet::from_pem("%%%").unwrap_err(), PemError::NotBase64);
    assert_eq!(KeySet::from_pem("AAAA").unwrap_err(), PemError::NotRsa);
    let private = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----";
    assert_eq!(KeySet::from_pem(private).unwrap_err(), PemError::OtherKind("private key"));
}

#[test]
fn one_odd_key_does_not_fail_the_set() {
    let good = jwk(KID, &KEY);
    let odd = |changes: serde_json::Value| {
        let mut key = jwk("odd", &OTHER_KEY);
        for (name, value) in changes.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    };
    for (key, reason) in [
        (json!("x"), SkipReason::NotAnObject),
        (json!({"kty": "EC", "kid": "ec", "crv": "P-256"}), SkipReason::NotRsa),
        (json!({"kty": "OKP", "kid": "ed"}), SkipReason::NotRsa),
        (json!({"kty": "oct", "kid": "hmac", "k": "AAAA"}), SkipReason::NotRsa),
        (odd(json!({"d": "AQAB"})), SkipReason::Private),
        (odd(json!({"use": "enc"})), SkipReason::OtherUse),
        (odd(json!({"alg": "RS512"})), SkipReason::OtherUse),
        (odd(json!({"key_ops": ["sign"]})), SkipReason::OtherUse),
        (odd(json!({"kid": 7})), SkipReason::NoKid),
        (odd(json!({"n": "%"})), SkipReason::Unreadable),
        (odd(json!({"e": null})), SkipReason::Unreadable),
        (odd(json!({"e": "Aw"})), SkipReason::Weak),
        (odd(json!({"n": "AQAB"})), SkipReason::Weak),
    ] {
        let document = KeySet::from_jwks(&jwks(&[key.clone(), good.clone()])).unwrap();
        assert!(accepts(&document.keys), "{key}");
        assert_eq!(document.skipped.iter().map(|each| each.reason).collect::<Vec<_>>(), [reason], "{key}");
    }
}

#[test]
fn two_keys_of_one_name_both_count() {
    let both = KeySet::from_jwks(&jwks(&[jwk(KID, &OTHER_KEY), jwk(KID, &KEY)])).unwrap().keys;
    assert!(accepts(&both));
}

#[test]
fn a_document_without_usable_keys_is_an_error() {
    assert!(matches!(KeySet::from_jwks(b"<html>"), Err(JwksError::NotJson(_))));
    assert!(matches!(KeySet::from_jwks(b"{}"), Err(JwksError::NoKeys)));
    assert!(matches!(KeySet::from_jwks(br#"{"keys":[]}"#), Err(JwksError::NoUsableKey { skipped: 0 })));
    let many: Vec<_> = (0..100).map(|n| jwk(&format!("k{n}"), &KEY)).collect();
    let document = KeySet::from_jwks(&jwks(&many)).unwrap();
    assert_eq!(document.skipped.len(), 36);
}
