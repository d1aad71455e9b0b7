//! Somebody takes all that can be had: handles, places, large bodies. Everybody else is served all
//! the same.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use holdfast::clock::{Clock as _, ManualClock, SystemClock};
use holdfast::standard_webhooks::SigningKey;
use holdfast::standin::clerk::Person;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::task::JoinHandle;
use url::Url;

use super::attacks::{Attack, SILENT, STALLED, stalled_body};
use super::client::{Client, Raw};
use super::isolated::handles;
use crate::replicas::processes::serves;
use crate::testing::app::{App, RETURN_TO};
use crate::testing::ports::ReservedPort;
use crate::testing::program::{Place, Running};
use crate::testing::waiting::until;

/// A server in a process of its own; killed when dropped.
pub struct Process {
    pub running: Running,
    pub base: Url,
    pub place: Place,
    _port: ReservedPort,
}

/// Starts one on a database of its own, with the stand-ins of `app`.
pub async fn process(app: &App, limits: &str, more: &[(&str, &str)]) -> Process {
    let port = ReservedPort::new();
    let address = port.address();
    let place =
        app.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value.as_str()));
    let place = place
        .with("HOLDFAST_LISTEN", address.to_string())
        .with("HOLDFAST_DATABASE_URL", "sqlite://own.db")
        .with("HOLDFAST_JOURNAL_DIR", "own.journal")
        .with("HOLDFAST_PUBLIC_URL", format!("http://{address}"))
        .with("HOLDFAST_LOG", "info");
    app.instagram.register_redirect_uri(format!("http://{address}/instagram/callback").parse().unwrap());
    let place = more.iter().fold(place, |place, (name, value)| place.with(name, *value));
    let mut running = place.serve_within(limits);
    serves(&mut running, address).await;
    Process { running, base: format!("http://{address}/").parse().unwrap(), place, _port: port }
}

pub fn address_of(base: &Url) -> SocketAddr {
    format!("127.0.0.1:{}", base.port().unwrap()).parse().unwrap()
}

/// Many connections that say nothing.
struct Flood {
    attack: Arc<Attack>,
    holders: Vec<JoinHandle<()>>,
}

impl Flood {
    /// Holds so many at `address`. Each of them has been opened when this returns.
    async fn of(address: SocketAddr, sockets: usize) -> Self {
        let (attack, opened) = (Arc::<Attack>::default(), Arc::<AtomicUsize>::default());
        let hold = || {
            let (attack, opened) = (Arc::clone(&attack), Arc::clone(&opened));
            tokio::spawn(async move { attack.stay_silent(Client::of(address), &opened).await })
        };
        let holders: Vec<_> = (0..sockets).map(|_| hold()).collect();
        until("the flood is there", async || opened.load(Ordering::Relaxed) >= holders.len()).await;
        Self { attack, holders }
    }

    async fn ends(self) {
        self.attack.ends();
        for each in self.holders {
            each.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eleven_hundred_silent_sockets_take_no_handle_that_somebody_needs() {
    let app = App::start().await;
    let server = process(&app, "ulimit -n 1024", &[]).await;
    let (running, ada) = (&server.running, app.sign_in(Person::Ada).to(&server.base));
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    assert!(running.logged().contains("\"connections\":640"), "{}", running.logged());
    let flood = Flood::of(address_of(&server.base), SILENT).await;
    until("room is made", async || {
        running.logged().contains("closing the connections that have kept the server waiting longest")
    })
    .await;
    let (client, closed) = (Client::of(address_of(&server.base)), AtomicUsize::new(0));
    let served = async |line: &str, body: &str, status: u16| {
        until("the caller is served", async || {
            let headers =
                format!("Authorization: {}\r\nContent-Type: application/json\r\n", ada.authorization());
            let request = client.request(line, &headers, body);
            let reply = async { client.connect().await?.ask(&request).await };
            let Ok(reply) = reply.await else {
                // On a busy machine this process may take longer than it has for its first byte.
                closed.fetch_add(1, Ordering::Relaxed);
                return false;
            };
            assert_eq!(reply.status, status, "{}", reply.body);
            true
        })
        .await;
    };
    let mut slowest = Duration::ZERO;
    for _ in 0..40 {
        let asked = Instant::now();
        served("GET /user/instagram/status", "", 200).await;
        slowest = slowest.max(asked.elapsed());
    }
    // A change, in the database.
    served("POST /user/instagram/connect", &json!({"return_to": RETURN_TO}).to_string(), 201).await;
    let closed = closed.into_inner();
    println!("slowest of 40 beside 1,100 silent sockets: {slowest:?}; {closed} closed before a first byte");
    assert!(!running.logged().contains("cannot be accepted"), "handles never ran out");
    flood.ends().await;
}

/// On any machine: the server's clock passes at a tenth of the real one.
#[tokio::test(flavor = "multi_thread")]
async fn where_silent_sockets_want_every_place_a_caller_is_served_within_a_second() {
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let settings = [("HOLDFAST_MAX_CONNECTIONS", "128")];
    let app = App::at(Arc::new(clock.clone()), &settings, |_| {}).await;
    app.is_ready().await;
    let passing = tokio::spawn({
        let clock = clock.clone();
        async move {
            loop {
                tokio::time::sleep(Duration::from_millis(50)).await;
                clock.advance(Duration::from_millis(5));
            }
        }
    });
    let flood = Flood::of(app.address(), 320).await;
    let closed = || {
        let counted = app.metrics.render();
        let line =
            |line: &str| line.strip_prefix("holdfast_http_connections_closed_for_room_total ")?.parse().ok();
        counted.lines().find_map(line).unwrap_or(0_u64)
    };
    let (ada, before) = (app.sign_in(Person::Ada), closed());
    let mut slowest = 0;
    for round in 0..20 {
        let asked = clock.now();
        assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK, "round {round}");
        slowest = slowest.max(clock.now().as_millisecond() - asked.as_millisecond());
    }
    println!("slowest of 20 with 128 places: {slowest} ms; {} closed for room", closed() - before);
    assert!(slowest < 1_000, "{slowest} ms");
    assert!(closed() > before, "the flood goes on");
    flood.ends().await;
    passing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_the_metrics_listener_takes_no_handle_of_the_callers() {
    let app = App::start().await;
    let port = ReservedPort::new();
    let metrics = port.address();
    let at = [("HOLDFAST_METRICS_LISTEN", &*metrics.to_string())];
    let server = process(&app, "ulimit -n 1024", &at).await;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    let flood = Flood::of(metrics, SILENT).await;
    for round in 0..10 {
        assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK, "round {round}");
        let handles = handles(server.running.child.id());
        assert!(handles < 200, "{handles} handles");
    }
    let mut scraper = Raw::connect(metrics).await;
    let scraped = scraper.ask("GET /why/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert_eq!(scraped.unwrap().status, 404, "who asks is answered there, too");
    flood.ends().await;
}

/// An event of Clerk of 40 KB, signed now.
pub fn large_event(from: &Client, secret: &str) -> String {
    let body = json!({
        "object": "event", "type": "user.updated", "timestamp": 1_790_000_000_000_u64,
        "data": {"id": Person::Ada.user_id(), "first_name": "Ada", "created_at": 1_700_000_000_000_u64,
                 "updated_at": 1_790_000_000_000_u64, "public_metadata": {"pad": "x".repeat(40_000)}},
    })
    .to_string();
    let (key, now) = (SigningKey::parse(secret).unwrap(), SystemClock.now());
    let (id, seconds) = (format!("msg_{}", now.as_nanosecond()), now.as_second().to_string());
    let signature = key.sign(&id, &seconds, body.as_bytes());
    let headers = format!(
        "svix-id: {id}\r\nsvix-timestamp: {seconds}\r\nsvix-signature: {signature}\r\n\
         Content-Type: application/json\r\n"
    );
    from.request("POST /webhooks/clerk", &headers, &body)
}

#[tokio::test(flavor = "multi_thread")]
async fn stalled_large_bodies_keep_no_signed_webhook_out() {
    let app = App::with(&[("HOLDFAST_TRUSTED_PROXIES", "127.0.0.1")], |_| {}).await;
    app.is_ready().await;
    let mut stalled = Vec::new();
    let from = Client::of(app.address()).forwarded_for("198.51.100.7");
    for _ in 0..STALLED {
        stalled.push(stalled_body(&from).await.unwrap());
    }
    // The last of them have been read when the first are given up.
    assert!(stalled[0].rest().await.contains("503"));
    let good = Client::of(app.address());
    let event = large_event(&good, app.clerk.webhook_secret().expose_secret());
    let reply = good.connect().await.unwrap().ask(&event).await.unwrap();
    assert_eq!(reply.status / 100, 2, "{}", reply.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let app = App::start().await;
    for (signal, code) in [("-TERM", 143), ("-INT", 130)] {
        let Process { mut running, place: _place, _port, .. } =
            process(&app, ":", &[("HOLDFAST_DRAIN_S", "60")]).await;
        let kill = || Command::new("kill").args([signal, &running.child.id().to_string()]).status().unwrap();
        assert!(kill().success());
        until("it was told", async || running.logged().contains("told to stop")).await;
        assert!(kill().success());
        let ended = tokio::task::spawn_blocking(move || running.child.wait().unwrap()).await.unwrap();
        assert_eq!(ended.code(), Some(code));
    }
}
