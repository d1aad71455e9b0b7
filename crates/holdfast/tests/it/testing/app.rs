//! A running installation: server, worker and both stand-ins, each on a port of its own.
//!
//! [`App`] is the installation, and [`SignedIn`] a browser in which somebody is signed in:
//!
//! ```text
//! let app = App::start().await;
//! let ada = app.sign_in(Person::Ada);
//! ada.connect_account("ada.makes").await;
//! assert_eq!(ada.status().await["state"], "connected");
//! ```
//!
//! [`SignedIn::connect_account`] is the whole dance; its steps are [`SignedIn::connect`],
//! [`App::decide`] and [`SignedIn::complete`]. `app.instagram` and `app.clerk` are told how to
//! fail. [`App::with`] takes settings, [`App::at`] a clock that the test moves, [`App::on`] a
//! database, and [`App::replica`] starts one more server.
//!
//! Each answer is held against the OpenAPI document and searched for grants. When an [`App`] is
//! dropped, log and database are searched for every secret that occurred.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use holdfast::app::{Seams, Server};
use holdfast::caller::service;
use holdfast::clock::{Clock as _, SharedClock, SystemClock};
use holdfast::entropy::{SharedEntropy, SystemEntropy, new_id};
use holdfast::http::metrics::Metrics;
use holdfast::settings::{Environment, Purpose, load};
use holdfast::standin::Outside;
use holdfast::standin::clerk::{ClerkStandin, Person};
use holdfast::standin::instagram::{Decision, InstagramStandin, Options, decide};
use holdfast::store::{NewServiceKey, Store, StoreOptions};
use holdfast::transport::{Answer, Outgoing, ReqwestTransport, SharedTransport};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use crate::e2e::{described, on_postgres};
use crate::testing::answer::AnswerExt as _;
use crate::testing::database::{Engine, Place};
use crate::testing::leaks::{self, Watch};
use crate::testing::needles::Needles;
use crate::testing::waiting::{PATIENCE, until};

/// The page that calls.
pub const ORIGIN: &str = "https://app.example.com";
/// Where it wants the browser back.
pub const RETURN_TO: &str = "https://app.example.com/settings";
/// An encryption key; of tests, and of nothing else.
pub const KEY: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub struct App {
    pub base: Url,
    pub clerk: ClerkStandin,
    pub instagram: InstagramStandin,
    pub transport: SharedTransport,
    pub metrics: Metrics,
    /// What the metrics listener serves.
    pub operator: axum::Router,
    pub overview: holdfast::overview::Overview,
    pub clock: SharedClock,
    /// What it was configured with, by name.
    pub environment: Vec<(String, String)>,
    server: Running,
    /// Outlives the server.
    pub place: Place,
    /// Searches the log for every secret that occurred.
    pub watch: Watch,
    /// What no answer may hold.
    issued: Mutex<Issued>,
}

/// What the Instagram stand-in has issued.
#[derive(Default)]
struct Issued {
    known: HashSet<String>,
    needles: Needles,
}

/// Another server on the same database, with the same stand-ins; stops when dropped.
pub struct Replica {
    pub base: Url,
    _server: Running,
}

/// A server that stops when this is dropped.
struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

/// Somebody signed in, as the browser is: a session, and a fresh token for each request.
#[derive(Clone)]
pub struct SignedIn<'a> {
    app: &'a App,
    session: String,
    base: Url,
}

/// The engine of this process's installations; see [`on_postgres`].
fn engine_of_the_process() -> Engine {
    if std::env::var_os(on_postgres::SWITCH).is_some() { Engine::Postgres } else { Engine::Sqlite }
}

async fn listen() -> (TcpListener, Url) {
    let listener = holdfast::http::bind("127.0.0.1:0".parse().unwrap(), "TEST").await.unwrap();
    let base = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    (listener, base)
}

async fn run(listener: TcpListener, environment: &[(String, String)], seams: &Seams) -> (Running, Told) {
    let settings = load(&Environment::of(environment.iter().cloned()), None, Purpose::Serve)
        .unwrap_or_else(|faults| panic!("{faults}"));
    let seams = seams.clone();
    // A task of its own: where a test runs several installations side by side, one that is searched
    // for leaks holds up the others for seconds, which the database's time limits count.
    let built = tokio::spawn(async move { Server::build(&settings, &seams).await });
    let server = built.await.unwrap().unwrap();
    let told = Told {
        metrics: server.metrics().clone(),
        operator: server.operator_router(),
        overview: server.overview().clone(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server.run(listener, async move {
        let _ = stopped.await;
    }));
    (Running { stop: Some(stop), task }, told)
}

/// What an operator sees of a server.
struct Told {
    metrics: Metrics,
    operator: axum::Router,
    overview: holdfast::overview::Overview,
}

impl App {
    pub async fn start() -> Self {
        Self::with(&[], |_| {}).await
    }

    /// Starts it with further settings; `prepare` sees the Clerk stand-in before the server starts.
    pub async fn with(more: &[(&str, &str)], prepare: impl FnOnce(&ClerkStandin)) -> Self {
        Self::at(Arc::new(SystemClock), more, prepare).await
    }

    /// The same by another clock.
    pub async fn at(clock: SharedClock, more: &[(&str, &str)], prepare: impl FnOnce(&ClerkStandin)) -> Self {
        let place = Place::new(engine_of_the_process()).await;
        Self::on(place, clock, more, prepare).await
    }

    /// The same on that database.
    pub async fn on(
        place: Place,
        clock: SharedClock,
        more: &[(&str, &str)],
        prepare: impl FnOnce(&ClerkStandin),
    ) -> Self {
        let entropy: SharedEntropy = Arc::new(SystemEntropy);
        let watch = Watch::start();
        let transport: SharedTransport = Arc::new(ReqwestTransport::new().unwrap());
        let outside =
            Outside::start([0; 2], Options::default(), clock.clone(), entropy.clone(), transport.clone());
        let outside = outside.await.unwrap();
        prepare(&outside.clerk);
        let (listener, base) = listen().await;
        outside.introduce(&base);
        let own = [
            ("HOLDFAST_PUBLIC_URL", base.as_str().trim_end_matches('/').to_owned()),
            ("HOLDFAST_DATABASE_URL", place.url.clone()),
            ("HOLDFAST_JOURNAL_DIR", place.directory.path().join("journal").display().to_string()),
            ("HOLDFAST_DRAIN_S", "0".to_owned()),
            ("HOLDFAST_ENCRYPTION_KEYS", KEY.to_owned()),
            ("HOLDFAST_ALLOWED_ORIGINS", ORIGIN.to_owned()),
            ("CLERK_ISSUER", outside.clerk.issuer()),
            ("INSTAGRAM_SCOPES", "instagram_business_basic,instagram_business_manage_insights".to_owned()),
        ];
        let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let environment = own.into_iter().chain(outside.settings()).chain(more);
        let environment: Vec<_> = environment.map(|(name, value)| (name.to_owned(), value)).collect();
        let Outside { clerk, instagram } = outside;
        let seams = Seams { clock: clock.clone(), entropy, transport: transport.clone() };
        let (server, Told { metrics, operator, overview }) = run(listener, &environment, &seams).await;
        Self {
            base,
            clerk,
            instagram,
            transport,
            metrics,
            operator,
            overview,
            clock,
            environment,
            server,
            place,
            watch,
            issued: Mutex::default(),
        }
    }

    /// One more server on the same database.
    pub async fn replica(&self) -> Replica {
        self.replica_with(&[]).await
    }

    /// The same with further settings.
    pub async fn replica_with(&self, more: &[(&str, &str)]) -> Replica {
        let (listener, base) = listen().await;
        let seams = Seams {
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy),
            transport: self.transport.clone(),
        };
        let mut environment = self.environment.clone();
        environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let (server, _) = run(listener, &environment, &seams).await;
        Replica { base, _server: server }
    }

    /// Stops the server, as a signal does, and waits until it has come to its end.
    pub async fn stop(&mut self) {
        self.server.stop.take();
        (&mut self.server.task).await.unwrap();
    }

    /// Waits until it can judge and read.
    pub async fn is_ready(&self) {
        until("the server is ready", async || self.get("/readyz").await.status == StatusCode::OK).await;
    }

    /// Where it listens, for clients that speak raw bytes.
    pub fn address(&self) -> SocketAddr {
        self.base.socket_addrs(|| None).unwrap()[0]
    }

    pub fn sign_in(&self, person: Person) -> SignedIn<'_> {
        SignedIn { app: self, session: self.clerk.sign_in(person).unwrap(), base: self.base.clone() }
    }

    /// A token of `user_id` that lives an hour, for what outlasts the minute of a usual one.
    pub fn lasting_authorization(&self, user_id: &str) -> String {
        let token = self.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| {
            mint.with_claims(|claims| {
                claims.insert("sub".to_owned(), user_id.into());
                claims.insert("exp".to_owned(), (mint.now + 3600).into());
            })
        });
        let token = token.unwrap();
        leaks::secret(&token);
        format!("Bearer {token}")
    }

    /// A new key of the app's backend.
    pub async fn service_key(&self) -> String {
        let options = StoreOptions::tool(self.place.url.clone());
        let store = Store::open(&options, Arc::new(SystemClock)).await.unwrap();
        let made = service::generate(&SystemEntropy).unwrap();
        let now = SystemClock.now();
        let id = new_id(&SystemEntropy, now).unwrap();
        let row = NewServiceKey { id, name: "app".to_owned(), hash: made.hash };
        store.insert_service_key(&row, now).await.unwrap();
        store.close().await;
        leaks::secret_if_long(made.key.expose_secret());
        made.key.expose_secret().to_owned()
    }

    /// One request, as a page on [`ORIGIN`] makes it.
    pub async fn request(
        &self,
        method: Method,
        path: &str,
        authorization: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert("authorization", HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        self.request_with(method, path, headers, body).await
    }

    pub async fn request_with(
        &self,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<Value>,
    ) -> Answer {
        self.request_at(&self.base, method, path, headers, body).await
    }

    /// The same to any server of the installation.
    async fn request_at(
        &self,
        base: &Url,
        method: Method,
        path: &str,
        headers: HeaderMap,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Outgoing::new(method.clone(), base.join(path.trim_start_matches('/')).unwrap());
        request.headers = headers;
        request.headers.insert("origin", HeaderValue::from_static(ORIGIN));
        if let Some(body) = body {
            request.headers.insert("content-type", HeaderValue::from_static("application/json"));
            request.body = body.to_string().into();
        }
        for value in request.headers.get_all("authorization") {
            let credential = String::from_utf8_lossy(value.as_bytes());
            leaks::secret_if_long(credential.trim_start_matches("Bearer "));
        }
        let answer = self.send(request).await;
        described::assert_described(&method, path, &answer);
        if !path.ends_with("/instagram/token") {
            self.assert_no_grant_in(path, &answer);
        }
        answer
    }

    /// Registers what occurred here beside what was sent: what is configured, and what the
    /// stand-ins issued.
    pub fn note_all(&self) {
        leaks::secret_if_long(KEY.split_once(':').unwrap().1);
        leaks::secret_if_long(self.instagram.options().app_secret.expose_secret());
        for issued in self.clerk.issued_secrets().iter().chain(&self.instagram.issued_secrets()) {
            leaks::secret_if_long(issued.expose_secret());
        }
    }

    fn assert_no_grant_in(&self, path: &str, answer: &Answer) {
        let mut issued = self.issued.lock().unwrap();
        for secret in self.instagram.issued_secrets() {
            if issued.known.insert(secret.expose_secret().to_owned()) {
                issued.needles.add(secret.expose_secret());
            }
        }
        let headers = format!("{:?}", answer.headers);
        for text in [answer.body.as_ref(), headers.as_bytes()] {
            assert_eq!(issued.needles.find_in(text), None, "the answer of {path}");
        }
    }

    /// Searches what is stored; the log is searched when the watch ends.
    fn assert_nothing_in_plaintext(&self) {
        let mut searched = 0;
        for (name, bytes) in self.place.contents() {
            assert_eq!(leaks::found_any(&bytes), None, "{name}");
            searched += bytes.len();
        }
        assert!(searched > 0, "there is no database");
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, None, None).await
    }

    /// The same with that `Authorization`.
    pub async fn get_as(&self, authorization: &str, path: &str) -> Answer {
        self.request(Method::GET, path, Some(authorization), None).await
    }

    /// The browser at Instagram: decides, and follows the redirect to our callback. The address it
    /// ends at.
    pub async fn decide(&self, authorize_url: &str, account: &str, decision: &Decision) -> Url {
        let back = self.send(decide(authorize_url.parse().unwrap(), account, decision)).await;
        assert!(back.status.is_redirection(), "{} {}", back.status, back.text());
        self.follow(&back.location()).await
    }

    /// With the patience of a test, and on a connection of its own: where a test moves the clock,
    /// the server closes one that was idle for too long just when the next request goes out on it.
    pub async fn send(&self, mut request: Outgoing) -> Answer {
        request.timeout = PATIENCE;
        request.headers.insert("connection", HeaderValue::from_static("close"));
        let path = request.url.path().to_owned();
        self.transport.send(request).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Opens the callback and gives the address that it redirects to.
    pub async fn follow(&self, callback: &Url) -> Url {
        let answer = self.send(Outgoing::new(Method::GET, callback.clone())).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text());
        answer.location()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.note_all();
            self.assert_nothing_in_plaintext();
        }
    }
}

/// An attempt that came back from Instagram.
pub struct Returned {
    pub attempt: String,
    pub completion: String,
}

impl Returned {
    /// The address that the browser ends at says it.
    pub fn to(end: &Url) -> Self {
        let parameter = |name: &str| {
            end.query_pairs()
                .find_map(|(key, value)| (key == name).then(|| value.into_owned()))
                .unwrap_or_else(|| panic!("no {name} in {end}"))
        };
        assert_eq!(parameter("instagram"), "complete");
        let returned = Self { attempt: parameter("attempt"), completion: parameter("completion") };
        leaks::secret_if_long(&returned.completion);
        returned
    }
}

impl SignedIn<'_> {
    /// The same person, whose requests another server gets.
    pub fn at(&self, replica: &Replica) -> Self {
        self.to(&replica.base)
    }

    /// The same by address.
    pub fn to(&self, base: &Url) -> Self {
        Self { base: base.clone(), ..self.clone() }
    }

    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.app.clerk.token(&self.session, Some(ORIGIN)).unwrap())
    }

    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&self.authorization()).unwrap());
        self.app.request_at(&self.base, method, path, headers, body).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None).await
    }

    pub async fn status(&self) -> Value {
        self.get("/user/instagram/status").await.good()
    }

    /// Asks to connect.
    pub async fn begin(&self, wish: Value) -> Answer {
        self.send(Method::POST, "/user/instagram/connect", Some(wish)).await
    }

    /// Begins to connect; the address of the consent page.
    pub async fn connect(&self) -> String {
        self.connect_with(json!({"return_to": RETURN_TO})).await
    }

    /// The same with another wish.
    pub async fn connect_with(&self, wish: Value) -> String {
        let answer = self.begin(wish).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        let authorize_url = answer.json()["authorize_url"].as_str().unwrap().to_owned();
        let parsed: Url = authorize_url.parse().unwrap();
        for (_, state) in parsed.query_pairs().filter(|(name, _)| name == "state") {
            leaks::secret_if_long(&state);
        }
        authorize_url
    }

    /// To Instagram and back, up to where the page would complete.
    pub async fn go_and_return(&self, account: &str, decision: &Decision) -> Returned {
        let authorize_url = self.connect().await;
        Returned::to(&self.app.decide(&authorize_url, account, decision).await)
    }

    /// The same, approved.
    pub async fn approve(&self, account: &str) -> Returned {
        self.go_and_return(account, &Decision::Approve).await
    }

    /// The same with another wish.
    pub async fn approve_with(&self, account: &str, wish: Value) -> Returned {
        let authorize_url = self.connect_with(wish).await;
        Returned::to(&self.app.decide(&authorize_url, account, &Decision::Approve).await)
    }

    pub async fn complete(&self, returned: &Returned) -> Answer {
        let path = format!("/user/instagram/connect/{}/complete", returned.attempt);
        self.send(Method::POST, &path, Some(json!({"completion": returned.completion}))).await
    }

    /// The whole dance.
    pub async fn connect_account(&self, account: &str) -> Value {
        let returned = self.approve(account).await;
        self.complete(&returned).await.good()
    }

    /// Has Instagram asked whether the link works.
    pub async fn check(&self) -> Answer {
        self.send(Method::POST, "/user/instagram/check", None).await
    }

    pub async fn disconnect(&self) -> Answer {
        self.send(Method::DELETE, "/user/instagram", None).await
    }

    /// Has the record of the person made, or brought up to date.
    pub async fn sync(&self) -> Answer {
        self.send(Method::POST, "/auth/sync", None).await
    }
}
