//! What Instagram hands out at a connect is kept where the database is away when it arrives: the
//! code that brought it is spent.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use holdfast::clock::{Clock as _, before};
use holdfast::connection::State;
use holdfast::connection::attempt::AttemptStage;
use holdfast::connections::ServiceError;
use holdfast::connections::complete::CompleteError;
use holdfast::worker::replay_journal;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{Health, RefreshEffect, World};
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::waiting::until;

/// The calls of a connect that bring a token.
const CALLS: [&str; 2] = ["redeem", "extend"];

/// How long an attempt is open.
const LIFETIME: Duration = Duration::from_mins(10);
/// So much before its end it is completed late, and Instagram takes longer to answer.
const LATE: Duration = Duration::from_secs(2);

/// The database goes away while Instagram answers, so that the answer is the only copy of what it
/// brings. The attempt is completed `age` after it began.
async fn lose_the_database_after(
    call: &'static str,
    age: Duration,
    db: &TestDb,
    world: &Arc<World>,
    journal: &Path,
) -> (Uuid, SecretString) {
    let one = Replica::new(call, db.replica().await, &db.clock, world, Some(journal));
    let (attempt, completion) = one.come_back("ada").await;
    db.clock.advance(age);
    let store = one.store.clone();
    world.after(call, move |_| {
        let store = store.clone();
        async move { store.close().await }.boxed()
    });
    let away = one.connections.complete(&owner("ada"), attempt, &completion).await;
    assert!(matches!(away, Err(CompleteError::Service(ServiceError::Store(_)))), "{away:?}");
    world.no_hook();
    let [file] = &files(journal)[..] else { panic!("{:?}", files(journal)) };
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains("token-"));
    (attempt, completion)
}

fn files(journal: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(journal).unwrap().map(|each| each.unwrap().path()).collect()
}

async fn is_connected(again: &Replica, world: &World, journal: &Path) {
    assert_eq!((world.calls("redeem").len(), world.calls("extend").len()), (1, 1), "each asked once");
    assert_eq!(files(journal), [] as [PathBuf; 0]);
    assert!(world.is_alive(&again.token("ada").await.expect("a grant")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_while_a_token_arrives_leaves_nothing_behind() {
    on_each_engine(async |db| {
        for call in CALLS {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let journal = db.directory.path().join(call);
            let one = Replica::new(call, db.store.clone(), &db.clock, &world, Some(&journal));
            let (attempt, completion) = one.come_back("ada").await;
            let connections = one.connections.clone();
            world.after(call, move |_| {
                let connections = connections.clone();
                async move { drop(connections.disconnect(&owner("ada")).await.expect("it disconnects")) }
                    .boxed()
            });
            let over = one.connections.complete(&owner("ada"), attempt, &completion).await;
            assert!(matches!(over, Err(CompleteError::Expired)), "{over:?}");
            world.no_hook();
            assert_eq!(files(&journal), [] as [PathBuf; 0], "{call}: nobody wants it any more");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_complete_goes_on_at_once_from_what_the_database_could_not_take() {
    on_each_engine(async |db| {
        for call in CALLS {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let journal = db.directory.path().join(call);
            let (attempt, completion) =
                lose_the_database_after(call, Duration::ZERO, db, &world, &journal).await;
            let name = format!("again-{call}");
            let again = Replica::new(&name, db.store.clone(), &db.clock, &world, Some(&journal));
            let early = again.connections.complete(&owner("ada"), attempt, &"A".repeat(43).into()).await;
            assert!(matches!(early, Err(CompleteError::WrongCompletion)), "{early:?}");
            assert_eq!(files(&journal).len(), 1, "whoever proves nothing moves nothing");
            let status = again.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
            assert_eq!(status.state, State::Connected, "{call}");
            is_connected(&again, &world, &journal).await;
            again.connections.disconnect(&owner("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_goes_on_from_what_the_database_could_not_take_however_long_it_was_away() {
    on_each_engine(async |db| {
        for call in CALLS {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let journal = db.directory.path().join(call);
            let (attempt, completion) =
                lose_the_database_after(call, Duration::ZERO, db, &world, &journal).await;
            let name = format!("again-{call}");
            let again = Replica::new(&name, db.store.clone(), &db.clock, &world, Some(&journal));
            // Longer than an attempt stays open.
            again.clock.advance(40 * MINUTE);
            again.tick().await;
            is_connected(&again, &world, &journal).await;
            let status = again.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
            assert_eq!(status.state, State::Connected, "{call}");
            again.connections.disconnect(&owner("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_does_not_send_a_spent_code_before_the_first_could_store_what_it_brought() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let journal = db.directory.path().join("journal");
        lose_the_database_after("redeem", Duration::ZERO, db, &world, &journal).await;
        let elsewhere = db.directory.path().join("elsewhere");
        let other = Replica::new("other", db.store.clone(), &db.clock, &world, Some(&elsewhere));
        other.pass(2 * MINUTE, MINUTE / 4).await;
        assert_eq!(world.calls("redeem").len(), 1);
        let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&journal));
        again.tick().await;
        is_connected(&again, &world, &journal).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_one_servers_journal_is_not_expired_by_another() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let journal = db.directory.path().join("journal");
        lose_the_database_after("redeem", LIFETIME - LATE, db, &world, &journal).await;
        let elsewhere = db.directory.path().join("elsewhere");
        let other = Replica::new("other", db.store.clone(), &db.clock, &world, Some(&elsewhere));
        other.pass(2 * MINUTE, MINUTE / 4).await;
        let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&journal));
        again.tick().await;
        is_connected(&again, &world, &journal).await;
    })
    .await;
}

/// Comes back as Ada. Unless the code itself is to be sent late, an earlier try has left a
/// short-lived token. The attempt ends [`LATE`] from now.
async fn nearly_expired(call: &str, one: &Replica, world: &Arc<World>) -> (Uuid, SecretString) {
    let (attempt, completion) = one.come_back("ada").await;
    if call == "redeem" {
        one.clock.advance(LIFETIME - LATE);
    } else {
        let down = world.clone();
        world.after("redeem", move |_| {
            down.set(Health::Down);
            async {}.boxed()
        });
        let waits = tokio::spawn({
            let (connections, completion) = (one.connections.clone(), completion.clone());
            async move { connections.complete(&owner("ada"), attempt, &completion).await }
        });
        // It asks a second time after a pause.
        until("it waits", async || {
            one.clock.advance(Duration::from_millis(100));
            waits.is_finished()
        })
        .await;
        let waits = waits.await.unwrap();
        assert!(matches!(waits, Err(CompleteError::Waits { .. })), "{waits:?}");
        world.no_hook();
        world.set(Health::Fine);
        let ends_at = one.store.attempt(attempt).await.unwrap().unwrap().expires_at;
        one.clock.set(before(ends_at, LATE));
    }
    (attempt, completion)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_on_its_way_when_time_runs_out_is_used() {
    on_each_engine(async |db| {
        for call in CALLS {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let one = Replica::new(call, db.store.clone(), &db.clock, &world, None);
            let other = Arc::new(Replica::new("other", db.store.clone(), &db.clock, &world, None));
            let (attempt, completion) = nearly_expired(call, &one, &world).await;
            let parallel = (other.clone(), completion.clone());
            world.after(call, move |_| {
                let (other, completion) = parallel.clone();
                async move {
                    other.clock.advance(2 * LATE);
                    other.tick().await;
                    assert_eq!(
                        other.connections.status(&owner("ada")).await.unwrap().state,
                        State::Connecting
                    );
                    // Somebody else who completes it is neither told that it is over nor ends it.
                    let second = tokio::spawn({
                        let other = other.clone();
                        async move { other.connections.complete(&owner("ada"), attempt, &completion).await }
                    });
                    // In steps, so that its claim does not run out.
                    while !second.is_finished() {
                        other.clock.advance(Duration::from_millis(100));
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    let second = second.await.unwrap();
                    assert!(matches!(second, Err(CompleteError::InProgress { .. })), "{second:?}");
                }
                .boxed()
            });
            let status = one.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
            assert_eq!(status.state, State::Connected, "{call}");
            one.connections.disconnect(&owner("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_no_process_could_link_in_time_gets_one_last_try() {
    on_each_engine(async |db| {
        for (health, state) in [(Health::Fine, State::Connected), (Health::Down, State::NotConnected)] {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let name = format!("{health:?}");
            let one = Replica::new(&name, db.store.clone(), &db.clock, &world, None);
            let (attempt, completion) = one.come_back("ada").await;
            let down = world.clone();
            world.after("extend", move |_| {
                down.set(Health::Down);
                async {}.boxed()
            });
            let ada = owner("ada");
            let work = one.connections.complete(&ada, attempt, &completion);
            // Ended in the pause before it asks a second time whose the grant is.
            tokio::select! {
                done = work => panic!("{done:?}"),
                () = until("it asks", async || world.calls("identify").len() == 1) => {}
            }
            world.no_hook();
            world.set(health);
            // Nobody was there for days.
            db.clock.advance(3 * DAY);
            let again = Replica::new("again", db.store.clone(), &db.clock, &world, None);
            let has_ticked = AtomicBool::new(false);
            let tick = async {
                again.tick().await;
                has_ticked.store(true, Ordering::SeqCst);
            };
            let time = until("it has ticked", async || {
                db.clock.advance(Duration::from_millis(100));
                has_ticked.load(Ordering::SeqCst)
            });
            tokio::join!(tick, time);
            let attempt = again.store.attempt(attempt).await.unwrap().unwrap();
            assert_eq!((attempt.stage, attempt.sealed), (AttemptStage::Closed, None));
            assert_eq!(again.connections.status(&owner("ada")).await.unwrap().state, state);
            again.connections.disconnect(&owner("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_worker_stores_what_it_journaled_and_another_ones_worker_goes_on() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let journal = db.directory.path().join("journal");
        lose_the_database_after("redeem", Duration::ZERO, db, &world, &journal).await;
        let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&journal));
        let stop = CancellationToken::new();
        let stopping = stop.clone();
        let storing = tokio::spawn(replay_journal(again.connections.clone(), again.clock.clone(), stopping));
        until("it is stored", async || files(&journal).is_empty()).await;
        stop.cancel();
        storing.await.unwrap();
        let elsewhere = db.directory.path().join("elsewhere");
        let other = Replica::new("other", db.store.clone(), &db.clock, &world, Some(&elsewhere));
        other.tick().await;
        is_connected(&other, &world, &journal).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_for_an_attempt_connects_nobody_who_has_ended_it() {
    on_each_engine(async |db| {
        for call in CALLS {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let journal = db.directory.path().join(call);
            let (attempt, completion) =
                lose_the_database_after(call, Duration::ZERO, db, &world, &journal).await;
            let name = format!("again-{call}");
            let again = Replica::new(&name, db.store.clone(), &db.clock, &world, Some(&journal));
            again.connections.disconnect(&owner("ada")).await.unwrap();
            assert_eq!(files(&journal), [] as [PathBuf; 0], "gone when it answers");
            again.tick().await;
            let ended = again.connections.complete(&owner("ada"), attempt, &completion).await;
            assert!(matches!(ended, Err(CompleteError::Expired)), "{ended:?}");
            assert_eq!(again.token("ada").await, None);
        }
    })
    .await;
}

/// The message reaches a replica that cannot see the token.
#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_holds_against_a_token_in_another_servers_journal() {
    on_each_engine(async |db| {
        for (call, code) in CALLS.into_iter().zip(0..) {
            let world = World::new(RefreshEffect::BothValid, db.clock.clone());
            let journal = db.directory.path().join(call);
            let (attempt, completion) =
                lose_the_database_after(call, Duration::ZERO, db, &world, &journal).await;
            let other = Replica::new(&format!("other-{call}"), db.store.clone(), &db.clock, &world, None);
            db.clock.advance(MINUTE / 2);
            let issued_at = Some(db.clock.now());
            db.clock.advance(MINUTE / 2);
            let deletion = other.connections.delete_account_data("ada", issued_at, code).await.unwrap();
            assert!(deletion.completed_at.is_some());

            let again =
                Replica::new(&format!("a-{call}"), db.store.clone(), &db.clock, &world, Some(&journal));
            again.tick().await;
            assert_eq!(files(&journal), [] as [PathBuf; 0]);
            assert_eq!(again.token("ada").await, None, "{call}");
            let ended = again.connections.complete(&owner("ada"), attempt, &completion).await;
            assert!(matches!(ended, Err(CompleteError::Expired)), "{ended:?}");
            // What is consented to since then is another matter.
            let (attempt, completion) = again.come_back_with("ada", World::code("ada", 1)).await;
            let status = again.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
            assert_eq!(status.state, State::Connected, "{call}");
            again.connections.disconnect(&owner("ada")).await.unwrap();
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_from_before_does_not_hold_against_a_journaled_token() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let journal = db.directory.path().join("journal");
        let issued_at = Some(db.clock.now());
        db.clock.advance(MINUTE);
        lose_the_database_after("redeem", Duration::ZERO, db, &world, &journal).await;
        let other = Replica::new("other", db.store.clone(), &db.clock, &world, None);
        other.connections.delete_account_data("ada", issued_at, 1).await.unwrap();
        let again = Replica::new("again", db.store.clone(), &db.clock, &world, Some(&journal));
        again.tick().await;
        is_connected(&again, &world, &journal).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_cannot_be_written_keeps_nobody_from_connecting() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        // A file stands where the directory should be.
        let taken = db.directory.path().join("journal");
        std::fs::write(&taken, "").unwrap();
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, Some(&taken));
        let (attempt, completion) = one.come_back("ada").await;
        let status = one.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
        assert_eq!(status.state, State::Connected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_open_is_not_taken_for_a_token() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let journal = db.directory.path().join("journal");
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, Some(&journal));
        let (attempt, completion) = one.come_back("ada").await;
        std::fs::create_dir(&journal).unwrap();
        let junk = journal.join(format!("{attempt}-short_granted.grant"));
        let record = serde_json::json!({
            "attempt_id": attempt, "user_id": owner("ada").as_str(), "stage": "short_granted", "blob": "AAAA",
        });
        std::fs::write(&junk, record.to_string()).unwrap();
        one.tick().await;
        let status = one.connections.complete(&owner("ada"), attempt, &completion).await.unwrap();
        assert_eq!(status.state, State::Connected, "the code is still good");
        one.tick().await;
        is_connected(&one, &world, &journal).await;
    })
    .await;
}
