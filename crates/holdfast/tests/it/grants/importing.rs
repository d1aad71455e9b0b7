//! An import while Instagram limits the app.

use holdfast::clock::Clock as _;
use holdfast::connections::import::Offered;

use super::setup::{Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::on_each_engine;
use crate::testing::waiting::until;

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
