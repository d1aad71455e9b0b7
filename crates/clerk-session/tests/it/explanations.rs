//! Each refusal as an operator reads it: the reason, and the one remedy.

use clerk_session::{
    CannotJudge, CannotJudgeReason, KeySet, RefusalCode, StepOutcome, VerdictWord, Verifier, explain,
};
use serde_json::json;

use crate::support::*;

fn remedy_at(token: &str, now_ms: i64) -> String {
    let explanation = explain(&Verifier::new(policy()), token, Ok(&keys()), now_ms);
    assert!(
        !serde_json::to_string(&explanation).unwrap().contains(token) || token.len() < 20,
        "the token is repeated"
    );
    let failed: Vec<_> =
        explanation.steps.iter().filter(|step| step.outcome == StepOutcome::Failed).collect();
    assert_eq!(failed.len(), usize::from(explanation.verdict != VerdictWord::Accepted));
    let reasoning = failed.first().map_or("", |step| step.detail.as_str());
    format!(
        "{}: {} | {} | {}",
        explanation.code.unwrap_or("accepted"),
        explanation.detail,
        reasoning,
        explanation.remedy.unwrap_or_default()
    )
}

#[test]
fn each_reason_names_its_remedy() {
    let good = with(json!({}));
    let forged = sign_bytes(header().to_string().as_bytes(), payload().to_string().as_bytes(), &OTHER_KEY);
    // (token, what the explanation must say)
    let cases: Vec<(String, &[&str])> = vec![
        (String::new(), &["session-token-missing", "Call `getToken()` for each request"]),
        ("null".into(), &["the text `null`", "Await `getToken()`"]),
        ("undefined".into(), &["the text `undefined`"]),
        ("[object Promise]".into(), &["the text `[object Promise]`", "Await"]),
        ("[object Object]".into(), &["the text `[object Object]`"]),
        (format!("Bearer {good}"), &["starts with `Bearer `", "once"]),
        ("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k".into(), &["a Clerk publishable key"]),
        ("sk_live_abcdefghijklmnop".into(), &["a Clerk secret key", "Never send a secret key"]),
        ("hf_sk_abcdefghijkl".into(), &["a Holdfast service key", "/service"]),
        ("sess_2abcdefgh".into(), &["a session id"]),
        ("user_2abcdefgh".into(), &["a user id"]),
        ("oat_2abcdefgh".into(), &["an opaque OAuth access token"]),
        ("mt_2abcdefgh".into(), &["an opaque machine-to-machine token"]),
        (format!("{good}.more"), &["token-invalid", "4 parts"]),
        (good.replacen('.', "=.", 1), &["the header is not canonical base64url"]),
        (with_header(json!({"alg": "HS256"})), &["`alg` is `HS256`", "custom signing key"]),
        (with_header(json!({"alg": "none"})), &["`alg` is `none`"]),
        (with_header(json!({"typ": "jose"})), &["`typ` is `jose`"]),
        (with_header(json!({"crit": ["x"]})), &["`crit` changes how a token is to be read"]),
        (
            with_header(json!({"cat": "cl_B7d4PD222AAA"})),
            &["This is a JWT template token", "without a template"],
        ),
        (with_header(json!({"cat": "cl_B7d4PD333AAA"})), &["a machine-to-machine token"]),
        (with_header(json!({"typ": "at+jwt"})), &["an OAuth access token"]),
        (with(json!({"sid": null})), &["outlive their session's revocation", "without a template"]),
        (with_header(json!({"kid": "ins_elsewhere"})), &["jwk-kid-mismatch", "`ins_elsewhere`", KID]),
        (forged, &["token-invalid-signature", "holdfast doctor"]),
        (with(json!({"sub": 7})), &["`sub` is `7`, expected user_…"]),
        (
            with(json!({"azp": "http://localhost:3000"})),
            &["It would be accepted if CLERK_AUTHORIZED_PARTIES contained `http://localhost:3000`"],
        ),
        (with(json!({"azp": null})), &["`azp` is missing", "CLERK_AUTHORIZED_PARTIES_MODE=if_present"]),
        (
            with(json!({"iss": "https://clerk.other.com"})),
            &["This token is from another Clerk instance (`https://clerk.other.com`)"],
        ),
        (with(json!({"iss": null})), &["`iss` is missing"]),
        (with(json!({"exp": NOW - 14})), &["The session token expired 14 s ago.", "skipCache"]),
        (with(json!({"exp": null})), &["`exp` is missing"]),
        (with(json!({"nbf": NOW + 41})), &["clock differs from Clerk's by 41 s", "NTP"]),
        (with(json!({"iat": NOW + 41})), &["token-iat-in-the-future", "differs from Clerk's by 41 s"]),
        (with(json!({"exp": "soon"})), &["`exp` is `soon`"]),
        (with(json!({"sts": "pending"})), &["session-pending", "pending session tasks"]),
    ];
    println!("{} reasons", cases.len());
    for (token, expected) in cases {
        let text = remedy_at(&token, NOW * 1000);
        for part in expected {
            assert!(text.contains(part), "expected {part:?} in {text:?}");
        }
    }
}

#[test]
fn a_good_token_shows_every_step() {
    let explanation = explain(&Verifier::new(policy()), &with(json!({})), Ok(&keys()), NOW * 1000);
    let steps: Vec<_> = explanation.steps.iter().map(|each| (each.step, each.outcome)).collect();
    assert_eq!(explanation.verdict, VerdictWord::Accepted);
    assert_eq!(steps.len(), 15);
    assert!(steps.iter().all(|(step, outcome)| *outcome == StepOutcome::Passed || *step == "audience"));
}

#[test]
fn without_keys_the_rest_is_explained_all_the_same() {
    let cannot = CannotJudge {
        reason: CannotJudgeReason::KeysNotLoaded,
        retry_after: std::time::Duration::from_secs(1),
    };
    let verifier = Verifier::new(policy());
    let explanation = explain(&verifier, &with(json!({})), Err(&cannot), NOW * 1000);
    assert_eq!(
        (explanation.verdict, explanation.code),
        (VerdictWord::CannotJudge, Some("jwk-remote-failed-to-load"))
    );
    let explanation = explain(&verifier, "null", Err(&cannot), NOW * 1000);
    assert_eq!(explanation.code, Some("token-invalid"));
}

#[test]
fn an_unproven_value_is_shown_short_and_harmless() {
    let nasty = format!("\u{1b}[31m{}", "x".repeat(500));
    let text = remedy_at(&with_header(json!({"alg": nasty})), NOW * 1000);
    assert!(!text.contains('\u{1b}') && text.len() < 700, "{text}");
}

#[test]
fn what_could_help_an_attacker_is_said_only_after_the_signature() {
    let verifier = Verifier::new(policy());
    for (header, key) in [(json!({"kid": "ins_x"}), &KEY), (json!({}), &OTHER_KEY)] {
        let mut head = crate::support::header();
        for (name, value) in header.as_object().unwrap() {
            head[name] = value.clone();
        }
        let token = sign_bytes(head.to_string().as_bytes(), payload().to_string().as_bytes(), key);
        let clerk_session::Verdict::Refused(refusal) = verifier.verify(&token, &keys(), NOW * 1000) else {
            panic!()
        };
        for secret in [KID, APP, ISSUER] {
            assert!(!refusal.public_detail().contains(secret), "{}", refusal.public_detail());
        }
    }
}

#[test]
fn every_code_has_a_page() {
    for code in RefusalCode::ALL {
        let page = code.page();
        assert!(!page.meaning.is_empty() && !page.causes.is_empty() && !page.remedy.is_empty(), "{code}");
    }
    let names: std::collections::BTreeSet<_> = RefusalCode::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), RefusalCode::ALL.len());
    assert!(KeySet::default().kids().next().is_none());
}
