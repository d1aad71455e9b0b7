//! The key ring: `id:base64(32 bytes)`, comma-separated; the first seals, all open.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::blob::{KeyBytes, MAX_KEY_ID};

/// Keys of 256 bits, each with an id that is written in the blobs it seals. Never empty.
#[derive(Clone, PartialEq)]
pub struct KeyRing {
    sealing: Named,
    older: Vec<Named>,
}

#[derive(Clone, PartialEq)]
struct Named {
    id: String,
    bytes: KeyBytes,
}

/// Every fault of a key list, in a sentence each. Never quotes key bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct KeyRingFaults(pub Vec<String>);

impl KeyRing {
    /// Reads a list like `2026-11:q83v…=,2025-03:AbCd…=`. White space around entries is ignored.
    /// All faults are reported at once.
    pub fn parse(list: &str) -> Result<Self, KeyRingFaults> {
        if list.trim().is_empty() {
            let fault = "there is no key; make one with `holdfast keys generate`";
            return Err(KeyRingFaults(vec![fault.to_owned()]));
        }
        let (mut keys, mut faults) = (Vec::<Named>::new(), Vec::new());
        for (index, entry) in list.split(',').enumerate() {
            match parse_entry(entry.trim(), &keys) {
                Ok(key) => keys.push(key),
                Err(fault) => faults.push(format!("entry {}{fault}", index + 1)),
            }
        }
        let mut keys = keys.into_iter();
        match keys.next() {
            Some(sealing) if faults.is_empty() => Ok(Self { sealing, older: keys.collect() }),
            _ => Err(KeyRingFaults(faults)),
        }
    }

    /// The id of the key that seals.
    pub fn sealing_id(&self) -> &str {
        &self.sealing.id
    }

    /// All ids, the sealing one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.all().map(|key| key.id.as_str())
    }

    /// Ids of keys that repeat one byte, which anybody can guess.
    pub fn guessable_ids(&self) -> impl Iterator<Item = &str> {
        let repeats = |key: &&Named| key.bytes.iter().all(|byte| *byte == key.bytes[0]);
        self.all().filter(repeats).map(|key| key.id.as_str())
    }

    /// Keys that authenticate what is kept outside the database, one of each key of the ring, the
    /// sealing one's first. `purpose` separates them from those for other data.
    pub fn authentication_keys(&self, purpose: &str) -> Vec<hmac::Key> {
        let derived = |named: &Named| {
            let of_ring = hmac::Key::new(hmac::HMAC_SHA256, named.bytes.as_slice());
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&of_ring, purpose.as_bytes()).as_ref())
        };
        self.all().map(derived).collect()
    }

    pub(super) fn sealing(&self) -> (&str, &KeyBytes) {
        (&self.sealing.id, &self.sealing.bytes)
    }

    pub(super) fn key(&self, id: &str) -> Option<&KeyBytes> {
        self.all().find(|key| key.id == id).map(|key| &key.bytes)
    }

    fn all(&self) -> impl Iterator<Item = &Named> {
        std::iter::once(&self.sealing).chain(&self.older)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// The error goes on from the number of the entry.
fn parse_entry(entry: &str, earlier: &[Named]) -> Result<Named, String> {
    if entry.is_empty() {
        return Err(" is empty".to_owned());
    }
    let (id, encoded) = entry.split_once(':').ok_or(" is not of the form `id:base64`")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > MAX_KEY_ID || !id.bytes().all(allowed) {
        return Err(": the id must be 1 to 64 letters, digits, `-`, `_` or `.`".to_owned());
    }
    let of_key = |fault: &str| format!(": key `{id}` {fault}");
    let encoded = encoded.trim();
    if encoded.contains(char::is_whitespace) {
        return Err(of_key(
            "has a space or a line break within it; put a comma between two entries: `id:base64,id:base64`",
        ));
    }
    let decoded = STANDARD.decode(encoded).map(Zeroizing::new);
    let decoded = decoded.map_err(|_| of_key("is not standard base64 (RFC 4648 section 4, with padding)"))?;
    let mut bytes = KeyBytes::default();
    if decoded.len() != bytes.len() {
        return Err(of_key(&format!("has {} bytes; it must have 32", decoded.len())));
    }
    bytes.copy_from_slice(&decoded);
    if earlier.iter().any(|key| key.id == id) {
        return Err(format!(": the id `{id}` is already taken by an earlier entry"));
    }
    if earlier.iter().any(|key| *key.bytes == *bytes) {
        return Err(of_key("has the same bytes as an earlier entry"));
    }
    Ok(Named { id: id.to_owned(), bytes })
}
