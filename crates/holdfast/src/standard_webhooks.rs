//! The signature scheme of Standard Webhooks (<https://www.standardwebhooks.com/>): HMAC-SHA-256
//! over `id.timestamp.body`. Svix, and so Clerk, uses it under header names of its own
//! (<https://docs.svix.com/receiving/verifying-payloads/how-manual>).

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// More signatures than this in one header are not looked at; a rotation needs two.
const MAX_SIGNATURES: usize = 16;

/// The bytes of a `whsec_…` secret.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// `None` where the secret is not `whsec_` followed by base64 of at least one byte.
    pub fn parse(secret: &str) -> Option<Self> {
        let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok().filter(|bytes| !bytes.is_empty())?;
        Some(Self(Zeroizing::new(bytes)))
    }

    /// The secret itself.
    pub fn expose_bytes(&self) -> &[u8] {
        &self.0
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }

    /// The value of the signature header: `v1,` and base64. `timestamp` is in unix seconds.
    pub fn sign(&self, id: &str, timestamp: &str, body: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(hmac::sign(&self.key(), &signed_content(id, timestamp, body))))
    }
}

/// Whether one of the signatures of a header, separated by spaces, fits one of `keys`.
pub fn is_signed(keys: &[SigningKey], signatures: &str, id: &str, timestamp: &str, body: &[u8]) -> bool {
    let content = signed_content(id, timestamp, body);
    signatures
        .split(' ')
        .take(MAX_SIGNATURES)
        .filter_map(|each| each.strip_prefix("v1,"))
        .filter_map(|each| STANDARD.decode(each).ok())
        // `hmac::verify` compares in constant time.
        .any(|tag| keys.iter().any(|key| hmac::verify(&key.key(), &content, &tag).is_ok()))
}

fn signed_content(id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat()
}
