//! `holdfast import`: grants of another system, through the real binary and a server that answers
//! `/me`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines};
use std::path::Path;
use std::process::{ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::entropy::{Entropy as _, SeededEntropy};
use holdfast::standin::clerk::Person;
use http::StatusCode;
use serde_json::{Value, json};

use crate::testing::app::App;
use crate::testing::database::{self, Engine, count_on, execute_on};
use crate::testing::leaks;
use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Place, Running, ring_entry};
use crate::testing::serving::serving;
use crate::testing::waiting::{PATIENCE, until, until_seen};

/// Instagram's Graph API as far as an import asks it. A token says what it is: `IGAAgood_7_…` is
/// account 7's.
#[derive(Clone, Default)]
pub(super) struct Graph {
    asked: Arc<Mutex<BTreeMap<String, u64>>>,
    calls: Arc<AtomicU64>,
}

impl Graph {
    pub(super) async fn start() -> (Self, String) {
        let graph = Self::default();
        let router = axum::Router::new().fallback(me).with_state(graph.clone());
        (graph, serving(router).await)
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
    let asked = {
        let mut asked = graph.asked.lock().unwrap();
        let count = asked.entry(kind.to_owned()).or_default();
        *count += 1;
        *count
    };
    let refused = |code: u32, subcode: u32, message: &str| {
        let error =
            json!({"message": message, "type": "OAuthException", "code": code, "error_subcode": subcode});
        (StatusCode::BAD_REQUEST, axum::Json(json!({"error": error}))).into_response()
    };
    let limited = |code: u32, seconds: &'static str| {
        ([("retry-after", seconds)], refused(code, 0, "too many calls")).into_response()
    };
    match kind {
        "throttled" => limited(4, "7200"),
        "briefly" if asked <= 3 => limited(4, "5"),
        "busy" => limited(80_002, "7200"),
        "good" | "briefly" => axum::Json(json!({
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

/// The end of every token: where it is not found, no token is.
const TAIL: &str = "the-end-of-each-and-every-token-of-an-import";

pub(super) fn token(kind: &str, number: usize) -> String {
    leaks::secret(TAIL);
    format!("IGAA{kind}_{number}_{TAIL}")
}

pub(super) fn place(graph: &str) -> Place {
    let place = Place::new();
    let database = format!("sqlite://{}", place.path().join("holdfast.db").display());
    place_on(place, graph, &database)
}

fn place_on(place: Place, graph: &str, database: &str) -> Place {
    let [journal, temporary] = ["journal", "temporary"].map(|name| place.path().join(name));
    std::fs::create_dir(&temporary).unwrap();
    let place = place
        .with("HOLDFAST_DATABASE_URL", database)
        .with("HOLDFAST_JOURNAL_DIR", journal.display().to_string())
        .with("TMPDIR", temporary.display().to_string())
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

pub(super) fn outcomes(stdout: &str) -> Vec<String> {
    told(stdout).into_iter().map(|(_, outcome)| outcome).collect()
}

/// No token stands in any file below: database, write-ahead log, journal, log, temporary files. How
/// many bytes were searched.
fn nothing_in_plaintext(directory: &Path) -> usize {
    let (mut directories, mut searched) = (vec![directory.to_owned()], 0);
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.is_file() && path.extension().is_none_or(|extension| extension != "csv") {
                // What a running Postgres has removed meanwhile holds nothing.
                let bytes = match std::fs::read(&path) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                    read => read.unwrap(),
                };
                assert_eq!(leaks::found_any(&bytes), None, "{}", path.display());
                searched += bytes.len();
            }
        }
    }
    searched
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_line_ends_in_its_named_outcome() {
    for engine in [Engine::Sqlite, Engine::Postgres] {
        let database = database::Place::new(engine).await;
        every_kind_of_line(&database).await;
    }
}

async fn every_kind_of_line(database: &database::Place) {
    let (graph, url) = Graph::start().await;
    let place = place_on(Place::new(), &url, &database.url);
    execute_on(database, "INSERT INTO deleted_users (user_id, deleted_at) VALUES ('user_deleted', 1)").await;
    let in_sixty_days = SystemClock.now().as_second() + 60 * 86_400;
    let expires_at = jiff::Timestamp::from_second(in_sixty_days).unwrap().to_string();
    let input = [
        "user_id,access_token,token_expires_at".to_owned(),
        format!("user_good,{},{expires_at}", token("good", 1)),
        format!("user_unknownexpiry,{},", token("good", 2)),
        format!("user_taker,{},", token("good", 1)),
        format!("user_good,{},", token("good", 1)),
        format!("user_expired,{},", token("expired", 3)),
        format!("user_checkpoint,{},", token("checkpoint", 5)),
        format!("user_retry,{},", token("expired", 6)),
        format!("user_retry,{},", token("good", 6)),
        format!("ada,{},", token("good", 7)),
        "user_empty,,".to_owned(),
        format!("user_deleted,{},", token("good", 8)),
        format!("user_twice,{},", token("expired", 9)),
    ]
    .join("\n");
    let dry = place.feed(&["import", "-", "--dry-run"], input.as_bytes());
    assert_eq!(dry.code, 1, "{}", dry.stderr);
    assert!(dry.stderr.contains("nothing was stored"), "{}", dry.stderr);
    let foreseen = outcomes(&dry.stdout);
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
            "try_again",
            "token_refused",
            "imported",
            "unreadable",
            "unreadable",
            "user_deleted",
            "token_refused",
        ]
    );
    assert_eq!(foreseen, outcomes(&ended.stdout), "a dry run tells what will come of it");
    // Three are connected, and of those whom nothing was linked to nothing is left.
    for table in ["connections", "users", "grants"] {
        let rows = count_on(database.engine, &database.url, &format!("SELECT COUNT(*) FROM {table}")).await;
        assert_eq!(rows, 3, "{table}");
    }
    let numbers: Vec<_> = told(&ended.stdout).into_iter().map(|(line, _)| line).collect();
    assert_eq!(numbers, (2..=13).collect::<Vec<u64>>());
    let shown = place.run(&["connections", "show", "user_good", "--json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    let status = &shown["connection"];
    assert_eq!(
        (&status["state"], &status["account"]["username"]),
        (&json!("connected"), &json!("account.1"))
    );
    assert_eq!(status["token_expires_at"], expires_at);
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
    let searched = nothing_in_plaintext(place.path()) + nothing_in_plaintext(database.directory.path());
    assert!(searched > 0 || database.engine == Engine::Postgres);
}

/// It takes seconds, because the program really waits in between.
#[tokio::test(flavor = "multi_thread")]
async fn what_may_pass_is_asked_about_three_times() {
    let (graph, url) = Graph::start().await;
    let place = place(&url);
    let (foreign, down) = (token("foreign", 1), token("down", 2));
    let input = format!("user_id,access_token\nuser_foreign,{foreign}\nuser_down,{down}\n");
    let ended = place.feed(&["import", "-"], input.as_bytes());
    assert_eq!(
        (ended.code, outcomes(&ended.stdout)),
        (1, ["token_refused", "try_again"].map(String::from).to_vec())
    );
    assert_eq!(["foreign", "down"].map(|kind| graph.asked_about(kind)), [3, 3]);
}

/// As many lines as are asked about at once: what comes after them is asked later.
fn fillers(from: usize) -> String {
    (from..from + 8).map(|each| format!("user_{each},{}\n", token("good", each))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_told_and_waited_for_while_that_is_sensible() {
    let (graph, url) = Graph::start().await;
    let place = place(&url);
    let input = format!("user_id,access_token\nuser_briefly,{}\n{}", token("briefly", 1), fillers(10));
    let ended = place.feed(&["import", "-"], input.as_bytes());
    assert_eq!((ended.code, graph.asked_about("briefly")), (0, 4), "{}", ended.whole());
    assert!(ended.stderr.contains("Instagram limits the app: waiting until "), "{}", ended.stderr);
    // Another account's limit is no reason to wait.
    let input =
        format!("user_id,access_token\nuser_busy,{}\nuser_1,{}\n", token("busy", 2), token("good", 3));
    let ended = place.feed(&["import", "-"], input.as_bytes());
    assert_eq!(outcomes(&ended.stdout), ["try_again", "imported"], "{}", ended.stderr);
    assert_eq!((ended.code, graph.asked_about("busy")), (1, 1));
    // Two hours are not waited for; what is left is for another run.
    let input = |kind| {
        let rest = fillers(40);
        format!("user_id,access_token\nuser_throttled,{}\n{}{rest}", token(kind, 4), fillers(30))
    };
    let ended = place.feed(&["import", "-"], input("throttled").as_bytes());
    let told = outcomes(&ended.stdout);
    assert_eq!((ended.code, told.len()), (1, 17), "{}", ended.whole());
    assert_eq!((&*told[0], &*told[16]), ("try_again", "try_again"), "{}", ended.whole());
    assert!(ended.stdout.contains("Instagram limits the app"), "{}", ended.stdout);
    let again = place.feed(&["import", "-"], input("good").as_bytes());
    assert_eq!(again.code, 0, "{}", again.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_of_somebody_connected_is_told() {
    let (graph, url) = Graph::start().await;
    let place = place(&url);
    let import = |token: String| {
        let ended =
            place.feed(&["import", "-"], format!("user_id,access_token\nuser_1,{token}\n").as_bytes());
        (ended.code, outcomes(&ended.stdout).remove(0), ended.stdout)
    };
    assert_eq!(import(token("good", 1)).1, "imported");
    let (code, outcome, told) = import(token("good", 2));
    assert_eq!((code, &*outcome), (1, "account_taken"), "{told}");
    assert!(told.contains("has already linked another account here"), "{told}");
    // The same account by another token, and one that connects nothing.
    for token in [format!("IGAAgood_1_renewed_{TAIL}"), token("expired", 2), token("foreign", 2)] {
        let (code, outcome, told) = import(token);
        assert_eq!((code, &*outcome), (0, "already_connected"), "{told}");
    }
    assert_eq!(graph.asked_about("foreign"), 1);
    assert_eq!(import(token("down", 2)).1, "try_again", "nobody knows whose it is");
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
    for nothing in ["", "\n\n"] {
        let ended = place.feed(&["import", "-"], nothing.as_bytes());
        assert!(ended.code == 2 && ended.stderr.contains("the input is empty"), "{}", ended.whole());
    }
    let nobody = place.feed(&["import", "-"], b"user_id,access_token\n");
    assert!(nobody.code == 0 && nobody.whole().contains("no lines"), "{}", nobody.whole());
    assert_eq!(place.run(&["import", "missing.csv"]).code, 2);
    let odd = format!("user_id,access_token\n\"user_1,{secret}\nuser_2,\"{secret}\"x\n");
    assert_eq!(place.feed(&["import", "-"], odd.as_bytes()).code, 1);
    assert_eq!(graph.calls.load(Ordering::Relaxed), 0);
}

/// An import of so many good lines, of which it has told the first.
fn begun(graph: &str, amount: usize) -> (Place, Running, Lines<BufReader<ChildStdout>>) {
    let lines: String = (0..amount).map(|each| format!("user_{each},{}\n", token("good", each))).collect();
    let place = place(graph).file("grants.csv", &format!("user_id,access_token\n{lines}"));
    let mut running = place.start(&["import", "grants.csv"], Stdio::piped());
    running.may_be_silent = true;
    let mut out = BufReader::new(running.child.stdout.take().unwrap()).lines();
    assert!(out.next().unwrap().unwrap().contains("\"imported\""));
    (place, running, out)
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_proven_lines_wait_to_be_linked() {
    let (graph, url) = Graph::start().await;
    let (place, mut running, out) = begun(&url, 400);
    // Somebody else writes, for longer than the import waits.
    let writing = rusqlite::Connection::open(place.path().join("holdfast.db")).unwrap();
    writing.busy_timeout(PATIENCE).unwrap();
    writing.execute_batch("BEGIN IMMEDIATE").unwrap();
    let ended = tokio::task::spawn_blocking(move || (1 + out.count(), running.child.wait().unwrap().code()));
    let (linked, code) = ended.await.unwrap();
    assert_eq!(code, Some(2), "the database is busy");
    let proven = usize::try_from(graph.calls.load(Ordering::Relaxed)).unwrap();
    assert_eq!(proven - linked, 64, "{proven} proven, {linked} linked");
    writing.execute_batch("ROLLBACK").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_key_is_retired_meanwhile_ends_and_says_so() {
    let (graph, url) = Graph::start().await;
    let (place, mut running, out) = begun(&url, 2000);
    // It waits soon, since nobody reads on. Until then it seals with its key.
    let ring = format!("{},{}", ring_entry("k2", 2), ring_entry("k1", 1));
    let database = format!("sqlite://{}", place.path().join("holdfast.db").display());
    let others = Place::new().with("HOLDFAST_DATABASE_URL", database).with("HOLDFAST_ENCRYPTION_KEYS", ring);
    until("the key is retired", async || {
        assert_eq!(others.run(&["keys", "rotate", "--servers-are-stopped"]).code, 0);
        others.run(&["keys", "retire", "k1"]).code == 0
    })
    .await;
    let ended = tokio::task::spawn_blocking(move || {
        let told = 1 + out.count();
        (told, running.child.wait().unwrap().code(), running.logged())
    });
    let (told, code, said) = ended.await.unwrap();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("`k1` was retired") && said.contains("that the servers have"), "{said}");
    let asked = usize::try_from(graph.calls.load(Ordering::Relaxed)).unwrap();
    assert!(told < 2000 && asked <= told + 64, "{asked} asked about, {told} told");
}

/// As after `| head`; the help says so.
#[tokio::test(flavor = "multi_thread")]
async fn an_import_whose_reader_has_gone_is_finished() {
    let (_graph, url) = Graph::start().await;
    let (place, mut running, out) = begun(&url, 200);
    drop(out);
    let code = tokio::task::spawn_blocking(move || running.child.wait().unwrap().code()).await.unwrap();
    assert_eq!(code, Some(0), "what became of the lines, not who read it");
    let listed = place.run(&["connections", "list", "--limit", "1000"]);
    assert_eq!(listed.stdout.lines().count(), 200, "{}", listed.stderr);
    let help = place.run(&["help", "import"]).stdout;
    assert!(help.contains("nobody reads"), "{help}");
}

/// How often, unless the environment says otherwise: `scripts/import.sh` makes it long.
fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().map_or(usual, |text| text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_each_grant_is_imported_exactly_once_on_sqlite() {
    let (_, url) = Graph::start().await;
    let place = place(&url);
    let database = format!("sqlite://{}", place.path().join("holdfast.db").display());
    killed_at_any_moment(place, Engine::Sqlite, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_each_grant_is_imported_exactly_once_on_postgres() {
    let (_, url) = Graph::start().await;
    let server = OwnServer::start();
    let place = place_on(Place::new(), &url, &server.url());
    killed_at_any_moment(place, Engine::Postgres, &server.url()).await;
    assert!(nothing_in_plaintext(server.files()) > 1 << 20);
}

async fn killed_at_any_moment(place: Place, engine: Engine, database: &str) {
    let (lines, kills) = (number("HOLDFAST_IMPORT_LINES", 200), number("HOLDFAST_IMPORT_KILLS", 8));
    // What is logged at trace level is looked at in the short version.
    let place = if lines > 2000 { place.with("HOLDFAST_LOG", "info") } else { place };
    let mut input = "user_id,access_token\n".to_owned();
    for each in 0..lines {
        input.push_str(&format!("user_{each},{}\n", token_of(each)));
    }
    leaks::secret(TAIL);
    let place = place.file("grants.csv", &input);
    let chance = SeededEntropy::new(u64::try_from(number("HOLDFAST_IMPORT_SEED", 1)).unwrap());
    let below = |most: usize| {
        let mut bytes = [0; 8];
        chance.fill(&mut bytes).unwrap();
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(most).unwrap()).unwrap()
    };
    let mut moments: Vec<_> = (0..kills).map(|_| below(lines)).collect();
    moments.sort_unstable();
    let mut imported = 0;
    for (kill, moment) in moments.into_iter().enumerate() {
        let mut running = place.start(&["import", "grants.csv"], Stdio::piped());
        running.may_be_silent = true;
        let mut out = BufReader::new(running.child.stdout.take().unwrap()).lines();
        let told = out.by_ref().take(moment).map(Result::unwrap);
        imported += told.filter(|line| line.contains("\"imported\"")).count();
        tokio::time::sleep(Duration::from_micros(u64::try_from(below(20_000)).unwrap())).await;
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        // What it had written before that.
        imported += out.map_while(Result::ok).filter(|line| line.contains("\"imported\"")).count();
        if kills > 20 && kill % 10 == 0 {
            println!("{engine}: killed {} times, {imported} imported", kill + 1);
        }
    }
    let ended = place.run(&["import", "grants.csv"]);
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let last = outcomes(&ended.stdout);
    assert_eq!(last.len(), lines);
    imported += last.iter().filter(|outcome| *outcome == "imported").count();
    // What was linked in the moment of a kill was not told, and is not imported twice either.
    assert!(imported <= lines && imported + kills * 8 >= lines, "{imported} of {lines}");
    for (sql, what) in [
        ("SELECT count(*) FROM connections WHERE state = 'connected'", "connected"),
        ("SELECT count(*) FROM grants", "grants"),
        ("SELECT count(DISTINCT connection_id) FROM grants", "connections with a grant"),
        ("SELECT count(*) FROM connection_history WHERE detail = 'imported from another system'", "imports"),
    ] {
        assert_eq!(count_on(engine, database, sql).await, i64::try_from(lines).unwrap(), "{what}");
    }
    let searched = nothing_in_plaintext(place.path());
    assert!(searched > lines || engine == Engine::Postgres, "{searched} bytes");
    println!("{engine}: {lines} grants, {kills} kills, each imported exactly once");
}

fn token_of(account: usize) -> String {
    format!("IGAAgood_{account}_{TAIL}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whose_grant_was_good_is_connected_without_a_click() {
    // The old system has the grant; the new installation knows nobody.
    let old = App::start().await;
    let ada = old.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let key = format!("Bearer {}", old.service_key().await);
    let handed_out = old
        .request(
            http::Method::POST,
            &format!("/service/users/{}/instagram/token", Person::Ada.user_id()),
            Some(&key),
            None,
        )
        .await;
    let handed_out: Value = serde_json::from_slice(&handed_out.body).unwrap();
    let place = old.environment.iter().fold(Place::new(), |place, (name, value)| place.with(name, value));
    let database = format!("sqlite://{}", place.path().join("new.db").display());
    let place = place.with("HOLDFAST_DATABASE_URL", &database);
    assert_eq!(place.run(&["migrate"]).code, 0);
    let replica = old.replica_with(&[("HOLDFAST_DATABASE_URL", &database)]).await;
    let ada = ada.at(&replica);
    assert_eq!(ada.status().await["state"], "not_connected");
    let line = json!({"user_id": Person::Ada.user_id(), "access_token": handed_out["access_token"]});
    let ended = place.feed(&["import", "-"], line.to_string().as_bytes());
    assert_eq!((ended.code, outcomes(&ended.stdout)), (0, vec!["imported".to_owned()]), "{}", ended.stderr);
    // The two share no memory: the server sees it once what it remembers is over.
    let is_connected = |status: &Value| status["state"] == "connected";
    let status = until_seen("the server sees it", async || ada.status().await, is_connected).await;
    assert_eq!(status["connected"], json!(true));
    assert_eq!(status["account"]["username"], "ada.makes");
    assert!(nothing_in_plaintext(place.path()) > 0);
}
