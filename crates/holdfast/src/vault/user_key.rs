//! A user's data key.

use std::fmt;

use zeroize::Zeroizing;

use super::blob::{self, KeyBytes};
use super::{Place, SecretBytes, VaultError};
use crate::entropy::SharedEntropy;

const ID: usize = 8;
const KEY: usize = 32;

/// The key that seals one user's grants, codes and completions. Zeroed when dropped.
pub struct UserKey {
    /// Random, so that a blob of a deleted data key is told from a tampered one.
    id: u64,
    bytes: KeyBytes,
    entropy: SharedEntropy,
}

/// A user's data key, sealed by the key ring, as stored in `user_keys`.
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

    pub(super) fn from_bytes(bytes: &[u8], entropy: SharedEntropy) -> Result<Self, VaultError> {
        let (id, key) = bytes.split_first_chunk::<ID>().ok_or(VaultError::Malformed)?;
        let key: &[u8; KEY] = key.try_into().map_err(|_| VaultError::Malformed)?;
        Ok(Self { id: u64::from_be_bytes(*id), bytes: Zeroizing::new(*key), entropy })
    }

    pub(super) fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(ID + KEY));
        out.extend_from_slice(&self.id.to_be_bytes());
        out.extend_from_slice(&*self.bytes);
        out
    }

    /// The id as written in blobs.
    fn name(&self) -> String {
        format!("{:016x}", self.id)
    }

    /// Seals `plaintext` for `place`.
    pub fn seal(&self, place: &Place<'_>, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
        blob::seal(&*self.entropy, &self.bytes, &self.name(), place, plaintext)
    }

    /// Opens what this key sealed for `place`.
    pub fn open(&self, place: &Place<'_>, blob: &[u8]) -> Result<SecretBytes, VaultError> {
        let mut plaintext = blob::open(&self.bytes, &self.name(), place, blob)?;
        Ok(SecretBytes::from(std::mem::take(&mut *plaintext)))
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserKey").field("id", &self.name()).finish_non_exhaustive()
    }
}
