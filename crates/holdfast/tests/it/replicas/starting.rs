//! The real process while it cannot open its database yet: it says so to everybody.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::net::TcpListener;

use super::processes::{serves, start};
use crate::cli::doctor::codes;
use crate::edge::client::{Raw, Reply};
use crate::store::schema::of_the_version_before;
use crate::testing::database::{Engine, Place};
use crate::testing::ports::ReservedPort;
use crate::testing::program::{self, Running, ring_entry};
use crate::testing::waiting::until;

const APP: &str = "https://app.example.com";

/// What a server on that database needs to start.
fn configured(database: &str) -> program::Place {
    program::Place::new()
        .with("HOLDFAST_DATABASE_URL", database)
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("HOLDFAST_ALLOWED_ORIGINS", APP)
}

/// A database whose migration waits for a reader, until the reader is let go.
async fn locked() -> (Place, PgConnection) {
    let database = Place::new(Engine::Postgres).await;
    of_the_version_before(&database.url).await;
    let mut reader = PgConnection::connect(&database.url).await.expect("a connection");
    reader.execute("BEGIN; SELECT id FROM users").await.expect("it reads");
    (database, reader)
}

async fn waits(process: &Running) {
    until("it waits", async || process.logged().contains("the migration waits for a lock")).await;
}

/// Tells it to stop; how it ended, and how long that took.
async fn terminated(mut process: Running) -> (Option<i32>, Duration, String) {
    let pid = Pid::from_child(&process.child);
    let told = Instant::now();
    kill_process(pid, Signal::TERM).expect("it is told");
    let mut ended = None;
    until("it ends", async || {
        ended = process.child.try_wait().expect("how it fares");
        ended.is_some()
    })
    .await;
    (ended.and_then(|status| status.code()), told.elapsed(), process.logged())
}

/// A page of the app asks over that connection.
async fn asked(raw: &mut Raw, line: &str, headers: &str) -> Reply {
    let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\nOrigin: {APP}\r\n{headers}\r\n");
    raw.ask(&request).await.expect("an answer")
}

fn json_of(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap_or_else(|_| panic!("{}\n{}", reply.head, reply.body))
}

/// Once it accepts a connection, which it does half a second after its start.
async fn answers(address: SocketAddr) -> Raw {
    until("it listens", async || Raw::connect_if_open(address).await.is_some()).await;
    Raw::connect(address).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_says_so_and_takes_over_its_connections() {
    let (database, mut reader) = locked().await;
    let (port, metrics) = (ReservedPort::new(), ReservedPort::new());
    let place = configured(&database.url)
        .with("HOLDFAST_LISTEN", port.address().to_string())
        .with("HOLDFAST_METRICS_LISTEN", metrics.address().to_string());
    let mut process = start(&place, &["serve"]);
    let mut raw = answers(port.address()).await;

    let alive = asked(&mut raw, "GET /healthz", "").await;
    assert_eq!((alive.status, &json_of(&alive)["status"]), (200, &json!("ok")));
    let ready = asked(&mut raw, "GET /readyz", "").await;
    let checks = json!([{"name": "starting", "ok": false, "problem": "its database is not open yet"}]);
    assert_eq!((ready.status, json_of(&ready)), (503, json!({"ready": false, "checks": checks})));
    for line in ["GET /user/instagram/status", "POST /auth/sync", "GET /", "GET /instagram/callback?code=x"] {
        let refused = asked(&mut raw, line, "Authorization: Bearer x\r\n").await;
        let problem = json_of(&refused);
        assert_eq!((refused.status, &problem["code"]), (503, &json!("database-unavailable")), "{line}");
        assert_eq!((&problem["source"], &problem["action"]), (&json!("database"), &json!("retry")));
        assert!(problem["detail"].as_str().unwrap().contains("is starting"), "{problem}");
        assert_eq!(refused.header("retry-after"), Some("2"));
        assert_eq!(refused.header("access-control-allow-origin"), Some(APP));
        assert_eq!(refused.header("x-request-id"), problem["request_id"].as_str());
    }
    let preflight = "Access-Control-Request-Method: GET\r\n";
    let preflight = asked(&mut raw, "OPTIONS /user/profile", preflight).await;
    assert_eq!((preflight.status, preflight.header("access-control-allow-origin")), (200, Some(APP)));
    let page = asked(&mut raw, "GET /instagram/callback?code=x", "Accept: text/html\r\n").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"), "{}", page.head);
    let judged = asked(&mut raw, "GET /forward-auth", "").await;
    assert!(judged.header("x-auth-problem").is_some_and(|it| it.contains("database-unavailable")));

    let mut operator = answers(metrics.address()).await;
    let counted = asked(&mut operator, "GET /metrics", "").await;
    for line in ["holdfast_ready{check=\"starting\"} 0", "holdfast_http_connections ", "process_"] {
        assert!(counted.body.contains(line), "{line}: {}", counted.body);
    }
    let refused = asked(&mut operator, "GET /", "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("2")));
    let told = place.run(&["doctor", "--json"]);
    assert!(told.stdout.contains("it is still starting"), "{}", told.stdout);
    assert!(!told.stdout.contains("no server answers"), "{}", told.stdout);
    let failed = codes(&told, "failed");
    assert!(!failed.iter().any(|code| code.ends_with("listen") || code == "database"), "{failed:?}");
    let refused = asked(&mut raw, "GET /user/profile", "").await;
    let told = place.run(&["why", refused.header("x-request-id").unwrap()]);
    assert!(told.code == 0 && told.stdout.contains("503 database-unavailable"), "{}", told.whole());
    let told = place.run(&["why", "no-such-request"]);
    assert!(told.code == 1 && told.stderr.contains("is still starting"), "{}", told.whole());
    let foreign = operator.ask("GET /metrics HTTP/1.1\r\nHost: evil.example\r\n\r\n").await.unwrap();
    assert_eq!(foreign.status, 421);

    waits(&process).await;
    reader.execute("COMMIT").await.expect("it was held all the time");
    serves(&mut process, port.address()).await;
    // The connections of the start.
    let refused = asked(&mut raw, "GET /user/instagram/status", "").await;
    assert_eq!(json_of(&refused)["code"], "session-token-missing", "{}", refused.body);
    assert_eq!(asked(&mut raw, "GET /", "").await.status, 200);
    let ready = asked(&mut raw, "GET /readyz", "").await;
    let checks = json_of(&ready)["checks"].clone();
    let names: Vec<&Value> = checks.as_array().unwrap().iter().map(|check| &check["name"]).collect();
    assert_eq!(names, ["session_keys", "database", "schema", "encryption_keys"]);
    let counted = asked(&mut operator, "GET /metrics", "").await.body;
    assert!(counted.contains("holdfast_ready{check=\"database\"} 1"), "{counted}");
    assert!(!counted.contains("check=\"starting\""), "{counted}");
    assert_eq!(asked(&mut operator, "GET /", "").await.status, 200);
    assert_eq!(terminated(process).await.0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_waits_for_a_migration_can_be_stopped() {
    let (database, mut reader) = locked().await;
    let place = configured(&database.url).with("HOLDFAST_LISTEN", "127.0.0.1:0");
    let process = start(&place, &["serve"]);
    waits(&process).await;
    let (code, _, log) = terminated(process).await;
    assert_eq!(code, Some(0), "{log}");
    reader.execute("COMMIT").await.expect("it was held all the time");
}

/// The limit on connecting is five seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_database_is_silent_can_be_stopped_at_once() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let port = ReservedPort::new();
    let url = format!("postgres://holdfast@{}/holdfast?sslmode=disable", silent.local_addr().unwrap());
    let place = configured(&url).with("HOLDFAST_LISTEN", port.address().to_string());
    let process = start(&place, &["serve"]);
    let mut raw = answers(port.address()).await;
    assert_eq!(asked(&mut raw, "GET /readyz", "").await.status, 503);
    let (code, took, log) = terminated(process).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(took < Duration::from_secs(3), "{took:?}");
}
