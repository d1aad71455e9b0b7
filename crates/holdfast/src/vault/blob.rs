//! The blob format.
//!
//! ```text
//! version (1 byte, 0x01) | length of key id (1 byte, 1..=64) | key id | nonce (24 bytes) | ciphertext and tag (16 bytes)
//! ```
//!
//! XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): its nonce is long enough that random ones never
//! repeat.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::{Location, VaultError};
use crate::entropy::{self, Entropy};

/// The only format so far.
const FORMAT: u8 = 1;
const NONCE: usize = 24;
const TAG: usize = 16;
/// Longest key id, in bytes.
pub(super) const MAX_KEY_ID: usize = 64;

/// 32 key bytes, zeroed when dropped. No `Debug`, no `Clone`.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// Seals `plaintext` for `location`. `key_id` has 1 to 64 bytes.
pub(super) fn seal(
    entropy: &dyn Entropy,
    key: &KeyBytes,
    key_id: &str,
    location: &Location<'_>,
    plaintext: &[u8],
) -> Result<Vec<u8>, VaultError> {
    let length = u8::try_from(key_id.len()).map_err(|_| VaultError::Malformed)?;
    let nonce = entropy::random::<NONCE>(entropy)?;
    let mut blob = Vec::with_capacity(2 + key_id.len() + NONCE + plaintext.len() + TAG);
    blob.extend_from_slice(&[FORMAT, length]);
    blob.extend_from_slice(key_id.as_bytes());
    let aad = location.authenticated(&blob);
    let sealed = encrypt(key, &nonce, &aad, plaintext).ok_or(VaultError::Malformed)?;
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(&sealed);
    Ok(blob)
}

/// The id of the key that sealed `blob`. Not authenticated until it opens.
pub(super) fn key_id(blob: &[u8]) -> Result<&str, VaultError> {
    parse(blob).map(|parts| parts.key_id)
}

/// Opens `blob` with the key of that id, if it was sealed for `location`.
pub(super) fn open(
    key: &KeyBytes,
    id: &str,
    location: &Location<'_>,
    blob: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let parts = parse(blob)?;
    if parts.key_id != id {
        return Err(VaultError::KeyMissing { key_id: parts.key_id.to_owned() });
    }
    let aad = location.authenticated(parts.header);
    let nonce = parts.nonce.try_into().map_err(|_| VaultError::Malformed)?;
    decrypt(key, nonce, &aad, parts.sealed).ok_or(VaultError::Tampered)
}

/// `None` only for plaintexts beyond 256 GiB.
pub(super) fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE], aad: &[u8], plaintext: &[u8]) -> Option<Vec<u8>> {
    let payload = Payload { msg: plaintext, aad };
    XChaCha20Poly1305::new(Key::from_slice(key)).encrypt(XNonce::from_slice(nonce), payload).ok()
}

/// `None` where the tag does not fit.
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    aad: &[u8],
    sealed: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    let payload = Payload { msg: sealed, aad };
    XChaCha20Poly1305::new(Key::from_slice(key))
        .decrypt(XNonce::from_slice(nonce), payload)
        .ok()
        .map(Zeroizing::new)
}

struct Parts<'a> {
    header: &'a [u8],
    key_id: &'a str,
    nonce: &'a [u8],
    sealed: &'a [u8],
}

fn parse(blob: &[u8]) -> Result<Parts<'_>, VaultError> {
    let (&[format, length], _) = blob.split_first_chunk::<2>().ok_or(VaultError::Malformed)?;
    let length = usize::from(length);
    if format != FORMAT || !(1..=MAX_KEY_ID).contains(&length) {
        return Err(VaultError::Malformed);
    }
    let (header, rest) = blob.split_at_checked(2 + length).ok_or(VaultError::Malformed)?;
    let key_id = header.get(2..).and_then(|id| std::str::from_utf8(id).ok()).ok_or(VaultError::Malformed)?;
    let (nonce, sealed) = rest.split_at_checked(NONCE).ok_or(VaultError::Malformed)?;
    if sealed.len() < TAG {
        return Err(VaultError::Malformed);
    }
    Ok(Parts { header, key_id, nonce, sealed })
}
