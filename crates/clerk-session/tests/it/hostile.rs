//! Whatever the bytes: a verdict, never a panic, and never "accepted" for what was not signed.

use clerk_session::{KeySet, OriginPattern, PublishableKey, Verdict, Verifier, bearer_token, explain};
use proptest::prelude::*;
use serde_json::json;

use crate::support::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_gets_a_verdict(text in ".{0,400}") {
        let verifier = Verifier::new(policy());
        let accepted = matches!(verifier.verify(&text, &keys(), NOW * 1000), Verdict::Accepted(_));
        prop_assert!(!accepted);
        explain(&verifier, &text, Ok(&keys()), NOW * 1000);
        let _ = bearer_token(&text);
        let _ = OriginPattern::parse(&text);
        let _ = PublishableKey::parse(&text);
        let _ = KeySet::from_pem(&text);
        let _ = KeySet::from_jwks(text.as_bytes());
    }

    #[test]
    fn any_json_in_any_segment_gets_a_verdict(header in json_text(), payload in json_text()) {
        let token = sign_bytes(header.as_bytes(), payload.as_bytes(), &KEY);
        let accepted = matches!(verify_at(&token, NOW * 1000), Verdict::Accepted(_));
        prop_assert!(!accepted);
    }

    #[test]
    fn a_changed_token_is_never_accepted(position in 0usize..2000, byte in 0u8..128) {
        let token = GOOD.clone();
        let position = position % token.len();
        let mut bytes = token.clone().into_bytes();
        prop_assume!(bytes[position] != byte);
        bytes[position] = byte;
        let changed = String::from_utf8(bytes).unwrap();
        let accepted = matches!(verify_at(&changed, NOW * 1000), Verdict::Accepted(_));
        prop_assert!(!accepted, "byte {position} became {byte}");
    }

    #[test]
    fn a_matching_origin_stays_within_its_site(middle in ".{0,40}") {
        let pattern = OriginPattern::parse("https://deploy-preview-*--acme.netlify.app").unwrap();
        let origin = format!("https://deploy-preview-{middle}--acme.netlify.app");
        if pattern.matches(&origin) {
            let plain = !middle.is_empty() && middle.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            prop_assert!(plain);
        }
    }
}

static GOOD: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| with(json!({})));

fn json_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("1e400".to_owned()),
        any::<i64>().prop_map(|n| n.to_string()),
        "[a-z]{0,6}".prop_map(|text| format!("\"{text}\"")),
    ];
    let member = prop_oneof![
        Just("alg"),
        Just("kid"),
        Just("typ"),
        Just("sub"),
        Just("exp"),
        Just("crit"),
        Just("act")
    ];
    let tree = leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((member.clone(), inner), 0..4).prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    });
    tree.boxed()
}
