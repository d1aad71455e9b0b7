//! The app hears of a grant that is about to end, and of incidents: once each.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, SystemClock};
use holdfast::standin::clerk::Person;

use crate::e2e::app::App;
use crate::outbox::endpoint::{AppEndpoint, SECRET};
use crate::support::database::{Engine, Place, execute_on};
use crate::support::leaks;

/// How many events of that type were taken, once there is one.
async fn taken(endpoint: &AppEndpoint, kind: &str) -> Vec<serde_json::Value> {
    for _ in 0..1200 {
        let found: Vec<_> = endpoint
            .taken()
            .into_iter()
            .filter(|event| event.body["type"] == kind)
            .map(|event| event.body)
            .collect();
        if !found.is_empty() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no {kind}: {:?}", endpoint.taken());
}

async fn told_on(engine: Engine) {
    let endpoint = AppEndpoint::start().await;
    let settings = [("HOLDFAST_WEBHOOK_URL", endpoint.url.as_str()), ("HOLDFAST_WEBHOOK_SECRET", SECRET)];
    leaks::secret(SECRET.strip_prefix("whsec_").unwrap());
    let app = App::on(Place::new(engine).await, Arc::new(SystemClock), &settings, |_| {}).await;
    app.sign_in(Person::Ada).connect_account("ada.makes").await;
    app.overview.look().await.unwrap();
    let ends = SystemClock.now().as_millisecond() + 6 * 86_400_000;
    execute_on(&app.place, &format!("UPDATE connections SET grant_expires_at = {ends}")).await;
    app.overview.look().await.unwrap();
    app.overview.look().await.unwrap();
    let told = taken(&endpoint, "instagram.expiring_soon").await;
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["data"]["user_id"], Person::Ada.user_id());
    assert_eq!(told[0]["data"]["status"]["state"], "connected");

    execute_on(&app.place, "UPDATE connections SET state = 'degraded', reason = 'provider_incident'").await;
    app.overview.look().await.unwrap();
    app.overview.look().await.unwrap();
    assert_eq!(taken(&endpoint, "incident.began").await.len(), 1);
    execute_on(&app.place, "UPDATE connections SET state = 'connected', reason = NULL").await;
    app.overview.look().await.unwrap();
    let ended = taken(&endpoint, "incident.ended").await;
    assert_eq!((ended.len(), &ended[0]["data"]["provider"]), (1, &"instagram".into()));
    assert_eq!(taken(&endpoint, "incident.began").await.len(), 1);
    assert_eq!(taken(&endpoint, "instagram.expiring_soon").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_once_on_sqlite() {
    told_on(Engine::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_is_told_once_on_postgres() {
    told_on(Engine::Postgres).await;
}
