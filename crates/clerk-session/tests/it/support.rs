//! A signer of session tokens for the tests. Its keys are made anew for each run and serve nothing
//! else.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use clerk_session::{Explanation, KeySet, OriginPattern, Policy, Verdict, VerdictWord, Verifier, explain};
use serde_json::{Value, json};

/// The instant of judgement, unix seconds. `compare/` sets it to the present, for verifiers that
/// read the system's clock.
pub const NOW_S: i64 = match option_env!("CORPUS_NOW_S") {
    Some(digits) => number(digits),
    None => 1_800_000_000,
};
/// The same in milliseconds.
pub const NOW: i64 = NOW_S * 1000;
pub const KID: &str = "ins_2GIoQhbUpy0hX7B2cVkuTMinXoD";
pub const ISSUER: &str = "https://clerk.example.com";
pub const APP: &str = "https://app.example.com";

const fn number(digits: &str) -> i64 {
    let (mut number, mut at) = (0, 0);
    while at < digits.len() {
        number = number * 10 + (digits.as_bytes()[at] - b'0') as i64;
        at += 1;
    }
    number
}

pub struct Signer {
    pub pair: RsaKeyPair,
}

impl Signer {
    pub fn new() -> Self {
        Self { pair: RsaKeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    pub fn sign_with(&self, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// A token of these very bytes.
    pub fn token(&self, header: &[u8], payload: &[u8]) -> String {
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature = self.sign_with(&RSA_PKCS1_SHA256, signed.as_bytes());
        format!("{signed}.{}", encode(&signature))
    }

    /// Modulus and exponent, big-endian.
    pub fn components(&self) -> (Vec<u8>, Vec<u8>) {
        let der = self.pair.public_key().as_ref();
        // RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER }
        let (_, content) = read_der(der);
        let (modulus, rest) = split_der(content);
        let (exponent, _) = split_der(rest);
        (without_leading_zeros(modulus), without_leading_zeros(exponent))
    }

    pub fn jwk(&self, kid: &str) -> Value {
        let (n, e) = self.components();
        json!({"use": "sig", "kty": "RSA", "kid": kid, "alg": "RS256", "n": encode(&n), "e": encode(&e)})
    }

    pub fn spki_pem(&self) -> String {
        let (n, e) = self.components();
        pem("PUBLIC KEY", &spki(n, e))
    }

    pub fn pkcs1_pem(&self) -> String {
        pem("RSA PUBLIC KEY", self.pair.public_key().as_ref())
    }
}

pub fn spki(n: Vec<u8>, e: Vec<u8>) -> Vec<u8> {
    let components = RsaPublicKeyComponents { n, e };
    AsDer::<PublicKeyX509Der<'_>>::as_der(&components).unwrap().as_ref().to_vec()
}

pub fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// Length and content of the DER value that `bytes` begin with.
fn read_der(bytes: &[u8]) -> (usize, &[u8]) {
    let (head, length) = match bytes[1] {
        short @ 0..=0x7f => (2, usize::from(short)),
        0x81 => (3, usize::from(bytes[2])),
        _ => (4, usize::from(bytes[2]) << 8 | usize::from(bytes[3])),
    };
    (head + length, &bytes[head..head + length])
}

fn split_der(bytes: &[u8]) -> (&[u8], &[u8]) {
    let (whole, content) = read_der(bytes);
    (content, &bytes[whole..])
}

fn without_leading_zeros(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().skip_while(|byte| *byte == 0).collect()
}

pub fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The instance's key.
pub static OURS: LazyLock<Signer> = LazyLock::new(Signer::new);
/// A key that is not the instance's.
pub static FOREIGN: LazyLock<Signer> = LazyLock::new(Signer::new);

pub fn jwks(keys: &[Value]) -> Vec<u8> {
    serde_json::to_vec(&json!({ "keys": keys })).unwrap()
}

/// The instance's JWKS, loaded.
pub fn keys() -> KeySet {
    KeySet::from_jwks(&jwks(&[OURS.jwk(KID)])).unwrap().keys
}

pub fn pinned() -> KeySet {
    KeySet::from_pem(&OURS.spki_pem()).unwrap()
}

pub fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.issuers = vec![ISSUER.to_owned()];
    policy.authorized_parties = vec![OriginPattern::parse(APP).unwrap()];
    policy
}

/// [`policy`] with a change.
pub fn with(change: impl FnOnce(&mut Policy)) -> Policy {
    let mut policy = policy();
    change(&mut policy);
    policy
}

pub fn header() -> Value {
    json!({"alg": "RS256", "typ": "JWT", "kid": KID, "cat": "cl_B7d4PD111AAA"})
}

pub fn payload() -> Value {
    json!({
        "iss": ISSUER, "sub": "user_2abc", "sid": "sess_2def", "azp": APP, "v": 2, "jti": "a1b2",
        "iat": NOW_S - 10, "nbf": NOW_S - 20, "exp": NOW_S + 50, "fva": [3, -1], "sts": "active",
    })
}

/// A token of ours with a changed header and payload. A member set to `REMOVED` is taken out.
pub fn mint(header_changes: Value, payload_changes: Value) -> String {
    mint_by(&OURS, header_changes, payload_changes)
}

pub fn mint_by(signer: &Signer, header_changes: Value, payload_changes: Value) -> String {
    let header = changed(header(), header_changes);
    let payload = changed(payload(), payload_changes);
    signer.token(header.to_string().as_bytes(), payload.to_string().as_bytes())
}

pub const REMOVED: &str = "\u{0}removed";

fn changed(mut base: Value, changes: Value) -> Value {
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes {
        if value == REMOVED {
            members.remove(&name);
        } else {
            members.insert(name, value);
        }
    }
    base
}

/// `accepted`, `session-pending` is accepted here, or the code of the refusal. Checks on the way
/// that the explanation says the same and never holds the token.
pub fn verdict(policy: Policy, keys: &KeySet, token: &str, now_ms: i64) -> String {
    let verifier = Verifier::new(policy);
    let told = explain(&verifier, token, Ok(keys), now_ms);
    let found = match verifier.verify(token, keys, now_ms) {
        Verdict::Accepted(_) => "accepted".to_owned(),
        Verdict::Refused(refusal) => refusal.code.as_str().to_owned(),
        Verdict::CannotJudge(_) => unreachable!("keys are at hand"),
    };
    match told.verdict {
        VerdictWord::Accepted => assert_eq!(found, "accepted"),
        VerdictWord::Refused if told.code == Some("session-pending") => assert_eq!(found, "accepted"),
        VerdictWord::Refused => assert_eq!(Some(found.as_str()), told.code),
        VerdictWord::CannotJudge => unreachable!("keys are at hand"),
    }
    assert_never_told(&told, token);
    found
}

/// Neither the token nor a long piece of it stands in the explanation.
pub fn assert_never_told(told: &Explanation, token: &str) {
    let text = serde_json::to_string(told).unwrap();
    for piece in token.split('.').filter(|piece| piece.len() >= 40) {
        assert!(!text.contains(piece), "the explanation holds a part of the token: {text}");
    }
}
