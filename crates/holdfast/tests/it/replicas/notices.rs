//! What changes at one replica shows on the streams of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::clock::{ManualClock, SystemClock};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault};
use http::{Method, StatusCode};
use sqlx::Connection as _;

use crate::e2e::app::{App, Replica, SignedIn};
use crate::support::database::{Engine, Place, start_of_time};
use crate::support::events::{EventStream, Said};

/// Two seconds are promised; a machine that does other things besides may be slower.
const SOON: Duration = Duration::from_secs(20);

async fn two() -> (App, Replica) {
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
    let other = app.replica().await;
    (app, other)
}

async fn open(base: &url::Url, person: &SignedIn<'_>, last: Option<&str>) -> EventStream {
    EventStream::open(base, &person.authorization(), last).await.expect("a stream")
}

/// How long a change took to show.
async fn shown(stream: &mut EventStream, since: Instant, reason: &str) -> Duration {
    let seen = async {
        loop {
            let (_, status) = stream.status().await;
            if status["reason"] == reason {
                return since.elapsed();
            }
        }
    };
    tokio::time::timeout(SOON, seen).await.unwrap_or_else(|_| panic!("{reason} does not show"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_at_one_replica_shows_at_another() {
    let (app, other) = two().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let mut stream = open(&other.base, &ada, None).await;
    assert_eq!(stream.status().await.1["state"], "connected", "the stream begins with what holds");

    // Meta calls the first replica.
    let since = Instant::now();
    app.instagram.deauthorize("ada.makes").await.unwrap();
    let by_callback = shown(&mut stream, since, "deauthorized").await;

    ada.connect_account("ada.makes").await;
    assert_eq!(stream.state("connected").await.1["connected"], true);
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    let since = Instant::now();
    assert_eq!(ada.send(Method::POST, "/user/instagram/check", None).await.status, StatusCode::OK);
    let by_check = shown(&mut stream, since, "revoked").await;
    println!("on another replica's stream after {by_callback:?} (deauthorized), {by_check:?} (check)");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_worker_of_one_replica_finds_shows_at_another() {
    let clock = ManualClock::new(start_of_time());
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(clock.clone()), &[("HOLDFAST_REFRESH_MIN_AGE_S", "1")], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    // A replica whose worker is off: whatever shows there, another has found.
    let serving = app.replica_with(&[("HOLDFAST_WORKER", "off")]).await;
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    clock.advance(Duration::from_hours(24 * 32));
    let mut stream = open(&serving.base, &ada, None).await;
    // A worker that has just been told of something rests for a second first.
    let ticking = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            clock.advance(Duration::from_secs(2));
        }
    };
    let since = Instant::now();
    tokio::select! {
        found = shown(&mut stream, since, "revoked") => println!("found by the worker and shown after {found:?}"),
        () = ticking => {}
    }
    assert_eq!(app.instagram.call_counts()[&Endpoint::Refresh], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_was_away_misses_nothing() {
    let (app, other) = two().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let mut stream = open(&other.base, &ada, None).await;
    let (last, _) = stream.status().await;
    drop(stream);
    app.instagram.deauthorize("ada.makes").await.unwrap();
    let mut stream = open(&other.base, &ada, Some(&last)).await;
    let (last, missed) = stream.status().await;
    assert_eq!(missed["reason"], "deauthorized", "what changed meanwhile comes first");
    drop(stream);
    // Back again, at the other replica, with nothing missed: only what is new is told.
    let mut stream = open(&app.base, &ada, Some(&last)).await;
    let told = ada.connect_account("ada.makes").await;
    let (_, first) = stream.status().await;
    assert_ne!(first, missed, "what the client knows is not repeated");
    assert_eq!(stream.state("connected").await.1["version"], told["version"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn notices_resume_when_the_listener_was_killed_and_what_was_missed_is_shown() {
    let (app, other) = two().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let mut stream = open(&other.base, &ada, None).await;
    stream.status().await;
    let url = app.environment.iter().find(|(name, _)| name == "HOLDFAST_DATABASE_URL").unwrap().1.clone();
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    for round in 0..3 {
        // Every listener dies; the change comes at once after, while nobody may be listening.
        let killed = sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%' AND pid <> pg_backend_pid()",
        )
        .fetch_all(&mut admin)
        .await
        .unwrap();
        assert_eq!(killed.len(), 2, "round {round}: each replica has one listener");
        let since = Instant::now();
        app.instagram.deauthorize("ada.makes").await.unwrap();
        let took = shown(&mut stream, since, "deauthorized").await;
        println!("round {round}: shown {took:?} after the listeners died");
        ada.connect_account("ada.makes").await;
        stream.state("connected").await;
        wait_for_listeners(&mut admin).await;
    }
}

async fn wait_for_listeners(admin: &mut sqlx::PgConnection) {
    for _ in 0..600 {
        let listening = sqlx::query(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'LISTEN%' \
             AND pid <> pg_backend_pid()",
        );
        if listening.fetch_all(&mut *admin).await.unwrap().len() == 2 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the listeners do not come back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_beats_and_ends_with_the_session_token() {
    let clock = ManualClock::new(start_of_time());
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    while ada.get("/user/instagram/status").await.status != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut stream = open(&app.base, &ada, None).await;
    assert_eq!(stream.status().await.1["state"], "not_connected");
    let mut beats = 0;
    // A token lives a minute, and is accepted for the allowed difference of clocks besides.
    let end = loop {
        clock.advance(Duration::from_secs(1));
        match tokio::time::timeout(Duration::from_millis(30), stream.next()).await {
            Ok(Said::Comment) => beats += 1,
            Ok(Said::End) => break clock.clone(),
            Ok(Said::Status { status, .. }) => panic!("{status}"),
            Err(_) => {}
        }
    };
    let lived = holdfast::clock::Clock::now(&end).duration_since(start_of_time()).as_secs();
    println!("{beats} heartbeats in {lived} s");
    assert!((3..=5).contains(&beats), "{beats} heartbeats");
    // Moved on while the stream's task waits for a core.
    assert!((60..=180).contains(&lived), "{lived} s");
}
