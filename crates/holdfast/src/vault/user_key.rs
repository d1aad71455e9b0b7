//! A user's data key.

use std::{fmt, iter};

use zeroize::Zeroizing;

use super::blob::{self, KeyBytes};
use super::{Location, SecretBytes, VaultError};
use crate::entropy::SharedEntropy;

const ID: usize = 8;
const KEY: usize = 32;

/// Most data keys of one user that are kept. What those beyond it sealed was sealed anew, or has
/// expired, rotations ago.
const KEPT: usize = 8;

/// The key that seals one user's grants, codes and completions. Zeroed when dropped.
pub struct UserKey {
    sealing: DataKey,
    /// Those before it, newest first: they still open.
    former: Vec<DataKey>,
    entropy: SharedEntropy,
}

struct DataKey {
    /// Random, so that a blob of a deleted data key is told from a tampered one.
    id: u64,
    bytes: KeyBytes,
}

/// A user's data key with those before it, sealed by the key ring, as stored in `user_keys`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// The key of the ring that sealed it; repeated from the blob so that SQL can ask for it.
    pub key_id: String,
    /// The sealed key.
    pub blob: Vec<u8>,
}

impl UserKey {
    pub(super) fn generate(entropy: SharedEntropy) -> Result<Self, VaultError> {
        let mut bytes = Zeroizing::new([0; ID + KEY]);
        entropy.fill(&mut *bytes)?;
        Self::from_bytes(&*bytes, entropy)
    }

    /// A new key that seals; `self` and those before it still open.
    pub(super) fn renewed(self) -> Result<Self, VaultError> {
        let new = Self::generate(self.entropy)?;
        let mut former = self.former;
        former.insert(0, self.sealing);
        former.truncate(KEPT - 1);
        Ok(Self { former, ..new })
    }

    pub(super) fn from_bytes(bytes: &[u8], entropy: SharedEntropy) -> Result<Self, VaultError> {
        let mut keys = bytes.chunks(ID + KEY).map(DataKey::from_bytes);
        let sealing = keys.next().ok_or(VaultError::Malformed)??;
        Ok(Self { sealing, former: keys.collect::<Result<_, _>>()?, entropy })
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity((ID + KEY) * (1 + self.former.len())));
        for key in self.all() {
            out.extend_from_slice(&key.id.to_be_bytes());
            out.extend_from_slice(&*key.bytes);
        }
        out
    }

    fn all(&self) -> impl Iterator<Item = &DataKey> {
        iter::once(&self.sealing).chain(&self.former)
    }

    /// Seals `plaintext` for `location`.
    pub fn seal(&self, location: &Location<'_>, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        blob::seal(&*self.entropy, &self.sealing.bytes, &self.sealing.name(), location, plaintext)
    }

    /// Opens what this key, or one before it, sealed for `location`.
    pub fn open(&self, location: &Location<'_>, blob: &[u8]) -> Result<SecretBytes, VaultError> {
        let id = blob::key_id(blob)?;
        let key = self.all().find(|key| key.name() == id);
        let key = key.ok_or_else(|| VaultError::KeyMissing { key_id: id.to_owned() })?;
        let mut plaintext = blob::open(&key.bytes, id, location, blob)?;
        Ok(SecretBytes::from(std::mem::take(&mut *plaintext)))
    }
}

impl DataKey {
    fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let (id, key) = bytes.split_first_chunk::<ID>().ok_or(VaultError::Malformed)?;
        let key: &[u8; KEY] = key.try_into().map_err(|_| VaultError::Malformed)?;
        Ok(Self { id: u64::from_be_bytes(*id), bytes: Zeroizing::new(*key) })
    }

    /// The id as written in blobs.
    fn name(&self) -> String {
        format!("{:016x}", self.id)
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("id", &self.sealing.name()).finish_non_exhaustive()
    }
}
