use std::sync::Arc;

use holdfast::clock::SystemClock;
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::{ClerkStandin, Fault, Surface};
use holdfast::transport::{Outgoing, ReqwestTransport, Transport as _};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::support::{Ended, Place, ring_entry};

async fn clerk() -> ClerkStandin {
    ClerkStandin::start(Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap()
}

/// A complete installation whose Clerk is the stand-in.
fn installation(clerk: &ClerkStandin) -> Place {
    Place::new()
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("HOLDFAST_PUBLIC_URL", "https://api.example.com")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
        .with("CLERK_JWKS_URL", clerk.jwks_url())
        .with("CLERK_API_URL", clerk.url())
        .with("CLERK_SECRET_KEY", clerk.secret_key().expose_secret())
        .with("CLERK_WEBHOOK_SIGNING_SECRET", clerk.webhook_secret().expose_secret())
        .with("INSTAGRAM_APP_ID", "990602627938098")
        .with("INSTAGRAM_APP_SECRET", "a1C2b3D4e5F6a1C2b3D4e5F6")
}

/// Runs the program without blocking the stand-in, which lives on this test's runtime.
async fn run(place: Place, arguments: &'static [&'static str]) -> (Place, Ended) {
    tokio::task::spawn_blocking(move || {
        let ended = place.run(arguments);
        (place, ended)
    })
    .await
    .unwrap()
}

fn results(ended: &Ended) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| (text(&check["check"]), text(&check["result"])))
        .collect()
}

fn result_of(ended: &Ended, name: &str) -> String {
    results(ended).into_iter().find(|(check, _)| check == name).map(|(_, result)| result).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_installation_passes_every_check() {
    let clerk = clerk().await;
    let (place, _) = run(installation(&clerk), &["migrate"]).await;
    let (_, ended) = run(place, &["doctor"]).await;
    let asked = Outgoing::new(http::Method::GET, clerk.jwks_url());
    let jwks = ReqwestTransport::new().unwrap().send(asked).await.unwrap();
    // The stand-in makes a key of its own each time.
    let document: Value = serde_json::from_slice(&jwks.body).unwrap();
    let rsa = document["keys"].as_array().unwrap().iter().find(|key| key["kty"] == "RSA").unwrap();
    let kid = rsa["kid"].as_str().unwrap().to_owned();
    // How many statements there are is no promise.
    let told = ended
        .whole()
        .replace(&kid, "KID")
        .replace(&format!("all {} statements", statements(&ended.whole())), "all N statements");
    insta::assert_snapshot!(told);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_configuration_fails_with_remedies() {
    let (_, ended) = run(Place::new(), &["doctor"]).await;
    insta::assert_snapshot!(ended.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clerk_that_is_down_fails_the_check_of_its_keys() {
    let clerk = clerk().await;
    clerk.set_fault(Surface::Jwks, Some(Fault::ServerError));
    let (place, ended) = run(installation(&clerk), &["doctor", "--json"]).await;
    assert_eq!(ended.code, 1);
    assert_eq!(result_of(&ended, "Clerk's keys"), "failed");

    clerk.set_fault(Surface::Jwks, Some(Fault::Down));
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(result_of(&ended, "Clerk's keys"), "failed");

    clerk.set_fault(Surface::Jwks, Some(Fault::Html));
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(result_of(&ended, "Clerk's keys"), "failed");

    clerk.set_fault(Surface::Jwks, None);
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, result_of(&ended, "Clerk's keys").as_str()), (0, "ok"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_ring_is_found() {
    let clerk = clerk().await;
    let (place, _) = run(installation(&clerk), &["migrate"]).await;
    let (place, _) = run(place, &["keys", "rotate"]).await;
    let (place, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!(result_of(&ended, "key ring"), "ok");
    let place = place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 8));
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, result_of(&ended, "key ring").as_str()), (1, "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_two_kinds_of_instance_are_found() {
    let clerk = clerk().await;
    let place = installation(&clerk)
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .with("CLERK_SECRET_KEY", "sk_test_abcdefgh");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, result_of(&ended, "Clerk's key pair").as_str()), (1, "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_tokens_that_cannot_be_written_is_found_also_where_nothing_is_refreshed() {
    let clerk = clerk().await;
    let (place, ended) =
        run(installation(&clerk).with("HOLDFAST_WORKER", "off"), &["doctor", "--json"]).await;
    assert_eq!(result_of(&ended, "journal"), "ok");
    let place = place.file("taken", "").with("HOLDFAST_JOURNAL_DIR", "taken/journal");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, result_of(&ended, "journal").as_str()), (1, "failed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_origin_whose_tokens_are_refused_is_found() {
    let clerk = clerk().await;
    let place = installation(&clerk).with("CLERK_AUTHORIZED_PARTIES", "https://other.example.com");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, result_of(&ended, "authorized parties").as_str()), (0, "warning"));
}

/// The number in "all … statements".
fn statements(told: &str) -> &str {
    told.split_once("; all ").and_then(|(_, rest)| rest.split_once(" statements")).unwrap().0
}
