//! The verdict: one sequence of steps, taken by the server and by the explanation alike.

use serde_json::{Map, Value};

use crate::claims::{Actor, Claims, CustomClaims, SessionStatus, numeric_date};
use crate::jose;
use crate::keys::KeySet;
use crate::organization::Organization;
use crate::policy::{AuthorizedPartiesMode, Policy};
use crate::refusal::{CannotJudge, Refusal, RefusalCode, Step};
use crate::token::{self, Parts, quoted};

/// The verdict on a session token.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Genuine and acceptable. A session that is pending is accepted with [`SessionStatus::Pending`]: who calls is
    /// proven, but the session does not count yet.
    Accepted(Box<Claims>),
    /// Not acceptable.
    Refused(Refusal),
    /// No verdict is possible now; this is not a "no".
    CannotJudge(CannotJudge),
}

/// Watches the steps go by. The server watches nothing; the explanation notes everything.
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

    /// Whether newer keys could change the verdict on a token that was refused for its key or signature: everything
    /// that can be seen without a key must be in order, so that nobody can make us ask Clerk with garbage.
    pub(crate) fn deserves_newer_keys(&self, token: &str, now_ms: i64) -> bool {
        let Ok(parts) = Self::unproven(token, &mut Nobody) else { return false };
        let issuer = parts.payload.get("iss").and_then(Value::as_str);
        let ours = self.policy.issuers.is_empty()
            || issuer.is_some_and(|issuer| self.policy.issuers.iter().any(|each| each == issuer));
        let current = parts
            .payload
            .get("exp")
            .and_then(numeric_date)
            .is_some_and(|exp| exp > now_ms.saturating_sub(self.policy.clock_skew_ms));
        let kid = parts.header.get("kid").and_then(Value::as_str);
        ours && current && kid.is_some_and(|kid| !kid.is_empty() && kid.len() <= 128)
    }

    /// `iat` as an unproven token says it, in unix milliseconds.
    pub(crate) fn unproven_issue_time(token: &str) -> Option<i64> {
        Self::unproven(token, &mut Nobody).ok()?.payload.get("iat").and_then(numeric_date)
    }

    /// Every step in order; the first that fails gives the refusal.
    pub(crate) fn run(
        &self,
        token: &str,
        keys: &KeySet,
        now_ms: i64,
        observer: &mut impl Observer,
    ) -> Result<Claims, Refusal> {
        let parts = Self::unproven(token, observer)?;
        self.signature(&parts, keys, observer)?;
        self.claims(&parts.payload, now_ms, observer)
    }

    /// The steps that need no key.
    fn unproven<'a>(token: &'a str, observer: &mut impl Observer) -> Result<Parts<'a>, Refusal> {
        let segments = token::segments(token)?;
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
            let found = parts.header.get("kid").map_or("missing".to_owned(), quoted);
            let known = keys.kids().collect::<Vec<_>>().join(", ");
            let refusal = Refusal::new(
                RefusalCode::JwkKidMismatch,
                Step::Key,
                "The session token is signed with a key that this server's Clerk instance does not have.",
            )
            .because(format!("`kid` is {found}; the instance has {known}"));
            return Err(refusal.mended_by(self.other_instance(parts).unwrap_or_else(|| {
                format!(
                    "The token comes from the Clerk instance with the key {found}, this server is set up for {known}: use one instance in front end and backend."
                )
            })));
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
        let refusal = Refusal::new(
            RefusalCode::TokenInvalidSignature,
            Step::Signature,
            "The session token's signature is not valid.",
        )
        .because(if found == expected {
            "it does not fit the token and the key: one of them was changed, or the key is another instance's".to_owned()
        } else {
            format!("it has {found} bytes, a signature by this key has {expected}: it was cut off, or made by another kind of key")
        });
        Err(match self.other_instance(parts) {
            Some(remedy) => refusal.mended_by(remedy),
            None => refusal,
        })
    }

    /// The likeliest reason why a token does not fit the keys, by what it says of itself.
    fn other_instance(&self, parts: &Parts<'_>) -> Option<String> {
        let issuer = parts.payload.get("iss").filter(|issuer| issuer.is_string())?;
        let ours = &self.policy.issuers;
        let foreign = !ours.is_empty() && ours.iter().all(|each| issuer.as_str() != Some(each));
        foreign.then(|| {
            format!(
                "By its own account (not proven) this token is from another Clerk instance ({}), while this server is set up for {}: use the publishable key of one instance in front end and backend.",
                quoted(issuer),
                ours.join(" and ")
            )
        })
    }

    /// The steps after the signature: what is said here is proven, so it may be told to whoever sent the token.
    fn claims(
        &self,
        payload: &Map<String, Value>,
        now_ms: i64,
        observer: &mut impl Observer,
    ) -> Result<Claims, Refusal> {
        let (subject, session_id) = subject(payload)?;
        observer.passed(Step::Subject, || format!("user {subject}, session {session_id}"));
        self.audience(payload, observer)?;
        let (authorized_party, authorized_party_unknown) = self.authorized_party(payload, observer)?;
        let issuer = self.issuer(payload, observer)?;
        let skew = self.policy.clock_skew_ms;
        let expires_at_ms = required_date(payload, "exp", Step::Expiry)?;
        if expires_at_ms <= now_ms.saturating_sub(skew) {
            return Err(expired(payload, expires_at_ms, now_ms));
        }
        observer.passed(Step::Expiry, || remaining(expires_at_ms.saturating_sub(now_ms)));
        let not_before_ms = optional_date(payload, "nbf", Step::NotBefore)?;
        match not_before_ms {
            Some(nbf) if nbf > now_ms.saturating_add(skew) => {
                return Err(early(
                    RefusalCode::TokenNotActiveYet,
                    Step::NotBefore,
                    nbf.saturating_sub(now_ms),
                ));
            }
            Some(_) => observer.passed(Step::NotBefore, || "already valid".to_owned()),
            None => observer.skipped(Step::NotBefore, || "the token has no `nbf`".to_owned()),
        }
        let issued_at_ms = optional_date(payload, "iat", Step::IssuedAt)?;
        match issued_at_ms {
            Some(iat) if iat > now_ms.saturating_add(skew) => {
                return Err(early(
                    RefusalCode::TokenIatInTheFuture,
                    Step::IssuedAt,
                    iat.saturating_sub(now_ms),
                ));
            }
            Some(iat) => observer
                .passed(Step::IssuedAt, || format!("issued {} ago", seconds(now_ms.saturating_sub(iat)))),
            None => observer.skipped(Step::IssuedAt, || "the token has no `iat`".to_owned()),
        }
        Ok(Claims {
            subject,
            session_id,
            issuer,
            authorized_party,
            authorized_party_unknown,
            expires_at_ms,
            not_before_ms,
            issued_at_ms,
            actor: actor(payload),
            status: status(payload),
            organization: Organization::read(payload),
            custom: CustomClaims::read(payload),
        })
    }

    fn audience(&self, payload: &Map<String, Value>, observer: &mut impl Observer) -> Result<(), Refusal> {
        if self.policy.audiences.is_empty() {
            observer.skipped(Step::Audience, || "CLERK_AUDIENCE is not set".to_owned());
            return Ok(());
        }
        let accepted = |text: &str| self.policy.audiences.iter().any(|each| each == text);
        let fits = match payload.get("aud") {
            Some(Value::String(one)) => accepted(one),
            Some(Value::Array(many)) => {
                many.iter().all(Value::is_string) && many.iter().filter_map(Value::as_str).any(accepted)
            }
            _ => false,
        };
        if fits {
            observer.passed(Step::Audience, || "accepted".to_owned());
            return Ok(());
        }
        let found = payload.get("aud").map_or("missing".to_owned(), quoted);
        Err(failed(Step::Audience, "The session token is meant for another audience.")
            .because(format!("`aud` is {found}, CLERK_AUDIENCE is {}", self.policy.audiences.join(", ")))
            .mended_by("Add the audience to CLERK_AUDIENCE, or remove `aud` from the customized token."))
    }

    /// The origin that the token was minted for, and whether enforcing would refuse it.
    fn authorized_party(
        &self,
        payload: &Map<String, Value>,
        observer: &mut impl Observer,
    ) -> Result<(Option<String>, bool), Refusal> {
        let claim = payload.get("azp");
        let text = claim.and_then(Value::as_str).filter(|text| !text.is_empty());
        let parties = &self.policy.authorized_parties;
        if parties.is_empty() {
            observer.skipped(Step::AuthorizedParty, || {
                "neither CLERK_AUTHORIZED_PARTIES nor HOLDFAST_ALLOWED_ORIGINS is set".to_owned()
            });
            return Ok((text.map(str::to_owned), false));
        }
        if let Some(party) = text.filter(|text| parties.iter().any(|each| each.matches(text))) {
            observer.passed(Step::AuthorizedParty, || quoted(&Value::from(party)));
            return Ok((text.map(str::to_owned), false));
        }
        let absent = claim.is_none_or(|claim| claim.as_str() == Some(""));
        match self.policy.authorized_parties_mode {
            AuthorizedPartiesMode::IfPresent if absent => {
                observer.skipped(Step::AuthorizedParty, || {
                    "the token has no `azp`; the mode is if_present".to_owned()
                });
                return Ok((None, true));
            }
            AuthorizedPartiesMode::Report => {
                observer.skipped(Step::AuthorizedParty, || "not accepted, but the mode is report".to_owned());
                return Ok((text.map(str::to_owned), true));
            }
            AuthorizedPartiesMode::Enforce | AuthorizedPartiesMode::IfPresent => {}
        }
        let listed = parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        Err(match text {
            Some(party) => {
                let party = quoted(&Value::from(party));
                wrong_party(format!("The session token was minted for {party}, which this server does not accept."))
                    .because(format!("`azp` is {party}; accepted are {listed}"))
                    .mended_by(format!("It would be accepted if CLERK_AUTHORIZED_PARTIES contained {party}."))
            }
            None if absent => wrong_party("The session token does not say which front end it was minted for.")
                .because(format!("`azp` is missing; accepted are {listed}"))
                .mended_by(
                    "Tokens from `getToken()` in a browser carry `azp`; for tokens minted on a server set CLERK_AUTHORIZED_PARTIES_MODE=if_present.",
                ),
            None => wrong_party("The session token does not say in a readable way which front end it was minted for.")
                .because("`azp` is not a string"),
        })
    }

    fn issuer(
        &self,
        payload: &Map<String, Value>,
        observer: &mut impl Observer,
    ) -> Result<Option<String>, Refusal> {
        let claim = payload.get("iss");
        let text = claim.and_then(Value::as_str);
        if self.policy.issuers.is_empty() {
            observer.skipped(Step::Issuer, || "no issuer is configured".to_owned());
            return Ok(text.map(str::to_owned));
        }
        if let Some(issuer) = text.filter(|text| self.policy.issuers.iter().any(|each| each == text)) {
            observer.passed(Step::Issuer, || quoted(&Value::from(issuer)));
            return Ok(Some(issuer.to_owned()));
        }
        let found = claim.map_or("missing".to_owned(), quoted);
        Err(Refusal::new(
            RefusalCode::TokenInvalidIssuer,
            Step::Issuer,
            format!("The session token is from another Clerk instance ({found})."),
        )
        .because(format!("`iss` is {found}, expected {}", self.policy.issuers.join(" or ")))
        .mended_by(format!(
            "This token is from another Clerk instance ({found}): use the publishable key of one instance in front end and backend."
        )))
    }
}

fn subject(payload: &Map<String, Value>) -> Result<(String, String), Refusal> {
    let subject = match payload.get("sub") {
        Some(Value::String(sub)) if is_user_id(sub) => sub.clone(),
        found => {
            let found = found.map_or("missing".to_owned(), quoted);
            return Err(failed(Step::Subject, "The session token does not name a user.")
                .because(format!("`sub` is {found}, expected user_…")));
        }
    };
    match payload.get("sid") {
        Some(Value::String(sid)) if !sid.is_empty() => Ok((subject, sid.clone())),
        found => {
            let found = found.map_or("missing".to_owned(), quoted);
            Err(Refusal::new(
                RefusalCode::TokenTypeMismatch,
                Step::Subject,
                "This token is not bound to a session; it is not a session token.",
            )
            .because(format!(
                "`sid` is {found}: JWT template tokens have none and outlive their session's revocation"
            ))
            .mended_by("Call `getToken()` without a template."))
        }
    }
}

/// `user_` and then letters, digits and underscores: an id goes into keys, addresses and logs, where anything else
/// could mean something.
fn is_user_id(text: &str) -> bool {
    const LONGEST: usize = 128;
    text.len() <= LONGEST
        && text.strip_prefix("user_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn actor(payload: &Map<String, Value>) -> Option<Actor> {
    let act = payload.get("act").filter(|act| !act.is_null())?;
    Some(Actor { subject: act.get("sub").and_then(Value::as_str).map(str::to_owned) })
}

fn status(payload: &Map<String, Value>) -> SessionStatus {
    match payload.get("sts") {
        None => SessionStatus::Active,
        Some(Value::String(sts)) if sts == "active" => SessionStatus::Active,
        Some(_) => SessionStatus::Pending,
    }
}

fn required_date(payload: &Map<String, Value>, name: &str, step: Step) -> Result<i64, Refusal> {
    optional_date(payload, name, step)?.ok_or_else(|| {
        failed(step, "The session token lacks a claim that every session token has.")
            .because(format!("`{name}` is missing"))
    })
}

fn optional_date(payload: &Map<String, Value>, name: &str, step: Step) -> Result<Option<i64>, Refusal> {
    let Some(value) = payload.get(name) else { return Ok(None) };
    numeric_date(value).map(Some).ok_or_else(|| {
        failed(step, "A time in the session token is not a time.")
            .because(format!("`{name}` is {}, expected seconds since 1970", quoted(value)))
    })
}

fn failed(step: Step, public: &str) -> Refusal {
    Refusal::new(RefusalCode::TokenVerificationFailed, step, public)
}

fn wrong_party(public: impl Into<String>) -> Refusal {
    Refusal::new(RefusalCode::TokenInvalidAuthorizedParties, Step::AuthorizedParty, public)
}

fn expired(payload: &Map<String, Value>, expires_at_ms: i64, now_ms: i64) -> Refusal {
    let age = seconds(now_ms.saturating_sub(expires_at_ms));
    let lifetime = payload.get("iat").and_then(numeric_date).map(|iat| expires_at_ms - iat);
    Refusal::new(RefusalCode::TokenExpired, Step::Expiry, format!("The session token expired {age} ago."))
        .because(match lifetime {
            Some(lifetime) => format!("expired {age} ago after a life of {}", seconds(lifetime)),
            None => format!("expired {age} ago"),
        })
        .mended_by("Call `getToken({skipCache: true})` and send the request once more; do not keep tokens. If fresh tokens expire at once, the device's clock is slow or the server's is fast.")
}

fn early(code: RefusalCode, step: Step, ahead_ms: i64) -> Refusal {
    let ahead = seconds(ahead_ms);
    let what = if step == Step::NotBefore { "becomes valid" } else { "was issued" };
    Refusal::new(code, step, format!("The session token {what} {ahead} from now by this server's clock."))
        .mended_by(format!("This server's clock differs from Clerk's by {ahead}: synchronize it (NTP)."))
}

fn remaining(ms: i64) -> String {
    if ms > 0 {
        format!("expires in {}", seconds(ms))
    } else {
        format!("expired {} ago, within the allowed skew", seconds(ms.saturating_neg()))
    }
}

/// Whole seconds, rounded up, so that nothing is "0 s" that is not over.
fn seconds(ms: i64) -> String {
    format!("{} s", ms.saturating_add(999).div_euclid(1000))
}
