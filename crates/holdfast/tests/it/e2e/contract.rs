//! Promises of the contract, tried with requests that nobody means well with.

use holdfast::standin::clerk::Person;
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::json;

use super::operations::Member;
use crate::edge::client::Raw;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, ORIGIN};

/// "CORS headers stand on every answer to an allowed origin, errors included": the pages too, and
/// what is answered before any route is looked for.
#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_origin_can_read_whatever_is_answered() {
    let app = App::start().await;
    for (path, status) in [
        ("/docs/errors/no-such-code", 404),
        ("/data-deletion/no-such-code", 404),
        ("/instagram/callback", 400),
        ("/instagram/callback?code=x&state=y", 400),
        ("/docs", 200),
        ("/nothing/here", 404),
        ("/user/instagram/status/", 404),
    ] {
        let answer = app.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.headers["access-control-allow-origin"], ORIGIN, "{path}");
        assert!(answer.headers.contains_key("x-request-id"), "{path}");
        let vary: Vec<_> =
            answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
        assert!(vary.iter().any(|value| value.contains("origin")), "{path}: {vary:?}");
        let length: usize = answer.headers["content-length"].to_str().unwrap().parse().unwrap();
        assert_eq!(length, answer.body.len(), "{path}");
    }
    let mut client = Raw::connect(app.address()).await;
    for hosts in ["", "Host: a\r\nHost: b\r\n"] {
        let request = format!("GET /user/profile HTTP/1.1\r\n{hosts}Origin: {ORIGIN}\r\n\r\n");
        let answer = client.ask(&request).await.unwrap();
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    }
}

/// A page that says what went wrong ends with the request's id, by any method.
#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_an_error_names_the_request() {
    let app = App::start().await;
    let mut headers = HeaderMap::new();
    headers.insert("x-request-id", HeaderValue::from_static("as-the-client-calls-it"));
    let page = app.request_with(Method::GET, "/data-deletion/nobodys", headers.clone(), None).await;
    assert!(page.text().contains("as-the-client-calls-it"), "{}", page.text());
    let head = app.request_with(Method::HEAD, "/data-deletion/nobodys", headers, None).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::NOT_FOUND, 0));
    assert_eq!(head.headers["x-request-id"], "as-the-client-calls-it");
}

/// What is wrong with a body is said, and not something else.
#[tokio::test(flavor = "multi_thread")]
async fn a_compressed_body_is_called_compressed() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    for (coding, status) in [("gzip", 415), ("br", 415), ("identity", 201)] {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_str(&ada.authorization()).unwrap());
        headers.insert("content-encoding", HeaderValue::from_static(coding));
        let answer =
            app.request_with(Method::POST, "/user/instagram/connect", headers, Some(json!({}))).await;
        assert_eq!(answer.status.as_u16(), status, "{coding}: {}", answer.text());
        if status == 415 {
            assert_eq!(answer.code(), "unsupported-media-type");
            assert!(answer.text().contains("Content-Encoding"), "{}", answer.text());
        }
    }
}

/// A backend whose variable is unset must not read that nobody has the account, nor that somebody
/// was disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_names_nobody_is_told_so() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let service = async |method: Method, path: &str| {
        app.request(method, path, Some(&format!("Bearer {key}")), None).await
    };
    for account in ["", "@", "%40"] {
        let answer = service(Method::GET, &format!("/service/connections?account={account}")).await;
        assert_eq!(answer.told(), (400, "malformed-parameter"), "{account}");
    }
    for user in
        ["undefined", "null", "ada@example.com", "25982752248032036", "user_", "USER_2ada", "user_a%2Fb"]
    {
        for (method, rest) in [(Method::GET, "/status"), (Method::POST, "/token"), (Method::DELETE, "")] {
            let answer = service(method, &format!("/service/users/{user}/instagram{rest}")).await;
            assert_eq!(answer.told(), (404, "user-not-found"), "{user}");
        }
    }
    // An id of the right form, percent-encoded or not, is that user; of a stranger nothing is
    // known.
    let encoded = Person::Ada.user_id().replacen('_', "%5F", 1);
    let status = service(Method::GET, &format!("/service/users/{encoded}/instagram/status")).await;
    assert_eq!(status.json()["connected"], true, "{}", status.text());
    let stranger = service(Method::GET, "/service/users/user_2Stranger/instagram/status").await;
    assert_eq!(stranger.json()["state"], "not_connected");
}

/// Pages that begin where the one before ended show each connection once, also if listed ones
/// change meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_stays_good_while_the_listed_change() {
    let app = App::start().await;
    let key = app.service_key().await;
    let people =
        [(Person::Ada, "ada.makes"), (Person::Grace, "grace.hops"), (Person::Edsger, "edsger.writes")];
    for (person, account) in people {
        app.sign_in(person).connect_account(account).await;
    }
    let page = async |query: &str| {
        let path = format!("/service/connections?limit=1{query}");
        app.get_as(&format!("Bearer {key}"), &path).await.json()
    };
    let first = page("").await;
    assert_eq!(first["connections"][0]["user_id"], Person::Ada.user_id());
    let cursor = first["next"].as_str().unwrap().to_owned();
    // The one that was shown goes, and so does the one that is next.
    for person in [Person::Ada, Person::Grace] {
        app.sign_in(person).disconnect().await;
    }
    let second = page(&format!("&cursor={cursor}")).await;
    assert_eq!(second["connections"][0]["user_id"], Person::Grace.user_id(), "{second}");
    assert_eq!(second["connections"][0]["state"], "not_connected");
    let third = page(&format!("&cursor={}", second["next"].as_str().unwrap())).await;
    assert_eq!(third["connections"][0]["user_id"], Person::Edsger.user_id(), "{third}");
    let connected = page(&format!("&state=connected&cursor={cursor}")).await;
    assert_eq!(connected["connections"][0]["user_id"], Person::Edsger.user_id(), "{connected}");
    assert_eq!(connected["next"], serde_json::Value::Null);
}

/// Every route with query parameters refuses a misspelt one: a filter that is ignored finds
/// everybody, and a cursor that is ignored begins anew for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_parameter_is_refused_wherever_there_are_any() {
    let app = App::start().await;
    let key = app.service_key().await;
    let here = app.sign_in(Person::Ada).authorization();
    let document = app.get("/openapi.json").await.json();
    let mut tried = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let parameters = item["get"]["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
        // Those of a Graph call are Instagram's.
        if path.contains("/graph/") || !parameters.iter().any(|each| each["in"] == "query") {
            continue;
        }
        let authorization =
            if path.starts_with("/service/") { format!("Bearer {key}") } else { here.clone() };
        let address = path.replace("{user_id}", Person::Ada.user_id());
        let good = if path == "/forward-auth" { "credentials=optional" } else { "limit=1" };
        for (query, status) in
            [(good.to_owned(), 200), (format!("{good}&befor=x"), 400), (format!("t{good}"), 400)]
        {
            let answer = app.get_as(&authorization, &format!("{address}?{query}")).await;
            assert_eq!(answer.status.as_u16(), status, "{path}?{query}: {}", answer.text());
            assert!(status == 200 || answer.code() == "malformed-parameter", "{path}?{query}");
        }
        tried.push(path);
    }
    assert_eq!(tried.len(), 4, "{tried:?}");
}
