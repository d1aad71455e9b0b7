//! Problems: every error answer of this server, as `application/problem+json` (RFC 9457).
//!
//! A handler returns a [`Problem`]; [`render`], called by the outermost layer, turns it into bytes,
//! because only there the request id and the public address are known. A status is never chosen
//! outside the table in [`code`].

mod code;
mod groups;
mod instagram;
mod openapi;
mod request;
mod row;
mod server;
mod service_key;
mod session;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::{self, HeaderName, HeaderValue};
use serde::Serialize;

use super::memory::Judgement;
pub use code::ProblemCode;
pub use groups::groups;
pub use openapi::Problems;
pub use request::RequestCode;
pub use row::{Entry, ProblemAction, Source};
pub use server::ServerCode;
pub use service_key::ServiceKeyCode;

/// RFC 9457, section 3.
const MEDIA_TYPE: &str = "application/problem+json";
/// The body of a problem, on answers of forward authentication.
const X_AUTH_PROBLEM: HeaderName = HeaderName::from_static("x-auth-problem");
/// How long a client waits where a 429 or 503 has nothing better to say.
const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(5);
/// `Retry-After` where a person has to change the configuration first: soon enough for Svix and
/// Meta, which repeat for days.
const RETRY_AFTER_SET_UP: Duration = Duration::from_hours(1);

/// An error answer. Small, so that `Result<_, Problem>` stays cheap.
#[derive(Debug, Clone)]
pub struct Problem(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    code: ProblemCode,
    detail: Option<Cow<'static, str>>,
    reason: Option<&'static str>,
    retry_after: Option<Duration>,
    action: Option<ProblemAction>,
    judgement: Option<Judgement>,
    cause: Option<Cow<'static, str>>,
}

impl Problem {
    /// The problem of that code, whose `detail` is the code's meaning.
    pub fn new(code: impl Into<ProblemCode>) -> Self {
        let code = code.into();
        let reason = if let ProblemCode::Instagram(reason) = code { Some(reason.as_str()) } else { None };
        Self(Box::new(Facts {
            code,
            detail: None,
            reason,
            retry_after: None,
            action: None,
            judgement: None,
            cause: None,
        }))
    }

    /// Sets the `detail` of this occurrence. The caller reads it: no secret, nothing that the
    /// caller may not know.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Names the code behind this one: the refusal that is being repeated.
    #[must_use]
    pub fn with_reason(mut self, reason: &'static str) -> Self {
        self.0.reason = Some(reason);
        self
    }

    /// Says what a client may do this time, where that differs from the code's usual action.
    #[must_use]
    pub fn with_action(mut self, action: ProblemAction) -> Self {
        self.0.action = Some(action);
        self
    }

    /// What a client may do.
    pub fn action(&self) -> ProblemAction {
        self.0.action.unwrap_or(self.0.code.entry().action)
    }

    /// Says when asking again makes sense.
    #[must_use]
    pub fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait.or(self.0.retry_after);
        self
    }

    /// Adds the verifier's reasoning, for the operator alone.
    #[must_use]
    pub(super) fn with_judgement(mut self, judgement: Judgement) -> Self {
        self.0.judgement = Some(judgement);
        self
    }

    /// The verifier's reasoning.
    pub(super) fn judgement(&self) -> Option<&Judgement> {
        self.0.judgement.as_ref()
    }

    /// Adds what went wrong, for the operator alone: the log and `why` tell it under the request
    /// id. No secret.
    #[must_use]
    pub(super) fn with_cause(mut self, cause: impl Into<Cow<'static, str>>) -> Self {
        self.0.cause = Some(cause.into());
        self
    }

    /// What went wrong.
    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    /// What the caller is told.
    pub fn detail(&self) -> &str {
        self.0.detail.as_deref().unwrap_or(self.0.code.entry().meaning)
    }

    /// The code.
    pub fn code(&self) -> ProblemCode {
        self.0.code
    }

    /// `Retry-After` in whole seconds, rounded up; always there on 429 and 503, and wherever a
    /// client is told to ask again. Not where it must look first: clients ask again by themselves.
    pub fn retry_after_seconds(&self) -> Option<u64> {
        if self.action() == ProblemAction::LookFirst {
            return None;
        }
        let entry = self.0.code.entry();
        let always = matches!(entry.status.as_u16(), 429 | 503) || self.action() == ProblemAction::Retry;
        let is_not_set_up = self.0.code == ServerCode::NotSetUp.into();
        let usual = if is_not_set_up { RETRY_AFTER_SET_UP } else { DEFAULT_RETRY_AFTER };
        let wait = self.0.retry_after.or_else(|| always.then_some(usual))?;
        Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
    }
}

impl<C: Into<ProblemCode>> From<C> for Problem {
    fn from(code: C) -> Self {
        Self::new(code)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.0.code.entry().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// The members of the body, RFC 9457 section 3 and our extensions.
#[derive(Debug, Serialize, schemars::JsonSchema)]
#[schemars(rename = "Problem")]
pub struct Body<'a> {
    /// The page of the code, served by this very installation.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short name of the kind of problem.
    pub title: &'a str,
    /// The status of the answer.
    pub status: u16,
    /// What happened, in a sentence.
    pub detail: &'a str,
    /// The same as `detail`, for clients written for `{"error": "…"}`.
    pub error: &'a str,
    /// Who is at fault, or whom we are waiting for.
    pub source: Source,
    /// The stable code.
    pub code: &'a str,
    /// On 424 the status's reason; on `stop-repeating` the code of the refusal that is being
    /// repeated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[schemars(with = "String")]
    pub reason: Option<&'a str>,
    /// What a client may do about it.
    pub action: ProblemAction,
    /// The id of the request, for the log.
    pub request_id: &'a str,
}

/// The body of a problem, RFC 9457 section 3.
pub fn document(problem: &Problem, public_url: &str, request_id: &str) -> Vec<u8> {
    let facts = &*problem.0;
    let entry = facts.code.entry();
    let detail = problem.detail();
    let body = Body {
        kind: type_url(public_url, entry.code),
        title: entry.title,
        status: entry.status.as_u16(),
        detail,
        error: detail,
        source: facts.code.source(),
        code: entry.code,
        reason: facts.reason,
        action: problem.action(),
        request_id,
    };
    // A struct of strings cannot fail to serialize; an empty object would still be valid JSON.
    serde_json::to_vec(&body).unwrap_or_else(|_| b"{}".to_vec())
}

/// The finished answer with the problem's [`document`]. `response` is what
/// [`Problem::into_response`] made, possibly with headers added since.
pub fn render(problem: &Problem, document: Vec<u8>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.remove(header::CONTENT_LENGTH);
    if let Some(seconds) = problem.retry_after_seconds() {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if let Some(challenge) = challenge(problem.0.code, problem.0.detail.as_deref()) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    *response.body_mut() = axum::body::Body::from(document);
    response
}

/// Puts the body into a header as well, for proxies that hand on an answer's headers and not its
/// body.
pub fn repeat_in_header(document: &[u8], headers: &mut HeaderMap) {
    let document = str::from_utf8(document).unwrap_or_default();
    // JSON can say all of Unicode in the characters that a header may have.
    let mut ascii = String::with_capacity(document.len());
    for unit in document.chars() {
        if unit.is_ascii() {
            ascii.push(unit);
        } else {
            ascii.extend(unit.encode_utf16(&mut [0; 2]).iter().map(|half| format!("\\u{half:04x}")));
        }
    }
    headers.extend(HeaderValue::try_from(ascii).ok().map(|value| (X_AUTH_PROBLEM, value)));
}

/// The address of a code's page.
pub fn type_url(public_url: &str, code: &str) -> String {
    format!("{}/docs/errors/{code}", public_url.trim_end_matches('/'))
}

/// `WWW-Authenticate` where a credential is missing or was refused, and nothing on any other answer.
fn challenge(code: ProblemCode, detail: Option<&str>) -> Option<HeaderValue> {
    let is_missing = match code {
        ProblemCode::Session(refused) => session::is_missing(refused.code()),
        ProblemCode::ServiceKey(refused) => refused.code() == ServiceKeyCode::Missing,
        ProblemCode::Request(_)
        | ProblemCode::Instagram(_)
        | ProblemCode::NotConnected
        | ProblemCode::Server(_) => return None,
    };
    let wrong = detail.unwrap_or(code.entry().meaning);
    Some(clerk_session::bearer_challenge((!is_missing).then_some(wrong)))
}
