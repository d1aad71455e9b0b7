//! Connect attempts that waited for Instagram go on by themselves.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::join_all;
use holdfast::connections::complete::CompleteError;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use super::setup::{MINUTE, Replica, owner};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};

const TOGETHER: usize = 8;

fn replica(db: &TestDb) -> Replica {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    Replica::new("one", db.store.clone(), &db.clock, &world, None)
}

async fn advance_attempts(one: &Replica) -> usize {
    one.connections.advance_attempts(32, &CancellationToken::new()).await.expect("it answers")
}

/// Its short-lived token is kept, for a minute at least.
async fn let_wait(one: &Replica, name: &str) {
    one.world.set(Health::AppDeactivated);
    let (attempt, completion) = one.come_back(name).await;
    let waits = one.connections.complete(&owner(name), attempt, &completion).await;
    assert!(matches!(waits, Err(CompleteError::Waits { .. })), "{waits:?}");
    one.world.set(Health::Fine);
}

/// One that Instagram leaves without an answer holds up neither the others nor the worker's tick.
#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_waited_go_on_together() {
    on_each_engine(async |db| {
        let one = replica(db);
        for number in 0..TOGETHER {
            let_wait(&one, &format!("p{number}")).await;
        }
        one.clock.advance(2 * MINUTE);
        let barrier = Arc::new(Barrier::new(TOGETHER));
        one.world.after("extend", move |_| {
            let barrier = barrier.clone();
            async move {
                barrier.wait().await;
            }
            .boxed()
        });
        let advanced = tokio::time::timeout(Duration::from_secs(20), advance_attempts(&one)).await;
        assert_eq!(advanced.expect("none waits for another"), TOGETHER);
        for number in 0..TOGETHER {
            assert!(one.token(&format!("p{number}")).await.is_some(), "{number}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_wait_while_instagram_answers_nobody() {
    on_each_engine(async |db| {
        let one = replica(db);
        let names: Vec<String> = (0..10).map(|number| format!("p{number}")).collect();
        for name in &names {
            one.link(name).await;
        }
        let_wait(&one, "ada").await;
        one.clock.advance(2 * MINUTE);
        one.world.set(Health::AppDeactivated);
        join_all(names.iter().map(async |name| one.connections.check(&owner(name)).await)).await;
        one.world.set(Health::Fine);
        assert_eq!((advance_attempts(&one).await, one.world.calls("extend").len()), (0, 1));
        one.clock.advance(MINUTE);
        assert_eq!((advance_attempts(&one).await, one.world.calls("extend").len()), (1, 2));
        assert!(one.token("ada").await.is_some());
    })
    .await;
}
