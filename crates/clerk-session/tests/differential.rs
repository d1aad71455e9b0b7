//! The verdict against the one of the real `@clerk/backend`, over generated tokens: never laxer,
//! and stricter only under the policies that `POLICY.md` names.
//!
//! Needs Node and the pinned package: `scripts/differential.sh` installs it and runs this test.
//! `DIFFERENTIAL_TOKENS` and `DIFFERENTIAL_SEED` choose how many tokens and which.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::struct_excessive_bools,
    dead_code
)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use clerk_session::{Claims, KeySet, OriginPattern, Policy, Refusal, RefusalCode, Step, Verdict, Verifier};
use serde::Deserialize;
use serde_json::json;

#[path = "differential/generate.rs"]
mod generate;
#[path = "it/support.rs"]
mod support;

use generate::{Generated, Generator};
use support::*;

/// The settings under which tokens are judged, ours and the SDK's.
const POLICIES: [Setting; 5] = [
    Setting { pinned: false, issuer: true, parties: true, audience: false, skew_ms: 5_000, jwk_alg: true },
    Setting { pinned: false, issuer: false, parties: false, audience: false, skew_ms: 5_000, jwk_alg: true },
    Setting { pinned: true, issuer: true, parties: true, audience: false, skew_ms: 5_000, jwk_alg: true },
    Setting { pinned: false, issuer: true, parties: true, audience: true, skew_ms: 0, jwk_alg: true },
    Setting { pinned: false, issuer: true, parties: true, audience: false, skew_ms: 5_000, jwk_alg: false },
];

struct Setting {
    pinned: bool,
    issuer: bool,
    parties: bool,
    audience: bool,
    skew_ms: i64,
    /// Whether the key in the JWKS says which algorithm it is for.
    jwk_alg: bool,
}

impl Setting {
    fn verifier(&self) -> Verifier {
        let list = |wanted: bool, value: &str| if wanted { vec![value.to_owned()] } else { Vec::new() };
        let mut policy = Policy::default();
        policy.issuers = list(self.issuer, ISSUER);
        policy.authorized_parties =
            list(self.parties, APP).iter().map(|each| OriginPattern::parse(each).unwrap()).collect();
        policy.audiences = list(self.audience, "api");
        policy.clock_skew_ms = self.skew_ms;
        Verifier::new(policy)
    }

    fn keys(&self) -> KeySet {
        if self.pinned { pinned() } else { KeySet::from_jwks(&jwks(&[self.jwk()])).unwrap().keys }
    }

    fn jwk(&self) -> serde_json::Value {
        let mut jwk = OURS.jwk(KID);
        if !self.jwk_alg {
            jwk.as_object_mut().unwrap().remove("alg");
        }
        jwk
    }

    fn for_the_sdk(&self) -> serde_json::Value {
        json!({
            "pinned": self.pinned,
            "jwks": {"keys": [self.jwk()]},
            "issuer": self.issuer.then_some(ISSUER),
            "parties": self.parties.then_some([APP]),
            "audience": self.audience.then_some("api"),
            "skew": self.skew_ms,
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Oracle {
    verify_token: String,
    authenticate_request: String,
    organization: Option<Organization>,
}

/// What is read of an organization.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Organization {
    id: String,
    slug: Option<String>,
    role: Option<String>,
    permissions: BTreeSet<String>,
}

impl Organization {
    fn of(claims: &Claims) -> Option<Self> {
        let organization = claims.organization.clone()?;
        let permissions = organization.permissions.into_iter().collect();
        // The SDK writes a role with its prefix.
        let role = organization.role.map(|role| format!("org:{role}"));
        Some(Self { id: organization.id, slug: organization.slug, role, permissions })
    }
}

/// The named policy under which we refuse what the SDK accepts, by step and finding. `None`: there
/// is none for it.
fn policy_of(refusal: &Refusal) -> Option<&'static str> {
    let found = refusal.operator_detail();
    match refusal.step {
        Step::Form if found.contains("longer") => Some("size"),
        Step::Encoding if found.contains("base64url") => Some("canonical-base64url"),
        Step::Encoding if found.contains("byte order mark") || found.contains("UTF-8") => Some("utf-8"),
        Step::Encoding if found.contains("twice") => Some("unique-members"),
        Step::Encoding if found.contains("it is not JSON") || found.contains("not an object") => {
            Some("strict-json")
        }
        Step::Kind => Some("session-tokens-only"),
        Step::Algorithm => Some("rs256-only"),
        Step::Extensions if found.contains("kid") => Some("kid-is-text"),
        Step::Extensions => Some("no-extensions"),
        Step::Subject if refusal.code == RefusalCode::TokenTypeMismatch => Some("bound-to-a-session"),
        Step::Subject => Some("sub-is-a-user"),
        Step::Audience => Some("audience-must-be-there"),
        Step::Expiry | Step::NotBefore | Step::IssuedAt
            if refusal.code == RefusalCode::TokenVerificationFailed =>
        {
            Some("calendar-times")
        }
        Step::NotBefore | Step::IssuedAt => Some("fractions-count"),
        // Where the SDK accepts, no other step of ours may refuse.
        _ => None,
    }
}

/// Every policy of ours. Each must have a section in the document and must have been seen at work.
const NAMED: [&str; 12] = [
    "size",
    "canonical-base64url",
    "utf-8",
    "unique-members",
    "strict-json",
    "session-tokens-only",
    "rs256-only",
    "kid-is-text",
    "no-extensions",
    "bound-to-a-session",
    "sub-is-a-user",
    "audience-must-be-there",
];
const NAMED_TIMES: [&str; 2] = ["calendar-times", "fractions-count"];

#[test]
fn every_policy_has_its_section() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("POLICY.md");
    let text = std::fs::read_to_string(document).unwrap();
    for name in NAMED.into_iter().chain(NAMED_TIMES) {
        assert!(text.contains(&format!("### `{name}`")), "POLICY.md has no section `{name}`");
    }
}

/// Tokens that the oracle is given at one time.
const BATCH: usize = 50_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var_os(name)
        .map_or(default, |text| text.to_str().and_then(|text| text.parse().ok()).expect("a number"))
}

fn oracle(folder: &Path, tokens: &[Generated]) -> Vec<Oracle> {
    let script = folder.join("oracle.mjs");
    let package = folder.join("node_modules/@clerk/backend/package.json");
    assert!(
        package.exists(),
        "@clerk/backend is not installed: run scripts/differential.sh, or `npm ci` in {}",
        folder.display()
    );
    let version: serde_json::Value = serde_json::from_slice(&std::fs::read(&package).unwrap()).unwrap();
    assert_eq!(version["version"], "3.25.0", "run `npm ci` in {}", folder.display());
    let input =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("differential-{}.jsonl", std::process::id()));
    let mut file = std::io::BufWriter::new(std::fs::File::create(&input).unwrap());
    let first = json!({
        "pem": OURS.spki_pem(),
        "policies": POLICIES.each_ref().map(Setting::for_the_sdk),
    });
    writeln!(file, "{first}").unwrap();
    for each in tokens {
        writeln!(file, "{}", json!({"now": each.now_ms, "policy": each.policy, "token": each.token}))
            .unwrap();
    }
    file.flush().unwrap();
    let output =
        Command::new("node").arg(&script).arg(&input).output().expect("`node` runs (Node 20 or newer)");
    std::fs::remove_file(&input).unwrap();
    assert!(output.status.success(), "the oracle failed: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout.lines().map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
}

#[test]
#[ignore = "needs Node and @clerk/backend: scripts/differential.sh"]
fn never_laxer_and_stricter_only_by_name() {
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let count = usize::try_from(setting("DIFFERENTIAL_TOKENS", 100_000)).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/differential");
    let mut generator = Generator::new(seed, POLICIES.len());

    let verifiers = POLICIES.each_ref().map(Setting::verifier);
    let keys = POLICIES.each_ref().map(Setting::keys);
    let mut faults = Vec::new();
    let (mut both_accept, mut both_refuse, mut same_code) = (0_u32, 0_u32, 0_u32);
    let mut stricter = BTreeMap::<&str, u32>::new();
    let mut other_codes = BTreeMap::<(String, &str), u32>::new();
    let (mut unsendable, mut organizations) = (0_u32, 0_u32);
    let mut seen_mutations = BTreeSet::new();
    // In batches, so that a million tokens need no more memory than a few.
    let batches = (0..count).step_by(BATCH).map(|done| {
        let tokens = generator.take(BATCH.min(count - done));
        let answers = oracle(&folder, &tokens);
        assert_eq!(answers.len(), tokens.len(), "the oracle answered every token");
        tokens.into_iter().zip(answers)
    });
    for (each, answer) in batches.flatten() {
        seen_mutations.extend(each.mutations.iter().copied());
        let verdict = verifiers[each.policy].verify(&each.token, &keys[each.policy], each.now_ms);
        // A header may be unable to carry the token; then only the function has spoken.
        let sendable = answer.authenticate_request != "unsendable";
        unsendable += u32::from(!sendable);
        let sdk_accepts = answer.verify_token == "accepted";
        let request_accepts = answer.authenticate_request == "accepted" || !sendable;
        let describe = |what: &str| {
            format!(
                "{what}: policy {}, now {}, mutations {:?}\n  SDK: {} / {}\n  ours: {verdict:?}\n  {}",
                each.policy,
                each.now_ms,
                each.mutations,
                answer.verify_token,
                answer.authenticate_request,
                each.token
            )
        };
        match &verdict {
            Verdict::Accepted(claims) if sdk_accepts && request_accepts => {
                both_accept += 1;
                if each.mutations == ["organization"] && sendable {
                    organizations += 1;
                    if Organization::of(claims) != answer.organization {
                        faults.push(describe(&format!("ANOTHER ORGANIZATION: {:?}", answer.organization)));
                    }
                }
            }
            Verdict::Accepted(_) => faults.push(describe("LAXER")),
            Verdict::Refused(refusal) if sdk_accepts => match policy_of(refusal) {
                Some(name) if each.licensed.contains(&name) => *stricter.entry(name).or_default() += 1,
                Some(_) | None => faults.push(describe("STRICTER without a policy")),
            },
            Verdict::Refused(refusal) => {
                both_refuse += 1;
                let ours = refusal.code.as_str();
                if [&answer.verify_token, &answer.authenticate_request].iter().any(|theirs| *theirs == ours) {
                    same_code += 1;
                } else {
                    // Another code only because a check of ours that is named, or is made before a
                    // key is asked for, came first.
                    let named = policy_of(refusal).is_some() || answer.verify_token == "jwk-kid-mismatch";
                    let crashed = answer.verify_token.starts_with("threw:");
                    // The SDK looks `kid` up in a plain object, where `constructor` and its like
                    // are found.
                    let prototype =
                        refusal.code == RefusalCode::JwkKidMismatch && each.mutations.contains(&"kid");
                    if !named && !crashed && !prototype {
                        faults.push(describe("ANOTHER CODE"));
                    }
                    *other_codes.entry((answer.verify_token.clone(), ours)).or_default() += 1;
                }
            }
            Verdict::CannotJudge(_) => faults.push(describe("NO VERDICT")),
        }
    }
    println!(
        "{count} tokens from seed {seed}, {} kinds of mutation, {unsendable} that no header can carry",
        seen_mutations.len()
    );
    println!(
        "accepted by both: {both_accept}, of these with an organization that both read alike: {organizations}"
    );
    println!("refused by both: {both_refuse}, of these with one code: {same_code}");
    println!("stricter, by policy: {stricter:?}");
    println!("refused by both with another code (theirs -> ours):");
    for ((theirs, ours), count) in &other_codes {
        println!("  {theirs} -> {ours}: {count}");
    }
    println!("laxer or otherwise wrong: {}", faults.len());
    assert!(faults.is_empty(), "{}", faults.iter().take(5).cloned().collect::<Vec<_>>().join("\n"));
    if count >= 100_000 {
        assert!(
            u64::from(both_accept) * 20 > count as u64,
            "too few tokens are good: the test would see little"
        );
        for name in NAMED.into_iter().chain(NAMED_TIMES) {
            assert!(stricter.contains_key(name), "no token showed the policy `{name}` at work");
        }
    }
}
