//! `holdfast import`: grants of another system, through the real binary and a server that answers
//! `/me`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use super::support::{Place, ring_entry};
use crate::support::leaks;

/// Instagram's Graph API as far as an import asks it. A token says what it is: `IGAAgood_7_…` is
/// account 7's.
#[derive(Clone, Default)]
struct Graph {
    asked: Arc<Mutex<BTreeMap<String, u64>>>,
    calls: Arc<AtomicU64>,
}

impl Graph {
    async fn start() -> (Self, String) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let graph = Self::default();
        let router = axum::Router::new().fallback(me).with_state(graph.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (graph, url)
    }

    fn asked_about(&self, kind: &str) -> u64 {
        self.asked.lock().unwrap().get(kind).copied().unwrap_or_default()
    }
}

async fn me(State(graph): State<Graph>, request: Request) -> Response {
    graph.calls.fetch_add(1, Ordering::Relaxed);
    let query = request.uri().query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes())
        .find_map(|(name, value)| (name == "access_token").then(|| value.into_owned()));
    let in_header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = in_query.or(in_header.map(str::to_owned)).unwrap_or_default();
    let token = token.trim_start_matches("Bearer ").trim_start_matches("IGAA").to_owned();
    let mut parts = token.split('_');
    let (kind, number) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    *graph.asked.lock().unwrap().entry(kind.to_owned()).or_default() += 1;
    let refused = |code: u32, subcode: u32, message: &str| {
        let error =
            json!({"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode});
        (StatusCode::BAD_REQUEST, axum::Json(json!({"error": error}))).into_response()
    };
    match kind {
        "good" => axum::Json(json!({
            "id": format!("9{number:0>16}"), "user_id": format!("17841{number:0>12}"),
            "username": format!("account.{number}"), "name": "A", "account_type": "BUSINESS",
        }))
        .into_response(),
        "expired" => refused(190, 463, "Error validating access token: Session has expired on …"),
        "checkpoint" => refused(190, 459, "You cannot access the app till you log in to www.instagram.com"),
        "down" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => refused(190, 0, "Cannot parse access token"),
    }
}

fn token(kind: &str, number: usize) -> String {
    let token = format!("IGAA{kind}_{number}_{}", "x".repeat(40));
    leaks::secret(&token);
    token
}

fn place(graph: &str) -> Place {
    let place = Place::new();
    let database = format!("sqlite://{}", place.path().join("holdfast.db").display());
    let spill = place.path().join("spill").display().to_string();
    let place = place
        .with("HOLDFAST_DATABASE_URL", database)
        .with("HOLDFAST_JOURNAL_DIR", spill)
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("k1", 1))
        .with("INSTAGRAM_APP_ID", "1234567890123456")
        .with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")
        .with("INSTAGRAM_GRAPH_URL", graph)
        .with("INSTAGRAM_API_URL", graph);
    assert_eq!(place.run(&["migrate"]).code, 0);
    place
}

fn told(stdout: &str) -> Vec<(u64, String)> {
    let lines = stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|each| (each["line"].as_u64().unwrap(), each["outcome"].as_str().unwrap().to_owned())).collect()
}

fn outcomes(stdout: &str) -> Vec<String> {
    told(stdout).into_iter().map(|(_, outcome)| outcome).collect()
}

/// No token stands in any file of the installation.
fn nothing_in_plaintext(place: &Place) {
    let mut searched = 0;
    for entry in std::fs::read_dir(place.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() && path.extension().is_none_or(|extension| extension != "csv") {
            let bytes = std::fs::read(&path).unwrap();
            assert_eq!(leaks::found_any(&bytes), None, "{}", path.display());
            searched += bytes.len();
        }
    }
    assert!(searched > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_line_ends_in_its_named_outcome() {
    let (graph, url) = Graph::start().await;
    let place = place(&url);
    let input = [
        "user_id,access_token,token_expires_at".to_owned(),
        format!("user_good,{},2027-03-01T00:00:00Z", token("good", 1)),
        format!("user_unknownexpiry,{},", token("good", 2)),
        format!("user_taker,{},", token("good", 1)),
        format!("user_good,{},", token("good", 1)),
        format!("user_expired,{},", token("expired", 3)),
        format!("user_foreign,{},", token("foreign", 4)),
        format!("user_checkpoint,{},", token("checkpoint", 5)),
        format!("user_retry,{},", token("expired", 6)),
        format!("user_retry,{},", token("good", 6)),
        format!("ada,{},", token("good", 7)),
        "user_empty,,".to_owned(),
    ]
    .join("\n");
    let dry = place.feed(&["import", "-", "--dry-run"], input.as_bytes());
    assert_eq!(dry.code, 1, "{}", dry.stderr);
    assert!(dry.stderr.contains("nothing was stored"), "{}", dry.stderr);
    let listed = place.run(&["connections", "list", "--json"]);
    assert!(!listed.stdout.contains("user_good"), "{}", listed.stdout);

    let ended = place.feed(&["import", "-"], input.as_bytes());
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    assert_eq!(
        outcomes(&ended.stdout),
        [
            "imported",
            "imported",
            "account_taken",
            "duplicate",
            "token_refused",
            "token_refused",
            "try_again",
            "token_refused",
            "imported",
            "unreadable",
            "unreadable",
        ]
    );
    let numbers: Vec<_> = told(&ended.stdout).into_iter().map(|(line, _)| line).collect();
    assert_eq!(numbers, (2..=12).collect::<Vec<u64>>());
    let shown = place.run(&["connections", "show", "user_good", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let status = &shown["connection"];
    assert_eq!(
        (&status["state"], &status["account"]["username"]),
        (&json!("connected"), &json!("account.1"))
    );
    assert_eq!(status["token_expires_at"], "2027-03-01T00:00:00Z");
    assert_eq!(status["evidence"]["source"], "use");

    // Started again it asks nothing about those who are connected, and changes nothing.
    let asked = graph.asked_about("good");
    let again = place.feed(&["import", "-"], input.as_bytes());
    assert_eq!(
        outcomes(&again.stdout)[..4],
        ["already_connected", "already_connected", "account_taken", "duplicate"]
    );
    assert_eq!(graph.asked_about("good"), asked + 1, "only about the one who wants another's account");
    let good = format!("user_id,access_token\nuser_good,{}\n", token("good", 1));
    assert_eq!(place.feed(&["import", "-"], good.as_bytes()).code, 0);
    nothing_in_plaintext(&place);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_left_is_not_brought_back() {
    let (_, url) = Graph::start().await;
    let place = place(&url);
    let line = format!("{{\"user_id\":\"user_1\",\"access_token\":\"{}\"}}\n", token("good", 1));
    assert_eq!(outcomes(&place.feed(&["import", "-"], line.as_bytes()).stdout), ["imported"]);
    assert_eq!(place.run(&["connections", "forget", "user_1", "--yes"]).code, 0);
    let again = place.feed(&["import", "-"], line.as_bytes());
    assert_eq!((again.code, outcomes(&again.stdout)), (1, vec!["token_refused".to_owned()]));
    assert!(again.stdout.contains("only they can connect again"), "{}", again.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_cannot_be_meant_is_a_mistake_and_never_echoed() {
    let (graph, url) = Graph::start().await;
    let place = place(&url);
    let secret = token("good", 1);
    for input in [format!("user_1,{secret}\n"), format!("user_id;access_token\nuser_1;{secret}\n")] {
        let ended = place.feed(&["import", "-"], input.as_bytes());
        assert_eq!(ended.code, 2, "{}", ended.stderr);
        assert!(ended.stderr.contains("names no column"), "{}", ended.stderr);
    }
    assert_eq!(place.run(&["import", "missing.csv"]).code, 2);
    let odd = format!("user_id,access_token\n\"user_1,{secret}\nuser_2,\"{secret}\"x\n");
    assert_eq!(place.feed(&["import", "-"], odd.as_bytes()).code, 1);
    assert_eq!(graph.calls.load(Ordering::Relaxed), 0);
}

/// `HOLDFAST_IMPORT_LINES` and `HOLDFAST_IMPORT_KILLS` make it long: `scripts/import.sh`.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_each_grant_is_imported_exactly_once() {
    let number = |name: &str, usual: usize| {
        std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
    };
    let (lines, kills) = (number("HOLDFAST_IMPORT_LINES", 200), number("HOLDFAST_IMPORT_KILLS", 8));
    let (_, url) = Graph::start().await;
    let place = place(&url);
    let mut input = "user_id,access_token\n".to_owned();
    let tokens: Vec<_> = (0..lines).map(|each| format!("IGAAgood_{each}_{}", "x".repeat(40))).collect();
    for (each, token) in tokens.iter().enumerate() {
        input.push_str(&format!("user_{each},{token}\n"));
    }
    let place = place.file("grants.csv", &input);
    for each in tokens.iter().step_by(lines.div_ceil(50)) {
        leaks::secret(each);
    }
    let mut imported = 0;
    for kill in 0..kills {
        let mut running = place.start(&["import", "grants.csv"], Stdio::piped());
        running.may_be_silent = true;
        let mut out = BufReader::new(running.child.stdout.take().unwrap());
        // Somewhere in its part of the file, at a moment that differs each time.
        let wanted = lines * (kill + 1) / (kills + 1);
        let mut line = String::new();
        for _ in 0..wanted {
            line.clear();
            if out.read_line(&mut line).unwrap() == 0 {
                break;
            }
            imported += usize::from(line.contains("\"imported\""));
        }
        tokio::time::sleep(Duration::from_micros(u64::try_from(kill * 731 % 5000).unwrap())).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        line.clear();
        while out.read_line(&mut line).unwrap() > 0 {
            imported += usize::from(line.contains("\"imported\""));
            line.clear();
        }
    }
    let ended = place.run(&["import", "grants.csv"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let last = outcomes(&ended.stdout);
    assert_eq!(last.len(), lines);
    imported += last.iter().filter(|outcome| *outcome == "imported").count();
    // What was linked in the moment of a kill was not told, and is not imported twice either.
    assert!(imported <= lines && imported + kills * 8 >= lines, "{imported} of {lines}");
    let database = rusqlite::Connection::open(place.path().join("holdfast.db")).unwrap();
    let count = |sql: &str| database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let lines = i64::try_from(lines).unwrap();
    assert_eq!(count("SELECT count(*) FROM connections WHERE state = 'connected'"), lines);
    assert_eq!(count("SELECT count(*) FROM grants"), lines);
    assert_eq!(count("SELECT count(DISTINCT connection_id) FROM grants"), lines);
    nothing_in_plaintext(&place);
}
