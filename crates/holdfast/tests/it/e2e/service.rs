//! What the app's own backend asks for, beside the faults of Instagram.

use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::Fault;
use http::{Method, StatusCode};
use serde_json::json;

use super::app::App;
use super::operations::Member;

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_hands_out_tokens_is_refused_and_says_nothing_about_the_connection() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    let connected = ada.here.connect_account(ada.account).await;
    let asked = app.instagram.call_counts();
    for path in ["graph/refresh_access_token", "graph/access_token", "graph/oauth/access_token"] {
        let told = ada.service(Method::GET, path, None).await;
        assert_eq!(
            (told.status, &told.body["code"], &told.body["source"]),
            (StatusCode::UNPROCESSABLE_ENTITY, &json!("graph-call-not-allowed"), &json!("request")),
            "{path}: {}",
            told.body
        );
    }
    assert_eq!(app.instagram.call_counts(), asked);
    assert_eq!(ada.here.status().await, connected);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_instagram_asks_us_to_wait_it_is_not_called() {
    let app = App::start().await;
    let key = app.service_key().await;
    let ada = Member::new(&app, Person::Ada, &key);
    ada.here.connect_account(ada.account).await;
    app.instagram.set_fault(Some(ada.account), Fault::AccountRateLimit).unwrap();
    // Instagram's own answer is wrapped, and says for how long to wait.
    assert_eq!(ada.service(Method::GET, "graph/me", None).await.status, StatusCode::OK);
    let status = ada.here.status().await;
    assert_eq!(status["reason"], "rate_limited");
    assert!(status["retry_after"].is_string(), "{status}");
    app.instagram.clear(Some(ada.account)).unwrap();
    let asked = app.instagram.call_counts();
    let told = ada.service(Method::GET, "graph/me", None).await;
    assert_eq!((told.status, &told.body["reason"]), (StatusCode::FAILED_DEPENDENCY, &json!("rate_limited")));
    assert_eq!(app.instagram.call_counts(), asked);
}
