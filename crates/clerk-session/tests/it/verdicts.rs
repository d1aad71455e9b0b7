//! The verdicts of facts that `@clerk/backend` shares, and of those where we are stricter.

use clerk_session::{AuthorizedPartiesMode, KeySet, Policy, SessionStatus, Verdict, Verifier};
use serde_json::{Value, json};

use crate::support::*;

fn table(cases: &[(&str, String, &str)]) {
    let wrong: Vec<_> = cases
        .iter()
        .map(|(name, token, expected)| (*name, judged(token), *expected))
        .filter(|(_, found, expected)| found != expected)
        .collect();
    assert!(wrong.is_empty(), "(case, found, expected): {wrong:#?}");
}

#[test]
fn a_session_token_is_accepted_with_its_claims() {
    let Verdict::Accepted(claims) = verify_at(&with(json!({})), NOW * 1000) else { panic!("refused") };
    assert_eq!(claims.subject, "user_2abc");
    assert_eq!(claims.session_id, "sess_2abc");
    assert_eq!(claims.authorized_party.as_deref(), Some(APP));
    assert_eq!(claims.expires_at_ms, (NOW + 50) * 1000);
    assert_eq!(claims.status, SessionStatus::Active);
    assert_eq!(claims.actor, None);
}

#[test]
fn kinds_of_session_tokens() {
    table(&[
        ("v1", with(json!({"v": null, "fva": null, "sts": null, "jti": null})), "accepted"),
        ("v2 with organization", with(json!({"o": {"id": "org_1", "rol": "admin", "slg": "a"}})), "accepted"),
        ("no cat", with_header(json!({"cat": null})), "accepted"),
        ("cat ignore", with_header(json!({"cat": "cl_I7d4PD111III"})), "accepted"),
        ("no typ", with_header(json!({"typ": null})), "accepted"),
        ("unknown header parameter", with_header(json!({"oiat": 5, "x": {"y": 1}})), "accepted"),
        (
            "impersonated",
            with(json!({"act": {"iss": "https://x", "sid": "sess_1", "sub": "user_9"}})),
            "accepted",
        ),
        ("pending", with(json!({"sts": "pending"})), "accepted"),
        ("aud without CLERK_AUDIENCE", with(json!({"aud": "convex"})), "accepted"),
    ]);
}

#[test]
fn other_kinds_of_tokens_are_told_apart() {
    table(&[
        ("template", with_header(json!({"cat": "cl_B7d4PD222AAA"})), "token-type-mismatch"),
        ("machine", with_header(json!({"cat": "cl_B7d4PD333AAA"})), "token-type-mismatch"),
        ("unknown category", with_header(json!({"cat": "cl_new"})), "token-type-mismatch"),
        ("cat a number", with_header(json!({"cat": 1})), "token-type-mismatch"),
        ("machine subject", with(json!({"sub": "mch_1"})), "token-type-mismatch"),
        ("OAuth", with_header(json!({"typ": "at+jwt"})), "token-type-mismatch"),
        ("OAuth, long", with_header(json!({"typ": "application/at+jwt"})), "token-type-mismatch"),
        ("no session", with(json!({"sid": null})), "token-type-mismatch"),
        ("empty session", with(json!({"sid": ""})), "token-type-mismatch"),
    ]);
}

#[test]
fn header_parameters() {
    for alg in ["none", "None", "NONE", "rs256", "RS384", "RS512", "PS256", "ES256", "EdDSA", "HS256", ""] {
        assert_eq!(judged(&with_header(json!({"alg": alg}))), "token-invalid-algorithm", "{alg}");
    }
    table(&[
        ("no alg", with_header(json!({"alg": null})), "token-invalid-algorithm"),
        ("alg a list", with_header(json!({"alg": ["RS256"]})), "token-invalid-algorithm"),
        ("typ lower case", with_header(json!({"typ": "jwt"})), "token-invalid"),
        ("typ empty", with_header(json!({"typ": ""})), "token-invalid"),
        ("typ and alg wrong", with_header(json!({"typ": "jwt", "alg": "none"})), "token-invalid"),
        ("crit known", with_header(json!({"crit": ["exp"]})), "token-invalid"),
        ("crit unknown", with_header(json!({"crit": ["x"]})), "token-invalid"),
        ("crit empty", with_header(json!({"crit": []})), "token-invalid"),
        ("b64", with_header(json!({"b64": false})), "token-invalid"),
        ("zip", with_header(json!({"zip": "DEF"})), "token-invalid"),
        ("kid a number", with_header(json!({"kid": 7})), "token-invalid"),
        ("no kid", with_header(json!({"kid": null})), "jwk-kid-mismatch"),
        ("unknown kid", with_header(json!({"kid": "ins_other"})), "jwk-kid-mismatch"),
        ("kid __proto__", with_header(json!({"kid": "__proto__"})), "jwk-kid-mismatch"),
        ("kid empty", with_header(json!({"kid": ""})), "jwk-kid-mismatch"),
    ]);
    let null_typ = sign_bytes(
        format!(r#"{{"alg":"RS256","kid":"{KID}","typ":null}}"#).as_bytes(),
        payload().to_string().as_bytes(),
        &KEY,
    );
    assert_eq!(judged(&null_typ), "token-invalid");
}

#[test]
fn form_and_encoding() {
    let good = with(json!({}));
    let parts: Vec<_> = good.split('.').collect();
    let joined = |header: &str, payload: &str, signature: &str| format!("{header}.{payload}.{signature}");
    let last = parts[2].chars().last().unwrap();
    // 256 bytes leave two significant bits in the last digit: another digit with the same two bits is another spelling.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let twin = alphabet.as_bytes()[alphabet.find(last).unwrap() | 1] as char;
    let respelled = format!("{}{twin}", &parts[2][..parts[2].len() - 1]);
    let head = header().to_string();
    let body = payload().to_string();
    let signed = |header: &[u8], payload: &[u8]| sign_bytes(header, payload, &KEY);
    let mut bom = b"\xef\xbb\xbf".to_vec();
    bom.extend_from_slice(body.as_bytes());
    let latin = body
        .replace("user_2abc", "user_2\u{0}")
        .into_bytes()
        .iter()
        .map(|b| if *b == 0 { 0xff } else { *b })
        .collect::<Vec<_>>();
    table(&[
        ("empty", String::new(), "session-token-missing"),
        ("one part", parts[0].to_owned(), "token-invalid"),
        ("two parts", format!("{}.{}", parts[0], parts[1]), "token-invalid"),
        ("four parts", format!("{good}.x"), "token-invalid"),
        ("five parts", format!("{good}.x.y"), "token-invalid"),
        ("dots", "..".to_owned(), "token-invalid"),
        ("null header", joined(&b64("null"), "e30", "AA"), "token-invalid"),
        ("null payload", joined(parts[0], &b64("null"), parts[2]), "token-invalid"),
        ("array payload", signed(head.as_bytes(), b"[]"), "token-invalid"),
        ("standard base64", joined(parts[0], parts[1], "+/+/"), "token-invalid"),
        ("padded signature", format!("{good}="), "token-invalid"),
        ("respelled signature", joined(parts[0], parts[1], &respelled), "token-invalid"),
        ("space", format!("{good} "), "token-invalid"),
        ("byte order mark", signed(head.as_bytes(), &bom), "token-invalid"),
        ("not UTF-8", signed(head.as_bytes(), &latin), "token-invalid"),
        (
            "sub twice",
            signed(head.as_bytes(), body.replacen('{', r#"{"sub":"user_0","#, 1).as_bytes()),
            "token-invalid",
        ),
        (
            "alg twice",
            signed(head.replacen('{', r#"{"alg":"none","#, 1).as_bytes(), body.as_bytes()),
            "token-invalid",
        ),
        (
            "nested twice",
            signed(head.as_bytes(), body.replacen('{', r#"{"o":{"id":1,"id":2},"#, 1).as_bytes()),
            "token-invalid",
        ),
        ("text behind the payload", signed(head.as_bytes(), format!("{body}x").as_bytes()), "token-invalid"),
        ("too long", with(json!({"big": "x".repeat(9000)})), "token-invalid"),
        ("no signature", joined(parts[0], parts[1], ""), "token-invalid-signature"),
    ]);
}

#[test]
fn signature() {
    let other = sign_bytes(header().to_string().as_bytes(), payload().to_string().as_bytes(), &OTHER_KEY);
    assert_eq!(judged(&other), "token-invalid-signature");
    // The signature is judged before the claims: a forger learns nothing from them.
    let mut stale = payload();
    stale["exp"] = json!(NOW - 1000);
    let both = sign_bytes(header().to_string().as_bytes(), stale.to_string().as_bytes(), &OTHER_KEY);
    assert_eq!(judged(&both), "token-invalid-signature");
}

#[test]
fn subject_and_types() {
    for sub in
        [json!(7), json!(""), json!("user_"), json!(["user_1"]), json!("admin"), json!({"a": 1}), json!(true)]
    {
        assert_eq!(judged(&with(json!({"sub": sub}))), "token-verification-failed", "{sub}");
    }
    assert_eq!(judged(&with(json!({"sub": null}))), "token-verification-failed");
    for (claim, value) in [
        ("exp", json!("1790000050")),
        ("exp", json!(true)),
        ("exp", json!(1e300)),
        ("exp", json!([NOW + 50])),
        ("nbf", json!("x")),
        ("iat", json!({})),
    ] {
        assert_eq!(
            judged(&with(json!({claim: value.clone()}))),
            "token-verification-failed",
            "{claim} {value}"
        );
    }
    assert_eq!(judged(&with(json!({"exp": null}))), "token-verification-failed");
    let null = sign_bytes(
        header().to_string().as_bytes(),
        payload().to_string().replacen(r#""nbf":1789999980"#, r#""nbf":null"#, 1).as_bytes(),
        &KEY,
    );
    assert_eq!(judged(&null), "token-verification-failed");
}

#[test]
fn times_to_the_millisecond() {
    let token = with(json!({}));
    let exp = (NOW + 50) * 1000;
    let at = |ms| word(&verify_at(&token, ms));
    assert_eq!(at(exp + 4_999), "accepted");
    assert_eq!(at(exp + 5_000), "token-expired");
    let nbf = with(json!({"nbf": NOW + 100, "iat": NOW + 100, "exp": NOW + 160}));
    let at = |ms| word(&verify_at(&nbf, ms));
    assert_eq!(at((NOW + 95) * 1000), "accepted");
    assert_eq!(at((NOW + 95) * 1000 - 1), "token-not-active-yet");
    let iat = with(json!({"iat": NOW + 100, "exp": NOW + 160}));
    assert_eq!(word(&verify_at(&iat, (NOW + 95) * 1000 - 1)), "token-iat-in-the-future");
    let half = with(json!({"exp": 1_790_000_000.5}));
    assert_eq!(word(&verify_at(&half, NOW * 1000 + 5_499)), "accepted");
    assert_eq!(word(&verify_at(&half, NOW * 1000 + 5_500)), "token-expired");
}

#[test]
fn authorized_party() {
    for azp in [
        json!("https://evil.example.com"),
        json!("https://app.example.com/"),
        json!("https://APP.example.com"),
        json!("https://app.example.com:443"),
        json!(["https://app.example.com"]),
        json!(7),
        json!(""),
    ] {
        assert_eq!(judged(&with(json!({"azp": azp}))), "token-invalid-authorized-parties", "{azp}");
    }
    assert_eq!(judged(&with(json!({"azp": null}))), "token-invalid-authorized-parties");
    assert_eq!(
        judged(&with(json!({"azp": "https://x", "exp": NOW - 100}))),
        "token-invalid-authorized-parties"
    );
}

#[test]
fn authorized_party_modes() {
    let mode = |mode| Verifier::new(Policy { authorized_parties_mode: mode, ..policy() });
    let (absent, wrong) = (with(json!({"azp": null})), with(json!({"azp": "https://evil.example.com"})));
    let judged = |verifier: &Verifier, token: &str| verifier.verify(token, &keys(), NOW * 1000);
    let lenient = mode(AuthorizedPartiesMode::IfPresent);
    assert_eq!(word(&judged(&lenient, &absent)), "accepted");
    assert_eq!(word(&judged(&lenient, &wrong)), "token-invalid-authorized-parties");
    let report = mode(AuthorizedPartiesMode::Report);
    for token in [&absent, &wrong] {
        let Verdict::Accepted(claims) = judged(&report, token) else { panic!("refused") };
        assert!(claims.authorized_party_unknown);
    }
    let open = Verifier::new(Policy { authorized_parties: Vec::new(), ..policy() });
    assert_eq!(word(&judged(&open, &wrong)), "accepted");
}

#[test]
fn issuer_is_always_pinned() {
    for iss in
        [json!("https://clerk.other.com"), json!("https://clerk.example.com/"), json!([ISSUER]), json!("")]
    {
        assert_eq!(judged(&with(json!({"iss": iss}))), "token-invalid-issuer", "{iss}");
    }
    assert_eq!(judged(&with(json!({"iss": null}))), "token-invalid-issuer");
}

#[test]
fn audience_where_set() {
    let verifier = Verifier::new(Policy { audiences: vec!["api".to_owned()], ..policy() });
    let judged = |aud: Value| word(&verifier.verify(&with(json!({"aud": aud})), &keys(), NOW * 1000));
    assert_eq!(judged(json!("api")), "accepted");
    assert_eq!(judged(json!(["web", "api"])), "accepted");
    for aud in [json!("web"), json!(["web"]), json!(["api", 1]), json!({"a": "api"}), json!([]), Value::Null]
    {
        assert_eq!(judged(aud.clone()), "token-verification-failed", "{aud}");
    }
}

#[test]
fn a_pinned_key_needs_no_kid() {
    let pinned = KeySet::from_pem(&pem(&KEY)).unwrap();
    let verifier = Verifier::new(policy());
    for token in
        [with_header(json!({"kid": null})), with_header(json!({"kid": "ins_other"})), with(json!({}))]
    {
        assert_eq!(word(&verifier.verify(&token, &pinned, NOW * 1000)), "accepted");
    }
}
