//! Rows C2, C3, C6, I7 and I8 of what people really meet: what the command line says of it.

use secrecy::ExposeSecret as _;
use serde_json::Value;

use super::doctor::{codes, run};
use crate::testing::program::{Ended, installation_in, outside};

/// A port that nobody listens at.
const NOBODY: &str = "http://127.0.0.1:9";

/// What a failed check of that code says.
fn said(ended: &Ended, code: &str) -> String {
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["result"] == "failed" && check["code"] == code);
    failed.map(Value::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn c2_a_pinned_key_of_another_instance_is_named() {
    let (ours, other) = (outside().await, outside().await.clerk);
    let place = installation_in(&ours).with("CLERK_JWT_KEY", other.jwt_key().unwrap());
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, codes(&ended, "failed")), (1, vec!["clerk-pinned-key".to_owned()]));
    assert!(said(&ended, "clerk-pinned-key").contains("CLERK_JWT_KEY"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn c3_a_secret_key_that_is_revoked_or_of_another_instance_is_named() {
    let (ours, other) = (outside().await, outside().await.clerk);
    let revoked = installation_in(&ours).with("CLERK_SECRET_KEY", "sk_test_revokedlongago");
    let foreign = installation_in(&ours)
        .with("CLERK_API_URL", other.url())
        .with("CLERK_SECRET_KEY", other.secret_key().expose_secret());
    for (place, code) in [(revoked, "clerk-secret-key"), (foreign, "clerk-instance")] {
        let (_, ended) = run(place, &["doctor", "--json"]).await;
        assert_eq!((ended.code, codes(&ended, "failed")), (1, vec![code.to_owned()]), "{}", ended.stdout);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_keys_that_come_by_the_backend_api_are_enough() {
    let ours = outside().await;
    let place = installation_in(&ours)
        .with("CLERK_JWKS_URL", "")
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_bm8tc3VjaC1ob3N0LmludmFsaWQk");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    assert_eq!((ended.code, codes(&ended, "failed")), (0, Vec::new()), "{}", ended.stdout);
    assert!(codes(&ended, "warning").contains(&"clerk-keys".to_owned()), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn i7_whoever_is_not_there_cannot_be_forgotten() {
    let ours = outside().await;
    let (place, _) = run(installation_in(&ours), &["migrate"]).await;
    let (place, ended) = run(place, &["connections", "forget", "25982752248032036", "--yes"]).await;
    assert_eq!(ended.code, 1, "{}", ended.whole());
    assert!(ended.stderr.contains("no user") && ended.stderr.contains("--account"), "{}", ended.stderr);
    let (_, ended) = run(place, &["connections", "forget", "--account", "25982752248032036", "--yes"]).await;
    assert_eq!(ended.code, 1, "{}", ended.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn i8_each_of_several_faults_is_named() {
    let ours = outside().await;
    let place = installation_in(&ours)
        .with("INSTAGRAM_GRAPH_URL", NOBODY)
        .with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")
        .with("INSTAGRAM_AUTHORIZE_URL", format!("{NOBODY}/oauth/authorize"))
        .with("INSTAGRAM_SCOPES", "instagram_business_basic,instagram_business_insight")
        .with("INSTAGRAM_GRAPH_VERSION", "v12.0");
    let (_, ended) = run(place, &["doctor", "--json"]).await;
    let failed = codes(&ended, "failed");
    for part in ["graph", "app", "authorize", "scopes", "version"] {
        assert!(failed.contains(&format!("instagram-{part}")), "{part}: {failed:?}");
    }
}
