//! Receipts of Meta's data deletion callback, and accounts withdrawn at Meta.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Row, bound, fields, from_row, values};
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
    /// How many connections and connect attempts were erased.
    pub erased: u32,
    /// What is still to be erased, until it is.
    pub unfinished: Option<Unfinished>,
}

/// What a data deletion request is about, as long as it is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// When the request was issued.
    pub issued_at: Timestamp,
    /// The connections that had the account.
    pub connections: Vec<Uuid>,
}

impl Unfinished {
    fn to_text(&self) -> String {
        let ids = self.connections.iter().map(|id| format!(" {id}"));
        format!("{}{}", self.issued_at.as_millisecond(), ids.collect::<String>())
    }

    fn parse(text: &str) -> Option<Self> {
        let (issued_at, ids) = text.split_once(' ').unwrap_or((text, ""));
        let connections = ids.split_whitespace().map(|id| id.parse().ok()).collect::<Option<_>>()?;
        Some(Self { issued_at: Timestamp::from_millisecond(issued_at.parse().ok()?).ok()?, connections })
    }
}

impl Store {
    /// Stores a request, or that it is done. The count of erased links adds up over all calls.
    pub async fn record_deletion(&self, deletion: &DataDeletion) -> Result<(), StoreError> {
        let values = values![
            &deletion.code,
            deletion.provider,
            deletion.requested_at,
            deletion.completed_at,
            deletion.erased,
            &deletion.unfinished,
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
        let values = values![provider, hash, issued_at];
        self.write(statements::WITHDRAWAL_PUT, values).await.map(drop)
    }

    /// When the account, by either of its ids, was last withdrawn in the last days.
    pub async fn withdrawn_at(
        &self,
        provider: ProviderId,
        ids: [&str; 2],
    ) -> Result<Option<Timestamp>, StoreError> {
        let [one, other] = ids.map(|id| sha256(id.as_bytes()));
        let values = values![provider, one, other];
        self.total(statements::WITHDRAWAL, values, "withdrawals", |row| row.get("issued_at")).await
    }

    /// The request with this code.
    pub async fn deletion(&self, code: &str) -> Result<Option<DataDeletion>, StoreError> {
        let row = self.read_for_stranger(statements::DELETION, values![code]).await?;
        row.as_ref().map(deletion).transpose()
    }

    /// The requests that arrived before `before` and are not done. Unreadable rows are skipped.
    pub async fn unfinished_deletions(&self, before: Timestamp) -> Result<Vec<DataDeletion>, StoreError> {
        self.readable(statements::DELETIONS_UNFINISHED, values![before], usize::MAX, deletion).await
    }
}

bound! {
    Unfinished => Text, |unfinished| unfinished.to_text();
}

fields! {
    Unfinished => text, |text| Unfinished::parse(text).ok_or("neither a time nor ids");
}

fn deletion(row: &Row) -> Result<DataDeletion, StoreError> {
    rows::read(row, "data_deletions", "code", |row| {
        Ok(from_row!(row => DataDeletion { code, provider, requested_at, completed_at, erased, unfinished }))
    })
}
