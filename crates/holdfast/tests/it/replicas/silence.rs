//! Connections to Postgres that die without a word: a firewall forgot them, a machine is gone.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::provider::ProviderId;
use holdfast::store::{NewServiceKey, Store, StoreError, StoreOptions};
use uuid::Uuid;

use super::processes::serves;
use crate::edge::client::Raw;
use crate::grants::setup::owner;
use crate::testing::ports::ReservedPort;
use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Place, Running, ring_entry};
use crate::testing::relay::Relay;
use crate::testing::waiting::until;

async fn opened(relay: &Relay) -> Store {
    let store = Store::open(&StoreOptions::serve(relay.url()), Arc::new(SystemClock)).await;
    let store = store.expect("it opens");
    store.migrate().await.expect("it migrates");
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_costs_one_answer_and_all_that_idle_are_replaced() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let store = opened(&relay).await;
    // Several connections, and one that is kept for statuses.
    let pings = (0..8).map(|_| store.ping());
    assert!(futures_util::future::join_all(pings).await.into_iter().all(|ping| ping.is_ok()));
    let ada = owner("ada");
    let status = async || store.status_facts(&ada, ProviderId::INSTAGRAM).await;
    status().await.expect("it reads");

    relay.go_silent();
    let (ping, facts) = tokio::join!(store.ping(), status());
    assert!(matches!(ping, Err(StoreError::Unavailable(_))), "{ping:?}");
    facts.expect("a status is read again on a new connection");
    // A caller that waited for a dead one would be told that the database is away.
    for _ in 0..8 {
        store.ping().await.expect("new connections work");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_without_an_answer_is_of_unknown_outcome() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let store = opened(&relay).await;
    let key = NewServiceKey { id: Uuid::from_u128(7), name: "backend".to_owned(), hash: [5; 32] };
    relay.lose_commits(true);
    let written = store.insert_service_key(&key, SystemClock.now()).await;
    assert_eq!(written, Err(StoreError::OutcomeUnknown));
    relay.lose_commits(false);
    assert!(store.service_key_by_hash(&[5; 32]).await.expect("it reads").is_some(), "it was made");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statuses_that_were_given_up_take_no_room_and_no_time() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let store = opened(&relay).await;
    let ada = owner("ada");
    let status = || store.status_facts(&ada, ProviderId::INSTAGRAM);
    status().await.expect("it reads");

    relay.go_silent_for_good();
    for _ in 0..20_000 {
        // Asked, and dropped as a request that takes too long is.
        assert_eq!(status().now_or_never(), None);
    }
    let waiting = store.status_reads_waiting();
    assert!(waiting <= 4096, "{waiting} questions of callers who have gone");
    relay.come_back();
    until("a fresh one is answered", async || status().await.is_ok()).await;
    assert_eq!(store.status_reads_waiting(), 0, "the others went without being asked");
    store.close().await;
}

/// A server and its worker, with a metrics listener, and the directory that it runs in.
async fn process(url: String) -> (Running, ReservedPort, Place) {
    let (port, metrics) = (ReservedPort::new(), ReservedPort::new());
    let place = Place::new()
        .with("HOLDFAST_DATABASE_URL", url)
        .with("HOLDFAST_LISTEN", port.address().to_string())
        .with("HOLDFAST_METRICS_LISTEN", metrics.address().to_string())
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com");
    let mut process = place.start(&["serve"], Stdio::null());
    serves(&mut process, port.address()).await;
    (process, metrics, place)
}

async fn last_tick(metrics: &ReservedPort) -> f64 {
    let mut raw = Raw::connect(metrics.address()).await;
    let reply = raw.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("the metrics");
    let name = "holdfast_worker_last_tick_timestamp_seconds ";
    let line = reply.body.lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.parse().expect("a number"))
}

/// Its end, and how long that took.
async fn terminated(mut process: Running) -> (Option<i32>, Duration) {
    let told = Instant::now();
    let pid = process.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill runs").success());
    let ended = tokio::task::spawn_blocking(move || process.child.wait().expect("it ends").code());
    (ended.await.expect("it is waited for"), told.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_worker_goes_on_after_its_connection_went_silent() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let (process, metrics, _place) = process(relay.url()).await;
    until("the worker ticks", async || last_tick(&metrics).await > 0.0).await;
    relay.go_silent();
    let silent_at = SystemClock.now().as_millisecond();
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of this age are exact")]
    let silent_at = silent_at as f64 / 1000.0;
    until("it ticks again", async || last_tick(&metrics).await > silent_at + 2.0).await;
    assert_eq!(terminated(process).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_hangs_still_ends() {
    let server = OwnServer::start();
    let relay = Relay::before(&server);
    let (process, metrics, _place) = process(relay.url()).await;
    until("the worker ticks", async || last_tick(&metrics).await > 0.0).await;
    relay.go_silent_for_good();
    // By then the worker waits for an answer.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (code, took) = terminated(process).await;
    assert_eq!(code, Some(0));
    // As the unit of systemd has it.
    assert!(took < Duration::from_secs(70), "before a supervisor kills it, not after {took:?}");
}
