//! A database of people who are connected: as many as are wanted, written by the engine itself.

use std::path::Path;

use holdfast::store::{Store, StoreOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{Fallible, subject};

/// The table of the servers that ours is measured beside.
const PEERS: &str = "CREATE TABLE instagram_connections (user_id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL, \
                     expires_at BIGINT NOT NULL, status TEXT NOT NULL)";

/// Migrates the database at `url`, and connects the people from number `first` on to an account
/// each, until there are `last`. `now` is in milliseconds: their grants came then, so that nothing
/// is due.
pub async fn people(url: &str, first: usize, last: usize, now: i64) -> Fallible<()> {
    let store = Store::open(&StoreOptions::serve(url), subject::clock()).await?;
    store.migrate().await?;
    store.close().await;
    if let Some(path) = url.strip_prefix("sqlite://") {
        let database = rusqlite::Connection::open(path)?;
        database.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144")?;
        // In pieces, so that the log does not grow as large as the database.
        for begin in (first..=last).step_by(PIECE) {
            let end = last.min(begin + PIECE - 1);
            database.execute_batch(&format!(
                "BEGIN; {}; COMMIT",
                rows(&numbers_of_sqlite(begin, end), SQLITE_ID, SQLITE_USER, now)
            ))?;
        }
        database.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    } else {
        let mut database = PgConnection::connect(url).await?;
        let numbers = format!("FROM generate_series({first}, {last}) AS n");
        let sql = format!("{}; ANALYZE", rows(&numbers, POSTGRES_ID, POSTGRES_USER, now));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await?;
        database.close().await?;
    }
    Ok(())
}

const PIECE: usize = 200_000;
const POSTGRES_ID: &str = "md5('c' || n)::uuid::text";
// Postgres counts a substring from its start only.
const POSTGRES_USER: &str = "'user_2bench' || lpad(n::text, 20, '0')";
const SQLITE_USER: &str = "'user_2bench' || substr('00000000000000000000' || n, -20)";
const SQLITE_ID: &str = "printf('%08x-0000-7000-8000-%012d', (n * 2654435761) & 4294967295, n)";

fn numbers_of_sqlite(first: usize, last: usize) -> String {
    format!(
        "FROM (WITH RECURSIVE n (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM n WHERE n < {last}) SELECT n FROM n)"
    )
}

/// What completed connect attempts leave, but for the grants, which no route measured here reads.
fn rows(numbers: &str, id: &str, user: &str, now: i64) -> String {
    let (expires, due) = (now + 60 * DAY, now + 30 * DAY);
    format!(
        "INSERT INTO users (id, created_at, updated_at) SELECT {user}, {now}, {now} {numbers}; \
         INSERT INTO connections (id, user_id, provider, state, account_id, account_professional_id, account_username, \
         account_name, account_type, account_picture_url, scopes, missing_scopes, grant_version, grant_obtained_at, \
         grant_expires_at, next_refresh_at, since, linked_at, evidence_source, evidence_at, version) SELECT {id}, {user}, \
         'instagram', 'connected', '2598275224' || n, '1784147967' || n, 'ada.makes', 'Ada', 'business', \
         'https://cdn.example.com/ada.jpg', '[\"instagram_business_basic\"]', '[]', 1, {now}, {expires} + n, {due} + n, \
         {now}, {now}, 'oauth', {now}, 1 {numbers}"
    )
}

const DAY: i64 = 24 * 3600 * 1000;

/// The same people in the other servers' table, on Postgres and in a SQLite file.
pub async fn peers(postgres: &str, sqlite: &Path, count: usize, now: i64) -> Fallible<()> {
    let insert = |numbers: &str, user: &str| {
        format!("INSERT INTO instagram_connections SELECT {user}, 'ada.makes', {now}, 'active' {numbers}")
    };
    let mut database = PgConnection::connect(postgres).await?;
    let numbers = format!("FROM generate_series(0, {count}) AS n");
    let fill = insert(&numbers, POSTGRES_USER);
    let sql =
        format!("DROP TABLE IF EXISTS instagram_connections; {PEERS}; {fill}; ANALYZE instagram_connections");
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut database).await?;
    database.close().await?;
    let fill = insert(&numbers_of_sqlite(0, count), SQLITE_USER);
    rusqlite::Connection::open(sqlite)?
        .execute_batch(&format!("PRAGMA journal_mode = WAL; {PEERS}; {fill}"))?;
    Ok(())
}
