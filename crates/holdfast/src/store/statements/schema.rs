//! The schema, and the session that runs it.

use super::Sql;

statements! {
    /// Touches a table, so that a database without schema is not called healthy; of Postgres, where
    /// each table has its own file, the one that requests need most as well.
    /// Says besides whether it takes no writes: a standby and a former primary read only.
    PING = Sql::each(
        "SELECT COUNT(*) AS users, 'off' AS read_only FROM (SELECT id FROM users LIMIT 1) AS one",
        "SELECT COUNT(*) AS users, (SELECT MAX(version) FROM (SELECT version FROM connections ORDER BY id LIMIT 1) AS two) AS \
         connections, COALESCE(current_setting('transaction_read_only', true), 'off') AS read_only FROM (SELECT id FROM users \
         LIMIT 1) AS one",
    );
    ENCODING = Sql::each(
        "SELECT 'UTF8' AS encoding, '' AS role",
        "SELECT CAST(current_setting('server_encoding') AS TEXT) AS encoding, CAST(current_user AS TEXT) AS role",
    );
    MIGRATIONS_TABLE_EXISTS = Sql::each(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name = 'schema_migrations'",
        // Found as every statement finds its tables: along the search path, whatever the role may do
        // with it. Another program's table of that name has no checksums.
        "SELECT CAST(attname AS TEXT) AS name FROM pg_catalog.pg_attribute WHERE attrelid = \
         to_regclass('schema_migrations') AND attname = 'checksum'",
    );
    /// Tables under our names: another program's, where no migration was applied.
    TABLES_OF_OUR_NAMES = Sql::each(
        concat!("SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN (", table_names!(), ") ORDER BY name"),
        concat!(
            "SELECT CAST(tablename AS TEXT) AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema() AND \
             tablename IN (",
            table_names!(),
            ") ORDER BY tablename"
        ),
    );
    MIGRATIONS_APPLIED = Sql::both("SELECT version, checksum FROM schema_migrations ORDER BY version");
    /// A migration may take longer than any statement of a request. While it waits for a lock,
    /// everybody who wants the table waits behind it: for less than a readiness probe does. New
    /// tables are made beside the others, not in a schema that comes before theirs.
    MIGRATION_SETTINGS = Sql::each(
        "SELECT 1",
        "SELECT set_config('statement_timeout', '0', true), set_config('lock_timeout', '1s', true), set_config('search_path', \
         CAST(relnamespace::regnamespace AS TEXT) || ', ' || current_setting('search_path'), true) FROM pg_catalog.pg_class \
         WHERE oid = to_regclass('schema_migrations')",
    );
    /// Comes first in its transaction: the primary key makes a second migrator wait, then fail.
    MIGRATION_RECORD = Sql::both("INSERT INTO schema_migrations (version, name, checksum, applied_at) VALUES ($1, $2, $3, $4)");
    /// Run at the beginning of each Postgres session, because PgBouncer refuses settings at its
    /// start: limits, isolation (a lock must show what was committed while it was waited for),
    /// durability, and a planner that uses indexes, whatever it expects.
    ///
    /// Its expectations come from statistics, which may be missing or from when a table was small,
    /// and the plan of a prepared statement may be older still. No statement of a request or of the
    /// worker gains by reading a whole table, however small. The settings are found by name,
    /// because other databases with Postgres' protocol lack some.
    ///
    /// Without `row_security`, a statement fails where a policy applies, which may hide rows: a
    /// grant that is not seen would be reported as deleted.
    SESSION_SETTINGS = Sql::each(
        "SELECT 1",
        "SELECT set_config(name, CASE name WHEN 'statement_timeout' THEN '5s' WHEN 'idle_in_transaction_session_timeout' \
         THEN '30s' WHEN 'default_transaction_isolation' THEN 'read committed' WHEN 'synchronous_commit' THEN 'on' WHEN 'max_parallel_workers_per_gather' THEN '0' WHEN \
         'idle_session_timeout' THEN '0' WHEN 'lock_timeout' THEN '0' WHEN 'transaction_timeout' THEN '0' ELSE 'off' END, \
         false) FROM pg_settings WHERE name IN ('statement_timeout', 'default_transaction_isolation', 'idle_in_transaction_session_timeout', \
         'idle_session_timeout', 'lock_timeout', 'transaction_timeout', 'synchronous_commit', 'max_parallel_workers_per_gather', 'enable_seqscan', 'enable_bitmapscan', 'enable_hashjoin', \
         'enable_mergejoin', 'jit', 'row_security')",
    );
}

/// Run before the first migration; not in [`ALL`], which can be prepared only after it.
pub(in crate::store) const MIGRATIONS_TABLE: Sql = Sql::each(
    "CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL, \
     checksum BLOB NOT NULL, applied_at INTEGER NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, \
     checksum BYTEA NOT NULL, applied_at BIGINT NOT NULL)",
);

/// Notifies the other replicas; on Postgres only.
pub(in crate::store) const NOTIFY: &str = "SELECT pg_notify($1, $2)";
