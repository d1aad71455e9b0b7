//! An import while Instagram limits the app.

use std::time::Duration;

use holdfast::clock::{Clock as _, before};
use holdfast::connection::State;
use holdfast::connections::import::{Imported, Offered};
use holdfast::provider::ProviderId;
use secrecy::ExposeSecret as _;

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::on_each_engine;
use crate::testing::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_not_completed_yet_is_not_older_than_an_import() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let replica = Replica::new("a", db.store.clone(), &db.clock, &world, None);
        let (attempt, completion) = replica.come_back("ada").await;
        replica.clock.advance(MINUTE);
        let imported = world.issue("ada");
        let token = imported.access_token.expose_secret().to_owned();
        let importer = replica.connections.importer(false).unwrap();
        // Its end is not known, so the worker refreshes it at once.
        let offered = Offered { access_token: imported.access_token, obtained_at: None, expires_at: None };
        let proven = importer.prove(&owner("ada"), &offered).await.unwrap().unwrap();
        let outcome = importer.link(&owner("ada"), &proven).await.unwrap();
        assert!(matches!(outcome, Imported::Linked), "{outcome:?}");
        replica.clock.advance(Duration::from_secs(1));
        replica.tick().await;
        let refreshed = replica.token("ada").await;
        assert_ne!(refreshed, Some(token));
        replica.clock.advance(Duration::from_secs(1));
        let status = replica.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
        assert_eq!(status.state, State::Connected);
        assert_ne!(replica.token("ada").await, refreshed);
        let history = replica.connections.history(&owner("ada"), None, 9).await.unwrap().entries;
        assert!(
            history.iter().any(|each| each.attempt.is_some_and(|note| note.outcome.is_some())),
            "its end is on record"
        );
        assert_eq!(world.calls("extend").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_withdrawn_since_it_was_obtained_is_not_imported() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let replica = Replica::new("a", db.store.clone(), &db.clock, &world, None);
        let importer = replica.connections.importer(false).unwrap();
        let prove = async |user: &str, age: Option<Duration>| {
            let obtained_at = age.map(|age| before(db.clock.now(), age));
            let access_token = world.issue(user).access_token;
            let offered = Offered { access_token, obtained_at, expires_at: None };
            importer.prove(&owner(user), &offered).await.unwrap().unwrap()
        };
        // While the lines were being proven.
        let (told, untold) = (prove("ada", Some(20 * DAY)).await, prove("bob", None).await);
        db.clock.advance(MINUTE);
        for account in ["ada", "bob"] {
            replica.connections.deauthorized(account, Some(db.clock.now())).await.unwrap();
        }
        db.clock.advance(MINUTE);
        for (user, proven) in [("ada", told), ("bob", untold)] {
            assert_eq!(importer.link(&owner(user), &proven).await.unwrap(), Imported::Withdrawn, "{user}");
            assert!(db.store.connection(&owner(user), ProviderId::INSTAGRAM).await.unwrap().is_none());
        }
        // Before: one that still works, and nobody says from when it is, is from a later consent.
        let (told, untold) = (prove("ada", Some(20 * DAY)).await, prove("bob", None).await);
        assert_eq!(importer.link(&owner("ada"), &told).await.unwrap(), Imported::Withdrawn);
        assert_eq!(importer.link(&owner("bob"), &untold).await.unwrap(), Imported::Linked);
        let dry = replica.connections.importer(true).unwrap();
        assert_eq!(dry.link(&owner("ada"), &told).await.unwrap(), Imported::Withdrawn);
        let later = prove("ada", Some(Duration::from_secs(30))).await;
        assert_eq!(importer.link(&owner("ada"), &later).await.unwrap(), Imported::Linked);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_after_the_first_wait_began_is_told_too() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let replica = Replica::new("a", db.replica().await, &db.clock, &world, None);
        let importer = replica.connections.importer(false).unwrap();
        let prove = async |user: &str| {
            let access_token = world.issue(user).access_token;
            let offered = Offered { access_token, obtained_at: None, expires_at: None };
            importer.prove(&owner(user), &offered).await.unwrap().unwrap()
        };
        assert!(importer.waits().borrow().is_none());
        world.use_up(100);
        prove("ada").await;
        tokio::select! {
            _ = prove("bob") => panic!("the budget is used up"),
            () = until("the importer waits", async || importer.waits().borrow().is_some()) => {}
        }
        let mut waits = importer.waits();
        assert!(waits.has_changed().unwrap());
        assert!(waits.borrow_and_update().unwrap() > db.clock.now());
    })
    .await;
}
