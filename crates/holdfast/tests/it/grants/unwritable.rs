//! A refresh is not begun where the database cannot write; one whose answer can wait in a file is
//! not lost.

use holdfast::connection::Standing;
use holdfast::store::{Store, StoreOptions};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Executor as _};

use super::setup::{DAY, Replica};
use super::world::{RefreshEffect, World};
use crate::testing::database::{Engine, TestDb, on_each_engine};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_refreshed_while_the_claim_cannot_be_written() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        match db.engine {
            Engine::Sqlite => {
                // Another process holds the file's write lock.
                let url = db.options.url.expose_secret();
                let mut other = sqlx::SqliteConnection::connect(url).await.unwrap();
                other.execute("BEGIN IMMEDIATE").await.unwrap();
                one.worker.tick().await.expect_err("the file is locked");
                other.execute("ROLLBACK").await.unwrap();
            }
            Engine::Postgres => {
                // As after a failover to a standby that has not been promoted.
                let name = "SELECT format('ALTER DATABASE %I', current_database())";
                let alter = |what: &str| {
                    format!(
                        "BEGIN READ WRITE; DO $$ BEGIN EXECUTE ({name}) || '{what}'; END $$; COMMIT; {KILL}"
                    )
                };
                db.execute(&alter(" SET default_transaction_read_only = on")).await;
                one.worker.tick().await.expect_err("nothing can be written");
                db.execute(&alter(" RESET default_transaction_read_only")).await;
            }
        }
        assert_eq!(world.calls("refresh"), [], "not begun");
        assert_eq!(one.tick().await.renewed, 1);
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
    })
    .await;
}

const KILL: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND pid <> pg_backend_pid()";

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_keeps_nothing_from_being_refreshed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        // A file stands where the directory should be.
        let taken = db.directory.path().join("journal");
        std::fs::write(&taken, "").unwrap();
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, Some(&taken));
        let id = one.link("ada").await.id;
        one.clock.advance(32 * DAY);
        assert_eq!(one.tick().await.renewed, 1);
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        // Once it can be written, it is used, and space is given back.
        std::fs::remove_file(&taken).unwrap();
        one.clock.advance(32 * DAY);
        assert_eq!(one.tick().await.renewed, 1);
        assert_eq!(std::fs::read_dir(&taken).unwrap().count(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_database_costs_no_grant() {
    let db = TestDb::new(Engine::Sqlite).await;
    let world = World::new(RefreshEffect::OldDead, db.clock.clone());
    let directory = db.directory.path().join("journal");
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    let names: Vec<String> = (0..60).map(|number| format!("p{number}")).collect();
    for name in &names {
        one.link(name).await;
    }
    one.clock.advance(34 * DAY);
    db.store.close().await;

    // Not a page more than there are: too few for a second version of each grant.
    let url = db.options.url.expose_secret().to_owned();
    let full = StoreOptions { exclusive: false, ..StoreOptions::serve(format!("{url}?max_page_count=1")) };
    let full = Store::open(&full, db.clock.clone()).await.unwrap();
    let filled = Replica::new("filled", full.clone(), &db.clock, &world, Some(&directory));
    filled.worker.tick().await.expect_err("it is full");
    let files = || std::fs::read_dir(&directory).unwrap().count();
    let (asked, journaled) = (world.calls("refresh").len(), files());
    println!("full after {asked} refreshes, {journaled} of which wait in files");
    assert!((1..=asked).contains(&journaled));
    // Full still: no more is begun until what waits is stored.
    filled.worker.tick().await.expect_err("it is full");
    assert_eq!((world.calls("refresh").len(), files()), (asked, journaled));
    full.close().await;

    let options = StoreOptions { exclusive: false, ..StoreOptions::serve(url) };
    let roomy = Store::open(&options, db.clock.clone()).await.unwrap();
    let again = Replica::new("again", roomy.clone(), &db.clock, &world, Some(&directory));
    again.clock.advance(DAY);
    again.tick().await;
    assert_eq!(files(), 0);
    for name in &names {
        assert!(world.is_alive(&again.token(name).await.unwrap()), "the grant of {name} is not lost");
    }
    roomy.close().await;
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_moved_away_is_not_written_to() {
    let db = TestDb::new(Engine::Sqlite).await;
    let world = World::new(RefreshEffect::OldDead, db.clock.clone());
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    one.link("ada").await;
    one.clock.advance(31 * DAY);
    let elsewhere = db.directory.path().join("elsewhere.db");
    std::fs::rename(db.file(), &elsewhere).unwrap();
    one.worker.tick().await.expect_err("nobody would find what is written");
    assert_eq!(world.calls("refresh"), [], "not begun");
    std::fs::rename(&elsewhere, db.file()).unwrap();
    assert_eq!(one.tick().await.renewed, 1);
    db.remove().await;
}
