//! `/readyz` answers within two seconds whatever hangs, and names it.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;
use holdfast::clock::{Clock, ManualClock, SystemClock, after};
use holdfast::standin::clerk::Person;
use http::{Method, StatusCode};
use jiff::Timestamp;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::edge::crowded::process;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO};
use crate::testing::database::{Engine, Place, execute_on};
use crate::testing::postgres_server::OwnServer;
use crate::testing::waiting::until;

/// The contract's bound.
const BOUND: Duration = Duration::from_secs(2);

/// The database has so long.
const PATIENCE: Duration = Duration::from_millis(1500);

/// A clock that is moved by hand: what takes long on a busy machine is no time of the server's. It
/// keeps for when it was asked to wake somebody, so that it is not moved before.
#[derive(Debug, Clone)]
struct Alarms {
    clock: ManualClock,
    set: Arc<Mutex<Vec<Timestamp>>>,
}

impl Clock for Alarms {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        self.set.lock().unwrap().push(at);
        self.clock.sleep_until(at)
    }
}

async fn app_on(place: Place) -> (App, Alarms) {
    let clock = Alarms { clock: ManualClock::new(SystemClock.now()), set: Arc::default() };
    let app = App::on(place, Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    (app, clock)
}

/// The names of the checks that are not good, asked within the bound.
async fn culprits(app: &App, clock: &Alarms) -> Vec<String> {
    // What was found before counts for a second.
    clock.clock.advance(Duration::from_secs(1));
    clock.set.lock().unwrap().clear();
    let alarm = after(clock.now(), PATIENCE);
    let is_answered = Cell::new(false);
    let asked = async {
        let answer = app.get("/readyz").await;
        is_answered.set(true);
        answer
    };
    let passing = async {
        // The database is asked first whether it answers; what is asked besides may have its answer
        // at once, and sets no alarm then.
        let is_asked = || clock.set.lock().unwrap().contains(&alarm);
        until("the database is asked", async || is_answered.get() || is_asked()).await;
        // At once: Postgres itself gives up what waits for five seconds of the real clock.
        clock.clock.advance(BOUND);
    };
    let (answer, ()) = tokio::join!(asked, passing);
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let body = answer.json();
    assert_eq!(body["ready"], false);
    body["checks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|check| check["ok"] == false)
        .map(|check| format!("{}: {}", check["name"].as_str().unwrap(), check["problem"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_postgres_is_named_within_two_seconds() {
    let server = OwnServer::start();
    let (app, clock) = app_on(Place::at(server.url())).await;
    app.sign_in(Person::Ada).sync().await;
    server.stop();
    let named = culprits(&app, &clock).await;
    assert!(named[0].starts_with("database: "), "{named:?}");
    server.start_again();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_postgres_is_named_within_two_seconds() {
    let (app, clock) = app_on(Place::new(Engine::Postgres).await).await;
    let mut other = PgConnection::connect(&app.place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert_eq!(culprits(&app, &clock).await[0], "database: does not answer within 1.5 s");
    other.execute("ROLLBACK").await.unwrap();
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
}

/// As with too few connections for all that is asked at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_cannot_be_read_is_the_databases_fault() {
    let (app, clock) = app_on(Place::new(Engine::Postgres).await).await;
    let mut other = PgConnection::connect(&app.place.url).await.unwrap();
    other.execute("BEGIN; LOCK TABLE schema_migrations IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert_eq!(culprits(&app, &clock).await[0], "database: does not answer within 1.5 s");
    other.execute("ROLLBACK").await.unwrap();
}

/// A standby, or a primary after a failover.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_takes_no_writes_is_named() {
    let (app, clock) = app_on(Place::new(Engine::Postgres).await).await;
    let read_only = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', \
                     current_database()); END $$";
    execute_on(&app.place, read_only).await;
    let sessions = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                    WHERE datname = current_database() AND pid <> pg_backend_pid()";
    execute_on(&app.place, sessions).await;
    until("it says so", async || {
        clock.clock.advance(Duration::from_secs(1));
        let answer = app.get("/readyz").await;
        answer.status == StatusCode::SERVICE_UNAVAILABLE
            && String::from_utf8_lossy(&answer.body).contains("takes no writes")
    })
    .await;
}

/// The version after this one has brought the schema up to date: an upgrade must not take the
/// replicas of this version out of service before their turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_schema_of_the_version_after_leaves_it_ready() {
    let app = App::start().await;
    app.is_ready().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let newer = "INSERT INTO schema_migrations VALUES (9999, 'later', x'00', 1)";
    execute_on(&app.place, newer).await;
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(ada.status().await["state"], "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_file_that_was_taken_away_is_named() {
    let (app, clock) = app_on(Place::new(Engine::Sqlite).await).await;
    let file = app.place.directory.path().join("holdfast.db");
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    assert_eq!(culprits(&app, &clock).await[0], "database: does not answer");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
}

/// A browser or a proxy compares times with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_dated_by_the_clock_also_where_that_is_set_back() {
    let (app, clock) = app_on(Place::new(Engine::Sqlite).await).await;
    for at in ["2027-01-30T00:02:18Z", "2026-11-30T00:02:18Z"] {
        clock.clock.set(at.parse().unwrap());
        let date = app.get("/healthz").await.headers["date"].to_str().unwrap().to_owned();
        assert_eq!(jiff::fmt::rfc2822::parse(&date).unwrap().timestamp(), at.parse().unwrap(), "{date}");
    }
}

/// As where a file system turns read-only after a fault of its disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_file_cannot_be_written_is_not_ready_until_it_can() {
    let app = App::start().await;
    let server = process(&app, "trap '' XFSZ", &[]).await;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    let is_good = async || {
        let ready = ada.get("/readyz").await.json();
        let checks = ready["checks"].as_array().unwrap();
        checks.iter().any(|check| check["name"] == "database" && check["ok"] == true)
    };
    let begun = async || {
        let body = Some(serde_json::json!({ "return_to": RETURN_TO }));
        ada.send(Method::POST, "/user/instagram/connect", body).await.status
    };
    until("it can judge", async || begun().await.is_success()).await;
    assert!(is_good().await);
    let limit = |bytes: &str| {
        let process = server.running.child.id().to_string();
        let mut command = std::process::Command::new("prlimit");
        let done = command.args(["--pid", &process, &format!("--fsize={bytes}:")]).status();
        assert!(done.is_ok_and(|status| status.success()), "prlimit is of util-linux");
    };
    limit("0");
    assert_eq!(begun().await, StatusCode::SERVICE_UNAVAILABLE);
    until("it is told", async || !is_good().await).await;
    for _ in 0..3 {
        assert!(!is_good().await);
    }
    limit("unlimited");
    until("it is well again", is_good).await;
    assert!(begun().await.is_success());
}
