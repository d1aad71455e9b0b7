//! What the app's own backend asks for, beside the faults of Instagram.

use holdfast::standin::clerk::Person;
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
