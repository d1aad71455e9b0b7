//! `holdfast doctor`: an installation that passes, and an end within its time whatever hangs.

use std::time::Duration;

use base64::Engine as _;
use holdfast::standin::clerk::{Fault, Surface};
use holdfast::standin::instagram::{Endpoint, Fault as InstagramFault};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::testing::database::{Engine, count_on, execute, postgres_url};
use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Ended, Place, installation_in, outside};
use crate::testing::relay::Relay;
use crate::testing::waiting::until;

/// Runs the program without blocking the stand-ins, which live on this test's runtime.
pub async fn run(place: Place, arguments: &'static [&'static str]) -> (Place, Ended) {
    tokio::task::spawn_blocking(move || {
        let ended = place.run(arguments);
        (place, ended)
    })
    .await
    .unwrap()
}

/// The codes of the checks that ended so.
pub fn codes(ended: &Ended, result: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.whole()));
    let checks = report["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["result"] == result)
        .map(|check| check["code"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_installation_passes_every_check() {
    let outside = outside().await;
    let (place, _) = run(installation_in(&outside), &["migrate"]).await;
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, codes(&ended, "failed")), (0, Vec::new()), "{}", ended.stdout);
    assert_eq!(codes(&ended, "warning"), Vec::<String>::new(), "{}", ended.stdout);
    let passed = codes(&ended, "ok");
    for code in [
        "clerk-keys",
        "clerk-secret-key",
        "clerk-instance",
        "clock",
        "instagram-app",
        "instagram-graph",
        "sealed",
    ] {
        assert!(passed.iter().any(|each| each == code), "{code} is not among {passed:?}");
    }
    let (place, ended) = run(place, &["doctor"]).await;
    assert!(ended.stdout.ends_with("\nNothing is broken.\n"), "{}", ended.stdout);
    let (_, ended) = run(place, &["doctor", "--offline"]).await;
    assert!(ended.code == 0 && !ended.stdout.contains("Nothing is broken"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backend_api_is_asked_as_the_server_asks_it() {
    let (outside, listener) = (outside().await, TcpListener::bind("127.0.0.1:0").await.unwrap());
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let heard = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        while !heard.ends_with(b"\r\n\r\n") {
            heard.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        String::from_utf8(heard).unwrap()
    });
    let (_, ended) =
        run(installation_in(&outside).with("CLERK_API_URL", address), &["doctor", "--json"]).await;
    assert!(codes(&ended, "failed").contains(&"clerk-secret-key".to_owned()), "{}", ended.stdout);
    let heard = heard.await.unwrap();
    assert!(heard.starts_with("GET /v1/jwks HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("clerk-api-version: 2026-05-12\r\n"), "{heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_told_is_not_said_to_be_good() {
    let outside = outside().await;
    let (place, _) = run(installation_in(&outside), &["migrate"]).await;
    outside.instagram.arm(None, InstagramFault::AppRateLimit, Some(Endpoint::Token), None).unwrap();
    let (_, ended) = run(place, &["doctor"]).await;
    let last = ended.stdout.lines().last();
    assert_eq!(last, Some("Nothing that could be checked is broken. Not checked: instagram-app."));
    assert_eq!(ended.code, 0, "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_without_instagram_passes() {
    let outside = outside().await;
    let place = installation_in(&outside).with("INSTAGRAM_APP_ID", "").with("INSTAGRAM_APP_SECRET", "");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, codes(&ended, "failed")), (0, Vec::new()), "{}", ended.stdout);
}

/// The server takes a pinned key however an environment file mangles it, so doctor must, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_key_is_known_in_every_spelling_that_the_server_takes() {
    let (outside, other) = (outside().await, outside().await.clerk);
    let pem = outside.clerk.jwt_key().unwrap();
    let escaped = pem.trim().replace('\n', "\\n");
    let whole = base64::engine::general_purpose::STANDARD.encode(pem.as_bytes());
    let two = format!("{pem}{}", other.jwt_key().unwrap());
    for spelling in [pem.clone(), escaped.clone(), escaped.replace("\\n", "\\\\n"), whole, two] {
        let (_, ended) =
            run(installation_in(&outside).with("CLERK_JWT_KEY", spelling), &["doctor", "--json"]).await;
        assert!(codes(&ended, "ok").contains(&"clerk-pinned-key".to_owned()), "{}", ended.stdout);
    }
}

/// Many grants, none of which opens, behind a network that takes its time.
pub const GRANTS: &str = "\
    INSERT INTO users (id, created_at, updated_at) SELECT 'user_' || n, 1, 1 FROM generate_series(1, 3000) AS n; \
    INSERT INTO user_keys (user_id, key_id, blob, created_at) SELECT id, '2026', '\\x00', 1 FROM users; \
    INSERT INTO connections (id, user_id, provider, state, account_id, account_professional_id, scopes, missing_scopes, \
    grant_version, grant_obtained_at, grant_expires_at, next_refresh_at, since, linked_at, evidence_source, evidence_at, \
    version) SELECT CAST(CAST(md5(id) AS UUID) AS TEXT), id, 'instagram', 'connected', id, id, '[]', '[]', 1, 1, \
    4000000000000, 3000000000000, 1, 1, 'oauth', 1, 1 FROM users; \
    INSERT INTO grants (connection_id, version, blob, obtained_at, expires_at) SELECT id, 1, '\\x00', 1, 4000000000000 FROM \
    connections; \
    ANALYZE";

#[tokio::test(flavor = "multi_thread")]
async fn many_grants_are_tried_in_time_and_a_slow_database_keeps_what_was_found() {
    let (outside, server) = (outside().await, OwnServer::start());
    let relay = Relay::before(&server);
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", relay.url());
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    execute(&server.url(), GRANTS).await.unwrap();
    relay.be_slow(Duration::from_millis(5));
    let (mut place, mut ended) = run(place, &["doctor", "--json"]).await;
    // A busy machine may take longer than the database has, but not each time.
    for _ in 0..4 {
        if codes(&ended, "failed") != ["database"] {
            break;
        }
        (place, ended) = run(place, &["doctor", "--json"]).await;
    }
    assert_eq!(codes(&ended, "failed"), ["sealed"], "{}", ended.stdout);
    assert!(ended.stdout.contains("3000 of 3000 grants tried do not open"), "{}", ended.stdout);

    relay.be_slow(Duration::from_millis(500));
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database"], "{}", ended.stdout);
    assert!(codes(&ended, "ok").contains(&"database-version".to_owned()), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_falls_silent_half_way_has_connections_enough() {
    let (outside, server) = (outside().await, OwnServer::start());
    let relay = Relay::before(&server);
    let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", relay.url());
    let (place, ended) = run(place, &["migrate"]).await;
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    relay.go_silent_at("ORDER BY tablename");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["database"], "{}", ended.stdout);
    assert!(ended.stdout.contains("answers no more"), "{}", ended.stdout);
    assert!(codes(&ended, "ok").contains(&"database-pool".to_owned()), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_of_another_encoding_than_utf8_is_told_so() {
    let outside = outside().await;
    for (encoding, result) in [("LATIN1", "failed"), ("SQL_ASCII", "warning"), ("UTF8", "")] {
        let name = format!("encoding_{}_{}", encoding.to_lowercase(), std::process::id());
        let maintenance = postgres_url("postgres");
        let made = format!(
            "CREATE DATABASE {name} ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
        );
        execute(&maintenance, &made).await.unwrap();
        let place = installation_in(&outside).with("HOLDFAST_DATABASE_URL", postgres_url(&name));
        let (mut place, ended) = run(place, &["migrate"]).await;
        let is_refused = encoding == "LATIN1";
        assert_eq!(ended.code, if is_refused { 2 } else { 0 }, "{encoding}: {}", ended.whole());
        if is_refused {
            let (back, serving) = run(place, &["serve"]).await;
            place = back;
            for refused in [ended, serving] {
                let told = refused.whole();
                assert!(refused.code == 2 && told.contains("LATIN1 lacks most characters"), "{told}");
            }
            let tables = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
            assert_eq!(count_on(Engine::Postgres, &postgres_url(&name), tables).await, 0);
        }
        let (place, ended) = run(place, &["doctor", "--json", "--offline"]).await;
        for each in ["failed", "warning"] {
            let is_told = codes(&ended, each).contains(&"database-encoding".to_owned());
            assert_eq!(is_told, each == result, "{encoding} {each}: {}", ended.stdout);
        }
        // The statement can be followed as it stands.
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let checks = report["checks"].as_array().unwrap().iter();
        let remedy = checks
            .filter(|check| check["code"] == "database-encoding")
            .find_map(|check| check["remedy"].as_str());
        if let Some(statement) = remedy.and_then(|text| text.split_once(": ")?.1.split(';').next()) {
            let other = format!("{name}_utf8");
            execute(&maintenance, &statement.replace("holdfast_utf8", &other)).await.unwrap();
            execute(&maintenance, &format!("DROP DATABASE {other}")).await.unwrap();
        }
        drop(place);
        execute(&maintenance, &format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_hangs_it_ends_within_fifteen_seconds() {
    let outside = outside().await;
    outside.clerk.set_fault(Surface::Jwks, Some(Fault::Hang));
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let place = installation_in(&outside)
        .with("INSTAGRAM_AUTHORIZE_URL", format!("{address}/oauth/authorize"))
        .with("INSTAGRAM_API_URL", address.as_str())
        .with("INSTAGRAM_GRAPH_URL", address.as_str());
    let began = std::time::Instant::now();
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
    assert_eq!(ended.code, 1, "{}", ended.stdout);
}

/// Neither of them is told by the port alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_installation_on_the_port_is_told_from_ours() {
    let outside = outside().await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let ours = installation_in(&outside).with("HOLDFAST_LISTEN", free.as_str());
    let server = ours.serve_within("true");
    until("it serves", async || server.logged().contains("\"message\":\"serving\"")).await;
    let (_ours, ended) = run(ours, &["doctor", "--json"]).await;
    assert!(codes(&ended, "ok").contains(&"listen".to_owned()), "{}", ended.stdout);

    let other = installation_in(&outside).with("HOLDFAST_LISTEN", free.as_str());
    let (other, ended) = run(other, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["listen"], "{}", ended.stdout);
    let file = other.path().canonicalize().unwrap().join("holdfast.db");
    let told = format!("of another installation: it does not work on {}", file.display());
    assert!(ended.stdout.contains(&told) && !ended.stdout.contains("is gone"), "{}", ended.stdout);
    let (other, _) = run(other, &["migrate"]).await;
    let (_, ended) = run(other, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["listen"], "{}", ended.stdout);

    let on_postgres = OwnServer::start();
    let other = installation_in(&outside)
        .with("HOLDFAST_LISTEN", free.as_str())
        .with("HOLDFAST_PUBLIC_URL", "https://other.example.com")
        .with("HOLDFAST_DATABASE_URL", on_postgres.url());
    let (_, ended) = run(other, &["doctor", "--json", "--offline"]).await;
    assert_eq!(codes(&ended, "failed"), ["listen"], "{}", ended.stdout);
    assert!(ended.stdout.contains("its HOLDFAST_PUBLIC_URL is https://api.example.com"), "{}", ended.stdout);
    drop(server);
}

/// Root runs it, in directories of others.
#[test]
fn nothing_is_written_to_the_directory_of_a_database_that_is_not_there() {
    let (place, journal) = (Place::new(), tempfile::tempdir().unwrap());
    let place = place.with("HOLDFAST_JOURNAL_DIR", journal.path().to_str().unwrap());
    let changed = || place.path().metadata().unwrap().modified().unwrap();
    let before = changed();
    let ended = place.run(&["doctor", "--json", "--offline"]);
    assert!(codes(&ended, "warning").contains(&"database".to_owned()), "{}", ended.stdout);
    assert_eq!(changed(), before);
}

#[test]
fn every_code_has_a_page_of_its_own() {
    let all = holdfast::cli::doctor::code::CODES;
    let names: std::collections::BTreeSet<_> = all.iter().map(|code| code.name).collect();
    assert_eq!(names.len(), all.len());
    for code in all {
        let told = Place::new().run(&["doctor", "--explain", code.name]).stdout;
        assert!(told.starts_with(code.name) && told.contains(code.remedy), "{told}");
    }
    assert_eq!(Place::new().run(&["doctor", "--explain", "no-such-check"]).code, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_refuses_events_is_told_with_its_last_status() {
    let outside = outside().await;
    let app = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/events", app.local_addr().unwrap());
    // It checks signatures, with another secret.
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = app.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 16 * 1024];
                let _ = stream.read(&mut request).await;
                let answer = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            });
        }
    });
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let place = installation_in(&outside)
        .with("HOLDFAST_METRICS_LISTEN", free.as_str())
        .with("HOLDFAST_WEBHOOK_URL", address.as_str())
        .with("HOLDFAST_WEBHOOK_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=");
    let (place, _) = run(place, &["migrate"]).await;
    let database = rusqlite::Connection::open(place.path().join("holdfast.db")).unwrap();
    let event = "INSERT INTO outbox (user_id, provider, event_id, occurred_at, due_at) VALUES ('user_1', 'instagram', 'evt_1', 0, 0)";
    let server = place.serve_within("true");
    until("it serves", async || server.logged().contains("\"message\":\"serving\"")).await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    database.execute_batch(&event.replace("0, 0", &format!("{now}, {now}"))).unwrap();
    let tries = || database.query_row("SELECT tries FROM outbox", [], |row| row.get::<_, i64>(0)).unwrap();
    until("it was tried twice", async || tries() > 1).await;
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["webhook-receiver"], "{}", ended.stdout);
    assert_eq!(codes(&ended, "warning"), ["webhook-receiver"], "{}", ended.stdout);
    for part in ["the app has not taken 1 event, the oldest of ", "the app answered the last event with 401"]
    {
        assert!(ended.stdout.contains(part), "{part}: {}", ended.stdout);
    }
    drop(server);
    // Also where no server runs.
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(codes(&ended, "failed"), ["webhook-receiver"], "{}", ended.stdout);
}
