//! Receipts of Meta's data deletion callback.

use jiff::Timestamp;

use super::engine::Unreadable;
use super::{Store, StoreError, rows, statements};
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

    /// The request with this code.
    pub async fn deletion(&self, code: &str) -> Result<Option<DataDeletion>, StoreError> {
        let Some(row) = self.read_one(statements::DELETION, vec![code.into()]).await? else {
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
