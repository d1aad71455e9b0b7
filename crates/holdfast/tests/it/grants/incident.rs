//! Trouble of many at once: nobody is told to reconnect for it, and it passes by itself. Trouble
//! of one is believed in time.

use holdfast::clock::Clock as _;
use holdfast::connection::{Reason, Standing, State};

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::{Engine, TestDb, on_each_engine, slow};

async fn five_hundred_due(db: &TestDb) -> (Replica, Vec<uuid::Uuid>) {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    let mut all = Vec::new();
    for number in 0..500 {
        all.push(one.link(&format!("p{number}")).await.id);
    }
    one.clock.advance(31 * DAY);
    (one, all)
}

/// What one success brings about ends within the time of a statement, however many are held, and
/// its failure is not the failure of what worked.
#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_large_incident_costs_nobody_the_call_that_ended_it() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let (ada, grace) = (one.link("ada").await, one.link("grace").await);
        let due = one.clock.now().as_millisecond() + 86_400_000;
        let held: String = (0..2000)
            .map(|n| {
                format!(
                    "INSERT INTO users (id, created_at, updated_at) VALUES ('u{n}', 1, 1); INSERT INTO connections (id, user_id, \
                     provider, state, reason, account_id, scopes, missing_scopes, grant_version, grant_obtained_at, \
                     grant_expires_at, next_refresh_at, since, linked_at, failures, version) VALUES ('{}', 'u{n}', 'instagram', \
                     'degraded', 'provider_incident', 'a{n}', '[]', '[]', 1, 1, {due} + 1, {due}, {n}, 1, 1, 1);",
                    uuid::Uuid::from_u128(n + 7)
                )
            })
            .collect();
        let both = "UPDATE connections SET state = 'degraded', reason = 'provider_incident', failures = 1 WHERE grant_version IS NOT NULL";
        db.execute(&format!("BEGIN; {held} {both}; COMMIT")).await;
        if db.engine == Engine::Postgres {
            slow(db, "connections", "UPDATE").await;
        }
        let waiting = format!("SELECT COUNT(*) FROM connections WHERE next_refresh_at = {due}");
        one.connections.check(&owner("ada")).await.expect("it is answered");
        assert_eq!(one.now(ada.id).await.standing, Standing::CONNECTED);
        assert_eq!(db.count(&waiting).await, 1500, "each that works makes others due");

        db.execute("UPDATE connections SET version = 9223372036854775807 WHERE id LIKE '00000000-0000-0000-%'").await;
        one.connections.check(&owner("grace")).await.expect("it is answered");
        assert_eq!(one.now(grace.id).await.standing, Standing::CONNECTED);
    })
    .await;
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
        one.world.set(Health::RefusesAll);
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

        one.world.set(Health::Fine);
        one.pass(15 * MINUTE, MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
        two.store.close().await;
    })
    .await;
}

/// Also where Instagram wants each of them to do something: so many at once are not asked to by
/// anything that they did.
#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_checkpoints_at_once_send_nobody_to_instagram_and_pass_by_themselves() {
    on_each_engine(async |db| {
        let (one, all) = five_hundred_due(db).await;
        one.world.set(Health::Checkpoint);
        for _ in 0..30 {
            one.tick().await;
            assert_eq!(count(&one, Reason::Checkpoint.into()).await, 0);
            one.clock.advance(MINUTE);
        }
        assert!(count(&one, Reason::ProviderIncident.into()).await >= 5);
        one.world.set(Health::Fine);
        one.pass(60 * MINUTE, MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);

        // A single one is believed after a second look.
        one.clock.advance(33 * DAY);
        one.world.stop("p7");
        one.pass(3 * MINUTE, MINUTE).await;
        assert_eq!(one.now(all[7]).await.standing, Reason::Checkpoint.into());
        assert_eq!(count(&one, Standing::CONNECTED).await, 499);
    })
    .await;
}

/// All had connected, and worked, minutes before: that says nothing of what strikes them now. Each
/// looks for themselves, and Instagram names a cause.
#[tokio::test(flavor = "multi_thread")]
async fn thirty_struck_minutes_after_they_connected_are_an_incident() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let names: Vec<String> = (0..30).map(|number| format!("p{number}")).collect();
        for name in &names {
            one.link(name).await;
        }
        one.clock.advance(MINUTE);
        for name in &names {
            one.connections.check(&owner(name)).await.expect("it checks");
        }
        one.clock.advance(MINUTE);
        for name in &names {
            one.world.kill_all_of(name);
            one.connections.check(&owner(name)).await.expect("it checks");
        }
        assert_eq!(told_to_reconnect(&one).await, 0);
        assert_eq!(count(&one, Reason::ProviderIncident.into()).await, 30);
    })
    .await;
}

/// Trouble that passes and comes back, and the second time for another reason.
#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_comes_back_within_the_hour_tells_nobody_either() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let names: Vec<String> = (0..30).map(|number| format!("p{number}")).collect();
        for name in &names {
            one.link(name).await;
        }
        let check = async || {
            one.clock.advance(2 * MINUTE);
            for name in &names {
                one.connections.check(&owner(name)).await.expect("it checks");
            }
        };
        for _ in 0..3 {
            one.world.set(Health::Checkpoint);
            check().await;
            assert_eq!(count(&one, Reason::Checkpoint.into()).await, 0);
            assert_eq!(count(&one, Reason::ProviderIncident.into()).await, 30);
            one.world.set(Health::Fine);
            check().await;
            assert_eq!(count(&one, Standing::CONNECTED).await, 30);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_before_the_incident_was_seen_is_taken_back() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
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
        one.world.set(Health::RefusesAll);
        for number in 0..8 {
            one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
        }
        one.clock.advance(15 * MINUTE);
        // Others still work when it is their turn: it reaches one part of Instagram after the
        // other.
        one.world.set(Health::Fine);
        for number in 90..94 {
            one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
        }
        one.world.set(Health::RefusesAll);
        for number in 0..8 {
            one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
        }
        assert_eq!(told_to_reconnect(&one).await, 9);
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 1, "only who really left");
        assert_eq!(one.now(all[0]).await.standing, Reason::ProviderIncident.into());

        one.world.set(Health::Fine);
        one.pass(3 * DAY, 5 * MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 1);
        assert_eq!(count(&one, Standing::CONNECTED).await, 99);
    })
    .await;
}

/// As a table of reasons is gone through, with a person for each: nothing that one person did is an
/// incident.
#[tokio::test(flavor = "multi_thread")]
async fn people_who_leave_one_after_the_other_are_no_incident() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
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
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        for number in 0..20 {
            one.link(&format!("p{number}")).await;
        }
        one.world.spoil("p1");
        let status = one.connections.check(&owner("p1")).await.expect("it checks");
        assert_eq!((status.connected, status.reason), (true, Some(Reason::ProviderUnavailable)));
        // Nobody has to ask again: the worker does, soon and then more rarely, until it has been so
        // for a while.
        one.pass(14 * MINUTE, MINUTE).await;
        let status = one.connections.status(&owner("p1")).await.expect("it answers");
        assert_eq!((status.connected, status.reason), (true, Some(Reason::ProviderUnavailable)));
        one.pass(2 * MINUTE, MINUTE).await;
        let status = one.connections.status(&owner("p1")).await.expect("it answers");
        assert_eq!((status.connected, status.reason), (false, Some(Reason::TokenInvalid)));
        let asked = |who: &str| {
            let calls = one.world.calls("identify");
            calls.iter().filter(|call| (call.account.as_deref() == Some("p1")) == (who == "p1")).count()
        };
        assert_eq!(asked("p1"), 4, "at once, and after 1, 4 and 16 minutes");
        assert_eq!(asked("others"), 4, "whether it is only this one");
        assert_eq!(one.world.calls("refresh").len(), 0, "grants of this age are not refreshed");
        one.pass(60 * MINUTE, MINUTE).await;
        assert_eq!((asked("p1"), asked("others")), (4, 4), "what has ended is not asked about");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trouble_that_somebody_saw_is_looked_after_until_it_has_passed() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        for health in [Health::Down, Health::RefusesAll, Health::AppDeactivated] {
            one.world.set(health);
            let status = one.connections.check(&owner("ada")).await.expect("it checks");
            assert_eq!(status.state, State::Degraded, "{status:?}");
            one.world.set(Health::Fine);
            one.pass(3 * MINUTE, MINUTE).await;
            let now = one.now(linked.id).await;
            assert_eq!(now.standing, Standing::CONNECTED);
            let due = now.next_refresh_at.expect("a due time");
            assert!(
                due >= linked.next_refresh_at.expect("a due time"),
                "the refresh is due as before: {due}"
            );
        }
        assert_eq!(one.world.calls("refresh").len(), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_long_trouble_looks_become_rare() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        one.link("ada").await;
        one.world.set(Health::Down);
        one.connections.check(&owner("ada")).await.expect("it checks");
        one.pass(5 * DAY, 10 * MINUTE).await;
        let looks = one.world.calls("identify").len();
        assert!((5..=20).contains(&looks), "{looks}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deactivated_app_is_asked_about_now_and_then_and_recovers() {
    on_each_engine(async |db| {
        let (one, _) = five_hundred_due(db).await;
        one.world.set(Health::AppDeactivated);
        one.tick().await;
        // Enough to know; the others need not be asked.
        let misconfigured = count(&one, Reason::AppMisconfigured.into()).await;
        assert!((10..=40).contains(&misconfigured), "{misconfigured}");
        one.pass(3 * 60 * MINUTE, MINUTE).await;
        let before = one.world.calls("refresh").len();
        one.pass(60 * MINUTE, MINUTE).await;
        let canaries = one.world.calls("refresh").len() - before;
        assert!((1..=10).contains(&canaries), "{canaries} canaries in an hour");
        one.world.set(Health::Fine);
        one.pass(35 * MINUTE, MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_asked_about_now_and_then_and_not_once_per_connection() {
    on_each_engine(async |db| {
        let (one, _) = five_hundred_due(db).await;
        one.world.set(Health::Down);
        one.pass(24 * 60 * MINUTE, 5 * MINUTE).await;
        let calls = one.world.calls("refresh").len();
        assert!((30..=200).contains(&calls), "{calls} calls in a day");
        one.world.set(Health::Fine);
        one.pass(35 * MINUTE, 5 * MINUTE).await;
        // All but the few that were asked so often that they wait for a while.
        assert!(count(&one, Standing::CONNECTED).await >= 480);
        one.pass(DAY, 5 * MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 500);
    })
    .await;
}

/// With so few, how the others fare tells nothing.
#[tokio::test(flavor = "multi_thread")]
async fn among_few_an_unexplained_no_is_believed_when_it_is_said_again_a_minute_later() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        one.world.set(Health::RefusesAll);
        one.tick().await;
        assert_eq!(
            one.now(id).await.standing,
            Reason::RefreshFailing.into(),
            "two calls at once are one sign"
        );
        one.world.set(Health::Fine);
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED, "it was a blip");

        one.clock.advance(32 * DAY);
        one.world.spoil("ada");
        one.tick().await;
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(id).await.standing, Reason::TokenInvalid.into());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_among_grants_too_young_to_be_renewed_tells_nobody_to_reconnect() {
    on_each_engine(async |db| {
        for users in [8, 40] {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
            let who = |number: usize| format!("of{users}-{number}");
            for number in 0..60 {
                one.link(&who(number)).await;
            }
            one.clock.advance(2 * MINUTE);
            // Some look for themselves, again and again; the worker looks after whom they saw in
            // trouble.
            one.world.set(Health::RefusesAll);
            for _ in 0..90 {
                for number in 0..users {
                    one.connections.check(&owner(&who(number))).await.expect("it checks");
                }
                one.pass(MINUTE, MINUTE).await;
                assert_eq!(told_to_reconnect(&one).await, 0, "{users} of 60 look");
            }
            assert!(count(&one, Reason::ProviderIncident.into()).await >= 10, "it is seen as what it is");
            one.world.set(Health::Fine);
            one.pass(120 * MINUTE, MINUTE).await;
            assert_eq!(told_to_reconnect(&one).await, 0);
            for number in 0..60 {
                let status = one.connections.status(&owner(&who(number))).await.expect("it answers");
                assert_eq!((status.state, status.reason), (State::Connected, None), "{}", who(number));
            }
            assert_eq!(one.world.calls("refresh").len(), 0);
        }
    })
    .await;
}

/// A hundred that come due in the course of one day.
async fn a_hundred_in_a_day(db: &TestDb) -> Replica {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
    for number in 0..100 {
        one.link(&format!("p{number}")).await;
        one.clock.advance(14 * MINUTE);
    }
    one.clock.advance(29 * DAY);
    one
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_that_strikes_few_in_an_hour_is_seen_and_asked_about_sparingly() {
    on_each_engine(async |db| {
        let one = a_hundred_in_a_day(db).await;
        one.world.set(Health::RefusesAll);
        one.pass(20 * 60 * MINUTE, 10 * MINUTE).await;
        assert_eq!(told_to_reconnect(&one).await, 0);
        assert!(count(&one, Reason::ProviderIncident.into()).await > 0);
        let calls = one.world.calls("refresh").len() + one.world.calls("identify").len();
        assert!(calls <= 300, "{calls} calls about what a hundred of them would have been needed for");
        one.world.set(Health::Fine);
        one.pass(2 * DAY, 10 * MINUTE).await;
        assert_eq!(count(&one, Standing::CONNECTED).await, 100);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ordinary_deaths_without_a_cause_are_no_incident_and_are_told_within_a_day() {
    on_each_engine(async |db| {
        let one = a_hundred_in_a_day(db).await;
        for number in 0..12 {
            one.world.spoil(&format!("p{}", number * 8 + 3));
        }
        one.pass(DAY, 10 * MINUTE).await;
        assert_eq!(count(&one, Reason::ProviderIncident.into()).await, 0);
        one.pass(26 * 60 * MINUTE, 10 * MINUTE).await;
        assert_eq!(count(&one, Reason::TokenInvalid.into()).await, 12);
        assert_eq!(count(&one, Standing::CONNECTED).await, 88);
        let refreshes = one.world.calls("refresh").len();
        assert!(refreshes <= 88 + 12 * 8, "{refreshes} refreshes");
        let questions = one.world.calls("identify").len();
        assert!(
            (24..=refreshes + 12 * 6).contains(&questions),
            "{questions}: whose each new token is, a second opinion twice, and of others in the lulls"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_had_to_act_at_instagram_and_did_is_well_again_without_anybody_asking() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let linked = one.link("ada").await;
        one.world.set(Health::Checkpoint);
        let status = one.connections.check(&owner("ada")).await.expect("it checks");
        assert_eq!((status.state, status.reason), (State::ActionRequired, Some(Reason::Checkpoint)));
        assert!(status.next_refresh_at < linked.next_refresh_at, "it will be looked at before: {status:?}");
        one.pass(DAY, 10 * MINUTE).await;
        let looks = one.world.calls("identify").len();
        assert!((5..=12).contains(&looks), "{looks} looks in a day");
        one.world.set(Health::Fine);
        one.pass(DAY, 10 * MINUTE).await;
        let now = one.now(linked.id).await;
        assert_eq!(now.standing, Standing::CONNECTED);
        assert!(now.next_refresh_at >= linked.next_refresh_at, "the refresh is due as before");
        assert_eq!(one.world.calls("refresh").len(), 0);
    })
    .await;
}

/// Ten deaths may all be one person's, who lets them happen on purpose.
#[tokio::test(flavor = "multi_thread")]
async fn an_incident_keeps_no_account_from_who_proves_control_of_it() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let seller = one.link("sold").await.id;
        for number in 0..50 {
            one.link(&format!("p{number}")).await;
        }
        one.clock.advance(2 * DAY);
        for number in 0..11 {
            one.world.kill_all_of(&format!("p{number}"));
            one.connections.check(&owner(&format!("p{number}"))).await.expect("it checks");
        }
        assert_eq!(count(&one, Reason::ProviderIncident.into()).await, 11);
        one.world.kill_all_of("sold");
        let (attempt, completion) = one.come_back_with("buyer", World::code_of("sold")).await;
        one.connections.complete(&owner("buyer"), attempt, &completion).await.expect("the account is theirs");
        assert_eq!(one.now(seller).await.standing, Reason::AccountMoved.into());
        assert_eq!(count(&one, Reason::ProviderIncident.into()).await, 11, "nobody else's state is touched");
    })
    .await;
}
