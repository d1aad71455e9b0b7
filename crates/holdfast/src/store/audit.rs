//! The audit record: which service key took whose grant, and what operators did. Kept for a year,
//! like the history.

use jiff::Timestamp;
use uuid::Uuid;

use super::engine::{Row, Unreadable};
use super::statements::{Sql, statements};
use super::{Store, StoreError, rows};
use crate::clock::from_millis;

statements! {
    AUDIT_INSERT = Sql::both("INSERT INTO audit (id, at, actor, action, user_id, detail) VALUES ($1, $2, $3, $4, $5, $6)");
    AUDIT_PAGE = Sql::both(
        "SELECT id, at, actor, action, user_id, detail FROM audit WHERE at > $1 OR (at = $1 AND id > $2) ORDER BY at, id \
         LIMIT $3 + 0",
    );
    AUDIT_OF_KEY = Sql::both("SELECT id FROM audit WHERE action = 'keys.retire' AND detail = $1 LIMIT 1");
    /// Acts that concern an erased user stay, without the user id.
    AUDIT_FORGET = Sql::both("UPDATE audit SET user_id = NULL WHERE user_id = $1");
}

/// An act to be recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Who: `service_key:ID`, or `operator:LOGIN`.
    pub actor: String,
    /// What, such as `grant.taken` or `keys.rotate`.
    pub action: &'static str,
    /// The user concerned.
    pub user_id: Option<String>,
    /// More about it; no secret.
    pub detail: Option<String>,
}

/// A recorded act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// The user concerned; `None` also once that user is erased.
    pub user_id: Option<String>,
    /// More about it.
    pub detail: Option<String>,
}

/// Where a page of the record begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditCursor {
    /// Entries after this time follow.
    pub at: Timestamp,
    /// Of the same time, those with greater ids follow.
    pub id: Uuid,
}

impl AuditCursor {
    /// Everything since `at`, that moment included.
    pub fn since(at: Timestamp) -> Self {
        Self { at: from_millis(at.as_millisecond().saturating_sub(1)), id: Uuid::max() }
    }
}

impl Store {
    /// Records an act.
    pub async fn record_act(&self, id: Uuid, at: Timestamp, act: &Act) -> Result<(), StoreError> {
        let values = vec![
            id.into(),
            at.into(),
            act.actor.as_str().into(),
            act.action.into(),
            act.user_id.as_deref().into(),
            act.detail.as_deref().into(),
        ];
        self.write(AUDIT_INSERT, values).await.map(drop)
    }

    /// A page of the record, oldest first.
    pub async fn acts(&self, after: AuditCursor, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let values = vec![after.at.into(), after.id.into(), rows::limit(limit)];
        let found = self.read(AUDIT_PAGE, values).await?;
        found.iter().map(|row| rows::read(row, "audit", "id", read)).collect()
    }

    /// Fails if an operator has retired this key of the ring, as far as the record goes back: one
    /// without a sentinel is then not new.
    pub async fn refuse_retired(&self, key_id: &str) -> Result<(), StoreError> {
        match self.read_one(AUDIT_OF_KEY, vec![key_id.into()]).await? {
            Some(_) => Err(StoreError::KeyRetired { key_id: key_id.to_owned() }),
            None => Ok(()),
        }
    }
}

fn read(row: &Row) -> Result<AuditEntry, Unreadable> {
    Ok(AuditEntry {
        id: row.id("id")?,
        at: row.time("at")?,
        actor: row.text("actor")?,
        action: row.text("action")?,
        user_id: row.opt_text("user_id")?,
        detail: row.opt_text("detail")?,
    })
}
