//! Sealing codes, tokens and grants under the owner's data key.
//!
//! Every blob is bound to its location (table, column, row, owner, provider, version), so that a blob
//! moved to another row, or rolled back to an earlier version, does not open.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::error::ServiceError;
use super::journal::Journaled;
use crate::clock::from_millis;
use crate::connection::Connection;
use crate::connection::attempt::Attempt;
use crate::digest::sha256;
use crate::provider::{Grant, ProviderId, ShortGrant};
use crate::store::{SealedGrant, Store, StoredUserKey};
use crate::vault::{Location, SecretBytes, UserKey, Vault, VaultError, WrappedKey};

/// The owner's data key, made on first use. Two first uses at once agree on one key.
pub async fn user_key(store: &Store, vault: &Vault, user_id: &str) -> Result<UserKey, ServiceError> {
    let (key, unstored) = user_key_or_new(store, vault, user_id).await?;
    let Some(wrapped) = unstored else { return Ok(key) };
    let winner = store.insert_user_key(user_id, &wrapped).await?.ok_or(ServiceError::UserGone)?;
    open_user_key(vault, user_id, &winner)
}

/// The owner's stored data key. Never makes one: it would block restoring the right one.
pub async fn stored_user_key(store: &Store, vault: &Vault, user_id: &str) -> Result<UserKey, ServiceError> {
    match store.user_key(user_id).await? {
        Some(wrapped) => open_user_key(vault, user_id, &wrapped),
        None if store.has_user(user_id).await? => Err(ServiceError::NoDataKey),
        None => Err(ServiceError::UserGone),
    }
}

/// The owner's data key; a new one with what is to be stored of it.
pub async fn user_key_or_new(
    store: &Store,
    vault: &Vault,
    user_id: &str,
) -> Result<(UserKey, Option<WrappedKey>), ServiceError> {
    if let Some(wrapped) = store.user_key(user_id).await? {
        return Ok((open_user_key(vault, user_id, &wrapped)?, None));
    }
    let (key, wrapped) = vault.new_user_key(user_id)?;
    Ok((key, Some(wrapped)))
}

/// Opens the owner's data key.
pub fn open_user_key(vault: &Vault, user_id: &str, wrapped: &WrappedKey) -> Result<UserKey, ServiceError> {
    vault.open_user_key(user_id, wrapped).map_err(|error| match error {
        VaultError::KeyMissing { key_id } => ServiceError::KeyNotHere { key_id },
        error @ (VaultError::Tampered | VaultError::Malformed | VaultError::Entropy(_)) => error.into(),
    })
}

/// Gives a user a new data key, unless the ring's first key has sealed the present one, and seals
/// the stored grants anew with it. The former data key then opens no stored grant. It is kept to
/// open what waits elsewhere: connect attempts, the journal, a refresh under way. Returns false if
/// the row has changed meanwhile: another process has renewed or erased it.
pub async fn renew_user_key(store: &Store, vault: &Vault, old: &StoredUserKey) -> Result<bool, ServiceError> {
    let Some((key, wrapped)) = vault.renew(&old.user_id, &old.wrapped)? else { return Ok(false) };
    let mut resealed = Vec::new();
    for (provider, sealed) in store.sealed_grants_of(&old.user_id).await? {
        let seal = RowSeal { key: &key, user_id: &old.user_id, provider, row: sealed.connection_id };
        // `doctor` and the connection's own use report one that does not open.
        if let Ok(plain) = seal.open(GRANT, sealed.version, &sealed.blob) {
            let blob = seal.seal(GRANT, sealed.version, plain.expose_secret())?;
            resealed.push((sealed, blob));
        }
    }
    Ok(store.renew_user_key(old, &wrapped, &resealed).await?)
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
    /// Set for a grant that waits to be linked; earlier versions wrote none.
    consented_at: Option<i64>,
}

/// A grant that waits to be linked.
pub struct UnlinkedGrant {
    /// The grant.
    pub grant: Grant,
    /// The account id that the token answer named.
    pub account_id: Option<String>,
    /// When the person consented, as far as known: at the latest when the first token arrived.
    pub consented_at: Timestamp,
}

/// Seals and opens the secrets of one row: of a connection, or of a connect attempt.
#[derive(Debug, Clone, Copy)]
pub struct RowSeal<'a> {
    /// The owner's key.
    pub key: &'a UserKey,
    /// The owner.
    pub user_id: &'a str,
    /// The provider.
    pub provider: ProviderId,
    /// The connection, or the attempt.
    pub row: Uuid,
}

/// The version of each stage's secret, so that an earlier one does not open as a later one.
const CODE_STEP: i64 = 1;
const SHORT_STEP: i64 = 2;
const GRANT_STEP: i64 = 3;

/// A column of a table that holds sealed values.
type Column = (&'static str, &'static str);

const GRANT: Column = ("grants", "blob");
/// The journal's former name, kept so that files written before an update still open.
const JOURNALED: Column = ("spill", "blob");
const ATTEMPT_SECRET: Column = ("attempts", "sealed");
const COMPLETION: Column = ("attempts", "sealed_completion");

impl<'a> RowSeal<'a> {
    /// For a connection's row.
    pub fn of_connection(key: &'a UserKey, connection: &'a Connection) -> Self {
        Self { key, user_id: &connection.user_id, provider: connection.provider, row: connection.id }
    }

    /// For an attempt's row.
    pub fn of_attempt(key: &'a UserKey, attempt: &'a Attempt) -> Self {
        Self { key, user_id: &attempt.user_id, provider: attempt.provider, row: attempt.id }
    }

    /// For the row that a journaled token belongs to.
    pub fn of_journaled(key: &'a UserKey, token: &'a Journaled) -> Self {
        Self { key, user_id: &token.user_id, provider: ProviderId::INSTAGRAM, row: token.origin.row() }
    }

    fn seal(&self, column: Column, version: i64, plain: &[u8]) -> Result<Vec<u8>, ServiceError> {
        Ok(self.key.seal(&self.location(column, &self.row.to_string(), version), plain)?)
    }

    fn open(&self, column: Column, version: i64, blob: &[u8]) -> Result<SecretBytes, ServiceError> {
        Ok(self.key.open(&self.location(column, &self.row.to_string(), version), blob)?)
    }

    fn location<'p>(&'p self, (table, column): Column, row: &'p str, version: i64) -> Location<'p> {
        Location { table, column, row, user_id: self.user_id, provider: self.provider.as_str(), version }
    }

    /// Seals a grant as version `version` of its connection.
    pub fn seal_grant(&self, version: i64, grant: &Grant) -> Result<SealedGrant, ServiceError> {
        Ok(SealedGrant {
            connection_id: self.row,
            version,
            blob: self.seal(GRANT, version, &encode(&grant_record(grant))?)?,
            obtained_at: grant.obtained_at,
            expires_at: grant.expires_at,
        })
    }

    /// Opens a stored grant.
    pub fn open_grant(&self, sealed: &SealedGrant) -> Result<Grant, ServiceError> {
        let plain = self.open(GRANT, sealed.version, &sealed.blob)?;
        to_grant(decode(plain.expose_secret(), "grant")?)
    }

    /// Seals a grant refreshed from version `from_version`, which has no version of its own yet.
    pub fn seal_journaled(&self, from_version: i64, grant: &Grant) -> Result<Vec<u8>, ServiceError> {
        self.seal(JOURNALED, from_version, &encode(&grant_record(grant))?)
    }

    /// Opens a journaled grant.
    pub fn open_journaled(&self, from_version: i64, blob: &[u8]) -> Result<Grant, ServiceError> {
        let plain = self.open(JOURNALED, from_version, blob)?;
        to_grant(decode(plain.expose_secret(), "grant")?)
    }

    /// Seals an authorization code, not yet exchanged.
    pub fn seal_code(&self, code: &SecretString) -> Result<Vec<u8>, ServiceError> {
        self.seal(ATTEMPT_SECRET, CODE_STEP, code.expose_secret().as_bytes())
    }

    /// Seals a short-lived token.
    pub fn seal_short(&self, short: &ShortGrant) -> Result<Vec<u8>, ServiceError> {
        self.seal(ATTEMPT_SECRET, SHORT_STEP, &encode(&short_record(short))?)
    }

    /// Seals a grant that waits to be linked.
    pub fn seal_unlinked_grant(&self, unlinked: &UnlinkedGrant) -> Result<Vec<u8>, ServiceError> {
        let mut record = grant_record(&unlinked.grant);
        record.account_id.clone_from(&unlinked.account_id);
        record.consented_at = Some(unlinked.consented_at.as_millisecond());
        self.seal(ATTEMPT_SECRET, GRANT_STEP, &encode(&record)?)
    }

    /// Opens an authorization code.
    pub fn open_code(&self, blob: &[u8]) -> Result<SecretString, ServiceError> {
        text(self.open(ATTEMPT_SECRET, CODE_STEP, blob)?.expose_secret(), "authorization code")
    }

    /// Opens a short-lived token.
    pub fn open_short(&self, blob: &[u8]) -> Result<ShortGrant, ServiceError> {
        let plain = self.open(ATTEMPT_SECRET, SHORT_STEP, blob)?;
        let mut record: TokenRecord = decode(plain.expose_secret(), "short-lived token")?;
        Ok(ShortGrant {
            access_token: SecretString::from(std::mem::take(&mut record.token)),
            scopes: record.scopes.take(),
            account_id: record.account_id.take(),
            obtained_at: from_millis(record.obtained_at),
        })
    }

    /// Opens a grant that waits to be linked.
    pub fn open_unlinked_grant(&self, blob: &[u8]) -> Result<UnlinkedGrant, ServiceError> {
        let mut record = decode(self.open(ATTEMPT_SECRET, GRANT_STEP, blob)?.expose_secret(), "grant")?;
        let (account_id, consented_at) = (record.account_id.take(), record.consented_at);
        let grant = to_grant(record)?;
        let consented_at = consented_at.map_or(grant.obtained_at, from_millis);
        Ok(UnlinkedGrant { grant, account_id, consented_at })
    }

    /// Seals the completion, so that the same callback gets the same answer again. It opens only
    /// for the same code: the attempt's beginner knows `state`, but only the returning browser
    /// knows the code.
    pub fn seal_completion(
        &self,
        completion: &SecretString,
        code: &SecretString,
    ) -> Result<Vec<u8>, ServiceError> {
        let row = self.row_and_code(code);
        Ok(self.key.seal(&self.location(COMPLETION, &row, 0), completion.expose_secret().as_bytes())?)
    }

    /// Opens the completion. `None` for another code than it came with.
    pub fn open_completion(
        &self,
        blob: &[u8],
        code: &SecretString,
    ) -> Result<Option<SecretString>, ServiceError> {
        match self.key.open(&self.location(COMPLETION, &self.row_and_code(code), 0), blob) {
            Ok(plain) => text(plain.expose_secret(), "completion").map(Some),
            Err(VaultError::Tampered) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn row_and_code(&self, code: &SecretString) -> String {
        let code = sha256(code.expose_secret().as_bytes());
        format!("{} {}", self.row, URL_SAFE_NO_PAD.encode(code))
    }
}

fn grant_record(grant: &Grant) -> TokenRecord {
    TokenRecord {
        token: grant.access_token.expose_secret().to_owned(),
        scopes: grant.scopes.clone(),
        account_id: None,
        obtained_at: grant.obtained_at.as_millisecond(),
        expires_at: Some(grant.expires_at.as_millisecond()),
        consented_at: None,
    }
}

fn short_record(short: &ShortGrant) -> TokenRecord {
    TokenRecord {
        token: short.access_token.expose_secret().to_owned(),
        scopes: short.scopes.clone(),
        account_id: short.account_id.clone(),
        obtained_at: short.obtained_at.as_millisecond(),
        expires_at: None,
        consented_at: None,
    }
}

fn to_grant(mut record: TokenRecord) -> Result<Grant, ServiceError> {
    let expires_at = record.expires_at.ok_or(ServiceError::Content { what: "grant" })?;
    if record.token.is_empty() {
        return Err(ServiceError::Content { what: "grant" });
    }
    Ok(Grant {
        access_token: SecretString::from(std::mem::take(&mut record.token)),
        scopes: record.scopes.take(),
        obtained_at: from_millis(record.obtained_at),
        expires_at: from_millis(expires_at),
    })
}

fn encode(record: &TokenRecord) -> Result<zeroize::Zeroizing<Vec<u8>>, ServiceError> {
    serde_json::to_vec(record)
        .map(zeroize::Zeroizing::new)
        .map_err(|_| ServiceError::Content { what: "token" })
}

/// The parse error is dropped: it could quote the secret.
fn decode(plain: &[u8], what: &'static str) -> Result<TokenRecord, ServiceError> {
    serde_json::from_slice(plain).map_err(|_| ServiceError::Content { what })
}

fn text(plain: &[u8], what: &'static str) -> Result<SecretString, ServiceError> {
    let text = std::str::from_utf8(plain).map_err(|_| ServiceError::Content { what })?;
    Ok(SecretString::from(text.to_owned()))
}
