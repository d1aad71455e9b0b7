//! Deletions and deauthorizations of Meta's: what a failure cuts short, and clocks that differ.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use holdfast::clock::{Clock as _, after, before};
use holdfast::connection::attempt::AttemptStage;
use holdfast::connection::{Reason, Standing, State};
use holdfast::connections::ServiceError;
use holdfast::entropy::SystemEntropy;
use holdfast::provider::ProviderId;
use holdfast::store::{DataDeletion, StoreError, Unfinished};
use holdfast::vault::{KeyRing, Vault};

use super::setup::{DAY, MINUTE, Replica, owner, ring_entry};
use super::world::{Health, RefreshEffect, World};
use crate::store::erasure::stored;
use crate::testing::database::{Engine, TestDb, on_each_engine};
use crate::testing::leaks::Watch;
use crate::testing::waiting::until;

fn replica(db: &TestDb) -> Replica {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    Replica::new("one", db.store.clone(), &db.clock, &world, None)
}

fn vault(ring: &str) -> Vault {
    Vault::new(KeyRing::parse(ring).unwrap(), Arc::new(SystemEntropy))
}

/// Makes the database refuse every change of Ada's connection, and no longer.
fn adas_connection_stands(engine: Engine) -> (&'static str, &'static str) {
    match engine {
        Engine::Sqlite => (
            "CREATE TRIGGER stands BEFORE UPDATE ON connections WHEN OLD.user_id = 'user_ada' BEGIN SELECT RAISE(ABORT, \
             'it stands'); END",
            "DROP TRIGGER stands",
        ),
        Engine::Postgres => (
            "CREATE FUNCTION stands() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'it stands'; END $$; \
             CREATE TRIGGER stands BEFORE UPDATE ON connections FOR EACH ROW WHEN (OLD.user_id = 'user_ada') EXECUTE \
             FUNCTION stands()",
            "DROP TRIGGER stands ON connections",
        ),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_deletion_that_was_cut_short_is_finished_by_the_worker() {
    on_each_engine(async |db| {
        let one = replica(db);
        let id = one.link("ada").await.id;
        let (stand, fall) = adas_connection_stands(db.engine);
        db.execute(stand).await;
        one.connections.delete_account_data("ada", None, 7).await.expect_err("nothing can be erased");
        // As the version before left it; then the same request comes again.
        db.execute("UPDATE data_deletions SET unfinished = NULL").await;
        one.connections.delete_account_data("ada", None, 7).await.expect_err("nothing can be erased");
        db.execute(fall).await;
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        one.clock.advance(2 * MINUTE);
        one.tick().await;
        assert_eq!(one.now(id).await.standing, Reason::UserDisconnected.into());
        assert_eq!(one.store.sealed_grants(id).await, Ok(vec![]));
        let receipt = one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap();
        assert!(receipt.completed_at.is_some());
        assert_eq!((receipt.erased, receipt.unfinished), (1, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_cannot_be_finished_does_not_hold_up_the_next() {
    on_each_engine(async |db| {
        let one = replica(db);
        let watch = Watch::start();
        let (ada, bob) = (one.link("ada").await.id, one.link("bob").await.id);
        let (stand, fall) = adas_connection_stands(db.engine);
        db.execute(stand).await;
        let code = format!("{:032x}", 4242);
        one.connections.delete_account_data("ada", None, 4242).await.expect_err("it stands");
        one.clock.advance(MINUTE);
        let now = one.clock.now();
        let next = DataDeletion {
            code: "next".to_owned(),
            provider: ProviderId::INSTAGRAM,
            requested_at: now,
            completed_at: None,
            erased: 0,
            unfinished: Some(Unfinished { issued_at: now, connections: vec![bob] }),
        };
        one.store.record_deletion(&next).await.expect("it stores");
        one.clock.advance(2 * MINUTE);
        one.tick().await;
        assert_eq!(one.now(ada).await.standing, Standing::CONNECTED);
        assert_eq!(one.now(bob).await.standing, Reason::UserDisconnected.into());
        // Once an hour, however often it is tried.
        one.pass(90 * MINUTE, MINUTE).await;
        let log = String::from_utf8(watch.log()).unwrap();
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&code)).collect();
        assert_eq!(
            lines.iter().filter(|line| line.contains("cannot be finished yet")).count(),
            2,
            "{lines:#?}"
        );
        db.execute(fall).await;
        one.pass(MINUTE, MINUTE).await;
        assert_eq!(one.now(ada).await.standing, Reason::UserDisconnected.into());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_delivered_many_times_at_once_counts_what_it_erased() {
    on_each_engine(async |db| {
        let one = replica(db);
        one.link("ada").await;
        let deliveries = join_all((0..8).map(|_| one.connections.delete_account_data("ada", None, 7))).await;
        assert!(deliveries.iter().all(|each| each.as_ref().is_ok_and(|done| done.completed_at.is_some())));
        assert_eq!(one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap().erased, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_by_a_clock_behind_ours_is_not_dropped() {
    on_each_engine(async |db| {
        let one = replica(db);
        // A person who removed the app; one who has connected since; and clocks that differ too
        // little.
        for (name, is_removed, age, erased) in
            [("ada", true, 90, 1), ("bob", false, 90, 0), ("eve", true, 600, 0)]
        {
            let id = one.link(name).await.id;
            one.clock.advance(Duration::from_secs(2));
            if is_removed {
                one.world.kill_all_of(name);
            }
            let issued_at = Some(before(one.clock.now(), Duration::from_secs(age)));
            let code = u128::from(age) + u128::from(is_removed);
            let deletion = one.connections.delete_account_data(name, issued_at, code).await.unwrap();
            assert_eq!(deletion.erased, erased, "{name}");
            let standing = if erased == 1 { Reason::UserDisconnected.into() } else { Standing::CONNECTED };
            assert_eq!(one.now(id).await.standing, standing, "{name}");
        }
    })
    .await;
}

/// A deauthorization that may be older than the link, at a replica without the key of the grant.
#[tokio::test(flavor = "multi_thread")]
async fn a_deauthorization_is_left_to_who_has_the_key() {
    for is_removed in [false, true] {
        on_each_engine(async |db| {
            let other = replica(db);
            let one = Replica::new("two", db.store.clone(), &db.clock, &other.world, None);
            one.vault.replace(&vault(&ring_entry().replace("one:", "another:")));
            let id = other.link("ada").await.id;
            if is_removed {
                other.world.kill_all_of("ada");
            }
            let issued_at = Some(before(db.clock.now(), MINUTE));
            for _ in 0..2 {
                assert_eq!(one.connections.deauthorized("ada", issued_at).await.expect("it is noted"), 1);
            }
            assert_eq!(other.now(id).await.standing, Standing::CONNECTED);
            // That process is gone; the doubt is stored.
            drop(one);
            other.pass(5 * MINUTE, MINUTE).await;
            let standing = if is_removed { Reason::Revoked.into() } else { Standing::CONNECTED };
            assert_eq!(other.now(id).await.standing, standing);
            assert!(!other.world.calls("identify").is_empty());
        })
        .await;
    }
}

/// Issued a minute before the link, while Instagram cannot be asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_doubt_stands_until_instagram_has_said_whether_it_works() {
    #[derive(Debug, Clone, Copy)]
    enum Cannot {
        Answer,
        BeAsked,
        Open,
    }
    for cannot in [Cannot::Answer, Cannot::BeAsked, Cannot::Open] {
        for is_removed in [false, true] {
            on_each_engine(async |db| {
                let one = replica(db);
                one.link("bob").await;
                let id = one.link("ada").await.id;
                match cannot {
                    Cannot::Answer => one.world.set(Health::Down),
                    Cannot::BeAsked => {
                        one.world.use_up(100);
                        one.connections.check(&owner("bob")).await.unwrap();
                    }
                    Cannot::Open => {
                        one.vault.replace(&vault(&ring_entry().replace("one:", "another:")));
                    }
                }
                if is_removed {
                    one.world.kill_all_of("ada");
                }
                let issued_at = Some(before(one.clock.now(), MINUTE));
                for _ in 0..3 {
                    let deletion = one.connections.delete_account_data("ada", issued_at, 7).await.unwrap();
                    assert_eq!((deletion.completed_at, deletion.erased), (None, 0), "{cannot:?}");
                    // Less than the budget takes to come back.
                    one.pass(MINUTE, MINUTE / 4).await;
                    assert_eq!(one.store.sealed_grants(id).await.unwrap().len(), 1, "{cannot:?}");
                    let standing = one.now(id).await.standing;
                    assert!(standing.state().is_usable(), "{cannot:?}: {standing:?}");
                }
                let asked = one.world.calls("identify").len();
                assert!(asked < 20, "{cannot:?}: asked {asked} times");
                match cannot {
                    Cannot::Answer => one.world.set(Health::Fine),
                    Cannot::BeAsked => one.world.use_up(1),
                    Cannot::Open => {
                        one.vault.replace(&vault(&ring_entry()));
                    }
                }
                one.pass(90 * MINUTE, MINUTE).await;
                let standing = one.now(id).await.standing;
                let left = one.store.sealed_grants(id).await.unwrap().len();
                let deletion = one.connections.delete_account_data("ada", issued_at, 7).await.unwrap();
                assert!(deletion.completed_at.is_some(), "{cannot:?}");
                let (expected, kept) =
                    if is_removed { (Reason::UserDisconnected.into(), 0) } else { (Standing::CONNECTED, 1) };
                assert_eq!((standing, left), (expected, kept), "{cannot:?}, {is_removed}");
                assert_eq!(deletion.erased, u32::from(is_removed), "{cannot:?}");
            })
            .await;
        }
    }
}

/// It may wait for a week.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_waits_is_looked_at_once_a_minute_and_writes_nothing() {
    on_each_engine(async |db| {
        let one = replica(db);
        let id = one.link("ada").await.id;
        one.world.set(Health::Down);
        let issued_at = Some(before(one.clock.now(), MINUTE));
        one.connections.delete_account_data("ada", issued_at, 7).await.unwrap();
        if db.engine == Engine::Sqlite {
            db.execute(
                "CREATE TABLE written (code TEXT); CREATE TRIGGER writes AFTER UPDATE ON data_deletions BEGIN \
                 INSERT INTO written VALUES (NEW.code); END",
            )
            .await;
        }
        one.clock.advance(2 * MINUTE);
        one.tick().await;
        if db.engine == Engine::Sqlite {
            assert_eq!(db.count("SELECT COUNT(*) FROM written").await, 0);
            db.execute("DROP TRIGGER writes").await;
        }
        one.connections.disconnect(&owner("ada")).await.expect("it disconnects");
        let is_done = async || {
            one.clock.advance(MINUTE / 4);
            one.tick().await;
            one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap().completed_at.is_some()
        };
        assert!(!is_done().await && !is_done().await && !is_done().await);
        assert!(is_done().await, "{:?}", one.now(id).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_stays_in_doubt_goes_in_the_end() {
    on_each_engine(async |db| {
        let one = replica(db);
        let id = one.link("ada").await.id;
        one.world.set(Health::Down);
        let issued_at = Some(before(one.clock.now(), MINUTE));
        one.connections.delete_account_data("ada", issued_at, 7).await.unwrap();
        one.pass(7 * DAY - 60 * MINUTE, 60 * MINUTE).await;
        let deletion = one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap();
        assert_eq!((deletion.completed_at, deletion.erased), (None, 0));
        assert_eq!(one.store.sealed_grants(id).await.unwrap().len(), 1);
        one.pass(60 * MINUTE, MINUTE).await;
        let deletion = one.store.deletion(&format!("{:032x}", 7)).await.unwrap().unwrap();
        assert!(deletion.completed_at.is_some());
        assert_eq!((deletion.erased, deletion.unfinished), (1, None));
        assert_eq!(one.now(id).await.account, None);
        assert_eq!(one.store.sealed_grants(id).await.unwrap(), []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_by_a_clock_ahead_of_ours_keeps_nobody_from_connecting_again() {
    on_each_engine(async |db| {
        let one = replica(db);
        for (nth, is_deletion) in [(0, false), (2, true)] {
            let connect = async |nth| {
                let (attempt, completion) = one.come_back_with("ada", World::code("ada", nth)).await;
                let status = one.connections.complete(&owner("ada"), attempt, &completion).await;
                assert_eq!(status.expect("it connects").state, State::Connected, "{nth}");
                one.clock.advance(Duration::from_secs(2));
            };
            connect(nth).await;
            one.world.kill_all_of("ada");
            let issued_at = Some(after(one.clock.now(), MINUTE));
            if is_deletion {
                one.connections.delete_account_data("ada", issued_at, 1).await.expect("it erases");
            } else {
                one.connections.deauthorized("ada", issued_at).await.expect("it ends");
            }
            assert!(one.token("ada").await.is_none());
            one.clock.advance(Duration::from_secs(2));
            connect(nth + 1).await;
        }
    })
    .await;
}

/// As while a backup is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_during_a_long_read_is_not_called_done_and_ends_with_it() {
    let db = TestDb::new(Engine::Sqlite).await;
    let one = replica(&db);
    let id = one.link("ada").await.id;
    let sealed = db.store.sealed_grants(id).await.unwrap().remove(0).blob;
    let reader = rusqlite::Connection::open(db.file()).unwrap();
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM users").unwrap();
    let asked = one.connections.disconnect(&owner("ada")).await;
    assert!(matches!(asked, Err(ServiceError::Store(StoreError::Busy(_)))), "{asked:?}");
    assert_eq!(one.now(id).await.standing, Reason::UserDisconnected.into());
    one.tick().await;
    assert!(stored(&db, &sealed), "the reader has a right to it");
    reader.execute_batch("ROLLBACK").unwrap();
    one.tick().await;
    assert!(!stored(&db, &sealed));
    one.connections.disconnect(&owner("ada")).await.unwrap();
    db.remove().await;
}

/// An attempt that has brought a grant and waits for Instagram holds that grant, sealed.
#[tokio::test(flavor = "multi_thread")]
async fn the_grant_of_an_attempt_is_gone_as_well_when_a_deletion_answers() {
    for is_by_meta in [false, true] {
        let db = TestDb::new(Engine::Sqlite).await;
        let one = replica(&db);
        one.world.name_accounts();
        let (attempt, completion) = one.come_back("ada").await;
        let world = one.world.clone();
        one.world.after("extend", move |_| {
            world.set(Health::Down);
            async {}.boxed()
        });
        let waits = tokio::spawn({
            let connections = one.connections.clone();
            async move { connections.complete(&owner("ada"), attempt, &completion).await }
        });
        until("it waits", async || {
            one.clock.advance(Duration::from_millis(100));
            waits.is_finished()
        })
        .await;
        waits.await.unwrap().expect_err("Instagram is down");
        let held = one.store.attempt(attempt).await.unwrap().unwrap();
        assert_eq!(held.stage, AttemptStage::Granted);
        let sealed = held.sealed.expect("a grant");
        assert!(stored(&db, &sealed));
        if is_by_meta {
            let issued_at = after(one.clock.now(), MINUTE);
            let done = one.connections.delete_account_data("ada", Some(issued_at), 7).await.unwrap();
            assert!(done.completed_at.is_some() && done.erased == 1, "{done:?}");
        } else {
            one.connections.disconnect(&owner("ada")).await.unwrap();
        }
        assert_eq!(one.store.attempt(attempt).await.unwrap().unwrap().sealed, None);
        assert!(!stored(&db, &sealed), "by Meta's request: {is_by_meta}");
        db.remove().await;
    }
}
