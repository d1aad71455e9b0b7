//! What `token explain` says: for each refusal the one remedy, and every step that led there.

use std::collections::BTreeSet;

use clerk_session::{
    CannotJudge, CannotJudgeReason, Explanation, KeySet, OtherCredential, Policy, Remedy, StepOutcome,
    VerdictWord, Verifier, explain,
};
use serde_json::{Value, json};

use crate::support::*;

fn told_by(policy: Policy, keys: &KeySet, token: &str) -> Explanation {
    let told = explain(&Verifier::new(policy), token, Ok(keys), NOW);
    assert_never_told(&told, token);
    told
}

fn told(token: &str) -> Explanation {
    let acme = OtherCredential { prefix: "acme_sk_".to_owned(), name: "an Acme service key".to_owned() };
    told_by(with(|policy| policy.other_credentials = vec![acme]), &keys(), token)
}

/// Code, step that failed, a piece of what was found, a piece of the remedy.
type Reason = (&'static str, &'static str, &'static str, &'static str);

fn check(name: &str, told: &Explanation, (code, step, found, remedy): Reason) {
    assert_eq!(told.verdict, VerdictWord::Refused, "{name}");
    assert_eq!(told.code, Some(code), "{name}");
    let failed: Vec<_> = told.steps.iter().filter(|each| each.outcome == StepOutcome::Failed).collect();
    assert_eq!(failed.len(), 1, "{name}: exactly one step fails");
    assert_eq!(failed[0].step, step, "{name}");
    assert!(failed[0].detail.contains(found), "{name}: {:?} does not say {found:?}", failed[0].detail);
    let said = told.remedy.as_ref().unwrap().to_string();
    assert!(said.contains(remedy), "{name}: {said:?} does not say {remedy:?}");
    // What comes before has passed or was skipped, what comes after was not reached.
    let at = told.steps.iter().position(|each| each.outcome == StepOutcome::Failed).unwrap();
    let before = |each: &StepOutcome| matches!(each, StepOutcome::Passed | StepOutcome::Skipped);
    assert!(told.steps[..at].iter().all(|each| before(&each.outcome)), "{name}: {:#?}", told.steps);
    assert!(told.steps[at + 1..].iter().all(|each| each.outcome == StepOutcome::NotReached), "{name}");
}

#[test]
fn what_is_sent_in_place_of_a_token() {
    for (sent, what, remedy) in [
        ("", "empty", "Await `getToken()`"),
        ("null", "the text `null`", "Await `getToken()`"),
        ("undefined", "the text `undefined`", "Await `getToken()`"),
        ("[object Promise]", "`[object Promise]`", "Await `getToken()`"),
        ("[object Object]", "`[object Object]`", "Await `getToken()`"),
        ("Bearer a.b.c", "starts with `Bearer `", "Send the word `Bearer` once"),
        ("bearer a.b.c", "starts with `Bearer `", "Send the word `Bearer` once"),
        ("pk_test_Y2xlcmsuZXhhbXBsZS5jb20k", "publishable key", "await getToken()"),
        ("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k", "publishable key", "await getToken()"),
        ("sk_test_abcdefghijklmnopqrstuvwxyz", "a Clerk secret key", "replace this one"),
        ("acme_sk_0123456789", "an Acme service key", "instead of an Acme service key"),
        ("sess_2abc", "a session id", "await getToken()"),
        ("user_2abc", "a user id", "await getToken()"),
        ("mt_0123456789", "machine-to-machine", "await getToken()"),
        ("oat_0123456789", "OAuth access token", "await getToken()"),
        ("ak_0123456789", "an API key", "await getToken()"),
        ("hello", "1 parts", "await getToken()"),
        ("a.b", "2 parts", "await getToken()"),
        ("a.b.c.d.e", "5 parts", "await getToken()"),
    ] {
        let told = told(sent);
        check(sent, &told, ("token-invalid", "form", what, remedy));
        let may_be_secret = sent.contains('_');
        assert!(
            !may_be_secret || !serde_json::to_string(&told).unwrap().contains(sent),
            "{sent} is repeated"
        );
    }
    check(
        "long",
        &told(&"x".repeat(9000)),
        ("token-invalid", "form", "9000 bytes; longer than 8192", "customized session token"),
    );
}

fn changed(header: Value, payload: Value) -> Explanation {
    told(&mint(header, payload))
}

#[test]
fn what_stands_in_the_token() {
    const PLAIN: &str = "without a template";
    let mut reasons = BTreeSet::new();
    let no = || json!({});
    let foreign = |iss: &str| told(&mint_by(&FOREIGN, json!({}), json!({ "iss": iss })));
    for (name, told, reason) in [
        (
            "base64",
            told("e30.!.AA"),
            ("token-invalid", "encoding", "the payload is not canonical base64url", "await getToken()"),
        ),
        (
            "twice",
            told(&OURS.token(b"{\"alg\":1,\"alg\":2}", b"{}")),
            ("token-invalid", "encoding", "names a member twice", "await getToken()"),
        ),
        (
            "bom",
            told(&OURS.token(b"{}", b"\xef\xbb\xbf{}")),
            ("token-invalid", "encoding", "byte order mark", "await getToken()"),
        ),
        (
            "utf-8",
            told(&OURS.token(b"{}", b"\xff")),
            ("token-invalid", "encoding", "not UTF-8", "await getToken()"),
        ),
        (
            "null",
            told(&OURS.token(b"null", b"{}")),
            ("token-invalid", "encoding", "the header", "await getToken()"),
        ),
        (
            "template",
            changed(json!({"cat": "cl_B7d4PD222AAA"}), no()),
            ("token-type-mismatch", "kind", "a JWT template token", PLAIN),
        ),
        (
            "machine",
            changed(json!({"cat": "cl_B7d4PD333AAA"}), no()),
            ("token-type-mismatch", "kind", "a machine-to-machine token", PLAIN),
        ),
        (
            "unknown kind",
            changed(json!({"cat": "cl_x"}), no()),
            ("token-type-mismatch", "kind", "`cl_x`", PLAIN),
        ),
        (
            "oauth",
            changed(json!({"typ": "at+jwt"}), no()),
            ("token-type-mismatch", "kind", "an OAuth access token", PLAIN),
        ),
        (
            "machine by sub",
            changed(no(), json!({"sub": "mch_1"})),
            ("token-type-mismatch", "kind", "a machine-to-machine token", PLAIN),
        ),
        (
            "enc (S15)",
            changed(json!({"enc": "A128GCM"}), no()),
            ("token-invalid", "extensions", "`enc`", "await getToken()"),
        ),
        (
            "typ",
            changed(json!({"typ": "JOSE"}), no()),
            ("token-invalid", "type", "`JOSE`", "await getToken()"),
        ),
        (
            "none",
            changed(json!({"alg": "none"}), no()),
            ("token-invalid-algorithm", "algorithm", "`alg` is `none`", "RS256 only"),
        ),
        (
            "HS256",
            changed(json!({"alg": "HS256"}), no()),
            ("token-invalid-algorithm", "algorithm", "`alg` is `HS256`", "without a template"),
        ),
        (
            "no alg",
            changed(json!({"alg": REMOVED}), no()),
            ("token-invalid-algorithm", "algorithm", "missing", "RS256"),
        ),
        (
            "crit",
            changed(json!({"crit": ["exp"]}), no()),
            ("token-invalid", "extensions", "`crit`", "await getToken()"),
        ),
        (
            "b64",
            changed(json!({"b64": false}), no()),
            ("token-invalid", "extensions", "`b64`", "await getToken()"),
        ),
        (
            "zip",
            changed(json!({"zip": "DEF"}), no()),
            ("token-invalid", "extensions", "`zip`", "await getToken()"),
        ),
        (
            "kid",
            changed(json!({"kid": "ins_dev"}), no()),
            (
                "jwk-kid-mismatch",
                "key",
                "`kid` is `ins_dev`; the instance has ins_2GI",
                "names the key `ins_dev`",
            ),
        ),
        (
            "kid and iss",
            changed(json!({"kid": "ins_dev"}), json!({"iss": "https://x-y-1.clerk.accounts.dev"})),
            (
                "jwk-kid-mismatch",
                "key",
                "`ins_dev`",
                "from another Clerk instance (`https://x-y-1.clerk.accounts.dev`)",
            ),
        ),
        (
            "signature",
            foreign(ISSUER),
            (
                "token-invalid-signature",
                "signature",
                "does not match",
                "one Clerk instance in front end and backend",
            ),
        ),
        (
            "signature and iss",
            foreign("https://clerk.other.com"),
            (
                "token-invalid-signature",
                "signature",
                "does not match",
                "from another Clerk instance (`https://clerk.other.com`)",
            ),
        ),
        (
            "cut off",
            told(&mint(no(), no())[..mint(no(), no()).len() - 102]),
            ("token-invalid-signature", "signature", "it was cut off", "one Clerk instance"),
        ),
        (
            "sub",
            changed(no(), json!({"sub": REMOVED})),
            ("token-verification-failed", "subject", "`sub` is missing", "has `sub`"),
        ),
        (
            "sid",
            changed(no(), json!({"sid": REMOVED})),
            ("token-type-mismatch", "subject", "`sid` is missing", PLAIN),
        ),
        (
            "azp",
            changed(no(), json!({"azp": "http://localhost:5173"})),
            (
                "token-invalid-authorized-parties",
                "authorized-party",
                "`azp` is `http://localhost:5173`; accepted are https://app.example.com",
                "add `http://localhost:5173` to the accepted parties",
            ),
        ),
        (
            "no azp",
            changed(no(), json!({"azp": REMOVED})),
            (
                "token-invalid-authorized-parties",
                "authorized-party",
                "`azp` is missing",
                "Clerk's mobile SDKs (Expo, iOS, Android)",
            ),
        ),
        (
            "iss",
            changed(no(), json!({"iss": "https://clerk.other.com"})),
            (
                "token-invalid-issuer",
                "issuer",
                "accepted are https://clerk.example.com",
                "signed by your own instance under another address",
            ),
        ),
        (
            "expired",
            changed(no(), json!({"exp": NOW_S - 14})),
            ("token-expired", "expiry", "expired 14 s ago", "skipCache"),
        ),
        (
            "exp",
            changed(no(), json!({"exp": "soon"})),
            ("token-verification-failed", "expiry", "`exp` is `soon`", "has `exp`"),
        ),
        (
            "nbf",
            changed(no(), json!({"nbf": NOW_S + 41})),
            ("token-not-active-yet", "not-before", "41 s", "clock differs from Clerk's by 41 s"),
        ),
        (
            "iat",
            changed(no(), json!({"iat": NOW_S + 41})),
            ("token-iat-in-the-future", "issued-at", "41 s", "clock differs from Clerk's by 41 s"),
        ),
        (
            "pending",
            changed(no(), json!({"sts": "pending"})),
            ("session-pending", "status", "pending", "pending session tasks"),
        ),
        (
            "unknown status",
            changed(no(), json!({"sts": "locked"})),
            ("session-pending", "status", "neither active nor pending", "new sign-in"),
        ),
    ] {
        check(name, &told, reason);
        let found = told.steps.into_iter().find(|each| each.outcome == StepOutcome::Failed).unwrap().detail;
        reasons.insert((told.code, found, told.remedy.map(|remedy| remedy.to_string())));
    }
    println!("{} distinct reasons, beside what is sent in place of a token", reasons.len());
    assert!(reasons.len() >= 31, "{}", reasons.len());
    let policy = with(|policy| policy.audiences = vec!["api".to_owned()]);
    let told = told_by(policy, &keys(), &mint(no(), json!({"aud": "web"})));
    check(
        "aud",
        &told,
        (
            "token-verification-failed",
            "audience",
            "`aud` is `web`; accepted are api",
            "Add `web` to the accepted",
        ),
    );
}

#[test]
fn an_accepted_token_shows_every_step() {
    let told = told(&mint(json!({}), json!({})));
    assert_eq!((told.verdict, told.code, told.remedy), (VerdictWord::Accepted, None, None));
    assert!(
        told.steps
            .iter()
            .all(|step| step.outcome != StepOutcome::Failed && step.outcome != StepOutcome::NotReached)
    );
    let names: Vec<_> = told.steps.iter().map(|step| step.step).collect();
    assert_eq!(
        names,
        [
            "form",
            "encoding",
            "kind",
            "type",
            "algorithm",
            "extensions",
            "key",
            "signature",
            "subject",
            "audience",
            "authorized-party",
            "issuer",
            "expiry",
            "not-before",
            "issued-at",
            "status"
        ]
    );
}

#[test]
fn without_keys_the_form_is_examined_all_the_same() {
    let cannot = CannotJudge::new(CannotJudgeReason::KeysNotLoaded, std::time::Duration::from_secs(1));
    let verifier = Verifier::new(policy());
    let told = explain(&verifier, &mint(json!({}), json!({})), Err(&cannot), NOW);
    assert_eq!((told.verdict, told.code), (VerdictWord::CannotJudge, Some("jwk-remote-failed-to-load")));
    let told = explain(&verifier, &mint(json!({"alg": "none"}), json!({})), Err(&cannot), NOW);
    assert_eq!((told.verdict, told.code), (VerdictWord::Refused, Some("token-invalid-algorithm")));
}

#[test]
fn the_form_is_that_of_the_contract() {
    let told =
        serde_json::to_value(told(&mint(json!({}), json!({"iat": NOW_S - 74, "exp": NOW_S - 14})))).unwrap();
    assert_eq!(told["verdict"], "refused");
    assert_eq!(told["code"], "token-expired");
    assert_eq!(told["detail"], "The session token expired 14 s ago.");
    assert_eq!(
        told["steps"][12],
        json!({"step": "expiry", "outcome": "failed", "detail": "expired 14 s ago after a life of 60 s"})
    );
    let cannot_judge = serde_json::to_value(VerdictWord::CannotJudge).unwrap();
    assert_eq!(cannot_judge, "cannot_judge");
}

#[test]
fn nothing_unproven_is_told_to_the_caller() {
    use clerk_session::Verdict;
    let verifier = Verifier::new(policy());
    for token in [
        mint_by(&FOREIGN, json!({}), json!({"iss": "https://clerk.secret.example", "exp": 1})),
        mint(json!({"kid": "ins_dev"}), json!({"azp": "https://evil.example.com"})),
    ] {
        let Verdict::Refused(refusal) = verifier.verify(&token, &keys(), NOW) else {
            panic!("it is not genuine")
        };
        for hint in [KID, "ins_dev", "secret", "evil", APP, ISSUER, "expired"] {
            assert!(!refusal.public_detail().contains(hint), "{:?}", refusal.public_detail());
        }
    }
}

#[test]
fn what_a_token_says_of_itself_is_quoted_harmlessly() {
    let long = "x".repeat(3000);
    for azp in
        [format!("https://a\r\nSet-Cookie: b{long}"), format!("\u{1b}[31m{long}"), format!("\u{202e}{long}")]
    {
        let told = changed(json!({}), json!({ "azp": azp }));
        let said = serde_json::to_string(&told).unwrap();
        assert!(said.len() < 6_000, "{} bytes", said.len());
        let remedy = told.remedy.as_ref().map(ToString::to_string);
        for each in told.steps.iter().map(|step| &step.detail).chain([&told.detail]).chain(&remedy) {
            assert!(each.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{each:?}");
        }
    }
}

/// A proxied or satellite instance signs with the same key under another address: the signature
/// disproves "another instance".
#[test]
fn c5_our_key_under_another_issuer_is_our_instance() {
    for issuer in ["https://app.example.com/__clerk", "https://clerk.shop.example"] {
        let told = changed(json!({}), json!({ "iss": issuer }));
        assert_eq!(told.code, Some("token-invalid-issuer"));
        assert!(told.detail.contains("signed by this server's Clerk instance"), "{}", told.detail);
        assert_eq!(told.remedy, Some(Remedy::AcceptIssuer { issuer: format!("`{issuer}`") }));
    }
    let told = changed(json!({}), json!({"iss": REMOVED}));
    assert_eq!(told.remedy, Some(Remedy::RestoreClaim { claim: "iss" }));
}

#[test]
fn c7_a_remedy_names_no_party_that_cannot_be_listed() {
    let remedy = |azp: Value| changed(json!({}), json!({ "azp": azp })).remedy.unwrap();
    let party = "`https://shop.example.com`".to_owned();
    assert_eq!(remedy(json!("https://shop.example.com")), Remedy::AcceptParty { party });
    for azp in [json!("https://shop.example.com/"), json!("null"), json!("*"), json!("x y"), json!(1)] {
        assert!(matches!(remedy(azp.clone()), Remedy::UnlistableParty { .. }), "{azp}");
    }
    for azp in [json!(REMOVED), json!("")] {
        assert_eq!(remedy(azp), Remedy::AcceptMissingParty);
    }
}

#[test]
fn c10_a_token_without_audience_is_told_from_one_with_another() {
    let policy = with(|policy| policy.audiences = vec!["convex".to_owned()]);
    let told = told_by(policy, &keys(), &mint(json!({}), json!({})));
    assert_eq!(told.detail, "The session token names no audience, and this server asks for one.");
    assert_eq!(told.remedy, Some(Remedy::DropAudience { accepted: vec!["convex".to_owned()] }));
}

#[test]
fn c13_a_long_genuine_token_is_told_its_length() {
    let token = mint(json!({}), json!({"metadata": "x".repeat(6_400)}));
    let (length, limit) = (token.len(), 8_192);
    assert!(length > 9_000);
    let told = told(&token);
    assert_eq!(told.remedy, Some(Remedy::ShortenToken { length, limit }));
    assert!(told.detail.contains(&length.to_string()) && told.detail.contains("8192"), "{}", told.detail);
    let roomy = with(|policy| policy.max_token_len = length);
    assert_eq!(told_by(roomy, &keys(), &token).verdict, VerdictWord::Accepted);
}
