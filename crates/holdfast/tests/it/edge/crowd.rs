//! Everything at once: silent sockets, stalled bodies, unknown keys, somebody who begins to connect
//! without end, a replayed deletion request, more event streams than there may be, and every
//! request without a credential that reaches the database. Good callers lose nothing by it.
//!
//! Three processes: the server; the attackers; and this one, with the stand-ins and the good
//! callers. `HOLDFAST_TEST_CROWD_S` sets how long it goes on (default 12), and
//! `HOLDFAST_TEST_CROWD_WATCHERS` how many users hold event streams (default 40). The times are
//! printed for the reader; only counts fail the test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::{Duration, Instant};

use futures_util::future::{LocalBoxFuture, join_all};
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::standin::clerk::Person;
use holdfast::transport::{ReqwestTransport, Transport};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::task::JoinSet;

use super::attacks::{
    Attack, SILENT, STALLED, UNKNOWN_KEYS, deletion_request, status_under_unknown_key, without_credential,
};
use super::client::{Client, Raw};
use super::crowded::{address_of, large_event, process};
use super::isolated::{alone, handles, resident_kib_of};
use crate::e2e::bad_days::signed;
use crate::replicas::graph::Graph;
use crate::testing::app::{App, ORIGIN, RETURN_TO};
use crate::testing::dice::set_or;
use crate::testing::waiting::{PATIENCE, until};

/// Carries the [`Orders`] to the attackers' process.
const ORDERS: &str = "HOLDFAST_TEST_CROWD_ORDERS";
/// Before the attackers' report on their standard output.
const REPORT: &str = "attackers' answers: ";
/// Clients of each attack that asks again as soon as it is answered, without good credentials.
const REPEATERS: usize = 4;
/// Users who hold as many event streams as one may: in all more than there may be.
const WATCHERS: u64 = 40;
const STREAMS_OF_EACH: usize = 12;
/// Who begins to connect without end, and how many attempts that had left for each second of the
/// test before limits were known.
const BEGINNER: &str = "user_2beginner";
const ATTEMPTS_A_SECOND: u64 = 1_000;
/// What Ada's grant lives, in seconds. It is refreshed after half of that, or is lost.
const LIFE: u32 = 20;

fn bearer(authorization: &str) -> String {
    format!("Authorization: {authorization}\r\n")
}

#[derive(Serialize, Deserialize)]
struct Orders {
    from: Client,
    /// A genuine token, to be sent under keys that nobody has.
    genuine: String,
    /// Signed in, and begins to connect without end.
    beginner: String,
    /// About an account that nobody has connected.
    signed_request: String,
    watchers: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the attackers' process, which the tests of the crowd start"]
async fn attackers() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let Orders { from, genuine, beginner, signed_request, watchers } = serde_json::from_str(&orders).unwrap();
    let (attack, opened) = (Arc::<Attack>::default(), Arc::<AtomicUsize>::default());
    let transport: Arc<dyn Transport> = Arc::new(ReqwestTransport::new().unwrap());
    let mut attackers = JoinSet::new();
    let one = || Arc::clone(&attack);
    for _ in 0..SILENT {
        let (attack, opened) = (one(), Arc::clone(&opened));
        attackers.spawn(async move { attack.stay_silent(from, &opened).await });
    }
    for _ in 0..STALLED {
        let attack = one();
        attackers.spawn(async move { attack.stall_bodies(from).await });
    }
    for _ in 0..UNKNOWN_KEYS {
        let (attack, genuine) = (one(), genuine.clone());
        attackers.spawn(async move {
            attack.ask_on("unknown key", from, || status_under_unknown_key(&from, &genuine)).await;
        });
    }
    for _ in 0..REPEATERS {
        let (attack, request) = (one(), deletion_request(&from, &signed_request));
        attackers.spawn(async move { attack.ask_on("deletion", from, || request.clone()).await });
        let (attack, transport, beginner) = (one(), Arc::clone(&transport), beginner.clone());
        attackers.spawn(async move { attack.begin_and_deny(from, transport, beginner).await });
        for (index, (what, _)) in without_credential(&from).into_iter().enumerate() {
            let (attack, request) = (one(), move || without_credential(&from)[index].1.clone());
            attackers.spawn(async move { attack.ask_on(what, from, request).await });
        }
    }
    for watcher in watchers {
        for _ in 0..STREAMS_OF_EACH {
            let (attack, watcher) = (one(), watcher.clone());
            attackers.spawn(async move { attack.hold_stream(from, watcher).await });
        }
    }
    // Until the parent process closes the pipe, or has gone.
    tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await.unwrap().unwrap();
    attack.ends();
    while let Some(ended) = attackers.join_next().await {
        ended.unwrap();
    }
    println!("\n{REPORT}{}", serde_json::to_string(&attack.answers()).unwrap());
}

/// The attackers' process; it ends when this is dropped.
struct Attackers(Child);

impl Attackers {
    fn start(orders: &Orders) -> Self {
        let mut run = alone("edge::crowd::attackers");
        run.env(ORDERS, serde_json::to_string(orders).unwrap());
        Self(run.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap())
    }

    /// Has them end: how often each attack had which answer.
    async fn end(mut self) -> BTreeMap<String, u64> {
        drop(self.0.stdin.take());
        let ended = tokio::task::spawn_blocking(move || self.0.wait_with_output().unwrap()).await.unwrap();
        assert!(ended.status.success(), "the attackers failed");
        let told = String::from_utf8(ended.stdout).unwrap();
        let report = told.lines().find_map(|line| line.strip_prefix(REPORT)).expect("a report");
        serde_json::from_str(report).unwrap()
    }
}

/// What good callers met.
#[derive(Default)]
struct Met {
    is_over: Cell<bool>,
    times: RefCell<BTreeMap<&'static str, Vec<Duration>>>,
    /// What was answered otherwise than it should be, or not at all.
    refused: RefCell<Vec<String>>,
    /// Kept connections that the server closed between two requests, as it may at any time.
    reopened: Cell<u64>,
}

impl Met {
    /// Asks on the kept connection, and where there is none on a new one.
    async fn ask(
        &self,
        what: &'static str,
        from: &Client,
        kept: &mut Option<Raw>,
        request: &str,
        status: u16,
    ) {
        let began = Instant::now();
        let mut answered = None;
        if let Some(raw) = kept {
            answered = raw.ask(request).await.ok();
            if answered.is_none() {
                self.reopened.set(self.reopened.get() + 1);
                *kept = None;
            }
        }
        let reply = match answered {
            Some(reply) => Ok(reply),
            None => match from.connect().await {
                Ok(raw) => kept.insert(raw).ask(request).await,
                Err(error) => Err(error),
            },
        };
        let took = began.elapsed();
        match reply {
            Ok(reply) if reply.status == status => {
                self.times.borrow_mut().entry(what).or_default().push(took);
            }
            Ok(reply) => self.refused(what, &format!("{} {}", reply.status, reply.body)),
            Err(error) => {
                *kept = None;
                self.refused(what, &error.to_string());
            }
        }
    }

    fn refused(&self, what: &str, why: &str) {
        self.refused.borrow_mut().push(format!("{what}: {why}"));
    }

    /// The same again and again until it is over, each on a new connection or on a kept one. `make`
    /// makes the next request.
    async fn keep_asking(
        &self,
        what: &'static str,
        from: Client,
        is_kept: bool,
        (pause, status): (Duration, u16),
        mut make: impl FnMut() -> String,
    ) {
        let mut kept = None;
        while !self.is_over.get() {
            let request = make();
            self.ask(what, &from, &mut kept, &request, status).await;
            if !is_kept {
                kept = None;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// How long each kind of caller waited.
    fn told(&self) -> String {
        let mut text = String::new();
        for (what, times) in &mut *self.times.borrow_mut() {
            times.sort_unstable();
            let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)];
            let (median, p99, most) = (at(500), at(990), at(1000));
            text += &format!(
                "  {what}: {} answered, p50 {median:?}, p99 {p99:?}, slowest {most:?}\n",
                times.len()
            );
        }
        text + &format!("  kept connections closed between two requests: {}", self.reopened.get())
    }
}

/// Good callers, each from an address of its own or named by the proxy as such.
struct Good<'a> {
    app: &'a App,
    from: Client,
    is_behind_proxy: bool,
}

impl Good<'_> {
    fn caller(&self, number: u8) -> Client {
        if self.is_behind_proxy {
            self.from.forwarded_for(&format!("203.0.113.{number}"))
        } else {
            Client { address: [127, 0, 0, 100 + number].into(), ..self.from }
        }
    }

    /// All of them, until it is over.
    async fn all(&self, met: &Met) {
        let app = self.app;
        let milliseconds = Duration::from_millis;
        let mut callers: Vec<LocalBoxFuture<'_, ()>> = Vec::new();
        for number in 0..4 {
            let from = self.caller(number);
            let own = bearer(&app.lasting_authorization(&format!("user_2kept{number}")));
            let request = from.request("GET /user/instagram/status", &own, "");
            let asks = move || request.clone();
            callers.push(Box::pin(met.keep_asking(
                "status, kept connection",
                from,
                true,
                (milliseconds(25), 200),
                asks,
            )));
        }
        for number in 4..6 {
            let (from, grace) = (self.caller(number), app.sign_in(Person::Grace));
            let asks =
                move || from.request("GET /user/instagram/status", &bearer(&grace.authorization()), "");
            let what = "status, new connection, new token";
            callers.push(Box::pin(met.keep_asking(what, from, false, (milliseconds(50), 200), asks)));
        }
        let (from, mut number) = (self.caller(6), 0);
        let asks = move || {
            number += 1;
            let own = bearer(&app.lasting_authorization(&format!("user_2begins{number}")));
            let headers = format!("{own}Content-Type: application/json\r\n");
            let body = json!({"return_to": RETURN_TO}).to_string();
            from.request("POST /user/instagram/connect", &headers, &body)
        };
        callers.push(Box::pin(met.keep_asking("connect", from, false, (milliseconds(250), 201), asks)));
        let (from, secret) = (self.caller(7), app.clerk.webhook_secret());
        let asks = move || large_event(&from, secret.expose_secret());
        callers.push(Box::pin(met.keep_asking(
            "signed webhook of 40 KB",
            from,
            false,
            (milliseconds(500), 204),
            asks,
        )));
        join_all(callers).await;
    }
}

/// What the server holds, twice a second.
#[derive(Default)]
struct Held {
    resident_kib: Vec<i64>,
    handles: Vec<usize>,
}

impl Held {
    async fn watch(&mut self, process: u32, length: Duration) {
        let began = Instant::now();
        while began.elapsed() < length {
            self.resident_kib.push(resident_kib_of(process));
            self.handles.push(handles(process));
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// The most in the second and in the last third: the first fills pools and caches.
    fn thirds<T: Copy + Ord>(of: &[T]) -> [T; 2] {
        let third = of.len() / 3;
        [&of[third..2 * third], &of[2 * third..]].map(|part| *part.iter().max().unwrap())
    }
}

/// Attempts that this user has closed within the last day, as if nothing bounded them.
fn insert_attempts(database: &Path, user_id: &str, attempts: u64) {
    let database = rusqlite::Connection::open(database).unwrap();
    database.busy_timeout(PATIENCE).unwrap();
    let begun = (SystemClock.now().as_second() - 7200) * 1000;
    let sql = format!(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {attempts}) \
         INSERT INTO attempts (id, revision, user_id, provider, state_hash, stage, outcome, return_to, expect, \
         created_at, expires_at, closed_at) SELECT 'old-' || i, 1, '{user_id}', 'instagram', randomblob(32), \
         'closed', 'denied', '{RETURN_TO}', 'any_account', {begun}, {begun} + 600000, {begun} + 1000 FROM n"
    );
    database.execute_batch(&sql).unwrap();
}

async fn a_crowd(is_behind_proxy: bool) {
    let length = set_or("HOLDFAST_TEST_CROWD_S", 12);
    let mut app = App::start().await;
    // It stands for the outside world alone.
    app.stop().await;
    let (graph, graph_address) = Graph::start().await;
    graph.live_for(LIFE);
    let proxies = if is_behind_proxy { "127.0.0.1" } else { "" };
    let settings = [
        ("INSTAGRAM_GRAPH_URL", graph_address.as_str()),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "1"),
        ("HOLDFAST_TRUSTED_PROXIES", proxies),
    ];
    let server = process(&app, "ulimit -n 1024", &settings).await;
    let (running, from) = (&server.running, Client::of(address_of(&server.base)));
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    let beginner = app.lasting_authorization(BEGINNER);
    let first = from.request("GET /user/profile", &bearer(&beginner), "");
    assert_eq!(from.connect().await.unwrap().ask(&first).await.unwrap().status, 200);
    insert_attempts(&server.place.path().join("own.db"), BEGINNER, length * ATTEMPTS_A_SECOND);
    ada.connect_account("ada.makes").await;

    let attacker = if is_behind_proxy {
        from.forwarded_for("198.51.100.7")
    } else {
        Client { address: [127, 0, 0, 66].into(), ..from }
    };
    let genuine = app.clerk.token(&app.clerk.sign_in(Person::Ada).unwrap(), Some(ORIGIN)).unwrap();
    let signed_request = signed(&app, "17841400000000000", Some(1_790_000_000));
    let watchers: Vec<_> = (0..set_or("HOLDFAST_TEST_CROWD_WATCHERS", WATCHERS))
        .map(|n| app.lasting_authorization(&format!("user_2watcher{n}")))
        .collect();
    let has_streams = !watchers.is_empty();
    let orders = Orders { from: attacker, genuine, beginner, signed_request, watchers };
    let attackers = Attackers::start(&orders);
    until("room is made", async || {
        running.logged().contains("closing the connections that have kept the server waiting longest")
    })
    .await;

    let good = Good { app: &app, from, is_behind_proxy };
    let (met, mut held, pid) = (Met::default(), Held::default(), running.child.id());
    let watching = async {
        held.watch(pid, Duration::from_secs(length)).await;
        met.is_over.set(true);
    };
    tokio::join!(good.all(&met), watching);
    let due = (length / u64::from(LIFE)).max(1);
    until("grants are refreshed amid the crowd", async || u64::from(graph.refreshes()) >= due).await;
    let answers = attackers.end().await;
    let logged = running.logged();
    let status = ada.status().await;
    let (memory, files) = (Held::thirds(&held.resident_kib), Held::thirds(&held.handles));
    println!(
        "{length} s beside the crowd, {}:",
        if is_behind_proxy { "behind one proxy" } else { "from elsewhere" }
    );
    println!("{}", met.told());
    println!(
        "  {} refreshes, the last due one {:?} after its grant, which lives {LIFE} s",
        graph.refreshes(),
        graph.oldest_refreshed()
    );
    println!(
        "  memory at most {} KiB, then {}; handles at most {}, then {}",
        memory[0], memory[1], files[0], files[1]
    );
    println!("  attackers: {answers:?}");

    let refused = met.refused.take();
    assert!(refused.is_empty(), "{} refused: {:#?}", refused.len(), &refused[..refused.len().min(20)]);
    assert_eq!(status["state"], "connected", "each refresh came in time: {status}");
    assert_eq!(graph.refused(), 0);
    assert!(memory[1] < memory[0] * 11 / 10 + 8192, "memory grows: {:?}", held.resident_kib);
    assert!(files[0].max(files[1]) < 1000, "handles: {:?}", held.handles);
    assert!(!logged.contains("cannot be accepted"), "handles ran out");
    let expected = [
        "silent",
        "stalled body",
        "unknown key",
        "begin",
        "deletion",
        "readiness 200",
        "service key 401",
        "callback 400",
        "receipt 404",
    ];
    for what in expected.into_iter().chain(has_streams.then_some("stream")) {
        assert!(answers.keys().any(|each| each.starts_with(what)), "{what} never came: {answers:?}");
    }
    assert!(!answers.keys().any(|each| each.ends_with(" 500")), "{answers:?}");
    until("what the crowd held is given back", async || handles(pid) < 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_of_attackers_costs_good_callers_nothing() {
    a_crowd(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_behind_the_same_proxy_costs_good_callers_nothing() {
    a_crowd(true).await;
}
