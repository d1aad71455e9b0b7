//! User records: the first call, and what Clerk tells us.

use futures_util::future::join_all;
use holdfast::standin::clerk::Person;
use http::StatusCode;
use serde_json::json;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_parallel_first_calls_make_one_user() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let answers = join_all((0..100).map(|_| ada.sync())).await;
    let created = answers.iter().filter(|answer| answer.good()["created"] == json!(true));
    assert_eq!(created.count(), 1);
    let user = &answers[0].json()["user"];
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["first_name"], "Ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_without_a_sync_is_made_on_the_spot() {
    let app = App::start().await;
    let grace = app.sign_in(Person::Grace);
    let profile = grace.get("/user/profile").await;
    assert_eq!(profile.status, StatusCode::OK);
    assert!(profile.json()["id"].as_str().unwrap().starts_with("user_"));
    assert_eq!(profile.json()["connections"]["instagram"]["state"], "not_connected");
}
