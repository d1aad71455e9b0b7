//! Reading a request's body: bounded in size and time, JSON with the place of a mistake.

use std::pin::pin;
use std::time::Duration;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::body::Body;
use axum::extract::{FromRef, FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use schemars::JsonSchema;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::admission::{Admitted, SMALL_BODY};
use super::problem::{Problem, ProblemCode, RequestCode, ServerCode};
use crate::clock::SharedClock;

/// Bodies of ordinary routes, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Bodies of webhooks, in bytes.
pub const MAX_WEBHOOK_BODY: usize = 256 * 1024;
/// For the whole body to arrive; shorter than the request's time, so that the answer says what was slow.
const BODY_TIMEOUT: Duration = Duration::from_secs(8);

/// What reading a body can lead to.
const READING: [ProblemCode; 4] = [
    ProblemCode::Request(RequestCode::MalformedBody),
    ProblemCode::Request(RequestCode::RequestTimeout),
    ProblemCode::Request(RequestCode::BodyTooLarge),
    ProblemCode::Server(ServerCode::Overloaded),
];
/// What can be wrong with a body as JSON.
const JSON: [ProblemCode; 2] = [
    ProblemCode::Request(RequestCode::BodyNotAcceptable),
    ProblemCode::Request(RequestCode::UnsupportedMediaType),
];

/// A JSON object. Unknown members are ignored, so that a newer client can talk to an older server.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON object that may be left out altogether: no bytes mean the default.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

/// The bytes of a webhook's body as they arrived: its signature is over exactly these.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    SharedClock: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request, MAX_BODY, &SharedClock::from_ref(state)).await?;
        if !is_json {
            return Err(RequestCode::UnsupportedMediaType.into());
        }
        parse(&bytes).map(Self)
    }
}

impl<S, T> FromRequest<S> for OptionalJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Default,
    SharedClock: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = read(request, MAX_BODY, &SharedClock::from_ref(state)).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        if !is_json {
            return Err(RequestCode::UnsupportedMediaType.into());
        }
        parse(&bytes).map(Self)
    }
}

impl<S> FromRequest<S> for RawBody
where
    S: Send + Sync,
    SharedClock: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(request, MAX_WEBHOOK_BODY, &SharedClock::from_ref(state)).await.map(Self)
    }
}

async fn read(request: Request, limit: usize, clock: &SharedClock) -> Result<Bytes, Problem> {
    // A body that says itself that it is too large is not read at all.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(RequestCode::BodyTooLarge.into());
    }
    let admitted = request.extensions().get::<Admitted>().cloned();
    let body = collect(request.into_body(), limit, admitted.as_ref());
    let in_time = async {
        match select(pin!(body), clock.sleep(BODY_TIMEOUT)).await {
            Either::Left((collected, _)) => collected,
            Either::Right(_) => Err(RequestCode::RequestTimeout.into()),
        }
    };
    match &admitted {
        Some(admitted) => admitted.while_waiting(in_time).await?,
        None => in_time.await,
    }
}

/// Frames are copied together, since a body may come a byte at a time and each frame holds more than its bytes.
async fn collect(mut body: Body, limit: usize, admitted: Option<&Admitted>) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let mut large = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            Problem::new(RequestCode::MalformedBody).with_detail("The body broke off before its end.")
        })?;
        // Trailers mean nothing on any route.
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            return Err(RequestCode::BodyTooLarge.into());
        }
        if length > SMALL_BODY && large.is_none() {
            large = admitted.map(Admitted::large_body).transpose()?;
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Whether the body says that it is JSON: `application/json` or `application/*+json`, once.
fn is_json(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|essence| {
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
    })
}

/// The body's media type without parameters, in lower case; `None` where there is not exactly one.
pub(super) fn media_type(headers: &HeaderMap) -> Option<String> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next()?.to_str().ok()?;
    if values.next().is_some() {
        return None;
    }
    let essence = value.split(';').next().unwrap_or(value);
    Some(essence.trim().to_ascii_lowercase())
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // serde reads a struct from an array as well, member by member.
    if bytes.trim_ascii_start().starts_with(b"[") {
        serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| malformed(&error))?;
        return Err(Problem::new(RequestCode::BodyNotAcceptable)
            .with_detail("The JSON is an array, and this route takes an object."));
    }
    serde_json::from_slice(bytes).map_err(|error| malformed(&error))
}

/// Names the place of the mistake and its kind, never the content: a body may hold a secret.
fn malformed(error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    let (line, column) = (error.line(), error.column());
    let (code, what) = match error.classify() {
        Category::Eof => (RequestCode::MalformedBody, "The JSON ends too early"),
        Category::Syntax | Category::Io => (RequestCode::MalformedBody, "The body is not JSON"),
        Category::Data => (RequestCode::BodyNotAcceptable, "The JSON is not what this route takes"),
    };
    Problem::new(code).with_detail(format!("{what}, at line {line}, column {column}."))
}

impl<T: JsonSchema> OperationInput for Json<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
        Problem::describe(ctx, operation, &READING);
        Problem::describe(ctx, operation, &JSON);
    }
}

impl<T: JsonSchema> OperationInput for OptionalJson<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        axum::Json::<T>::operation_input(ctx, operation);
        Problem::describe(ctx, operation, &READING);
        Problem::describe(ctx, operation, &JSON);
        if let Some(aide::openapi::ReferenceOr::Item(body)) = &mut operation.request_body {
            body.required = false;
        }
    }
}

/// What the body is, its own route says.
impl OperationInput for RawBody {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Problem::describe(ctx, operation, &READING);
    }
}
