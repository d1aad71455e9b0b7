//! The first rows of a person: stored with what they are for, or not at all.

use holdfast::caller::OwnerId;
use holdfast::connections::connect::ConnectRequest;
use holdfast::connections::import::{Imported, Offered};
use holdfast::store::{Store, StoreOptions};

use super::setup::{Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};

/// A replica that keeps events for the app.
async fn replica(db: &TestDb, name: &str) -> Replica {
    let options = StoreOptions { exclusive: false, ..db.options.clone() }.with_outbox(true);
    let store = Store::open(&options, db.clock.clone()).await.unwrap();
    Replica::new(name, store, &db.clock, &World::new(RefreshEffect::OldDead, db.clock.clone()), None)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_attempt_is_one_change_and_no_event_for_the_app() {
    on_each_engine(async |db| {
        let replica = replica(db, "a").await;
        for attempt in ["first", "second"] {
            let mut changes = replica.store.changes();
            replica.connections.connect(&owner("ada"), ConnectRequest::default()).await.unwrap();
            assert_eq!(changes.recv().await.unwrap().user_id, owner("ada").as_str());
            assert!(changes.try_recv().is_err(), "the {attempt} is told twice");
            assert_eq!(replica.store.next_event_at().await.unwrap(), None, "the {attempt}");
        }
        // Two at once agree on one connection.
        let bob = owner("bob");
        let at_once = || replica.connections.connect(&bob, ConnectRequest::default());
        let (one, other) = tokio::join!(at_once(), at_once());
        assert_ne!(one.unwrap().attempt_id, other.unwrap().attempt_id);
        replica.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_imported_line_that_links_nothing_nothing_is_left() {
    on_each_engine(async |db| {
        let (here, there) = (replica(db, "a").await, replica(db, "b").await);
        for number in 0..8 {
            let account = format!("account{number}");
            let users = [owner(&format!("one{number}")), owner(&format!("other{number}"))];
            let import = async |replica: &Replica, user: &OwnerId| {
                let importer = replica.connections.importer(false).unwrap();
                let grant = replica.world.issue(&account);
                let offered =
                    Offered { access_token: grant.access_token, obtained_at: None, expires_at: None };
                let proven = importer.prove(user, &offered).await.unwrap().unwrap();
                importer.link(user, &proven).await.unwrap()
            };
            // Neither sees the other's until it is stored.
            let (one, other) = (Box::pin(import(&here, &users[0])), Box::pin(import(&there, &users[1])));
            let outcomes = <[Imported; 2]>::from(tokio::join!(one, other));
            let refused = outcomes.iter().position(|each| *each == Imported::AccountTaken).unwrap();
            assert_eq!(outcomes[1 - refused], Imported::Linked, "{outcomes:?}");
            for table in ["users", "connections", "user_keys"] {
                let sql = format!("SELECT COUNT(*) FROM {table}");
                assert_eq!(db.count(&sql).await, number + 1, "{table}");
            }
        }
        here.store.close().await;
        there.store.close().await;
    })
    .await;
}
