//! RSA keys that sign session tokens.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{KeyPair, RSA_PKCS1_SHA256, RsaEncoding, RsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::StandinError;

/// An RSA key pair under a `kid`.
pub struct SigningKey {
    kid: String,
    pair: RsaKeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// A new RSA-2048 key. Its bytes come from the crypto library, which takes no other source.
    pub fn generate(kid: impl Into<String>) -> Result<Self, StandinError> {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| StandinError::Crypto)?;
        Ok(Self { kid: kid.into(), pair })
    }

    /// The key's name; Clerk uses the instance id, `ins_…`.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// An RS256 signature.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, StandinError> {
        self.sign_as(&RSA_PKCS1_SHA256, message)
    }

    /// A signature by another RSA scheme.
    pub fn sign_as(&self, scheme: &'static dyn RsaEncoding, message: &[u8]) -> Result<Vec<u8>, StandinError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(scheme, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| StandinError::Crypto)?;
        Ok(signature)
    }

    /// The public key as Clerk's JWKS shows it (RFC 7517).
    pub fn jwk(&self) -> Value {
        let (modulus, exponent) = parts(self.pair.public_key().as_ref()).unwrap_or_default();
        json!({
            "use": "sig", "kty": "RSA", "alg": "RS256", "kid": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
        })
    }

    /// The public key as Clerk's dashboard shows it, for `CLERK_JWT_KEY`: SPKI in PEM armour.
    pub fn pem(&self) -> Result<String, StandinError> {
        let der = self.pair.public_key().as_der().map_err(|_| StandinError::Crypto)?;
        let encoded = STANDARD.encode(der.as_ref());
        let mut pem = String::from("-----BEGIN PUBLIC KEY-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, tail) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = tail;
        }
        pem.push_str("-----END PUBLIC KEY-----\n");
        Ok(pem)
    }
}

/// Modulus and exponent of a 2048-bit key's `RSAPublicKey` (RFC 8017, A.1.1): a sequence of two
/// integers. The first is 256 bytes behind a zero byte, since its highest bit is set.
fn parts(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let integers = der.strip_prefix(&[0x30, 0x82, 0x01, 0x0a, 0x02, 0x82, 0x01, 0x01, 0x00])?;
    let (modulus, rest) = integers.split_at_checked(256)?;
    Some((modulus, rest.strip_prefix(&[0x02, 0x03])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jwk_is_that_of_a_2048_bit_key_with_the_usual_exponent() {
        let jwk = SigningKey::generate("ins_1").unwrap().jwk();
        assert_eq!(jwk["e"], "AQAB");
        let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
        assert_eq!((modulus.len(), modulus[0] >> 7, modulus[255] & 1), (256, 1, 1));
    }
}
