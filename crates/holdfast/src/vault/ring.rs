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

/// One fault of a key list. Never quotes key bytes; `position` counts from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingFault {
    /// No entry at all.
    #[error("there is no key; make one with `holdfast keys generate`")]
    Empty,
    /// Nothing between two commas.
    #[error("entry {position} is empty")]
    Blank {
        /// Which entry.
        position: usize,
    },
    /// No colon.
    #[error("entry {position} is not of the form `id:base64`")]
    NoId {
        /// Which entry.
        position: usize,
    },
    /// The id is not 1 to 64 letters, digits, `-`, `_` or `.`.
    #[error("entry {position}: the id must be 1 to 64 letters, digits, `-`, `_` or `.`")]
    BadId {
        /// Which entry.
        position: usize,
    },
    /// Two entries have one id.
    #[error("entry {position}: the id `{id}` is already taken by an earlier entry")]
    DuplicateId {
        /// Which entry.
        position: usize,
        /// The id.
        id: String,
    },
    /// Two entries have the same bytes.
    #[error("entry {position}: key `{id}` has the same bytes as an earlier entry")]
    DuplicateKey {
        /// Which entry.
        position: usize,
        /// The id.
        id: String,
    },
    /// White space within an entry.
    #[error(
        "entry {position}: key `{id}` has a space or a line break within it; put a comma between two entries: \
         `id:base64,id:base64`"
    )]
    Spaced {
        /// Which entry.
        position: usize,
        /// The id.
        id: String,
    },
    /// Not standard base64.
    #[error("entry {position}: key `{id}` is not standard base64 (RFC 4648 section 4, with padding)")]
    NotBase64 {
        /// Which entry.
        position: usize,
        /// The id.
        id: String,
    },
    /// Not 32 bytes.
    #[error("entry {position}: key `{id}` has {bytes} bytes; it must have 32")]
    WrongLength {
        /// Which entry.
        position: usize,
        /// The id.
        id: String,
        /// How many it has.
        bytes: usize,
    },
}

/// Every fault of a key list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct KeyRingFaults(pub Vec<KeyRingFault>);

impl KeyRing {
    /// Reads a list like `2026-11:q83v…=,2025-03:AbCd…=`. White space around entries is ignored.
    /// All faults are reported at once.
    pub fn parse(list: &str) -> Result<Self, KeyRingFaults> {
        if list.trim().is_empty() {
            return Err(KeyRingFaults(vec![KeyRingFault::Empty]));
        }
        let (mut keys, mut faults) = (Vec::<Named>::new(), Vec::new());
        for (index, entry) in list.split(',').enumerate() {
            match parse_entry(index + 1, entry.trim(), &keys) {
                Ok(key) => keys.push(key),
                Err(fault) => faults.push(fault),
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

fn parse_entry(position: usize, entry: &str, earlier: &[Named]) -> Result<Named, KeyRingFault> {
    if entry.is_empty() {
        return Err(KeyRingFault::Blank { position });
    }
    let (id, encoded) = entry.split_once(':').ok_or(KeyRingFault::NoId { position })?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if id.is_empty() || id.len() > MAX_KEY_ID || !id.bytes().all(allowed) {
        return Err(KeyRingFault::BadId { position });
    }
    let (id, encoded) = (id.to_owned(), encoded.trim());
    if encoded.contains(char::is_whitespace) {
        return Err(KeyRingFault::Spaced { position, id });
    }
    let Ok(decoded) = STANDARD.decode(encoded).map(Zeroizing::new) else {
        return Err(KeyRingFault::NotBase64 { position, id });
    };
    let mut bytes = KeyBytes::default();
    if decoded.len() != bytes.len() {
        return Err(KeyRingFault::WrongLength { position, id, bytes: decoded.len() });
    }
    bytes.copy_from_slice(&decoded);
    if earlier.iter().any(|key| key.id == id) {
        return Err(KeyRingFault::DuplicateId { position, id });
    }
    if earlier.iter().any(|key| *key.bytes == *bytes) {
        return Err(KeyRingFault::DuplicateKey { position, id });
    }
    Ok(Named { id, bytes })
}
