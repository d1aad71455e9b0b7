//! Several consents of one person: the later one counts, however long Instagram keeps one waiting.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::Person;
use holdfast::standin::instagram::{Decision, Endpoint, Fault};
use holdfast::store::{Store, StoreOptions};
use holdfast::transport::Answer;
use holdfast::vault::{KeyRing, Location, Vault};
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::second_looks::complete;
use super::statuses::told;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::{App, KEY, RETURN_TO, Returned, SignedIn};
use crate::testing::database::{Engine, execute_on};

struct Bench {
    app: App,
    clock: ManualClock,
}

impl Bench {
    /// Without a worker: the test says when what waits goes on.
    async fn start() -> Self {
        let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
        let app = App::at(Arc::new(clock.clone()), &[("HOLDFAST_WORKER", "off")], |_| {}).await;
        Self { app, clock }
    }

    async fn approve(&self, ada: &SignedIn<'_>, account: &str) -> Returned {
        self.clock.advance(Duration::from_secs(1));
        ada.approve_with(account, any_account()).await
    }

    /// An attempt that waits for Instagram: the code was not taken, or the token not exchanged.
    async fn waiting(&self, ada: &SignedIn<'_>, account: &str, endpoint: Endpoint) -> Returned {
        let returned = self.approve(ada, account).await;
        self.let_wait(ada, &returned, endpoint).await;
        returned
    }

    async fn let_wait(&self, ada: &SignedIn<'_>, returned: &Returned, endpoint: Endpoint) {
        let fault = if endpoint == Endpoint::Token { Fault::AppRateLimit } else { Fault::ServerErrorJson };
        self.app.instagram.arm(None, fault, Some(endpoint), None).unwrap();
        let waits = complete(ada, returned, &self.clock).await;
        assert_eq!(waits.status, StatusCode::FAILED_DEPENDENCY, "{}", waits.text());
        self.app.instagram.clear(None).unwrap();
    }

    async fn complete(&self, ada: &SignedIn<'_>, returned: &Returned) -> Answer {
        complete(ada, returned, &self.clock).await
    }
}

fn any_account() -> Value {
    json!({"return_to": RETURN_TO, "expect": "any_account"})
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_consent_that_waited_does_not_replace_a_later_one() {
    for (endpoint, older) in [
        (Endpoint::Exchange, (409, "different-account")),
        (Endpoint::Me, (409, "different-account")),
        (Endpoint::Token, (410, "attempt-expired")),
    ] {
        let bench = Bench::start().await;
        let ada = bench.app.sign_in(Person::Ada);
        let first = bench.waiting(&ada, "ada.makes", endpoint).await;
        let second = bench.approve(&ada, "grace.hops").await;
        bench.complete(&ada, &second).await.good();
        // It has nothing to wait for any more.
        assert_eq!(ada.status().await["attempt"], Value::Null);
        bench.clock.advance(Duration::from_mins(2));
        assert_eq!(bench.complete(&ada, &first).await.told(), older, "{endpoint:?}");
        assert_eq!(ada.status().await["account"]["username"], "grace.hops", "{endpoint:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_consent_that_waited_replaces_an_older_one_that_was_linked_meanwhile() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let first = bench.waiting(&ada, "ada.makes", Endpoint::Exchange).await;
    let second = bench.waiting(&ada, "grace.hops", Endpoint::Me).await;
    bench.clock.advance(Duration::from_mins(2));
    bench.complete(&ada, &first).await.good();
    assert_eq!(ada.status().await["account"]["username"], "ada.makes");
    bench.complete(&ada, &second).await.good();
    assert_eq!(ada.status().await["account"]["username"], "grace.hops");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_declined_since_is_not_connected_by_what_waited() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let first = bench.waiting(&ada, "ada.makes", Endpoint::Exchange).await;
    bench.clock.advance(Duration::from_secs(1));
    let end = bench.app.decide(&ada.connect_with(any_account()).await, "ada.makes", &Decision::Deny).await;
    assert!(end.as_str().contains("instagram=denied"), "{end}");
    bench.clock.advance(Duration::from_mins(2));
    assert_ne!(bench.complete(&ada, &first).await.status, StatusCode::OK);
    assert_eq!(told(&ada.status().await), ("not_connected", Some("denied"), "connect"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_no_could_not_end_does_not_connect_either() {
    for endpoint in [Some(Endpoint::Token), Some(Endpoint::Exchange), Some(Endpoint::Me), None] {
        let bench = Bench::start().await;
        let ada = bench.app.sign_in(Person::Ada);
        let first = match endpoint {
            Some(endpoint) => bench.waiting(&ada, "ada.makes", endpoint).await,
            // The consent came back, and the page has not presented its completion.
            None => bench.approve(&ada, "ada.makes").await,
        };
        bench.clock.advance(Duration::from_secs(1));
        let second = ada.connect_with(any_account()).await;
        // As if the process had died between the "no" and what waits: that is as it was before.
        let (place, id) = (&bench.app.place, &first.attempt);
        execute_on(place, "CREATE TABLE saved AS SELECT * FROM attempts").await;
        let end = bench.app.decide(&second, "ada.makes", &Decision::Deny).await;
        assert!(end.as_str().contains("instagram=denied"), "{end}");
        execute_on(
            place,
            &format!(
                "DELETE FROM attempts WHERE id = '{id}'; INSERT INTO attempts SELECT * FROM saved WHERE id = '{id}'; \
                 DROP TABLE saved"
            ),
        )
        .await;
        bench.clock.advance(Duration::from_mins(2));
        assert_eq!(bench.complete(&ada, &first).await.told(), (424, "denied"), "{endpoint:?}");
        assert_eq!(told(&ada.status().await), ("not_connected", Some("denied"), "connect"));
        // It says nothing about a consent that is later.
        let third = bench.approve(&ada, "ada.makes").await;
        assert_eq!(bench.complete(&ada, &third).await.told(), (200, ""), "{endpoint:?}");
    }
}

/// A person goes back to Instagram's page and cancels.
#[tokio::test(flavor = "multi_thread")]
async fn a_no_to_the_same_attempt_takes_the_consent_back() {
    for endpoint in [Some(Endpoint::Token), Some(Endpoint::Exchange), Some(Endpoint::Me), None] {
        let bench = Bench::start().await;
        let ada = bench.app.sign_in(Person::Ada);
        let before = bench.waiting(&ada, "ada.makes", Endpoint::Exchange).await;
        bench.clock.advance(Duration::from_secs(1));
        let authorize_url = ada.connect_with(any_account()).await;
        let end = bench.app.decide(&authorize_url, "ada.makes", &Decision::Approve).await;
        let returned = Returned::to(&end);
        if let Some(endpoint) = endpoint {
            bench.let_wait(&ada, &returned, endpoint).await;
        }
        bench.clock.advance(Duration::from_secs(1));
        for _ in 0..2 {
            let end = bench.app.decide(&authorize_url, "ada.makes", &Decision::Deny).await;
            assert!(end.as_str().contains("instagram=denied"), "{endpoint:?}: {end}");
        }
        bench.clock.advance(Duration::from_mins(2));
        for each in [&returned, &before] {
            assert_eq!(bench.complete(&ada, each).await.told(), (424, "denied"), "{endpoint:?}");
        }
        assert_eq!(told(&ada.status().await), ("not_connected", Some("denied"), "connect"));
        let again = bench.approve(&ada, "ada.makes").await;
        assert_eq!(bench.complete(&ada, &again).await.told(), (200, ""), "{endpoint:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_to_an_attempt_that_has_connected_is_told_so() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let authorize_url = ada.connect_with(any_account()).await;
    let end = bench.app.decide(&authorize_url, "ada.makes", &Decision::Approve).await;
    bench.complete(&ada, &Returned::to(&end)).await.good();
    let state: url::Url = authorize_url.parse().unwrap();
    let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
    let path = format!("/instagram/callback?state={state}&error=access_denied");
    let page = bench.app.get(&path).await.text();
    assert!(page.contains("connected"), "{page}");
    assert_eq!(told(&ada.status().await).0, "connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_ends_what_waits_beside_an_attempt_that_cannot_be_read() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let broken = bench.waiting(&ada, "ada.makes", Endpoint::Exchange).await;
    let first = bench.waiting(&ada, "ada.makes", Endpoint::Exchange).await;
    let second = ada.connect_with(any_account()).await;
    let blob = match bench.app.place.engine {
        Engine::Sqlite => "x'00'",
        Engine::Postgres => "'\\x00'",
    };
    let broken = &broken.attempt;
    execute_on(&bench.app.place, &format!("UPDATE attempts SET sealed = {blob} WHERE id = '{broken}'")).await;
    bench.clock.advance(Duration::from_secs(1));
    bench.app.decide(&second, "ada.makes", &Decision::Deny).await;
    // It is told without its completion, because it has ended.
    let nothing = Returned { attempt: first.attempt, completion: "another".to_owned() };
    assert_eq!(ada.complete(&nothing).await.code(), "denied");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_back_and_approves_is_not_told_that_they_declined() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let authorize_url = ada.connect_with(any_account()).await;
    let declined = bench.app.decide(&authorize_url, "ada.makes", &Decision::Deny).await;
    assert!(declined.as_str().contains("instagram=denied"), "{declined}");
    let approved = bench.app.decide(&authorize_url, "ada.makes", &Decision::Approve).await;
    assert!(approved.as_str().contains("instagram=expired"), "{approved}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_consent_to_an_attempt_is_told_what_becomes_of_the_first() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let authorize_url = ada.connect_with(any_account()).await;
    let end = bench.app.decide(&authorize_url, "ada.makes", &Decision::Approve).await;
    let again = || async {
        let state: url::Url = authorize_url.parse().unwrap();
        let state = state.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        bench.app.get(&format!("/instagram/callback?state={state}&code=another")).await.text()
    };
    let page = again().await;
    assert!(page.contains("has not connected the account") && !page.contains("under way"), "{page}");
    bench.app.instagram.arm(None, Fault::ServerErrorJson, Some(Endpoint::Exchange), None).unwrap();
    let waits = complete(&ada, &Returned::to(&end), &bench.clock).await;
    assert_eq!(waits.status, StatusCode::FAILED_DEPENDENCY, "{}", waits.text());
    let page = again().await;
    assert!(page.contains("under way") && !page.contains("Nothing was connected"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_linked_to_an_account_that_the_exchange_did_not_name() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let somebody = r#"{"id":"25111111111111111","user_id":"17841400000000001","username":"bob","account_type":"BUSINESS"}"#;
    // Once may be a mistake that passes.
    let returned = bench.approve(&ada, "ada.makes").await;
    bench.app.instagram.script(None, Endpoint::Me, 200, somebody, Some(1)).unwrap();
    bench.complete(&ada, &returned).await.good();
    assert_eq!(ada.status().await["account"]["username"], "ada.makes");
    let returned = bench.approve(&ada, "ada.makes").await;
    bench.app.instagram.script(None, Endpoint::Me, 200, somebody, None).unwrap();
    bench.complete(&ada, &returned).await.is(424, "provider_unavailable");
    bench.app.instagram.clear(None).unwrap();
    bench.clock.advance(Duration::from_mins(2));
    let linked = complete(&ada, &returned, &bench.clock).await;
    assert_eq!(linked.json()["account"]["username"], "ada.makes");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_before_opens_a_code_that_waits() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let returned = bench.approve(&ada, "ada.makes").await;
    let options = StoreOptions::tool(bench.app.place.url.clone());
    let store = Store::open(&options, Arc::new(bench.clock.clone())).await.unwrap();
    let attempt = store.attempt(returned.attempt.parse().unwrap()).await.unwrap().unwrap();
    let wrapped = store.user_key(&attempt.user_id).await.unwrap().unwrap();
    store.close().await;
    let vault = Vault::new(KeyRing::parse(KEY).unwrap(), Arc::new(SystemEntropy));
    let key = vault.open_user_key(&attempt.user_id, &wrapped).unwrap();
    // As 0.1.0 does.
    let location = Location {
        table: "attempts",
        column: "sealed",
        row: &attempt.id.to_string(),
        user_id: &attempt.user_id,
        provider: attempt.provider.as_str(),
        version: 1,
    };
    let plain = key.open(&location, &attempt.sealed.unwrap()).unwrap();
    let issued = bench.app.instagram.issued_secrets();
    assert!(issued.iter().any(|code| code.expose_secret().as_bytes() == plain.expose_secret()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_the_version_before_stored_counts_from_its_exchange() {
    let bench = Bench::start().await;
    let ada = bench.app.sign_in(Person::Ada);
    let first = bench.waiting(&ada, "ada.makes", Endpoint::Token).await;
    execute_on(&bench.app.place, "UPDATE attempts SET returned_at = NULL").await;
    let second = bench.approve(&ada, "grace.hops").await;
    bench.complete(&ada, &second).await.good();
    bench.clock.advance(Duration::from_mins(2));
    bench.complete(&ada, &first).await.good();
    assert_eq!(ada.status().await["account"]["username"], "ada.makes");
}
