//! Real processes of the real program: started at once, killed, and one too many.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, ManualClock, SystemClock, after};
use holdfast::standin::clerk::Person;

use super::graph::Graph;
use crate::edge::client::Raw;
use crate::testing::app::App;
use crate::testing::database::{Engine, Place, execute};
use crate::testing::ports::ReservedPort;
use crate::testing::program::{self, Running, ring_entry};
use crate::testing::waiting::until;

/// Starts the program; killed when dropped, and its log searched.
pub fn start(place: &program::Place, arguments: &[&str]) -> Running {
    place.start(arguments, Stdio::null())
}

/// Ends it by SIGKILL, and searches what it had logged.
fn kill(mut process: Running) {
    process.child.kill().expect("SIGKILL");
    process.child.wait().expect("it is dead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_killed_in_the_middle_of_a_refresh_costs_a_lease_time_and_nothing_else() {
    // The replicas of this process see time as it is moved for them; the one that is killed lives
    // in real time.
    let clock = ManualClock::new(SystemClock.now());
    let place = Place::new(Engine::Postgres).await;
    let url = place.url.clone();
    let (graph, address) = Graph::start().await;
    let settings = [("HOLDFAST_REFRESH_MIN_AGE_S", "1"), ("INSTAGRAM_GRAPH_URL", address.as_str())];
    let app = App::on(place, Arc::new(clock.clone()), &settings, |_| {}).await;
    let other = app.replica().await;
    let ada = app.sign_in(Person::Ada);
    let connected = ada.connect_account("ada.makes").await;
    let due = after(clock.now(), Duration::from_secs(2)).as_millisecond();
    execute(&url, &format!("UPDATE connections SET next_refresh_at = {due}")).await.expect("it is written");
    graph.hang(true);
    assert_eq!(graph.refreshes(), 0, "for the replicas here no time has passed");

    let place = program::Place::of(app.environment.clone()).with("HOLDFAST_LISTEN", "127.0.0.1:0");
    let third = start(&place, &["serve"]);
    until("the third replica begins a refresh", async || graph.refreshes() == 1).await;
    kill(third);
    let killed_at = SystemClock.now();
    graph.hang(false);

    // Its lease holds still: nobody else may ask, and what is stored stands.
    clock.set(after(killed_at, Duration::from_secs(120)));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(graph.refreshes(), 1, "the lease of the dead is respected");
    for each in [&ada, &ada.at(&other)] {
        let status = each.status().await;
        assert_eq!((&status["state"], &status["version"]), (&"connected".into(), &connected["version"]));
    }
    // A worker that has just been told of something rests for a second first, so time has to go on.
    clock.set(after(killed_at, Duration::from_secs(185)));
    until("a survivor takes it up", async || {
        clock.advance(Duration::from_millis(100));
        graph.refreshes() == 2
    })
    .await;
    until("and stores it", async || ada.status().await["evidence"]["source"] == "refresh").await;
    for each in [&ada, &ada.at(&other)] {
        assert_eq!(each.status().await["state"], "connected");
    }
    assert_eq!((graph.refreshes(), graph.refused()), (2, 0), "one survivor, once, with the living token");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_may_migrate_at_once() {
    for _ in 0..3 {
        let database = Place::empty().await;
        let place = program::Place::new().with("HOLDFAST_DATABASE_URL", database.url.as_str());
        let place = &place;
        let ended = std::thread::scope(|scope| {
            let runs = [(); 3].map(|()| scope.spawn(move || place.run(&["migrate"])));
            runs.map(|run| run.join().expect("it ran"))
        });
        for each in &ended {
            assert_eq!(each.code, 0, "{}", each.whole());
        }
        let again = place.run(&["migrate"]);
        assert_eq!(again.code, 0, "{}", again.whole());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_a_sqlite_file_is_refused_with_a_sentence() {
    let port = ReservedPort::new();
    let address = port.address();
    let place = program::Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("HOLDFAST_LISTEN", address.to_string());
    let mut first = start(&place, &["serve"]);
    serves(&mut first, address).await;
    let place = place.with("HOLDFAST_LISTEN", "127.0.0.1:0");
    let second = place.run(&["serve"]);
    assert_eq!(second.code, 2, "{}", second.whole());
    assert!(second.stderr.contains("holdfast.db") && second.stderr.contains("Postgres"), "{}", second.stderr);
    // A tool may look meanwhile; and once the first is dead, however it died, another may serve.
    assert_eq!(place.run(&["migrate"]).code, 0);
    kill(first);
    let place = place.with("HOLDFAST_LISTEN", address.to_string());
    let mut next = start(&place, &["serve"]);
    serves(&mut next, address).await;
}

/// Waits until a server of that process serves at `address`.
pub async fn serves(process: &mut Running, address: std::net::SocketAddr) {
    until("it serves", async || {
        let ended = process.child.try_wait().expect("how it fares");
        assert!(ended.is_none(), "it ended: {}", process.logged());
        answers(address).await
    })
    .await;
}

async fn answers(address: std::net::SocketAddr) -> bool {
    let Some(mut raw) = Raw::connect_if_open(address).await else { return false };
    // A server that starts answers `/healthz` alone with 200.
    raw.ask("GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.is_ok_and(|reply| reply.status == 200)
}
