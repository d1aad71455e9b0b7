//! The steps after the signature: the claims are proven here, so details may be told to the sender.

use serde_json::{Map, Value};

use crate::claims::{Actor, Claims, FactorAges, Payload, SessionStatus};
use crate::code::RefusalCode;
use crate::organization::Organization;
use crate::origin::OriginPattern;
use crate::policy::{AuthorizedPartiesMode, Policy};
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::times::{Times, failed};
use crate::token::{Parts, quoted};
use crate::verifier::Observer;

/// Judges the claims of a genuine token.
pub(crate) fn claims(
    policy: &Policy,
    parts: Parts<'_>,
    now_ms: i64,
    observer: &mut impl Observer,
) -> Result<Claims, Refusal> {
    let payload = &parts.payload;
    let (subject, session_id) = subject(payload)?;
    observer
        .passed(Step::Subject, || format!("user {subject}, session {}", quoted(&session_id.clone().into())));
    audience(policy, payload, observer)?;
    let (authorized_party, authorized_party_unknown) = authorized_party(policy, payload, observer)?;
    let issuer = issuer(policy, payload, observer)?;
    let Times { expires_at_ms, not_before_ms, issued_at_ms } =
        Times::check(payload, policy, now_ms, observer)?;
    Ok(Claims {
        subject,
        session_id,
        issuer,
        authorized_party,
        authorized_party_unknown,
        expires_at_ms,
        not_before_ms,
        issued_at_ms,
        actor: Actor::read(payload),
        status: SessionStatus::read(payload),
        organization: Organization::read(payload),
        factor_ages: FactorAges::read(payload),
        payload: Payload(parts.payload_text.into_boxed_str()),
    })
}

fn subject(payload: &Map<String, Value>) -> Result<(String, String), Refusal> {
    let told = |found: Option<&Value>| found.map_or("missing".to_owned(), quoted);
    let subject = match payload.get("sub") {
        Some(Value::String(sub)) if is_user_id(sub) => sub.clone(),
        found => {
            let remedy = Remedy::RestoreClaim { claim: "sub" };
            return Err(failed(Step::Subject, "The session token does not name a user.", remedy)
                .because(format!("`sub` is {}, expected user_…", told(found))));
        }
    };
    match payload.get("sid") {
        Some(Value::String(sid)) if !sid.is_empty() => Ok((subject, sid.clone())),
        found => Err(Refusal::new(
            RefusalCode::TokenTypeMismatch,
            Step::Subject,
            "This token is not bound to a session; it is not a session token.",
            Remedy::DropTemplate,
        )
        .because(format!(
            "`sid` is {}: JWT template tokens have none and outlive their session's revocation",
            told(found)
        ))),
    }
}

/// Whether `text` is a Clerk user id: `user_` and then letters, digits and underscores, at most 128
/// bytes. An id goes into keys, addresses and logs, where anything else could mean something.
pub fn is_user_id(text: &str) -> bool {
    const LONGEST: usize = 128;
    text.len() <= LONGEST
        && text.strip_prefix("user_").is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

fn audience(
    policy: &Policy,
    payload: &Map<String, Value>,
    observer: &mut impl Observer,
) -> Result<(), Refusal> {
    let accepted = &policy.audiences;
    if accepted.is_empty() {
        observer.skipped(Step::Audience, || "any audience is accepted".to_owned());
        return Ok(());
    }
    let fits = |text: &str| accepted.iter().any(|each| each == text);
    let found = match payload.get("aud") {
        Some(Value::String(one)) if fits(one) => None,
        Some(Value::Array(many))
            if many.iter().all(Value::is_string) && many.iter().filter_map(Value::as_str).any(fits) =>
        {
            None
        }
        Some(other) => Some(other),
        None => {
            let public = "The session token names no audience, and this server asks for one.";
            let remedy = Remedy::DropAudience { accepted: accepted.clone() };
            return Err(failed(Step::Audience, public, remedy)
                .because(format!("`aud` is missing; accepted are {}", accepted.join(", "))));
        }
    };
    let Some(audience) = found else {
        observer.passed(Step::Audience, || "accepted".to_owned());
        return Ok(());
    };
    let reasoning = format!("`aud` is {}; accepted are {}", quoted(audience), accepted.join(", "));
    Err(failed(
        Step::Audience,
        "The session token is meant for another audience.",
        wrong_audience(audience, accepted),
    )
    .because(reasoning))
}

/// What would mend it. A remedy must not name a party that no list can hold.
fn wrong_audience(claim: &Value, accepted: &[String]) -> Remedy {
    let accepted = accepted.to_vec();
    let texts: Option<Vec<&str>> = match claim {
        Value::String(one) => Some(vec![one]),
        Value::Array(many) => many.iter().map(Value::as_str).collect(),
        _ => None,
    };
    match texts.map(|texts| texts.into_iter().find(|text| !text.trim().is_empty())) {
        Some(Some(audience)) => Remedy::AcceptAudience { audience: quoted(&audience.into()), accepted },
        Some(None) => Remedy::DropAudience { accepted },
        None => Remedy::UnlistableAudience { audience: quoted(claim) },
    }
}

/// The origin that the token was minted for, and whether enforcing would refuse it.
fn authorized_party(
    policy: &Policy,
    payload: &Map<String, Value>,
    observer: &mut impl Observer,
) -> Result<(Option<String>, bool), Refusal> {
    let claim = payload.get("azp");
    let text = claim.and_then(Value::as_str).filter(|text| !text.is_empty());
    let parties = &policy.authorized_parties;
    if parties.is_empty() {
        observer.skipped(Step::AuthorizedParty, || "any party is accepted".to_owned());
        return Ok((text.map(str::to_owned), false));
    }
    if let Some(party) = text.filter(|text| parties.iter().any(|each| each.matches(text))) {
        observer.passed(Step::AuthorizedParty, || quoted(&Value::from(party)));
        return Ok((text.map(str::to_owned), false));
    }
    let absent = claim.is_none_or(|claim| claim.as_str() == Some(""));
    match policy.authorized_parties_mode {
        AuthorizedPartiesMode::IfPresent if absent => {
            observer.skipped(Step::AuthorizedParty, || {
                "the token has no `azp`, and is accepted without".to_owned()
            });
            Ok((None, true))
        }
        AuthorizedPartiesMode::Report => {
            observer.skipped(Step::AuthorizedParty, || "not accepted, but only reported".to_owned());
            Ok((text.map(str::to_owned), true))
        }
        AuthorizedPartiesMode::Enforce | AuthorizedPartiesMode::IfPresent => {
            Err(wrong_party(claim, text, absent, parties))
        }
    }
}

fn wrong_party(
    claim: Option<&Value>,
    text: Option<&str>,
    absent: bool,
    parties: &[OriginPattern],
) -> Refusal {
    let refused = |public: String, remedy| {
        Refusal::new(RefusalCode::TokenInvalidAuthorizedParties, Step::AuthorizedParty, public, remedy)
    };
    let found = claim.map_or("missing".to_owned(), quoted);
    let listed = parties.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let refusal = match text {
        Some(party) => {
            // A remedy must not name what no list can hold.
            let remedy = if OriginPattern::parse(party).is_ok() {
                Remedy::AcceptParty { party: found.clone() }
            } else {
                Remedy::UnlistableParty { party: found.clone() }
            };
            let public =
                format!("The session token was minted for {found}, which this server does not accept.");
            refused(public, remedy)
        }
        None if absent => refused(
            "The session token does not say which front end it was minted for.".to_owned(),
            Remedy::AcceptMissingParty,
        ),
        None => refused(
            "The session token does not say in a readable way which front end it was minted for.".to_owned(),
            Remedy::UnlistableParty { party: found.clone() },
        ),
    };
    refusal.because(format!("`azp` is {found}; accepted are {listed}"))
}

fn issuer(
    policy: &Policy,
    payload: &Map<String, Value>,
    observer: &mut impl Observer,
) -> Result<Option<String>, Refusal> {
    let claim = payload.get("iss");
    let text = claim.and_then(Value::as_str).filter(|text| !text.is_empty());
    if policy.issuers.is_empty() {
        observer.skipped(Step::Issuer, || "any issuer is accepted that has the keys".to_owned());
        return Ok(text.map(str::to_owned));
    }
    if let Some(issuer) = text.filter(|text| policy.issuers.iter().any(|each| each == text)) {
        observer.passed(Step::Issuer, || quoted(&Value::from(issuer)));
        return Ok(Some(issuer.to_owned()));
    }
    let found = claim.map_or("missing".to_owned(), quoted);
    // The signature has proven whose key it is.
    let (public, remedy) = match text {
        Some(_) => (
            format!(
                "The session token is signed by this server's Clerk instance, but under another address ({found}) \
                 than this server accepts."
            ),
            Remedy::AcceptIssuer { issuer: found.clone() },
        ),
        None => {
            ("The session token does not name its issuer.".to_owned(), Remedy::RestoreClaim { claim: "iss" })
        }
    };
    Err(Refusal::new(RefusalCode::TokenInvalidIssuer, Step::Issuer, public, remedy)
        .because(format!("`iss` is {found}; accepted are {}", policy.issuers.join(", "))))
}
