//! Postgres, and databases with its protocol and SQL (CockroachDB, YugabyteDB).

mod address;
mod system_roots;

use std::borrow::Cow;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgListener, PgPool, PgPoolOptions};
use sqlx::{Connection as _, Executor as _, Row as _};

use super::demotion::Demotion;
use super::failure::READ_ONLY;
use super::{Failure, PostgresQuery, Row, pooler};
use crate::clock::{SystemClock, within};
use crate::store::{OpenError, PoolUse, StoreError, statements};

pub(super) const MAX_CONNECTIONS: u32 = 10;
/// Most connections of one process: for statements, for statuses, and to listen.
pub const IN_ALL: u32 = MAX_CONNECTIONS + Postgres::STATUS_CONNECTIONS + 1;
/// Longest wait for a connection; with a statement's limit it stays within a request's 10 s.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for the reason why there is none.
const REASON_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait for an answer on a connection. A server that is there gives up a statement after
/// 5 s; a connection that a firewall or a dead machine dropped never answers. Shorter than the
/// limit on a request.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// A Postgres database.
#[derive(Debug, Clone)]
pub(in crate::store) struct Postgres {
    pool: PgPool,
    /// For the hot path alone, so that no other work holds it up.
    status_lines: PgPool,
    options: PgConnectOptions,
    notices: bool,
    demotion: Demotion,
}

impl Postgres {
    /// Parallel reads of statuses: one that hangs must not hold up the others.
    pub(in crate::store) const STATUS_CONNECTIONS: u32 = 2;

    /// Whether the address can be read.
    pub(in crate::store) fn check_address(url: &str) -> Result<(), OpenError> {
        address::read_with_files(url).map(drop)
    }

    /// Connects, and asserts the settings that durability needs.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, OpenError> {
        let options = address::read_with_files(url)?;
        // PgBouncer refuses a session that begins with `extra_float_digits`; no column is a float.
        let options = options.application_name("holdfast").extra_float_digits(None);
        let demotion = Demotion::default();
        let connecting = pool_of(MAX_CONNECTIONS, &demotion).connect_with(options.clone());
        let connected = connecting.await;
        // A pooler in transaction mode may be the reason.
        if pooler::is_between(&options).await {
            return Err(OpenError::Unreachable {
                why: format!(
                    "{} is a pooler that gives every transaction another session",
                    address::host_of(&options)
                ),
                remedy: "let it pool sessions (PgBouncer: `pool_mode = session`), or name Postgres itself in HOLDFAST_DATABASE_URL",
            });
        }
        let pool = match connected {
            Ok(pool) => pool,
            Err(error) => return Err(explained(error, &options).await),
        };
        let status_lines = pool_of(Self::STATUS_CONNECTIONS, &demotion).connect_lazy_with(options.clone());
        let mut opened = Self { pool, status_lines, options, notices: true, demotion };
        opened.assert_durable().await?;
        opened.notices = !opened.show("SELECT version()").await?.contains("CockroachDB");
        Ok(opened)
    }

    /// Why a statement after opening failed.
    pub(in crate::store) async fn unanswered(&self, error: StoreError) -> OpenError {
        if matches!(error, StoreError::Unavailable(_)) {
            let found = explained(sqlx::Error::PoolTimedOut, &self.options).await;
            if matches!(found, OpenError::TooFewConnections { .. }) {
                return found;
            }
        }
        error.into()
    }

    /// A connection of the pool for reads of statuses.
    pub(in crate::store) async fn status_line(&self) -> Result<Line, Failure> {
        Ok(self.line_of(&self.status_lines).await?)
    }

    /// A server was found to take no writes: no connection is used again.
    pub(in crate::store) fn note_demotion(&self) {
        self.demotion.note();
    }

    /// Whether a connection that was made by then may lead to a former primary.
    pub(in crate::store) fn is_demoted_after(&self, connected: Timestamp) -> bool {
        self.demotion.is_after(connected)
    }

    /// How all connections are used, that of the listener included.
    pub(in crate::store) fn pool_use(&self, listens: bool) -> PoolUse {
        let pools = [&self.pool, &self.status_lines];
        PoolUse::of(pools.map(|pool| (pool.size(), pool.num_idle())), listens.into(), IN_ALL)
    }

    /// A connection of the pool for statements.
    pub(super) async fn line(&self) -> Result<Line, Failure> {
        Ok(self.line_of(&self.pool).await?)
    }

    async fn line_of(&self, pool: &PgPool) -> Result<Line, sqlx::Error> {
        let connection = Some(Box::pin(pool.acquire()).await?);
        let (pool, demotion) = (pool.clone(), self.demotion.clone());
        Ok(Line { pool, demotion, connection, in_transaction: false, is_patient: false })
    }

    async fn assert_durable(&self) -> Result<(), OpenError> {
        let got = self.show("SHOW synchronous_commit").await?;
        // All three wait until the commit is flushed on this server; they differ only for standbys.
        if matches!(got.as_str(), "on" | "remote_apply" | "remote_write") {
            Ok(())
        } else {
            Err(OpenError::Setting { name: "synchronous_commit", want: "on", got })
        }
    }

    async fn show(&self, sql: &'static str) -> Result<String, OpenError> {
        let mut line = match self.line_of(&self.pool).await {
            Ok(line) => line,
            Err(error) => return Err(explained(error, &self.options).await),
        };
        let row = line.answered(|connection| connection.fetch_one(sql)).await.map_err(unreachable_server)?;
        row.try_get(0).map_err(unreachable_server)
    }

    /// Whether this server has LISTEN and NOTIFY. CockroachDB has not: replicas then learn of
    /// changes by looking.
    pub(in crate::store) fn has_notices(&self) -> bool {
        self.notices
    }

    pub(super) async fn begin(&self) -> Result<Line, Failure> {
        let mut line = self.line().await?;
        line.in_transaction = true;
        line.answered(|connection| connection.execute("BEGIN")).await?;
        Ok(line)
    }

    /// Prepares a statement, and drops it: the server guesses parameter types that differ from
    /// those at execution.
    pub(super) async fn prepare(&self, sql: &'static str) -> Result<(), Failure> {
        let mut line = self.line().await?;
        line.answered(|connection| connection.prepare(sqlx::SqlSafeStr::into_sql_str(sql))).await?;
        line.answered(|connection| Box::pin(connection.clear_cached_statements())).await
    }

    pub(super) async fn close(&self) {
        self.status_lines.close().await;
        self.pool.close().await;
    }

    /// A listener on a connection of its own, so that it never takes one from the requests.
    pub(in crate::store) async fn listener(&self, channel: &str) -> Result<PgListener, Failure> {
        let listening = Box::pin(self.listening(channel));
        Ok(within(ANSWER_TIMEOUT, &SystemClock, listening).await.ok_or_else(no_answer)??)
    }

    async fn listening(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let pool = pool_of(1, &self.demotion).max_lifetime(None).idle_timeout(None);
        let pool = pool.connect_with(self.options.clone()).await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // Our listener must see that the connection broke, before it reconnects.
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(listener)
    }
}

/// A connection of a pool, on which each answer is waited for [`ANSWER_TIMEOUT`] at most. It
/// returns to its pool, rolled back, when dropped.
#[derive(Debug)]
pub(in crate::store) struct Line {
    pool: PgPool,
    demotion: Demotion,
    /// `None` once an answer stayed away.
    connection: Option<PoolConnection<sqlx::Postgres>>,
    in_transaction: bool,
    /// Wait without limit: for a migration, whose commit may be long, too.
    is_patient: bool,
}

impl Line {
    /// The server's answer. If none comes in time, closes the connection and the idle ones, which
    /// have probably died with it.
    async fn answered<T>(
        &mut self,
        ask: impl for<'c> FnOnce(&'c mut PgConnection) -> BoxFuture<'c, Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        let connection = self.connection.as_mut().ok_or_else(no_answer)?;
        let asked = ask(connection);
        let answer = if self.is_patient {
            Some(asked.await)
        } else {
            within(ANSWER_TIMEOUT, &SystemClock, asked).await
        };
        if let Some(answer) = answer {
            return answer.map_err(|error| {
                if code_of(&error) == READ_ONLY {
                    self.demotion.note();
                }
                error.into()
            });
        }
        drop(self.connection.take().map(PoolConnection::detach));
        while let Some(idle) = self.pool.try_acquire() {
            drop(idle.detach());
        }
        Err(no_answer())
    }

    /// Runs a statement and returns its rows.
    pub(in crate::store) async fn rows(&mut self, query: PostgresQuery) -> Result<Vec<Row>, Failure> {
        let rows = self.answered(|connection| connection.fetch_all(query)).await?;
        Ok(rows.into_iter().map(Row::from).collect())
    }

    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn run(&mut self, query: PostgresQuery) -> Result<u64, Failure> {
        Ok(self.answered(|connection| connection.execute(query)).await?.rows_affected())
    }

    /// Runs several statements, for as long as they take.
    pub(super) async fn script(&mut self, sql: &'static str) -> Result<(), Failure> {
        self.is_patient = true;
        self.answered(|connection| connection.execute(sqlx::raw_sql(sql))).await.map(drop)
    }

    /// Commits the transaction. Where the answer stays away, the outcome is unknown.
    pub(super) async fn commit(mut self) -> Result<(), Failure> {
        let commit = self.answered(|connection| Box::pin(async { Ok(connection.execute("COMMIT").await) }));
        commit.await.map_err(|_| StoreError::OutcomeUnknown)?.map_err(Failure::of_commit)?;
        self.in_transaction = false;
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            tokio::spawn(give_back(connection, self.in_transaction));
        }
    }
}

/// Returns a connection to its pool. sqlx does that by itself, and waits for an answer for ever.
async fn give_back(mut connection: PoolConnection<sqlx::Postgres>, in_transaction: bool) {
    if in_transaction {
        let rolled_back = within(ANSWER_TIMEOUT, &SystemClock, connection.execute("ROLLBACK")).await;
        if !matches!(rolled_back, Some(Ok(_))) {
            drop(connection.detach());
            return;
        }
    }
    // If that takes longer, dropping closes the connection.
    let _ = within(ANSWER_TIMEOUT, &SystemClock, connection.return_to_pool()).await;
}

fn no_answer() -> Failure {
    let why = format!("no answer within {} s", ANSWER_TIMEOUT.as_secs());
    Failure::Final(StoreError::Unavailable(why))
}

fn pool_of(connections: u32, demotion: &Demotion) -> PgPoolOptions {
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A test before each use would cost a round trip per request; a dead connection leads to a
        // retry.
        .test_before_acquire(false)
        .after_connect(|connection, _| Box::pin(set_up(connection)));
    demotion.watched_by(options)
}

async fn set_up(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query(statements::SESSION_SETTINGS.postgres).execute(connection).await.map(drop)
}

/// Why no connection was made. A pool that has found none in time tries again on what may pass, such
/// as a limit that is reached, and does not say what that was; a connection of its own is told.
async fn explained(error: sqlx::Error, options: &PgConnectOptions) -> OpenError {
    if !matches!(error, sqlx::Error::PoolTimedOut) {
        return not_let_in(error, options);
    }
    let connecting = Box::pin(PgConnection::connect_with(options));
    match within(REASON_TIMEOUT, &SystemClock, connecting).await {
        Some(Err(cause @ sqlx::Error::Database(_))) => not_let_in(cause, options),
        Some(Ok(mut connection)) => {
            let asked = within(REASON_TIMEOUT, &SystemClock, connection.execute("SELECT 1")).await;
            match asked {
                Some(_) => not_let_in(error, options),
                None => OpenError::Unreachable {
                    why: format!("{} lets us in, but has no session left", address::host_of(options)),
                    remedy: "give its pool thirteen sessions for each replica (PgBouncer: default_pool_size), or name Postgres itself \
                             in HOLDFAST_DATABASE_URL",
                },
            }
        }
        // Nobody answers, as the pool has found already.
        Some(Err(_)) | None => not_let_in(error, options),
    }
}

fn unreachable_server(failure: impl Into<Failure>) -> OpenError {
    OpenError::Unreachable {
        why: failure.into().into_error().to_string(),
        remedy: "check HOLDFAST_DATABASE_URL and that the server runs",
    }
}

const UNTRUSTED: &str = "give the server a TLS certificate for that host, and name its authority in sslrootcert of HOLDFAST_DATABASE_URL \
                         (without it, public authorities alone are trusted; sslrootcert=system trusts those of this machine too), or change sslmode";

/// The SQLSTATE of an error; empty where the server has not answered.
fn code_of(error: &sqlx::Error) -> Cow<'_, str> {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default()
}

/// Why no connection could be made, with host and role. Never the password.
fn not_let_in(error: sqlx::Error, options: &PgConnectOptions) -> OpenError {
    let host = address::host_of(options);
    let role = options.get_username();
    let (why, remedy) = match (&error, &*code_of(&error)) {
        (_, "28P01") => (
            format!("{host} rejects the password of role {role}"),
            "correct the password in HOLDFAST_DATABASE_URL, with reserved characters percent-encoded",
        ),
        (_, "28000") if address::is_plain(options) => (
            format!("{host} rejects role {role} on a connection without TLS"),
            "write sslmode=verify-full in HOLDFAST_DATABASE_URL where pg_hba.conf wants TLS (hostssl), or create or correct the role",
        ),
        (_, "28000") => (
            format!("{host} rejects role {role}"),
            "create the role, or correct it in HOLDFAST_DATABASE_URL, or allow it in pg_hba.conf",
        ),
        (_, "3D000") => (
            match options.get_database().unwrap_or(role) {
                // A piece of an address that was taken for the name may hold a password.
                name if name.contains(['@', ':', '/']) => {
                    format!("{host} has not the database of the address")
                }
                name => format!("{host} has no database {name}"),
            },
            "create it (`createdb`), or correct its name in HOLDFAST_DATABASE_URL",
        ),
        (_, "08P01") => (
            format!("{host} refuses how the connection is opened (SQLSTATE 08P01)"),
            "behind PgBouncer, take `options` out of HOLDFAST_DATABASE_URL, or add it to ignore_startup_parameters",
        ),
        (_, "53300") => return OpenError::TooFewConnections { host, role: role.to_owned() },
        // The pool retries until its timeout while no server listens, or while it starts.
        (sqlx::Error::PoolTimedOut, _) => (
            format!("{host} accepts no connection within {} s", ACQUIRE_TIMEOUT.as_secs()),
            "start the server, or correct host and port in HOLDFAST_DATABASE_URL",
        ),
        (sqlx::Error::Io(error), _)
            if error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>) =>
        {
            (format!("TLS with {host} fails: {error}"), UNTRUSTED)
        }
        // The name does not resolve, or the host cannot be reached.
        (sqlx::Error::Io(error), _) => (
            format!("{host} cannot be reached: {error}"),
            "correct host and port in HOLDFAST_DATABASE_URL, or fix the network",
        ),
        (sqlx::Error::Tls(error), _) => (format!("TLS with {host} fails: {error}"), UNTRUSTED),
        _ => return unreachable_server(error),
    };
    OpenError::Unreachable { why, remedy }
}

#[cfg(test)]
mod tests;
