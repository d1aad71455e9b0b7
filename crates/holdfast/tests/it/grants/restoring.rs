//! The grant before the one in use, for the case that the provider has handed us one that never
//! works.

use holdfast::connection::{Connection, EvidenceSource, Reason, Standing};

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};

/// Renewed once, so that there are two. Answers the connection and the token in use.
async fn renewed_once(db: &TestDb) -> (Replica, Connection, String) {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    let id = one.link("ada").await.id;
    one.clock.advance(31 * DAY);
    one.tick().await;
    let token = one.token("ada").await.expect("a grant");
    let now = one.now(id).await;
    (one, now, token)
}

async fn versions(one: &Replica, id: uuid::Uuid) -> Vec<i64> {
    one.store.sealed_grants(id).await.expect("it answers").iter().map(|each| each.version).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_has_worked_and_is_refused_for_a_moment_stays_in_use() {
    on_each_engine(async |db| {
        let (one, renewed, token) = renewed_once(db).await;
        let stored = versions(&one, renewed.id).await;
        assert_eq!(stored.len(), 2);
        one.connections.check(&owner("ada")).await.expect("it checks");
        one.clock.advance(MINUTE);
        one.world.spoil(&token);
        one.connections.check(&owner("ada")).await.expect("it checks");
        assert_eq!(one.now(renewed.id).await.standing, Reason::ProviderUnavailable.into());
        assert_eq!(versions(&one, renewed.id).await, stored);
        one.world.unspoil(&token);
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(renewed.id).await.standing, Standing::CONNECTED);
        assert_eq!(one.token("ada").await, Some(token));
        assert_eq!(versions(&one, renewed.id).await, stored);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_grant_that_never_works_is_rolled_back_and_kept_aside() {
    on_each_engine(async |db| {
        let (one, renewed, token) = renewed_once(db).await;
        let refused = renewed.grant.expect("a grant").version;
        one.world.spoil(&token);
        one.connections.check(&owner("ada")).await.expect("it checks");
        let now = one.now(renewed.id).await;
        assert_eq!(now.standing, Standing::CONNECTED);
        assert_eq!(now.evidence.map(|each| each.source), Some(EvidenceSource::Use));
        let in_use = one.token("ada").await.expect("a grant");
        assert!(in_use != token && one.world.is_alive(&in_use));
        // Should it have been a part of Instagram that had not heard of the new one yet, that is
        // still there.
        assert_eq!(versions(&one, renewed.id).await, [now.grant.expect("a grant").version, refused]);
        one.world.unspoil(&token);
        one.world.kill(&in_use);
        one.clock.advance(MINUTE);
        one.connections.check(&owner("ada")).await.expect("it checks");
        assert_eq!(one.token("ada").await, Some(token));
        assert_eq!(one.now(renewed.id).await.standing, Standing::CONNECTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_grant_is_not_gone_back_to() {
    on_each_engine(async |db| {
        let (one, renewed, token) = renewed_once(db).await;
        one.world.spoil(&token);
        one.world.mistake("ada", "grace");
        one.connections.check(&owner("ada")).await.expect("it checks");
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(renewed.id).await.standing, Reason::TokenInvalid.into());
    })
    .await;
}
