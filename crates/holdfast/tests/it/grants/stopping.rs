//! An ordinary deploy: told to stop in the middle of a tick, the worker finishes what is under way
//! and begins nothing more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use holdfast::clock::Clock as _;
use holdfast::connection::attempt::{Attempt, AttemptStage, Expect};
use holdfast::connection::{Reason, Standing};
use holdfast::provider::ProviderId;
use holdfast::store::{AttemptWrite, ChangeSet, CommitOutcome};
use holdfast::worker::Tally;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::waiting::until;

const PARALLEL: usize = 8;
const BATCH: usize = 32;

/// Else an alert that waits for a worker which completes nothing would never fire.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_completed_tick_counts() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let tally = Arc::new(Tally::default());
        let worker = one.worker.with_tally(tally.clone());
        let ticks = async || {
            let running = worker.run(CancellationToken::new());
            let _ = tokio::time::timeout(Duration::from_secs(1), running).await;
            tally.last_tick()
        };
        assert_eq!(tally.last_tick(), None);
        let before = one.clock.now();
        assert_eq!(ticks().await, Some(before));
        one.clock.advance(MINUTE);
        one.store.close().await;
        assert_eq!(ticks().await, Some(before));
        // A worker that starts now has ticked at its start, too.
        let tally = Arc::new(Tally::default());
        let next = worker.with_tally(tally.clone());
        let running = next.run(CancellationToken::new());
        let _ = tokio::time::timeout(Duration::from_secs(1), running).await;
        assert_eq!(tally.last_tick(), Some(one.clock.now()));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_the_worker_gives_back_what_it_has_not_begun_and_finishes_the_rest() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Arc::new(Replica::new("one", db.store.clone(), &db.clock, &world, None));
        let names: Vec<String> = (0..BATCH + 8).map(|number| format!("p{number}")).collect();
        for name in &names {
            one.link(name).await;
        }
        one.clock.advance(31 * DAY);
        let (open, opened) = watch::channel(false);
        world.after_refresh(move |_| {
            let mut opened = opened.clone();
            async move { drop(opened.wait_for(|open| *open).await) }.boxed()
        });
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let worker = one.clone();
        let running = tokio::spawn(async move { worker.worker.run(stopping).await });
        until("all that may be are under way", async || world.calls("refresh").len() == PARALLEL).await;
        stop.cancel();
        // At once: Instagram has not answered any of those that are under way.
        let mut free = 0;
        until("the rest is free", async || {
            let now = one.clock.now();
            free += one.store.claim_due("other", now, MINUTE, BATCH).await.expect("it claims").len();
            free == names.len() - PARALLEL
        })
        .await;
        open.send_replace(true);
        running.await.expect("it ends");
        world.no_hook();
        assert_eq!(world.calls("refresh").len(), PARALLEL, "nothing more was begun");
        for call in world.calls("refresh") {
            let name = call.account.expect("an account");
            assert!(world.is_alive(&one.token(&name).await.expect("a grant")), "{name}");
        }
    })
    .await;
}

fn attempt(name: &str, db: &TestDb) -> Attempt {
    let now = db.clock.now();
    Attempt {
        id: uuid::Uuid::from_u128(7),
        revision: 1,
        user_id: owner(name).as_str().to_owned(),
        provider: ProviderId::INSTAGRAM,
        state_hash: [1; 32],
        completion_hash: None,
        stage: AttemptStage::Open,
        outcome: None,
        return_to: "https://app.example".to_owned(),
        expect: Expect::SameAccount,
        created_at: now,
        expires_at: holdfast::clock::after(now, MINUTE),
        returned_at: None,
        sealed: None,
        sealed_completion: None,
        busy_until: None,
        paused_until: None,
        closed_at: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn told_to_stop_housekeeping_begins_nothing_more() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let expiring = one.link("ada").await.id;
        let write = AttemptWrite { expected_revision: None, attempt: attempt("ada", db), limits: None };
        let changes = ChangeSet { attempt: Some(write), ..ChangeSet::default() };
        assert_eq!(one.store.commit(&changes).await, Ok(CommitOutcome::Committed));
        db.clock.advance(61 * DAY);
        let mistimed = one.link("bob").await.id;
        let late = db.clock.now().as_millisecond() + 90 * 86_400_000;
        let expires = late + 60 * 86_400_000;
        db.execute(&format!(
            "UPDATE connections SET grant_obtained_at = {late}, grant_expires_at = {expires} WHERE id = '{mistimed}'"
        ))
        .await;

        let stop = CancellationToken::new();
        stop.cancel();
        let work = async |stop: &CancellationToken| {
            let tended = one.connections.advance_attempts(BATCH, stop).await.expect("it answers");
            one.connections.repair_times(BATCH, stop).await.expect("it answers");
            let ended = one.connections.expire_due(BATCH, stop).await.expect("it answers");
            (tended, ended)
        };
        let facts = async || {
            let attempt = one.store.attempt(uuid::Uuid::from_u128(7)).await.unwrap().unwrap();
            let obtained_at = one.now(mistimed).await.grant.unwrap().obtained_at;
            (attempt.stage, obtained_at.as_millisecond() == late, one.now(expiring).await.standing)
        };
        assert_eq!(work(&stop).await, (0, 0));
        assert_eq!(facts().await, (AttemptStage::Open, true, Standing::CONNECTED));
        assert_eq!(work(&CancellationToken::new()).await, (1, 1));
        // The clock has leapt, so Instagram is asked, and says why.
        assert_eq!(facts().await, (AttemptStage::Closed, false, Reason::Revoked.into()));
    })
    .await;
}
