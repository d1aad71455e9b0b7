//! Tokens of every kind, good and hostile, each with the verdict that a strict verifier must reach.
//!
//! The expectations assume a verifier for this stand-in's issuer and the token's `azp` as an
//! enforced party, without an audience and with the default skew of 5 s. They are written down here
//! independently of the verifier's code: the codes are the reason strings of Clerk's backend SDK
//! (`packages/backend/src/errors.ts`, `tokens/authStatus.ts`).

use aws_lc_rs::signature::{RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::StandinError;
use super::mint::{IGNORED_CATEGORY, MACHINE_CATEGORY, Mint, TEMPLATE_CATEGORY, bytes};

/// The verdict that a token deserves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Accepted.
    Accepted,
    /// Genuine, but its session is not active: 403.
    Pending,
    /// Refused with this code: 401.
    Refused(&'static str),
}

/// A kind of token.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its stable name, for `POST /v1/dev/mint`.
    pub name: &'static str,
    /// The verdict it deserves.
    pub expect: Expectation,
    make: Make,
}

type Made = Result<String, StandinError>;
type Make = fn(&Mint<'_>) -> Made;

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Case").field("name", &self.name).field("expect", &self.expect).finish_non_exhaustive()
    }
}

impl Case {
    /// The kind of that name.
    pub fn find(name: &str) -> Option<&'static Self> {
        Self::all().find(|each| each.name == name)
    }

    /// Every kind.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        CASES.iter().flat_map(|group| group.iter())
    }

    /// A token of this kind.
    pub fn make(&self, mint: &Mint<'_>) -> Made {
        (self.make)(mint)
    }
}

/// A token with the verdict that it deserves.
#[derive(Clone)]
pub struct CorpusToken {
    /// The name of its [`Case`].
    pub name: &'static str,
    /// The token.
    pub token: String,
    /// The verdict it deserves.
    pub expect: Expectation,
}

const fn good(name: &'static str, make: Make) -> Case {
    Case { name, expect: Expectation::Accepted, make }
}

const fn pending(name: &'static str, make: Make) -> Case {
    Case { name, expect: Expectation::Pending, make }
}

const fn bad(name: &'static str, code: &'static str, make: Make) -> Case {
    Case { name, expect: Expectation::Refused(code), make }
}

/// Genuine but for its header.
fn with_header(mint: &Mint<'_>, header: &[u8]) -> Made {
    mint.sign_bytes(header, &bytes(&mint.claims())?)
}

/// Genuine but for its payload.
fn with_payload(mint: &Mint<'_>, payload: &[u8]) -> Made {
    mint.sign_bytes(&bytes(&mint.header())?, payload)
}

/// With another member at the end of its payload, which no map of claims can hold.
fn with_member(mint: &Mint<'_>, member: &[u8]) -> Made {
    let mut payload = bytes(&mint.claims())?;
    payload.pop();
    with_payload(mint, &[&payload, &b","[..], member, b"}"].concat())
}

/// The bytes of a genuine signature, changed.
fn with_signature(mint: &Mint<'_>, change: impl FnOnce(&mut Vec<u8>)) -> Made {
    let token = mint.session_token()?;
    let (message, signature) = token.rsplit_once('.').unwrap_or_default();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| StandinError::Json)?;
    change(&mut bytes);
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes)))
}

const INVALID: &str = "token-invalid";
const ALGORITHM: &str = "token-invalid-algorithm";
const SIGNATURE: &str = "token-invalid-signature";
const PARTY: &str = "token-invalid-authorized-parties";
const ISSUER: &str = "token-invalid-issuer";
const EXPIRED: &str = "token-expired";
const EARLY: &str = "token-not-active-yet";
const FUTURE: &str = "token-iat-in-the-future";
const FAILED: &str = "token-verification-failed";
const TYPE: &str = "token-type-mismatch";
const KID: &str = "jwk-kid-mismatch";

static CASES: &[&[Case]] = &[GENUINE, SHAPE, HEADER, SIGNED, TIMES, CLAIMS];

#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method's path does not stand for every lifetime"
)]
static GENUINE: &[Case] = &[
    good("genuine", |mint| mint.session_token()),
    good("genuine-v1", |mint| {
        mint.with_claims(|claims| {
            for newer in ["v", "fva", "jti", "sts"] {
                claims.remove(newer);
            }
        })
    }),
    good("genuine-with-organization", |mint| {
        mint.with_claims(|claims| {
            claims.insert("pla".to_owned(), "o:pro".into());
            claims.insert("fea".to_owned(), "o:dashboard,o:teams".into());
            claims.insert(
                "o".to_owned(),
                json!({"id": "org_1", "slg": "acme", "rol": "admin", "per": "manage,read", "fpm": "3,2"}),
            );
        })
    }),
    good("genuine-with-organization-v1", |mint| {
        mint.with_claims(|claims| {
            claims.remove("v");
            claims.insert("org_id".to_owned(), "org_1".into());
            claims.insert("org_slug".to_owned(), "acme".into());
            claims.insert("org_role".to_owned(), "org:admin".into());
            let permissions = ["org:dashboard:manage", "org:dashboard:read", "org:teams:read"];
            claims.insert("org_permissions".to_owned(), json!(permissions));
        })
    }),
    // Active in no organization, as far as anybody can read.
    good("genuine-organization-unreadable", |mint| mint.with_claim("o", "org_1")),
    good("genuine-organization-of-numbers", |mint| {
        mint.with_claim("o", json!({"id": 1, "rol": 2, "per": 3, "fpm": 4}))
    }),
    good("genuine-organization-vast-mask", |mint| {
        mint.with_claims(|claims| {
            claims.insert("fea".to_owned(), "o:dashboard".into());
            let o = json!({"id": "org_1", "rol": "admin", "per": "read", "fpm": "9".repeat(400)});
            claims.insert("o".to_owned(), o);
        })
    }),
    good("genuine-with-custom-claims", |mint| {
        mint.with_claims(|claims| {
            claims.insert("email".to_owned(), "ada@example.com".into());
            claims.insert("metadata".to_owned(), json!({"deep": [1, {"er": null}]}));
        })
    }),
    good("genuine-impersonated", |mint| {
        mint.with_claim(
            "act",
            json!({"iss": "https://dashboard.clerk.com", "sid": "sess_x", "sub": "user_support"}),
        )
    }),
    good("genuine-unknown-header-parameter", |mint| mint.with_header("oiat", mint.now)),
    good("genuine-without-typ", |mint| mint.without_header("typ")),
    good("genuine-without-cat", |mint| mint.without_header("cat")),
    good("genuine-cat-ignored", |mint| mint.with_header("cat", IGNORED_CATEGORY)),
    good("genuine-without-sts", |mint| mint.without_claim("sts")),
    good("genuine-without-nbf", |mint| mint.without_claim("nbf")),
    good("genuine-expired-4s", |mint| mint.with_claim("exp", mint.now - 4)),
    good("genuine-nbf-in-4s", |mint| mint.with_claim("nbf", mint.now + 4)),
    good("genuine-iat-in-4s", |mint| mint.with_claim("iat", mint.now + 4)),
    pending("pending", |mint| mint.with_claim("sts", "pending")),
    // Unreadable, hence impersonation by somebody unknown: less may be done, not more.
    good("genuine-act-string", |mint| mint.with_claim("act", "user_support")),
];

/// Not three parts of canonical base64url around two JSON objects.
static SHAPE: &[Case] = &[
    bad("shape-word", INVALID, |_| Ok("null".to_owned())),
    bad("shape-undefined", INVALID, |_| Ok("undefined".to_owned())),
    bad("shape-one-part", INVALID, |_| Ok("eyJhbGciOiJSUzI1NiJ9".to_owned())),
    bad("shape-two-parts", INVALID, |mint| {
        let token = mint.session_token()?;
        Ok(token.rsplit_once('.').map_or_else(String::new, |(message, _)| message.to_owned()))
    }),
    bad("shape-four-parts", INVALID, |mint| Ok(format!("{}.AA", mint.session_token()?))),
    bad("shape-five-parts", INVALID, |mint| Ok(format!("{}.AA.AA", mint.session_token()?))),
    bad("shape-dots", INVALID, |_| Ok("..".to_owned())),
    bad("shape-empty-header", INVALID, |mint| with_header(mint, b"")),
    bad("shape-empty-payload", INVALID, |mint| with_payload(mint, b"")),
    bad("shape-huge", INVALID, |mint| mint.with_claim("padding", "x".repeat(12_000))),
    bad("shape-large", INVALID, |mint| mint.with_claim("padding", "x".repeat(8_000))),
    bad("shape-header-null", INVALID, |_| Ok("bnVsbA.e30.AA".to_owned())),
    bad("shape-header-array", INVALID, |mint| with_header(mint, b"[]")),
    bad("shape-header-string", INVALID, |mint| with_header(mint, b"\"RS256\"")),
    bad("shape-header-not-json", INVALID, |mint| with_header(mint, b"{alg:RS256}")),
    bad("shape-header-trailing", INVALID, |mint| {
        with_header(mint, &[bytes(&mint.header())?, b"{}".to_vec()].concat())
    }),
    bad("shape-payload-null", INVALID, |mint| with_payload(mint, b"null")),
    bad("shape-payload-array", INVALID, |mint| with_payload(mint, b"[]")),
    bad("shape-payload-number", INVALID, |mint| with_payload(mint, b"7")),
    bad("shape-payload-bom", INVALID, |mint| {
        with_payload(mint, &[b"\xef\xbb\xbf".to_vec(), bytes(&mint.claims())?].concat())
    }),
    bad("shape-payload-invalid-utf8", INVALID, |mint| with_member(mint, b"\"x\":\"\xff\"")),
    bad("shape-payload-deep", INVALID, |mint| {
        with_member(mint, format!("\"x\":{}1{}", "[".repeat(300), "]".repeat(300)).as_bytes())
    }),
    bad("shape-double-alg", INVALID, |mint| {
        let header = format!(r#"{{"alg":"none","alg":"RS256","kid":"{}","typ":"JWT"}}"#, mint.key.kid());
        with_header(mint, header.as_bytes())
    }),
    bad("shape-double-sub", INVALID, |mint| with_member(mint, b"\"sub\":\"user_victim\"")),
    bad("shape-double-escaped-sub", INVALID, |mint| with_member(mint, b"\"s\\u0075b\":\"user_victim\"")),
    bad("shape-padded-signature", INVALID, |mint| Ok(format!("{}==", mint.session_token()?))),
    bad("shape-padded-payload", INVALID, |mint| {
        let mut claims = mint.claims();
        // One of three lengths in a row needs padding.
        while URL_SAFE_NO_PAD.encode(bytes(&claims)?).len().is_multiple_of(4) {
            let padding = claims.get("pad").and_then(Value::as_str).unwrap_or_default().to_owned();
            claims.insert("pad".to_owned(), format!("{padding}x").into());
        }
        mint.sign_parts(&URL_SAFE_NO_PAD.encode(bytes(&mint.header())?), &URL_SAFE.encode(bytes(&claims)?))
    }),
    bad("shape-standard-base64", INVALID, |mint| {
        let mut claims = mint.claims();
        claims.insert("marks".to_owned(), "???>>>~~~".into());
        let payload = STANDARD.encode(bytes(&claims)?);
        mint.sign_parts(&URL_SAFE_NO_PAD.encode(bytes(&mint.header())?), payload.trim_end_matches('='))
    }),
    bad("shape-loose-last-bits", INVALID, |mint| {
        let mut token = mint.session_token()?;
        // 256 bytes end in a character whose last four bits must be zero.
        let last = token.pop().unwrap_or('A');
        token.push(if last == 'A' {
            'B'
        } else {
            char::from(u8::try_from(u32::from(last)).unwrap_or(b'A') + 1)
        });
        Ok(token)
    }),
    bad("shape-newline-inside", INVALID, |mint| Ok(mint.session_token()?.replacen('.', "\u{a0}.", 1))),
];

/// The header forbids it.
#[expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method's path does not stand for every lifetime"
)]
static HEADER: &[Case] = &[
    bad("alg-none", ALGORITHM, |mint| mint.unsigned("none", "")),
    bad("alg-none-with-signature", ALGORITHM, |mint| mint.unsigned("none", "AA")),
    bad("alg-capital-none", ALGORITHM, |mint| mint.unsigned("None", "")),
    bad("alg-lower-rs256", ALGORITHM, |mint| mint.with_header("alg", "rs256")),
    bad("alg-missing", ALGORITHM, |mint| mint.without_header("alg")),
    bad("alg-null", ALGORITHM, |mint| mint.with_header("alg", Value::Null)),
    bad("alg-array", ALGORITHM, |mint| mint.with_header("alg", json!(["RS256"]))),
    bad("alg-empty", ALGORITHM, |mint| mint.with_header("alg", "")),
    bad("alg-hs256-public-key", ALGORITHM, |mint| mint.hmac_with_public_key("HS256")),
    bad("alg-hs512", ALGORITHM, |mint| mint.hmac_with_public_key("HS512")),
    bad("alg-rs384", ALGORITHM, |mint| mint.signed_as("RS384", &RSA_PKCS1_SHA384)),
    bad("alg-rs512", ALGORITHM, |mint| mint.signed_as("RS512", &RSA_PKCS1_SHA512)),
    bad("alg-ps256", ALGORITHM, |mint| mint.signed_as("PS256", &RSA_PSS_SHA256)),
    bad("alg-es256", ALGORITHM, |mint| mint.signed_es256()),
    bad("alg-eddsa", ALGORITHM, |mint| mint.unsigned("EdDSA", &"A".repeat(86))),
    bad("alg-trailing-space", ALGORITHM, |mint| mint.with_header("alg", "RS256 ")),
    bad("alg-number", ALGORITHM, |mint| mint.with_header("alg", 256)),
    bad("crit-exp", INVALID, |mint| mint.with_header("crit", json!(["exp"]))),
    bad("crit-unknown", INVALID, |mint| mint.with_header("crit", json!(["http://example.com/must"]))),
    bad("crit-empty", INVALID, |mint| mint.with_header("crit", json!([]))),
    bad("b64-false", INVALID, |mint| mint.with_header("b64", false)),
    bad("zip-deflate", INVALID, |mint| mint.with_header("zip", "DEF")),
    bad("typ-lower", INVALID, |mint| mint.with_header("typ", "jwt")),
    bad("typ-access-token", TYPE, |mint| mint.with_header("typ", "at+jwt")),
    bad("typ-null", INVALID, |mint| mint.with_header("typ", Value::Null)),
    bad("typ-empty", INVALID, |mint| mint.with_header("typ", "")),
    bad("typ-number", INVALID, |mint| mint.with_header("typ", 7)),
    bad("typ-jose", INVALID, |mint| mint.with_header("typ", "JOSE")),
    bad("typ-array", INVALID, |mint| mint.with_header("typ", json!(["JWT"]))),
    bad("cat-template", TYPE, |mint| mint.with_header("cat", TEMPLATE_CATEGORY)),
    bad("cat-machine", TYPE, |mint| mint.with_header("cat", MACHINE_CATEGORY)),
    bad("cat-unknown", TYPE, |mint| mint.with_header("cat", "cl_B7d4PD999AAA")),
    bad("cat-empty", TYPE, |mint| mint.with_header("cat", "")),
    bad("cat-null", TYPE, |mint| mint.with_header("cat", Value::Null)),
    bad("kid-unknown", KID, |mint| mint.with_header("kid", "ins_unknown")),
    bad("kid-empty", KID, |mint| mint.with_header("kid", "")),
    bad("kid-missing", KID, |mint| mint.without_header("kid")),
    bad("kid-number", INVALID, |mint| mint.with_header("kid", 1)),
    bad("kid-array", INVALID, |mint| mint.with_header("kid", json!([mint.key.kid()]))),
    bad("kid-trailing-space", KID, |mint| mint.with_header("kid", format!("{} ", mint.key.kid()))),
    bad("kid-prototype", KID, |mint| mint.with_header("kid", "__proto__")),
    bad("kid-constructor", KID, |mint| mint.with_header("kid", "constructor")),
    bad("kid-path", KID, |mint| mint.with_header("kid", "../../../../dev/null")),
    bad("kid-of-unsupported-key", KID, |mint| mint.with_header("kid", super::UNSUPPORTED_KID)),
];

/// The signature is not the genuine key's over these bytes.
static SIGNED: &[Case] = &[
    bad("signature-foreign-key", SIGNATURE, |mint| mint.forged(|_| ())),
    bad("signature-foreign-key-embedded", SIGNATURE, |mint| {
        let mut header = mint.header();
        header.insert("jwk".to_owned(), mint.foreign.jwk());
        header.insert("jku".to_owned(), "https://attacker.example/jwks.json".into());
        let message = super::mint::message(&header, &mint.claims())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mint.foreign.sign(message.as_bytes())?)))
    }),
    bad("signature-foreign-and-expired", SIGNATURE, |mint| {
        mint.forged(|claims| drop(claims.insert("exp".to_owned(), (mint.now - 3600).into())))
    }),
    bad("signature-foreign-wrong-party", SIGNATURE, |mint| {
        mint.forged(|claims| drop(claims.insert("azp".to_owned(), "https://attacker.example".into())))
    }),
    bad("signature-hmac-says-rs256", SIGNATURE, |mint| mint.hmac_with_public_key("RS256")),
    bad("signature-empty", SIGNATURE, |mint| mint.unsigned("RS256", "")),
    bad("signature-short", SIGNATURE, |mint| mint.unsigned("RS256", "AAAA")),
    bad("signature-zeroes", SIGNATURE, |mint| mint.unsigned("RS256", &URL_SAFE_NO_PAD.encode([0; 256]))),
    bad("signature-pss-says-rs256", SIGNATURE, |mint| mint.signed_as("RS256", &RSA_PSS_SHA256)),
    bad("signature-sha512-says-rs256", SIGNATURE, |mint| mint.signed_as("RS256", &RSA_PKCS1_SHA512)),
    bad("signature-one-bit", SIGNATURE, |mint| {
        with_signature(mint, |bytes| {
            if let Some(byte) = bytes.get_mut(100) {
                *byte ^= 1;
            }
        })
    }),
    bad("signature-too-long", SIGNATURE, |mint| with_signature(mint, |bytes| bytes.push(0))),
    bad("signature-of-another-token", SIGNATURE, |mint| {
        let other = mint.with_claim("sub", "user_attacker")?;
        let (_, signature) = other.rsplit_once('.').unwrap_or_default();
        let token = mint.session_token()?;
        let (message, _) = token.rsplit_once('.').unwrap_or_default();
        Ok(format!("{message}.{signature}"))
    }),
    bad("signature-subject-swapped", SIGNATURE, |mint| {
        let token = mint.session_token()?;
        let (_, signature) = token.rsplit_once('.').unwrap_or_default();
        let mut claims = mint.claims();
        claims.insert("sub".to_owned(), "user_victim".into());
        Ok(format!("{}.{signature}", super::mint::message(&mint.header(), &claims)?))
    }),
];

/// Its time is over, not yet come, or not a time.
static TIMES: &[Case] = &[
    bad("expired-10s", EXPIRED, |mint| mint.with_claim("exp", mint.now - 10)),
    bad("expired-5s", EXPIRED, |mint| mint.with_claim("exp", mint.now - 5)),
    bad("expired-an-hour", EXPIRED, |mint| {
        mint.with_claims(|claims| {
            claims.insert("iat".to_owned(), (mint.now - 3660).into());
            claims.insert("nbf".to_owned(), (mint.now - 3670).into());
            claims.insert("exp".to_owned(), (mint.now - 3600).into());
        })
    }),
    bad("exp-missing", FAILED, |mint| mint.without_claim("exp")),
    bad("exp-null", FAILED, |mint| mint.with_claim("exp", Value::Null)),
    bad("exp-string", FAILED, |mint| mint.with_claim("exp", (mint.now + 60).to_string())),
    bad("exp-enormous", FAILED, |mint| mint.with_claim("exp", 1e300)),
    bad("exp-negative", EXPIRED, |mint| mint.with_claim("exp", -1)),
    bad("exp-zero", EXPIRED, |mint| mint.with_claim("exp", 0)),
    bad("exp-array", FAILED, |mint| mint.with_claim("exp", json!([mint.now + 60]))),
    bad("exp-boolean", FAILED, |mint| mint.with_claim("exp", true)),
    bad("exp-object", FAILED, |mint| mint.with_claim("exp", json!({"at": mint.now + 60}))),
    bad("nbf-in-10s", EARLY, |mint| mint.with_claim("nbf", mint.now + 10)),
    bad("nbf-string", FAILED, |mint| mint.with_claim("nbf", "0")),
    bad("nbf-null", FAILED, |mint| mint.with_claim("nbf", Value::Null)),
    bad("iat-in-10s", FUTURE, |mint| mint.with_claim("iat", mint.now + 10)),
    bad("iat-string", FAILED, |mint| mint.with_claim("iat", "0")),
    bad("iat-in-milliseconds", FAILED, |mint| mint.with_claim("iat", mint.now * 1000)),
];

/// It says something that a session token for us does not say.
static CLAIMS: &[Case] = &[
    bad("azp-other", PARTY, |mint| mint.with_claim("azp", "https://attacker.example")),
    bad("azp-missing", PARTY, |mint| mint.without_claim("azp")),
    bad("azp-empty", PARTY, |mint| mint.with_claim("azp", "")),
    bad("azp-null", PARTY, |mint| mint.with_claim("azp", Value::Null)),
    bad("azp-array", PARTY, |mint| mint.with_claim("azp", json!([mint.azp]))),
    bad("azp-trailing-slash", PARTY, |mint| {
        mint.with_claim("azp", format!("{}/", mint.azp.unwrap_or_default()))
    }),
    bad("azp-upper-case", PARTY, |mint| mint.with_claim("azp", mint.azp.unwrap_or_default().to_uppercase())),
    bad("azp-suffix", PARTY, |mint| {
        mint.with_claim("azp", format!("{}.attacker.example", mint.azp.unwrap_or_default()))
    }),
    bad("azp-other-scheme", PARTY, |mint| {
        mint.with_claim("azp", mint.azp.unwrap_or_default().replacen("http", "ftp", 1))
    }),
    bad("azp-number", PARTY, |mint| mint.with_claim("azp", 7)),
    bad("iss-empty", ISSUER, |mint| mint.with_claim("iss", "")),
    bad("iss-upper-case", ISSUER, |mint| mint.with_claim("iss", mint.issuer.to_uppercase())),
    bad("iss-other", ISSUER, |mint| mint.with_claim("iss", "https://other.clerk.accounts.dev")),
    bad("iss-missing", ISSUER, |mint| mint.without_claim("iss")),
    bad("iss-trailing-slash", ISSUER, |mint| mint.with_claim("iss", format!("{}/", mint.issuer))),
    bad("iss-array", ISSUER, |mint| mint.with_claim("iss", json!([mint.issuer]))),
    bad("iss-null", ISSUER, |mint| mint.with_claim("iss", Value::Null)),
    bad("sub-missing", FAILED, |mint| mint.without_claim("sub")),
    bad("sub-empty", FAILED, |mint| mint.with_claim("sub", "")),
    bad("sub-number", FAILED, |mint| mint.with_claim("sub", 7)),
    bad("sub-array", FAILED, |mint| mint.with_claim("sub", json!([mint.user_id]))),
    bad("sub-machine", TYPE, |mint| mint.with_claim("sub", "mch_1234567890")),
    bad("sub-other-kind", FAILED, |mint| mint.with_claim("sub", "org_1234567890")),
    bad("sub-newline", FAILED, |mint| mint.with_claim("sub", "user_1\nuser_2")),
    bad("sub-null-byte", FAILED, |mint| mint.with_claim("sub", "user_1\u{0}")),
    bad("sub-path", FAILED, |mint| mint.with_claim("sub", "user_1/../user_2")),
    bad("sub-upper-case", FAILED, |mint| mint.with_claim("sub", "USER_2abc")),
    bad("sub-comma", FAILED, |mint| mint.with_claim("sub", "user_1,user_2")),
    bad("sid-missing", TYPE, |mint| mint.without_claim("sid")),
    bad("sid-number", TYPE, |mint| mint.with_claim("sid", 1)),
    // Whatever is not `active` does not count as a session.
    pending("sts-unknown", |mint| mint.with_claim("sts", "revoked")),
    pending("sts-number", |mint| mint.with_claim("sts", 1)),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn there_are_more_than_a_hundred_kinds_and_each_has_its_own_name() {
        let names: Vec<_> = Case::all().map(|each| each.name).collect();
        assert!(names.len() > 100, "{}", names.len());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
        assert!(names.iter().all(|name| Case::find(name).is_some_and(|case| case.name == *name)));
    }
}
