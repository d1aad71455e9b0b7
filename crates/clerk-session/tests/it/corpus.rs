//! Tokens, good and hostile, with the verdict that each must have. The policies are those of
//! `POLICY.md`.
#![allow(dead_code)]

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use serde_json::json;

use crate::support::*;

/// A token and its right verdict under [`policy`] at [`NOW`].
pub struct Row {
    pub name: &'static str,
    pub token: String,
    pub expected: &'static str,
}

/// Half a second later.
#[expect(clippy::cast_precision_loss, reason = "seconds of this century")]
fn half(seconds: i64) -> f64 {
    seconds as f64 + 0.5
}

pub fn row(name: &'static str, expected: &'static str, token: String) -> Row {
    Row { name, token, expected }
}

fn with_alg(alg: serde_json::Value) -> String {
    mint(json!({ "alg": alg }), json!({}))
}

fn unsigned(header: serde_json::Value) -> String {
    format!("{}.{}.", encode(header.to_string().as_bytes()), encode(payload().to_string().as_bytes()))
}

fn resigned(alg: &str, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let mut header = header();
    header["alg"] = alg.into();
    let signed =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload().to_string().as_bytes()));
    format!("{signed}.{}", encode(&sign(signed.as_bytes())))
}

/// What `@clerk/backend` accepts, and we as well.
pub fn good() -> Vec<Row> {
    let removed = |names: &[&str]| {
        serde_json::Value::Object(names.iter().map(|name| ((*name).to_owned(), REMOVED.into())).collect())
    };
    vec![
        row("v2", "accepted", mint(json!({}), json!({}))),
        row("v1", "accepted", mint(removed(&["cat"]), removed(&["v", "jti", "fva", "sts"]))),
        row(
            "organization",
            "accepted",
            mint(json!({}), json!({"o": {"id": "org_1", "rol": "admin", "slg": "a"}})),
        ),
        row("typ missing", "accepted", mint(removed(&["typ"]), json!({}))),
        row("cat ignore", "accepted", mint(json!({"cat": "cl_I7d4PD111III"}), json!({}))),
        row("unknown header parameters", "accepted", mint(json!({"oiat": 1, "x": {"y": [1]}}), json!({}))),
        row("nbf and iat missing", "accepted", mint(json!({}), removed(&["nbf", "iat"]))),
        row("aud that nobody asked for", "accepted", mint(json!({}), json!({"aud": "anything"}))),
        row(
            "impersonated",
            "accepted",
            mint(json!({}), json!({"act": {"sub": "user_9", "iss": "x", "sid": "sess_9"}})),
        ),
        row("pending is genuine", "accepted", mint(json!({}), json!({"sts": "pending"}))),
        row("large custom claims", "accepted", mint(json!({}), json!({"custom": "x".repeat(4000)}))),
    ]
}

/// What `@clerk/backend` refuses, and we with its code.
pub fn refused() -> Vec<Row> {
    let secret = hmac::Key::new(hmac::HMAC_SHA256, OURS.spki_pem().as_bytes());
    let valid = mint(json!({}), json!({}));
    let [h, p, s]: [&str; 3] = valid.split('.').collect::<Vec<_>>().try_into().unwrap();
    // 256 bytes encode to 342 characters, the last of which has four unused bits.
    let other_spelling = {
        let last = s.chars().last().unwrap();
        let next = char::from(last as u8 + 1);
        format!("{h}.{p}.{}{next}", &s[..s.len() - 1])
    };
    vec![
        row(
            "alg none",
            "token-invalid-algorithm",
            unsigned(json!({"alg": "none", "typ": "JWT", "kid": KID})),
        ),
        row("alg None", "token-invalid-algorithm", with_alg("None".into())),
        row("alg missing", "token-invalid-algorithm", with_alg(REMOVED.into())),
        row("alg rs256", "token-invalid-algorithm", with_alg("rs256".into())),
        row("alg null", "token-invalid-algorithm", with_alg(json!(null))),
        row("alg a list", "token-invalid-algorithm", with_alg(json!(["RS256"]))),
        row(
            "HS256 with the public key as its secret",
            "token-invalid-algorithm",
            resigned("HS256", |m| hmac::sign(&secret, m).as_ref().to_vec()),
        ),
        row(
            "an HMAC that says RS256",
            "token-invalid-signature",
            resigned("RS256", |m| hmac::sign(&secret, m).as_ref().to_vec()),
        ),
        row("PS256", "token-invalid-algorithm", resigned("PS256", |m| OURS.sign_with(&RSA_PSS_SHA256, m))),
        row(
            "PSS that says RS256",
            "token-invalid-signature",
            resigned("RS256", |m| OURS.sign_with(&RSA_PSS_SHA256, m)),
        ),
        row(
            "SHA-512 that says RS256",
            "token-invalid-signature",
            resigned("RS256", |m| OURS.sign_with(&RSA_PKCS1_SHA512, m)),
        ),
        row("ES256", "token-invalid-algorithm", with_alg("ES256".into())),
        row("EdDSA", "token-invalid-algorithm", with_alg("EdDSA".into())),
        row("bad base64", "token-invalid", format!("{h}.{p}!.{s}")),
        row("standard base64", "token-invalid", format!("{h}.{p}.{}", s.replace(['-', '_'], "+"))),
        row("other last bits", "token-invalid", other_spelling),
        row("two segments", "token-invalid", format!("{h}.{p}")),
        row("four segments", "token-invalid", format!("{h}.{p}.{s}.{s}")),
        row("five segments (JWE)", "token-invalid", format!("{h}.{p}.{s}.{s}.{s}")),
        row("empty", "token-invalid", String::new()),
        row("header null", "token-invalid", OURS.token(b"null", payload().to_string().as_bytes())),
        row("payload null", "token-invalid", OURS.token(header().to_string().as_bytes(), b"null")),
        row("bnVsbA.e30.AA", "token-invalid", "bnVsbA.e30.AA".to_owned()),
        row("payload cut off", "token-invalid", OURS.token(header().to_string().as_bytes(), b"{\"sub\":")),
        row("signature empty", "token-invalid-signature", format!("{h}.{p}.")),
        row("signature of a foreign key", "token-invalid-signature", mint_by(&FOREIGN, json!({}), json!({}))),
        row("kid unknown", "jwk-kid-mismatch", mint(json!({"kid": "ins_other"}), json!({}))),
        row("kid missing", "jwk-kid-mismatch", mint(json!({"kid": REMOVED}), json!({}))),
        row("kid constructor", "jwk-kid-mismatch", mint(json!({"kid": "constructor"}), json!({}))),
        row("typ jwt", "token-invalid", mint(json!({"typ": "jwt"}), json!({}))),
        row("typ null", "token-invalid", mint(json!({"typ": null}), json!({}))),
        row("typ empty", "token-invalid", mint(json!({"typ": ""}), json!({}))),
        row("typ at+jwt", "token-type-mismatch", mint(json!({"typ": "at+jwt"}), json!({}))),
        row("cat template", "token-type-mismatch", mint(json!({"cat": "cl_B7d4PD222AAA"}), json!({}))),
        row("cat machine", "token-type-mismatch", mint(json!({"cat": "cl_B7d4PD333AAA"}), json!({}))),
        row("cat unknown", "token-type-mismatch", mint(json!({"cat": "cl_new"}), json!({}))),
        row("sub of a machine", "token-type-mismatch", mint(json!({}), json!({"sub": "mch_1"}))),
        row("sub missing", "token-verification-failed", mint(json!({}), json!({"sub": REMOVED}))),
        row("sub a number", "token-verification-failed", mint(json!({}), json!({"sub": 1}))),
        row(
            "azp foreign",
            "token-invalid-authorized-parties",
            mint(json!({}), json!({"azp": "https://evil.example.com"})),
        ),
        row("azp missing", "token-invalid-authorized-parties", mint(json!({}), json!({"azp": REMOVED}))),
        row("azp empty", "token-invalid-authorized-parties", mint(json!({}), json!({"azp": ""}))),
        row(
            "azp with slash",
            "token-invalid-authorized-parties",
            mint(json!({}), json!({"azp": format!("{APP}/")})),
        ),
        row(
            "azp upper case",
            "token-invalid-authorized-parties",
            mint(json!({}), json!({"azp": "https://APP.example.com"})),
        ),
        row(
            "azp with port",
            "token-invalid-authorized-parties",
            mint(json!({}), json!({"azp": format!("{APP}:443")})),
        ),
        row("azp a list", "token-invalid-authorized-parties", mint(json!({}), json!({"azp": [APP]}))),
        row(
            "iss foreign",
            "token-invalid-issuer",
            mint(json!({}), json!({"iss": "https://clerk.other.com"})),
        ),
        row("iss missing", "token-invalid-issuer", mint(json!({}), json!({"iss": REMOVED}))),
        row("iss a list", "token-invalid-issuer", mint(json!({}), json!({"iss": [ISSUER]}))),
        row("exp missing", "token-verification-failed", mint(json!({}), json!({"exp": REMOVED}))),
        row(
            "exp text",
            "token-verification-failed",
            mint(json!({}), json!({"exp": (NOW_S + 50).to_string()})),
        ),
        row("nbf text", "token-verification-failed", mint(json!({}), json!({"nbf": "1"}))),
        row("iat null", "token-verification-failed", mint(json!({}), json!({"iat": null}))),
        row(
            "wrong signature and expired",
            "token-invalid-signature",
            mint_by(&FOREIGN, json!({}), json!({"exp": NOW_S - 60})),
        ),
        row(
            "expired and wrong azp",
            "token-invalid-authorized-parties",
            mint(json!({}), json!({"exp": NOW_S - 60, "azp": "https://evil.example.com"})),
        ),
    ]
}

/// What `verifyToken()` of `@clerk/backend` accepts and we refuse, each under a named policy.
pub fn stricter() -> Vec<Row> {
    let valid = mint(json!({}), json!({}));
    let (signed, _) = valid.rsplit_once('.').unwrap();
    let head = header().to_string();
    let body = payload().to_string();
    let padded_payload = {
        let message = format!("{}.{}=", encode(head.as_bytes()), encode(format!("{body} ").as_bytes()));
        let signature = OURS.sign_with(&aws_lc_rs::signature::RSA_PKCS1_SHA256, message.as_bytes());
        format!("{message}.{}", encode(&signature))
    };
    vec![
        row("crit exp", "token-invalid", mint(json!({"crit": ["exp"]}), json!({}))),
        row("crit unknown", "token-invalid", mint(json!({"crit": ["x"], "x": 1}), json!({}))),
        row("crit empty", "token-invalid", mint(json!({"crit": []}), json!({}))),
        row("b64 false", "token-invalid", mint(json!({"b64": false}), json!({}))),
        row("zip", "token-invalid", mint(json!({"zip": "DEF"}), json!({}))),
        row("enc", "token-invalid", mint(json!({"enc": "A128GCM"}), json!({}))),
        row("kid a number", "token-invalid", mint(json!({"kid": 1}), json!({}))),
        row(
            "byte order mark",
            "token-invalid",
            OURS.token(head.as_bytes(), format!("\u{feff}{body}").as_bytes()),
        ),
        row(
            "not UTF-8",
            "token-invalid",
            OURS.token(head.as_bytes(), &[b"{\"x\":\"\xff\",", &body.as_bytes()[1..]].concat()),
        ),
        row(
            "lone surrogate",
            "token-invalid",
            OURS.token(head.as_bytes(), format!("{{\"x\":\"\\ud800\",{}", &body[1..]).as_bytes()),
        ),
        row(
            "number beyond a double",
            "token-invalid",
            OURS.token(head.as_bytes(), format!("{{\"x\":1e999,{}", &body[1..]).as_bytes()),
        ),
        row(
            "nested too deep",
            "token-invalid",
            OURS.token(
                head.as_bytes(),
                format!("{{\"x\":{}1{},{}", "[".repeat(200), "]".repeat(200), &body[1..]).as_bytes(),
            ),
        ),
        row("padded signature", "token-invalid", format!("{signed}.{}==", valid.rsplit_once('.').unwrap().1)),
        row("padded payload", "token-invalid", padded_payload),
        row(
            "sub twice",
            "token-invalid",
            OURS.token(head.as_bytes(), format!("{{\"sub\":\"user_evil\",{}", &body[1..]).as_bytes()),
        ),
        row(
            "alg twice",
            "token-invalid",
            OURS.token(format!("{{\"alg\":\"none\",{}", &head[1..]).as_bytes(), body.as_bytes()),
        ),
        row("larger than 8 KiB", "token-invalid", mint(json!({}), json!({"custom": "x".repeat(6000)}))),
        row("sub empty", "token-verification-failed", mint(json!({}), json!({"sub": ""}))),
        row("sub no user", "token-verification-failed", mint(json!({}), json!({"sub": "org_1"}))),
        row("sub only the prefix", "token-verification-failed", mint(json!({}), json!({"sub": "user_"}))),
        row("sid missing", "token-type-mismatch", mint(json!({}), json!({"sid": REMOVED}))),
        row("sid empty", "token-type-mismatch", mint(json!({}), json!({"sid": ""}))),
        row("cat null", "token-type-mismatch", mint(json!({"cat": null}), json!({}))),
        row(
            "nbf a fraction of a second too far ahead",
            "token-not-active-yet",
            mint(json!({}), json!({"nbf": half(NOW_S + 5)})),
        ),
        row("exp 1e300", "token-verification-failed", mint(json!({}), json!({"exp": 1e300}))),
        row("RS512", "token-invalid-algorithm", resigned("RS512", |m| OURS.sign_with(&RSA_PKCS1_SHA512, m))),
    ]
}
