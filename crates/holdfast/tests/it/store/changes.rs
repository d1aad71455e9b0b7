//! Who listens is told of each change that was committed, once, at every replica.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use holdfast::store::{Change, CommitOutcome, Link, Operation, Store, StoreError, StoreOptions};
use tokio::time::timeout;

use super::events::erase;
use super::fixtures::{DAY, INSTAGRAM, attempt, begin, insert, later, linked, owner, update};
use crate::testing::database::{Engine, TestDb, count_on, on_each_engine};
use crate::testing::waiting::{PATIENCE, until};

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_told_once_and_only_of_what_was_committed() {
    on_each_engine(async |db| {
        let mut changes = db.store.changes();
        let connection = linked(&db.store, "ada", "1").await;
        assert_eq!(db.store.commit(&insert(&connection)).await, Ok(CommitOutcome::Conflict));
        db.store.commit(&begin(&attempt(&owner("ada"), 1), None)).await.expect("it commits");
        erase(&db.store, &owner("ada"), later(DAY)).await.expect("it erases");
        let user_id = owner("ada").as_str().to_owned();
        for version in [Some(1), None, None] {
            let told = timeout(PATIENCE, changes.recv()).await.expect("in time").expect("a change");
            assert_eq!(told, Change { user_id: user_id.clone(), provider: INSTAGRAM, version });
        }
        // Our own notices come back from Postgres; they must not be told twice.
        assert!(timeout(Duration::from_millis(300), changes.recv()).await.is_err());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_hears_of_it_also_after_its_connection_broke() {
    let db = TestDb::new(Engine::Postgres).await;
    let replica = db.replica().await;
    let mut hears = replica.hears_replicas();
    let mut changes = replica.changes();
    timeout(PATIENCE, hears.wait_for(|hears| *hears)).await.expect("in time").expect("listening");
    let connection = linked(&db.store, "ada", "1").await;
    let told = timeout(PATIENCE, changes.recv()).await.expect("in time").expect("a change");
    assert_eq!((told.user_id.as_str(), told.version), ("user_ada", Some(1)));
    hears.mark_unchanged();
    db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
    )
    .await;
    timeout(PATIENCE, hears.changed()).await.expect("in time").expect("it notices");
    timeout(PATIENCE, hears.wait_for(|hears| *hears)).await.expect("in time").expect("listening again");
    assert_eq!(db.store.commit(&update(&connection)).await, Ok(CommitOutcome::Committed));
    let told = timeout(PATIENCE, changes.recv()).await.expect("in time").expect("a change");
    assert_eq!(told.version, Some(2));
    replica.close().await;
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_looks_again_after_a_command_wrote_to_the_file() {
    let db = TestDb::new(Engine::Sqlite).await;
    let mut hears = db.store.hears_replicas();
    let second_passes = async || {
        db.clock.advance(Duration::from_secs(1));
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    // Our own writes tell what they change.
    let mut connection = linked(&db.store, "ada", "1").await;
    for _ in 0..5 {
        second_passes().await;
        assert_eq!(db.store.commit(&update(&connection)).await, Ok(CommitOutcome::Committed));
        connection = db.store.connection_by_id(connection.id).await.unwrap().unwrap();
    }
    assert!(!hears.has_changed().unwrap());
    let options = StoreOptions { exclusive: false, ..db.options.clone() };
    let command = Store::open(&options, db.clock.clone()).await.unwrap();
    assert_eq!(command.commit(&update(&connection)).await, Ok(CommitOutcome::Committed));
    until("it is noticed", async || {
        second_passes().await;
        hears.has_changed().unwrap()
    })
    .await;
    assert!(*hears.borrow_and_update());
    command.close().await;
    db.remove().await;
}

/// A line that breaks after so many commits, before their answer.
#[derive(Debug, Clone, Default)]
struct Breaking {
    after: Arc<AtomicUsize>,
}

impl Link for Breaking {
    fn enter(&self) -> BoxFuture<'_, Result<Box<dyn Operation>, StoreError>> {
        let operation: Box<dyn Operation> = Box::new(self.clone());
        async { Ok(operation) }.boxed()
    }
}

impl Operation for Breaking {
    fn committed(self: Box<Self>) -> BoxFuture<'static, Result<(), StoreError>> {
        let left = self.after.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        async move { left.map(drop).map_err(|_| StoreError::OutcomeUnknown) }.boxed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_is_told_of_what_may_have_been_committed() {
    on_each_engine(async |db| {
        linked(&db.store, "ada", "1").await;
        db.store.commit(&begin(&attempt(&owner("ada"), 1), None)).await.expect("it commits");
        let line = Breaking::default();
        let store = db.store.over(Arc::new(line.clone()), db.clock.clone());
        let mut changes = store.changes();
        let mut told = async || timeout(PATIENCE, changes.recv()).await.expect("in time").expect("a change");
        let unknown = StoreError::OutcomeUnknown;
        let closed = store.close_attempts(&owner("ada"), INSTAGRAM, later(DAY)).await;
        assert_eq!(closed, Err(unknown.clone()));
        let user_id = owner("ada").as_str().to_owned();
        let change = Change { user_id, provider: INSTAGRAM, version: None };
        assert_eq!(told().await, change);
        // The history goes first, by two units of work.
        line.after.store(2, Ordering::SeqCst);
        assert_eq!(erase(&store, &owner("ada"), later(DAY)).await, Err(unknown));
        assert!(db.store.is_deleted(&owner("ada")).await.unwrap());
        assert_eq!(told().await, change);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_whose_every_connection_breaks_pauses() {
    let db = TestDb::new(Engine::Postgres).await;
    let url = secrecy::ExposeSecret::expose_secret(&db.options.url);
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()";
    let mut killed = 0;
    until("it connects", async || {
        killed += count_on(Engine::Postgres, url, kill).await;
        killed > 0
    })
    .await;
    // It has nothing else to do by this clock.
    for _ in 0..50 {
        db.clock.advance(Duration::from_millis(20));
        tokio::time::sleep(Duration::from_millis(20)).await;
        killed += count_on(Engine::Postgres, url, kill).await;
    }
    assert!(killed <= 3, "{killed} connections in a second");
    db.remove().await;
}
