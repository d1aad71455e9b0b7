//! What an operator sees of all connections together. Read in the background, never by a scrape;
//! each statement walks along an index, or reads a small table.

use jiff::Timestamp;

use super::engine::{Engine, Row, from_row, values};
use super::statements::{Sql, statements, table_names};
use super::{OUTBOX, Store, StoreError, rows, statements};

/// Overdue refreshes are counted up to this.
const MOST_OVERDUE: usize = 100_000;

/// On Postgres, the schema of our tables: where `schema_migrations` is ours, which has checksums;
/// before there is one, where tables are made.
macro_rules! own_schema {
    () => {
        "COALESCE((SELECT c.relnamespace FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND \
         a.attname = 'checksum' WHERE c.oid = to_regclass('schema_migrations')), (SELECT oid FROM pg_catalog.pg_namespace WHERE \
         nspname = current_schema()))"
    };
}

statements! {
    SOONEST_EXPIRY = Sql::both(
        "SELECT MIN(grant_expires_at) AS at FROM connections WHERE state IN ('connected', 'degraded', 'action_required')",
    );
    /// Those that the person has to mend are left out: no operator can.
    EXPIRING_UNRENEWED = Sql::both(
        "SELECT COUNT(*) AS amount FROM connections WHERE state IN ('connected', 'degraded', 'action_required') AND \
         grant_expires_at <= $1 AND state <> 'action_required' AND failures > 0",
    );
    /// Grants by whole days left; the last includes all longer ones.
    EXPIRING = Sql::each(
        "SELECT MIN((grant_expires_at - $1) / 86400000, $2) AS days, COUNT(*) AS amount FROM connections WHERE state IN \
         ('connected', 'degraded', 'action_required') AND grant_expires_at > $1 GROUP BY days ORDER BY days",
        "SELECT LEAST((grant_expires_at - $1) / 86400000, $2) AS days, COUNT(*) AS amount FROM connections WHERE state IN \
         ('connected', 'degraded', 'action_required') AND grant_expires_at > $1 GROUP BY 1 ORDER BY 1",
    );
    /// Exact on SQLite; on Postgres the estimate in its statistics.
    ROWS = Sql::each(
        "SELECT 'users' AS name, COUNT(*) AS amount FROM users UNION ALL SELECT 'connections', COUNT(*) FROM connections \
         UNION ALL SELECT 'grants', COUNT(*) FROM grants UNION ALL SELECT 'connection_history', COUNT(*) FROM \
         connection_history UNION ALL SELECT 'attempts', COUNT(*) FROM attempts UNION ALL SELECT 'clerk_events', COUNT(*) FROM \
         clerk_events UNION ALL SELECT 'deleted_users', COUNT(*) FROM deleted_users UNION ALL SELECT 'data_deletions', \
         COUNT(*) FROM data_deletions UNION ALL SELECT 'outbox', COUNT(*) FROM outbox UNION ALL SELECT 'audit', COUNT(*) \
         FROM audit UNION ALL SELECT 'notices', COUNT(*) FROM notices",
        "SELECT CAST(relname AS TEXT) AS name, CAST(n_live_tup AS BIGINT) AS amount FROM pg_stat_user_tables WHERE \
         pg_table_is_visible(relid) AND relname IN ('users', 'connections', 'grants', 'connection_history', 'attempts', \
         'clerk_events', 'deleted_users', 'data_deletions', 'outbox', 'audit', 'notices')",
    );
    /// The oldest row of each swept table, by an index on its age.
    OLDEST = Sql::both(
        "SELECT 'attempts' AS name, (SELECT MIN(closed_at) FROM attempts WHERE closed_at IS NOT NULL) AS at UNION ALL SELECT \
         'clerk_events', (SELECT MIN(received_at) FROM clerk_events) UNION ALL SELECT 'outbox', (SELECT MIN(occurred_at) FROM \
         outbox) UNION ALL SELECT 'audit', (SELECT MIN(at) FROM audit) UNION ALL SELECT 'notices', (SELECT MIN(occurred_at) \
         FROM notices)",
    );
    TALLY_ADD = Sql::both(
        "INSERT INTO refresh_tally (hour, outcome, amount) VALUES ($1, $2, $3) ON CONFLICT (hour, outcome) DO UPDATE SET \
         amount = refresh_tally.amount + excluded.amount",
    );
    TALLY = Sql::both(
        "SELECT outcome, CAST(SUM(amount) AS BIGINT) AS month, CAST(SUM(CASE WHEN hour > $1 THEN amount ELSE 0 END) AS \
         BIGINT) AS day FROM refresh_tally WHERE hour > $2 GROUP BY outcome ORDER BY outcome",
    );
    DELETIONS_LATE =
        Sql::both("SELECT COUNT(*) AS amount FROM data_deletions WHERE completed_at IS NULL AND requested_at <= $1");
    SENTINEL_AGES = Sql::both("SELECT key_id, created_at FROM key_ring_sentinel ORDER BY created_at, key_id");
    /// As many standbys must follow as a commit waits for: `FIRST 2 (a, b)`. A role that may not
    /// see a standby's state still sees that there is one. SQLite has no server, no role and no
    /// bound. The schema is that of the tables; before there are any, the one that they will be
    /// made in.
    SERVER_FACTS = Sql::each(
        "SELECT '' AS role, NULL AS schema, 0 AS version, 0 AS max_connections, NULL AS own_limit, 1 AS may_create, NULL \
         AS other_owner, 0 AS is_read_only, '' AS encoding, 0 AS lacks_standby, NULL AS crash_unsafe",
        concat!(
            "SELECT CAST(current_user AS TEXT) AS role, CAST(CAST(CAST(",
            own_schema!(),
            " AS regnamespace) AS TEXT) AS TEXT) AS schema, \
             CAST(current_setting('server_version_num') AS BIGINT) AS version, CAST(current_setting('max_connections') AS \
             BIGINT) AS max_connections, (SELECT CAST(MIN(most) AS BIGINT) FROM (SELECT rolconnlimit AS most FROM \
             pg_catalog.pg_roles WHERE rolname = current_user AND NOT rolsuper UNION ALL SELECT datconnlimit FROM \
             pg_catalog.pg_database WHERE datname = current_database()) AS limits WHERE most >= 0) AS own_limit, CAST(CASE WHEN \
             COALESCE(has_schema_privilege(",
            own_schema!(),
            ", 'CREATE'), FALSE) THEN 1 ELSE 0 END AS BIGINT) AS may_create, \
             (SELECT CAST(MIN(pg_get_userbyid(relowner)) AS TEXT) FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') AND \
             relnamespace = ",
            own_schema!(),
            " AND relname IN ('schema_migrations', ",
            table_names!(),
            ") AND NOT pg_has_role(relowner, 'USAGE')) AS other_owner, \
             CAST(CASE WHEN current_setting('transaction_read_only') = 'on' THEN 1 \
             ELSE 0 END AS BIGINT) AS is_read_only, CAST(current_setting('server_encoding') AS TEXT) AS encoding, \
             CAST(CASE WHEN COALESCE(current_setting('synchronous_standby_names', true), '') <> '' AND (SELECT COUNT(*) FROM \
             pg_catalog.pg_stat_replication WHERE COALESCE(sync_state, 'sync') IN ('sync', 'quorum')) < \
             COALESCE(CAST(substring(current_setting('synchronous_standby_names', true) FROM \
             '(?i)^\\s*(?:FIRST|ANY)?\\s*(\\d+)\\s*\\(') AS BIGINT), 1) THEN 1 ELSE 0 END AS BIGINT) AS lacks_standby, \
             (SELECT CAST(string_agg(CAST(name AS TEXT), ' and ' ORDER BY name) AS TEXT) FROM pg_settings WHERE name IN \
             ('fsync', 'full_page_writes') AND setting = 'off') AS crash_unsafe",
        ),
    );
    LACKING_RIGHT = Sql::each(
        "SELECT NULL AS lacking",
        concat!(
            "SELECT CAST(MIN(wanted || ' on table ' || relname) AS TEXT) AS lacking FROM pg_catalog.pg_class, (VALUES \
             ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE'), ('BYPASSRLS')) AS rights (wanted) WHERE relkind IN ('r', 'p') AND \
             relnamespace = ",
            own_schema!(),
            " AND (relname IN (",
            table_names!(),
            ") OR relname = 'schema_migrations' AND wanted IN ('SELECT', 'BYPASSRLS')) AND CASE WHEN wanted <> 'BYPASSRLS' THEN \
             NOT has_table_privilege(oid, wanted) ELSE relrowsecurity AND (relforcerowsecurity OR NOT pg_has_role(relowner, \
             'USAGE')) AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = current_user AND (rolsuper OR \
             rolbypassrls)) END",
        ),
    );
}

/// Facts about a database server and the role that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// The role.
    pub role: String,
    /// The schema of its tables; `None` if it has none.
    pub schema: Option<String>,
    /// As `server_version_num`: 150004 for 15.4.
    pub version: i64,
    /// Most connections of all clients together.
    pub max_connections: i64,
    /// Most connections of this role, or to this database, where either is limited.
    pub own_limit: Option<i64>,
    /// Whether the role may create tables.
    pub may_create: bool,
    /// The owner of existing tables, where the role has not its rights: only the owner may change
    /// them.
    pub other_owner: Option<String>,
    /// Whether nothing can be written: on a standby, or by a setting of the role or the database.
    pub is_read_only: bool,
    /// `server_encoding`, such as `UTF8` or `LATIN1`.
    pub encoding: String,
    /// Whether commits wait for more standbys than follow.
    pub lacks_standby: bool,
    /// The settings that are off, and that durability rests on: a crash of the machine may lose or
    /// damage what was committed.
    pub crash_unsafe: Option<String>,
}

/// How the connections to the database are used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolUse {
    /// Connections in use.
    pub used: u32,
    /// Open and idle.
    pub idle: u32,
    /// The limit.
    pub max: u32,
}

impl PoolUse {
    /// Adds up pools, given as (open, idle) connections, and those in use outside of pools. The idle
    /// number is decremented before it is incremented, so it may wrap below zero for a moment.
    pub(super) fn of(pools: [(u32, usize); 2], outside: u32, max: u32) -> Self {
        let idle = |(open, idle): (u32, usize)| u32::try_from(idle).map_or(0, |idle| idle.min(open));
        let open: u32 = pools.iter().map(|(open, _)| open).sum();
        let idle: u32 = pools.map(idle).iter().sum();
        Self { used: open - idle + outside, idle, max }
    }
}

/// The size of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TableRows {
    /// Its name.
    pub name: String,
    /// Its rows; an estimate on Postgres.
    pub amount: u64,
    /// When its oldest row was written, for swept tables.
    pub oldest: Option<Timestamp>,
}

/// How many refreshes had one outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refreshes {
    /// `renewed`, or why not.
    pub outcome: String,
    /// In the last day.
    pub day: u64,
    /// In the last thirty days.
    pub month: u64,
}

impl Store {
    /// Refreshes that were due before `before`, counted up to a hundred thousand.
    pub async fn overdue(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.amount(statements::DUE_COUNT, values![before, MOST_OVERDUE], "connections").await
    }

    /// Data deletion requests that arrived before `before` and are not done.
    pub async fn late_deletions(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.amount(DELETIONS_LATE, values![before], "data_deletions").await
    }

    /// When the first of the grants in use expires.
    pub async fn soonest_expiry(&self) -> Result<Option<Timestamp>, StoreError> {
        self.time(SOONEST_EXPIRY, Vec::new(), "connections").await
    }

    /// Grants that expire before `before` and whose refresh or probe has failed; not those that wait
    /// for their person.
    pub async fn expiring_unrenewed(&self, before: Timestamp) -> Result<u64, StoreError> {
        self.amount(EXPIRING_UNRENEWED, values![before], "connections").await
    }

    /// Grants in use by whole days left; `most` stands for all that have more.
    pub async fn expiring(&self, now: Timestamp, most: u32) -> Result<Vec<(u64, u64)>, StoreError> {
        let found = self.read(EXPIRING, values![now, most]).await?;
        rows::read_all(&found, "connections", |row| Ok((row.get("days")?, row.get("amount")?)))
    }

    /// The rows of each table, and for swept tables the time of the oldest; not of the outbox where
    /// no events are sent.
    pub async fn table_rows(&self) -> Result<Vec<TableRows>, StoreError> {
        let found = self.read(ROWS, Vec::new()).await?;
        let mut tables = rows::read_all(&found, "(all)", |row| {
            Ok(from_row!(row => TableRows { name, amount, oldest: None }))
        })?;
        let found = self.read(OLDEST, Vec::new()).await?;
        let oldest = rows::read_all(&found, "(all)", |row| Ok((row.get::<String>("name")?, row.get("at")?)))?;
        for (name, at) in oldest {
            if name == OUTBOX && !self.inner.outbox {
                continue;
            }
            if let Some(table) = tables.iter_mut().find(|table| table.name == name) {
                table.oldest = at;
            }
        }
        tables.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(tables)
    }

    /// Adds to the counts of refreshes in the hour `hour`, in hours since the epoch.
    pub async fn add_refreshes(&self, hour: i64, outcome: &str, amount: u64) -> Result<(), StoreError> {
        self.write(TALLY_ADD, values![hour, outcome, amount]).await.map(drop)
    }

    /// Refreshes by outcome in the last day and in the last thirty, up to `hour`.
    pub async fn refreshes(&self, hour: i64) -> Result<Vec<Refreshes>, StoreError> {
        let found = self.read(TALLY, values![hour - 24, hour - 24 * 30]).await?;
        rows::read_all(&found, "refresh_tally", |row| Ok(from_row!(row => Refreshes { outcome, day, month })))
    }

    /// Since when each key of the ring has sealed.
    pub async fn key_ages(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let found = self.read(SENTINEL_AGES, Vec::new()).await?;
        rows::read_all(&found, "key_ring_sentinel", |row| Ok((row.get("key_id")?, row.get("created_at")?)))
    }

    /// Facts about the server; `None` on SQLite, which has none.
    pub async fn server_facts(&self) -> Result<Option<ServerFacts>, StoreError> {
        let Engine::Postgres(_) = &self.inner.engine else { return Ok(None) };
        let facts = |row: &Row| {
            Ok(from_row!(row => ServerFacts {
                role, schema, version, max_connections, own_limit, may_create, other_owner, is_read_only, encoding,
                lacks_standby, crash_unsafe,
            }))
        };
        self.total(SERVER_FACTS, Vec::new(), "(server)", facts).await
    }

    /// A right on an existing table that a server needs and its role lacks, such as
    /// `UPDATE on table connections`, or `BYPASSRLS` where row level security would hide rows.
    pub async fn lacking_right(&self) -> Result<Option<String>, StoreError> {
        let lacking = self.total(LACKING_RIGHT, Vec::new(), "(server)", |row| row.get("lacking"));
        Ok(lacking.await?.flatten())
    }

    /// How the connections to the database are used; `None` in a simulation.
    pub fn pool_use(&self) -> Option<PoolUse> {
        match &self.inner.engine {
            Engine::Sqlite(sqlite) => Some(sqlite.pool_use()),
            Engine::Postgres(postgres) => Some(postgres.pool_use(*self.hears_replicas().borrow())),
            Engine::Driven(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_idle_ones_below_zero_is_none() {
        let seen = PoolUse::of([(4, 3), (1, usize::MAX)], 1, 6);
        assert_eq!((seen.used, seen.idle, seen.max), (3, 3, 6));
    }
}
