//! Copies of a SQLite database, and back. Postgres has `pg_dump` and its own continuous archiving.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::engine::{Engine, Sqlite};
use super::{OpenError, SchemaState, Store, StoreError, StoreOptions};
use crate::clock::SharedClock;

/// A copy could not be made or put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Not on this engine.
    #[error("`backup` and `restore` copy SQLite databases; use `pg_dump` and `pg_restore` for Postgres")]
    NotSqlite,
    /// There is such a file already.
    #[error("{0} exists already; nothing is overwritten: move it away first")]
    Exists(PathBuf),
    /// Not a path that SQLite takes.
    #[error("{0} is not a path in UTF-8")]
    Path(PathBuf),
    /// The file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The copy is damaged.
    #[error("the copy is damaged: {0}")]
    Damaged(String),
    /// The copy is no database of ours, or the place is in use.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The database could not be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Store {
    /// Writes a consistent, compact copy to `target` while the service runs. The copy holds what the database holds: grants sealed,
    /// without the key ring. It also keeps what is erased later; restoring it brings that back.
    pub async fn backup(&self, target: &Path) -> Result<(), BackupError> {
        let Engine::Sqlite(sqlite) = &self.inner.engine else { return Err(BackupError::NotSqlite) };
        refuse_existing(target)?;
        let text = target.to_str().ok_or_else(|| BackupError::Path(target.to_owned()))?;
        Ok(sqlite.copy_to(text).await?)
    }
}

/// Puts the copy `source` where `options` points, which must be free and not served from. The copy is checked whole before it gets
/// its name; `source` is not changed. Returns how its schema compares with this program's.
pub async fn restore(
    source: &Path,
    options: &StoreOptions,
    clock: SharedClock,
) -> Result<SchemaState, BackupError> {
    let url = secrecy::ExposeSecret::expose_secret(&options.url);
    if !url.starts_with("sqlite:") {
        return Err(BackupError::NotSqlite);
    }
    let target = Sqlite::path_of(url)?;
    let _served = Sqlite::reserve(&target)?;
    refuse_existing(&target)?;
    let draft = beside(&target, ".restoring");
    let at_draft = |source| BackupError::File { path: draft.clone(), source };
    fs::copy(source, &draft).map_err(|error| BackupError::File { path: source.to_owned(), source: error })?;
    let state = match check(&draft, clock).await {
        Ok(state) => state,
        Err(error) => {
            for suffix in ["", "-wal", "-shm"] {
                // The first error is the one to tell.
                let _ = fs::remove_file(beside(&draft, suffix));
            }
            return Err(error);
        }
    };
    File::open(&draft).and_then(|file| file.sync_all()).map_err(at_draft)?;
    // A log without its database would be taken for the new one's.
    for suffix in ["-wal", "-shm"] {
        refuse_existing(&beside(&target, suffix))?;
    }
    fs::rename(&draft, &target).map_err(at_draft)?;
    Ok(state)
}

/// Opens the copy as a database, with all that is asserted then, and has SQLite look at every page of it.
async fn check(draft: &Path, clock: SharedClock) -> Result<SchemaState, BackupError> {
    let text = draft.to_str().ok_or_else(|| BackupError::Path(draft.to_owned()))?;
    let store = Store::open(&StoreOptions::tool(format!("sqlite://{text}")), clock).await?;
    let verdict = inspect(&store).await;
    // The last connection takes the log with it.
    store.close().await;
    verdict
}

async fn inspect(store: &Store) -> Result<SchemaState, BackupError> {
    let Engine::Sqlite(sqlite) = &store.inner.engine else { return Err(BackupError::NotSqlite) };
    let found = sqlite.integrity().await?;
    if found == "ok" { Ok(store.schema_state().await?) } else { Err(BackupError::Damaged(found)) }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    if path.exists() { Err(BackupError::Exists(path.to_owned())) } else { Ok(()) }
}
