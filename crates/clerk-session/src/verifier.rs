//! The verdict: one sequence of steps, run by the server and by the explanation alike.

use serde_json::Value;

use crate::cannot_judge::CannotJudge;
use crate::claims::Claims;
use crate::code::RefusalCode;
use crate::jose;
use crate::keys::KeySet;
use crate::policy::Policy;
use crate::proven;
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::times::whole_seconds;
use crate::token::{self, Parts, quoted};

/// The verdict on a session token.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Genuine and acceptable. A session that is not active is accepted with another
    /// [`SessionStatus`](crate::SessionStatus): who calls is proven, but the session does not
    /// count.
    Accepted(Box<Claims>),
    /// Not acceptable.
    Refused(Refusal),
    /// No verdict is possible now; this is not a "no".
    CannotJudge(CannotJudge),
}

/// Observes the steps. The server observes nothing; the explanation records everything.
pub(crate) trait Observer {
    fn passed(&mut self, step: Step, detail: impl FnOnce() -> String);
    fn skipped(&mut self, step: Step, why: impl FnOnce() -> String);
}

struct Nobody;

impl Observer for Nobody {
    fn passed(&mut self, _: Step, _: impl FnOnce() -> String) {}
    fn skipped(&mut self, _: Step, _: impl FnOnce() -> String) {}
}

/// Judges session tokens by one policy.
#[derive(Debug, Clone)]
pub struct Verifier {
    policy: Policy,
}

impl Verifier {
    /// A verifier with this policy.
    pub fn new(policy: Policy) -> Self {
        Self { policy }
    }

    /// Its policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The verdict on `token` with `keys` as of `now_ms` (unix milliseconds).
    pub fn verify(&self, token: &str, keys: &KeySet, now_ms: i64) -> Verdict {
        match self.run(token, keys, now_ms, &mut Nobody) {
            Ok(claims) => Verdict::Accepted(Box::new(claims)),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Whether newer keys could change the verdict on a token that was refused for its key or
    /// signature: everything that can be seen without a key must be in order, so that nobody can
    /// make us ask Clerk with garbage.
    pub(crate) fn deserves_newer_keys(&self, token: &str, now_ms: i64) -> bool {
        let Ok(parts) = self.unproven(token, &mut Nobody) else { return false };
        let issuer = parts.payload.get("iss").and_then(Value::as_str);
        let ours = self.policy.issuers.is_empty()
            || issuer.is_some_and(|issuer| self.policy.issuers.iter().any(|each| each == issuer));
        let current = parts
            .payload
            .get("exp")
            .and_then(whole_seconds)
            .is_some_and(|exp| exp > now_ms.saturating_sub(self.policy.clock_skew_ms));
        let kid = parts.header.get("kid").and_then(Value::as_str);
        ours && current && kid.is_some_and(|kid| !kid.is_empty() && kid.len() <= 128)
    }

    /// How far Clerk's clock and ours may be apart.
    pub(crate) fn clock_skew_ms(&self) -> i64 {
        self.policy.clock_skew_ms
    }

    /// `iat` as an unproven token says it, in unix milliseconds.
    pub(crate) fn unproven_issue_time(&self, token: &str) -> Option<i64> {
        self.unproven(token, &mut Nobody).ok()?.payload.get("iat").and_then(whole_seconds)
    }

    /// Every step in order; the first that fails gives the refusal.
    pub(crate) fn run(
        &self,
        token: &str,
        keys: &KeySet,
        now_ms: i64,
        observer: &mut impl Observer,
    ) -> Result<Claims, Refusal> {
        let parts = self.unproven(token, observer)?;
        self.signature(&parts, keys, observer)?;
        proven::claims(&self.policy, parts, now_ms, observer)
    }

    /// The steps that need no key.
    fn unproven<'a>(&self, token: &'a str, observer: &mut impl Observer) -> Result<Parts<'a>, Refusal> {
        let segments = token::segments(token, &self.policy)?;
        observer.passed(Step::Form, || "three parts separated by dots".to_owned());
        let parts = token::decode(token, segments)?;
        observer.passed(Step::Encoding, || "header and payload are plain JSON objects".to_owned());
        jose::kind(&parts)?;
        observer.passed(Step::Kind, || "nothing marks it as another kind of token".to_owned());
        jose::typ(&parts.header)?;
        observer.passed(Step::Type, || "absent or JWT".to_owned());
        jose::algorithm(&parts.header)?;
        observer.passed(Step::Algorithm, || "RS256".to_owned());
        jose::extensions(&parts.header)?;
        observer.passed(Step::Extensions, || "none that would change how the token is read".to_owned());
        Ok(parts)
    }

    fn signature(
        &self,
        parts: &Parts<'_>,
        keys: &KeySet,
        observer: &mut impl Observer,
    ) -> Result<(), Refusal> {
        let kid = parts.header.get("kid").and_then(Value::as_str);
        let mut candidates = keys.candidates(kid).peekable();
        let Some(first) = candidates.peek() else {
            let found = parts.header.get("kid").map(quoted);
            let known: Vec<String> = keys.kids().map(str::to_owned).collect();
            let reasoning = format!(
                "`kid` is {}; the instance has {}",
                found.as_deref().unwrap_or("missing"),
                known.join(", ")
            );
            return Err(Refusal::new(
                RefusalCode::JwkKidMismatch,
                Step::Key,
                "The session token is signed with a key that this server's Clerk instance does not have.",
                self.other_instance(parts).unwrap_or(Remedy::CompareKeys { found, known }),
            )
            .because(reasoning));
        };
        let expected = first.signature_length();
        observer.passed(Step::Key, || {
            if keys.is_pinned() {
                "the pinned key".to_owned()
            } else {
                kid.map(|kid| quoted(&kid.into())).unwrap_or_default()
            }
        });
        if candidates.any(|key| key.signed(parts.signed.as_bytes(), &parts.signature)) {
            observer.passed(Step::Signature, || "genuine".to_owned());
            return Ok(());
        }
        let found = parts.signature.len();
        Err(Refusal::new(
            RefusalCode::TokenInvalidSignature,
            Step::Signature,
            "The session token's signature is not valid.",
            self.other_instance(parts).unwrap_or(Remedy::CompareKeys { found: None, known: Vec::new() }),
        )
        .because(if found == expected {
            "it does not match the key: the token was changed, or the key belongs to another instance"
                .to_owned()
        } else {
            format!(
                "it has {found} bytes, a signature by this key has {expected}: it was cut off, or made by another kind of key"
            )
        }))
    }

    /// The likeliest reason why a token does not fit the keys, by what it says of itself.
    fn other_instance(&self, parts: &Parts<'_>) -> Option<Remedy> {
        let issuer = parts.payload.get("iss").filter(|issuer| issuer.is_string())?;
        let ours = &self.policy.issuers;
        let foreign = !ours.is_empty() && ours.iter().all(|each| issuer.as_str() != Some(each));
        foreign.then(|| Remedy::UseOneInstance { issuer: quoted(issuer), accepted: ours.clone() })
    }
}
