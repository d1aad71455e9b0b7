//! The times in a token (RFC 7519 §2) and how they are told.

use serde_json::{Map, Value};

use crate::code::RefusalCode;
use crate::policy::Policy;
use crate::refusal::Refusal;
use crate::remedy::Remedy;
use crate::step::Step;
use crate::token::quoted;
use crate::verifier::Observer;

/// The end of year 9999, in seconds.
const LATEST_S: i64 = 253_402_300_799;

/// When a token is valid, in unix milliseconds.
#[expect(clippy::struct_field_names, reason = "the unit is told by the name everywhere")]
pub(crate) struct Times {
    pub(crate) expires_at_ms: i64,
    pub(crate) not_before_ms: Option<i64>,
    pub(crate) issued_at_ms: Option<i64>,
}

impl Times {
    /// Reads `exp`, `nbf` and `iat`, and refuses a token that is not valid at `now_ms`.
    pub(crate) fn check(
        payload: &Map<String, Value>,
        policy: &Policy,
        now_ms: i64,
        observer: &mut impl Observer,
    ) -> Result<Self, Refusal> {
        let skew = policy.clock_skew_ms;
        let expires_at_ms = end(payload)?;
        if expires_at_ms <= now_ms.saturating_sub(skew) {
            return Err(expired(payload, expires_at_ms, now_ms));
        }
        observer.passed(Step::Expiry, || remaining(expires_at_ms.saturating_sub(now_ms)));
        let not_before_ms = beginning(payload, "nbf", Step::NotBefore)?;
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
        let issued_at_ms = beginning(payload, "iat", Step::IssuedAt)?;
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
        Ok(Self { expires_at_ms, not_before_ms, issued_at_ms })
    }
}

/// `exp` in milliseconds. A fraction of a second is cut off, as `@clerk/backend` does.
fn end(payload: &Map<String, Value>) -> Result<i64, Refusal> {
    match payload.get("exp") {
        Some(value) => whole_seconds(value).ok_or_else(|| not_a_time("exp", value, Step::Expiry)),
        None => Err(failed(
            Step::Expiry,
            "The session token lacks a claim that every session token has.",
            Remedy::RestoreClaim { claim: "exp" },
        )
        .because("`exp` is missing")),
    }
}

/// `nbf` or `iat` in milliseconds. A fraction of a second counts, or a token would be valid before
/// it says so.
fn beginning(payload: &Map<String, Value>, claim: &'static str, step: Step) -> Result<Option<i64>, Refusal> {
    let Some(value) = payload.get(claim) else { return Ok(None) };
    rounded_up(value).map(Some).ok_or_else(|| not_a_time(claim, value, step))
}

/// Whole seconds of a NumericDate in milliseconds, where it is a number that a calendar can hold.
pub(crate) fn whole_seconds(value: &Value) -> Option<i64> {
    if let Some(seconds) = value.as_i64() {
        return (-LATEST_S..=LATEST_S).contains(&seconds).then(|| seconds * 1000);
    }
    to_i64(value.as_f64()?.trunc()).map(|seconds| seconds * 1000)
}

/// A NumericDate in milliseconds, rounded up, and never before the same date in [`whole_seconds`].
fn rounded_up(value: &Value) -> Option<i64> {
    let whole = whole_seconds(value)?;
    if value.is_i64() {
        return Some(whole);
    }
    let fraction = to_i64((value.as_f64()?.fract() * 1000.0).ceil())?;
    Some(whole + fraction.max(0))
}

/// A whole number within the calendar's range.
fn to_i64(number: f64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "LATEST_S is far below 2^53")]
    let latest = LATEST_S as f64;
    #[expect(clippy::cast_possible_truncation, reason = "bounded just before")]
    (number.abs() <= latest).then_some(number as i64)
}

pub(crate) fn failed(step: Step, public: &str, remedy: Remedy) -> Refusal {
    Refusal::new(RefusalCode::TokenVerificationFailed, step, public, remedy)
}

fn not_a_time(claim: &'static str, value: &Value, step: Step) -> Refusal {
    failed(step, "A time in the session token is not a time.", Remedy::RestoreClaim { claim })
        .because(format!("`{claim}` is {}, expected seconds since 1970", quoted(value)))
}

fn expired(payload: &Map<String, Value>, expires_at_ms: i64, now_ms: i64) -> Refusal {
    let age = seconds(now_ms.saturating_sub(expires_at_ms));
    let lifetime = payload.get("iat").and_then(whole_seconds).map(|iat| expires_at_ms - iat);
    Refusal::new(
        RefusalCode::TokenExpired,
        Step::Expiry,
        format!("The session token expired {age} ago."),
        Remedy::RefreshToken,
    )
    .because(match lifetime {
        Some(lifetime) => format!("expired {age} ago after a life of {}", seconds(lifetime)),
        None => format!("expired {age} ago"),
    })
}

fn early(code: RefusalCode, step: Step, ahead_ms: i64) -> Refusal {
    let ahead = seconds(ahead_ms);
    let what = if step == Step::NotBefore { "becomes valid" } else { "was issued" };
    let public = format!("The session token {what} {ahead} from now by this server's clock.");
    Refusal::new(code, step, public, Remedy::SynchronizeClock { ahead_ms })
}

fn remaining(ms: i64) -> String {
    if ms > 0 {
        format!("expires in {}", seconds(ms))
    } else {
        format!("expired {} ago, within the allowed skew", seconds(ms.saturating_neg()))
    }
}

/// Whole seconds, rounded up, so that a remaining time never reads "0 s".
pub(crate) fn seconds(ms: i64) -> String {
    format!("{} s", ms.saturating_add(999).div_euclid(1000))
}
