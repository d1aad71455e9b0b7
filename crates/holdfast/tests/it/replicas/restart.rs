//! Postgres goes away under load and comes back: callers meanwhile are told when to return, and
//! nothing is restarted by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast::clock::{Clock as _, ManualClock, SystemClock, after};
use holdfast::standin::clerk::Person;
use http::{Method, StatusCode};

use super::graph::Graph;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, SignedIn};
use crate::testing::database::{Engine, Place, count_on, execute};
use crate::testing::events::EventStream;
use crate::testing::postgres_server::OwnServer;
use crate::testing::waiting::{PATIENCE, until};

const CALLERS: usize = 8;
/// Makes every grant due, and wakes the workers.
const DUE_AGAIN: &str = "UPDATE connections SET next_refresh_at = 1 WHERE next_refresh_at > 1; \
     SELECT pg_notify('holdfast_changes', 'test instagram  nobody')";

/// What was answered, by status and code.
type Tally = BTreeMap<(u16, String), usize>;

/// Asks, and writes, until told to stop. Every 503 must say when to come back.
async fn load(person: SignedIn<'_>, stop: &AtomicBool) -> Tally {
    let mut tally = Tally::new();
    while !stop.load(Ordering::SeqCst) {
        for (method, path) in [(Method::GET, "/user/instagram/status"), (Method::POST, "/auth/sync")] {
            let answer = person.send(method, path, None).await;
            assert!(
                matches!(answer.status.as_u16(), 200 | 503),
                "{path}: {} {}",
                answer.status,
                answer.text()
            );
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
                assert!((1..=60).contains(&wait), "{wait}");
            }
            *tally.entry((answer.status.as_u16(), answer.code().to_owned())).or_default() += 1;
        }
    }
    tally
}

/// How long it took until it held.
async fn time_until(what: &str, holds: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    until(what, holds).await;
    began.elapsed()
}

/// The server goes, and comes back.
async fn outage(app: &App, ada: &SignedIn<'_>, server: &OwnServer, graph: &Graph) {
    server.stop();
    until("requests are told to come back", async || {
        let answer = ada.get("/user/instagram/status").await;
        answer.status == StatusCode::SERVICE_UNAVAILABLE && answer.code() == "database-unavailable"
    })
    .await;
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK, "alive");
    let ready = app.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.headers.contains_key("retry-after") && ready.text().contains("does not answer"));
    let refused = EventStream::open(&app.base, &ada.authorization(), None).await;
    assert!(refused.is_err_and(|head| head.starts_with("HTTP/1.1 503")), "no stream without a status");
    let meanwhile = graph.refreshes();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(graph.refreshes(), meanwhile, "nothing is refreshed that could not be stored");
    server.start_again();
    let back = time_until("service resumes", async || {
        ada.get("/user/instagram/status").await.status == StatusCode::OK
            && app.get("/readyz").await.status == StatusCode::OK
    })
    .await;
    println!("service resumed {back:?} after Postgres");
}

/// Real time, which may be moved on by seconds.
fn running_clock() -> (ManualClock, Arc<AtomicU64>) {
    let (clock, shift) = (ManualClock::new(SystemClock.now()), Arc::new(AtomicU64::new(0)));
    let (moved, by) = (clock.clone(), shift.clone());
    tokio::spawn(async move {
        loop {
            moved.set(after(SystemClock.now(), Duration::from_secs(by.load(Ordering::SeqCst))));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    (clock, shift)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_is_survived_under_load() {
    let server = OwnServer::start();
    let (clock, shift) = running_clock();
    // Each refresh kills the grant before it, so one that got lost would show at once.
    let (graph, address) = Graph::start().await;
    let settings = [("HOLDFAST_REFRESH_MIN_AGE_S", "1"), ("INSTAGRAM_GRAPH_URL", address.as_str())];
    let app = App::on(Place::at(server.url()), Arc::new(clock), &settings, |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    // Every refreshed grant is due again at once, so that the worker refreshes before, meanwhile
    // and after.
    let enough = Arc::new(AtomicBool::new(false));
    let (url, goes_on) = (server.url(), Arc::clone(&enough));
    let due_again = tokio::spawn(async move {
        while !goes_on.load(Ordering::SeqCst) {
            // Fails while the server is away.
            let _ = execute(&url, DUE_AGAIN).await;
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    });

    // Open all the time.
    let lasting = app.lasting_authorization(Person::Ada.user_id());
    let mut stream = EventStream::open(&app.base, &lasting, None).await.unwrap();
    stream.state("connected").await;
    for round in 0..2 {
        let before = graph.refreshes();
        let took = time_until("the worker refreshes", async || graph.refreshes() > before).await;
        println!("round {round}: the worker refreshes after {took:?}");
        let stop = AtomicBool::new(false);
        let loads = futures_util::future::join_all((0..CALLERS).map(|_| load(ada.clone(), &stop)));
        let outage = async {
            outage(&app, &ada, &server, &graph).await;
            stop.store(true, Ordering::SeqCst);
        };
        let (tallies, ()) = tokio::join!(loads, outage);
        let mut all = Tally::new();
        for (key, times) in tallies.into_iter().flatten() {
            *all.entry(key).or_default() += times;
        }
        println!("round {round}: answers under load {all:?}");
        assert!(all.keys().any(|(status, code)| *status == 503 && code == "database-unavailable"));
        // The lease of a refresh that could not be given back runs out.
        shift.fetch_add(185, Ordering::SeqCst);
    }
    let before = graph.refreshes();
    let took = time_until("the worker goes on", async || graph.refreshes() > before + 1).await;
    println!("the worker went on within {took:?}");
    assert_eq!(graph.refused(), 0, "nobody ever came with a dead token");
    // The grant that is stored is the one that works, once the worker does not replace it at the
    // same moment.
    enough.store(true, Ordering::SeqCst);
    due_again.await.unwrap();
    let at_work = "SELECT COUNT(*) FROM connections WHERE next_refresh_at = 1 OR lease_until IS NOT NULL";
    until("the worker rests", async || count_on(Engine::Postgres, &server.url(), at_work).await == 0).await;
    ada.check().await.good();
    assert_eq!(ada.status().await["state"], "connected");
    assert_eq!(graph.refused(), 0, "nobody ever came with a dead token");
    let other = app.replica_with(&[("HOLDFAST_WORKER", "off")]).await;
    let mut other = EventStream::open(&other.base, &ada.authorization(), None).await.unwrap();
    app.instagram.deauthorize("ada.makes").await.unwrap();
    for each in [&mut stream, &mut other] {
        let heard = tokio::time::timeout(PATIENCE, each.state("reconnect_required")).await;
        assert_eq!(heard.expect("streams hear again").1["reason"], "deauthorized");
    }
}
