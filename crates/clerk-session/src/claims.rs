//! What a genuine session token says.

use std::fmt;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::organization::Organization;

/// The claims of an accepted session token.
/// Source: <https://clerk.com/docs/guides/sessions/session-tokens>.
// In memory as written: what every request asks for comes first, on as few cache lines as possible.
// Each request is another person's, whose claims the processor has to fetch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[repr(C)]
pub struct Claims {
    /// `sid`: the session, `sess_…`.
    pub session_id: String,
    /// Whether [`AuthorizedPartiesMode::Enforce`](crate::AuthorizedPartiesMode::Enforce) would have
    /// refused the token.
    pub authorized_party_unknown: bool,
    /// `sts`.
    pub status: SessionStatus,
    /// `act`: who is impersonating the user.
    pub actor: Option<Actor>,
    /// The active organization.
    pub organization: Option<Organization>,
    /// `sub`: the user, `user_…`.
    pub subject: String,
    /// `iss`: the instance.
    pub issuer: Option<String>,
    /// `azp`: the origin that the token was minted for.
    pub authorized_party: Option<String>,
    /// `exp`, unix milliseconds.
    pub expires_at_ms: i64,
    /// `nbf`, unix milliseconds.
    pub not_before_ms: Option<i64>,
    /// `iat`, unix milliseconds.
    pub issued_at_ms: Option<i64>,
    /// `fva`: how long ago the user proved who they are.
    pub factor_ages: Option<FactorAges>,
    /// The payload, as it was signed.
    pub(crate) payload: Payload,
}

/// A payload's text. Not printed: customized tokens hold personal facts.
#[derive(Clone, PartialEq)]
pub(crate) struct Payload(pub(crate) Box<str>);

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Claims {
    /// The whole payload: a JSON object, exactly as Clerk signed it.
    pub fn raw(&self) -> &str {
        &self.payload.0
    }

    /// The payload as a type of yours, for the claims of a customized session token.
    ///
    /// ```
    /// #[derive(serde::Deserialize)]
    /// struct Custom { email: String }
    /// # fn f(claims: &clerk_session::Claims) -> Result<(), clerk_session::CustomClaimsError> {
    /// let custom: Custom = claims.custom()?;
    /// # let _ = custom.email; Ok(()) }
    /// ```
    pub fn custom<T: DeserializeOwned>(&self) -> Result<T, CustomClaimsError> {
        serde_json::from_str(self.raw()).map_err(CustomClaimsError)
    }

    /// Whether the user has this role in the active organization, written with or without `org:`.
    pub fn has_role(&self, role: &str) -> bool {
        self.organization.as_ref().is_some_and(|organization| organization.has_role(role))
    }

    /// Whether the user has this permission in the active organization, written with or without
    /// `org:`.
    pub fn has_permission(&self, permission: &str) -> bool {
        self.organization.as_ref().is_some_and(|organization| organization.has_permission(permission))
    }
}

/// The payload does not have the asked-for form. Its text may quote the payload: show it to the
/// operator only.
#[derive(Debug, thiserror::Error)]
#[error("the session token's claims do not have the expected form: {0}")]
pub struct CustomClaimsError(serde_json::Error);

/// Who acts in the user's name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Actor {
    /// `act.sub`; `None` where the claim does not say.
    pub subject: Option<String>,
}

impl Actor {
    pub(crate) fn read(payload: &Map<String, Value>) -> Option<Self> {
        let act = payload.get("act").filter(|act| !act.is_null())?;
        let subject = act.get("sub").and_then(Value::as_str).filter(|sub| !sub.trim().is_empty());
        Some(Self { subject: subject.map(str::to_owned) })
    }
}

/// Whether the session is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionStatus {
    /// `active`, or not said: instances that never opted in do not say.
    Active,
    /// The user still has tasks to do before the session counts.
    Pending,
    /// A value that is not known here. The session does not count either.
    Unknown,
}

impl SessionStatus {
    pub(crate) fn read(payload: &Map<String, Value>) -> Self {
        match payload.get("sts") {
            None | Some(Value::Null) => Self::Active,
            Some(Value::String(sts)) if sts == "active" => Self::Active,
            Some(Value::String(sts)) if sts == "pending" => Self::Pending,
            Some(_) => Self::Unknown,
        }
    }
}

/// How long before the token was issued the user last verified each factor, to the minute. `None`:
/// never, or the session has no such factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FactorAges {
    /// The first factor: password, e-mail code, …
    pub first: Option<Duration>,
    /// The second factor: TOTP, backup code, …
    pub second: Option<Duration>,
}

impl FactorAges {
    pub(crate) fn read(payload: &Map<String, Value>) -> Option<Self> {
        let [first, second] = payload.get("fva")?.as_array()?.as_slice() else { return None };
        let age = |minutes: &Value| {
            let minutes = minutes.as_i64()?;
            Some(u64::try_from(minutes).ok().map(|minutes| Duration::from_secs(minutes.saturating_mul(60))))
        };
        Some(Self { first: age(first)?, second: age(second)? })
    }

    /// Whether the first factor was verified no longer ago than `limit`.
    pub fn first_within(&self, limit: Duration) -> bool {
        self.first.is_some_and(|age| age <= limit)
    }

    /// Whether the second factor was verified no longer ago than `limit`.
    pub fn second_within(&self, limit: Duration) -> bool {
        self.second.is_some_and(|age| age <= limit)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_status_that_is_null_is_not_said() {
        let read = |payload: Value| SessionStatus::read(payload.as_object().unwrap());
        for said in [json!({}), json!({"sts": null}), json!({"sts": "active"})] {
            assert_eq!(read(said.clone()), SessionStatus::Active, "{said}");
        }
        assert_eq!(read(json!({"sts": "pending"})), SessionStatus::Pending);
        for odd in [json!(""), json!("Active"), json!("revoked"), json!(1), json!(false), json!(["active"])] {
            assert_eq!(read(json!({"sts": odd})), SessionStatus::Unknown, "{odd}");
        }
    }

    #[test]
    fn factor_ages_are_minutes_and_minus_one_is_never() {
        let read = |fva: Value| FactorAges::read(json!({ "fva": fva }).as_object().unwrap());
        let minutes = |minutes: u64| Some(Duration::from_secs(minutes * 60));
        assert_eq!(read(json!([3, -1])), Some(FactorAges { first: minutes(3), second: None }));
        assert_eq!(read(json!([0, 10])), Some(FactorAges { first: minutes(0), second: minutes(10) }));
        for odd in [json!(null), json!([]), json!([1]), json!([1, 2, 3]), json!(["1", 2]), json!([1, 2.5])] {
            assert_eq!(read(odd.clone()), None, "{odd}");
        }
        assert_eq!(FactorAges::read(&Map::new()), None);
        let ages = read(json!([3, -1])).unwrap();
        let limit = Duration::from_mins(3);
        assert!(
            ages.first_within(limit) && !ages.first_within(limit.saturating_sub(Duration::from_nanos(1)))
        );
        assert!(!ages.second_within(Duration::MAX));
        let ages = read(json!([-1, 3])).unwrap();
        assert!(
            ages.second_within(limit) && !ages.second_within(limit.saturating_sub(Duration::from_nanos(1)))
        );
    }
}
