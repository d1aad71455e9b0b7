//! What changes at one replica shows on the streams of another.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::clock::{Clock as _, ManualClock, SystemClock, after};
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault};
use http::StatusCode;
use sqlx::Connection as _;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, Replica};
use crate::testing::database::{Engine, Place, start_of_time};
use crate::testing::events::{EventStream, Said};
use crate::testing::waiting::{until, until_seen};

/// Between two comments of a stream on which nothing happens.
const BEAT: Duration = Duration::from_secs(15);
/// A session token lives so long.
const TOKEN: Duration = Duration::from_mins(1);

async fn two() -> (App, Replica) {
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
    let other = app.replica().await;
    (app, other)
}

/// Ada's stream, with a token that outlasts the test, however long that takes: a stream ends with
/// its token.
async fn open(app: &App, base: &url::Url, last: Option<&str>) -> EventStream {
    let lasting = app.lasting_authorization(Person::Ada.user_id());
    EventStream::open(base, &lasting, last).await.expect("a stream")
}

/// How long a change took to show. Two seconds are promised; a machine that does other things
/// besides may be slower.
async fn shown(stream: &mut EventStream, since: Instant, reason: &str) -> Duration {
    loop {
        let (_, status) = stream.status().await;
        if status["reason"] == reason {
            return since.elapsed();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_at_one_replica_shows_at_another() {
    let (app, other) = two().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let mut stream = open(&app, &other.base, None).await;
    assert_eq!(stream.status().await.1["state"], "connected", "the stream begins with what holds");

    // Meta calls the first replica.
    let since = Instant::now();
    app.instagram.deauthorize("ada.makes").await.unwrap();
    let by_callback = shown(&mut stream, since, "deauthorized").await;

    ada.connect_account("ada.makes").await;
    assert_eq!(stream.state("connected").await.1["connected"], true);
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    let since = Instant::now();
    ada.check().await.good();
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
    // A replica whose worker is off: all that it shows, another has found.
    let serving = app.replica_with(&[("HOLDFAST_WORKER", "off")]).await;
    app.instagram.set_fault(Some("ada.makes"), Fault::Revoked).unwrap();
    clock.advance(Duration::from_hours(24 * 32));
    let there = ada.at(&serving);
    until("it has keys of today", async || there.get("/user/profile").await.status == StatusCode::OK).await;
    let mut stream = open(&app, &serving.base, None).await;
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
    let mut stream = open(&app, &other.base, None).await;
    let (last, _) = stream.status().await;
    drop(stream);
    app.instagram.deauthorize("ada.makes").await.unwrap();
    let mut stream = open(&app, &other.base, Some(&last)).await;
    let (last, missed) = stream.status().await;
    assert_eq!(missed["reason"], "deauthorized", "what changed meanwhile comes first");
    drop(stream);
    // Back again, at the other replica, with nothing missed: only what is new is told.
    let mut stream = open(&app, &app.base, Some(&last)).await;
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
    let mut stream = open(&app, &other.base, None).await;
    stream.status().await;
    let url = app.environment.iter().find(|(name, _)| name == "HOLDFAST_DATABASE_URL").unwrap().1.clone();
    let mut admin = sqlx::PgConnection::connect(&url).await.unwrap();
    let mut killed = Vec::new();
    for round in 0..3 {
        // Every listener dies; the change comes at once after, while nobody may be listening.
        killed = listeners(&mut admin, killed).await;
        sqlx::query("SELECT pg_terminate_backend(pid) FROM unnest($1::int[]) AS pid")
            .bind(&killed)
            .fetch_all(&mut admin)
            .await
            .unwrap();
        let since = Instant::now();
        app.instagram.deauthorize("ada.makes").await.unwrap();
        let took = shown(&mut stream, since, "deauthorized").await;
        println!("round {round}: shown {took:?} after the listeners died");
        ada.connect_account("ada.makes").await;
        stream.state("connected").await;
    }
    listeners(&mut admin, killed).await;
}

/// The backends that listen, once they are one of each replica. Those that were killed take a
/// moment to go.
async fn listeners(admin: &mut sqlx::PgConnection, killed: Vec<i32>) -> Vec<i32> {
    let listening = async || -> Vec<i32> {
        let sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() \
             AND query LIKE 'LISTEN%' AND pid <> ALL($1)";
        sqlx::query_scalar(sql).bind(&killed).fetch_all(&mut *admin).await.unwrap()
    };
    until_seen("each replica listens", listening, |pids| pids.len() == 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_beats_and_ends_with_the_session_token() {
    let clock = ManualClock::new(start_of_time());
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    let mut stream = open(&app, &app.base, None).await;
    assert_eq!(stream.status().await.1["state"], "not_connected");
    let mut beats = 0;
    // The clock is moved on while the stream's task may wait for a core, so that a beat may come
    // late; but never early, and not each of them late.
    until("a beat comes in time", async || {
        let since = clock.now();
        loop {
            clock.advance(Duration::from_secs(1));
            match tokio::time::timeout(Duration::from_millis(30), stream.next()).await {
                Ok(Said::Comment) => break,
                Ok(said) => panic!("{said:?}"),
                Err(_) => {}
            }
        }
        beats += 1;
        assert!(clock.now() >= after(start_of_time(), BEAT * beats), "beat {beats} at {}", clock.now());
        clock.now() <= after(since, BEAT + Duration::from_secs(1))
    })
    .await;

    let ada = app.sign_in(Person::Ada);
    let mut stream = EventStream::open(&app.base, &ada.authorization(), None).await.expect("a stream");
    stream.status().await;
    let before = Duration::from_secs(59);
    clock.advance(before);
    let said = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
    assert!(matches!(said, Err(_) | Ok(Said::Comment)), "{said:?}");
    clock.advance(TOKEN - before);
    loop {
        match stream.next().await {
            Said::Comment => {}
            Said::End => break,
            Said::Status { status, .. } => panic!("{status}"),
        }
    }
}
