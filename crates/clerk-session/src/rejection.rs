//! A rejected request as an HTTP answer: 401 only for its own credential, 503 where it cannot be
//! judged.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::cannot_judge::CannotJudge;
use crate::claims::Claims;
use crate::clerk::Clerk;
use crate::code::RefusalCode;
use crate::cookies;
use crate::inactive::{Inactive, SESSION_PENDING};
use crate::refusal::Refusal;
use crate::verifier::Verdict;

/// The proven session of a request.
#[derive(Debug, Clone)]
pub struct Session(pub Arc<Claims>);

impl Deref for Session {
    type Target = Claims;

    fn deref(&self) -> &Claims {
        &self.0
    }
}

/// Why a request is not let in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejection {
    /// 401: the credential is missing or refused.
    Refused(Refusal),
    /// 403: genuine, but the session is not active.
    Inactive(Inactive),
    /// 503: not a "no".
    CannotJudge(CannotJudge),
    /// 400: several credentials. Which of them a proxy on the way has judged cannot be known.
    SeveralCredentials,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Rejection {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Refused(_) => StatusCode::UNAUTHORIZED,
            Self::Inactive(_) => StatusCode::FORBIDDEN,
            Self::CannotJudge(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::SeveralCredentials => StatusCode::BAD_REQUEST,
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused(refusal) => refusal.code.as_str(),
            Self::Inactive(_) => SESSION_PENDING,
            Self::CannotJudge(cannot) => cannot.reason.as_str(),
            Self::SeveralCredentials => "multiple-credentials",
        }
    }

    /// One sentence for the caller.
    pub fn detail(&self) -> &str {
        match self {
            Self::Refused(refusal) => refusal.public_detail(),
            Self::Inactive(why) => why.public_detail(),
            Self::CannotJudge(cannot) => cannot.reason.detail(),
            Self::SeveralCredentials => "The request carries more than one credential.",
        }
    }

    /// The answer: a problem document (RFC 9457) with `WWW-Authenticate` (RFC 6750 §3) or
    /// `Retry-After`, never cached.
    pub fn into_http<B: From<String>>(self) -> Response<B> {
        let status = self.status();
        let body = json!({
            "type": "about:blank",
            "title": status.canonical_reason(),
            "status": status.as_u16(),
            "detail": self.detail(),
            "code": self.code(),
        });
        let mut answer = Response::new(B::from(body.to_string()));
        *answer.status_mut() = status;
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match &self {
            Self::Refused(refusal) => {
                let is_missing = refusal.code == RefusalCode::SessionTokenMissing;
                let wrong = (!is_missing).then(|| refusal.public_detail());
                headers.insert(header::WWW_AUTHENTICATE, bearer_challenge(wrong));
            }
            Self::CannotJudge(cannot) => {
                let seconds = cannot.retry_after.as_millis().div_ceil(1000).max(1);
                let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
                headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Inactive(_) | Self::SeveralCredentials => {}
        }
        answer
    }
}

/// `WWW-Authenticate` of a 401 (RFC 6750 §3): bare where no credential was sent; where one was
/// refused, with what is wrong with it.
pub fn bearer_challenge(wrong: Option<&str>) -> HeaderValue {
    let bare = HeaderValue::from_static("Bearer");
    let Some(wrong) = wrong else { return bare };
    // No quotation mark, no backslash, nothing beyond ASCII.
    let plain = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => '?',
    };
    let wrong: String = wrong.chars().map(plain).collect();
    let value = format!("Bearer error=\"invalid_token\", error_description=\"{wrong}\"");
    HeaderValue::try_from(value).unwrap_or(bare)
}

impl Clerk {
    /// The session of a request: its `Authorization` header, or the `__session` cookie where that
    /// is accepted. A refused header never falls back to a cookie.
    pub async fn session(&self, request: &Parts) -> Result<Session, Rejection> {
        let mut values = request.headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next(), &self.0.cookies) {
            (Some(_), Some(_), _) => Err(Rejection::SeveralCredentials),
            (None, _, Some(cookies)) => {
                let parties = &self.0.verifier.policy().authorized_parties;
                let cookie = cookies.find(&request.headers, &request.method, parties)?;
                let session = admitted(self.judge(cookie.token).await)?;
                let since_ms = cookie.signed_in_since.saturating_mul(1000);
                if session.issued_at_ms.is_some_and(|issued| issued >= since_ms) {
                    Ok(session)
                } else {
                    Err(cookies::signed_out().into())
                }
            }
            (value, _, _) => {
                let value = value.map(|value| String::from_utf8_lossy(value.as_bytes()));
                admitted(self.judge_authorization(value.as_ref().map(Cow::as_ref)).await)
            }
        }
    }
}

fn admitted(verdict: Verdict) -> Result<Session, Rejection> {
    match verdict {
        Verdict::Accepted(claims) => match Inactive::of(&claims) {
            None => Ok(Session(Arc::from(claims))),
            Some(why) => Err(Rejection::Inactive(why)),
        },
        Verdict::Refused(refusal) => Err(Rejection::Refused(refusal)),
        Verdict::CannotJudge(cannot) => Err(Rejection::CannotJudge(cannot)),
    }
}
