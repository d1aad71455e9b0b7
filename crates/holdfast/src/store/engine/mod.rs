//! One interface to both engines: statements in, rows out, units of work all or nothing.
//!
//! The code above is written once. The differences (connecting, beginning, meanings of errors) are
//! here.

mod demotion;
mod driven;
mod failure;
mod pooler;
mod postgres;
mod sqlite;
mod value;

use std::future::Future;

use sqlx::Executor;
use tokio::sync::OwnedMutexGuard;

use driven::DrivenUnit;
pub(super) use failure::{Failure, Violation};
pub use postgres::IN_ALL as POSTGRES_CONNECTIONS;
pub(super) use postgres::{Line, Postgres};
pub(super) use sqlite::Sqlite;
use sqlite::Writing;
pub(super) use sqlite::file::reserve;
pub use sqlite::file::{directory_of, is_served};
pub use value::Value;
pub(super) use value::{Cells, CurrentRow, Field, Row, RowOf, Unreadable, bound, fields, from_row, values};

use super::statements::Sql;
use super::{Operation, SharedDriver, StoreError};
use crate::telemetry::traces::in_span;

/// A connected database.
#[derive(Debug, Clone)]
pub(super) enum Engine {
    Sqlite(Sqlite),
    Postgres(Box<Postgres>),
    /// SQLite by another driver.
    Driven(SharedDriver),
}

/// How often a unit of work that certainly did not happen is tried. More often than the pool has
/// connections, because after a restart of the server each may be found dead in turn.
const ATTEMPTS: u32 = postgres::MAX_CONNECTIONS + 4;

impl Engine {
    /// The text of `sql` for this engine.
    pub(super) fn text(&self, sql: Sql) -> &'static str {
        match self {
            Self::Sqlite(_) | Self::Driven(_) => sql.sqlite,
            Self::Postgres(_) => sql.postgres,
        }
    }

    /// Runs a statement that only reads, on a reader.
    pub(super) async fn read(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        in_span("database read", retrying(|| self.read_once(sql, values.clone()))).await
    }

    async fn read_once(&self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite_rows(sqlite.readers(), sql.sqlite, values).await,
            Self::Postgres(postgres) => {
                postgres.line().await?.rows(bind_postgres(sql.postgres, values)).await
            }
            Self::Driven(driver) => driven::rows(driver, sql.sqlite, &values),
        }
    }

    /// Begins a unit of work. SQLite takes its write lock at once, so that no unit fails half-way
    /// for the want of it.
    pub(super) async fn begin(&self) -> Result<Unit, Failure> {
        match self {
            Self::Sqlite(sqlite) => sqlite.begin().await.map(Open::Sqlite),
            Self::Postgres(postgres) => postgres.begin().await.map(Open::Postgres),
            Self::Driven(driver) => DrivenUnit::begin(driver).map(Open::Driven),
        }
        .map(|open| Unit { open, crossing: None, turn: None })
    }

    /// Asks the database to prepare a statement, without running it.
    pub(super) async fn prepare(&self, sql: Sql) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(sqlite) => sqlite.prepare(sql.sqlite).await,
            Self::Postgres(postgres) => postgres.prepare(sql.postgres).await,
            // Its statements are SQLite's, which that engine prepares.
            Self::Driven(_) => Ok(()),
        }
        .map_err(Failure::into_error)
    }

    /// Closes every connection, once running statements have finished.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(sqlite) => sqlite.close().await,
            Self::Postgres(postgres) => postgres.close().await,
            Self::Driven(_) => {}
        }
    }
}

/// Runs `step` until it succeeds, fails for good, or was tried [`ATTEMPTS`] times. Only failures
/// that certainly had no effect are retried; at once, because waiting does not help against a lost
/// connection or a deadlock.
pub(super) async fn retrying<T, F, Fut>(mut step: F) -> Result<T, StoreError>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, Failure>>,
{
    let mut attempt = 1;
    loop {
        match step().await {
            Ok(value) => return Ok(value),
            Err(failure) if failure.may_be_repeated() && attempt < ATTEMPTS => attempt += 1,
            Err(failure) => return Err(failure.into_error()),
        }
    }
}

/// A unit of work: all or nothing. Dropped without [`Unit::commit`], it is rolled back.
pub(super) struct Unit {
    open: Open,
    /// Set if the database is reached over a [link](super::link).
    crossing: Option<Box<dyn Operation>>,
    /// Dropped after the connection is free.
    turn: Option<OwnedMutexGuard<()>>,
}

enum Open {
    Sqlite(Writing),
    Postgres(Line),
    Driven(DrivenUnit),
}

impl Unit {
    pub(super) fn over(self, crossing: Option<Box<dyn Operation>>) -> Self {
        Self { crossing, ..self }
    }

    pub(super) fn with(self, turn: OwnedMutexGuard<()>) -> Self {
        Self { turn: Some(turn), ..self }
    }

    /// Runs a statement and returns its rows.
    pub(super) async fn rows(&mut self, sql: Sql, values: Vec<Value>) -> Result<Vec<Row>, Failure> {
        match &mut self.open {
            Open::Sqlite(writing) => sqlite_rows(&mut *writing.connection, sql.sqlite, values).await,
            Open::Postgres(line) => line.rows(bind_postgres(sql.postgres, values)).await,
            Open::Driven(unit) => driven::rows(unit.driver(), sql.sqlite, &values),
        }
    }

    /// Runs a statement and returns its first row.
    pub(super) async fn row(&mut self, sql: Sql, values: Vec<Value>) -> Result<Option<Row>, Failure> {
        Ok(self.rows(sql, values).await?.into_iter().next())
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn run(&mut self, sql: Sql, values: Vec<Value>) -> Result<u64, Failure> {
        Ok(match &mut self.open {
            Open::Sqlite(writing) => {
                bind_sqlite(sql.sqlite, values).execute(&mut *writing.connection).await?.rows_affected()
            }
            Open::Postgres(line) => line.run(bind_postgres(sql.postgres, values)).await?,
            Open::Driven(unit) => unit.driver().run(sql.sqlite, &values)?.changed,
        })
    }

    /// Runs a migration: several statements, none with values.
    pub(super) async fn script(&mut self, sql: Sql) -> Result<(), Failure> {
        match &mut self.open {
            Open::Sqlite(writing) => {
                Ok(writing.connection.execute(sqlx::raw_sql(sql.sqlite)).await.map(drop)?)
            }
            Open::Postgres(line) => line.script(sql.postgres).await,
            Open::Driven(unit) => Ok(unit.driver().script(sql.sqlite)?),
        }
    }

    /// Commits, durably.
    pub(super) async fn commit(self) -> Result<(), Failure> {
        in_span("database commit", self.make_durable()).await
    }

    async fn make_durable(self) -> Result<(), Failure> {
        match self.open {
            Open::Sqlite(writing) => writing.commit().await.map_err(Failure::of_commit)?,
            Open::Postgres(line) => line.commit().await?,
            Open::Driven(unit) => unit.commit()?,
        }
        drop(self.turn);
        match self.crossing {
            Some(crossing) => {
                crossing.committed().await.map_err(|_| Failure::Final(StoreError::OutcomeUnknown))
            }
            None => Ok(()),
        }
    }
}

type SqliteQuery = sqlx::query::Query<'static, sqlx::Sqlite, sqlx::sqlite::SqliteArguments>;
pub(super) type PostgresQuery = sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments>;

fn bind_sqlite(sql: &'static str, values: Vec<Value>) -> SqliteQuery {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

fn bind_postgres(sql: &'static str, values: Vec<Value>) -> PostgresQuery {
    values.into_iter().fold(sqlx::query(sql), |query, value| match value {
        Value::Text(text) => query.bind(text),
        Value::Int(number) => query.bind(number),
        Value::Bytes(bytes) => query.bind(bytes),
    })
}

async fn sqlite_rows<'e, E>(executor: E, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, Failure>
where
    E: Executor<'e, Database = sqlx::Sqlite>,
{
    let rows = bind_sqlite(sql, values).fetch_all(executor).await?;
    Ok(rows.into_iter().map(Row::from).collect())
}
