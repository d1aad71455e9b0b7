use std::sync::Arc;

use super::*;
use crate::transport::ReqwestTransport;

fn everything() -> KeySettings {
    KeySettings {
        jwt_key: Some("pem".to_owned()),
        jwks_url: Url::parse("https://keys.example.com/jwks").ok(),
        frontend_apis: ["app", "clerk"]
            .map(|host| Url::parse(&format!("https://{host}.example.com/jwks.json")).unwrap())
            .to_vec(),
        secret_key: SecretKey::parse("sk_test_x"),
        api_url: Url::parse("https://api.clerk.com").unwrap(),
    }
}

#[test]
fn the_most_explicit_source_wins() {
    let mut settings = everything();
    let chosen = |settings: &KeySettings| KeySource::choose(settings.clone());
    assert!(matches!(chosen(&settings), Some(KeySource::Pinned(_))));
    settings.jwt_key = None;
    assert!(
        matches!(chosen(&settings), Some(KeySource::Jwks { url, otherwise: None }) if url.as_str() == "https://keys.example.com/jwks")
    );
    settings.jwks_url = None;
    let asked = |source: Option<KeySource>| -> Vec<String> {
        let transport = Arc::new(ReqwestTransport::new().unwrap());
        let sources = JwksFetcher::new(&source.unwrap(), transport).sources;
        sources.iter().map(|each| each.request.url.to_string()).collect()
    };
    let public = ["https://app.example.com/jwks.json", "https://clerk.example.com/jwks.json"];
    let all = [public[0], public[1], "https://api.clerk.com/v1/jwks"];
    assert_eq!(asked(chosen(&settings)), all, "each where the one before gives none");
    settings.secret_key = None;
    assert_eq!(asked(chosen(&settings)), public);
    let alone = KeySettings { frontend_apis: Vec::new(), ..everything() };
    assert!(matches!(
        chosen(&KeySettings { jwt_key: None, jwks_url: None, ..alone }),
        Some(KeySource::BackendApi(_))
    ));
    settings.frontend_apis.clear();
    assert!(chosen(&settings).is_none());
}

#[test]
fn c1_the_backend_apis_own_keys_are_asked_for_with_the_secret_key_and_nobody_elses() {
    let chosen = |url: &str| {
        KeySource::choose(KeySettings { jwt_key: None, jwks_url: Url::parse(url).ok(), ..everything() })
    };
    assert!(matches!(chosen("https://api.clerk.com/v1/jwks"), Some(KeySource::BackendApi(_))));
    for elsewhere in [
        "https://api.clerk.com.evil.example/v1/jwks",
        "http://api.clerk.com/v1/jwks",
        "https://api.clerk.com:8443/v1/jwks",
        "https://api.clerk.com/.well-known/jwks.json",
    ] {
        assert!(matches!(chosen(elsewhere), Some(KeySource::Jwks { otherwise: None, .. })), "{elsewhere}");
    }
}

#[test]
fn no_secret_is_printed() {
    let key = SecretKey::parse("sk_test_hidden\n").unwrap();
    assert!(key.bearer().is_sensitive() && !format!("{key:?}").contains("hidden"));
    assert!(SecretKey::parse("sk_\n_test").is_none());
    let api = BackendKeys { base: Url::parse("https://api.clerk.com").unwrap(), secret_key: key };
    let source = Source::new(api.keys());
    assert!(!format!("{:?} {source:?}", KeySource::BackendApi(api)).contains("hidden"));
}

#[test]
fn a_source_is_named_after_the_secret_key_that_decides_what_it_gives() {
    let name = |secret_key: &str| {
        let base = Url::parse("https://api.clerk.com").unwrap();
        let secret_key = SecretKey::parse(secret_key).unwrap();
        Source::new(BackendKeys { base, secret_key }.keys()).name
    };
    assert_ne!(name("sk_test_a"), name("sk_live_b"));
    assert_eq!(name("sk_test_a"), name("sk_test_a\n"));
}
