//! SQLite backup and restore. Postgres has `pg_dump` and its own continuous archiving.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::engine::{self, Engine, Sqlite, values};
use super::{MigrateError, OpenError, SchemaState, Store, StoreError, StoreOptions, statements};
use crate::clock::{SharedClock, after};
use crate::entropy::{self, EntropyExhausted, SystemEntropy};

/// What a restored database needs of the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    /// How many migrations it lacked, which are applied.
    pub migrated: usize,
    /// How many service keys are valid in it: those among them that were revoked since, again.
    pub valid_service_keys: usize,
}

/// Why a backup or a restore failed.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Not on this engine.
    #[error("`backup` and `restore` copy SQLite databases; use `pg_dump` and `pg_restore` for Postgres")]
    NotSqlite,
    /// The file exists already.
    #[error("{0} exists already; nothing is overwritten: move it away first")]
    Exists(PathBuf),
    /// The disk that the copy was written to is full.
    #[error("there is no room for the copy on the disk of {0}; nothing of it is left")]
    NoRoom(PathBuf),
    /// The path is not UTF-8, which SQLite needs.
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
    /// The copy is not a database.
    #[error("{0} is not a SQLite database; name a file that `holdfast backup` wrote")]
    NotADatabase(PathBuf),
    /// The copy is another program's database.
    #[error("{0} is a SQLite database, but not one of Holdfast's; name a file that `holdfast backup` wrote")]
    NotOurs(PathBuf),
    /// The copy is damaged.
    #[error("{path} is damaged: {found}; restore another backup")]
    Damaged {
        /// The copy.
        path: PathBuf,
        /// What SQLite found.
        found: String,
    },
    /// The copy cannot be opened, or the target is in use.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The copy's schema could not be brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database could not be copied.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no name for the copy.
    #[error(transparent)]
    Entropy(#[from] EntropyExhausted),
}

impl Store {
    /// Writes a consistent, compact copy to `target` while the service runs. The copy holds what
    /// the database holds: grants sealed, without the key ring. It also keeps what is erased later;
    /// restoring it brings that back.
    pub async fn backup(&self, target: &Path) -> Result<(), BackupError> {
        let Engine::Sqlite(sqlite) = &self.inner.engine else { return Err(BackupError::NotSqlite) };
        refuse_existing(target)?;
        // Half a copy must never have the name of a whole one, nor that of another backup's half.
        let own = u64::from_ne_bytes(entropy::random(&SystemEntropy)?);
        remove_abandoned(target, self.inner.clock.now());
        let draft = Draft(beside(target, &format!("{COPYING}{own:016x}")));
        let text = draft.0.to_str().ok_or_else(|| BackupError::Path(target.to_owned()))?;
        // SQLite accepts an empty file, but would itself create one that everybody may read.
        let copy = create_private(&draft.0, target)?;
        sqlite.copy_to(text).await.map_err(|error| match error {
            StoreError::Full(_) => BackupError::NoRoom(target.to_owned()),
            other => BackupError::Store(other),
        })?;
        copy.sync_all().map_err(|error| unwritten(target, error))?;
        refuse_existing(target)?;
        fs::rename(&draft.0, target).map_err(|error| unwritten(target, error))
    }
}

/// Copies `source` to the path in `options`, which must be free and not in use. The copy is checked
/// completely before it gets its name; `source` is not changed. Where it is a database as a crash
/// left it, the log beside it comes along. Its connections get versions that were never used
/// before, and where events are sent, the app hears of all of them.
pub async fn restore(
    source: &Path,
    options: &StoreOptions,
    clock: SharedClock,
) -> Result<Restored, BackupError> {
    let url = secrecy::ExposeSecret::expose_secret(&options.url);
    if !url.starts_with("sqlite:") {
        return Err(BackupError::NotSqlite);
    }
    let target = Sqlite::path_of(url)?;
    let _served = engine::reserve(&target)?;
    // A killed server leaves its log, which SQLite would take for the restored database's.
    for suffix in FILES {
        refuse_existing(&beside(&target, suffix))?;
    }
    let draft = Draft(beside(&target, ".restoring"));
    // Left by a restore that was killed; nobody else writes there.
    draft.remove();
    // It would write to both while they are copied.
    if engine::is_served(source) == Some(true) {
        return Err(OpenError::InUse(source.to_owned()).into());
    }
    let copy = copy_whole(source, &target, &draft.0)?;
    let log = beside(source, "-wal");
    if log.exists() {
        copy_whole(&log, &target, &beside(&draft.0, "-wal"))?;
    }
    let restored = check(source, &draft.0, options, clock).await.map_err(|error| match error {
        BackupError::Open(OpenError::NoRoom(_))
        | BackupError::Store(StoreError::Full(_))
        | BackupError::Migrate(
            MigrateError::Failed { source: StoreError::Full(_), .. }
            | MigrateError::Store(StoreError::Full(_)),
        ) => BackupError::NoRoom(target.clone()),
        other => other,
    })?;
    copy.sync_all()
        .and_then(|()| fs::rename(&draft.0, &target))
        .map_err(|error| unwritten(&target, error))?;
    Ok(restored)
}

/// Copies the file `original` to `draft`; an error names the file that it is of.
fn copy_whole(original: &Path, target: &Path, draft: &Path) -> Result<File, BackupError> {
    let mut from = File::open(original).map_err(|error| at(original, error))?;
    let mut copy = create_private(draft, target)?;
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            Ok(0) => return Ok(copy),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(at(original, error)),
        };
        copy.write_all(&buffer[..read]).map_err(|error| unwritten(target, error))?;
    }
}

/// Behind the name of a backup, the beginning of its draft's.
const COPYING: &str = ".copying-";

/// A draft to which nothing was written for this long is that of a backup that was killed.
const ABANDONED_AFTER: Duration = Duration::from_hours(1);

/// Removes the drafts of backups that were killed: full copies, of erased people too.
fn remove_abandoned(target: &Path, now: Timestamp) {
    let begin = beside(target, COPYING);
    let (Some(directory), Some(begin)) = (begin.parent(), begin.file_name()) else { return };
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    for draft in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = draft.file_name();
        let is_draft = name.as_encoded_bytes().starts_with(begin.as_encoded_bytes())
            && !name.as_encoded_bytes().ends_with(b"-journal");
        let written_at = draft.metadata().and_then(|facts| facts.modified()).map(Timestamp::try_from);
        if is_draft && matches!(written_at, Ok(Ok(at)) if after(at, ABANDONED_AFTER) < now) {
            Draft(draft.path()).remove();
        }
    }
}

/// A SQLite database, and the files beside it.
const FILES: [&str; 4] = ["", "-wal", "-shm", "-journal"];

/// A copy that is removed unless it was given its final name: one that failed must not stand in the
/// way of the next.
struct Draft(PathBuf);

impl Draft {
    fn remove(&self) {
        for suffix in FILES {
            // The error that led here is the one to tell.
            let _ = fs::remove_file(beside(&self.0, suffix));
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Opens the copy with the usual assertions, and has SQLite check every page. Errors name `source`,
/// the file that the operator gave.
async fn check(
    source: &Path,
    draft: &Path,
    target: &StoreOptions,
    clock: SharedClock,
) -> Result<Restored, BackupError> {
    let text = draft.to_str().ok_or_else(|| BackupError::Path(draft.to_owned()))?;
    let options = StoreOptions::tool(format!("sqlite://{text}")).with_outbox(target.outbox);
    let opened = Store::open(&options, clock).await;
    let store = opened.map_err(|error| match error {
        OpenError::NotADatabase(_) => BackupError::NotADatabase(source.to_owned()),
        OpenError::Unusable(StoreError::Damaged(found)) => damaged(source, found),
        OpenError::Unusable(why) => damaged(source, why.to_string()),
        other => BackupError::Open(other),
    })?;
    let verdict = inspect(source, &store).await;
    // Closing the last connection removes the write-ahead log.
    store.close().await;
    verdict.map_err(|error| match error {
        BackupError::Store(StoreError::Damaged(why) | StoreError::Corrupt { why, .. }) => {
            damaged(source, why)
        }
        other => other,
    })
}

fn damaged(source: &Path, found: String) -> BackupError {
    BackupError::Damaged { path: source.to_owned(), found }
}

async fn inspect(source: &Path, store: &Store) -> Result<Restored, BackupError> {
    let Engine::Sqlite(sqlite) = &store.inner.engine else { return Err(BackupError::NotSqlite) };
    require_sound(source, sqlite).await?;
    if !store.is_migrated().await? {
        return Err(BackupError::NotOurs(source.to_owned()));
    }
    if let Some(version) = store.changed_migration().await? {
        return Err(MigrateError::Changed { version }.into());
    }
    // The events need the present tables, and the server would do the same.
    let migrated = match store.schema_state().await? {
        SchemaState::Behind(_) => store.migrate().await?,
        SchemaState::Current | SchemaState::Ahead { .. } => 0,
    };
    store.renumber().await?;
    // Only the file gets its name: what it grows by must find room, too.
    store.distrust_log();
    if !store.empty_log(sqlite).await? {
        return Err(StoreError::Busy("its write-ahead log is in use".to_owned()).into());
    }
    require_sound(source, sqlite).await?;
    let valid = store.service_keys().await?.into_iter().filter(|key| key.revoked_at.is_none());
    Ok(Restored { migrated, valid_service_keys: valid.count() })
}

impl Store {
    /// Gives every connection a version that it never had, since those of a restored database were
    /// used before: the app would take further events for old ones. With an outbox, an event about
    /// each is stored.
    async fn renumber(&self) -> Result<(), StoreError> {
        let now = self.inner.clock.now();
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            // No connection changes once a second for long, so the clock is ahead of all versions.
            unit.run(statements::CONNECTIONS_RENUMBER, values![now.as_second()]).await?;
            if self.inner.outbox {
                unit.run(statements::OUTBOX_PUT_ALL, values![now]).await?;
            }
            unit.commit().await
        })
        .await
    }
}

async fn require_sound(source: &Path, sqlite: &Sqlite) -> Result<(), BackupError> {
    match sqlite.integrity().await?.as_str() {
        "ok" => Ok(()),
        found => Err(damaged(source, found.to_owned())),
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// The copy could not be written. Names the target, since nobody knows the draft's name.
fn unwritten(target: &Path, error: io::Error) -> BackupError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BackupError::NoRoom(target.to_owned()),
        _ => at(target, error),
    }
}

fn at(path: &Path, source: io::Error) -> BackupError {
    BackupError::File { path: path.to_owned(), source }
}

/// Creates the file of a copy that is to be called `target`, with mode 0600.
fn create_private(draft: &Path, target: &Path) -> Result<File, BackupError> {
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(draft.to_owned()),
        _ => unwritten(target, error),
    })
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    if path.exists() { Err(BackupError::Exists(path.to_owned())) } else { Ok(()) }
}
