//! From a request id in a screenshot to cause and remedy, in one command.

use std::sync::Arc;

use holdfast::clock::SystemClock;
use holdfast::standin::clerk::{Fault, Person, Surface};
use holdfast::transport::Answer;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::page::page;
use crate::edge::client::Raw;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};
use crate::testing::database::{Engine, Place, execute, execute_on};
use crate::testing::program::Place as Folder;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_from_memory_and_from_the_log() {
    let app = App::start().await;
    let token = app
        .clerk
        .mint_with(Person::Ada, Some("https://foreign.example"), |mint| mint.with_claims(|_| {}))
        .unwrap();
    crate::testing::leaks::secret(&token);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    app.is_ready().await;
    let refused = app.request_with(Method::GET, "/user/instagram/status", headers, None).await;
    assert_eq!(refused.code(), "token-invalid-authorized-parties");
    let request_id = refused.json()["request_id"].as_str().unwrap().to_owned();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, app.operator.clone()).into_future());
    let log = app.watch.log();
    let asked = request_id.clone();
    let (from_memory, as_json, from_log, unknown) = tokio::task::spawn_blocking(move || {
        let place = Folder::new();
        (
            place.run(&["why", &asked, "--from", &address]),
            place.run(&["why", &asked, "--from", &address, "--json"]),
            piped(&asked, &log),
            place.run(&["why", "no-such-request", "--from", &address]),
        )
    })
    .await
    .unwrap();
    serving.abort();
    for (code, told) in [(from_memory.code, from_memory.whole()), from_log] {
        assert_eq!(code, 0, "{told}");
        for part in ["401 token-invalid-authorized-parties", "https://foreign.example", "mend", "token   "] {
            assert!(told.contains(part), "{part} is missing in {told}");
        }
    }
    assert!(from_memory.stdout.contains(Person::Ada.user_id()), "{}", from_memory.stdout);
    // The remedy of this very refusal, as `token explain` has it.
    let named = "add `https://foreign.example` to CLERK_AUTHORIZED_PARTIES";
    assert!(from_memory.stdout.contains(named), "{}", from_memory.stdout);
    let told: serde_json::Value = serde_json::from_str(&as_json.stdout).unwrap();
    assert!(told["remedy"].as_str().unwrap().contains(named), "{told}");
    assert_eq!(unknown.code, 1, "{}", unknown.whole());
    assert!(unknown.stderr.contains("nothing is known"), "{}", unknown.stderr);
    let (status, _) = page(&app, "/why/no-such-request").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// Its user is proven, so that the operator finds the request by them too.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_not_active_is_explained_too() {
    let app = App::start().await;
    app.is_ready().await;
    for (sts, found) in [("pending", "`sts` is pending"), ("frozen", "`sts` is `frozen`")] {
        let token =
            app.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("sts", sts)).unwrap();
        crate::testing::leaks::secret(&token);
        let refused = app.get_as(&format!("Bearer {token}"), "/user/profile").await;
        assert_eq!(refused.code(), "session-pending");
        let id = refused.json()["request_id"].as_str().unwrap().to_owned();
        let (_, remembered) = page(&app, &format!("/why/{id}")).await;
        let remembered: serde_json::Value = serde_json::from_str(&remembered).unwrap();
        let judgement = &remembered["judgement"];
        assert_eq!((&judgement["step"], &judgement["is_proven"]), (&"status".into(), &true.into()));
        assert_eq!(judgement["claimed_user"], Person::Ada.user_id());
        assert!(judgement["found"].as_str().unwrap().starts_with(found), "{judgement}");
        let log = app.watch.log();
        let (exit, told) = tokio::task::spawn_blocking(move || piped(&id, &log)).await.unwrap();
        assert!(exit == 0 && told.contains("403 session-pending") && told.contains(found), "{told}");
    }
}

/// Anybody who has seen an id can send it again, and a token can name anybody.
#[tokio::test(flavor = "multi_thread")]
async fn who_repeats_an_id_hides_nothing_and_who_claims_to_be_somebody_is_marked() {
    let app = App::start().await;
    app.is_ready().await;
    let token =
        app.clerk.mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("sts", "active")).unwrap();
    let (content, _) = token.rsplit_once('.').unwrap();
    let forged = format!("Bearer {content}.{}", "A".repeat(342));
    for credential in [forged.as_str(), "Bearer nothing"] {
        let mut headers = HeaderMap::new();
        headers.insert("x-request-id", "seen-in-a-screenshot".parse().unwrap());
        headers.insert("authorization", credential.parse().unwrap());
        let refused = app.request_with(Method::GET, "/user/profile", headers, None).await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    let (_, remembered) = page(&app, "/why/seen-in-a-screenshot").await;
    let remembered: serde_json::Value = serde_json::from_str(&remembered).unwrap();
    assert_eq!(remembered["judgement"]["claimed_user"], Person::Ada.user_id());
    assert_eq!(remembered["later"], 1, "{remembered}");
    let claim = format!("{}, as the token says; not proven", Person::Ada.user_id());
    let (_, shown) = page(&app, "/?q=seen-in-a-screenshot").await;
    assert!(shown.contains(&claim) && shown.contains("1 came later with the same one"), "{shown}");
    let (_, theirs) = page(&app, &format!("/?q={}", Person::Ada.user_id())).await;
    assert!(theirs.contains("as the token says; not proven"), "{theirs}");
}

/// The id on a page that a person sees explains as much as one in a problem.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_says_what_went_wrong_is_explained_too() {
    let app = App::start().await;
    for (path, status, says) in [
        ("/instagram/callback?code=x&state=y", 400, "Connecting took too long"),
        ("/instagram/callback", 400, "without the data that Instagram adds"),
        ("/data-deletion/nobody", 404, "no deletion request"),
        ("/docs/errors/no-such-code", 404, "no error with this code"),
    ] {
        let answer = app.request_with(Method::GET, path, HeaderMap::new(), None).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert!(answer.text().contains(&id), "{path}");
        let (known, remembered) = page(&app, &format!("/why/{id}")).await;
        assert_eq!(known, StatusCode::OK, "{path}");
        let remembered: serde_json::Value = serde_json::from_str(&remembered).unwrap();
        assert!(remembered["detail"].as_str().unwrap().contains(says), "{remembered}");
        assert_eq!(remembered["status"], status, "{remembered}");
        let code = holdfast::http::problem::ProblemCode::parse(remembered["code"].as_str().unwrap()).unwrap();
        assert_eq!(code.entry().status, status, "the reference says the same: {remembered}");
    }
}

/// A request that no router saw is answered with an id as well.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_not_be_read_is_explained_too() {
    let app = App::start().await;
    app.is_ready().await;
    let mut client = Raw::connect(app.address()).await;
    client.send(b"GET /healthz HTTP/1.1\r\nHost : h\r\n\r\n").await.unwrap();
    let answer = client.rest().await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let id =
        serde_json::from_str::<serde_json::Value>(body).unwrap()["request_id"].as_str().unwrap().to_owned();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, app.operator.clone()).into_future());
    let (log, public) = (app.watch.log(), app.base.to_string());
    let (from_memory, from_log, elsewhere) = tokio::task::spawn_blocking(move || {
        let place = Folder::new();
        (
            place.run(&["why", &id, "--from", &address]),
            piped(&id, &log),
            place.run(&["why", "no-such-request", "--from", &public]),
        )
    })
    .await
    .unwrap();
    serving.abort();
    for (code, told) in [(from_memory.code, from_memory.whole()), from_log] {
        assert!(code == 0 && told.contains("400 malformed-request  unreadable, 2"), "{told}");
    }
    // The listener of the callers knows nothing of it, which is no answer.
    assert!(elsewhere.stderr.contains("no metrics listener"), "{}", elsewhere.whole());
}

/// The operator is told what went wrong, not to report it to the operator.
#[tokio::test(flavor = "multi_thread")]
async fn the_reason_of_a_500_is_told_under_its_request_id() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    execute_on(&app.place, "UPDATE connections SET state = 'nonsense'").await;
    let failed = ada.send(Method::GET, "/user/instagram/status", None).await;
    assert_eq!(failed.code(), "internal-error");
    assert!(!failed.text().contains("nonsense"), "{}", failed.text());
    explained(&app, &failed, "of table connections").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn why_clerks_keys_do_not_load_is_told() {
    let app = App::with(&[], |clerk| clerk.set_fault(Surface::Jwks, Some(Fault::ServerError))).await;
    let failed = app.sign_in(Person::Ada).get("/user/profile").await;
    assert_eq!(failed.code(), "keys-unavailable");
    let reason = "keys cannot be fetched: ";
    explained(&app, &failed, reason).await;
    let html = page(&app, "/").await.1;
    assert!(html.contains("/runbook#HoldfastCannotJudge"), "{html}");
    assert!(page(&app, "/troubles").await.1.contains(reason));
    assert!(!failed.text().contains("cannot be fetched"), "for the operator: {}", failed.text());
}

/// As after a restore, or a migration by a role without default privileges.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_the_role_lacks_is_the_databases_and_is_named_everywhere() {
    let place = Place::new(Engine::Postgres).await;
    let mut url: url::Url = place.url.parse().unwrap();
    let role = format!("clerk_{}", url.path().trim_start_matches('/'));
    let admin = async |sql: String| execute(&place.url, &sql).await.unwrap();
    admin(format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN")).await;
    let whole = format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}");
    admin(whole.clone()).await;
    url.set_username(&role).unwrap();
    let no_worker = &[("HOLDFAST_WORKER", "off")];
    let app = App::on(Place::at(url.into()), Arc::new(SystemClock), no_worker, |_| {}).await;
    app.is_ready().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;

    admin(format!("REVOKE UPDATE ON connections FROM {role}")).await;
    let failed = ada.check().await;
    failed.is(503, "database-unavailable");
    assert_eq!(failed.headers["retry-after"], "30");
    explained(&app, &failed, "lacks a right: SQLSTATE 42501").await;
    let ready = app.get("/readyz").await.json();
    let problem = "its role lacks a right: run holdfast doctor";
    let checks = ready["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "database" && check["problem"] == problem), "{ready}");
    let troubles = page(&app, "/troubles").await.1;
    assert!(troubles.contains("HoldfastDatabaseAway") && troubles.contains("UPDATE on table connections"));

    admin(whole).await;
    app.is_ready().await;
    ada.check().await.good();
}

/// As after a restore that failed half-way, or a script that empties the wrong database.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_was_emptied_under_the_server_is_told_so() {
    for (engine, empty, cause) in [
        (Engine::Postgres, "DROP SCHEMA public CASCADE; CREATE SCHEMA public", "SQLSTATE 42P01"),
        (Engine::Sqlite, "DROP TABLE connections; DROP TABLE users", "no such table"),
    ] {
        let no_worker = &[("HOLDFAST_WORKER", "off")];
        let app = App::on(Place::new(engine).await, Arc::new(SystemClock), no_worker, |_| {}).await;
        app.is_ready().await;
        let ada = app.sign_in(Person::Ada);
        ada.connect_account("ada.makes").await;
        execute_on(&app.place, empty).await;
        for path in ["/user/instagram/status", "/user/instagram/history"] {
            let failed = ada.send(Method::GET, path, None).await;
            assert_eq!(failed.told(), (503, "database-unavailable"), "{engine}, {path}: {}", failed.text());
            assert_eq!(failed.headers["retry-after"], "30");
            assert!(!failed.text().contains("connections"), "{}", failed.text());
            explained(&app, &failed, cause).await;
        }
        let ready = app.get("/readyz").await.json();
        let problem = "its tables are missing: run holdfast doctor";
        let mut checks = ready["checks"].as_array().unwrap().iter();
        assert!(checks.any(|check| check["problem"] == problem), "{engine}: {ready}");
        assert!(page(&app, "/troubles").await.1.contains("HoldfastDatabaseAway"), "{engine}");
    }
}

/// `reason` is told of a request that failed: from the memory and from the log.
async fn explained(app: &App, failed: &Answer, reason: &str) {
    let id = failed.json()["request_id"].as_str().unwrap().to_owned();
    let remembered: serde_json::Value =
        serde_json::from_str(&page(app, &format!("/why/{id}")).await.1).unwrap();
    assert!(remembered["cause"].as_str().unwrap_or_default().contains(reason), "{remembered}");
    assert!(page(app, &format!("/?q={id}")).await.1.contains(reason), "the operator's page");
    let log = app.watch.log();
    let (exit, told) = tokio::task::spawn_blocking(move || piped(&id, &log)).await.unwrap();
    assert!(exit == 0 && told.contains(reason), "{told}");
    assert!(!told.contains("Holdfast has a fault"), "guessed at what is known: {told}");
}

/// What `why` makes of a log on standard input.
fn piped(request_id: &str, log: &[u8]) -> (i32, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    std::fs::write(&file, log).unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"))
        .args(["why", request_id])
        .env_clear()
        .current_dir(folder.path())
        .stdin(std::fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    let told = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_says_what_went_wrong_names_its_request() {
    let app = App::start().await;
    let answer = app.get("/instagram/callback").await;
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert!(answer.text().contains(id), "{}", answer.text());
}

/// A row that is not seen is not deleted, whatever the answer says.
#[tokio::test(flavor = "multi_thread")]
async fn rows_that_a_policy_hides_are_no_absent_ones() {
    let place = Place::new(Engine::Postgres).await;
    let mut url: url::Url = place.url.parse().unwrap();
    let role = format!("hidden_{}", url.path().trim_start_matches('/'));
    let admin = async |sql: String| execute(&place.url, &sql).await.unwrap();
    admin(format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ))
    .await;
    url.set_username(&role).unwrap();
    let no_worker = &[("HOLDFAST_WORKER", "off")];
    let app = App::on(Place::at(url.into()), Arc::new(SystemClock), no_worker, |_| {}).await;
    app.is_ready().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    admin("ALTER TABLE connections ENABLE ROW LEVEL SECURITY".to_owned()).await;
    for (method, path) in [(Method::GET, "/user/instagram/status"), (Method::DELETE, "/user/instagram")] {
        ada.send(method, path, None).await.is(503, "database-unavailable");
    }
    let ready = app.get("/readyz").await.json();
    let problem = "its role lacks a right: run holdfast doctor";
    let checks = ready["checks"].as_array().unwrap();
    assert!(checks.iter().any(|check| check["name"] == "database" && check["problem"] == problem), "{ready}");
    admin(format!("ALTER ROLE {role} BYPASSRLS")).await;
    app.is_ready().await;
    assert_eq!(ada.send(Method::GET, "/user/instagram/status", None).await.good()["state"], "connected");
    ada.send(Method::DELETE, "/user/instagram", None).await.good();
}
