//! No statement of a request or of the worker reads a table, however many rows there are and
//! whatever the planner has been told of them.
//!
//! Plans turn: what is right for a thousand rows is ruinous for a million, and statistics are
//! missing, or from when a table was small. So each statement is planned at several sizes, with
//! statistics fresh, stale and absent, on Postgres with its values known and unknown.
//! `scripts/bench.sh plans` does it for a hundred thousand and a million rows.

use std::fmt::Write as _;

use holdfast::store::every_statement;
use holdfast::store::statements::Sql;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _};

use crate::testing::database::{Engine, TestDb};

/// Tables that do not grow with the users; all others do.
const FIXED: &[&str] =
    &["key_ring_sentinel", "service_keys", "schema_migrations", "incidents", "refresh_tally"];

/// Tables that are filled here.
const FILLED: &[&str] = &[
    "users",
    "deleted_users",
    "clerk_events",
    "user_keys",
    "connections",
    "connection_history",
    "grants",
    "attempts",
    "outbox",
    "data_deletions",
    "audit",
    "notices",
    "scope_refusals",
    "withdrawals",
];

/// Indexes of few rows by what they are for: those in trouble, being worked on, open. They may be
/// read from end to end.
const OF_FEW_ROWS: &[&str] = &[
    "connections_troubled",
    "connections_held",
    "connections_expired",
    "connections_unwell",
    "notices_due",
    "attempts_expiring",
    "attempts_busy",
    "connections_unreadable",
    "data_deletions_unfinished",
];

/// What counts or goes through everything, for an operator who asked for that. No request and no
/// tick of the worker comes here.
const ASKED_FOR_ALL: &[&str] = &[
    "CONNECTION_COUNTS",
    "USER_KEY_COUNTS",
    "USER_KEY_COUNT",
    "USER_KEYS_NOT_UNDER",
    "LOST_KEY_COUNT",
    "LOST_KEY_ATTEMPT_COUNT",
    "LOST_KEY_NEXT",
    "LOST_KEY_HISTORY",
    "LOST_KEY_GRANTS",
    "CONNECTIONS_RENUMBER",
    "OUTBOX_PUT_ALL",
    "OUTBOX_LATE",
    "LOST_KEY_CONNECTIONS",
    "LOST_KEY_ATTEMPTS",
    "LOST_KEY_USER_KEYS",
    "INDEXES",
    "AUDIT_OF_KEY",
];

/// What the overview counts in the background on `SQLite`, whose counts walk an index: in a small
/// share of its time, however long it takes. Postgres answers by its statistics.
const COUNTED_IN_THE_BACKGROUND: &str = "ROWS";

/// Pages of 8 KiB that a statement may touch which is about one user, or which writes a score of
/// rows and all their indexes.
const MOST_BUFFERS: u64 = 1200;
/// The status of one.
const MOST_BUFFERS_OF_A_STATUS: u64 = 14;

/// Where time begins in the rows; one millisecond later for each.
const BEGIN: i64 = 1_700_000_000_000;

/// Rows of `count` users, each with everything that a user may have. A placeholder for the engine's
/// own words: `{…}`.
fn rows(first: usize, last: usize, engine: Engine) -> Vec<String> {
    let (series, bytes, id) = match engine {
        Engine::Postgres => (
            format!("FROM generate_series({first}, {last}) AS n"),
            "decode(md5(n::text), 'hex')",
            "md5('c' || n)::uuid::text",
        ),
        Engine::Sqlite => (
            format!(
                "FROM (WITH RECURSIVE n (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM n WHERE n < {last}) SELECT n FROM n)"
            ),
            "CAST(printf('%032d', n) AS BLOB)",
            "printf('00000000-0000-7000-8000-%012d', n)",
        ),
    };
    let insert = |table: &str, columns: &str, values: &str| {
        format!("INSERT INTO {table} ({columns}) SELECT {values} {series}")
    };
    // A hundred are in trouble, and a hundred have an attempt open.
    vec![
        insert("users", "id, created_at, updated_at", &format!("'user_' || n, {BEGIN} + n, {BEGIN} + n")),
        insert("deleted_users", "user_id, deleted_at", &format!("'user_gone' || n, {BEGIN} + n")),
        insert("clerk_events", "id, received_at", &format!("'msg_' || n, {BEGIN} + n")),
        insert(
            "user_keys",
            "user_id, key_id, blob, created_at",
            &format!("'user_' || n, 'key', {bytes}, {BEGIN}"),
        ),
        insert(
            "connections",
            "id, user_id, provider, state, reason, account_id, account_professional_id, scopes, missing_scopes, \
             grant_version, grant_obtained_at, grant_expires_at, next_refresh_at, since, linked_at, evidence_source, \
             evidence_at, version",
            &format!(
                "{id}, 'user_' || n, 'instagram', CASE WHEN n <= 100 THEN 'degraded' ELSE 'connected' END, \
                 CASE WHEN n <= 100 THEN 'refresh_failing' END, '2598' || n, '1784' || n, \
                 '[\"instagram_business_basic\"]', '[]', 1, {BEGIN} + n, {BEGIN} + 5184000000 + n, \
                 {BEGIN} + 2592000000 + n, {BEGIN} + n, {BEGIN} + n, 'oauth', {BEGIN} + n, 1"
            ),
        ),
        insert(
            "connection_history",
            "connection_id, version, position, at, state",
            &format!("{id}, 1, 0, {BEGIN} + n, 'connected'"),
        ),
        insert(
            "grants",
            "connection_id, version, blob, obtained_at, expires_at",
            &format!("{id}, 1, {bytes}, {BEGIN} + n, {BEGIN} + 5184000000 + n"),
        ),
        insert(
            "attempts",
            "id, revision, user_id, provider, state_hash, stage, return_to, expect, created_at, expires_at, closed_at",
            &format!(
                "{id}, 1, 'user_' || n, 'instagram', {bytes}, CASE WHEN n <= 100 THEN 'begun' ELSE 'closed' END, \
                 'https://app.example.com', 'same_account', {BEGIN} + n, {BEGIN} + 600000 + n, \
                 CASE WHEN n > 100 THEN {BEGIN} + n END"
            ),
        ),
        insert(
            "outbox",
            "user_id, provider, event_id, occurred_at, due_at",
            &format!("'user_' || n, 'instagram', 'evt_' || n, {BEGIN} + n, {BEGIN} + n"),
        ),
        insert(
            "data_deletions",
            "code, provider, requested_at, completed_at, erased",
            &format!("'code' || n, 'instagram', {BEGIN} + n, {BEGIN} + n, 1"),
        ),
        insert(
            "audit",
            "id, at, actor, action, user_id",
            &format!("'act' || n, {BEGIN} + n, 'operator:x', 'keys.rotate', 'user_' || n"),
        ),
        insert(
            "notices",
            "subject, kind, user_id, provider, occurred_at, due_at",
            &format!(
                "'expiring:' || n, 'instagram.expiring_soon', 'user_' || n, 'instagram', {BEGIN} + n, \
                 CASE WHEN n <= 100 THEN {BEGIN} + n END"
            ),
        ),
        insert(
            "scope_refusals",
            "connection_id, scope, first_at, last_at",
            &format!("{id}, 'instagram_business_manage_insights', {BEGIN} + n, {BEGIN} + n"),
        ),
        insert(
            "withdrawals",
            "provider, account_hash, issued_at",
            &format!("'instagram', {bytes}, {BEGIN} + n"),
        ),
    ]
}

/// Values for a statement, by its parameters' types; where the right one cannot be told by its
/// type, the statement is named.
fn arguments(name: &str, text: &str, types: &[String]) -> Vec<String> {
    let few_due = (BEGIN + 2_592_000_005).to_string();
    let never = (BEGIN * 2).to_string();
    (1..=types.len())
        .zip(types)
        .map(|(number, kind)| {
            let limit = ["LIMIT", "OFFSET"].map(|word| {
                text.contains(&format!("{word} ${number} "))
                    || text.contains(&format!("{word} ${number} + 0"))
            });
            match (name, number, kind.as_str()) {
                (_, _, "bigint" | "integer") if limit[1] => "0".to_owned(),
                (_, _, "bigint" | "integer") if limit[0] => "20".to_owned(),
                ("DUE_COUNT" | "CLAIM_FEW_DUE", 1, _) => few_due.clone(),
                ("CLAIM_MANY_DUE", 1, _) => (BEGIN + 2_592_005_000).to_string(),
                ("CONNECTIONS_EXPIRED" | "CONNECTIONS_EXPIRED_IN_DOUBT", 1, _) => {
                    (BEGIN + 5_184_000_005).to_string()
                }
                ("CONNECTIONS_MISTIMED", 1..=3, _) => never.clone(),
                ("TROUBLE" | "CONNECTIONS_FALLEN" | "CONNECTIONS_MAKE_DUE", _, "bigint") => never.clone(),
                ("PROVEN_COUNT", 2, _) => never.clone(),
                (_, _, "text") if text.contains(&format!("CAST(${number} AS TEXT) AS JSONB")) => {
                    "'[\"x\"]'".to_owned()
                }
                (_, 1, "text[]") => "'{user_7}'".to_owned(),
                (_, _, "text[]") => "'{instagram}'".to_owned(),
                (_, _, "text") if text.contains(&format!("provider = ${number}")) => "'instagram'".to_owned(),
                (_, _, "text") => "'user_7'".to_owned(),
                (_, _, "bigint") => (BEGIN + 5).to_string(),
                (_, _, "integer") => "5".to_owned(),
                (_, _, "bytea") => "'\\x00'".to_owned(),
                (_, _, other) => panic!("{name}: a value of type {other} is wanted"),
            }
        })
        .collect()
}

/// What of a plan reads a growing table, or an index of one, from end to end.
fn reads_a_table(node: &Value, limited: bool, found: &mut Vec<String>) {
    let text = |key: &str| node[key].as_str().unwrap_or_default();
    let kind = text("Node Type");
    let (table, index) = (text("Relation Name"), text("Index Name"));
    // The catalogue has a row per table at most.
    let is_fixed = FIXED.contains(&table) || table.starts_with("pg_");
    let whole = match kind {
        "Seq Scan" => !is_fixed,
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            node["Index Cond"].is_null() && !limited && !OF_FEW_ROWS.contains(&index) && !is_fixed
        }
        _ => false,
    };
    if whole {
        found.push(format!("{kind} of {table}{index}"));
    }
    // A node that sorts or counts reads all of what is below it, however little is wanted of it.
    let limited = match kind {
        "Limit" => true,
        "Sort" | "Aggregate" | "Hash" | "ModifyTable" => false,
        _ => limited,
    };
    for child in node["Plans"].as_array().into_iter().flatten() {
        reads_a_table(child, limited, found);
    }
}

async fn run(connection: &mut PgConnection, sql: impl Into<String>) {
    let sql = sql.into();
    let shown = sql.clone();
    sqlx::raw_sql(AssertSqlSafe(sql))
        .execute(connection)
        .await
        .unwrap_or_else(|error| panic!("{shown}: {error}"));
}

/// The plan of a prepared statement as it ran; what it changed is undone. What a constraint refuses
/// is planned only.
async fn explained(connection: &mut PgConnection, execute: &str) -> Value {
    for options in ["ANALYZE, BUFFERS, FORMAT JSON", "FORMAT JSON"] {
        run(connection, "BEGIN").await;
        let sql = AssertSqlSafe(format!("EXPLAIN ({options}) {execute}"));
        let row = sqlx::raw_sql(sql).fetch_one(&mut *connection).await;
        run(connection, "ROLLBACK").await;
        match row {
            Ok(row) => return serde_json::from_str(&row.get_unchecked::<String, _>(0)).expect("a plan"),
            Err(error) => {
                let refused = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
                let is_constraint = refused.is_some_and(|code| code.starts_with("23"));
                assert!(is_constraint && options.starts_with("ANALYZE"), "{execute}: {error}");
            }
        }
    }
    unreachable!("a statement that is not run meets no constraint")
}

/// Every statement that reads a table on Postgres, as text.
async fn readers_of_tables(connection: &mut PgConnection, situation: &str) -> String {
    let mut report = String::new();
    for (number, (name, Sql { postgres, .. })) in every_statement().into_iter().enumerate() {
        // Settings and commands have no plan.
        if ASKED_FOR_ALL.contains(&name) || postgres.starts_with("SET ") {
            continue;
        }
        run(connection, format!("PREPARE s{number} AS {postgres}")).await;
        let types = sqlx::query(
            "SELECT parameter_types::text[] AS types FROM pg_prepared_statements WHERE name = $1",
        )
        .bind(format!("s{number}"))
        .fetch_one(&mut *connection)
        .await
        .expect("it is prepared")
        .get::<Vec<String>, _>("types");
        let arguments = arguments(name, postgres, &types).join(", ");
        let execute = if types.is_empty() {
            format!("EXECUTE s{number}")
        } else {
            format!("EXECUTE s{number} ({arguments})")
        };
        for cached in ["force_custom_plan", "force_generic_plan"] {
            run(connection, format!("SET plan_cache_mode = {cached}")).await;
            let answer = explained(connection, &execute).await;
            let plan = &answer[0]["Plan"];
            let mut found = Vec::new();
            reads_a_table(plan, false, &mut found);
            let buffers =
                ["Shared Hit Blocks", "Shared Read Blocks"].map(|key| plan[key].as_u64().unwrap_or(0));
            let buffers: u64 = buffers.iter().sum();
            let most = if name == "STATUS" { MOST_BUFFERS_OF_A_STATUS } else { MOST_BUFFERS };
            if buffers > most {
                found.push(format!("{buffers} buffers"));
            }
            if !found.is_empty() {
                let _ = writeln!(report, "{situation}, {cached}: {name}: {}\n{plan:#}", found.join(", "));
            }
        }
        run(connection, format!("DEALLOCATE s{number}")).await;
    }
    report
}

async fn on_postgres(rows_in_each: usize) -> String {
    let db = TestDb::new(Engine::Postgres).await;
    let url = secrecy::ExposeSecret::expose_secret(&db.options.url).to_owned();
    let mut connection = PgConnection::connect(&url).await.expect("a connection");
    let session = every_statement().into_iter().find(|(name, _)| *name == "SESSION_SETTINGS");
    let (_, session) = session.expect("it is listed");
    run(&mut connection, session.postgres).await;
    for table in FILLED {
        // Statistics are what the test says they are.
        run(&mut connection, format!("ALTER TABLE {table} SET (autovacuum_enabled = off)")).await;
    }
    let mut report = String::new();
    let few = 10;
    for sql in rows(1, few, Engine::Postgres) {
        run(&mut connection, sql).await;
    }
    run(&mut connection, "ANALYZE").await;
    for sql in rows(few + 1, rows_in_each, Engine::Postgres) {
        run(&mut connection, sql).await;
    }
    report += &readers_of_tables(&mut connection, &format!("{rows_in_each} rows, statistics of {few}")).await;
    run(&mut connection, "ANALYZE").await;
    report += &readers_of_tables(&mut connection, &format!("{rows_in_each} rows, fresh statistics")).await;
    run(&mut connection, "DELETE FROM pg_statistic; UPDATE pg_class SET reltuples = -1, relpages = 0 WHERE relnamespace = 'public'::regnamespace").await;
    report += &readers_of_tables(&mut connection, &format!("{rows_in_each} rows, no statistics")).await;
    connection.close().await.expect("it closes");
    db.remove().await;
    report
}

/// What SQLite does for a statement, step by step.
fn steps(database: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut explain = database.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("it is prepared");
    let mut rows = explain.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().expect("a step") {
        steps.push(row.get::<_, String>("detail").expect("its text"));
    }
    steps
}

fn on_sqlite(rows_in_each: usize, migrated: &std::path::Path) -> String {
    let database = rusqlite::Connection::open(migrated).expect("the database");
    // It is thrown away.
    database.execute_batch("PRAGMA synchronous = OFF").expect("a setting");
    let mut report = String::new();
    let mut look = |situation: &str| {
        for (name, Sql { sqlite, .. }) in every_statement() {
            for step in steps(&database, sqlite) {
                let mut words = step.split(' ').skip_while(|word| *word != "SCAN").skip(1);
                let table = words.next().unwrap_or_default();
                let table = match table {
                    "c" => "connections",
                    "a" => "attempts",
                    "h" => "connection_history",
                    "g" => "grants",
                    "o" => "outbox",
                    "n" => "notices",
                    other => other,
                };
                // With a limit it is left in the middle.
                let few = sqlite.contains("LIMIT") && step.contains(" INDEX ")
                    || OF_FEW_ROWS.iter().any(|index| step.ends_with(index));
                let may_count = ASKED_FOR_ALL.contains(&name) || name == COUNTED_IN_THE_BACKGROUND;
                if FILLED.contains(&table) && !few && !may_count {
                    let _ = writeln!(report, "{rows_in_each} rows, {situation}: {name}: {step}");
                }
            }
        }
    };
    let fill = |first, last| {
        database.execute_batch("BEGIN").expect("it begins");
        for sql in rows(first, last, Engine::Sqlite) {
            database.execute_batch(&sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        }
        database.execute_batch("COMMIT").expect("it commits");
    };
    fill(1, 10);
    look("no statistics");
    database.execute_batch("ANALYZE").expect("statistics");
    fill(11, rows_in_each);
    look("statistics of 10");
    database.execute_batch("ANALYZE").expect("statistics");
    look("fresh statistics");
    report
}

async fn on_both(rows_in_each: usize) {
    let db = TestDb::new(Engine::Sqlite).await;
    let mut report = on_sqlite(rows_in_each, &db.file());
    db.remove().await;
    report += &on_postgres(rows_in_each).await;
    assert!(report.is_empty(), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_reads_a_table_of_a_thousand_rows() {
    on_both(1000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_plan_reads_a_table_of_ten_thousand_rows() {
    on_both(10_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute: scripts/bench.sh plans"]
async fn no_plan_reads_a_table_of_a_hundred_thousand_rows() {
    on_both(100_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: scripts/bench.sh plans"]
async fn no_plan_reads_a_table_of_a_million_rows() {
    on_both(1_000_000).await;
}
