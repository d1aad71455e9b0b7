use clerk_session::{PublishableKey, PublishableKeyError, bearer_token};

#[test]
fn the_scheme_is_case_insensitive_and_the_token_stands_alone() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c", "\tBearer\ta.b.c "] {
        assert_eq!(bearer_token(value), Ok("a.b.c"), "{value:?}");
    }
    for (value, code) in [
        ("", "session-token-missing"),
        ("Basic dXNlcjpwdw==", "session-token-missing"),
        ("a.b.c", "session-token-missing"),
        ("Bearer", "token-invalid"),
        ("Bearer ", "token-invalid"),
        ("Bearer a.b.c junk", "token-invalid"),
        ("Bearer a.b.c, Bearer d.e.f", "token-invalid"),
        ("Bearer Bearer a.b.c", "token-invalid"),
    ] {
        assert_eq!(bearer_token(value).unwrap_err().code.as_str(), code, "{value:?}");
    }
}

#[test]
fn a_publishable_key_names_its_instance() {
    let key = PublishableKey::parse("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k").unwrap();
    assert_eq!(key.issuer(), "https://clerk.example.com");
    assert_eq!(key.jwks_url(), "https://clerk.example.com/.well-known/jwks.json");
    assert!(key.is_live());
    assert_eq!(PublishableKey::parse("sk_live_x"), Err(PublishableKeyError::SecretKey));
    assert_eq!(PublishableKey::parse("x"), Err(PublishableKeyError::Prefix));
    for cut in ["pk_test_", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20", "pk_live_!!!", "pk_test_bG9jYWxob3N0JA=="] {
        assert_eq!(PublishableKey::parse(cut), Err(PublishableKeyError::Content), "{cut}");
    }
}
