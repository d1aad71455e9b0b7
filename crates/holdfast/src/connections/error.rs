//! Why a connection could not be changed: always our trouble, never the caller's.

use crate::entropy::EntropyExhausted;
use crate::store::StoreError;
use crate::vault::VaultError;

/// A change could not be made for reasons that are ours, never the caller's.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// What is stored cannot be opened by this process, which lacks the key; another may have it.
    #[error("key `{key_id}` is not in this process's HOLDFAST_ENCRYPTION_KEYS")]
    KeyNotHere {
        /// The key of the ring; no secret.
        key_id: String,
    },
    /// A sealed value holds something else than it should.
    #[error("the content of a sealed {what} is invalid")]
    Content {
        /// What should have been there.
        what: &'static str,
    },
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
    /// Others kept changing the same connection; trying again will succeed.
    #[error("the connection kept changing; try again")]
    Contended,
    /// The user was erased while the request was under way.
    #[error("the user has been deleted")]
    UserGone,
}

impl ServiceError {
    /// Whether the database failed, which concerns every connection. A row that cannot be read is
    /// trouble of its own.
    pub fn concerns_all(&self) -> bool {
        match self {
            Self::Store(error) => !error.is_of_one_row(),
            Self::Vault(_)
            | Self::KeyNotHere { .. }
            | Self::Content { .. }
            | Self::Entropy(_)
            | Self::Contended
            | Self::UserGone => false,
        }
    }
}
