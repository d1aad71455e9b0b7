//! The audit record: which service key took whose grant, and what operators did. Kept for a year,
//! like the history.

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::engine::{Row, Unreadable, from_row, values};
use super::statements::{Sql, by_index, statements};
use super::{Store, StoreError, rows};
use crate::clock::from_millis;

/// Acts changed by one statement: one user may have hundreds of thousands, and time is limited.
const FORGOTTEN_AT_ONCE: usize = 500;

statements! {
    AUDIT_INSERT = Sql::both("INSERT INTO audit (id, at, actor, action, user_id, detail) VALUES ($1, $2, $3, $4, $5, $6)");
    AUDIT_PAGE = Sql::both(
        "SELECT id, at, actor, action, user_id, detail FROM audit WHERE at > $1 OR (at = $1 AND id > $2) ORDER BY at, id \
         LIMIT $3 + 0",
    );
    AUDIT_OF_KEY = Sql::both("SELECT id FROM audit WHERE action = 'keys.retire' AND detail = $1 LIMIT 1");
    /// Acts that concern an erased user stay, without the user id.
    AUDIT_FORGET = by_index!(
        "UPDATE audit",
        "sqlite_autoindex_audit_1",
        " SET user_id = NULL WHERE id IN (SELECT id FROM audit WHERE user_id = $1 LIMIT $2 + 0)",
    );
    /// The next erased users, and whether acts still name them.
    AUDIT_OF_ERASED = Sql::both(
        "SELECT d.user_id, (SELECT a.id FROM audit AS a WHERE a.user_id = d.user_id LIMIT 1) AS act FROM deleted_users AS d \
         WHERE d.user_id > $1 ORDER BY d.user_id LIMIT $2 + 0",
    );
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
    /// Orders entries of the same time.
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
        let values = values![id, at, &act.actor, act.action, &act.user_id, &act.detail];
        self.write(AUDIT_INSERT, values).await.map(drop)
    }

    /// A page of the record, oldest first.
    pub async fn acts(&self, after: AuditCursor, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let found = self.read(AUDIT_PAGE, values![after.at, after.id, limit]).await?;
        found.iter().map(|row| rows::read(row, "audit", "id", read)).collect()
    }

    /// Takes a user's id out of the record, in at most `steps` steps.
    pub(super) async fn forget_acts(&self, user_id: &str, steps: usize) -> Result<(), StoreError> {
        for _ in 0..steps {
            if self.write(AUDIT_FORGET, values![user_id, FORGOTTEN_AT_ONCE]).await? == 0 {
                break;
            }
            self.inner.erasures.add();
        }
        Ok(())
    }

    /// Forgets the acts that still name one of the next `limit` erased users after `from`: the
    /// erasure was cut short, or the act was under way. Returns the last of these users.
    pub async fn forget_acts_of_erased(
        &self,
        from: &str,
        limit: usize,
    ) -> Result<Option<String>, StoreError> {
        let found = self.read(AUDIT_OF_ERASED, values![from, limit]).await?;
        let read =
            |row: &Row| Ok((row.get::<String>("user_id")?, row.get::<Option<String>>("act")?.is_some()));
        let mut reached = None;
        for (user_id, is_named) in rows::read_all(&found, "deleted_users", read)? {
            if is_named {
                self.forget_acts(&user_id, usize::MAX).await?;
            }
            reached = Some(user_id);
        }
        Ok(reached)
    }

    /// Fails if an operator has retired this key of the ring, as far as the record goes back: one
    /// without a sentinel is then not new.
    pub async fn refuse_retired(&self, key_id: &str) -> Result<(), StoreError> {
        match self.read_one(AUDIT_OF_KEY, values![key_id]).await? {
            Some(_) => Err(StoreError::KeyRetired { key_id: key_id.to_owned() }),
            None => Ok(()),
        }
    }
}

fn read(row: &Row) -> Result<AuditEntry, Unreadable> {
    Ok(from_row!(row => AuditEntry { id, at, actor, action, user_id, detail }))
}
