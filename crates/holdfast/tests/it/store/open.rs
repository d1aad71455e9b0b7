//! Every way in which a database cannot be opened has its own clear sentence.

use std::path::Path;
use std::sync::Arc;

use holdfast::clock::SystemClock;
use holdfast::store::{NewServiceKey, OpenError, Store, StoreError, StoreOptions, every_statement};
use uuid::Uuid;

use super::fixtures::linked;
use crate::testing::database::{Engine, TestDb, create_database, execute, postgres_url, start_of_time};
use crate::testing::postgres_server::{OwnServer, Pooler};
use crate::testing::relay::Relay;

async fn refusal(options: StoreOptions) -> OpenError {
    Store::open(&options, Arc::new(SystemClock)).await.expect_err("it must not open")
}

fn sqlite(path: &Path) -> String {
    format!("sqlite://{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_server_on_one_file_is_refused_and_a_tool_is_not() {
    let db = TestDb::new(Engine::Sqlite).await;
    let error = refusal(db.options.clone()).await;
    assert!(matches!(error, OpenError::InUse(_)), "{error}");
    assert!(error.to_string().contains("Postgres"), "{error}");
    let url = sqlite(&db.file());
    let tool = Store::open(&StoreOptions::tool(url), db.clock.clone()).await.expect("a tool may look");
    tool.ping().await.expect("it answers");
    tool.close().await;
    drop(tool);
    let (options, clock) = (db.options.clone(), db.clock.clone());
    let TestDb { store, directory, .. } = db;
    store.close().await;
    drop(store);
    let next = Store::open(&options, clock).await.expect("the first server is gone");
    next.close().await;
    drop(directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_database_is_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let missing = refusal(StoreOptions::serve(sqlite(&directory.path().join("no/such/holdfast.db")))).await;
    assert!(matches!(missing, OpenError::NoDirectory(_)), "{missing}");
    let nothing = refusal(StoreOptions::tool(sqlite(&directory.path().join("holdfast.db")))).await;
    assert!(matches!(nothing, OpenError::NoFile(_)), "{nothing}");
    let text = directory.path().join("notes.txt");
    std::fs::write(
        &text,
        "not a database, but long enough to have a header of one hundred bytes. ".repeat(9),
    )
    .unwrap();
    let other = refusal(StoreOptions::serve(sqlite(&text))).await;
    assert!(matches!(other, OpenError::NotADatabase(_)), "{other}");
    let folder = refusal(StoreOptions::serve(sqlite(directory.path()))).await;
    assert!(matches!(folder, OpenError::NotWritable { .. }), "{folder}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_that_cannot_be_written_is_named() {
    // Permissions do not stop root, and the tests may run as root; nobody creates files in /proc.
    let error = refusal(StoreOptions::serve("sqlite:///proc/holdfast.db")).await;
    assert!(matches!(&error, OpenError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains("/proc/holdfast.db"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_are_none_are_refused_without_quoting_a_password() {
    for url in [
        "mysql://a:hunter2@b/c",
        "hunter2",
        "sqlite://",
        "sqlite::memory:",
        "sqlite://x.db?mode=hunter2",
        "postgres://a:hunter2@b:port/c",
    ] {
        let error = refusal(StoreOptions::serve(url)).await;
        assert!(matches!(error, OpenError::Address(_)), "{url}: {error}");
        let shown = format!("{error} {error:?} {:?}", StoreOptions::serve(url));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_or_lets_nobody_in_is_unreachable() {
    let stranger = postgres_url("postgres").replace("postgres://", "postgres://stranger:hunter2@");
    let cases = [
        ("postgres://a:hunter2@127.0.0.1:1/c".to_owned(), "127.0.0.1:1 accepts no connection within 5 s"),
        (
            "postgres://a:hunter2@localhost/c?host=/nowhere".to_owned(),
            "/nowhere cannot be reached: No such file",
        ),
        (postgres_url("no_such_database"), "has no database no_such_database; create it"),
        (stranger, "rejects role stranger; create the role"),
        (postgres_url("holdfast:hunter2@db"), "has not the database of the address; create it"),
    ];
    for (url, named) in cases {
        let error = refusal(StoreOptions::serve(url)).await;
        assert!(matches!(error, OpenError::Unreachable { .. }), "{error}");
        assert!(error.to_string().contains(named), "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_every_connection_are_as_promised() {
    let name = create_database(None).await;
    // A server whose operator traded durability away for this database is brought back by our own
    // session setting.
    let url = postgres_url(&name);
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.expect("a connection");
    let sql = format!("ALTER DATABASE {name} SET synchronous_commit = off");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("it alters");
    let store = Store::open(&StoreOptions::serve(url), Arc::new(SystemClock)).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    store.close().await;
    // What the role or the database sets ends none of our statements.
    let (_, set_up) = every_statement().into_iter().find(|(name, _)| *name == "SESSION_SETTINGS").unwrap();
    sqlx::raw_sql("SET lock_timeout = '1ms'").execute(&mut connection).await.expect("it is set");
    sqlx::raw_sql(set_up.postgres).execute(&mut connection).await.expect("it is set anew");
    let left = "SELECT name FROM pg_settings WHERE name IN ('lock_timeout', 'transaction_timeout') AND setting <> '0'";
    assert_eq!(sqlx::raw_sql(left).fetch_all(&mut connection).await.expect("they are read").len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_whose_file_is_gone_is_a_fault_of_the_database() {
    let server = OwnServer::start();
    let options = StoreOptions::serve(server.url());
    let store = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    linked(&store, "ada", "17841400000000001").await;
    store.ping().await.expect("it answers");
    store.close().await;
    execute(&server.url(), "CHECKPOINT").await.expect("it is written down");
    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&server.url()).await.unwrap();
    let path: String = sqlx::query_scalar("SELECT pg_relation_filepath('connections')")
        .fetch_one(&mut connection)
        .await
        .expect("it has a file");
    drop(connection);
    // Else it has the file open.
    server.stop();
    std::fs::remove_file(server.files().join("data").join(path)).expect("it is removed");
    server.start_again();
    let store = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
    let error = store.ping().await.expect_err("it is gone");
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    store.close().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let db = TestDb::new(Engine::Sqlite).await;
    super::fixtures::linked(&db.store, "ada", "1").await;
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", db.file().display());
        let mode = std::fs::metadata(&path).expect("the file").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{path}: {mode:o}");
    }
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_keeps_sessions_together_is_as_good_as_the_server() {
    let server = OwnServer::start();
    let pooler = Pooler::before(&server, "session", 26).await;
    let options = StoreOptions { exclusive: false, ..StoreOptions::serve(pooler.url()) };
    let one = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
    one.migrate().await.expect("it migrates");
    let other = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens once more");
    assert!(*other.hears_replicas().wait_for(|hears| *hears).await.expect("it listens"));
    let mut changes = other.changes();
    super::fixtures::linked(&one, "ada", "1").await;
    let change = changes.recv().await.expect("it is heard of");
    assert_eq!(change.user_id, super::fixtures::owner("ada").as_str());
    one.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_tears_sessions_apart_is_refused() {
    let server = OwnServer::start();
    let pooler = Pooler::before(&server, "transaction", 20).await;
    for _ in 0..3 {
        let told = refusal(StoreOptions::serve(pooler.url())).await.to_string();
        for part in ["gives every transaction another session", "pool_mode = session"] {
            assert!(told.contains(part), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_has_no_session_left_is_named() {
    let server = OwnServer::start();
    let pooler = Pooler::before(&server, "session", 1).await;
    let url = pooler.url();
    let options: sqlx::postgres::PgConnectOptions = url.parse().expect("an address");
    let other = sqlx::ConnectOptions::connect(&options.extra_float_digits(None)).await;
    let mut other = other.expect("a connection");
    sqlx::raw_sql("SELECT 1").execute(&mut other).await.expect("it has the one session");
    let told = refusal(StoreOptions::serve(url)).await.to_string();
    for part in ["lets us in, but has no session left", "default_pool_size"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pgbouncer_takes_our_sessions_and_what_it_refuses_is_explained() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    relay.be_strict();
    let store = Store::open(&StoreOptions::serve(relay.url()), Arc::new(SystemClock)).await;
    let store = store.expect("it opens");
    store.migrate().await.expect("it migrates");
    let mut listening = store.hears_replicas();
    assert!(*listening.wait_for(|listening| *listening).await.expect("it listens"));
    // What the session's beginning no longer asks for is asked for after it.
    let mut other =
        <sqlx::PgConnection as sqlx::Connection>::connect(&server.url()).await.expect("a connection");
    sqlx::raw_sql("BEGIN; LOCK TABLE users").execute(&mut other).await.expect("it locks");
    let late = store.ping().await;
    let is_limit =
        |error: &StoreError| matches!(error, StoreError::Busy(why) if why.ends_with("SQLSTATE 57014"));
    assert!(late.as_ref().is_err_and(is_limit), "the limit of a statement: {late:?}");
    store.close().await;
    let told =
        refusal(StoreOptions::serve(format!("{}?options=-c%20jit%3Doff", relay.url()))).await.to_string();
    for part in ["SQLSTATE 08P01", "PgBouncer", "`options`", "ignore_startup_parameters"] {
        assert!(told.contains(part), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_write_ahead_log_shrinks_again_after_a_long_read() {
    let db = TestDb::new(Engine::Sqlite).await;
    let log = db.file().with_extension("db-wal");
    let size = || std::fs::metadata(&log).expect("the log").len();
    let write = async |number: u128, length: usize| {
        let (id, hash) = (Uuid::from_u128(number), [u8::try_from(number).expect("few"); 32]);
        let key = NewServiceKey { id, name: "x".repeat(length), hash };
        db.store.insert_service_key(&key, start_of_time()).await.expect("it writes");
    };
    let reader = rusqlite::Connection::open(db.file()).expect("a reader");
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM users").expect("it reads");
    for number in 0..30 {
        write(number, 1 << 20).await;
    }
    assert!(size() > 30 << 20, "nothing is taken over while somebody reads: {}", size());
    reader.execute_batch("ROLLBACK").expect("it ends");
    for number in 30..33 {
        write(number, 1).await;
    }
    assert!(size() <= 16 << 20, "{}", size());
}
