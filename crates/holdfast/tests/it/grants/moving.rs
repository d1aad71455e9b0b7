//! An account that moves to another person, who has proven control of it.

use futures_util::FutureExt as _;
use holdfast::connection::{Reason, Standing, State};
use holdfast::connections::complete::CompleteError;
use holdfast::provider::ProviderId;

use super::setup::{Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::on_each_engine;

/// The holder loses the account in the unit of work that links it to the other, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_disconnects_while_connecting_takes_nobodys_account() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let seller = one.link("sold").await.id;
        world.kill_all_of("sold");
        let checked = one.connections.check(&owner("sold")).await.expect("it checks");
        assert_eq!(checked.reason, Some(Reason::Revoked));
        let before = one.now(seller).await;

        let (attempt, completion) = one.come_back_with("buyer", World::code("sold", 0)).await;
        let connections = one.connections.clone();
        world.after("identify", move |_| {
            let connections = connections.clone();
            async move { drop(connections.disconnect(&owner("buyer")).await.expect("it disconnects")) }
                .boxed()
        });
        let completed = one.connections.complete(&owner("buyer"), attempt, &completion).await;
        assert!(matches!(completed, Err(CompleteError::Expired)), "{completed:?}");
        assert_eq!(one.now(seller).await, before);

        world.no_hook();
        let (attempt, completion) = one.come_back_with("buyer", World::code("sold", 1)).await;
        let bought =
            one.connections.complete(&owner("buyer"), attempt, &completion).await.expect("it connects");
        assert_eq!(bought.state, State::Connected);
        let sold = one.now(seller).await;
        assert_eq!((sold.standing, sold.account, sold.grant), (Reason::AccountMoved.into(), None, None));
        assert!(one.store.sealed_grants(seller).await.expect("it answers").is_empty());
        let buyer = one.store.connection(&owner("buyer"), ProviderId::INSTAGRAM).await.expect("it answers");
        assert_eq!(buyer.expect("it is there").standing, Standing::CONNECTED);
    })
    .await;
}
