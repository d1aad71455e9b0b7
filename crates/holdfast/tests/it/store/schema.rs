//! Migrations, and every statement on the schema they lead to.

use holdfast::clock::{ManualClock, SystemClock};
use holdfast::connection::attempt::{Attempt, AttemptStage};
use holdfast::store::{CommitOutcome, MigrateError, OpenError, SchemaState, Store, StoreOptions};
use std::sync::Arc;

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::fixtures::{DAY, INSTAGRAM, attempt, begin, in_parallel, later, linked, owner};
use crate::testing::database::{
    Engine, Place, TestDb, count_on, create_database, execute, on_each_engine, postgres_url, start_of_time,
};
use crate::testing::leaks::Watch;
use crate::testing::program::WITHOUT_THE_NEWEST_MIGRATION;
use crate::testing::waiting::until;

/// How many there are.
fn migrations() -> usize {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/sqlite");
    std::fs::read_dir(directory).expect("the migrations").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_is_one_that_the_engine_accepts() {
    on_each_engine(async |db| {
        assert!(db.store.check_statements().await.expect("all prepare") > 50);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_does_not_fit_the_schema_is_named() {
    on_each_engine(async |db| {
        // However many connections have seen the table.
        let seen = in_parallel(16, |_| {
            let store = db.store.clone();
            async move { store.service_keys().await }
        });
        assert!(seen.await.iter().all(Result::is_ok));
        db.execute("DROP TABLE service_keys").await;
        let error = db.store.check_statements().await.expect_err("a table is missing").to_string();
        assert!(error.contains("SERVICE_KEY"), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn migrating_twice_changes_nothing() {
    on_each_engine(async |db| {
        assert_eq!(db.store.schema_state().await, Ok(SchemaState::Current));
        assert_eq!(db.store.migrate().await.expect("it migrates"), 0);
        db.store.ping().await.expect("it answers");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_migrators_apply_each_migration_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let urls = [
        format!("sqlite://{}", directory.path().join("holdfast.db").display()),
        postgres_url(&create_database(None).await),
    ];
    for url in urls {
        let options = StoreOptions { exclusive: false, ..StoreOptions::serve(url) };
        let first = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
        assert_eq!(first.schema_state().await, Ok(SchemaState::Behind(migrations())));
        assert!(first.ping().await.is_err(), "a database without schema is not healthy");
        let done = in_parallel(6, |_| {
            let options = options.clone();
            async move {
                let store = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
                let done = store.migrate().await.expect("it migrates");
                store.close().await;
                done
            }
        })
        .await;
        assert_eq!(done.iter().sum::<usize>(), migrations(), "{done:?}");
        assert_eq!(first.schema_state().await, Ok(SchemaState::Current));
        first.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grants_of_moved_accounts_are_erased() {
    on_each_engine(async |db| {
        let (ada, grace) = (linked(&db.store, "ada", "25").await, linked(&db.store, "grace", "26").await);
        // As earlier versions left it.
        db.execute(&format!(
            "UPDATE connections SET grant_version = NULL, account_id = NULL WHERE user_id = '{}'; \
             DELETE FROM schema_migrations WHERE version >= 15; DROP INDEX attempts_open; \
             DROP TABLE withdrawals; DROP INDEX data_deletions_unfinished; \
             ALTER TABLE data_deletions DROP COLUMN unfinished; ALTER TABLE users DROP COLUMN claimed_at; \
             ALTER TABLE attempts DROP COLUMN returned_at; ALTER TABLE attempts DROP COLUMN paused_until",
            ada.user_id
        ))
        .await;
        assert_eq!(db.store.migrate().await.expect("it migrates"), 7);
        assert_eq!(db.store.sealed_grants(ada.id).await, Ok(vec![]));
        assert_eq!(db.store.sealed_grants(grace.id).await.expect("it answers").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_of_the_version_before_is_one_still() {
    on_each_engine(async |db| {
        linked(&db.store, "ada", "25").await;
        let until = Some(later(DAY));
        let (returned, claimed) = (attempt(&owner("ada"), 1), attempt(&owner("ada"), 2));
        for (each, stage) in [(&returned, AttemptStage::Returned), (&claimed, AttemptStage::Redeeming)] {
            let before = Attempt { stage, busy_until: until, ..each.clone() };
            assert_eq!(db.store.commit(&begin(&before, None)).await, Ok(CommitOutcome::Committed));
        }
        db.execute(WITHOUT_THE_NEWEST_MIGRATION).await;
        assert_eq!(db.store.migrate().await.expect("it migrates"), 1);
        let held = async |id| {
            let now = db.store.attempt(id).await.expect("it answers").expect("it is there");
            (now.busy_until, now.paused_until)
        };
        assert_eq!(held(returned.id).await, (None, until));
        assert_eq!(held(claimed.id).await, (until, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_schema_is_refused() {
    on_each_engine(async |db| {
        let blob = if db.engine == Engine::Sqlite { "x'00'" } else { "'\\x00'" };
        db.execute(&format!("INSERT INTO schema_migrations VALUES (9999, 'from the future', {blob}, 0)"))
            .await;
        let options = StoreOptions { exclusive: false, ..db.options.clone() };
        let error = Store::open(&options, db.clock.clone()).await.expect_err("too new");
        assert!(matches!(error, OpenError::SchemaNewer { found: 9999, .. }), "{error}");
        assert!(matches!(db.store.migrate().await, Err(MigrateError::Newer { .. })));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_with_another_text_is_refused() {
    on_each_engine(async |db| {
        let blob = if db.engine == Engine::Sqlite { "x'00'" } else { "'\\x00'" };
        db.execute(&format!("UPDATE schema_migrations SET checksum = {blob}")).await;
        assert!(matches!(db.store.migrate().await, Err(MigrateError::Changed { version: 1 })));
    })
    .await;
}

/// The schema before the migrations that change the table `users`.
pub async fn of_the_version_before(url: &str) {
    let back = "ALTER TABLE users DROP COLUMN first_synced_at; DROP INDEX attempts_open; DROP TABLE withdrawals; \
                ALTER TABLE users DROP COLUMN claimed_at; DROP INDEX data_deletions_unfinished; \
                ALTER TABLE data_deletions DROP COLUMN unfinished; ALTER TABLE attempts DROP COLUMN returned_at; \
                ALTER TABLE attempts DROP COLUMN paused_until; \
                DELETE FROM schema_migrations WHERE version >= 14";
    execute(url, back).await.expect("it is taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_waits_for_a_reader_lets_others_read() {
    let watch = Watch::start();
    let place = Place::new(Engine::Postgres).await;
    of_the_version_before(&place.url).await;
    let mut reader = PgConnection::connect(&place.url).await.expect("a connection");
    reader.execute("BEGIN; SELECT id FROM users").await.expect("it reads");
    let store = Store::open(&StoreOptions::serve(place.url.clone()), Arc::new(SystemClock)).await;
    let store = store.expect("it opens");
    let migrating = tokio::spawn({
        let store = store.clone();
        async move { store.migrate().await }
    });
    let is_told = || String::from_utf8_lossy(&watch.log()).contains("the migration waits for a lock");
    // Who comes meanwhile has the patience of a serving replica.
    let mut other = PgConnection::connect(&place.url).await.expect("a connection");
    other.execute("SET statement_timeout = '5s'").await.expect("a limit");
    until("it is said", async || {
        other.execute("SELECT id FROM users").await.expect("others read meanwhile");
        is_told()
    })
    .await;
    assert!(!migrating.is_finished());
    reader.execute("COMMIT").await.expect("it ends");
    assert_eq!(migrating.await.expect("it ends").expect("it migrates"), 8);
    store.close().await;
}

/// As an administrator does who wants to keep other programs' tables apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_comes_before_the_one_of_the_tables_hides_nothing() {
    let db = TestDb::new(Engine::Postgres).await;
    linked(&db.store, "ada", "1").await;
    db.execute("CREATE SCHEMA holdfast AUTHORIZATION holdfast").await;
    let store = db.replica().await;
    assert_eq!(store.schema_state().await, Ok(SchemaState::Current));
    assert_eq!(store.migrate().await.expect("there is nothing to do"), 0);
    assert_eq!(store.missing_indexes().await, Ok(Vec::new()));
    assert_eq!(store.server_facts().await.unwrap().unwrap().schema.as_deref(), Some("public"));
    assert!(store.connection(&owner("ada"), INSTAGRAM).await.expect("it reads").is_some());
    store.close().await;
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tables_are_made_beside_the_others() {
    let place = Place::new(Engine::Postgres).await;
    of_the_version_before(&place.url).await;
    execute(&place.url, "CREATE SCHEMA holdfast AUTHORIZATION holdfast").await.expect("it is set up");
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let store = Store::open(&StoreOptions::serve(place.url.as_str()), clock).await.expect("it opens");
    assert_eq!(store.migrate().await.expect("it migrates"), 8);
    let apart = "SELECT COUNT(*) FROM pg_class WHERE relnamespace = 'holdfast'::regnamespace";
    assert_eq!(count_on(place.engine, &place.url, apart).await, 0);
    store.close().await;
}

/// Rails, for one, has a table of that name.
#[tokio::test(flavor = "multi_thread")]
async fn another_programs_migrations_in_another_schema_are_not_ours() {
    let place = Place::empty().await;
    execute(
        &place.url,
        "CREATE TABLE schema_migrations (version TEXT); CREATE TABLE users (id TEXT); \
         CREATE SCHEMA holdfast AUTHORIZATION holdfast",
    )
    .await
    .expect("it is set up");
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let store = Store::open(&StoreOptions::serve(place.url.as_str()), clock).await.expect("it opens");
    assert_eq!(store.migrate().await.expect("it migrates"), migrations());
    store.ping().await.expect("it has its tables");
    store.close().await;
}
