//! How a token is handed over, and what is taken from a publishable key.

use clerk_session::{PublishableKey, PublishableKeyError, RefusalCode, Verdict, bearer_token, fingerprint};

use crate::support::*;

#[test]
fn the_scheme_is_bearer_in_any_case() {
    for value in ["Bearer a.b.c", "bearer a.b.c", "BEARER a.b.c", "Bearer  a.b.c", " Bearer a.b.c "] {
        assert_eq!(bearer_token(value), Ok("a.b.c"), "{value:?}");
    }
}

#[test]
fn no_bearer_is_no_session_token_and_an_odd_one_is_not_valid() {
    use RefusalCode::{SessionTokenMissing, TokenInvalid};
    for (value, code, remedy) in [
        ("", SessionTokenMissing, "Bearer <session token>"),
        ("Basic YTpi", SessionTokenMissing, "Bearer <session token>"),
        ("Bearerx a.b.c", SessionTokenMissing, "Bearer <session token>"),
        ("a.b.c", SessionTokenMissing, "Bearer <session token>"),
        ("Bearer", TokenInvalid, "Await `getToken()`"),
        ("Bearer   ", TokenInvalid, "Await `getToken()`"),
        ("Bearer a.b.c d.e.f", TokenInvalid, "followed by the token alone"),
        ("Bearer a.b.c, Bearer d.e.f", TokenInvalid, "followed by the token alone"),
        ("Bearer Bearer a.b.c", TokenInvalid, "the word `Bearer` once"),
    ] {
        let refusal = bearer_token(value).expect_err(value);
        assert_eq!(refusal.code, code, "{value:?}");
        assert!(refusal.remedy().to_string().contains(remedy), "{value:?}: {}", refusal.remedy());
    }
    // These reach the verifier, which names them.
    for value in ["null", "undefined", "[object Promise]"] {
        assert_eq!(bearer_token(&format!("Bearer {value}")), Ok(value));
    }
}

#[test]
fn a_publishable_key_tells_the_instance() {
    for (text, host, live) in [
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "clerk.example.com", true),
        ("pk_test_Zm9vLWJhci0xMy5jbGVyay5hY2NvdW50cy5kZXYk", "foo-bar-13.clerk.accounts.dev", false),
        // Padded, as some tools write it, and not.
        ("pk_test_Y2xlcmsuYWIuY28k", "clerk.ab.co", false),
        ("pk_test_Y2xlcmsuYS5jb20k", "clerk.a.com", false),
        ("pk_test_Y2xlcmsuYWIuY29tJA==", "clerk.ab.com", false),
        ("pk_test_Y2xlcmsuYWIuY29tJA", "clerk.ab.com", false),
    ] {
        let key = PublishableKey::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((key.frontend_api_host(), key.is_live()), (host, live), "{text}");
        assert_eq!(key.issuer(), format!("https://{host}"));
        assert_eq!(key.jwks_url(), format!("https://{host}/.well-known/jwks.json"));
    }
}

#[test]
fn what_is_no_publishable_key_says_why() {
    use PublishableKeyError::{Content, Prefix, SecretKey};
    for (text, error) in [
        ("", Prefix),
        ("clerk.example.com", Prefix),
        ("pk_prod_Y2xlcmsuZXhhbXBsZS5jb20k", Prefix),
        ("PK_LIVE_Y2xlcmsuZXhhbXBsZS5jb20k", Prefix),
        ("sk_live_abc", SecretKey),
        ("pk_live_", Content),
        ("pk_live_!!!!", Content),
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20", Content),
        // Without `$`, with two, without a dot, with a path, with another host before it.
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20=", Content),
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20kJA==", Content),
        ("pk_live_bG9jYWxob3N0JA==", Content),
        ("pk_live_ZXZpbC5jb20vY2xlcmskJA==", Content),
        ("pk_live_ZXZpbC5jb20vYSQ=", Content),
        ("pk_live_YUBldmlsLmNvbSQ=", Content),
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k_x", Content),
    ] {
        assert_eq!(PublishableKey::parse(text), Err(error), "{text}");
    }
}

#[test]
fn a_fingerprint_names_a_token_without_giving_it_away() {
    // The first 8 bytes of SHA-256("abc"), FIPS 180-4.
    assert_eq!(fingerprint("abc"), "ba7816bf8f01cfea");
}

#[test]
fn every_code_has_its_name_and_meaning() {
    let mut names = std::collections::BTreeSet::new();
    for code in RefusalCode::ALL {
        assert!(names.insert(code.as_str()), "{code} stands for two");
        assert!(code.meaning().ends_with('.'), "{code}");
        assert!(code.as_str().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{code}");
    }
    assert_eq!(names.len(), 12);
}

#[test]
fn only_what_a_new_token_or_time_can_mend_says_so() {
    let names = |chosen: fn(RefusalCode) -> bool| -> Vec<&str> {
        RefusalCode::ALL.iter().copied().filter(|code| chosen(*code)).map(RefusalCode::as_str).collect()
    };
    assert_eq!(
        names(RefusalCode::fresh_token_may_help),
        [
            "session-token-missing",
            "jwk-kid-mismatch",
            "token-invalid-signature",
            "token-expired",
            "token-not-active-yet",
            "token-iat-in-the-future",
        ]
    );
    assert_eq!(names(RefusalCode::time_may_mend), ["token-not-active-yet", "token-iat-in-the-future"]);
}

#[test]
fn a_token_with_something_around_it_is_named() {
    for (value, around) in [
        ("Bearer \"aa.bb.cc\"", "the quotation marks"),
        ("Bearer __session=aa.bb.cc", "the cookie's name"),
        ("Bearer {\"jwt\":\"aa.bb.cc\"}", "the JSON"),
        ("Bearer {\"object\": \"token\", \"jwt\": \"aa.bb.cc\"}", "the JSON"),
        ("Bearer %22aa.bb.cc%22", "the percent-encoding"),
        ("Bearer Bearer%20aa.bb.cc", "the percent-encoding"),
    ] {
        let token = bearer_token(value);
        let refusal = match token {
            Ok(token) => {
                let verifier = clerk_session::Verifier::new(policy());
                match verifier.verify(token, &keys(), NOW) {
                    Verdict::Refused(refusal) => refusal,
                    other @ (Verdict::Accepted(_) | Verdict::CannotJudge(_)) => panic!("{value}: {other:?}"),
                }
            }
            Err(refusal) => refusal,
        };
        assert_eq!(refusal.code, RefusalCode::TokenInvalid, "{value}");
        assert_eq!(
            refusal.public_detail(),
            format!("The session token was sent with {around} around it."),
            "{value}"
        );
        assert_eq!(
            refusal.remedy().to_string(),
            format!("Send the token alone, without {around} around it."),
            "{value}"
        );
    }
}
