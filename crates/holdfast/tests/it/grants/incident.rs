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
        let (one, all) = five_hundred_due(db).await;
        // Dead for good, as far as Instagram says: a check by the person themself is believed at once.
        for number in 0..4 {
            one.world.kill_all_of(&format!("p{number}"));
            one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
        }
        assert_eq!(told_to_reconnect(&one).await, 4);
        one.world.set(Weather::RefusesAll);
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 0);
        assert_eq!(one.now(all[0]).await.standing, Reason::ProviderIncident.into());
        // When it is over, those who really left are told after all, and only they.
        one.world.set(Weather::Fine);
        one.pass(3 * DAY, 5 * MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 4);
        assert_eq!(count(&one, Standing::CONNECTED).await, 496);
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
