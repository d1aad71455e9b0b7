//! The workers of three replicas share the work.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use tokio::sync::watch;

use crate::grants::setup::{DAY, Replica};
use crate::grants::world::{RefreshEffect, World};
use crate::testing::database::{Engine, TestDb};

/// More than two workers take on at once, each a batch of 32.
const CONNECTIONS: usize = 120;
/// Calls that one worker has under way at most.
const PARALLEL: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_refresh_each_connection_once_and_each_some() {
    let db = TestDb::new(Engine::Postgres).await;
    let world = World::new(RefreshEffect::OldDead, db.clock.clone());
    let mut replicas = Vec::new();
    for name in ["one", "two", "three"] {
        replicas.push(Replica::new(name, db.replica().await, &db.clock, &world, None));
    }
    for number in 0..CONNECTIONS {
        replicas[0].link(&format!("p{number}")).await;
    }
    db.clock.advance(31 * DAY);
    // Nobody is answered before all three are at work: that takes more calls than two can have
    // under way.
    let (begun, all) = (Arc::new(AtomicUsize::new(0)), watch::Sender::new(false));
    let opened = all.subscribe();
    world.after_refresh(move |_| {
        if begun.fetch_add(1, Ordering::SeqCst) + 1 > 2 * PARALLEL {
            all.send_replace(true);
        }
        let mut opened = opened.clone();
        async move { drop(opened.wait_for(|open| *open).await.expect("the test runs")) }.boxed()
    });
    let (one, two, three) = tokio::join!(replicas[0].tick(), replicas[1].tick(), replicas[2].tick());
    let renewed = [one.renewed, two.renewed, three.renewed];
    println!("renewed by each: {renewed:?}");
    assert_eq!(renewed.iter().sum::<usize>(), CONNECTIONS);
    assert!(renewed.iter().all(|each| *each >= PARALLEL), "{renewed:?}");
    let mut calls = BTreeMap::new();
    for call in world.calls("refresh") {
        *calls.entry(call.account.expect("a living token")).or_insert(0) += 1;
    }
    assert_eq!(calls.len(), CONNECTIONS);
    assert!(calls.values().all(|times| *times == 1), "{calls:?}");
    world.no_hook();
    for replica in &replicas {
        replica.store.close().await;
    }
    db.remove().await;
}
