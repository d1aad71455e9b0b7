//! A grant that the database cannot take yet is kept in the journal, and stored only if its link
//! still stands.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::connection::Standing;
use holdfast::store::{Store, StoreOptions};
use uuid::Uuid;

use super::setup::{DAY, Replica};
use super::world::{RefreshEffect, World};
use crate::testing::database::{Engine, Place, TestDb, execute_on, on_each_engine, start_of_time};
use crate::testing::leaks::Watch;

/// The database goes away while Instagram answers, so that the answer is the only copy of the new
/// grant.
async fn lose_the_database_during_a_refresh(one: &Replica, world: &World) {
    one.clock.advance(31 * DAY);
    let store = one.store.clone();
    world.after_refresh(move |_| {
        let store = store.clone();
        async move { store.close().await }.boxed()
    });
    one.worker.tick().await.expect_err("the database is away");
    world.no_hook();
}

/// What `journaled` leaves.
struct Journaled {
    world: Arc<World>,
    directory: PathBuf,
    /// A replica that finds the journal.
    again: Replica,
    id: Uuid,
}

/// Ada's new grant is in the journal alone.
async fn journaled(db: &TestDb) -> Journaled {
    let world = World::new(RefreshEffect::OldDead, db.clock.clone());
    let directory = db.directory.path().join("journal");
    let one = Replica::new("one", db.replica().await, &db.clock, &world, Some(&directory));
    let id = one.link("ada").await.id;
    lose_the_database_during_a_refresh(&one, &world).await;
    let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&directory));
    Journaled { world, directory, again, id }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_grant_survives_that_the_database_is_away_when_it_arrives() {
    on_each_engine(async |db| {
        // The old one dies with the refresh: the answer is the only copy of what works.
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let directory = db.directory.path().join("journal");
        let one = Replica::new("one", db.replica().await, &db.clock, &world, Some(&directory));
        let id = one.link("ada").await.id;
        lose_the_database_during_a_refresh(&one, &world).await;
        let files: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|each| each.unwrap().path()).collect();
        let [file] = files.as_slice() else { panic!("{files:?}") };
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains("token-"));
        // Away still: nothing more is asked of Instagram.
        one.worker.tick().await.expect_err("the database is away");
        assert_eq!(world.calls("refresh").len(), 1);

        let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&directory));
        assert_eq!(again.tick().await.renewed, 1);
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0);
        assert!(world.is_alive(&again.token("ada").await.unwrap()));
        assert_eq!(again.now(id).await.standing, Standing::CONNECTED);
        assert_eq!(world.calls("refresh").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journaled_grant_survives_the_repair_of_its_links_times() {
    on_each_engine(async |db| {
        let Journaled { world, again, .. } = journaled(db).await;
        // As another replica's repair leaves them.
        let now = db.clock.now().as_millisecond();
        db.execute(&format!("UPDATE connections SET linked_at = {now}, grant_obtained_at = {now}")).await;
        assert_eq!(again.tick().await.renewed, 1);
        assert!(world.is_alive(&again.token("ada").await.unwrap()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journaled_grant_does_not_bring_a_disconnected_account_back() {
    on_each_engine(async |db| {
        let Journaled { directory, again, id, .. } = journaled(db).await;
        again.connections.disconnect(&super::setup::owner("ada")).await.unwrap();
        assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 0, "gone when it answers");
        again.tick().await;
        assert_eq!(again.store.sealed_grants(id).await.unwrap(), []);
        assert_eq!(again.token("ada").await, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_deletion_leaves_no_grant_in_the_journal() {
    on_each_engine(async |db| {
        let Journaled { directory, again, .. } = journaled(db).await;
        let files = || std::fs::read_dir(&directory).unwrap().count();
        // Issued before the present link, so it is not about it.
        let long_ago = holdfast::clock::before(db.clock.now(), 365 * DAY);
        again.connections.delete_account_data("ada", Some(long_ago), 1).await.unwrap();
        assert_eq!(files(), 1);
        again.connections.delete_account_data("ada", None, 2).await.unwrap();
        assert_eq!(files(), 0, "gone when it answers");
    })
    .await;
}

/// As after a backup from before the attempt was restored.
#[tokio::test(flavor = "multi_thread")]
async fn a_journaled_token_that_the_database_knows_nothing_of_does_not_go_without_a_word() {
    let watch = Watch::start();
    let place = Place::new(Engine::Sqlite).await;
    let clock = Arc::new(ManualClock::new(start_of_time()));
    let options = StoreOptions { exclusive: false, ..StoreOptions::serve(place.url.as_str()) };
    let open = async || Store::open(&options, clock.clone()).await.expect("it opens");
    let store = open().await;
    store.migrate().await.expect("it migrates");
    let world = World::new(RefreshEffect::OldDead, clock.clone());
    let directory = place.directory.path().join("journal");
    let one = Replica::new("one", open().await, &clock, &world, Some(&directory));
    let (attempt, completion) = one.come_back("ada").await;
    let away = one.store.clone();
    world.after("extend", move |_| {
        let away = away.clone();
        async move { away.close().await }.boxed()
    });
    let done = one.connections.complete(&super::setup::owner("ada"), attempt, &completion).await;
    done.expect_err("the database is away");
    world.no_hook();
    let left = || std::fs::read_dir(&directory).unwrap().count();
    assert!(left() > 0);
    execute_on(&place, "DELETE FROM attempts").await;
    let again = Replica::new("again", store.clone(), &clock, &world, Some(&directory));
    again.tick().await;
    assert_eq!(left(), 0);
    let log = String::from_utf8(watch.log()).unwrap();
    let said = log.lines().find(|line| line.contains("the database lacks its attempt"));
    assert!(said.is_some_and(|line| line.contains(&attempt.to_string())), "{log}");
    store.close().await;
}
