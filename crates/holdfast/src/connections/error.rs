//! Why a connection could not be changed.

use crate::entropy::EntropyExhausted;
use crate::store::StoreError;
use crate::vault::VaultError;

/// Why a change could not be made: always our fault, never the caller's.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// This process lacks the key of a stored value; another may have it.
    #[error("key `{key_id}` is not in this process's HOLDFAST_ENCRYPTION_KEYS")]
    KeyNotHere {
        /// The key of the ring; no secret.
        key_id: String,
    },
    /// A sealed value has unexpected content.
    #[error("the content of a sealed {what} is invalid")]
    Content {
        /// The expected content.
        what: &'static str,
    },
    /// The data key that sealed a stored value is missing.
    #[error("the user's data key is missing; restore the row of user_keys from a backup")]
    NoDataKey,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
    /// Other writers kept changing the connection; trying again will succeed.
    #[error("the connection kept changing; try again")]
    Contended,
    /// The user was erased during the request.
    #[error("the user has been deleted")]
    UserGone,
}

impl ServiceError {
    /// Whether the database failed, which concerns every connection. A single unreadable row does
    /// not.
    pub fn concerns_all(&self) -> bool {
        match self {
            // Those who have a data key already do not need the retired one.
            Self::Store(StoreError::KeyRetired { .. })
            | Self::Vault(_)
            | Self::KeyNotHere { .. }
            | Self::Content { .. }
            | Self::NoDataKey
            | Self::Entropy(_)
            | Self::Contended
            | Self::UserGone => false,
            Self::Store(error) => !error.is_of_one_row(),
        }
    }

    /// Whether the database is down or takes no writes, so that nothing could be stored.
    pub fn is_of_the_database(&self) -> bool {
        matches!(self, Self::Store(error) if error.is_of_the_database())
    }

    /// The result of work on one of many; `None` after a failure of this one alone, which `log`
    /// writes down. The error concerns all.
    pub fn of_one<T>(outcome: Result<T, Self>, log: impl FnOnce(Self)) -> Result<Option<T>, Self> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.concerns_all() => Err(error),
            Err(error) => {
                log(error);
                Ok(None)
            }
        }
    }
}
