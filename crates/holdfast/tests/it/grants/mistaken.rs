//! Instagram answers about another account than the linked one.

use holdfast::connection::{EvidenceSource, Reason, Standing};

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::on_each_engine;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_account_proves_nothing_and_is_doubted_until_it_is_right() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        one.clock.advance(2 * MINUTE);
        world.mistake("ada", "grace");
        one.connections.check(&owner("ada")).await.expect("it answers");
        let doubted = one.now(linked.id).await;
        assert_eq!(doubted.standing, Reason::ProviderUnavailable.into());
        assert_eq!((doubted.evidence, &doubted.account), (linked.evidence, &linked.account));

        // Nobody asks but the worker, although the grant is too young to be renewed.
        world.mistake("grace", "ada");
        one.pass(15 * MINUTE, MINUTE).await;
        let again = one.now(linked.id).await;
        assert_eq!(again.standing, Standing::CONNECTED);
        assert_eq!(again.evidence.map(|each| each.source), Some(EvidenceSource::Use));
        assert!(world.calls("refresh").is_empty(), "it was looked at, not renewed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_brought_another_accounts_grant_is_rolled_back() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        let own = one.token("ada").await.expect("a grant");
        one.clock.advance(31 * DAY);
        one.tick().await;
        let strange = one.token("ada").await.expect("a grant");
        assert_ne!(strange, own);
        world.give(&strange, "grace");
        one.connections.check(&owner("ada")).await.expect("it answers");
        assert_eq!(one.token("ada").await, Some(own));
        let now = one.now(linked.id).await;
        assert_eq!((now.standing, &now.account), (Standing::CONNECTED, &linked.account));
        // What the next renewal brings is looked at.
        let identified = world.calls("identify").len();
        one.pass(70 * MINUTE, 10 * MINUTE).await;
        assert_eq!(world.calls("identify").len(), identified + 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_a_renewed_grant_is_is_asked_until_it_is_answered() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        let own = one.token("ada").await.expect("a grant");
        one.clock.advance(31 * DAY);
        // The renewal brings a grant of another account, and then nobody answers.
        let there = world.clone();
        world.after("refresh", move |_| {
            there.set(Health::Down);
            Box::pin(async {})
        });
        one.tick().await;
        world.no_hook();
        let strange = one.token("ada").await.expect("a grant");
        assert_ne!(strange, own);
        world.give(&strange, "grace");
        assert_eq!(one.now(linked.id).await.standing, Reason::ProviderUnavailable.into());
        one.pass(15 * MINUTE, MINUTE).await;
        assert_eq!(one.token("ada").await, Some(strange), "nobody answers yet");
        world.set(Health::Fine);
        one.pass(30 * MINUTE, MINUTE).await;
        assert_eq!(one.token("ada").await, Some(own));
        assert_eq!(one.now(linked.id).await.standing, Standing::CONNECTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_that_is_rolled_back_counts_as_failed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        let own = one.token("ada").await;
        one.clock.advance(31 * DAY);
        // What a renewal brings is taken for another account's from the first question on.
        let (there, kept) = (world.clone(), own.clone().expect("a grant"));
        world.after("refresh", move |account| {
            there.mistake(&account, "grace");
            there.give(&kept, &account);
            Box::pin(async {})
        });
        let done = one.tick().await;
        assert_eq!((done.renewed, done.failed), (0, 1), "{done:?}");
        assert_eq!(one.token("ada").await, own);
        assert_eq!(one.now(linked.id).await.standing, Standing::CONNECTED);
    })
    .await;
}

/// As where a renewal ends the grant before it.
#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_grant_is_not_used_for_long_where_there_is_no_other() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        one.clock.advance(31 * DAY);
        one.tick().await;
        world.give(&one.token("ada").await.expect("a grant"), "grace");
        one.connections.check(&owner("ada")).await.expect("it answers");
        // Once more renewed, it is still not hers.
        db.execute(
            "UPDATE connections SET next_refresh_at = 1, grant_obtained_at = grant_obtained_at - 3000000000",
        )
        .await;
        one.pass(3 * MINUTE, MINUTE).await;
        assert_eq!(one.now(linked.id).await.standing, Reason::TokenInvalid.into());
    })
    .await;
}
