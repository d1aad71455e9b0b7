//! Sealing what a provider handed us, under the owner's own data key.
//!
//! Every blob is bound to its place (table, column, row, owner, provider, version), so that a blob
//! moved to another row, or rolled back to an earlier version, does not open.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ServiceError;
use crate::clock::from_millis;
use crate::provider::{Grant, ProviderId, ShortGrant};
use crate::store::{SealedGrant, Store, StoreError};
use crate::vault::{Place, UserKey, Vault, VaultError, WrappedKey};

/// A sealed value could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealingError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The owner's data key is sealed with a key that this process's ring lacks. Another process
    /// may have it, so nothing is lost by that.
    #[error("key `{key_id}` is not in this process's HOLDFAST_ENCRYPTION_KEYS")]
    KeyNotHere {
        /// The key of the ring; no secret.
        key_id: String,
    },
    /// The user was erased meanwhile.
    #[error("the user has been deleted")]
    UserGone,
    /// It opened, but does not hold what belongs there.
    #[error("a sealed {what} does not hold what belongs there")]
    Content {
        /// What should have been there.
        what: &'static str,
    },
}

impl From<SealingError> for ServiceError {
    fn from(error: SealingError) -> Self {
        match error {
            SealingError::Store(error) => Self::Store(error),
            SealingError::Vault(error) => Self::Vault(error),
            SealingError::KeyNotHere { key_id } => Self::KeyNotHere { key_id },
            SealingError::UserGone => Self::UserGone,
            SealingError::Content { what } => Self::Content { what },
        }
    }
}

/// The owner's data key, made on first use. Two first uses at once agree on one key.
pub async fn user_key(store: &Store, vault: &Vault, user_id: &str) -> Result<UserKey, SealingError> {
    if let Some(wrapped) = store.user_key(user_id).await? {
        return open_user_key(vault, user_id, &wrapped);
    }
    let (_, wrapped) = vault.new_user_key(user_id)?;
    let winner = store.insert_user_key(user_id, &wrapped).await?.ok_or(SealingError::UserGone)?;
    open_user_key(vault, user_id, &winner)
}

/// Opens the owner's data key.
pub fn open_user_key(vault: &Vault, user_id: &str, wrapped: &WrappedKey) -> Result<UserKey, SealingError> {
    vault.open_user_key(user_id, wrapped).map_err(|error| match error {
        VaultError::KeyMissing { key_id } => SealingError::KeyNotHere { key_id },
        error @ (VaultError::Tampered | VaultError::Malformed | VaultError::Entropy(_)) => error.into(),
    })
}

/// The plaintext of a sealed token. It exists between the vault and this module only.
#[derive(Serialize, Deserialize, zeroize::ZeroizeOnDrop)]
struct TokenRecord {
    token: String,
    #[zeroize(skip)]
    scopes: Option<Vec<String>>,
    #[zeroize(skip)]
    account_id: Option<String>,
    obtained_at: i64,
    expires_at: Option<i64>,
}

fn grant_place<'a>(row: &'a str, user_id: &'a str, provider: ProviderId, version: i64) -> Place<'a> {
    Place { table: "grants", column: "blob", row, user_id, provider: provider.as_str(), version }
}

/// Seals a grant as version `version` of its connection.
pub fn seal_grant(
    key: &UserKey,
    user_id: &str,
    provider: ProviderId,
    connection_id: Uuid,
    version: i64,
    grant: &Grant,
) -> Result<SealedGrant, SealingError> {
    let row = connection_id.to_string();
    let blob = key.seal(&grant_place(&row, user_id, provider, version), &encode(&grant_record(grant))?)?;
    Ok(SealedGrant {
        connection_id,
        version,
        blob,
        obtained_at: grant.obtained_at,
        expires_at: grant.expires_at,
    })
}

/// Opens a stored grant.
pub fn open_grant(
    key: &UserKey,
    user_id: &str,
    provider: ProviderId,
    sealed: &SealedGrant,
) -> Result<Grant, SealingError> {
    let row = sealed.connection_id.to_string();
    let plain = key.open(&grant_place(&row, user_id, provider, sealed.version), &sealed.blob)?;
    to_grant(decode(plain.expose_secret(), "grant")?)
}

/// The table keeps the journal's former name: what waits in a file must open after an update.
fn journal_place<'a>(row: &'a str, user_id: &'a str, provider: ProviderId, version: i64) -> Place<'a> {
    Place { table: "spill", column: "blob", row, user_id, provider: provider.as_str(), version }
}

/// Seals a grant that was made from version `from_version` and has no version of its own yet.
pub fn seal_journaled(
    key: &UserKey,
    user_id: &str,
    provider: ProviderId,
    connection_id: Uuid,
    from_version: i64,
    grant: &Grant,
) -> Result<Vec<u8>, SealingError> {
    let row = connection_id.to_string();
    Ok(key.seal(&journal_place(&row, user_id, provider, from_version), &encode(&grant_record(grant))?)?)
}

/// Opens a journaled grant.
pub fn open_journaled(
    key: &UserKey,
    user_id: &str,
    provider: ProviderId,
    connection_id: Uuid,
    from_version: i64,
    blob: &[u8],
) -> Result<Grant, SealingError> {
    let row = connection_id.to_string();
    let plain = key.open(&journal_place(&row, user_id, provider, from_version), blob)?;
    to_grant(decode(plain.expose_secret(), "grant")?)
}

/// What a connect attempt holds at its stages, sealed in the attempt's own row.
pub enum Held {
    /// The authorization code, not yet exchanged.
    Code(SecretString),
    /// The short-lived token.
    Short(ShortGrant),
    /// The long-lived grant, not yet linked.
    Grant(HeldGrant),
}

/// A grant that waits to be linked.
pub struct HeldGrant {
    /// The grant.
    pub grant: Grant,
    /// The account id that the token answer named.
    pub account_id: Option<String>,
}

/// The place of a connect attempt's secrets. `step` grows with every stage, so that an earlier one
/// does not open as a later one.
#[derive(Debug, Clone, Copy)]
pub struct AttemptSeal<'a> {
    /// The owner's key.
    pub key: &'a UserKey,
    /// The owner.
    pub user_id: &'a str,
    /// The provider.
    pub provider: ProviderId,
    /// The attempt.
    pub attempt_id: Uuid,
}

const CODE_STEP: i64 = 1;
const SHORT_STEP: i64 = 2;
const GRANT_STEP: i64 = 3;

impl AttemptSeal<'_> {
    fn place<'a>(&'a self, row: &'a str, column: &'static str, version: i64) -> Place<'a> {
        Place {
            table: "attempts",
            column,
            row,
            user_id: self.user_id,
            provider: self.provider.as_str(),
            version,
        }
    }

    /// Seals what the attempt holds now.
    pub fn seal(&self, held: &Held) -> Result<Vec<u8>, SealingError> {
        let row = self.attempt_id.to_string();
        let (step, plain) = match held {
            Held::Code(code) => {
                (CODE_STEP, zeroize::Zeroizing::new(code.expose_secret().as_bytes().to_vec()))
            }
            Held::Short(short) => (SHORT_STEP, encode(&short_record(short))?),
            Held::Grant(held) => {
                let mut record = grant_record(&held.grant);
                record.account_id.clone_from(&held.account_id);
                (GRANT_STEP, encode(&record)?)
            }
        };
        Ok(self.key.seal(&self.place(&row, "sealed", step), &plain)?)
    }

    fn open(&self, blob: &[u8], step: i64) -> Result<crate::vault::SecretBytes, SealingError> {
        let row = self.attempt_id.to_string();
        Ok(self.key.open(&self.place(&row, "sealed", step), blob)?)
    }

    /// Opens a held authorization code.
    pub fn open_code(&self, blob: &[u8]) -> Result<SecretString, SealingError> {
        text(self.open(blob, CODE_STEP)?.expose_secret(), "authorization code")
    }

    /// Opens a held short-lived token.
    pub fn open_short(&self, blob: &[u8]) -> Result<ShortGrant, SealingError> {
        let plain = self.open(blob, SHORT_STEP)?;
        let mut record: TokenRecord = decode(plain.expose_secret(), "short-lived token")?;
        Ok(ShortGrant {
            access_token: SecretString::from(std::mem::take(&mut record.token)),
            scopes: record.scopes.take(),
            account_id: record.account_id.take(),
            obtained_at: from_millis(record.obtained_at),
        })
    }

    /// Opens a held grant.
    pub fn open_grant(&self, blob: &[u8]) -> Result<HeldGrant, SealingError> {
        let mut record = decode(self.open(blob, GRANT_STEP)?.expose_secret(), "grant")?;
        Ok(HeldGrant { account_id: record.account_id.take(), grant: to_grant(record)? })
    }

    /// Seals the completion secret, so that a second delivery of the callback can have the first
    /// one's answer.
    pub fn seal_completion(&self, completion: &SecretString) -> Result<Vec<u8>, SealingError> {
        let row = self.attempt_id.to_string();
        Ok(self.key.seal(&self.place(&row, "sealed_completion", 0), completion.expose_secret().as_bytes())?)
    }

    /// Opens the completion secret.
    pub fn open_completion(&self, blob: &[u8]) -> Result<SecretString, SealingError> {
        let row = self.attempt_id.to_string();
        text(self.key.open(&self.place(&row, "sealed_completion", 0), blob)?.expose_secret(), "completion")
    }
}

fn grant_record(grant: &Grant) -> TokenRecord {
    TokenRecord {
        token: grant.access_token.expose_secret().to_owned(),
        scopes: grant.scopes.clone(),
        account_id: None,
        obtained_at: grant.obtained_at.as_millisecond(),
        expires_at: Some(grant.expires_at.as_millisecond()),
    }
}

fn short_record(short: &ShortGrant) -> TokenRecord {
    TokenRecord {
        token: short.access_token.expose_secret().to_owned(),
        scopes: short.scopes.clone(),
        account_id: short.account_id.clone(),
        obtained_at: short.obtained_at.as_millisecond(),
        expires_at: None,
    }
}

fn to_grant(mut record: TokenRecord) -> Result<Grant, SealingError> {
    let expires_at = record.expires_at.ok_or(SealingError::Content { what: "grant" })?;
    if record.token.is_empty() {
        return Err(SealingError::Content { what: "grant" });
    }
    Ok(Grant {
        access_token: SecretString::from(std::mem::take(&mut record.token)),
        scopes: record.scopes.take(),
        obtained_at: from_millis(record.obtained_at),
        expires_at: from_millis(expires_at),
    })
}

fn encode(record: &TokenRecord) -> Result<zeroize::Zeroizing<Vec<u8>>, SealingError> {
    serde_json::to_vec(record)
        .map(zeroize::Zeroizing::new)
        .map_err(|_| SealingError::Content { what: "token" })
}

/// The parse error is dropped: it could quote the secret.
fn decode(plain: &[u8], what: &'static str) -> Result<TokenRecord, SealingError> {
    serde_json::from_slice(plain).map_err(|_| SealingError::Content { what })
}

fn text(plain: &[u8], what: &'static str) -> Result<SecretString, SealingError> {
    let text = std::str::from_utf8(plain).map_err(|_| SealingError::Content { what })?;
    Ok(SecretString::from(text.to_owned()))
}
