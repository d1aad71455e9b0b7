//! Receipts of Meta's data deletion callback, and accounts withdrawn at Meta.

use jiff::Timestamp;

use super::engine::Unreadable;
use super::{Store, StoreError, rows, statements};
use crate::digest::sha256;
use crate::provider::ProviderId;

/// A data deletion request. Holds no personal data, so it may outlive the erased data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDeletion {
    /// The confirmation code.
    pub code: String,
    /// The provider.
    pub provider: ProviderId,
    /// When it arrived.
    pub requested_at: Timestamp,
    /// When everything was erased.
    pub completed_at: Option<Timestamp>,
    /// How many connections were erased.
    pub erased: u32,
}

impl Store {
    /// Stores a request, or its progress.
    pub async fn record_deletion(&self, deletion: &DataDeletion) -> Result<(), StoreError> {
        let values = vec![
            deletion.code.as_str().into(),
            deletion.provider.as_str().into(),
            deletion.requested_at.into(),
            deletion.completed_at.into(),
            deletion.erased.into(),
        ];
        self.write(statements::DELETION_INSERT, values).await.map(drop)
    }

    /// Notes that the account's person withdrew it at `issued_at`, by the account's hash: the id is
    /// to be forgotten.
    pub async fn record_withdrawal(
        &self,
        provider: ProviderId,
        account_id: &str,
        issued_at: Timestamp,
    ) -> Result<(), StoreError> {
        let hash = sha256(account_id.as_bytes());
        let values = vec![provider.as_str().into(), hash.as_slice().into(), issued_at.into()];
        self.write(statements::WITHDRAWAL_PUT, values).await.map(drop)
    }

    /// When the account, by either of its ids, was last withdrawn in the last days.
    pub async fn withdrawn_at(
        &self,
        provider: ProviderId,
        ids: [&str; 2],
    ) -> Result<Option<Timestamp>, StoreError> {
        let [one, other] = ids.map(|id| sha256(id.as_bytes()));
        let values = vec![provider.as_str().into(), one.as_slice().into(), other.as_slice().into()];
        let row = self.read_one(statements::WITHDRAWAL, values).await?;
        let issued_at = row.map(|row| row.time("issued_at")).transpose();
        issued_at.map_err(|error| error.at("withdrawals", "(by hash)"))
    }

    /// The request with this code.
    pub async fn deletion(&self, code: &str) -> Result<Option<DataDeletion>, StoreError> {
        let Some(row) = self.read_for_stranger(statements::DELETION, vec![code.into()]).await? else {
            return Ok(None);
        };
        let read = || -> Result<_, Unreadable> {
            Ok(DataDeletion {
                code: row.text("code")?,
                provider: rows::provider(&row)?,
                requested_at: row.time("requested_at")?,
                completed_at: row.opt_time("completed_at")?,
                erased: u32::try_from(row.int("erased")?)
                    .map_err(|_| Unreadable::new("erased", "out of range"))?,
            })
        };
        read().map(Some).map_err(|error| error.at("data_deletions", code))
    }
}
