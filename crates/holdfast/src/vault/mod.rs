//! Sealing: no secret of a provider or a browser is stored in plaintext.
//!
//! Two layers. The [`KeyRing`] from the configuration seals one small data key per user
//! ([`WrappedKey`]); that [`UserKey`] seals the user's grants, codes and completions. Rotating the
//! ring makes a new data key for each user while the service runs; the former ones still open.
//! Deleting one row makes everything sealed for the user unreadable.
//!
//! Every blob is bound to its [`Location`]: moved to another row, user or version it does not open.

mod blob;
mod location;
mod ring;
mod sentinel;
mod user_key;

pub use location::Location;
pub use ring::{KeyRing, KeyRingFaults};
pub use sentinel::{Sentinel, SentinelError};
pub use user_key::{UserKey, WrappedKey};

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::entropy::{EntropyExhausted, SharedEntropy};

/// Opened plaintext: zeroed when dropped, never printed by accident.
pub type SecretBytes = secrecy::SecretSlice<u8>;

/// Why something could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The key that sealed it is not available: not in the configured ring, or not the user's data
    /// key.
    #[error("sealed with key `{key_id}`, which is not available")]
    KeyMissing {
        /// The id of that key; no secret.
        key_id: String,
    },
    /// The blob was changed, or is in another location than it was sealed for.
    #[error("the sealed data was changed or does not belong here")]
    Tampered,
    /// Not a blob of a format that this version knows.
    #[error("not sealed data of a known format")]
    Malformed,
    /// Nothing can be sealed without randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
}

/// The key ring with the randomness it needs. Clones share the ring.
#[derive(Debug, Clone)]
pub struct Vault {
    ring: Arc<ArcSwap<KeyRing>>,
    entropy: SharedEntropy,
}

impl Vault {
    /// A vault that seals with the first key of `ring` and opens with all of them.
    pub fn new(ring: KeyRing, entropy: SharedEntropy) -> Self {
        Self { ring: Arc::new(ArcSwap::from_pointee(ring)), entropy }
    }

    /// The ring.
    pub fn ring(&self) -> Arc<KeyRing> {
        self.ring.load_full()
    }

    /// Seals and opens with the ring of `other` from now on, in every clone. Compare it with the
    /// sentinels first.
    pub fn replace(&self, other: &Self) {
        self.ring.store(other.ring.load_full());
    }

    /// Makes a data key for a user, and its sealed form for `user_keys`.
    pub fn new_user_key(&self, user_id: &str) -> Result<(UserKey, WrappedKey), VaultError> {
        let key = UserKey::generate(self.entropy.clone())?;
        let wrapped = self.wrap(user_id, &key)?;
        Ok((key, wrapped))
    }

    /// Opens a user's data key.
    pub fn open_user_key(&self, user_id: &str, wrapped: &WrappedKey) -> Result<UserKey, VaultError> {
        let key_id = blob::key_id(&wrapped.blob)?;
        if key_id != wrapped.key_id {
            // Both were written together, so one was changed, and no such key may exist.
            return Err(VaultError::Tampered);
        }
        let ring = self.ring.load();
        let key = ring.key(key_id).ok_or_else(|| VaultError::KeyMissing { key_id: key_id.to_owned() })?;
        let plaintext = blob::open(key, key_id, &Location::user_key(user_id), &wrapped.blob)?;
        UserKey::from_bytes(&plaintext, self.entropy.clone())
    }

    /// A new data key, sealed with the ring's first key. The former data key does not open what the
    /// new one seals. `None` where the first key has sealed it already.
    pub fn renew(
        &self,
        user_id: &str,
        wrapped: &WrappedKey,
    ) -> Result<Option<(UserKey, WrappedKey)>, VaultError> {
        if blob::key_id(&wrapped.blob)? == self.ring.load().sealing_id() {
            return Ok(None);
        }
        let key = self.open_user_key(user_id, wrapped)?.renewed()?;
        let wrapped = self.wrap(user_id, &key)?;
        Ok(Some((key, wrapped)))
    }

    fn wrap(&self, user_id: &str, key: &UserKey) -> Result<WrappedKey, VaultError> {
        let ring = self.ring.load();
        let (id, sealing) = ring.sealing();
        let blob = blob::seal(&*self.entropy, sealing, id, &Location::user_key(user_id), &key.to_bytes())?;
        Ok(WrappedKey { key_id: id.to_owned(), blob })
    }
}

#[cfg(test)]
mod tests;
