//! Copies of a SQLite database. Postgres has `pg_dump` and its own continuous archiving.

use std::path::{Path, PathBuf};

use super::engine::Engine;
use super::{Store, StoreError};

/// A copy could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Not on this engine.
    #[error("`backup` copies SQLite databases; use `pg_dump` for Postgres")]
    NotSqlite,
    /// There is such a file already.
    #[error("{0} exists already; a backup never overwrites")]
    Exists(PathBuf),
    /// Not a path that SQLite takes.
    #[error("{0} is not a path in UTF-8")]
    Path(PathBuf),
    /// The database could not be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes a consistent, compact copy to `target` while the service runs. The copy holds what the database holds: grants sealed,
    /// without the key ring.
    pub async fn backup(&self, target: &Path) -> Result<(), BackupError> {
        let Engine::Sqlite(sqlite) = &self.inner.engine else { return Err(BackupError::NotSqlite) };
        if target.exists() {
            return Err(BackupError::Exists(target.to_owned()));
        }
        let text = target.to_str().ok_or_else(|| BackupError::Path(target.to_owned()))?;
        Ok(sqlite.copy_to(text).await?)
    }
}
