//! Lost connections, full disks, copies.

use std::time::Duration;

use holdfast::connection::Connection;
use holdfast::store::{
    BackupError, ChangeSet, CommitOutcome, OpenError, Store, StoreError, StoreOptions, restore,
};

use super::fixtures::{INSTAGRAM, connection, grant, in_parallel, insert, linked, owner, update};
use crate::testing::database::{Engine, TestDb, on_each_engine};

const KILL_ALL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn killed_connections_are_replaced_without_anybody_noticing() {
    let db = TestDb::new(Engine::Postgres).await;
    let connection = linked(&db.store, "ada", "1").await;
    // Fill the pool, so that there are many dead connections to meet.
    let store = db.store.clone();
    in_parallel(30, |_| {
        let store = store.clone();
        async move { store.ping().await.expect("it answers") }
    })
    .await;
    db.execute(KILL_ALL).await;
    assert_eq!(store.connection(&owner("ada"), INSTAGRAM).await, Ok(Some(connection.clone())));
    db.execute(KILL_ALL).await;
    assert_eq!(store.commit(&update(&connection)).await, Ok(CommitOutcome::Committed));
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_killed_at_any_moment_are_whole_or_absent_and_never_twice() {
    let db = TestDb::new(Engine::Postgres).await;
    let store = db.store.clone();
    let killing = tokio::spawn({
        let url = secrecy::ExposeSecret::expose_secret(&db.options.url).to_owned();
        async move {
            let mut killer =
                <sqlx::PgConnection as sqlx::Connection>::connect(&url).await.expect("a connection");
            for _ in 0..60 {
                sqlx::raw_sql(KILL_ALL).execute(&mut killer).await.expect("it kills");
                #[expect(clippy::disallowed_methods, reason = "the killer is outside of the service")]
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let outcomes = in_parallel(60, |index| {
        let store = store.clone();
        async move {
            let stored = connection(&owner(&format!("{index}")), &format!("account-{index}"));
            (stored.clone(), store.commit(&insert(&stored)).await)
        }
    })
    .await;
    killing.await.expect("the killer ends");
    for (expected, outcome) in outcomes {
        let found = store.connection_by_id(expected.id).await.expect("it reads");
        let whole = found.is_some();
        let grants = store.sealed_grants(expected.id).await.expect("it reads");
        assert_eq!(grants.len(), usize::from(whole), "{outcome:?}");
        match outcome {
            Ok(CommitOutcome::Committed) => assert!(whole),
            Ok(other) => panic!("{other:?}"),
            Err(StoreError::OutcomeUnknown) => {}
            Err(StoreError::Unavailable(_) | StoreError::Busy(_)) => assert!(!whole),
            Err(other) => panic!("{other}"),
        }
    }
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_is_dropped_half_way_leaves_nothing_and_blocks_nobody() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        for index in 0..40_u64 {
            let change = insert(&connection(&owner(&format!("{index}")), &format!("account-{index}")));
            let (store, short) = (store.clone(), Duration::from_micros(150 * index));
            // Dropped wherever it stands, as an HTTP handler is when its client leaves.
            let _ = tokio::time::timeout(short, async move { store.commit(&change).await }).await;
        }
        // In one statement: what was dropped with its commit on the way may come about just now.
        let halves = "SELECT COUNT(*) FROM connections FULL JOIN grants \
             ON connections.id = grants.connection_id \
             WHERE connections.id IS NULL OR grants.connection_id IS NULL";
        assert_eq!(db.count(halves).await, 0);
        linked(&store, "after", "after").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_says_so_keeps_what_it_has_and_recovers() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("holdfast.db").display().to_string();
    let open = async |url: String| {
        let options = StoreOptions::serve(url);
        Store::open(&options, std::sync::Arc::new(holdfast::clock::SystemClock)).await.expect("it opens")
    };
    let store = open(format!("sqlite://{path}?max_page_count=128")).await;
    store.migrate().await.expect("it migrates");
    let connection = linked(&store, "ada", "1").await;
    let append = |version| ChangeSet {
        append_grant: Some(grant(&connection, version, &vec![7; 20_000])),
        ..update(&connection)
    };
    let mut last = Ok(CommitOutcome::Committed);
    for version in 2..60 {
        let mut change = append(version);
        change.connection = None;
        last = store.commit(&change).await;
        if last != Ok(CommitOutcome::Committed) {
            break;
        }
    }
    assert!(matches!(last, Err(StoreError::Full(_))), "{last:?}");
    let before = store.sealed_grants(connection.id).await.expect("reading goes on");
    let refused = store.commit(&append(99)).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    assert_eq!(
        store.connection_by_id(connection.id).await,
        Ok(Some(connection.clone())),
        "rolled back as a whole"
    );
    assert_eq!(store.sealed_grants(connection.id).await, Ok(before));
    store.close().await;
    drop(store);
    let store = open(format!("sqlite://{path}")).await;
    assert_eq!(store.commit(&append(99)).await, Ok(CommitOutcome::Committed));
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_is_unavailable() {
    on_each_engine(async |db| {
        db.store.close().await;
        assert!(matches!(db.store.ping().await, Err(StoreError::Unavailable(_))));
        let change = insert(&connection(&owner("ada"), "1"));
        assert!(matches!(db.store.commit(&change).await, Err(StoreError::Unavailable(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_a_database_of_its_own_and_overwrites_nothing() {
    let db = TestDb::new(Engine::Sqlite).await;
    let connection = linked(&db.store, "ada", "1").await;
    let copies = tempfile::tempdir().expect("a directory");
    let target = copies.path().join("copy.db");
    db.store.backup(&target).await.expect("it copies");
    assert!(matches!(db.store.backup(&target).await, Err(BackupError::Exists(_))));
    #[cfg(unix)]
    {
        let mode =
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&target).unwrap().permissions());
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
    assert_eq!(db.store.commit(&update(&connection)).await, Ok(CommitOutcome::Committed));
    let url = format!("sqlite://{}", target.display());
    let copy = Store::open(&StoreOptions::serve(url), db.clock.clone()).await.expect("the copy opens");
    assert_eq!(copy.connection_by_id(connection.id).await, Ok(Some(connection.clone())));
    assert_eq!(copy.sealed_grants(connection.id).await.unwrap().len(), 1);
    copy.close().await;
    db.remove().await;
    let db = TestDb::new(Engine::Postgres).await;
    assert!(matches!(db.store.backup(&target).await, Err(BackupError::NotSqlite)));
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_restored_only_to_a_free_place_and_only_if_it_is_sound() {
    let db = TestDb::new(Engine::Sqlite).await;
    let connection = linked(&db.store, "ada", "1").await;
    let copies = tempfile::tempdir().expect("a directory");
    let copy = copies.path().join("copy.db");
    db.store.backup(&copy).await.expect("it copies");
    let served = restore(&copy, &db.options, db.clock.clone()).await;
    assert!(matches!(served, Err(BackupError::Open(OpenError::InUse(_)))), "{served:?}");
    let place = copies.path().join("new.db");
    let options = StoreOptions::serve(format!("sqlite://{}", place.display()));
    let before = std::fs::read(&copy).expect("the copy");
    let restored = restore(&copy, &options, db.clock.clone()).await.expect("it restores");
    assert_eq!(restored.migrated, 0);
    assert_eq!(std::fs::read(&copy).expect("the copy"), before);
    let again = restore(&copy, &options, db.clock.clone()).await;
    assert!(matches!(again, Err(BackupError::Exists(_))), "{again:?}");
    let store = Store::open(&options, db.clock.clone()).await.expect("it opens");
    let stored = store.connection_by_id(connection.id).await.expect("it reads").expect("it is there");
    assert!(stored.version > connection.version + 999, "one that was never used: {}", stored.version);
    assert_eq!(Connection { version: connection.version, ..stored }, connection);
    store.close().await;
    let mut torn = before;
    let middle = torn.len() / 2;
    torn[middle..].fill(0xff);
    std::fs::write(&copy, torn).expect("it writes");
    let options = StoreOptions::serve(format!("sqlite://{}", copies.path().join("other.db").display()));
    assert!(restore(&copy, &options, db.clock.clone()).await.is_err());
    let left: Vec<_> =
        std::fs::read_dir(copies.path()).unwrap().map(|each| each.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("other.db.restoring")), "{left:?}");
    assert!(left.iter().all(|name| name != "other.db"), "{left:?}");
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_backups_to_one_name_neither_spoils_the_other() {
    let db = TestDb::new(Engine::Sqlite).await;
    for number in 0..40 {
        linked(&db.store, &format!("u{number}"), &number.to_string()).await;
    }
    let other = db.replica().await;
    let copies = tempfile::tempdir().expect("a directory");
    for number in 0..20 {
        let target = copies.path().join(format!("{number}.db"));
        let (one, another) = tokio::join!(db.store.backup(&target), other.backup(&target));
        for each in [&one, &another] {
            assert!(matches!(each, Ok(()) | Err(BackupError::Exists(_))), "{each:?}");
        }
        assert!(one.is_ok() || another.is_ok());
        let copy = rusqlite::Connection::open(&target).expect("it opens");
        let users = copy.query_row("SELECT COUNT(*) FROM users", [], |row| row.get::<_, i64>(0));
        assert_eq!(users, Ok(40));
    }
    let left = std::fs::read_dir(copies.path()).unwrap().count();
    assert_eq!(left, 20, "nothing else is left");
    other.close().await;
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_backup_left_is_removed_by_the_next_one() {
    let db = TestDb::new(Engine::Sqlite).await;
    let copies = tempfile::tempdir().expect("a directory");
    let draft = |number| copies.path().join(format!("copy.db.copying-{number:016x}"));
    let (left, under_way) = (draft(1), draft(2));
    for path in [&left, &under_way] {
        std::fs::write(path, "half a copy").unwrap();
    }
    let file = std::fs::File::options().write(true).open(&left).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    db.store.backup(&copies.path().join("copy.db")).await.unwrap();
    assert!(!left.exists(), "nobody writes it any more");
    assert!(under_way.exists());
    db.remove().await;
}
