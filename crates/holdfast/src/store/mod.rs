//! The only SQL. One schema on two engines, SQLite and Postgres; every method is written once.
//!
//! What a caller asks for needs a proof: `&OwnerId` from a verified caller, a [`Lease`] from
//! claiming, a `SignedEvent` from a verified webhook. What the service looks up for itself goes by
//! ids: a connection's grants, a user's key, an account's connections. Everything that belongs
//! together is stored together: see [`ChangeSet`]. Times are stored as unix milliseconds and come
//! back cut to that.
//!
//! A new query is a statement in [`statements`], with a text for each engine where they differ, and
//! a method in the file of its subject; that of the audit record, indexes, notices, incidents or the
//! overview stands in the file itself. Finding nothing is no error: it is `None` or an empty list.

mod attempts;
mod audit;
mod backup;
mod changes;
mod changeset;
mod connections;
mod deletions;
mod driver;
mod engine;
mod erasures;
mod error;
mod incidents;
mod indexes;
mod keys;
mod leases;
mod link;
mod listing;
mod migrate;
mod notices;
mod outbox;
mod overview;
mod refusals;
mod rows;
mod service_keys;
mod stamps;
pub mod statements;
mod status_reads;
mod strangers;
mod sweep;
mod timeline;
mod trouble;
mod turns;
mod unreadable;
mod users;

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

pub use attempts::StatusFacts;
pub use audit::{Act, AuditCursor, AuditEntry};
pub use backup::{BackupError, Restored, restore};
pub use changes::Change;
pub use changeset::{AttemptLimits, AttemptWrite, ChangeSet, CommitOutcome, ConnectionWrite};
pub use connections::{ConnectionCount, HistoryCursor, HistoryEntry, HistoryPage, NotACursor, SealedGrant};
pub use deletions::{DataDeletion, Unfinished};
pub use driver::{Driver, Outcome, SharedDriver};
pub use engine::{POSTGRES_CONNECTIONS, Value, directory_of, is_served};
pub use error::{MigrateError, OpenError, StoreError, lacks_characters, with_every_character};
pub use keys::{KeyUse, Retired, StoredUserKey};
pub use leases::Lease;
pub use link::{Link, Operation, SharedLink};
pub use listing::{Listed, Selection};
pub use migrate::SchemaState;
pub use notices::{Notice, NoticeKind};
pub use outbox::{LateEvents, PendingEvent};
pub use overview::{PoolUse, Refreshes, ServerFacts, TableRows};
pub use service_keys::{NewServiceKey, ServiceKey};
pub use sweep::{HistoryStep, KEPT, Kept, OUTBOX};
pub use trouble::{Struck, Trouble};
pub use unreadable::UNREADABLE_RESTS;
pub use users::{EventOutcome, SEEN_EVERY, Synced, UserRecord, Visit};

use crate::clock::SharedClock;
use changes::Changes;
use engine::{Engine, Failure, Postgres, Row, Sqlite, Unit, Unreadable};
use erasures::Erasures;
use stamps::Stamps;
use statements::Sql;
use status_reads::StatusReads;
use strangers::Strangers;
use turns::Turns;
use unreadable::LoggedRows;

/// How to open a database.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// `sqlite://path[?max_page_count=n]` or `postgres://…`. May hold a password: not shown.
    pub url: secrecy::SecretString,
    /// Make the SQLite file where there is none.
    pub create: bool,
    /// Serve from it: refuse where another process already serves from the same SQLite file. Tools
    /// leave it off.
    pub exclusive: bool,
    /// Keep an event for the app, in the outbox, with each change of a user's status.
    pub outbox: bool,
}

impl StoreOptions {
    /// For the server: makes the file if need be, and is the only server on it.
    pub fn serve(url: impl Into<String>) -> Self {
        Self { url: url.into().into(), create: true, exclusive: true, outbox: false }
    }

    /// For tools: the database must be there; a server may be running on it.
    pub fn tool(url: impl Into<String>) -> Self {
        Self { url: url.into().into(), create: false, exclusive: false, outbox: false }
    }

    /// Stores events for the app if `wanted`.
    #[must_use]
    pub fn with_outbox(self, wanted: bool) -> Self {
        Self { outbox: wanted, ..self }
    }
}

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    engine: Engine,
    clock: SharedClock,
    changes: Changes,
    status_reads: Arc<StatusReads>,
    logged_rows: LoggedRows,
    stamps: Stamps,
    strangers: Strangers,
    turns: Turns,
    erasures: Erasures,
    outbox: bool,
    link: Option<SharedLink>,
}

/// The file of a SQLite address; `None` for others, and for one that names none.
pub fn sqlite_file(url: &str) -> Option<std::path::PathBuf> {
    url.starts_with("sqlite:").then(|| Sqlite::path_of(url).ok()).flatten()
}

/// Every statement by its name.
pub fn every_statement() -> Vec<(&'static str, statements::Sql)> {
    [&statements::all(), audit::ALL, incidents::ALL, indexes::ALL, notices::ALL, overview::ALL].concat()
}

/// Whether [`Store::open`] understands this address; nothing is opened.
pub fn check_address(url: &str) -> Result<(), OpenError> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("sqlite") => Sqlite::path_of(url).map(drop),
        Some("postgres" | "postgresql") => Postgres::check_address(url),
        Some(_) | None => Err(OpenError::Address("unknown kind of database".to_owned())),
    }
}

impl Store {
    /// Connects, makes and asserts the settings that durability rests on, and refuses a schema
    /// newer than this program. Does not migrate: see [`Store::migrate`].
    pub async fn open(options: &StoreOptions, clock: SharedClock) -> Result<Self, OpenError> {
        let url = secrecy::ExposeSecret::expose_secret(&options.url);
        let engine = match url.split_once(':').map(|(scheme, _)| scheme) {
            Some("sqlite") => Engine::Sqlite(Sqlite::open(url, options.create, options.exclusive).await?),
            Some("postgres" | "postgresql") => Engine::Postgres(Box::new(Postgres::open(url).await?)),
            Some(_) | None => return Err(OpenError::Address("unknown kind of database".to_owned())),
        };
        let reads = Arc::new(StatusReads::start(&engine, &clock)?);
        let store = Self::assembled(engine, clock, reads, options.outbox, None);
        match store.schema_state().await {
            Ok(SchemaState::Ahead { found, known }) => Err(OpenError::SchemaNewer { found, known }),
            Ok(SchemaState::Current | SchemaState::Behind(_)) => Ok(store),
            // `doctor` says what to grant.
            Err(StoreError::Denied(_)) if !options.exclusive => Ok(store),
            Err(error) => Err(store.unanswered(error).await),
        }
    }

    /// Why a statement failed on a database that could be opened: Postgres is asked whether it
    /// grants no further connection.
    pub async fn unanswered(&self, error: StoreError) -> OpenError {
        match &self.inner.engine {
            Engine::Postgres(postgres) => postgres.unanswered(error).await,
            Engine::Sqlite(_) | Engine::Driven(_) => error.into(),
        }
    }

    /// An empty SQLite database behind the caller's driver, for simulations: its durability is not
    /// asserted.
    pub fn driven_by(driver: SharedDriver, clock: SharedClock) -> Self {
        Self::assembled(Engine::Driven(driver), clock, Arc::new(StatusReads::OneByOne), false, None)
    }

    /// The same database, for a replica that reaches it over `link` and has the clock `clock`.
    #[must_use]
    pub fn over(&self, link: SharedLink, clock: SharedClock) -> Self {
        let reads = Arc::clone(&self.inner.status_reads);
        Self::assembled(self.inner.engine.clone(), clock, reads, self.inner.outbox, Some(link))
    }

    fn assembled(
        engine: Engine,
        clock: SharedClock,
        status_reads: Arc<StatusReads>,
        outbox: bool,
        link: Option<SharedLink>,
    ) -> Self {
        let changes = Changes::start(&engine, &clock);
        let inner = Inner {
            engine,
            clock,
            changes,
            status_reads,
            logged_rows: LoggedRows::default(),
            stamps: Stamps::default(),
            strangers: Strangers::default(),
            turns: Turns::default(),
            erasures: Erasures::default(),
            outbox,
            link,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Whether the database answers, has its tables and takes writes.
    pub async fn ping(&self) -> Result<(), StoreError> {
        if let Engine::Sqlite(sqlite) = &self.inner.engine {
            sqlite.require_in_place()?;
        }
        let row = self.read_one(statements::PING, Vec::new()).await?;
        let is_read_only =
            row.is_some_and(|row| row.get("read_only").is_ok_and(|setting: String| setting == "on"));
        match &self.inner.engine {
            Engine::Postgres(postgres) if is_read_only => {
                postgres.note_demotion();
                Err(StoreError::read_only())
            }
            Engine::Sqlite(sqlite) => sqlite.require_writes().await,
            Engine::Postgres(_) | Engine::Driven(_) => Ok(()),
        }
    }

    /// Asks the database to prepare every statement, so that a schema which was changed by hand is
    /// noticed before a request meets it. The error names the statement.
    pub async fn check_statements(&self) -> Result<usize, StoreError> {
        let all = every_statement();
        for (name, sql) in &all {
            self.inner.engine.prepare(*sql).await.map_err(|error| match error {
                StoreError::Refused(why) => StoreError::Refused(format!("statement {name}: {why}")),
                StoreError::Missing(why) => StoreError::Missing(format!("statement {name}: {why}")),
                // No fault of the statement.
                other => other,
            })?;
        }
        Ok(all.len())
    }

    /// Every change of a user's status, here or on another replica. A receiver that falls behind
    /// misses changes and is told so; it must then read again.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Whether changes by others are being heard: by other replicas, or by commands on a SQLite
    /// file. While `false`, what was read may be stale without notice; each time `true` is sent,
    /// changes may have been missed.
    pub fn hears_replicas(&self) -> watch::Receiver<bool> {
        self.inner.changes.listening()
    }

    /// Closes every connection, once running statements have finished. Later calls fail with
    /// [`StoreError::Unavailable`].
    pub async fn close(&self) {
        self.inner.changes.stop();
        self.inner.status_reads.close().await;
        self.inner.engine.close().await;
    }

    async fn read(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        let _operation = self.enter().await?;
        self.inner.engine.read(sql, values).await
    }

    async fn begin(&self) -> Result<Unit, Failure> {
        let operation = self.enter().await?;
        Ok(self.inner.engine.begin().await?.over(operation))
    }

    async fn enter(&self) -> Result<Option<Box<dyn Operation>>, StoreError> {
        match &self.inner.link {
            Some(link) => link.enter().await.map(Some),
            None => Ok(None),
        }
    }

    async fn read_one(&self, sql: Sql, values: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.read(sql, values).await?.into_iter().next())
    }

    /// The row that a statement finds, as `read` reads it.
    async fn one<T>(
        &self,
        sql: Sql,
        values: Vec<Value>,
        read: impl FnOnce(&Row) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.read_one(sql, values).await?.as_ref().map(read).transpose()
    }

    /// The same of a row of `table` that has no key of its own, such as a count.
    async fn total<T>(
        &self,
        sql: Sql,
        values: Vec<Value>,
        table: &'static str,
        read: impl FnOnce(&Row) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, StoreError> {
        self.one(sql, values, |row| rows::read_total(row, table, read)).await
    }

    /// The count that a statement makes of rows of `table`.
    async fn amount(&self, sql: Sql, values: Vec<Value>, table: &'static str) -> Result<u64, StoreError> {
        Ok(self.total(sql, values, table, |row| row.get("amount")).await?.unwrap_or(0))
    }

    /// The time that a statement finds in `table`, if any.
    async fn time(
        &self,
        sql: Sql,
        values: Vec<Value>,
        table: &'static str,
    ) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.total(sql, values, table, |row| row.get("at")).await?.flatten())
    }

    /// A unit of work of one statement; returns how many rows it changed.
    async fn write(&self, sql: Sql, values: Vec<Value>) -> Result<u64, StoreError> {
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            let changed = unit.run(sql, values.clone()).await?;
            unit.commit().await?;
            Ok(changed)
        })
        .await
    }

    /// A unit of work of one statement that returns rows.
    async fn write_rows(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        engine::retrying(|| async {
            let mut unit = self.begin().await?;
            let rows = unit.rows(sql, values.clone()).await?;
            unit.commit().await?;
            Ok(rows)
        })
        .await
    }
}
