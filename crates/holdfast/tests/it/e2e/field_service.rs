//! What people who connect Instagram really meet, from public reports: the rows on using what is
//! connected.

use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Endpoint, Fault, UsageFigures};
use holdfast::transport::{Answer, Outgoing, PER_HOST};
use http::{HeaderValue, Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use super::operations::Member;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;

/// A request of the app's backend.
async fn service(app: &App, key: &str, method: Method, path: &str) -> (u16, Value) {
    let answer = app.request(method, path, Some(&format!("Bearer {key}")), None).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// Ada, Grace and Edsger, connected.
async fn three(app: &App) -> Vec<&'static str> {
    for (person, account) in
        [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops"), (Person::Edsger, "edsger.writes")]
    {
        app.sign_in(person).connect_account(account).await;
    }
    vec![Person::Ada.user_id(), Person::Grace.user_id(), Person::Edsger.user_id()]
}

fn users(page: &Value) -> Vec<&str> {
    page["connections"].as_array().unwrap().iter().map(|each| each["user_id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn i9_a_versioned_path_is_refused_and_says_where_the_version_is_set() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let asked = app.instagram.call_counts();
    for path in ["graph/v22.0/me", "graph/v25.0/me/media", "graph/V1/me"] {
        let told = ada.get(path).await;
        assert_eq!(
            (told.status, &told.body["code"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("graph-call-not-allowed"))
        );
        assert!(told.body["detail"].as_str().unwrap().contains("INSTAGRAM_GRAPH_VERSION"), "{}", told.body);
    }
    assert_eq!(app.instagram.call_counts(), asked);
}

/// A Graph call of Ada's with a body.
async fn with_body(
    app: &App,
    key: &str,
    method: Method,
    path: &str,
    kind: &'static str,
    sent: &'static str,
) -> Answer {
    let path = format!("service/users/{}/instagram/graph/{path}", Person::Ada.user_id());
    let mut request = Outgoing::new(method, app.base.join(&path).unwrap());
    request.headers.insert("authorization", HeaderValue::from_str(&format!("Bearer {key}")).unwrap());
    request.headers.insert("content-type", HeaderValue::from_static(kind));
    request.body = sent.into();
    app.send(request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_goes_to_instagram_with_a_delete_too() {
    let app = App::start().await;
    let key = app.service_key().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    for method in [Method::POST, Method::DELETE] {
        let sent = with_body(&app, &key, method.clone(), "me/media", "text/plain", "fields=x").await;
        assert_eq!(sent.code(), "graph-call-not-allowed", "{method}");
    }
    // The parameters decide what is deleted: without them it would be everything.
    for (kind, sent) in [
        ("application/x-www-form-urlencoded", "fields=ice_breakers"),
        ("application/json", r#"{"fields":["ice_breakers"]}"#),
    ] {
        let told = with_body(&app, &key, Method::DELETE, "me/messenger_profile", kind, sent).await;
        assert_eq!((told.status, &told.json()["body"]), (StatusCode::OK, &json!({"result": "success"})));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_brings_no_credential_of_its_own_and_its_answer_carries_none() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    for (kind, sent) in [
        ("application/json", r#"{"image_url":"x","access_token":"theirs"}"#),
        ("application/x-www-form-urlencoded", "image_url=x&Access%5ftoken=theirs"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"client_secret\"\r\n\r\nx\r\n--b--\r\n",
        ),
    ] {
        for method in [Method::POST, Method::DELETE] {
            let refused = with_body(&app, &key, method.clone(), "me/media", kind, sent).await;
            assert_eq!(
                refused.status,
                StatusCode::UNPROCESSABLE_ENTITY,
                "{method} {kind}: {}",
                refused.text()
            );
        }
    }
    let page = ada.get("graph/me/media?limit=1").await;
    let next = page.body["body"]["paging"]["next"].as_str().unwrap();
    assert!(!next.contains("access_token") && next.contains("after=QVFIUm1"), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metas_usage_headers_come_along() {
    let app = App::start().await;
    let key = app.service_key().await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let path = format!("/service/users/{}/instagram/graph/me", Person::Ada.user_id());
    let authorization = format!("Bearer {key}");
    let call = || app.get_as(&authorization, &path);
    assert!(!call().await.headers.contains_key("x-app-usage"));
    let figures = UsageFigures { app_percent: Some(28), account_percent: Some(7), regains_in_minutes: 0 };
    app.instagram.set_usage(figures);
    let answer = call().await;
    assert_eq!(answer.status, StatusCode::OK);
    let usage: Value = serde_json::from_slice(answer.headers["x-app-usage"].as_bytes()).unwrap();
    assert_eq!(usage["call_count"], 28);
    assert!(answer.headers.contains_key("x-business-use-case-usage"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_connections_of_all_users_are_found_by_state_reason_deadline_and_account() {
    let app = App::start().await;
    let key = app.service_key().await;
    let everybody = three(&app).await;
    let [ada, grace, edsger] = everybody[..] else { panic!() };
    app.instagram.set_fault(Some("grace.hops"), Fault::Revoked).unwrap();
    app.sign_in(Person::Grace).check().await;
    app.sign_in(Person::Edsger).disconnect().await;
    let list = async |query: &str| {
        let (status, page) = service(&app, &key, Method::GET, &format!("/service/connections?{query}")).await;
        assert_eq!(status, 200, "{query}: {page}");
        page
    };
    let all = list("").await;
    assert_eq!(
        (users(&all), &all["next"]),
        (everybody.clone(), &Value::Null),
        "in the order in which they came"
    );
    for (query, expected) in [
        ("state=connected", vec![ada]),
        ("state=reconnect_required", vec![grace]),
        ("state=not_connected", vec![edsger]),
        ("state=connecting", vec![]),
        ("state=degraded", vec![]),
        ("state=unavailable", vec![]),
        ("reason=revoked", vec![grace]),
        ("reason=expired", vec![]),
        ("state=connected&reason=revoked", vec![]),
        ("expires_before=2999-01-01T00:00:00Z", vec![ada, grace]),
        ("expires_before=9999-12-31T23:59:59Z", vec![ada, grace]),
        ("expires_before=2999-01-01T00:00:00Z&state=reconnect_required", vec![grace]),
        ("expires_before=2020-01-01T00:00:00Z", vec![]),
        // Either id, as a webhook's `entry.id` has it, or the handle.
        ("account=25982752248032036", vec![ada]),
        ("account=17841479677897649", vec![ada]),
        ("account=@ada.makes", vec![ada]),
        ("account=@Ada.Makes", vec![ada]),
        ("account=@grace.hops&state=connected", vec![]),
        ("account=@nobody", vec![]),
        ("account=17840000000000000", vec![]),
    ] {
        assert_eq!(users(&list(query).await), expected, "{query}");
    }
    // Each is the very status that the user is told.
    let mut told = list("account=@ada.makes").await["connections"][0].clone();
    told.as_object_mut().unwrap().remove("user_id");
    assert_eq!(told, app.sign_in(Person::Ada).status().await);
    // A misspelt filter must not find everybody.
    let misspelt = ["acount=17841479677897649", "account=@ada.makes&status=connected"];
    let wrong = ["state=broken", "reason=x", "expires_before=tomorrow", "cursor=x", "limit=0", "limit=1000"];
    // A handle without its @ must not find nobody.
    let accounts = ["account=ada.makes", "account=1784x", "account=", "account=@"];
    for wrong in misspelt.into_iter().chain(wrong).chain(accounts) {
        let (status, problem) =
            service(&app, &key, Method::GET, &format!("/service/connections?{wrong}")).await;
        assert_eq!((status, &problem["code"]), (400, &json!("malformed-parameter")), "{wrong}");
        let is_told = problem["detail"].as_str().unwrap().contains("@ and a handle");
        assert_eq!(is_told, accounts.contains(&wrong), "{wrong}: {problem}");
    }
    let (status, _) = service(&app, "hf_sk_nobodys", Method::GET, "/service/connections").await;
    assert_eq!(status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_paged_by_cursor_in_either_order() {
    let app = App::start().await;
    let key = app.service_key().await;
    let everybody = three(&app).await;
    for filter in ["", "&expires_before=2999-01-01T00:00:00Z", "&state=connected"] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        for _ in 0..10 {
            let path = format!("/service/connections?limit=1{filter}{cursor}");
            let (status, page) = service(&app, &key, Method::GET, &path).await;
            assert_eq!(status, 200, "{page}");
            seen.extend(users(&page).into_iter().map(str::to_owned));
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(seen, everybody, "{filter}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_asks_for_a_status_again_only_where_it_changed() {
    let app = App::start().await;
    let key = app.service_key().await;
    let path = format!("/service/users/{}/instagram/status", Person::Ada.user_id());
    let ask = async |known: Option<&HeaderValue>| {
        let mut request = holdfast::transport::Outgoing::new(Method::GET, app.base.join(&path[1..]).unwrap());
        let bearer = HeaderValue::from_str(&format!("Bearer {key}")).unwrap();
        request.headers.insert("authorization", bearer);
        request.headers.extend(known.map(|tag| (http::header::IF_NONE_MATCH, tag.clone())));
        app.transport.send(request).await.unwrap()
    };
    let first = ask(None).await;
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    let tag = &first.headers["etag"];
    let second = ask(Some(tag)).await;
    assert_eq!((second.status, second.body.len()), (StatusCode::NOT_MODIFIED, 0));
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    let third = ask(Some(tag)).await;
    assert_eq!((third.status, &third.json()["state"]), (StatusCode::OK, &json!("connected")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_reads_the_history_checks_and_disconnects() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    let user = format!("/service/users/{}/instagram", Person::Ada.user_id());
    let (status, history) = service(&app, &key, Method::GET, &format!("{user}/history?limit=1")).await;
    assert_eq!((status, &history["entries"][0]["state"]), (200, &json!("connected")), "{history}");
    let own = ada.get("/user/instagram/history?limit=1").await.json();
    assert_eq!(history, own);
    // The other routes call it a cursor.
    let next = history["next"].as_str().unwrap();
    let (_, before) =
        service(&app, &key, Method::GET, &format!("{user}/history?limit=1&before={next}")).await;
    let (_, cursor) =
        service(&app, &key, Method::GET, &format!("{user}/history?limit=1&cursor={next}")).await;
    assert_eq!((&before, &cursor["entries"][0]["state"]), (&cursor, &json!("connecting")), "{cursor}");

    let before = app.instagram.call_counts()[&Endpoint::Me];
    let (status, checked) = service(&app, &key, Method::POST, &format!("{user}/check")).await;
    assert_eq!((status, &checked["evidence"]["source"]), (200, &json!("use")));
    ada.check().await;
    assert_eq!(app.instagram.call_counts()[&Endpoint::Me] - before, 1, "once a minute, whoever asks");

    let (status, receipt) = service(&app, &key, Method::DELETE, &user).await;
    assert_eq!((status, &receipt["disconnected"]), (200, &json!(true)));
    assert_eq!(ada.status().await["reason"], "user_disconnected");
    assert_eq!(service(&app, &key, Method::DELETE, &user).await, (200, receipt));
    for (method, path) in [
        (Method::GET, "/service/users/nobody/instagram/history"),
        (Method::POST, "/service/users/nobody/instagram/check"),
        (Method::DELETE, "/service/users/nobody/instagram"),
    ] {
        let (status, problem) = service(&app, &key, method, path).await;
        assert_eq!((status, &problem["code"]), (404, &json!("user-not-found")), "{path}");
    }
    // An unknown user has nothing connected: that was wanted.
    let (status, receipt) =
        service(&app, &key, Method::DELETE, "/service/users/user_unknown/instagram").await;
    assert_eq!(
        (status, &receipt["disconnected"], &receipt["deleted_at"]),
        (200, &json!(true), &serde_json::Value::Null)
    );
    // A session token is no service key.
    let answer = app.request(Method::DELETE, &user, Some(&ada.authorization()), None).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// Each call waits for Instagram, and people who check meanwhile are told nothing of that.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_the_backend_keep_no_check_waiting_and_one_too_many_is_told_so() {
    let app = App::start().await;
    let users = three(&app).await;
    let key = app.service_key().await;
    app.instagram.arm(Some("ada.makes"), Fault::Hang, Some(Endpoint::Graph), None).unwrap();
    let path = format!("/service/users/{}/instagram/graph/me/media", users[0]);
    let calls = futures_util::future::join_all((0..45).map(|_| service(&app, &key, Method::GET, &path)));
    let check = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        app.sign_in(Person::Grace).send(Method::POST, "/user/instagram/check", None).await.json()
    };
    let (told, checked) = tokio::join!(calls, check);
    assert_eq!((&checked["state"], &checked["evidence"]["source"]), (&json!("connected"), &json!("use")));
    let crowded = told.iter().filter(|(status, told)| *status == 503 && told["code"] == "overloaded").count();
    assert_eq!(crowded, 5, "{told:?}");
}

/// All places for calls to Instagram are taken, by calls of any kind.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_finds_no_place_here_is_not_told_as_an_outage_of_instagrams() {
    let app = App::start().await;
    let key = app.service_key().await;
    let grace = app.sign_in(Person::Grace);
    grace.connect_account("grace.hops").await;
    let before = grace.status().await;
    app.instagram.arm(None, Fault::Hang, Some(Endpoint::Graph), None).unwrap();
    let of_graph = |(name, url): &(String, String)| (name == "INSTAGRAM_GRAPH_URL").then(|| url.clone());
    let url: Url = app.environment.iter().find_map(of_graph).unwrap().parse().unwrap();
    let url = url.join("v25.0/me/media").unwrap();
    let takers = (0..PER_HOST).map(|_| app.transport.send(Outgoing::new(Method::GET, url.clone())));
    let path = format!("/service/users/{}/instagram/graph/me/media", Person::Grace.user_id());
    let others = async {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        tokio::join!(
            grace.send(Method::POST, "/user/instagram/check", None),
            service(&app, &key, Method::GET, &path)
        )
    };
    let (_, (checked, (status, told))) = tokio::join!(futures_util::future::join_all(takers), others);
    assert_eq!(checked.json(), before);
    assert_eq!((status, &told["code"]), (503, &json!("overloaded")));
}
