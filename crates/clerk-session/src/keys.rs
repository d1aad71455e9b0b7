//! The keys that session tokens are signed with, parsed once.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents, RsaSubjectPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::json;

/// More keys than fit into the longest answer that is read (256 KiB): a key that is listed must not
/// be called unknown. The rest of a longer list is skipped.
const MAX_KEYS: usize = 1024;

/// A set of RSA keys. Cheap to share, costly to make: keys are parsed here and never on the request
/// path.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
    pinned: bool,
}

pub(crate) struct Key {
    kid: Option<String>,
    /// `RSAPublicKey` in DER, to compare sets.
    der: Vec<u8>,
    bits: u32,
    parsed: ParsedPublicKey,
}

/// A JWKS document as far as it is usable.
#[derive(Debug)]
#[non_exhaustive]
pub struct JwksDocument {
    /// The usable keys.
    pub keys: KeySet,
    /// The others, and why.
    pub skipped: Vec<SkippedKey>,
}

/// A key of a JWKS document that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedKey {
    /// Its `kid`, where it has one.
    pub kid: Option<String>,
    /// Why.
    pub reason: SkipReason,
}

/// Why a key is not used. One odd key never fails the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// Not a JSON object.
    #[error("it is not an object")]
    NotAnObject,
    /// `kty` is not RSA.
    #[error("it is not an RSA key")]
    NotRsa,
    /// `use` is not `sig`, `key_ops` lacks `verify`, or `alg` is not RS256.
    #[error("it is not for checking RS256 signatures")]
    OtherUse,
    /// It has private or symmetric members: a published secret is not trusted.
    #[error("it carries private members")]
    Private,
    /// No `kid`.
    #[error("it has no kid")]
    NoKid,
    /// `n` or `e` is missing or not base64url.
    #[error("its modulus or exponent cannot be read")]
    Unreadable,
    /// Fewer than 2048 or more than 8192 bits, an exponent below 65537, or otherwise refused by the
    /// cryptographic library.
    #[error("it is too weak, or not one that can be used")]
    Weak,
    /// Too many keys before it.
    #[error("there are too many keys")]
    TooMany,
}

/// A document that is not a JWKS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksError {
    /// Not a JSON object.
    #[error("the answer is not a JSON Web Key Set: {0}")]
    NotJson(String),
    /// No `keys` array.
    #[error("the answer has no `keys` array")]
    NoKeys,
    /// No usable key.
    #[error("the answer holds no usable RSA key ({skipped} skipped)")]
    NoUsableKey {
        /// How many were skipped.
        skipped: usize,
    },
}

/// A text that is not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PemError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A private key or a certificate.
    #[error(
        "it is a {0}, not a public key; copy `JWKS Public Key` from the API keys page of the Clerk dashboard"
    )]
    OtherKind(&'static str),
    /// A BEGIN line and nothing behind it.
    #[error(
        "only its first line is there: whatever read it ended the value at the line break; write the key in one \
         line with \\n for each line break"
    )]
    FirstLineOnly,
    /// Not base64.
    #[error("it is not base64 between the BEGIN and END lines; line breaks may also be written as \\n")]
    NotBase64,
    /// Not an RSA public key of 2048 to 8192 bits.
    #[error("it is not an RSA public key of 2048 to 8192 bits (SPKI or PKCS#1)")]
    NotRsa,
}

impl KeySet {
    /// Reads a JWKS document (RFC 7517 §5), key by key.
    pub fn from_jwks(document: &[u8]) -> Result<JwksDocument, JwksError> {
        let document = json::text(document.to_vec())
            .and_then(|text| json::object_with_odd_entries(&text))
            .map_err(|error| JwksError::NotJson(error.to_string()))?;
        let Some(Value::Array(listed)) = document.get("keys") else { return Err(JwksError::NoKeys) };
        let mut keys = Self::default();
        let mut skipped = Vec::new();
        for (position, jwk) in listed.iter().enumerate() {
            let read = if position < MAX_KEYS { read_jwk(jwk) } else { Err(SkipReason::TooMany) };
            match read {
                Ok(key) => keys.keys.push(key),
                Err(reason) => {
                    let kid = jwk.get("kid").and_then(Value::as_str).map(str::to_owned);
                    skipped.push(SkippedKey { kid, reason });
                }
            }
        }
        if keys.keys.is_empty() {
            return Err(JwksError::NoUsableKey { skipped: skipped.len() });
        }
        Ok(JwksDocument { keys, skipped })
    }

    /// Reads pinned public keys, one or several PEM blocks: SPKI or PKCS#1, with or without BEGIN
    /// and END lines, with line breaks, with `\n` in their place as environment files have it, or
    /// the whole PEM as base64. Their `kid` is not known, so a token's `kid` is not compared: the
    /// signature decides.
    pub fn from_pem(text: &str) -> Result<Self, PemError> {
        let keys: Vec<Key> = pem_to_ders(text)?
            .iter()
            .map(|der| Key::parse(None, der).ok_or(PemError::NotRsa))
            .collect::<Result<_, _>>()?;
        if keys.len() > MAX_KEYS {
            return Err(PemError::NotRsa);
        }
        Ok(Self { keys, pinned: true })
    }

    /// The keys that may have signed a token with this `kid`. An instance that names two keys alike
    /// is in the middle of replacing one: both count.
    pub(crate) fn candidates(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        let pinned = self.pinned;
        self.keys.iter().filter(move |key| pinned || (kid.is_some() && key.kid.as_deref() == kid))
    }

    /// Whether this is one pinned key.
    pub fn is_pinned(&self) -> bool {
        self.pinned
    }

    /// The key ids, for the operator.
    pub fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|key| key.kid.as_deref())
    }

    /// Whether all keys have the same `kid`.
    pub(crate) fn have_one_kid(&self) -> bool {
        self.keys.windows(2).all(|pair| pair[0].kid == pair[1].kid)
    }

    /// Whether a key of this set is in the other as well, whatever their ids: two sources that
    /// share one belong to one instance.
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.iter().any(|another| key.der == another.der))
    }

    /// Whether both sets hold the same key material under the same ids.
    pub fn same_keys(&self, other: &Self) -> bool {
        let identity = |set: &Self| {
            let mut all: Vec<_> = set.keys.iter().map(|key| (key.kid.clone(), key.der.clone())).collect();
            all.sort();
            all
        };
        self.pinned == other.pinned && identity(self) == identity(other)
    }
}

impl Key {
    /// From SPKI or PKCS#1. `None` where the library refuses the key, or where it is shorter or
    /// longer than we use: the library looks at the size only with each signature, but a key that
    /// can never serve is better refused when it is loaded.
    fn parse(kid: Option<String>, der: &[u8]) -> Option<Self> {
        let algorithm = &RSA_PKCS1_2048_8192_SHA256;
        let der = RsaSubjectPublicKey::from_der(der).ok()?.as_ref().to_vec();
        let bits = RsaParameters::public_modulus_len(&der).ok()?;
        if !(algorithm.min_modulus_len()..=algorithm.max_modulus_len()).contains(&bits) {
            return None;
        }
        let parsed = ParsedPublicKey::new(algorithm, &der).ok()?;
        Some(Self { kid, der, bits, parsed })
    }

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.2).
    pub(crate) fn signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }

    /// Length of its signatures, in bytes.
    pub(crate) fn signature_length(&self) -> usize {
        self.bits.div_ceil(8) as usize
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("kids", &self.kids().collect::<Vec<_>>())
            .field("pinned", &self.pinned)
            .finish_non_exhaustive()
    }
}

fn read_jwk(jwk: &Value) -> Result<Key, SkipReason> {
    let jwk = jwk.as_object().ok_or(SkipReason::NotAnObject)?;
    if jwk.get("kty").and_then(Value::as_str) != Some("RSA") {
        return Err(SkipReason::NotRsa);
    }
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| jwk.contains_key(*member)) {
        return Err(SkipReason::Private);
    }
    let is =
        |member: &str, expected: &str| jwk.get(member).is_none_or(|value| value.as_str() == Some(expected));
    let verifies = jwk.get("key_ops").is_none_or(|ops| {
        ops.as_array().is_some_and(|ops| ops.iter().any(|op| op.as_str() == Some("verify")))
    });
    if !is("use", "sig") || !is("alg", "RS256") || !verifies {
        return Err(SkipReason::OtherUse);
    }
    let kid = jwk.get("kid").and_then(Value::as_str).ok_or(SkipReason::NoKid)?;
    let number = |member: &str| {
        let text = jwk.get(member).and_then(Value::as_str)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect::<Vec<u8>>())
    };
    let n = number("n").ok_or(SkipReason::Unreadable)?;
    let e = number("e").ok_or(SkipReason::Unreadable)?;
    // With e = 3 a sloppy signer is forgeable; Clerk has always used 65537.
    if e.len() < 3 || e.len() == 3 && e.as_slice() < [1, 0, 1].as_slice() {
        return Err(SkipReason::Weak);
    }
    let components = RsaPublicKeyComponents { n, e };
    let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&components).map_err(|_| SkipReason::Weak)?;
    Key::parse(Some(kid.to_owned()), der.as_ref()).ok_or(SkipReason::Weak)
}

fn pem_to_ders(text: &str) -> Result<Vec<Vec<u8>>, PemError> {
    // An environment file escapes line breaks; a second tool may have escaped the backslash.
    let text = text.replace("\\\\n", "\\n").replace("\\n", "\n").replace("\\r", "");
    let text = text.trim().trim_matches(['"', '\'']).trim();
    if text.is_empty() {
        return Err(PemError::Empty);
    }
    if !text.contains("-----")
        && let Some(inner) = decode_lines(text).and_then(|bytes| String::from_utf8(bytes).ok())
        && inner.contains("-----BEGIN")
    {
        return pem_to_ders(&inner);
    }
    for (mark, kind) in [("PRIVATE KEY-----", "private key"), ("CERTIFICATE-----", "certificate")] {
        if text.contains(mark) {
            return Err(PemError::OtherKind(kind));
        }
    }
    if !text.contains("-----BEGIN") {
        return Ok(vec![decode_lines(text).ok_or(PemError::NotBase64)?]);
    }
    text.split("-----BEGIN").skip(1).map(block_to_der).collect()
}

/// `block` is what follows a `-----BEGIN`.
fn block_to_der(block: &str) -> Result<Vec<u8>, PemError> {
    let rest = block.split_once("-----").ok_or(PemError::NotBase64)?.1;
    if rest.trim().is_empty() {
        return Err(PemError::FirstLineOnly);
    }
    let body = rest.split_once("-----END").map_or(rest, |(body, _)| body);
    decode_lines(body).ok_or(PemError::NotBase64)
}

fn decode_lines(text: &str) -> Option<Vec<u8>> {
    let joined: String = text.split_whitespace().collect();
    STANDARD.decode(&joined).or_else(|_| STANDARD_NO_PAD.decode(&joined)).ok()
}
