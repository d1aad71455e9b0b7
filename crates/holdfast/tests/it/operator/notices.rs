//! The app hears of a grant that is about to end, and of incidents: once each.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, ManualClock, SystemClock};
use holdfast::standin::clerk::Person;
use serde_json::Value;

use crate::outbox::endpoint::{AppEndpoint, SECRET};
use crate::testing::app::App;
use crate::testing::database::{Engine, Place, execute_on};
use crate::testing::leaks;
use crate::testing::waiting::until_seen;

/// The events of that type that were taken, once there is one: the outbox looks for them now and
/// then.
async fn taken(endpoint: &AppEndpoint, clock: &ManualClock, kind: &str) -> Vec<Value> {
    let is_there = |taken: &Vec<Value>| taken.iter().any(|event| event["type"] == kind);
    let look = async || {
        clock.advance(Duration::from_secs(1));
        endpoint.taken().into_iter().map(|event| event.body).collect()
    };
    let mut taken: Vec<Value> = until_seen(kind, look, is_there).await;
    taken.retain(|event| event["type"] == kind);
    taken
}

async fn told_on(engine: Engine) {
    let endpoint = AppEndpoint::start().await;
    let settings = [("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)];
    leaks::secret(SECRET.strip_prefix("whsec_").unwrap());
    let clock = ManualClock::new(SystemClock.now());
    let app = App::on(Place::new(engine).await, Arc::new(clock.clone()), &settings, |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.overview.look().await.unwrap();
    let ends = clock.now().as_millisecond() + 6 * 86_400_000;
    execute_on(&app.place, &format!("UPDATE connections SET grant_expires_at = {ends}")).await;
    app.overview.look().await.unwrap();
    app.overview.look().await.unwrap();
    let told = taken(&endpoint, &clock, "instagram.expiring_soon").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["user_id"], Person::Ada.user_id());
    assert_eq!(told[0]["data"]["status"]["state"], "connected");

    execute_on(&app.place, "UPDATE connections SET state = 'degraded', reason = 'provider_incident'").await;
    app.overview.look().await.unwrap();
    app.overview.look().await.unwrap();
    assert_eq!(taken(&endpoint, &clock, "incident.began").await.len(), 1);
    execute_on(&app.place, "UPDATE connections SET state = 'connected', reason = NULL").await;
    app.overview.look().await.unwrap();
    let ended = taken(&endpoint, &clock, "incident.ended").await;
    assert_eq!((ended.len(), &ended[0]["data"]["provider"]), (1, &"instagram".into()));
    assert_eq!(taken(&endpoint, &clock, "incident.began").await.len(), 1);
    assert_eq!(taken(&endpoint, &clock, "instagram.expiring_soon").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_once_on_sqlite() {
    told_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_once_on_postgres() {
    told_on(Engine::Postgres).await;
}
