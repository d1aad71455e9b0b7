//! Every replica serves a request the same way.

use std::sync::Arc;

use futures_util::future::join_all;
use holdfast::clock::SystemClock;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::Endpoint;
use http::StatusCode;
use serde_json::json;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, Replica};
use crate::testing::database::{Engine, Place};

/// Three servers: the installation's own and two more.
async fn three() -> (App, Replica, Replica) {
    let place = Place::new(Engine::Postgres).await;
    let app = App::on(place, Arc::new(SystemClock), &[], |_| {}).await;
    let (second, third) = (app.replica().await, app.replica().await);
    (app, second, third)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_may_be_taken_at_another_replica() {
    let (app, second, third) = three().await;
    let ada = app.sign_in(Person::Ada);
    let (at_second, at_third) = (ada.at(&second), ada.at(&third));
    // Begun at the second; the callback reaches the first, whose address is the public one;
    // completed at the third.
    let returned = at_second.approve("ada.makes").await;
    at_third.complete(&returned).await.good();
    let mut seen = Vec::new();
    for each in [&ada, &at_second, &at_third] {
        seen.push(each.status().await);
    }
    assert_eq!((&seen[0]["state"], &seen[0]), (&json!("connected"), &seen[1]));
    assert_eq!(seen[1], seen[2]);
    // The same outcome again, and at most one call a minute over all replicas.
    at_second.complete(&returned).await.good();
    let before = app.instagram.call_counts()[&Endpoint::Me];
    for each in [&ada, &at_second, &at_third, &ada, &at_second, &at_third] {
        each.check().await.good();
    }
    assert_eq!(
        app.instagram.call_counts()[&Endpoint::Me] - before,
        1,
        "one check in a minute for all replicas"
    );
    at_third.disconnect().await.good();
    for each in [&ada, &at_second, &at_third] {
        assert_eq!(each.status().await["reason"], "user_disconnected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_requests_at_three_replicas_do_each_thing_once() {
    let (app, second, third) = three().await;
    let ada = app.sign_in(Person::Ada);
    let each = [ada.clone(), ada.at(&second), ada.at(&third)];
    let calls = (0..30).map(|number| each[number % 3].sync());
    let answers = join_all(calls).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(answers.iter().filter(|answer| answer.json()["created"] == json!(true)).count(), 1);

    let returned = ada.approve("ada.makes").await;
    let answers = join_all((0..30).map(|number| each[number % 3].complete(&returned))).await;
    for answer in &answers {
        answer.good();
    }
    assert_eq!(app.instagram.call_counts()[&Endpoint::Token], 1, "the code was exchanged once");
    assert_eq!(app.instagram.call_counts()[&Endpoint::Exchange], 1);
}
