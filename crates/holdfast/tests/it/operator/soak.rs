//! A real process under load while everything around it fails in turn: after the first minutes its
//! memory, file handles, threads and database connections stay level, and what is under way ends.

use std::fmt::Write as _;
use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use holdfast::clock::SystemClock;
use holdfast::standin::clerk::{Fault as ClerkFault, Person, Surface};
use holdfast::standin::instagram::{Decision, Fault, decide};
use holdfast::transport::{Answer, Outgoing};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

use crate::outbox::endpoint::{AppEndpoint, SECRET};
use crate::replicas::processes::serves;
use crate::testing::app::{App, ORIGIN, RETURN_TO};
use crate::testing::database::{self, Engine};
use crate::testing::ports::ReservedPort;
use crate::testing::program::Place as Folder;
use crate::testing::waiting::until_seen;

/// What the process holds at one moment.
#[derive(Debug, Clone, Copy, Default)]
struct Held {
    resident_kib: u64,
    files: u64,
    threads: u64,
    database: u64,
}

impl Held {
    async fn by(process: u32, database_url: &str) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().find_map(|word| word.parse().ok()).unwrap()
        };
        let files = fs::read_dir(format!("/proc/{process}/fd")).unwrap().count() as u64;
        // This process's own server, and the one that asks, are other clients.
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast'";
        let database = database::count_on(Engine::Postgres, database_url, sql).await;
        let database = u64::try_from(database).unwrap();
        Self { resident_kib: number("VmRSS:"), files, threads: number("Threads:"), database }
    }

    fn most(of: &[Self]) -> Self {
        of.iter().fold(Self::default(), |most, each| Self {
            resident_kib: most.resident_kib.max(each.resident_kib),
            files: most.files.max(each.files),
            threads: most.threads.max(each.threads),
            database: most.database.max(each.database),
        })
    }
}

/// The load: the callers, and a count of each kind of answer.
struct Load {
    app: App,
    base: Url,
    ends: AtomicBool,
    answered: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
}

impl Load {
    fn goes_on(&self) -> bool {
        !self.ends.load(Ordering::Relaxed)
    }

    /// Counts how it was answered; `None` where it was not.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        authorization: &str,
        body: Option<Value>,
    ) -> Option<Answer> {
        let mut request = Outgoing::new(method, self.base.join(path).unwrap());
        let headers =
            [("authorization", authorization), ("origin", ORIGIN), ("content-type", "application/json")];
        request.headers = headers
            .into_iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()))
            .collect::<HeaderMap>();
        request.body = body.map(|body| body.to_string()).unwrap_or_default().into();
        request.timeout = Duration::from_secs(20);
        let answer = self.app.transport.send(request).await.ok();
        let count = match &answer {
            None => &self.failed,
            Some(answer) if answer.status.is_success() || answer.status == StatusCode::SEE_OTHER => {
                &self.answered
            }
            Some(_) => &self.refused,
        };
        count.fetch_add(1, Ordering::Relaxed);
        answer
    }

    async fn reads(self: Arc<Self>, number: usize) {
        let authorization = self.app.lasting_authorization(&format!("user_soak{number}"));
        while self.goes_on() {
            for path in ["user/instagram/status", "user/profile", "user/instagram/history", "forward-auth"] {
                self.ask(Method::GET, path, &authorization, None).await;
            }
            self.ask(Method::GET, "user/profile", &format!("Bearer nonsense{number}"), None).await;
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
    }

    /// The whole dance, over and over; what fails on the way is begun anew.
    async fn connects(self: Arc<Self>, person: Person, account: &'static str) {
        let signed_in = self.app.sign_in(person);
        while self.goes_on() {
            let authorization = || signed_in.authorization();
            let begun = self
                .ask(
                    Method::POST,
                    "user/instagram/connect",
                    &authorization(),
                    Some(json!({"return_to": RETURN_TO})),
                )
                .await;
            let authorize = begun
                .and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok())
                .and_then(|body| body["authorize_url"].as_str()?.parse::<Url>().ok());
            if let Some(authorize) = authorize {
                self.comes_back(authorize, account, &authorization()).await;
            }
            for _ in 0..10 {
                self.ask(Method::POST, "user/instagram/check", &authorization(), None).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
            self.ask(Method::DELETE, "user/instagram", &authorization(), None).await;
            // At most twenty begin in an hour.
            tokio::time::sleep(Duration::from_secs(15)).await;
        }
    }

    async fn comes_back(&self, authorize: Url, account: &str, authorization: &str) {
        let location = |answer: Answer| {
            answer.headers.get("location").and_then(|value| value.to_str().ok()?.parse::<Url>().ok())
        };
        let decided = self.app.transport.send(decide(authorize, account, &Decision::Approve)).await.ok();
        let Some(callback) = decided.and_then(location) else { return };
        let Some(path) =
            callback.as_str().split_once("/instagram/").map(|(_, rest)| format!("instagram/{rest}"))
        else {
            return;
        };
        let Some(end) = self.ask(Method::GET, &path, "Bearer none", None).await.and_then(location) else {
            return;
        };
        let part = |name: &str| {
            end.query_pairs()
                .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
                .unwrap_or_default()
        };
        let path = format!("user/instagram/connect/{}/complete", part("attempt"));
        self.ask(Method::POST, &path, authorization, Some(json!({"completion": part("completion")}))).await;
    }

    /// Event streams that are read for a while and left; requests that end in the middle.
    async fn hangs_up(self: Arc<Self>, number: usize) {
        let authorization = self.app.lasting_authorization(&format!("user_soak{number}"));
        let address = format!("{}:{}", self.base.host_str().unwrap(), self.base.port().unwrap());
        let whole = format!("GET /user/events HTTP/1.1\r\nHost: a\r\nAuthorization: {authorization}\r\n\r\n");
        let part = "POST /auth/sync HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nnot all of it";
        while self.goes_on() {
            for (text, patience) in
                [(whole.as_str(), 1500), (part, 50), ("GET / HT", 50), ("\x16\x03\x01", 50)]
            {
                let Ok(mut stream) = TcpStream::connect(&address).await else { continue };
                let _ = stream.write_all(text.as_bytes()).await;
                let mut buffer = [0; 4096];
                let read = async { while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {} };
                let _ = tokio::time::timeout(Duration::from_millis(patience), read).await;
            }
        }
    }

    /// One trouble after the other, ten seconds each, with five to recover.
    async fn breaks(self: Arc<Self>, endpoint: AppEndpoint) {
        let app = &self.app;
        let mut round = 0;
        while self.goes_on() {
            match round % 6 {
                0 => app.instagram.set_fault(None, Fault::ServerErrorHtml).unwrap(),
                1 => app.instagram.set_fault(None, Fault::Hang).unwrap(),
                2 => app.clerk.set_fault(Surface::Jwks, Some(ClerkFault::ServerError)),
                3 => app.clerk.set_fault(Surface::Users, Some(ClerkFault::Hang)),
                4 => endpoint.answers(StatusCode::INTERNAL_SERVER_ERROR),
                // Not the connection by which what it holds is counted.
                _ => {
                    let kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast'";
                    let _ = database::execute(&app.place.url, kill).await;
                }
            }
            tokio::time::sleep(Duration::from_secs(10)).await;
            app.instagram.clear(None).unwrap();
            app.clerk.set_fault(Surface::Jwks, None);
            app.clerk.set_fault(Surface::Users, None);
            endpoint.answers(StatusCode::NO_CONTENT);
            tokio::time::sleep(Duration::from_secs(5)).await;
            round += 1;
        }
    }
}

/// A gauge without labels, as the process tells it; the sum over those with.
async fn told(app: &App, metrics: &str, name: &str) -> f64 {
    let url = format!("http://{metrics}/metrics").parse().unwrap();
    let text = app.transport.send(Outgoing::new(Method::GET, url)).await.unwrap().body;
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines = text.lines().filter(|line| line.starts_with(name));
    lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

/// How long, in seconds.
fn length() -> Duration {
    let given = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(given.unwrap_or(600))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes ten minutes: scripts/soak.sh"]
async fn what_it_holds_stays_level_under_faults() {
    let endpoint = AppEndpoint::start().await;
    let place = database::Place::new(Engine::Postgres).await;
    let settings = [
        ("HOLDFAST_CHECK_INTERVAL_S", "1"),
        ("HOLDFAST_REFRESH_MIN_AGE_S", "1"),
        ("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()),
        ("HOLDFAST_WEBHOOK_SECRET", SECRET),
    ];
    let mut app = App::on(place, Arc::new(SystemClock), &settings, |_| {}).await;
    // It stands for the outside world alone.
    app.stop().await;
    let ports = [ReservedPort::new(), ReservedPort::new()];
    let [listen, metrics] = [0, 1].map(|each: usize| ports[each].address().to_string());
    let folder = app.environment.iter().fold(Folder::new(), |folder, (name, value)| folder.with(name, value));
    let folder = folder
        .with("HOLDFAST_LISTEN", listen.as_str())
        .with("HOLDFAST_METRICS_LISTEN", metrics.as_str())
        .with("HOLDFAST_LOG", "warn");
    let mut process = folder.start(&["serve"], Stdio::null());
    serves(&mut process, ports[0].address()).await;
    let base: Url = format!("http://{listen}/").parse().unwrap();
    let load = Arc::new(Load {
        app,
        base,
        ends: AtomicBool::new(false),
        answered: AtomicU64::new(0),
        refused: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..12 {
        tasks.spawn(Arc::clone(&load).reads(number));
        tasks.spawn(Arc::clone(&load).hangs_up(number));
    }
    tasks.spawn(Arc::clone(&load).connects(Person::Ada, "ada.makes"));
    tasks.spawn(Arc::clone(&load).connects(Person::Grace, "grace.hops"));
    tasks.spawn(Arc::clone(&load).breaks(endpoint));

    let (began, length) = (Instant::now(), length());
    let mut seen = Vec::new();
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let held = Held::by(process.child.id(), &load.app.place.url).await;
        if seen.len() % 15 == 0 {
            eprintln!("{:>4} s {held:?}", began.elapsed().as_secs());
        }
        seen.push(held);
    }
    load.ends.store(true, Ordering::Relaxed);
    while tasks.join_next().await.is_some() {}
    let mut report = String::new();
    // The first third fills caches and pools.
    let third = seen.len() / 3;
    let [second, last] = [&seen[third..2 * third], &seen[2 * third..]].map(Held::most);
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let (answered, refused, failed) = (count(&load.answered), count(&load.refused), count(&load.failed));
    let _ = writeln!(report, "answered {answered}, refused {refused}, without an answer {failed}");
    let _ = writeln!(report, "most in the second third: {second:?}\nmost in the last third:   {last:?}");
    eprintln!("{report}");
    assert!(answered > 100 * length.as_secs() / 10, "{report}");
    assert!(last.resident_kib < second.resident_kib * 11 / 10 + 4096, "memory grows: {report}");
    assert!(last.files <= second.files + 12, "file handles grow: {report}");
    assert!(last.threads <= second.threads, "threads grow: {report}");
    assert!(last.database <= 13, "connections to the database: {report}");
    for name in ["holdfast_event_streams ", "holdfast_http_in_flight "] {
        until_seen(name, async || told(&load.app, &metrics, name).await, |left| *left < 0.5).await;
    }
}
