use holdfast::connections::{Reason, Standing, State};

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{Kind, Weather, World};
use crate::support::database::{TestDb, on_each_engine};

async fn five_hundred_due(db: &TestDb) -> (Replica, Vec<uuid::Uuid>) {
    let world = World::new(Kind::BothValid, db.clock.clone());
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    let mut all = Vec::new();
    for number in 0..500 {
        all.push(one.link(&format!("p{number}")).await.id);
    }
    one.clock.advance(31 * DAY);
    (one, all)
}

async fn count(one: &Replica, standing: Standing) -> u64 {
    let counts = one.store.connection_counts().await.expect("it counts");
    counts.iter().filter(|each| each.standing == standing).map(|each| each.amount).sum()
}

async fn told_to_reconnect(one: &Replica) -> u64 {
    let counts = one.store.connection_counts().await.expect("it counts");
    let told = counts.iter().filter(|each| each.standing.state() == State::ReconnectRequired);
    told.map(|each| each.amount).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_refused_at_once_tell_nobody_to_reconnect_and_recover_by_themselves() {
    on_each_engine(async |db| {
        let (one, _) = five_hundred_due(db).await;
        // Another replica shares the work and the view.
        let two = Replica::new("two", db.replica().await, &db.clock, &one.world, None);
        one.world.set(Weather::RefusesAll);
        for _ in 0..12 {
            one.tick().await;
            two.tick().await;
            assert_eq!(told_to_reconnect(&one).await, 0);
            one.clock.advance(MINUTE);
        }
        assert!(count(&one, Reason::ProviderIncident.into()).await >= 5);
        let before = one.world.calls("refresh").len();
        for _ in 0..60 {
            one.clock.advance(MINUTE);
            one.tick().await;
            two.tick().await;
        }
        let canaries = one.world.calls("refresh").len() - before;
        assert!((8..=100).contains(&canaries), "{canaries} canaries in an hour");
        assert_eq!(told_to_reconnect(&one).await, 0);

        one.world.set(Weather::Fine);
        one.pass(15 * MINUTE, MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
        two.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_before_the_incident_was_seen_is_taken_back() {
    on_each_engine(async |db| {
        let world = World::new(Kind::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let mut all = Vec::new();
        for number in 0..100 {
            all.push(one.link(&format!("p{number}")).await.id);
        }
        one.clock.advance(31 * DAY);
        // Somebody really left, and says so.
        one.world.kill_all_of("p99");
        one.connections.check(&owner("p99")).await.expect("it checks");
        assert_eq!(told_to_reconnect(&one).await, 1);
        // Eight look for themselves, twice, before the worker meets the others.
        one.world.set(Weather::RefusesAll);
        for _ in 0..2 {
            for number in 0..8 {
                one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
            }
            one.clock.advance(MINUTE);
        }
        assert_eq!(told_to_reconnect(&one).await, 9);
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 1, "only who really left");
        assert_eq!(one.now(all[0]).await.standing, Reason::ProviderIncident.into());

        one.world.set(Weather::Fine);
        one.pass(3 * DAY, 5 * MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 1);
        assert_eq!(count(&one, Standing::CONNECTED).await, 99);
    })
    .await;
}

/// As a table of reasons is gone through, with a person for each: nothing that one person did is an incident.
#[tokio::test(flavor = "multi_thread")]
async fn people_who_leave_one_after_the_other_are_no_incident() {
    on_each_engine(async |db| {
        let world = World::new(Kind::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        for number in 0..30 {
            one.link(&format!("p{number}")).await;
        }
        for number in 0..9 {
            let who = format!("p{number}");
            one.world.kill_all_of(&who);
            let status = one.connections.check(&owner(&who)).await.expect("it checks");
            assert_eq!(status.reason, Some(Reason::Revoked), "{who}");
        }
        assert_eq!(told_to_reconnect(&one).await, 9);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_is_not_believed_yet_shows_and_is_believed_in_time() {
    on_each_engine(async |db| {
        let (one, all) = five_hundred_due(db).await;
        one.world.kill_all_of("p7");
        one.tick().await;
        assert_eq!(one.now(all[7]).await.standing, Reason::RefreshFailing.into());
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(all[7]).await.standing, Reason::Revoked.into());
        assert_eq!(count(&one, Standing::CONNECTED).await, 499);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unexplained_no_shows_and_is_not_believed_at_once() {
    on_each_engine(async |db| {
        let world = World::new(Kind::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        for number in 0..20 {
            one.link(&format!("p{number}")).await;
        }
        one.world.set(Weather::RefusesAll);
        let status = one.connections.check(&owner("p1")).await.expect("it checks");
        assert_eq!((status.connected, status.reason), (true, Some(Reason::ProviderUnavailable)));
        one.clock.advance(MINUTE);
        let status = one.connections.check(&owner("p1")).await.expect("it checks");
        assert_eq!((status.connected, status.reason), (false, Some(Reason::TokenInvalid)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_app_is_asked_about_now_and_then_and_recovers() {
    on_each_engine(async |db| {
        let (one, _) = five_hundred_due(db).await;
        one.world.set(Weather::AppDeactivated);
        one.tick().await;
        // Enough to know; the others need not be asked.
        let misconfigured = count(&one, Reason::AppMisconfigured.into()).await;
        assert!((10..=40).contains(&misconfigured), "{misconfigured}");
        one.pass(3 * 60 * MINUTE, MINUTE).await;
        let before = one.world.calls("refresh").len();
        one.pass(60 * MINUTE, MINUTE).await;
        let canaries = one.world.calls("refresh").len() - before;
        assert!((1..=10).contains(&canaries), "{canaries} canaries in an hour");
        one.world.set(Weather::Fine);
        one.pass(35 * MINUTE, MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_asked_about_now_and_then_and_not_once_per_connection() {
    on_each_engine(async |db| {
        let (one, _) = five_hundred_due(db).await;
        one.world.set(Weather::Down);
        one.pass(24 * 60 * MINUTE, 5 * MINUTE).await;
        let calls = one.world.calls("refresh").len();
        assert!((30..=200).contains(&calls), "{calls} calls in a day");
        one.world.set(Weather::Fine);
        one.pass(35 * MINUTE, 5 * MINUTE).await;
        // All but the few that were asked so often that they wait for a while.
        assert!(count(&one, Standing::CONNECTED).await >= 480);
        one.pass(DAY, 5 * MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
    })
    .await;
}
