//! Who is calling: the extractors that turn a verdict into an argument, or into the answer.
//!
//! `caller` knows nothing of HTTP; only this file decides how its judgements look to a client.

pub mod refused;

use std::borrow::Cow;
use std::ops::Deref;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use aide::transform::TransformOperation;
use axum::extract::FromRequestParts;
use clerk_session::{Refusal, RefusalCode, SESSION_PENDING, bearer_token};
use http::header;
use http::request::Parts;

use super::context::whose_request;
use super::forward_auth::Requirements;
use super::memory::Judgement;
use super::metrics::Metrics;
use super::openapi::{SERVICE_KEY, SESSION_TOKEN};
use super::problem::{Problem, ProblemCode, RequestCode, ServerCode, ServiceKeyCode};
use super::state::AppState;
use crate::caller::service::{ServiceCaller, ServiceJudgement, ServiceRefusal};
use crate::caller::{Authentication, Caller};
use crate::telemetry::traces::note;
use refused::Refused;

/// A caller who is not impersonated: required by routes that change something in a person's name.
#[derive(Debug, Clone)]
pub struct NotImpersonated(pub Caller);

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let whose = whose_request();
        let request_id = whose.as_ref().map_or("unknown", |whose| whose.request_id().as_str());
        let credentials = credentials(parts);
        let judgement = state.verifier.judge(&credentials, request_id).await;
        let caller = verdict(judgement, &credentials, state).map_err(|problem| {
            if are_not_ours(&credentials) { explain_missing(problem, parts) } else { problem }
        })?;
        if let Some(whose) = whose {
            whose.is(caller.clone());
        }
        Ok(caller)
    }
}

impl FromRequestParts<AppState> for NotImpersonated {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.is_impersonated() {
            return Err(RequestCode::ImpersonationNotAllowed.into());
        }
        Ok(Self(caller))
    }
}

/// A caller, or nobody where the proxy allows requests without credentials: for forward
/// authentication.
#[derive(Debug)]
pub struct CallerOrNobody {
    /// `None` only for a request without credentials of ours.
    pub(super) caller: Option<Caller>,
    /// What else is asked of the caller.
    pub(super) requirements: Requirements,
}

impl FromRequestParts<AppState> for CallerOrNobody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let requirements = Requirements::of(parts)?;
        if requirements.nobody_will_do && are_not_ours(&credentials(parts)) {
            return Ok(Self { caller: None, requirements });
        }
        let caller = Some(Caller::from_request_parts(parts, state).await?);
        Ok(Self { caller, requirements })
    }
}

impl FromRequestParts<AppState> for ServiceCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let judgement = state.service_verifier.judge(&credentials(parts)).await;
        service_verdict(judgement, &state.edge.metrics)
    }
}

/// The values of the header: with more than one it is not ours to choose, so a third is not looked
/// for.
fn credentials(parts: &Parts) -> Credentials<'_> {
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter().map(http::HeaderValue::as_bytes);
    let (first, second) = (values.next(), values.next());
    let count = usize::from(first.is_some()) + usize::from(second.is_some());
    Credentials { values: [first.unwrap_or_default(), second.unwrap_or_default()], count }
}

struct Credentials<'a> {
    values: [&'a [u8]; 2],
    count: usize,
}

impl<'a> Deref for Credentials<'a> {
    type Target = [&'a [u8]];

    fn deref(&self) -> &[&'a [u8]] {
        self.values.get(..self.count).unwrap_or_default()
    }
}

/// Whether nothing was sent that is meant for us: no header, an empty one, or one of another
/// scheme, such as that of a staging site's `Basic`.
fn are_not_ours(credentials: &[&[u8]]) -> bool {
    match credentials {
        [] => true,
        [only] => str::from_utf8(only).is_ok_and(|value| bearer_token(value) == Err(Refusal::missing())),
        [_, _, ..] => false,
    }
}

/// Says what came instead of a session token. Credentials of another scheme are not for us. No
/// route reads Clerk's cookie, because a browser sends it also with requests that another site
/// caused.
fn explain_missing(problem: Problem, parts: &Parts) -> Problem {
    if parts.headers.get(header::AUTHORIZATION).is_some_and(|value| !value.is_empty()) {
        return problem.with_detail("The Authorization header is of another scheme than `Bearer`.");
    }
    let cookies = parts.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    if cookies.flat_map(|line| line.split(';')).any(|each| each.trim_start().starts_with("__session")) {
        problem.with_detail("The session token came in a cookie only. Send it as `Authorization: Bearer`.")
    } else {
        problem
    }
}

fn verdict(judgement: Authentication, credentials: &[&[u8]], state: &AppState) -> Result<Caller, Problem> {
    let metrics = &state.edge.metrics;
    match judgement {
        Authentication::Caller(caller) => {
            told(metrics, "accepted", "");
            Ok(caller)
        }
        Authentication::Refused(refusal) => {
            told(metrics, "refused", refusal.code.as_str());
            Err(Problem::new(session(refusal.code))
                .with_detail(refusal.public_detail().to_owned())
                .with_judgement(Judgement::of(&refusal, credentials, state.remedy_text)))
        }
        Authentication::Inactive(why) => {
            told(metrics, "refused", SESSION_PENDING);
            Err(Problem::new(RequestCode::SessionPending)
                .with_detail(why.public_detail())
                .with_judgement(Judgement::inactive(&why, credentials)))
        }
        Authentication::MultipleCredentials => {
            told(metrics, "refused", "multiple-credentials");
            Err(RequestCode::MultipleCredentials.into())
        }
        Authentication::CannotJudge(cannot) => {
            told(metrics, "cannot_judge", cannot.reason.as_str());
            let detail = cannot.reason.detail();
            let cause = match state.verifier.key_status().last_error {
                Some(error) => format!("{detail} Clerk's keys cannot be fetched: {error}"),
                None => detail.to_owned(),
            };
            Err(Problem::new(ServerCode::KeysUnavailable)
                .with_detail(detail)
                .with_cause(cause)
                .with_retry_after(Some(cannot.retry_after)))
        }
        Authentication::StopRepeating { refusal, retry_after } => {
            told(metrics, "refused", "stop-repeating");
            let detail = format!("This very session token keeps being refused: {}", refusal.public_detail());
            // The action is that of the repeated refusal, which is not always a fresh token.
            Err(Problem::new(RequestCode::StopRepeating)
                .with_action(session(refusal.code).entry().action)
                .with_detail(detail)
                .with_reason(refusal.code.as_str())
                .with_judgement(Judgement::of(&refusal, credentials, state.remedy_text))
                .with_retry_after(Some(retry_after)))
        }
    }
}

fn service_verdict(judgement: ServiceJudgement, metrics: &Metrics) -> Result<ServiceCaller, Problem> {
    let (code, detail) = match judgement {
        ServiceJudgement::Caller(caller) => {
            told(metrics, "accepted", "service-key");
            return Ok(caller);
        }
        ServiceJudgement::MultipleCredentials => {
            told(metrics, "refused", "multiple-credentials");
            return Err(RequestCode::MultipleCredentials.into());
        }
        ServiceJudgement::CannotJudge { retry_after } => {
            told(metrics, "cannot_judge", "service-key");
            return Err(Problem::new(ServerCode::DatabaseUnavailable)
                .with_cause("the service keys cannot be read")
                .with_retry_after(Some(retry_after)));
        }
        ServiceJudgement::Refused(refusal) => match refusal {
            ServiceRefusal::Missing => (ServiceKeyCode::Missing, None),
            ServiceRefusal::NoScheme => (
                ServiceKeyCode::Missing,
                Some("The Authorization header holds a service key without the word `Bearer` before it."),
            ),
            ServiceRefusal::SessionToken => (ServiceKeyCode::SessionTokenSent, None),
            ServiceRefusal::NotAServiceKey => {
                (ServiceKeyCode::Invalid, Some("What was sent is not of the form Bearer hf_sk_ and a key."))
            }
            // Only the operator may learn that a revoked key once existed.
            ServiceRefusal::Unknown | ServiceRefusal::Revoked => (ServiceKeyCode::Invalid, None),
        },
    };
    let code = ProblemCode::ServiceKey(Refused::with(code));
    told(metrics, "refused", code.entry().code);
    let problem = Problem::new(code);
    Err(match detail {
        Some(detail) => problem.with_detail(Cow::Borrowed(detail)),
        None => problem,
    })
}

/// The problem of a refused session token.
fn session(code: RefusalCode) -> ProblemCode {
    ProblemCode::Session(Refused::with(code))
}

/// Counts a verdict and notes it in the request's span.
fn told(metrics: &Metrics, verdict: &'static str, code: &'static str) {
    metrics.verdict(verdict, code);
    note("holdfast.verdict", verdict);
    if !code.is_empty() {
        note("holdfast.verdict.code", code);
    }
}

impl OperationInput for Caller {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let mut codes: Vec<ProblemCode> = Refused::<RefusalCode>::all().map(ProblemCode::Session).collect();
        codes.extend([
            ProblemCode::from(RequestCode::MultipleCredentials),
            RequestCode::SessionPending.into(),
            RequestCode::StopRepeating.into(),
            ServerCode::KeysUnavailable.into(),
        ]);
        require(operation, SESSION_TOKEN);
        Problem::describe(ctx, operation, &codes);
    }
}

impl OperationInput for NotImpersonated {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Caller::operation_input(ctx, operation);
        Problem::describe(ctx, operation, &[RequestCode::ImpersonationNotAllowed.into()]);
    }
}

impl OperationInput for CallerOrNobody {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Caller::operation_input(ctx, operation);
        // Or nothing, where credentials are optional.
        operation.security.push(std::iter::empty().collect());
    }
}

impl OperationInput for ServiceCaller {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let mut codes: Vec<ProblemCode> =
            Refused::<ServiceKeyCode>::all().map(ProblemCode::ServiceKey).collect();
        codes.push(RequestCode::MultipleCredentials.into());
        codes.push(ServerCode::DatabaseUnavailable.into());
        require(operation, SERVICE_KEY);
        Problem::describe(ctx, operation, &codes);
    }
}

fn require(operation: &mut Operation, scheme: &str) {
    let _ = TransformOperation::new(operation).security_requirement(scheme);
}
