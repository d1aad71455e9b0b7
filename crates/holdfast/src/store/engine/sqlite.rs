//! SQLite: one writer connection, several readers, settings made and then asserted.

pub(super) mod file;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::OpenFlags;
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Connection as _, Executor as _, Row as _};

use self::file::{FileIdentity, lock, prepare_file};
use super::Failure;
use crate::clock::{SystemClock, within};
use crate::store::{OpenError, PoolUse, StoreError};

/// A reader per core of a small machine; SQLite reads do not wait for the writer.
const READERS: u32 = 4;
/// Page cache of each reader, in KiB as SQLite writes it. Walks of whole tables would fill the
/// usual 2 MB with pages that nobody asks for again, and the kernel has the file in memory anyway.
const READER_CACHE: &str = "-512";
/// Size to which the write-ahead log is cut once nobody reads it, in bytes: a long read makes it
/// grow.
const LOG_KEPT: u64 = 16 * 1024 * 1024;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the reads and writes of requests, which go on all the time.
const CHECKPOINT_TIMEOUT: Duration = Duration::from_millis(10);
/// Longest wait for a connection. Shorter than a request's 10 s, as whoever waits for one that
/// hangs has to learn that it is the database.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest wait for the writer. Shorter than [`BUSY_TIMEOUT`]: behind a unit of work that waits for
/// a lock there is no turn within a request's 10 s, and its caller has to learn that it is the
/// database.
const TURN_TIMEOUT: Duration = Duration::from_secs(4);

/// A SQLite database.
#[derive(Debug, Clone)]
pub(in crate::store) struct Sqlite {
    writer: SqlitePool,
    readers: SqlitePool,
    /// Whether the writer has an uncommitted transaction: spares other units of work a needless
    /// rollback.
    open: Arc<AtomicBool>,
    /// Whether the last unit of work was not committed: for a reason of its own, or because nothing
    /// can be written.
    doubted: Arc<AtomicBool>,
    file: Arc<FileIdentity>,
    /// The file lock, held while this process serves from the file.
    served: Option<Arc<File>>,
}

/// A transaction on the writer.
pub(super) struct Writing {
    pub(super) connection: PoolConnection<sqlx::Sqlite>,
    open: Arc<AtomicBool>,
    doubted: Arc<AtomicBool>,
}

impl Writing {
    /// Commits, durably.
    pub(super) async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.execute("COMMIT").await?;
        self.open.store(false, Ordering::SeqCst);
        self.doubted.store(false, Ordering::SeqCst);
        Ok(())
    }
}

/// `sqlite://path` with optional `?max_page_count=n`, a quota in pages of 4 KiB.
struct Address {
    path: PathBuf,
    max_page_count: Option<u32>,
}

impl FromStr for Address {
    type Err = OpenError;

    fn from_str(url: &str) -> Result<Self, OpenError> {
        let fault = |why: &str| OpenError::Address(why.to_owned());
        let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        if path.is_empty() {
            return Err(fault("the path of the SQLite file is missing"));
        }
        if path.starts_with(":memory:") {
            return Err(fault("an in-memory database would lose every grant"));
        }
        if path.starts_with("file:") {
            return Err(fault(
                "SQLite's own form `file:…` is not read; the path stands behind `sqlite://` as it is",
            ));
        }
        let mut max_page_count = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("max_page_count", count)) => {
                    let count = count.parse().map_err(|_| fault("max_page_count is not a number"))?;
                    max_page_count = Some(count);
                }
                // Accepted because other programs write it. Ignored: the caller decides whether the
                // file is created.
                Some(("mode", "rw" | "rwc")) => {}
                Some(_) | None => {
                    return Err(fault("the only known options are `max_page_count=` and `mode=rwc`"));
                }
            }
        }
        Ok(Self { path: PathBuf::from(path), max_page_count })
    }
}

impl Sqlite {
    /// Opens the file. `create` makes it if there is none; `exclusive` refuses where another
    /// process already serves from it.
    pub(in crate::store) async fn open(url: &str, create: bool, exclusive: bool) -> Result<Self, OpenError> {
        let Address { path, max_page_count } = url.parse()?;
        prepare_file(&path, create)?;
        let served = if exclusive { Some(Arc::new(lock(&path)?)) } else { None };
        let mut options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .pragma("secure_delete", "ON")
            .pragma("journal_size_limit", LOG_KEPT.to_string())
            .pragma("temp_store", "MEMORY");
        if let Some(count) = max_page_count {
            options = options.pragma("max_page_count", count.to_string());
        }
        let open = Arc::new(AtomicBool::new(false));
        let (left_open, doubted) = (open.clone(), Arc::new(AtomicBool::new(false)));
        let doubts = doubted.clone();
        let pool = || {
            SqlitePoolOptions::new()
                .max_lifetime(None)
                .idle_timeout(None)
                .acquire_timeout(ACQUIRE_TIMEOUT)
                .test_before_acquire(false)
        };
        let writer = pool()
            .max_connections(1)
            .after_release(move |connection, _| {
                let left_open = left_open.swap(false, Ordering::SeqCst);
                doubts.fetch_or(left_open, Ordering::SeqCst);
                Box::pin(async move { if left_open { leave_clean(connection).await } else { Ok(true) } })
            })
            .connect_with(options.clone())
            .await
            .map_err(|error| explain(error, &path))?;
        assert_settings(&writer, &path).await?;
        let readers = pool()
            .max_connections(READERS)
            .connect_with(options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE))
            .await
            .map_err(|error| explain(error, &path))?;
        let file = Arc::new(FileIdentity::of(&path));
        Ok(Self { writer, readers, open, doubted, file, served })
    }

    /// The file that an address names.
    pub(in crate::store) fn path_of(url: &str) -> Result<PathBuf, OpenError> {
        url.parse().map(|address: Address| address.path)
    }

    pub(super) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Whether this process serves from the file, and not only runs a command on it.
    pub(in crate::store) fn is_served(&self) -> bool {
        self.served.is_some()
    }

    /// The same without the lock on the file, for a task that may outlive the store for a moment.
    pub(in crate::store) fn unserved(&self) -> Self {
        Self { served: None, ..self.clone() }
    }

    /// A number that changes with each commit of another process, as all of ours are the writer's,
    /// and with a checkpoint. Source: SQLite, `PRAGMA data_version`.
    pub(in crate::store) async fn version_of_others(&self) -> Result<i64, Failure> {
        let row = self.writer.acquire().await?.fetch_one("PRAGMA data_version").await?;
        Ok(row.try_get(0)?)
    }

    /// A reader outside the pools, for a thread of its own. It fails on a lock at once.
    pub(in crate::store) fn open_reader(&self) -> Result<rusqlite::Connection, Failure> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = rusqlite::Connection::open_with_flags(&self.file.path, flags)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY")?;
        connection.busy_timeout(Duration::ZERO)?;
        Ok(connection)
    }

    /// Prepares a statement for the schema as it is: a connection knows that of its last statement.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<(), Failure> {
        let mut connection = self.readers.acquire().await?;
        connection.clear_cached_statements().await?;
        connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").await?;
        connection.prepare(sqlx::SqlSafeStr::into_sql_str(sql)).await?;
        Ok(())
    }

    /// How all connections are used, that of the status included.
    pub(in crate::store) fn pool_use(&self) -> PoolUse {
        let pools = [&self.readers, &self.writer];
        PoolUse::of(pools.map(|pool| (pool.size(), pool.num_idle())), 1, READERS + 2)
    }

    /// Fails if the file was moved or deleted: SQLite itself would go on reading and writing it.
    pub(in crate::store) fn require_in_place(&self) -> Result<(), StoreError> {
        if self.file.is_in_place() {
            return Ok(());
        }
        let why = "its file was moved, replaced or deleted while it was open";
        Err(StoreError::Unavailable(why.to_owned()))
    }

    /// Begins a transaction that holds the write lock. Not sqlx's: SQLite ends a transaction by
    /// itself when the disk is full, and sqlx would still count it as open. [`leave_clean`] rolls
    /// back what is still open when the connection returns to the pool.
    pub(super) async fn begin(&self) -> Result<Writing, Failure> {
        self.require_in_place()?;
        // Boxed, so that the futures of units of work stay small.
        let turn = within(TURN_TIMEOUT, &SystemClock, Box::pin(self.writer.acquire())).await;
        let mut connection = turn.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        self.open.store(true, Ordering::SeqCst);
        connection.execute("BEGIN IMMEDIATE").await?;
        Ok(Writing { connection, open: self.open.clone(), doubted: self.doubted.clone() })
    }

    /// Fails if nothing can be written: the file system has become read-only, or its disk fails.
    /// Writes only where that is in doubt.
    pub(in crate::store) async fn require_writes(&self) -> Result<(), StoreError> {
        if !self.doubted.load(Ordering::SeqCst) {
            return Ok(());
        }
        let written = async {
            let mut writing = self.begin().await?;
            // Changes nothing, and still writes the page that it is on.
            writing.connection.execute("PRAGMA user_version = 0").await?;
            Ok::<_, Failure>(writing.commit().await?)
        };
        match written.await.map_err(Failure::into_error) {
            Err(error @ StoreError::Unavailable(_)) => Err(error),
            // Full, or busy: the write that meets it reports it.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Moves the write-ahead log into the file and empties it, so that deleted data is gone from
    /// both. `false` if somebody still needs the log. Waits for nobody who takes long, since others
    /// could not write meanwhile.
    pub(in crate::store) async fn checkpoint(&self) -> Result<bool, StoreError> {
        let engine = self.clone();
        let work = move || -> Result<bool, Failure> {
            let connection = engine.open_reader()?;
            connection.busy_timeout(CHECKPOINT_TIMEOUT)?;
            let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
            Ok(connection.query_row(checkpoint, [], |row| row.get::<_, i64>(0))? == 0)
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.unwrap_or(Ok(false)).map_err(Failure::into_error)
    }

    /// SQLite's integrity check of the file: `ok`, or a list of faults.
    pub(in crate::store) async fn integrity(&self) -> Result<String, StoreError> {
        let row = sqlx::query("PRAGMA integrity_check").fetch_one(&self.writer).await;
        row.and_then(|row| row.try_get(0)).map_err(|error| Failure::from(error).into_error())
    }

    /// Writes a consistent copy to `target`, which must not exist, while the service runs.
    pub(in crate::store) async fn copy_to(&self, target: &str) -> Result<(), StoreError> {
        sqlx::query("VACUUM INTO $1")
            .bind(target.to_owned())
            .execute(&self.writer)
            .await
            .map(drop)
            .map_err(|error| Failure::from(error).into_error())
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn explain(error: sqlx::Error, path: &Path) -> OpenError {
    let code = match &error {
        sqlx::Error::Database(error) => error.code().and_then(|code| code.parse::<u32>().ok()).unwrap_or(0),
        _ => 0,
    };
    match code & 0xff {
        26 => OpenError::NotADatabase(path.to_owned()),
        13 => OpenError::NoRoom(path.to_owned()),
        // SQLite tells an input or output error where it cannot make its files as long as it needs.
        8 | 10 | 14 if is_full(path) => OpenError::NoRoom(path.to_owned()),
        8 | 10 | 14 => OpenError::NotWritable { path: path.to_owned(), why: format!("SQLite {code}") },
        _ => OpenError::Unusable(Failure::from(error).into_error()),
    }
}

/// Whether the file's disk has no room for the least that SQLite needs beside it: 32 KiB of shared
/// memory, and a few pages of the log.
fn is_full(path: &Path) -> bool {
    let least = 64 * 1024;
    rustix::fs::statvfs(path).is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < least)
}

/// Asserts the settings that durability needs: a build or file system without them must be noticed
/// at the start.
async fn assert_settings(writer: &SqlitePool, path: &Path) -> Result<(), OpenError> {
    let settings = [
        ("journal_mode", "PRAGMA journal_mode", "wal"),
        ("synchronous", "PRAGMA synchronous", "2"),
        ("foreign_keys", "PRAGMA foreign_keys", "1"),
        ("secure_delete", "PRAGMA secure_delete", "1"),
    ];
    for (name, sql, want) in settings {
        let row = sqlx::query(sql).fetch_one(writer).await.map_err(|error| explain(error, path))?;
        let got = match row.try_get::<String, _>(0) {
            Ok(text) => text,
            Err(_) => row.try_get::<i64, _>(0).map(|number| number.to_string()).unwrap_or_default(),
        };
        if got != want {
            return Err(OpenError::Setting { name, want, got });
        }
    }
    // SQLite opens a read-only file without an error; taking the write lock shows it.
    let mut connection = writer.acquire().await.map_err(|error| explain(error, path))?;
    connection.execute("BEGIN IMMEDIATE; ROLLBACK").await.map(drop).map_err(|error| explain(error, path))
}

/// Rolls back a transaction that is still open on a returned connection, because its unit of work
/// failed or was dropped. `false` closes the connection.
async fn leave_clean(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    match connection.execute("ROLLBACK").await {
        Ok(_) => Ok(true),
        // SQLITE_ERROR: there was none.
        Err(sqlx::Error::Database(error)) => Ok(error.code().as_deref() == Some("1")),
        Err(_) => Ok(false),
    }
}
