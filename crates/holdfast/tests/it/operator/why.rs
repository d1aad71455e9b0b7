//! From a request id in a screenshot to cause and remedy, in one command.

use holdfast::standin::clerk::Person;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::page::page;
use crate::cli::support::Place;
use crate::e2e::app::{App, ORIGIN, code, json, text};
use crate::edge::client::Raw;

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_explained_from_memory_and_from_the_log() {
    let app = App::start().await;
    let token = app
        .clerk
        .mint_with(Person::Ada, Some("https://foreign.example"), |mint| mint.with_claims(|_| {}))
        .unwrap();
    crate::support::leaks::secret(&token);
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    app.is_ready().await;
    let refused = app.request_with(Method::GET, "/user/instagram/status", headers, None).await;
    assert_eq!(code(&refused), "token-invalid-authorized-parties");
    let request_id = json(&refused)["request_id"].as_str().unwrap().to_owned();

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, app.operator.clone()).into_future());
    let log = app.watch.log();
    let asked = request_id.clone();
    let (from_memory, from_log, unknown) = tokio::task::spawn_blocking(move || {
        let place = Place::new();
        (
            place.run(&["why", &asked, "--from", &address]),
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
        crate::support::leaks::secret(&token);
        let refused = app.request(Method::GET, "/user/profile", Some(&format!("Bearer {token}")), None).await;
        assert_eq!(code(&refused), "session-pending");
        let id = json(&refused)["request_id"].as_str().unwrap().to_owned();
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
        assert!(text(&answer).contains(&id), "{path}");
        let (known, remembered) = page(&app, &format!("/why/{id}")).await;
        assert_eq!(known, StatusCode::OK, "{path}");
        let remembered: serde_json::Value = serde_json::from_str(&remembered).unwrap();
        assert!(remembered["detail"].as_str().unwrap().contains(says), "{remembered}");
        assert_eq!(remembered["status"], status, "{remembered}");
        assert!(holdfast::http::problem::ProblemCode::parse(remembered["code"].as_str().unwrap()).is_some());
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
        let place = Place::new();
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
    assert!(text(&answer).contains(id), "{}", text(&answer));
}
