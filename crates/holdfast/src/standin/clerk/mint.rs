//! Making tokens: the genuine kind exactly as Clerk makes them, and any other kind byte by byte.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RsaEncoding};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use super::StandinError;
use super::keys::SigningKey;

/// `cat` of a session token.
pub const SESSION_CATEGORY: &str = "cl_B7d4PD111AAA";
/// `cat` of a token from a JWT template.
pub const TEMPLATE_CATEGORY: &str = "cl_B7d4PD222AAA";
/// `cat` of a machine-to-machine token.
pub const MACHINE_CATEGORY: &str = "cl_B7d4PD333AAA";
/// `cat` that tells verifiers to make nothing of the category.
pub const IGNORED_CATEGORY: &str = "cl_I7d4PD111III";

/// Seconds that a session token lives.
pub const LIFETIME_SECONDS: i64 = 60;
/// Seconds by which `nbf` lies before `iat`.
pub const NOT_BEFORE_SECONDS: i64 = 10;

/// Everything that goes into a token.
#[derive(Debug, Clone, Copy)]
pub struct Mint<'a> {
    /// The key in the JWKS.
    pub key: &'a SigningKey,
    /// A key that is in no JWKS.
    pub foreign: &'a SigningKey,
    /// `iss`.
    pub issuer: &'a str,
    /// `azp`; Clerk takes it from the `Origin` header of the request, and leaves it out without
    /// one.
    pub azp: Option<&'a str>,
    /// `sub`.
    pub user_id: &'a str,
    /// `sid`.
    pub session_id: &'a str,
    /// `jti`.
    pub token_id: &'a str,
    /// `iat`, in unix seconds.
    pub now: i64,
}

impl Mint<'_> {
    /// The header of a session token.
    pub fn header(&self) -> Map<String, Value> {
        object(json!({"alg": "RS256", "cat": SESSION_CATEGORY, "kid": self.key.kid(), "typ": "JWT"}))
    }

    /// The claims of a session token, version 2, without an organization.
    pub fn claims(&self) -> Map<String, Value> {
        let mut claims = object(json!({
            "exp": self.now + LIFETIME_SECONDS, "fva": [0, -1], "iat": self.now, "iss": self.issuer,
            "jti": self.token_id, "nbf": self.now - NOT_BEFORE_SECONDS, "sid": self.session_id,
            "sts": "active", "sub": self.user_id, "v": 2,
        }));
        if let Some(azp) = self.azp {
            claims.insert("azp".to_owned(), azp.into());
        }
        claims
    }

    /// A session token.
    pub fn session_token(&self) -> Result<String, StandinError> {
        self.sign(&self.header(), &self.claims())
    }

    /// A session token with its claims changed.
    pub fn with_claims(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<String, StandinError> {
        let mut claims = self.claims();
        change(&mut claims);
        self.sign(&self.header(), &claims)
    }

    /// A session token with one claim set.
    pub fn with_claim(&self, name: &str, value: impl Into<Value>) -> Result<String, StandinError> {
        self.with_claims(|claims| drop(claims.insert(name.to_owned(), value.into())))
    }

    /// A session token without one claim.
    pub fn without_claim(&self, name: &str) -> Result<String, StandinError> {
        self.with_claims(|claims| drop(claims.remove(name)))
    }

    /// A session token with one header parameter set.
    pub fn with_header(&self, name: &str, value: impl Into<Value>) -> Result<String, StandinError> {
        let mut header = self.header();
        header.insert(name.to_owned(), value.into());
        self.sign(&header, &self.claims())
    }

    /// A session token without one header parameter.
    pub fn without_header(&self, name: &str) -> Result<String, StandinError> {
        let mut header = self.header();
        header.remove(name);
        self.sign(&header, &self.claims())
    }

    /// Any header and claims, signed RS256 by the genuine key.
    pub fn sign(
        &self,
        header: &Map<String, Value>,
        claims: &Map<String, Value>,
    ) -> Result<String, StandinError> {
        self.sign_bytes(&bytes(header)?, &bytes(claims)?)
    }

    /// Any bytes for header and payload, signed RS256 by the genuine key.
    pub fn sign_bytes(&self, header: &[u8], payload: &[u8]) -> Result<String, StandinError> {
        self.sign_parts(&URL_SAFE_NO_PAD.encode(header), &URL_SAFE_NO_PAD.encode(payload))
    }

    /// Any encoded parts, signed RS256 by the genuine key.
    pub fn sign_parts(&self, header: &str, payload: &str) -> Result<String, StandinError> {
        let message = format!("{header}.{payload}");
        let signature = self.key.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A session token that names `alg` and is signed so with the genuine key.
    pub fn signed_as(&self, alg: &str, scheme: &'static dyn RsaEncoding) -> Result<String, StandinError> {
        let message = self.message_naming(alg)?;
        let signature = self.key.sign_as(scheme, message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A session token signed by the key that is in no JWKS, under the genuine `kid`.
    pub fn forged(&self, change: impl FnOnce(&mut Map<String, Value>)) -> Result<String, StandinError> {
        let mut claims = self.claims();
        change(&mut claims);
        let message = message(&self.header(), &claims)?;
        let signature = self.foreign.sign(message.as_bytes())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A token that names `alg` and carries an HMAC keyed with the public key's PEM: the classic
    /// confusion.
    pub fn hmac_with_public_key(&self, alg: &str) -> Result<String, StandinError> {
        let message = self.message_naming(alg)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.key.pem()?.as_bytes());
        let tag = hmac::sign(&key, message.as_bytes());
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }

    /// A token that names ES256 and is signed so, by a key of its own.
    pub fn signed_es256(&self) -> Result<String, StandinError> {
        let message = self.message_naming("ES256")?;
        let pair =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_| StandinError::Crypto)?;
        let signature =
            pair.sign(&SystemRandom::new(), message.as_bytes()).map_err(|_| StandinError::Crypto)?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A token that names `alg` and carries `signature` as it stands.
    pub fn unsigned(&self, alg: &str, signature: &str) -> Result<String, StandinError> {
        Ok(format!("{}.{signature}", self.message_naming(alg)?))
    }

    fn message_naming(&self, alg: &str) -> Result<String, StandinError> {
        let mut header = self.header();
        header.insert("alg".to_owned(), alg.into());
        message(&header, &self.claims())
    }
}

/// What the signature of that header and those claims covers.
pub(super) fn message(
    header: &Map<String, Value>,
    claims: &Map<String, Value>,
) -> Result<String, StandinError> {
    Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(bytes(header)?), URL_SAFE_NO_PAD.encode(bytes(claims)?)))
}

pub(super) fn bytes(object: &Map<String, Value>) -> Result<Vec<u8>, StandinError> {
    serde_json::to_vec(object).map_err(|_| StandinError::Json)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
