//! Proof, at the start, that the configured keys are those that sealed this database.

use super::{Location, Vault, VaultError, blob};

const PLAINTEXT: &[u8] = b"holdfast key ring sentinel";

/// A key's sentinel row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentinel {
    /// The key.
    pub key_id: String,
    /// A known text, sealed with it.
    pub blob: Vec<u8>,
}

/// The configured ring is not the one of this database.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SentinelError {
    /// Same id, other bytes.
    #[error(
        "HOLDFAST_ENCRYPTION_KEYS: key `{key_id}` has other bytes than when it sealed this database; restore the old bytes, \
         or give the new key another id and keep the old key behind it"
    )]
    OtherBytes {
        /// The key.
        key_id: String,
    },
    /// The database knows a key that the configuration lacks and that was never retired.
    #[error(
        "HOLDFAST_ENCRYPTION_KEYS lacks key `{key_id}`, which this database uses; add it behind the other keys, and run \
         `holdfast keys retire {key_id}` before you remove it; if its bytes are lost for good, `holdfast keys retire --lost \
         {key_id}` gives up the grants that it sealed"
    )]
    Missing {
        /// The key.
        key_id: String,
    },
    /// A sentinel could not be made.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Vault {
    /// Compares the ring with the stored sentinels. Returns the one to be stored: the sealing key's,
    /// if it has none. A new key that only opens has sealed nothing; with a sentinel, processes
    /// without it would stop serving before anything needs it.
    pub fn prove(&self, stored: &[Sentinel]) -> Result<Option<Sentinel>, SentinelError> {
        let ring = self.ring();
        for Sentinel { key_id, blob } in stored {
            let key = ring.key(key_id).ok_or_else(|| SentinelError::Missing { key_id: key_id.clone() })?;
            let opened = blob::open(key, key_id, &Location::sentinel(key_id), blob);
            if !opened.is_ok_and(|text| text.as_slice() == PLAINTEXT) {
                return Err(SentinelError::OtherBytes { key_id: key_id.clone() });
            }
        }
        let (id, key) = ring.sealing();
        if stored.iter().any(|each| each.key_id == id) {
            return Ok(None);
        }
        let blob = blob::seal(&*self.entropy, key, id, &Location::sentinel(id), PLAINTEXT)?;
        Ok(Some(Sentinel { key_id: id.to_owned(), blob }))
    }
}
