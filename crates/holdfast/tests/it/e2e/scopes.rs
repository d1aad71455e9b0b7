//! An app that is deployed anew and asks for other permissions than when its people connected.

use std::sync::Arc;

use holdfast::clock::SystemClock;
use holdfast::standin::clerk::Person;
use serde_json::json;

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::database::{Engine, Place};

const MORE: &str = "instagram_business_basic,instagram_business_manage_messages";

/// The two deployments side by side, as in a rolling upgrade.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_connected_before_sees_which_permissions_are_missing() {
    let app = App::on(Place::new(Engine::Postgres).await, Arc::new(SystemClock), &[], |_| {}).await;
    let ada = app.sign_in(Person::Ada);
    let connected = ada.connect_account("ada.makes").await;
    assert_eq!((&connected["reason"], &connected["action"]), (&json!(null), &json!("none")));

    let wider = app.replica_with(&[("INSTAGRAM_SCOPES", MORE)]).await;
    let status = ada.at(&wider).status().await;
    assert_eq!(status["state"], "connected");
    assert_eq!(status["reason"], "scopes_missing");
    assert_eq!(status["action"], "reconnect");
    assert_eq!(status["missing_scopes"], json!(["instagram_business_manage_messages"]));
    assert_eq!(ada.status().await, connected, "the deployment that asks for less misses nothing");

    let tag = ada.get("/user/instagram/status").await.headers["etag"].clone();
    let tag_of_wider = ada.at(&wider).get("/user/instagram/status").await.headers["etag"].clone();
    assert_ne!(tag, tag_of_wider);

    let checked = ada.at(&wider).check().await;
    assert_eq!(checked.json()["reason"], "scopes_missing", "a grant that works lacks it still");

    let again = ada.at(&wider).connect_account("ada.makes").await;
    assert_eq!((&again["reason"], &again["missing_scopes"]), (&json!(null), &json!([])));
}
