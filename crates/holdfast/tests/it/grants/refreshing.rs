//! Refreshing, in each of the three worlds: when, how often, and what wins if something else
//! happens meanwhile.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt as _;
use holdfast::clock::{Clock as _, ManualClock, after, before};
use holdfast::connection::{Connection, Reason, Standing, State};
use holdfast::connections::complete::CompleteError;
use holdfast::connections::refresh::{Refreshed, Skip};

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{EFFECTS, Health, RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::waiting::until;

fn replica(db: &TestDb, effect: RefreshEffect) -> Replica {
    let world = World::new(effect, db.clock.clone());
    Replica::new("one", db.store.clone(), &db.clock, &world, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_untouched_connection_lives_for_years_in_each_world() {
    on_each_engine(async |db| {
        for effect in EFFECTS {
            let one = replica(db, effect);
            let name = format!("ada{effect:?}").to_lowercase();
            let id = one.link(&name).await.id;
            for _ in 0..24 {
                one.clock.advance(34 * DAY);
                one.tick().await;
                let token = one.token(&name).await.expect("a grant to use");
                assert!(one.world.is_alive(&token), "{effect:?}");
            }
            assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
            let calls = one.world.calls("refresh");
            let own = calls.iter().filter(|call| call.account.as_deref() == Some(&name)).count();
            assert_eq!(own, 24, "one call per refresh in {effect:?}");
            assert_eq!(
                one.store.sealed_grants(id).await.unwrap().len(),
                2,
                "the one in use and the one before"
            );
        }
    })
    .await;
}

/// What is asked of Instagram after a refresh has no part in whether it is stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_is_stored_has_succeeded() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::OldDead);
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let store = one.store.clone();
        one.world.after("identify", move |_| {
            let store = store.clone();
            async move { store.close().await }.boxed()
        });
        let lease = one.store.claim(id, "one", one.clock.now(), 3 * MINUTE).await.expect("it answers");
        let refreshed = one.connections.refresh(&lease.expect("a lease")).await;
        assert_eq!(one.world.calls("identify").len(), 1);
        assert!(matches!(refreshed, Ok(Refreshed::Renewed)), "{refreshed:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_not_refreshed_before_it_is_due_nor_below_the_minimum_age() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let ada = one.link("ada").await;
        one.clock.advance(Duration::from_mins(30 * 24 * 60 - 1));
        one.tick().await;
        assert_eq!(one.world.calls("refresh"), []);
        // Somebody wants it at once, but it is too young.
        one.relink(ada.id, "ada").await;
        db.execute("UPDATE connections SET next_refresh_at = 1").await;
        one.tick().await;
        assert_eq!(one.world.calls("refresh"), []);
        assert_eq!(one.now(ada.id).await.next_refresh_at, Some(holdfast::clock::after(one.clock.now(), DAY)));
        one.clock.advance(DAY);
        one.tick().await;
        assert_eq!(one.world.calls("refresh").len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_find_no_place_here_say_nothing_of_instagram() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let ada = one.link("ada").await;
        let (attempt, completion) = one.come_back("grace").await;
        one.world.set(Health::Crowded);
        let (connections, completion) = (one.connections.clone(), completion.clone());
        let waits =
            tokio::spawn(async move { connections.complete(&owner("grace"), attempt, &completion).await });
        // It asks a second time after a pause.
        until("it waits", async || {
            one.clock.advance(Duration::from_millis(100));
            waits.is_finished()
        })
        .await;
        let waits = waits.await.unwrap();
        assert!(matches!(waits, Err(CompleteError::Crowded { .. })), "{waits:?}");
        one.clock.advance(34 * DAY);
        let due = one.now(ada.id).await;
        for _ in 0..20 {
            one.tick().await;
            one.connections.check(&owner("ada")).await.expect("it answers");
            one.clock.advance(MINUTE);
        }
        let Connection { version, standing, next_refresh_at, failures, suspicion, .. } =
            one.now(ada.id).await;
        assert_eq!((version, standing, next_refresh_at), (due.version, due.standing, due.next_refresh_at));
        assert_eq!((failures, suspicion), (0, None));
        assert!(one.world.calls("refresh").len() >= 20, "it is tried again");
        assert_eq!(one.connections.provider_allows(32), 32, "nobody rests for it");
        one.world.set(Health::Fine);
        one.tick().await;
        assert!(one.now(ada.id).await.version > due.version, "it is refreshed");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_while_a_refresh_is_under_way_wins() {
    on_each_engine(async |db| {
        let one = Arc::new(replica(db, RefreshEffect::OldDead));
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let connections = one.connections.clone();
        one.world.after_refresh(move |_| {
            let connections = connections.clone();
            async move { drop(connections.disconnect(&owner("ada")).await.expect("it disconnects")) }.boxed()
        });
        one.tick().await;
        assert_eq!(one.world.calls("refresh").len(), 1);
        assert_eq!(one.now(id).await.standing.state(), State::NotConnected);
        assert_eq!(one.store.sealed_grants(id).await.unwrap(), []);
        one.world.no_hook();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_while_a_refresh_is_under_way_wins() {
    on_each_engine(async |db| {
        let one = Arc::new(replica(db, RefreshEffect::BothValid));
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let (weak, clock) = (Arc::downgrade(&one), one.clock.clone());
        one.world.after_refresh(move |_| {
            let one = weak.upgrade().expect("the test runs");
            clock.advance(Duration::from_secs(1));
            async move { drop(one.relink(id, "ada").await) }.boxed()
        });
        one.tick().await;
        let now = one.now(id).await;
        assert_eq!(now.linked_at, Some(one.clock.now()));
        assert_eq!(
            one.token("ada").await.as_deref(),
            Some("IGAA-token-of-account-ada-3"),
            "the person's, not the worker's"
        );
        one.world.no_hook();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_comes_after_the_lease_was_lost_is_kept_all_the_same() {
    on_each_engine(async |db| {
        let one = Arc::new(replica(db, RefreshEffect::OldDead));
        let two = Arc::new(Replica::new("two", db.replica().await, &db.clock, &one.world, None));
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let (other, clock) = (two.clone(), one.clock.clone());
        one.world.after_refresh(move |_| {
            clock.advance(5 * MINUTE);
            let other = other.clone();
            // Believes that the first has died, and is refused with the token that is dead by now.
            async move {
                other.tick().await;
            }
            .boxed()
        });
        one.tick().await;
        one.world.no_hook();
        assert_eq!(one.world.calls("refresh").len(), 2);
        let now = one.now(id).await;
        assert_eq!((now.standing, now.suspicion), (Standing::CONNECTED, None));
        assert!(one.world.is_alive(&one.token("ada").await.unwrap()));
        two.store.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_grant_that_never_worked_is_rolled_back() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let id = one.link("ada").await.id;
        let first = one.token("ada").await.unwrap();
        one.clock.advance(31 * DAY);
        one.tick().await;
        let second = one.token("ada").await.unwrap();
        assert_ne!(first, second);
        one.world.kill(&second);
        one.connections.check(&owner("ada")).await.unwrap();
        let now = one.now(id).await;
        assert_eq!(now.standing, Standing::CONNECTED);
        assert_eq!(one.token("ada").await.unwrap(), first);
        // And is refreshed soon, being old.
        one.clock.advance(60 * MINUTE);
        one.tick().await;
        assert!(one.world.is_alive(&one.token("ada").await.unwrap()));
        assert_ne!(one.token("ada").await.unwrap(), first);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_seen_by_the_worker_is_believed_after_a_second_look() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let id = one.link("ada").await.id;
        // As many as an incident needs: only among them could one be told.
        for other in 0..9 {
            one.link(&format!("other{other}")).await;
        }
        one.clock.advance(31 * DAY);
        one.world.kill_all_of("ada");
        one.tick().await;
        let held = one.now(id).await;
        assert_eq!(held.standing, Reason::RefreshFailing.into());
        assert!(held.suspicion.is_some());
        one.pass(2 * MINUTE, MINUTE).await;
        assert_eq!(one.now(id).await.standing, Reason::Revoked.into());
        let of_ada = one.world.calls("refresh").into_iter().filter(|call| call.token.contains("-ada-"));
        assert_eq!(of_ada.count(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn among_a_few_connections_a_stated_death_is_believed_at_once() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        one.world.kill_all_of("ada");
        one.tick().await;
        assert_eq!(one.now(id).await.standing, Reason::Revoked.into());
        assert_eq!(one.world.calls("refresh").len(), 1);
        // What Instagram said is for the operator, who meets it nowhere else.
        let history = one.connections.history(&owner("ada"), None, 9).await.expect("it answers").entries;
        assert!(history[0].detail.as_deref().is_some_and(|said| !said.is_empty()), "{history:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_broken_row_does_not_stop_the_others() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let broken = one.link("broken").await.id;
        let empty = one.link("empty").await.id;
        let ada = one.link("ada").await.id;
        let grants = format!("UPDATE grants SET version = 99 WHERE connection_id = '{empty}'");
        db.execute(&grants).await;
        let cast = match db.engine {
            crate::testing::database::Engine::Sqlite => "X'00'",
            crate::testing::database::Engine::Postgres => "'\\x00'::bytea",
        };
        db.execute(&format!("UPDATE grants SET blob = {cast} WHERE connection_id = '{broken}'")).await;
        one.clock.advance(31 * DAY);
        assert_eq!(one.tick().await.renewed, 1);
        assert!(one.now(ada).await.next_refresh_at > Some(holdfast::clock::after(one.clock.now(), 29 * DAY)));
        for id in [broken, empty] {
            let now = one.now(id).await;
            assert_eq!((now.standing, now.next_refresh_at), (Reason::GrantUnreadable.into(), None));
            assert!(now.grant.is_some(), "what is damaged may be put right");
        }
        let grants = format!("UPDATE grants SET version = 1 WHERE connection_id = '{empty}'");
        db.execute(&grants).await;
        one.clock.advance(Duration::from_mins(1));
        assert_eq!(one.tick().await.renewed, 1, "it is taken up again, and was due");
        assert_eq!(one.now(empty).await.standing, Standing::CONNECTED);
        assert_eq!(one.now(broken).await.standing, Reason::GrantUnreadable.into());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_nearly_all_the_time_that_is_left_is_survived() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::OldDead);
        let id = one.link("ada").await.id;
        one.clock.advance(30 * DAY);
        one.world.set(Health::Down);
        one.pass(29 * DAY + DAY / 2, DAY / 24 / 4).await;
        assert_eq!(one.now(id).await.standing, Reason::RefreshFailing.into());
        let tries = one.world.calls("refresh").len();
        assert!((80..200).contains(&tries), "{tries} tries in 29 days");
        one.world.set(Health::Fine);
        one.pass(DAY / 24, MINUTE).await;
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_budget_pauses_the_worker() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        for number in 0..50 {
            one.link(&format!("p{number}")).await;
        }
        one.clock.advance(31 * DAY);
        one.world.use_up(100);
        one.tick().await;
        let first = one.world.calls("refresh").len();
        assert!(first <= 32, "{first} calls");
        one.tick().await;
        assert_eq!(one.world.calls("refresh").len(), first);
        one.world.use_up(10);
        one.clock.advance(5 * MINUTE);
        one.tick().await;
        assert_eq!(one.world.calls("refresh").len(), 50);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deauthorization_from_before_the_link_makes_us_ask_what_holds() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let id = one.link("ada").await.id;
        let earlier = Some(one.clock.now() - MINUTE);
        assert_eq!(one.connections.deauthorized("ada", earlier).await.expect("it answers"), 1);
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        assert_eq!(one.world.calls("identify").len(), 1);
        one.clock.advance(MINUTE);
        one.world.kill_all_of("ada");
        one.connections.deauthorized("ada", earlier).await.expect("it answers");
        assert_eq!(one.now(id).await.standing, Reason::Revoked.into());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_was_called_lost_and_opens_all_the_same_lives_again() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let id = one.link("ada").await.id;
        db.execute("UPDATE connections SET state = 'reconnect_required', reason = 'key_lost', next_refresh_at = NULL")
            .await;
        one.connections.check(&owner("ada")).await.expect("it answers");
        let now = one.now(id).await;
        assert_eq!(now.standing, Standing::CONNECTED);
        // It is kept alive, but not refreshed before its time.
        assert!(now.next_refresh_at.is_some_and(|at| at >= holdfast::clock::after(one.clock.now(), 29 * DAY)));
    })
    .await;
}

/// Nobody knows all that may be wrong with a refresh alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_alone_is_refused_ends_nothing() {
    on_each_engine(async |db| {
        for people in [1, 20] {
            let one = replica(db, RefreshEffect::BothValid);
            let name = |number: usize| format!("of{people}-{number}");
            let mut all = Vec::new();
            for number in 0..people {
                all.push(one.link(&name(number)).await.id);
            }
            one.clock.advance(31 * DAY);
            one.world.refuse_refreshes_of(&name(0));
            // The first time, whose the grant is cannot be asked either.
            one.world.set(Health::Down);
            one.tick().await;
            one.world.set(Health::Fine);
            one.pass(2 * DAY, 20 * MINUTE).await;
            let now = one.now(all[0]).await;
            assert_eq!(now.standing, Reason::RefreshFailing.into(), "{people} people");
            assert!(one.world.is_alive(&one.token(&name(0)).await.expect("a grant")));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_that_was_only_assumed_ends_no_grant_that_works() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::OldDead);
        let ada = one.link("ada").await;
        one.world.name_no_lifetimes();
        one.pass(59 * DAY, 12 * 60 * MINUTE).await;
        assert!(!one.world.calls("refresh").is_empty());
        assert_eq!(one.now(ada.id).await.grant.unwrap().expires_at, ada.grant.unwrap().expires_at);
        one.clock.set(before(ada.grant.unwrap().expires_at, 2 * MINUTE));
        one.tick().await;
        // Steadily, so that the clock is not doubted.
        one.pass(10 * MINUTE, MINUTE).await;
        assert_eq!(one.now(ada.id).await.standing, Standing::CONNECTED);
        assert!(one.world.is_alive(&one.token("ada").await.expect("a grant")));
        // While Instagram cannot be asked, nothing ends.
        for trouble in [Health::Down, Health::AppDeactivated] {
            one.world.set(trouble);
            one.pass(DAY, 20 * MINUTE).await;
            let stored = one.now(ada.id).await;
            assert!(stored.standing.state().is_alive(), "{trouble:?}");
            let told = one.connections.status(&owner("ada")).await.expect("it answers");
            assert_eq!((told.state, told.reason), (State::Degraded, stored.standing.reason()));
            one.world.set(Health::Fine);
            one.pass(DAY, 20 * MINUTE).await;
            assert_eq!(one.now(ada.id).await.standing, Standing::CONNECTED, "{trouble:?}");
        }
        // Once it does not work, it ends.
        one.world.kill_all_of("ada");
        one.pass(3 * DAY, 30 * MINUTE).await;
        assert_eq!(one.now(ada.id).await.standing.state(), State::ReconnectRequired);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_turns_an_expiry_into_an_end() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::OldDead);
        let (assumed, named) = (one.link("ada").await.id, one.link("bob").await.id);
        one.clock.advance(31 * DAY);
        one.world.refuse_refreshes_of("bob");
        one.world.name_no_lifetimes();
        one.tick().await;
        one.clock.advance(30 * DAY);
        // Before any worker has come by.
        let before = [one.now(assumed).await, one.now(named).await];
        for name in ["ada", "bob"] {
            one.connections.history(&owner(name), None, 9).await.expect("it answers");
        }
        assert_eq!([one.now(assumed).await, one.now(named).await], before);
        let told = async |name| {
            let status = one.connections.status(&owner(name)).await.expect("it answers");
            (status.state, status.reason)
        };
        assert_eq!(told("ada").await, (State::Connected, None), "Instagram has not been asked");
        assert_eq!(told("bob").await, (State::ReconnectRequired, Some(Reason::Expired)));
        // A check that a person asks for reaches Instagram.
        let asked = one.world.calls("identify").len();
        one.connections.check(&owner("ada")).await.expect("it answers");
        assert_eq!(one.world.calls("identify").len(), asked + 1);
        one.tick().await;
        assert_eq!(told("ada").await, (State::Connected, None));
        assert!(one.world.is_alive(&one.token("ada").await.expect("a grant")));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_being_replaced_is_called_dead_by_nobody() {
    on_each_engine(async |db| {
        let one = Arc::new(replica(db, RefreshEffect::OldDead));
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let (attempt, completion) = one.come_back_with("bob", World::code_of("ada")).await;
        let during = Arc::downgrade(&one);
        one.world.after_refresh(move |_| {
            let (one, completion) = (during.upgrade().expect("the test runs"), completion.clone());
            async move {
                // The grant in use is dead by now, and the next one has not arrived.
                let status = one.connections.check(&owner("ada")).await.expect("it answers");
                assert_eq!((status.state, status.reason), (State::Connected, None));
                one.clock.advance(2 * MINUTE);
                let taken = one.connections.complete(&owner("bob"), attempt, &completion).await;
                assert!(matches!(taken, Err(CompleteError::AccountTaken)), "{taken:?}");
            }
            .boxed()
        });
        one.tick().await;
        one.world.no_hook();
        assert_eq!(one.world.calls("refresh").len(), 1);
        assert_eq!(one.world.calls("identify").len(), 4, "Ada's twice, Bob's, and the new one");
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        assert!(one.world.is_alive(&one.token("ada").await.expect("a grant")));
        let history = one.connections.history(&owner("ada"), None, 9).await.expect("it answers").entries;
        assert!(history.iter().all(|entry| entry.state == State::Connected), "{history:?}");
        // Once nobody holds it any more, a death is one.
        one.clock.advance(2 * MINUTE);
        one.world.kill_all_of("ada");
        let status = one.connections.check(&owner("ada")).await.expect("it answers");
        assert_eq!((status.state, status.reason), (State::ReconnectRequired, Some(Reason::Revoked)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_told_though_the_budget_is_spent() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let ada = one.link("ada").await;
        one.world.refuse_refreshes_of("ada");
        one.clock.advance(60 * DAY - 30 * MINUTE);
        one.link("bob").await;
        one.tick().await;
        one.world.use_up(100);
        for _ in 0..40 {
            one.clock.advance(MINUTE);
            one.connections.check(&owner("bob")).await.expect("it answers");
            one.tick().await;
        }
        assert_eq!(one.now(ada.id).await.standing, Reason::Expired.into());
    })
    .await;
}

/// More than one tick takes on, whose refreshes named no lifetime.
#[tokio::test(flavor = "multi_thread")]
async fn expiries_in_doubt_hold_up_none_that_is_certain() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        let mut in_doubt = Vec::new();
        for number in 0..40 {
            in_doubt.push(one.link(&format!("p{number}")).await.id);
        }
        one.clock.advance(31 * DAY);
        one.world.name_no_lifetimes();
        one.tick().await;
        one.clock.advance(28 * DAY + 23 * 60 * MINUTE);
        one.link("bob").await;
        let restarted = Replica::new("two", db.store.clone(), &db.clock, &one.world, None);
        one.world.use_up(100);
        let spend = async || restarted.connections.check(&owner("bob")).await.expect("it answers");
        spend().await;
        restarted.tick().await;
        let ada = one.link("ada").await;
        let soon = holdfast::clock::after(one.clock.now(), 70 * MINUTE).as_millisecond();
        db.execute(&format!("UPDATE connections SET grant_expires_at = {soon} WHERE user_id = 'user_ada'"))
            .await;
        for _ in 0..80 {
            one.clock.advance(MINUTE);
            spend().await;
            restarted.tick().await;
        }
        assert_eq!(one.now(ada.id).await.standing, Reason::Expired.into());
        for id in in_doubt {
            assert!(one.now(id).await.standing.state().is_alive());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deauthorization_that_cannot_be_looked_into_at_once_is_looked_into_soon() {
    on_each_engine(async |db| {
        let one = replica(db, RefreshEffect::BothValid);
        for (name, is_gone) in [("ada", true), ("bob", false)] {
            let id = one.link(name).await.id;
            // Without a time, just after a check; then while the app's budget is spent.
            for percent in [0, 100] {
                one.clock.advance(2 * MINUTE);
                one.world.use_up(percent);
                one.connections.check(&owner(name)).await.expect("it answers");
                one.clock.advance(if percent == 0 { MINUTE / 4 } else { 2 * MINUTE });
                one.world.use_up(0);
                let asked = one.world.calls("identify").len();
                if is_gone && percent == 100 {
                    one.world.kill_all_of(name);
                }
                one.connections.deauthorized(name, None).await.expect("it answers");
                assert_eq!(one.world.calls("identify").len(), asked, "{name}");
                assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
                one.pass(8 * MINUTE, MINUTE / 2).await;
                assert!(one.world.calls("identify").len() > asked, "{name}: it is asked");
                let ended = is_gone && percent == 100;
                let standing = if ended { Reason::Revoked.into() } else { Standing::CONNECTED };
                let now = one.now(id).await;
                assert_eq!(now.standing, standing, "{name} at {percent} %");
                assert_eq!(now.suspicion, None);
                let is_for_the_refresh = |at| at > holdfast::clock::after(one.clock.now(), DAY);
                assert!(ended || now.next_refresh_at.is_some_and(is_for_the_refresh));
            }
        }
    })
    .await;
}

/// As where its clock is ahead by more than a lease lasts.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_while_another_server_replaces_the_grant_is_no_sign_of_death() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::OldDead, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let id = one.link("ada").await.id;
        one.clock.advance(31 * DAY);
        let lease = one.store.claim(id, "one", one.clock.now(), 2 * MINUTE).await.unwrap().expect("a lease");
        let ahead = Arc::new(ManualClock::new(after(one.clock.now(), 5 * MINUTE)));
        let other = Replica::new("other", db.store.clone(), &ahead, &world, None);
        let refused = Arc::new(Mutex::new(None));
        let (first, told) = (one.connections.clone(), refused.clone());
        // The other one's refresh has ended the grant, and its answer is on the way.
        world.after_refresh(move |_| {
            let (first, told, lease) = (first.clone(), told.clone(), lease.clone());
            async move {
                let outcome = first.refresh(&lease).await.expect("it answers");
                *told.lock().unwrap() = Some(outcome);
            }
            .boxed()
        });
        assert_eq!(other.tick().await.renewed, 1);
        assert_eq!(*refused.lock().unwrap(), Some(Refreshed::Skipped(Skip::Replaced)));
        assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
        assert_eq!(db.count("SELECT COUNT(*) FROM connection_history WHERE state <> 'connected'").await, 0);
    })
    .await;
}
