//! What holds for every input.

use std::sync::LazyLock;

use clerk_session::{
    KeySet, OriginPattern, PublishableKey, Verdict, Verifier, bearer_token, explain, fingerprint,
};
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

static KEYS: LazyLock<KeySet> = LazyLock::new(keys);
static VALID: LazyLock<String> = LazyLock::new(|| mint(json!({}), json!({})));

fn accepted(token: &str, now_ms: i64) -> bool {
    let verifier = Verifier::new(policy());
    let told = explain(&verifier, token, Ok(&KEYS), now_ms);
    assert_never_told(&told, token);
    matches!(verifier.verify(token, &KEYS, now_ms), Verdict::Accepted(_))
}

#[test]
fn every_changed_bit_and_every_cut_is_noticed() {
    let valid = VALID.as_bytes();
    assert!(accepted(&VALID, NOW));
    let mut tried = 0;
    for at in 0..valid.len() {
        for bit in 0..7 {
            let mut changed = valid.to_vec();
            changed[at] ^= 1 << bit;
            assert!(!accepted(str::from_utf8(&changed).unwrap(), NOW), "byte {at}, bit {bit}");
            tried += 1;
        }
        assert!(!accepted(&VALID[..at], NOW), "cut at {at}");
        assert!(!accepted(&VALID[at + 1..], NOW), "begun at {}", at + 1);
    }
    assert_eq!(tried, valid.len() * 7);
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|b| json!(b)),
        any::<i64>().prop_map(|n| json!(n)),
        any::<f64>().prop_map(|n| json!(n)),
        "\\PC{0,12}".prop_map(|s| json!(s)),
        prop_oneof!["JWT", "RS256", "none", "user_1", "pending"].prop_map(|s| json!(s)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn member() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "alg", "typ", "kid", "cat", "crit", "b64", "zip", "iss", "sub", "sid", "azp", "aud", "exp", "nbf",
        "iat", "sts", "act", "email", "x",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_is_accepted_or_does_harm(text in "\\PC{0,200}", now in any::<i64>()) {
        prop_assert!(!accepted(&text, now));
        let _ = bearer_token(&text);
        let _ = OriginPattern::parse(&text);
        let _ = PublishableKey::parse(&text);
        let _ = KeySet::from_pem(&text);
        prop_assert_eq!(fingerprint(&text).len(), 16);
    }

    #[test]
    fn no_bytes_do_harm_to_the_reader_of_key_sets(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = KeySet::from_jwks(&bytes);
    }

    #[test]
    fn no_odd_key_does_harm(name in prop::sample::select(vec!["kty", "n", "e", "kid", "alg", "use", "key_ops", "d"]), value in json_value()) {
        let mut odd = OURS.jwk("ins_odd");
        odd[name] = value;
        let read = KeySet::from_jwks(&jwks(&[odd, OURS.jwk(KID)])).unwrap();
        prop_assert!(read.keys.kids().any(|kid| kid == KID));
    }

    /// Three segments of the right alphabet, unsigned.
    #[test]
    fn no_unsigned_token_is_accepted(h in json_value(), p in json_value(), s in "[A-Za-z0-9_-]{0,342}") {
        let token = format!("{}.{}.{s}", encode(h.to_string().as_bytes()), encode(p.to_string().as_bytes()));
        prop_assert!(!accepted(&token, NOW));
    }

    /// Genuinely signed, with any one member of header or payload replaced by anything: accepted
    /// only where the replaced member is still what it must be.
    #[test]
    fn a_signed_oddity_is_judged_and_never_does_harm(name in member(), value in json_value(), in_header in any::<bool>(), now in (NOW - 100_000)..(NOW + 100_000)) {
        let change = json!({ name.clone(): value.clone() });
        let token = if in_header { mint(change, json!({})) } else { mint(json!({}), change) };
        // From `iat` less the skew until `exp` plus the skew.
        let in_time = (NOW - 15_000..NOW + 55_000).contains(&now);
        let indifferent = if in_header {
            !matches!(name.as_str(), "alg" | "typ" | "kid" | "cat" | "crit" | "b64" | "zip")
        } else {
            !matches!(name.as_str(), "iss" | "sub" | "sid" | "azp" | "exp" | "nbf" | "iat")
        };
        let found = accepted(&token, now);
        if indifferent {
            prop_assert_eq!(found, in_time, "{} {}", name, value);
        } else if found {
            let fits = match name.as_str() {
                "alg" => value == "RS256",
                "typ" => value == "JWT",
                "sub" => value.as_str().is_some_and(|sub| sub.starts_with("user_")),
                "sid" => value.as_str().is_some_and(|sid| !sid.is_empty()),
                "exp" | "nbf" | "iat" => value.is_number(),
                _ => false,
            };
            prop_assert!(fits, "{} {}", name, value);
        }
    }

    /// A pattern never reaches beyond its label.
    #[test]
    fn an_origin_pattern_never_crosses_a_dot(middle in "[a-z0-9.:/@*-]{0,20}") {
        let pattern = OriginPattern::parse("https://deploy-preview-*--site.netlify.app").unwrap();
        let plain = middle.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        // `--` joins the parts of a preview's host.
        let is_one_part = !middle.is_empty() && !format!("-{middle}-").contains("--");
        let origin = format!("https://deploy-preview-{middle}--site.netlify.app");
        prop_assert_eq!(pattern.matches(&origin), plain && is_one_part);
    }
}
