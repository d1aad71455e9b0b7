use super::*;

fn backend(secret_key: &str) -> BackendKeys {
    let base = Url::parse("https://api.clerk.com").unwrap();
    BackendKeys { base, secret_key: SecretKey::parse(secret_key).unwrap() }
}

#[test]
fn no_secret_is_printed() {
    let api = backend("sk_test_hidden\n");
    assert!(api.secret_key.bearer().is_sensitive());
    assert!(SecretKey::parse("sk_\n_test").is_none());
    assert!(!format!("{api:?} {:?}", KeyServer::backend(&api)).contains("hidden"));
}

#[test]
fn a_source_is_named_after_the_secret_key_that_decides_what_it_gives() {
    let name = |secret_key: &str| KeyServer::backend(&backend(secret_key)).name;
    assert_ne!(name("sk_test_a"), name("sk_live_b"));
    assert_eq!(name("sk_test_a"), name("sk_test_a\n"));
}
