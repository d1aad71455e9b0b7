//! Postgres, and what speaks its protocol and its SQL (CockroachDB, YugabyteDB).

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions};
use sqlx::{Row as _, Transaction};

use super::Failure;
use crate::store::{OpenError, PoolUse};

pub(super) const MAX_CONNECTIONS: u32 = 10;
/// For a free connection. With a statement's own limit it stays within a request's ten seconds.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than any statement of ours may take, shorter than the limit on a request.
const STATEMENT_TIMEOUT: &str = "5s";

/// A Postgres database.
#[derive(Debug, Clone)]
pub(in crate::store) struct Postgres {
    pool: PgPool,
    options: PgConnectOptions,
    notices: bool,
}

impl Postgres {
    fn read_address(url: &str) -> Result<PgConnectOptions, OpenError> {
        // sqlx's text quotes the address, which may hold a password.
        PgConnectOptions::from_str(url)
            .map_err(|_| OpenError::Address("the Postgres address cannot be read".to_owned()))
    }

    /// Whether the address can be read.
    pub(in crate::store) fn check_address(url: &str) -> Result<(), OpenError> {
        Self::read_address(url).map(drop)
    }

    /// Connects, and asserts what durability rests on.
    pub(in crate::store) async fn open(url: &str) -> Result<Self, OpenError> {
        let options = Self::read_address(url)?.application_name("holdfast").options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", "30s"),
            ("synchronous_commit", "on"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(MAX_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // A look before each use would cost a round trip on every request; a dead connection is met with a retry.
            .test_before_acquire(false)
            .connect_with(options.clone())
            .await
            .map_err(unreachable_server)?;
        assert_durable(&pool).await?;
        let version = show(&pool, "SELECT version()").await?;
        Ok(Self { pool, options, notices: !version.contains("CockroachDB") })
    }

    /// How the pool is used.
    pub(in crate::store) fn pool_use(&self) -> PoolUse {
        let idle = u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX);
        PoolUse { used: self.pool.size().saturating_sub(idle), idle, max: MAX_CONNECTIONS }
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Whether this server has LISTEN and NOTIFY. CockroachDB has not: replicas then learn of changes by looking.
    pub(in crate::store) fn has_notices(&self) -> bool {
        self.notices
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, sqlx::Postgres>, Failure> {
        Ok(self.pool.begin().await?)
    }

    /// A listener on a connection of its own, so that it never takes one from the requests.
    pub(in crate::store) async fn listener(&self, channel: &str) -> Result<PgListener, Failure> {
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(self.options.clone())
            .await?;
        let mut listener = PgListener::connect_with(&pool).await?;
        // Whoever listens has to know that it broke before it is mended.
        listener.eager_reconnect(false);
        listener.listen(channel).await?;
        Ok(listener)
    }
}

async fn assert_durable(pool: &PgPool) -> Result<(), OpenError> {
    let got = show(pool, "SHOW synchronous_commit").await?;
    // All three wait until the commit is flushed on this server; they differ in what they want of standbys.
    if matches!(got.as_str(), "on" | "remote_apply" | "remote_write") {
        Ok(())
    } else {
        Err(OpenError::Setting { name: "synchronous_commit", want: "on", got })
    }
}

async fn show(pool: &PgPool, sql: &'static str) -> Result<String, OpenError> {
    let row = sqlx::query(sql).fetch_one(pool).await.map_err(unreachable_server)?;
    row.try_get(0).map_err(unreachable_server)
}

fn unreachable_server(error: sqlx::Error) -> OpenError {
    OpenError::Unreachable(Failure::from(error).into_error().to_string())
}
