//! Instagram answers about another account than the linked one.

use holdfast::connections::{EvidenceSource, Reason, Standing};

use super::setup::{MINUTE, Replica, owner};
use super::world::{Kind, World};
use crate::support::database::on_each_engine;

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_account_proves_nothing_and_is_doubted_until_it_is_right() {
    on_each_engine(async |db| {
        let world = World::new(Kind::BothValid, db.clock.clone());
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
