//! How an engine would run a statement: whether it finds rows by an index.

use sqlx::{AssertSqlSafe, Row as _};

use super::{Engine, Failure, Postgres, Sqlite};
use crate::store::StoreError;
use crate::store::statements::Sql;

impl Engine {
    /// The table that the statement reads from end to end, if it reads one so. `Ok(None)` also where
    /// the engine's plans are not understood.
    pub(in crate::store) async fn scanned_table(&self, sql: Sql) -> Result<Option<String>, StoreError> {
        match self {
            Self::Sqlite(sqlite) => by_sqlite(sqlite, sql).await,
            Self::Postgres(postgres) if postgres.has_notices() => by_postgres(postgres, sql).await,
            Self::Postgres(_) | Self::Driven(_) => Ok(None),
        }
        .map_err(Failure::into_error)
    }
}

/// The large tables, by the names that the statements have for them. What else is read whole is a
/// step's own result, of few rows.
const LARGE: [(&str, &str); 9] = [
    ("users", "u"),
    ("user_keys", "k"),
    ("connections", "c"),
    ("connection_history", "h"),
    ("grants", "g"),
    ("attempts", "a"),
    ("outbox", "o"),
    ("data_deletions", "d"),
    ("clerk_events", "e"),
];

/// `SCAN t` without an index. With one the table is read in its order, and left in the middle.
async fn by_sqlite(sqlite: &Sqlite, sql: Sql) -> Result<Option<String>, Failure> {
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {}", sql.sqlite));
    let steps = sqlx::raw_sql(explain).fetch_all(sqlite.readers()).await?;
    Ok(steps.iter().find_map(|step| {
        let step: String = step.try_get("detail").ok()?;
        let scanned = step.strip_prefix("SCAN ").filter(|_| !step.contains(" USING "))?;
        large(scanned)
    }))
}

/// A sequential scan. The session's settings leave it for where there is no other way.
async fn by_postgres(postgres: &Postgres, sql: Sql) -> Result<Option<String>, Failure> {
    let parameters = (1..100).take_while(|number| sql.postgres.contains(&format!("${number}"))).count();
    let values =
        if parameters == 0 { String::new() } else { format!("({})", vec!["NULL"; parameters].join(", ")) };
    let script = format!(
        "SET LOCAL plan_cache_mode = force_generic_plan; PREPARE holdfast_plan AS {}; \
         EXPLAIN (COSTS OFF) EXECUTE holdfast_plan{values}; DEALLOCATE holdfast_plan",
        sql.postgres
    );
    let mut transaction = postgres.begin().await?;
    let lines = sqlx::raw_sql(AssertSqlSafe(script)).fetch_all(&mut *transaction).await?;
    transaction.rollback().await?;
    Ok(lines.iter().find_map(|line| {
        let line: String = line.try_get(0).ok()?;
        line.split_once("Seq Scan on ").and_then(|(_, scanned)| large(scanned))
    }))
}

/// The large table that a step names first, if it is one.
fn large(scanned: &str) -> Option<String> {
    let name = scanned.split_whitespace().next()?;
    let found = LARGE.iter().find(|(table, alias)| name == *table || name == *alias)?;
    Some(found.0.to_owned())
}
