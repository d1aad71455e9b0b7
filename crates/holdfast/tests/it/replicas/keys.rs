//! The key ring is changed while replicas are restarted one after the other.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::{Clock as _, ManualClock};
use holdfast::connections::grants::renew_user_key;
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, decide};
use holdfast::store::{Retired, Store, StoreOptions};
use holdfast::transport::{Answer, Outgoing};
use holdfast::vault::{KeyRing, Vault};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, KEY, Replica, SignedIn};
use crate::testing::database::{Engine, Place};
use crate::testing::leaks;
use crate::testing::waiting::until;

const NEW: &str = "k2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn both(first: &str, second: &str) -> String {
    format!("{first},{second}")
}

struct Installation {
    app: App,
    clock: ManualClock,
}

impl Installation {
    /// Its first server has the old key alone.
    async fn start() -> Self {
        leaks::secret(NEW.split_once(':').unwrap().1);
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
        let settings = [("HOLDFAST_WORKER", "off")];
        let place = Place::new(Engine::Postgres).await;
        let app = App::on(place, Arc::new(clock.clone()), &settings, |_| {}).await;
        app.is_ready().await;
        Self { app, clock }
    }

    async fn restarted_with(&self, ring: &str) -> Replica {
        let replica = self.app.replica_with(&[("HOLDFAST_ENCRYPTION_KEYS", ring)]).await;
        // It fetches Clerk's keys meanwhile: what is not ready later is not for want of those.
        let ada = self.app.sign_in(Person::Ada).at(&replica);
        until("the replica is ready", async || is_ready(&ada).await).await;
        replica
    }

    /// What `keys rotate` does to the data keys.
    async fn rotate(&self) {
        let options = StoreOptions::tool(self.app.place.url.clone());
        let store = Store::open(&options, Arc::new(self.clock.clone())).await.unwrap();
        let vault = Vault::new(KeyRing::parse(&both(NEW, KEY)).unwrap(), Arc::new(SystemEntropy));
        for row in store.user_keys_not_under("k2", "", 100).await.unwrap() {
            assert!(renew_user_key(&store, &vault, &row).await.unwrap());
        }
        store.close().await;
    }

    /// Asks Instagram, a minute after the last question.
    async fn check(&self, at: &SignedIn<'_>) -> Answer {
        self.clock.advance(Duration::from_secs(61));
        at.check().await
    }

    async fn works(&self, at: &SignedIn<'_>) {
        let status = self.check(at).await.good();
        let proven = json!({"source": "use", "at": self.clock.now().to_string()});
        assert_eq!((&status["state"], &status["reason"]), (&json!("connected"), &Value::Null));
        assert_eq!(status["evidence"]["source"], proven["source"], "{status}");
        assert_eq!(status["evidence"]["at"], proven["at"], "Instagram was asked just now");
    }
}

async fn is_ready(at: &SignedIn<'_>) -> bool {
    at.get("/readyz").await.status == StatusCode::OK
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_lacks_a_key_cannot_judge_and_nothing_is_lost() {
    let here = Installation::start().await;
    let changed = here.restarted_with(&both(NEW, KEY)).await;
    let ada = here.app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    here.works(&ada.at(&changed)).await;
    here.rotate().await;

    let told = here.check(&ada).await;
    told.is(503, "database-unavailable");
    assert_eq!(told.headers["retry-after"], "30");
    assert!(!is_ready(&ada).await, "and it says so");
    for at in [&ada, &ada.at(&changed)] {
        let status = at.status().await;
        assert_eq!((&status["state"], &status["reason"]), (&json!("connected"), &Value::Null));
    }
    // Replicas with the key go on as before; so does the first as soon as it has the key.
    here.works(&ada.at(&changed)).await;
    here.works(&ada.at(&here.restarted_with(&both(KEY, NEW)).await)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_order_of_the_guide_every_replica_opens_everything_at_every_step() {
    let here = Installation::start().await;
    let ada = here.app.sign_in(Person::Ada);
    ada.connect_account("ada.makes").await;
    // The new key behind the old one, everywhere.
    let second = here.restarted_with(&both(KEY, NEW)).await;
    let at_second = ada.at(&second);
    assert!(is_ready(&ada).await, "a key that has sealed nothing is asked of nobody");
    here.works(&ada).await;
    here.works(&at_second).await;
    // In front of it, at one after the other.
    let third = here.restarted_with(&both(NEW, KEY)).await;
    let at_third = ada.at(&third);
    here.rotate().await;
    for at in [&at_second, &at_third] {
        assert!(is_ready(at).await);
        here.works(at).await;
    }
}

/// Step 2 of the guide, the new key in front, was forgotten at one replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_left_behind_seals_nothing_with_a_retired_key() {
    let here = Installation::start().await;
    let behind = here.restarted_with(&both(KEY, NEW)).await;
    let changed = here.restarted_with(&both(NEW, KEY)).await;
    here.rotate().await;
    let options = StoreOptions::tool(here.app.place.url.clone());
    let store = Store::open(&options, Arc::new(here.clock.clone())).await.unwrap();
    assert_eq!(store.retire_key("k1").await, Ok(Retired::Done));

    let ada = here.app.sign_in(Person::Ada);
    let at_behind = ada.at(&behind);
    // What was found before counts for a second.
    here.clock.advance(Duration::from_secs(1));
    assert!(!is_ready(&at_behind).await, "and it says so");
    assert!(is_ready(&ada.at(&changed)).await);
    // Back from Instagram, her browser meets it, and meets another one when it tries again.
    let consent = at_behind.connect().await;
    let decided = here.app.send(decide(consent.parse().unwrap(), "ada.makes", &Decision::Approve)).await;
    let callback = decided.location();
    let mut answered = Vec::new();
    for at in [&behind, &changed] {
        let url = at.base.join(&format!("{}?{}", callback.path(), callback.query().unwrap())).unwrap();
        answered.push(here.app.send(Outgoing::new(Method::GET, url)).await.status);
    }
    assert_eq!(answered, [StatusCode::SERVICE_UNAVAILABLE, StatusCode::SEE_OTHER]);
    assert_eq!(store.key_use().await.unwrap().into_iter().collect::<Vec<_>>(), [("k2".to_owned(), 1)]);
    store.close().await;
}
