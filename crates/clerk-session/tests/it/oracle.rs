//! Every token whose verdict by `@clerk/backend` 3.25.0 is known, and where ours differs on
//! purpose. The policies are those of `POLICY.md`.

use clerk_session::Policy;
use serde_json::json;

use crate::corpus::{self, Row, row};
use crate::support::*;

fn check(rows: Vec<Row>, policy: impl Fn() -> Policy) {
    let keys = keys();
    let wrong: Vec<String> = rows
        .iter()
        .filter_map(|row| {
            let found = verdict(policy(), &keys, &row.token, NOW);
            (found != row.expected).then(|| format!("{}: {found} instead of {}", row.name, row.expected))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn where_the_sdk_accepts_so_do_we() {
    check(corpus::good(), policy);
}

#[test]
fn where_the_sdk_refuses_so_do_we_with_its_code() {
    check(corpus::refused(), policy);
}

#[test]
fn where_we_are_stricter_than_the_sdk() {
    check(corpus::stricter(), policy);
}

#[test]
fn audiences() {
    let with = |aud: serde_json::Value| mint(json!({}), json!({ "aud": aud }));
    check(
        vec![
            row("one", "accepted", with("api".into())),
            row("in a list", "accepted", with(json!(["x", "api"]))),
            row("other", "token-verification-failed", with("x".into())),
            row("other list", "token-verification-failed", with(json!(["x"]))),
            row("case", "token-verification-failed", with("API".into())),
            row("missing", "token-verification-failed", with(REMOVED.into())),
            row("list with a number", "token-verification-failed", with(json!(["api", 1]))),
            row("object", "token-verification-failed", with(json!({"api": true}))),
            row("empty list", "token-verification-failed", with(json!([]))),
        ],
        || crate::support::with(|policy| policy.audiences = vec!["api".to_owned()]),
    );
}

#[test]
fn the_modes_of_authorized_parties() {
    use clerk_session::AuthorizedPartiesMode::{Enforce, IfPresent, Report};
    use clerk_session::{Verdict, Verifier};
    let right = mint(json!({}), json!({}));
    let wrong = mint(json!({}), json!({"azp": "https://evil.example.com"}));
    let absent = mint(json!({}), json!({"azp": REMOVED}));
    let odd = mint(json!({}), json!({"azp": 1}));
    for (mode, expected) in [
        (Enforce, [Some(false), None, None, None]),
        (IfPresent, [Some(false), None, Some(true), None]),
        (Report, [Some(false), Some(true), Some(true), Some(true)]),
    ] {
        let verifier = Verifier::new(with(|policy| policy.authorized_parties_mode = mode));
        let found = [&right, &wrong, &absent, &odd].map(|token| match verifier.verify(token, &keys(), NOW) {
            Verdict::Accepted(claims) => Some(claims.authorized_party_unknown),
            Verdict::Refused(_) | Verdict::CannotJudge(_) => None,
        });
        assert_eq!(found, expected, "{mode:?}");
    }
    let open = with(|policy| policy.authorized_parties = Vec::new());
    assert_eq!(verdict(open, &keys(), &absent, NOW), "accepted");
}

#[test]
fn a_pinned_key_decides_by_the_signature_alone() {
    for kid in [json!("ins_other"), json!(REMOVED), json!(KID)] {
        assert_eq!(verdict(policy(), &pinned(), &mint(json!({"kid": kid}), json!({})), NOW), "accepted");
    }
    let foreign = mint_by(&FOREIGN, json!({}), json!({}));
    assert_eq!(verdict(policy(), &pinned(), &foreign, NOW), "token-invalid-signature");
}
