//! A clock that jumps costs no connection, and leaves nothing stuck behind.

use std::sync::Arc;

use holdfast::clock::{Clock as _, ManualClock, after};
use holdfast::clock_watch::ClockWatch;
use holdfast::connection::{EvidenceSource, Reason, Standing, State};
use holdfast::connections::connect::ConnectRequest;
use holdfast::entropy::SeededEntropy;
use holdfast::provider::ProviderId;
use holdfast::worker::Worker;

use super::setup::{DAY, MINUTE, Replica, Seams, owner, prove_ring};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};

/// A replica whose own clock can be wrong: Instagram's is the test's.
fn with_own_clock(name: &str, db: &TestDb, world: &Arc<World>) -> (Replica, Arc<ManualClock>) {
    let own = Arc::new(ManualClock::new(db.clock.now()));
    let seams = Seams { clock: own.clone(), entropy: Arc::new(SeededEntropy::new(3)) };
    prove_ring(&db.store);
    (Replica::over(name, db.store.clone(), seams, &db.clock, world, None), own)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_only_the_clock_ended_comes_back_with_the_clock() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let (one, own) = with_own_clock("one", db, &world);
        let id = one.link("ada").await.id;
        let token = one.token("ada").await;
        world.set(Health::RefusesAll);
        own.advance(61 * DAY);
        one.tick().await;
        let ended = one.now(id).await;
        assert_eq!(ended.standing, Reason::Expired.into());
        assert_eq!(world.calls("identify").len(), 1, "asked once before the clock was believed");
        own.set(db.clock.now());
        // The status needs no worker to be right again.
        let status = one.connections.status(&owner("ada")).await.expect("it answers");
        assert_eq!((status.connected, status.state), (true, State::Connected));
        world.set(Health::Fine);
        one.tick().await;
        let back = one.now(id).await;
        assert_eq!(back.standing, Standing::CONNECTED);
        assert_eq!(back.evidence.map(|evidence| evidence.source), Some(EvidenceSource::Clock));
        let due = back.next_refresh_at.expect("it is kept alive");
        assert!((after(db.clock.now(), 29 * DAY)..after(db.clock.now(), 34 * DAY)).contains(&due), "{due}");
        assert_eq!(one.token("ada").await, token);
        assert_eq!(world.calls("refresh"), []);
    })
    .await;
}

/// Nobody says that the grant is dead but a clock that has leapt.
#[tokio::test(flavor = "multi_thread")]
async fn a_leap_of_the_clock_ends_nothing_while_instagram_does_not_answer() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let (one, own) = with_own_clock("one", db, &world);
        let id = one.link("ada").await.id;
        one.tick().await;
        for health in [Health::Down, Health::AppDeactivated] {
            world.set(health);
            own.set(after(db.clock.now(), 61 * DAY));
            for _ in 0..5 {
                one.tick().await;
                own.advance(10 * MINUTE);
            }
            assert_eq!(one.now(id).await.standing, Standing::CONNECTED, "{health:?}");
            own.set(db.clock.now());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_known_to_be_ahead_ends_nothing_while_instagram_does_not_answer() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let (one, own) = with_own_clock("one", db, &world);
        let id = one.link("ada").await.id;
        let watch = ClockWatch::default();
        let worker = Worker::new(one.connections.clone(), one.store.clone(), own.clone(), "two".to_owned());
        let worker = worker.with_watch(watch.clone());
        world.set(Health::Down);
        own.set(after(db.clock.now(), 59 * DAY));
        watch.note(59.0 * 86_400.0, own.now());
        for _ in 0..60 {
            worker.tick().await.expect("it ticks");
            own.advance(30 * MINUTE);
        }
        assert!(one.now(id).await.standing.state().is_alive());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_works_past_its_expiry_is_not_ended_but_renewed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        // As a clock that was sixty days behind wrote it.
        db.clock.advance(DAY);
        let now = db.clock.now().as_millisecond();
        db.execute(&format!(
            "UPDATE connections SET grant_obtained_at = {}, grant_expires_at = {now}, next_refresh_at = {now}",
            now - 5_184_000_000
        ))
        .await;
        one.tick().await;
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        assert!(one.connections.status(&owner("ada")).await.expect("it answers").connected);
        assert_eq!(world.calls("refresh").len(), 1);
        assert_eq!(world.calls("identify").len(), 2, "whose the old token is, and whose the new one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_instagram_too_calls_dead_stays_dead() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let (one, own) = with_own_clock("one", db, &world);
        let id = one.link("ada").await.id;
        world.kill_all_of("ada");
        own.advance(61 * DAY);
        one.tick().await;
        own.set(db.clock.now());
        one.tick().await;
        assert_eq!(one.now(id).await.standing, Reason::Revoked.into());
        assert_eq!(world.calls("identify").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_from_a_clock_that_was_ahead_are_put_right_without_a_storm() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        // As a replica whose clock is 500 days ahead leaves the row behind.
        let ahead = |days| after(db.clock.now(), days * DAY).as_millisecond();
        db.execute(&format!(
            "UPDATE connections SET grant_obtained_at = {}, grant_expires_at = {}, next_refresh_at = {}, \
             retry_after = {}, lease_owner = 'other', lease_until = {}, lease_epoch = 7",
            ahead(500),
            ahead(560),
            ahead(530),
            ahead(501),
            ahead(502)
        ))
        .await;
        one.tick().await;
        let right = one.now(id).await;
        let grant = right.grant.expect("it is kept");
        assert_eq!((grant.obtained_at, grant.expires_at), (db.clock.now(), after(db.clock.now(), 60 * DAY)));
        assert!(right.next_refresh_at <= Some(after(db.clock.now(), 34 * DAY)), "{right:?}");
        assert_eq!(right.retry_after, None);
        assert_eq!(world.calls("refresh"), [], "it is too young by what is known");
        // The lease of the one that was ahead is not in the way when the time comes.
        one.clock.advance(34 * DAY);
        one.tick().await;
        assert_eq!(world.calls("refresh").len(), 1);
        for _ in 0..5 {
            one.clock.advance(MINUTE);
            one.tick().await;
        }
        assert_eq!(world.calls("refresh").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_from_a_clock_that_was_ahead_holds_nobody_up() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        one.clock.advance(34 * DAY);
        let far = after(db.clock.now(), 300 * DAY).as_millisecond();
        db.execute(&format!(
            "UPDATE connections SET lease_owner = 'other', lease_until = {far}, lease_epoch = 7, retry_after = {far}"
        ))
        .await;
        one.tick().await;
        assert_eq!(world.calls("refresh").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_back_causes_no_refresh() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let (one, own) = with_own_clock("one", db, &world);
        let id = one.link("ada").await.id;
        one.tick().await;
        own.set(after(db.clock.now(), DAY));
        one.tick().await;
        own.set(holdfast::clock::from_millis(db.clock.now().as_millisecond() - 864_000_000));
        for _ in 0..5 {
            own.advance(MINUTE);
            one.tick().await;
        }
        assert_eq!((world.calls("refresh"), world.calls("identify")), (vec![], vec![]));
        let grant = one.now(id).await.grant.expect("it is kept");
        assert!(grant.obtained_at <= own.now());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_went_at_an_even_pace_is_believed_without_asking() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        // Nobody answers, and the end comes tick after tick.
        one.world.set(Health::Down);
        one.clock.advance(59 * DAY);
        one.pass(2 * DAY, 30 * MINUTE).await;
        assert_eq!(one.now(id).await.standing, Reason::Expired.into());
        let expires_at = one.now(id).await.grant.expect("it is kept").expires_at;
        assert!(one.world.calls("identify").iter().all(|call| call.at < expires_at), "asked after the end");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_a_clock_that_was_ahead_is_deleted_and_replaced_like_any() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        let old = one.token("ada").await;
        let now = db.clock.now();
        let ahead = |days| after(now, days * DAY).as_millisecond();
        let (three, more) = (ahead(3), ahead(63));
        db.execute(&format!(
            "UPDATE connections SET linked_at = {three}, grant_obtained_at = {three}, grant_expires_at = {more}"
        ))
        .await;
        // A reconnect counts before the repair.
        let (attempt, completion) = one.come_back("ada").await;
        one.connections.complete(&owner("ada"), attempt, &completion).await.expect("it connects");
        assert_ne!(one.token("ada").await, old);
        db.execute(&format!("UPDATE connections SET linked_at = {three}, grant_obtained_at = {three}")).await;
        let history = one.connections.history(&owner("ada"), None, 99).await.unwrap().entries.len();
        one.tick().await;
        assert_eq!(one.now(id).await.linked_at, Some(now));
        let later = one.connections.history(&owner("ada"), None, 99).await.unwrap().entries.len();
        assert_eq!(later, history, "the link is the same");
        one.connections.delete_account_data("ada", Some(now), 1).await.unwrap();
        let gone = one.now(id).await;
        assert_eq!((gone.account, gone.grant), (None, None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_of_a_clock_that_was_ahead_are_in_nobodys_way() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        for _ in 0..4 {
            one.connections.connect(&owner("ada"), ConnectRequest::default()).await.expect("an attempt");
        }
        let (claimed, _) = one.come_back("ada").await;
        let far = after(db.clock.now(), 3 * DAY).as_millisecond();
        let ahead = 259_200_000;
        db.execute(&format!(
            "UPDATE attempts SET created_at = created_at + {ahead}, expires_at = expires_at + {ahead}; \
             UPDATE attempts SET busy_until = {far}, paused_until = {far} WHERE id = '{claimed}'"
        ))
        .await;
        one.connections.connect(&owner("ada"), ConnectRequest::default()).await.expect("none of them counts");
        one.tick().await;
        let open = one.store.open_attempts(&owner("ada"), ProviderId::INSTAGRAM).await.unwrap();
        assert_eq!(open.len(), 6);
        let end = after(db.clock.now(), 10 * MINUTE);
        assert!(open.iter().all(|each| each.expires_at <= end && each.is_free(db.clock.now())), "{open:?}");
    })
    .await;
}
