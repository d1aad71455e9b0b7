//! One row that this version cannot read, as after a rollback, costs nobody else anything.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use holdfast::clock::{Clock as _, after};
use holdfast::clock_watch::ClockWatch;
use holdfast::connection::{Connection, Standing};
use holdfast::overview::Overview;
use uuid::Uuid;

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};

const HOUR: Duration = Duration::from_hours(1);

/// As a later version may have written it before it was rolled back.
async fn spoil(db: &TestDb, ids: &[Uuid]) {
    let list: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
    let list = list.join(", ");
    db.execute(&format!(
        "UPDATE connections SET state = 'degraded', reason = 'of_a_later_version' WHERE id IN ({list})"
    ))
    .await;
}

/// As it was, but for what else has changed.
async fn mend(db: &TestDb, one: &Replica, id: Uuid) -> Connection {
    one.store.connection_by_id(id).await.expect_err("it cannot be read");
    db.execute(&format!("UPDATE connections SET state = 'connected', reason = NULL WHERE id = '{id}'")).await;
    one.now(id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_put_off_and_the_others_are_refreshed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let bad = one.link("bad").await.id;
        for name in ["ada", "bob"] {
            one.link(name).await;
        }
        one.clock.advance(31 * DAY);
        spoil(db, &[bad]).await;
        assert_eq!(one.tick().await.renewed, 2);
        let now = mend(db, &one, bad).await;
        assert_eq!(now.next_refresh_at, Some(after(one.clock.now(), HOUR)));
        let free = one.store.claim(bad, "other", one.clock.now(), MINUTE).await.expect("it answers");
        one.store.release(&free.expect("nobody holds it")).await.expect("it releases");
        one.clock.advance(HOUR);
        assert_eq!(one.tick().await.renewed, 1, "and is refreshed as soon as it can be read");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_unreadable_rows_than_a_batch_do_not_stand_before_the_others() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let mut bad = Vec::new();
        for number in 0..70 {
            bad.push(one.link(&format!("bad{number}")).await.id);
        }
        one.clock.advance(MINUTE);
        one.link("ada").await;
        one.clock.advance(31 * DAY);
        spoil(db, &bad).await;
        assert_eq!(one.tick().await.renewed, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_rows_stop_no_housekeeping() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let mut bad = Vec::new();
        for number in 0..33 {
            bad.push(one.link(&format!("bad{number}")).await.id);
        }
        one.clock.advance(MINUTE);
        let ended = one.link("ada").await.id;
        one.clock.advance(61 * DAY);
        let due = one.link("bob").await.id;
        db.execute(&format!("UPDATE connections SET next_refresh_at = 1 WHERE id = '{due}'")).await;
        db.clock.advance(2 * DAY);
        spoil(db, &bad).await;
        assert_eq!(one.tick().await.renewed, 1);
        assert_ne!(one.now(ended).await.standing, Standing::CONNECTED);
        assert_eq!(one.now(due).await.standing, Standing::CONNECTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_changed_by_hand_keeps_no_grant_from_being_refreshed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        one.clock.advance(31 * DAY);
        db.execute("ALTER TABLE attempts RENAME COLUMN return_to TO returns_to").await;
        assert_eq!(one.tick().await.renewed, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journaled_grant_of_an_unreadable_row_waits_and_the_others_are_stored() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let directory = db.directory.path().join("journal");
        let one = Replica::new("one", db.replica().await, &db.clock, &world, Some(&directory));
        let mut ids = Vec::new();
        for name in ["ada", "bob", "cyd"] {
            ids.push(one.link(name).await.id);
        }
        one.clock.advance(31 * DAY);
        // The database goes away when all three are answered.
        let (store, answered) = (one.store.clone(), Arc::new(tokio::sync::Barrier::new(3)));
        world.after_refresh(move |_| {
            let (store, answered) = (store.clone(), answered.clone());
            async move {
                answered.wait().await;
                store.close().await;
            }
            .boxed()
        });
        one.worker.tick().await.expect_err("the database is away");
        world.no_hook();
        let files = || std::fs::read_dir(&directory).unwrap().count();
        assert_eq!(files(), 3);

        // In any order of reading the files, one of these comes before the third.
        for healthy in 0..3 {
            let bad: Vec<Uuid> = ids.iter().copied().filter(|id| *id != ids[healthy]).collect();
            let again = Replica::new(
                &format!("again{healthy}"),
                db.store.clone(),
                &db.clock,
                &world,
                Some(&directory),
            );
            spoil(db, &bad).await;
            assert_eq!(again.tick().await.renewed, 1);
            assert_eq!(files(), 2 - healthy);
            for id in bad {
                mend(db, &again, id).await;
            }
        }
        for name in ["ada", "bob", "cyd"] {
            let again = Replica::new("last", db.store.clone(), &db.clock, &world, Some(&directory));
            assert!(world.is_alive(&again.token(name).await.expect("a grant")), "{name}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_an_unreadable_attempt_can_disconnect_and_read_the_history() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let ada = one.link("ada").await;
        let (attempt, _) = one.come_back("ada").await;
        db.execute("UPDATE attempts SET stage = 'of_a_later_version' WHERE stage <> 'closed'").await;
        one.connections.disconnect(&owner("ada")).await.expect("it disconnects");
        assert_eq!(one.store.sealed_grants(ada.id).await, Ok(Vec::new()));
        let page =
            async |limit| one.connections.history(&owner("ada"), None, limit).await.expect("it answers");
        let all = page(9).await.entries;
        let ended = all.iter().filter_map(|entry| entry.attempt).find(|note| note.id == attempt);
        assert!(ended.is_some(), "{all:?}");

        let newest = &all[0];
        db.execute(&format!(
            "UPDATE connection_history SET reason = 'of_a_later_version' WHERE version = {} AND at = {}",
            newest.version,
            newest.at.as_millisecond()
        ))
        .await;
        assert!(page(9).await.entries.len() < all.len());
        assert!(page(1).await.next.is_some(), "the next page is found all the same");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_in_an_unknown_standing_hide_no_others_from_the_figures() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let bad = one.link("bad").await.id;
        one.link("ada").await;
        spoil(db, &[bad]).await;
        let counts = one.store.connection_counts().await.expect("they are counted");
        assert_eq!(
            counts.iter().map(|each| (each.standing, each.amount)).collect::<Vec<_>>(),
            [(Standing::CONNECTED, 1)]
        );
    })
    .await;
}

/// From the start: nothing of an earlier look is there to be shown.
#[tokio::test(flavor = "multi_thread")]
async fn a_figure_that_cannot_be_read_hides_no_other() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        db.execute("ALTER TABLE data_deletions RENAME TO data_deletions_away").await;
        let (store, connections) = (one.store.clone(), one.connections.clone());
        let (clock, tally) = (db.clock.clone(), Arc::default());
        let overview = Overview::new(store, connections, clock, tally, ClockWatch::default());
        overview.look().await.expect_err("one figure is not there");
        let seen = overview.snapshot();
        assert_eq!((seen.overdue, seen.expiring_unrenewed, seen.late_deletions), (Some(0), Some(0), None));
        assert!(seen.incident_was_read && seen.soonest_expiry.is_some());
        assert_eq!(seen.counts.len(), 1);
        db.execute("ALTER TABLE data_deletions_away RENAME TO data_deletions").await;
    })
    .await;
}

/// The bytes are damaged, or the data key is not there.
#[tokio::test(flavor = "multi_thread")]
async fn a_journaled_token_makes_no_key_in_the_place_of_a_missing_one() {
    on_each_engine(async |db| {
        let one = Replica::new(
            "one",
            db.store.clone(),
            &db.clock,
            &World::new(RefreshEffect::BothValid, db.clock.clone()),
            None,
        );
        one.link("ada").await;
        db.execute("DELETE FROM user_keys").await;
        let vault = &one.vault;
        let found = holdfast::connections::grants::stored_user_key(&one.store, vault, "user_ada").await;
        assert!(matches!(found, Err(holdfast::connections::ServiceError::NoDataKey)));
        let found = holdfast::connections::grants::stored_user_key(&one.store, vault, "user_nobody").await;
        assert!(matches!(found, Err(holdfast::connections::ServiceError::UserGone)));
    })
    .await;
}
