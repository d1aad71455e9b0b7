//! A user whom Clerk has deleted, while their last session token is still valid: they are told that
//! the record is gone, nothing of them is left to be told, and nothing that they do brings it back.

use std::collections::BTreeSet;

use holdfast::standin::clerk::{Deliver, EventKind, Person};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::{self, Member, Operation};
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, RETURN_TO};

/// What each operation answers: status, and the code of an error.
const ANSWERS: &[(&str, &str, u16, &str)] = &[
    ("POST", "/auth/sync", 410, "user-erased"),
    ("GET", "/user/profile", 410, "user-erased"),
    ("GET", "/user/instagram/status", 200, ""),
    ("POST", "/user/instagram/check", 200, ""),
    ("DELETE", "/user/instagram", 200, ""),
    ("POST", "/user/instagram/connect", 410, "user-erased"),
    ("POST", "/user/instagram/connect/{attempt_id}/complete", 410, "user-erased"),
    ("GET", "/user/instagram/history", 200, ""),
    ("GET", "/user/events", 200, ""),
    ("GET", "/service/connections", 200, ""),
    ("GET", "/service/users/{user_id}/instagram/status", 200, ""),
    ("GET", "/service/users/{user_id}/instagram/history", 200, ""),
    ("POST", "/service/users/{user_id}/instagram/check", 200, ""),
    ("DELETE", "/service/users/{user_id}/instagram", 200, ""),
    ("POST", "/service/users/{user_id}/instagram/token", 424, "not_connected"),
    ("GET", "/service/users/{user_id}/instagram/graph/{path}", 424, "not_connected"),
    ("POST", "/service/users/{user_id}/instagram/graph/{path}", 424, "not_connected"),
    ("DELETE", "/service/users/{user_id}/instagram/graph/{path}", 424, "not_connected"),
];

fn is_about_a_user(operation: &Operation) -> bool {
    ["/auth/", "/user/", "/service/"].iter().any(|start| operation.path.starts_with(start))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_is_told_so_and_stays_erased() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    let returned = ada.approve().await;
    let session = ada.here.authorization();
    let service = format!("Bearer {key}");
    let deleted = app.clerk.send_webhook(EventKind::Deleted, Person::Ada, Deliver::Once).await.unwrap();
    assert_eq!(deleted[0].status, Some(204));

    let known: BTreeSet<_> = ANSWERS.iter().map(|(method, path, ..)| format!("{method} {path}")).collect();
    let all = operations::all(&app).await;
    let there: BTreeSet<_> = all
        .iter()
        .filter(|each| is_about_a_user(each))
        .map(|each| format!("{} {}", each.method, each.path))
        .collect();
    assert_eq!(there, known, "each operation about a user has its answer");
    let document = app.get("/openapi.json").await.json();
    for (method, path, status, _) in ANSWERS {
        let gone = &document["paths"][path][method.to_lowercase()]["responses"]["410"]["description"];
        let is_described = gone.as_str().is_some_and(|told| told.contains("`user-erased`"));
        // One that is erased while `complete` runs is told so too.
        let may_be = *status == 410 || path.ends_with("/complete");
        assert_eq!(is_described, may_be, "{method} {path}");
    }

    let asked = app.instagram.call_counts();
    // Twice: what the first round does must not change the second.
    for _ in 0..2 {
        for (method, path, status, expected) in ANSWERS {
            let method: Method = method.parse().unwrap();
            let what = format!("{method} {path}");
            if *path == "/user/events" {
                let told = ada.first_event_for(&session).await;
                assert_eq!((told.status.as_u16(), &told.body["state"]), (*status, &json!("not_connected")));
                continue;
            }
            let address = path
                .replace("{attempt_id}", &returned.attempt)
                .replace("{user_id}", Person::Ada.user_id())
                .replace("{path}", "me");
            let wish = match *path {
                "/user/instagram/connect" => Some(json!({"return_to": RETURN_TO})),
                path if path.ends_with("/complete") => Some(json!({"completion": returned.completion})),
                _ => None,
            };
            let authorization = if path.starts_with("/service/") { &service } else { &session };
            let answer = app.request(method, &address, Some(authorization), wish).await;
            assert_eq!(answer.told(), (*status, *expected), "{what}: {}", answer.text());
            if path.ends_with("/status") || path.ends_with("/check") {
                nothing_is_known(&answer.json());
            }
            if path.ends_with("/history") {
                assert_eq!(answer.json()["entries"], json!([]), "{what}");
            }
        }
    }
    assert_eq!(app.instagram.call_counts(), asked, "Instagram is not asked about them");
    let late = app.clerk.send_webhook(EventKind::Deleted, Person::Ada, Deliver::Twice).await.unwrap();
    assert!(late.iter().all(|each| each.status == Some(204)), "{late:?}");
    let gone = app.get_as(&session, "/user/profile").await;
    assert_eq!(gone.status, StatusCode::GONE);
}

fn nothing_is_known(status: &Value) {
    assert_eq!(
        (&status["state"], &status["reason"], &status["connected"], &status["account"]),
        (&json!("not_connected"), &Value::Null, &json!(false), &Value::Null),
        "{status}"
    );
}
