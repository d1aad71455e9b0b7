//! A flood of tokens that name keys nobody has, with the key server in every mood.
//!
//! `HOLDFAST_TEST_FLOOD_TOKENS` sets the number of tokens in all (default 8 000).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use http::StatusCode;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::attacks::{UNKNOWN_KEYS, status_under_unknown_key};
use super::client::{Client, Raw};
use super::isolated::{is_alone, resident_kib};
use crate::testing::app::{App, ORIGIN};
use crate::testing::dice::set_or;

/// Refused requests that the server remembers, and a little more.
const REMEMBERED: u64 = 10_500;
/// One forced fetch is allowed in this time.
const FORCE_GAP: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Answering,
    Failing,
    Hanging,
    FiftyMegabytes,
}

/// Stands before the stand-in's own key server, and counts.
struct KeyServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    mood: Mutex<Mood>,
    behind: Mutex<Option<SocketAddr>>,
    fetches: AtomicU64,
    /// Bytes that somebody took of the fifty megabytes.
    taken: AtomicU64,
}

impl KeyServer {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            mood: Mutex::new(Mood::Answering),
            behind: Mutex::default(),
            fetches: AtomicU64::new(0),
            taken: AtomicU64::new(0),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&serving).answer(stream));
            }
        });
        Self { address, shared }
    }

    fn fetches(&self) -> u64 {
        self.shared.fetches.load(Ordering::SeqCst)
    }

    fn set(&self, mood: Mood) {
        *self.shared.mood.lock().unwrap() = mood;
    }
}

impl Shared {
    async fn answer(self: Arc<Self>, mut stream: TcpStream) {
        let mut request = [0; 4096];
        if stream.read(&mut request).await.unwrap_or(0) == 0 {
            return;
        }
        self.fetches.fetch_add(1, Ordering::SeqCst);
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Answering => {
                let behind = self.behind.lock().unwrap().unwrap();
                let mut server = Raw::connect(behind).await;
                let get =
                    "GET /.well-known/jwks.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
                server.send(get.as_bytes()).await.unwrap();
                let _ = stream.write_all(server.rest().await.as_bytes()).await;
            }
            Mood::Failing => {
                let _ = stream
                    .write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .await;
            }
            Mood::Hanging => std::future::pending().await,
            Mood::FiftyMegabytes => {
                // Without a length, so that the size shows only while it comes.
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n";
                let _ = stream.write_all(head).await;
                for _ in 0..800 {
                    if stream.write_all(&[b' '; 64 * 1024]).await.is_err() {
                        break;
                    }
                    self.taken.fetch_add(64 * 1024, Ordering::SeqCst);
                }
            }
        }
    }
}

/// Sends `tokens` of them; how many answers had the status 401, and how many 503.
async fn flood(address: SocketAddr, genuine: &str, tokens: u64) -> (u64, u64) {
    let from = Client::of(address);
    let floods = (0..UNKNOWN_KEYS).map(|each| {
        let genuine = genuine.to_owned();
        let share = tokens / UNKNOWN_KEYS + u64::from(each < tokens % UNKNOWN_KEYS);
        tokio::spawn(async move {
            let mut client = from.connect().await.unwrap();
            let (mut refused, mut unjudged) = (0, 0);
            for _ in 0..share {
                let reply = client.ask(&status_under_unknown_key(&from, &genuine)).await.unwrap();
                match reply.status {
                    401 => refused += 1,
                    503 if reply.header("retry-after").is_some() => unjudged += 1,
                    other => panic!("{other}: {}", reply.body),
                }
            }
            (refused, unjudged)
        })
    });
    let mut sum = (0, 0);
    for each in floods.collect::<Vec<_>>() {
        let (refused, unjudged) = each.await.unwrap();
        sum = (sum.0 + refused, sum.1 + unjudged);
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_keys_cost_one_fetch_in_thirty_seconds_and_good_callers_nothing() {
    if !is_alone("edge::flood::unknown_keys_cost_one_fetch_in_thirty_seconds_and_good_callers_nothing") {
        return;
    }
    let tokens = set_or("HOLDFAST_TEST_FLOOD_TOKENS", 8_000);
    let keys = KeyServer::start().await;
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let url = format!("http://{}/jwks.json", keys.address);
    let shared = Arc::clone(&keys.shared);
    let app = App::at(Arc::new(clock.clone()), &[("CLERK_JWKS_URL", &url)], move |clerk| {
        *shared.behind.lock().unwrap() = Some(clerk.address());
    })
    .await;
    let address = app.address();
    app.is_ready().await;
    assert_eq!(keys.fetches(), 1, "the keys are fetched at the start");
    let ada = app.sign_in(Person::Ada);
    assert_eq!(ada.get("/user/profile").await.status, StatusCode::OK);
    let genuine = || app.clerk.token(&app.clerk.sign_in(Person::Ada).unwrap(), Some(ORIGIN)).unwrap();
    // Fills the allocator's pools and all bounded memory, that of refused requests above all, so
    // that what is measured afterwards is growth.
    flood(address, &genuine(), (tokens / 8).max(REMEMBERED)).await;
    assert_eq!(
        keys.fetches(),
        2,
        "the one at the start, which no token caused, and one that tokens may force"
    );
    let before = resident_kib();

    for mood in [Mood::Answering, Mood::Failing, Mood::Hanging, Mood::FiftyMegabytes] {
        for part in 1..=2 {
            keys.set(mood);
            let (fetches, began) = (keys.fetches(), std::time::Instant::now());
            clock.advance(FORCE_GAP + Duration::from_secs(1));
            let token = genuine();
            let ended = AtomicBool::new(false);
            let good = async {
                let (mut served, mut slowest) = (0_u32, Duration::ZERO);
                while served == 0 || !ended.load(Ordering::Relaxed) {
                    let asked = std::time::Instant::now();
                    assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK, "{mood:?}");
                    slowest = slowest.max(asked.elapsed());
                    served += 1;
                }
                (served, slowest)
            };
            let bad = async {
                let answers = flood(address, &token, tokens / 8).await;
                ended.store(true, Ordering::Relaxed);
                answers
            };
            let ((served, slowest), (refused, unjudged)) = tokio::join!(good, bad);
            println!(
                "{mood:?} {part}: {refused} refused, {unjudged} not judged in {:?}; {} fetch; \
                 {served} good callers, all 200, slowest {slowest:?}",
                began.elapsed(),
                keys.fetches() - fetches,
            );
            assert_eq!(keys.fetches() - fetches, 1, "{mood:?}: exactly the one that 30 s allow");
            // "No" only where the key server said so; otherwise it may be a new key that we could
            // not ask for.
            let expected = if mood == Mood::Answering { (tokens / 8, 0) } else { (0, tokens / 8) };
            assert_eq!((refused, unjudged), expected, "{mood:?}");
            // That a good caller never waits for a fetch is shown without a clock, in `key_cache`
            // of clerk-session.
            assert!(slowest < Duration::from_mins(1), "{mood:?}: {slowest:?}");
        }
    }
    assert_eq!(keys.fetches(), 10, "one at the start, and one that tokens forced in each 31 s");
    let grown = resident_kib() - before;
    let taken = keys.shared.taken.load(Ordering::SeqCst);
    println!(
        "{tokens} tokens: {} fetches in all, memory grew by {grown} KiB, {taken} B taken of 50 MB",
        keys.fetches()
    );
    // The allocator keeps what its threads once had; without a bound it would be tokens × their
    // size.
    assert!(grown < 10 * 1024, "memory grew by {grown} KiB");
    assert!(taken < 20 * 1024 * 1024, "{taken} B of an answer that is too large were taken");
}
