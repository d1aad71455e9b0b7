//! A signer and the tokens that tests vary.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clerk_session::{KeySet, OriginPattern, Policy, Verdict, Verifier};
use serde_json::{Value, json};

pub const KID: &str = "ins_2GIoQhbUpy0hX7B2cVkuTMinXoD";
pub const ISSUER: &str = "https://clerk.example.com";
pub const APP: &str = "https://app.example.com";
/// Unix seconds at which the tests take place.
pub const NOW: i64 = 1_790_000_000;

/// Made anew for each run: no private key is kept in the repository.
pub static KEY: LazyLock<RsaKeyPair> = LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());
pub static OTHER_KEY: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::generate(KeySize::Rsa2048).unwrap());

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn jwk(kid: &str, key: &RsaKeyPair) -> Value {
    // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
    let (sequence, _) = der_value(key.public_key().as_ref());
    let (modulus, rest) = der_value(sequence);
    let (exponent, _) = der_value(rest);
    let digits = |integer: &[u8]| b64(&integer[usize::from(integer[0] == 0)..]);
    json!({"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": digits(modulus), "e": digits(exponent)})
}

/// The content of the first DER value, and what follows it.
fn der_value(der: &[u8]) -> (&[u8], &[u8]) {
    let (start, length) = match der[1] {
        short @ 0..=127 => (2, usize::from(short)),
        long => {
            let digits = usize::from(long & 0x7f);
            (2 + digits, der[2..2 + digits].iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
        }
    };
    (&der[start..start + length], &der[start + length..])
}

pub fn jwks(keys: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({"keys": keys})).unwrap()
}

pub fn keys() -> KeySet {
    KeySet::from_jwks(&jwks(&[jwk(KID, &KEY)])).unwrap().keys
}

pub fn pem(key: &RsaKeyPair) -> String {
    let der = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
    armored("PUBLIC KEY", der.as_ref())
}

pub fn pkcs1_pem(key: &RsaKeyPair) -> String {
    armored("RSA PUBLIC KEY", key.public_key().as_ref())
}

fn armored(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<_> = body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

pub fn header() -> Value {
    json!({"alg": "RS256", "kid": KID, "typ": "JWT", "cat": "cl_B7d4PD111AAA"})
}

pub fn payload() -> Value {
    json!({"azp": APP, "exp": NOW + 50, "iat": NOW - 10, "iss": ISSUER, "jti": "f1b4", "nbf": NOW - 20,
           "sid": "sess_2abc", "sub": "user_2abc", "v": 2, "fva": [4, -1], "sts": "active"})
}

pub fn sign_bytes(header: &[u8], payload: &[u8], key: &RsaKeyPair) -> String {
    let signed = format!("{}.{}", b64(header), b64(payload));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", b64(signature))
}

pub fn sign(header: &Value, payload: &Value) -> String {
    sign_bytes(header.to_string().as_bytes(), payload.to_string().as_bytes(), &KEY)
}

/// A good token with some members of its payload replaced; `null` here removes one.
pub fn with(changes: Value) -> String {
    sign(&header(), &changed(payload(), changes))
}

/// The same for its header.
pub fn with_header(changes: Value) -> String {
    sign(&changed(header(), changes), &payload())
}

fn changed(mut base: Value, changes: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

pub fn policy() -> Policy {
    Policy {
        issuers: vec![ISSUER.to_owned()],
        authorized_parties: vec![OriginPattern::parse(APP).unwrap()],
        ..Policy::default()
    }
}

pub fn verify_at(token: &str, now_ms: i64) -> Verdict {
    Verifier::new(policy()).verify(token, &keys(), now_ms)
}

/// `accepted`, or the code.
pub fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Accepted(_) => "accepted",
        Verdict::Refused(refusal) => refusal.code.as_str(),
        Verdict::CannotJudge(cannot) => cannot.reason.as_str(),
    }
}

pub fn judged(token: &str) -> &'static str {
    word(&verify_at(token, NOW * 1000))
}
