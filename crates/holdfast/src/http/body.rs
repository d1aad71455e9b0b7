//! Reads a request's body, bounded in size and time. A mistake in JSON is reported with its place,
//! one in an object with the member's name.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::Operation;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use futures_util::future::{Either, select};
use http::{HeaderMap, header};
use http_body_util::BodyExt;
use hyper::body::Frame;
use schemars::JsonSchema;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::admission::{Admitted, SMALL_BODY, TurnedAway};
use super::context::place_of_request;
use super::large_bodies::LargeBody;
use super::problem::{Problem, ProblemCode, RequestCode, ServerCode};
use super::state::AppState;
use crate::clock::{SharedClock, within};

/// Bodies of ordinary routes, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// Bodies of webhooks, in bytes.
pub const MAX_WEBHOOK_BODY: usize = 256 * 1024;
/// Time for the whole body to arrive; shorter than the request's limit, so that the answer says
/// what was slow.
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

/// The body of a route, read member by member, so that a refusal names the member and what it
/// takes, and never what was sent.
pub trait FromMembers: Sized {
    /// Takes its members out of the object.
    fn from_members(members: &mut Members) -> Result<Self, Problem>;
}

/// The members of a JSON object. A null member counts as absent. Does not print: one may be a
/// secret.
pub struct Members(BTreeMap<String, Value>);

/// A JSON object. Unknown members are ignored, so that a newer client can talk to an older server.
#[derive(Debug)]
pub struct Json<T>(pub T);

/// A JSON object that may be left out altogether: no bytes mean the default.
#[derive(Debug)]
pub struct OptionalJson<T>(pub T);

/// The bytes of a webhook's body as they arrived: its signature is over exactly these.
#[derive(Debug)]
pub struct RawBody(pub Bytes);

impl<T: FromMembers> FromRequest<AppState> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let kind = readable(request.headers());
        let bytes = read(request, MAX_BODY, &state.edge.clock).await?;
        kind?;
        parse(&bytes).map(Self)
    }
}

impl<T: FromMembers + Default> FromRequest<AppState> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let kind = readable(request.headers());
        let bytes = read(request, MAX_BODY, &state.edge.clock).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        kind?;
        parse(&bytes).map(Self)
    }
}

impl FromRequest<AppState> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        read(request, MAX_WEBHOOK_BODY, &state.edge.clock).await.map(Self)
    }
}

async fn read(request: Request, limit: usize, clock: &SharedClock) -> Result<Bytes, Problem> {
    // A body whose announced length is too large is not read at all.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > limit as u64) {
        return Err(RequestCode::BodyTooLarge.into());
    }
    let admitted = place_of_request();
    let body = collect(request.into_body(), limit, admitted.as_ref());
    let in_time = async {
        within(BODY_TIMEOUT, &**clock, body).await.unwrap_or_else(|| Err(RequestCode::RequestTimeout.into()))
    };
    match &admitted {
        Some(admitted) => admitted.while_waiting(in_time).await?,
        None => in_time.await,
    }
}

/// Frames are copied into one buffer: a body may arrive one byte per frame, and a frame costs more
/// than its bytes.
async fn collect(mut body: Body, limit: usize, admitted: Option<&Admitted>) -> Result<Bytes, Problem> {
    let mut bytes = BytesMut::new();
    let mut large: Option<LargeBody> = None;
    while let Some(frame) = next_frame(&mut body, large.as_ref()).await? {
        let frame = frame
            .map_err(|_| Problem::new(RequestCode::MalformedBody).with_detail("The body ended too early."))?;
        // Trailers mean nothing on any route.
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len().saturating_add(data.len());
        if length > limit {
            return Err(RequestCode::BodyTooLarge.into());
        }
        if length > SMALL_BODY && large.is_none() {
            large = admitted.map(Admitted::large_body);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// The next frame, or an error where this large body had to give way to another.
async fn next_frame(
    body: &mut Body,
    large: Option<&LargeBody>,
) -> Result<Option<Result<Frame<Bytes>, axum::Error>>, Problem> {
    let Some(large) = large else { return Ok(body.frame().await) };
    match select(body.frame(), pin!(large.given_up())).await {
        Either::Left((frame, _)) => Ok(frame),
        Either::Right(_) => Err(TurnedAway::NoPlace.into()),
    }
}

/// Whether the body can be read as JSON, by what its headers say of it.
fn readable(headers: &HeaderMap) -> Result<(), Problem> {
    let unsupported = Problem::new(RequestCode::UnsupportedMediaType);
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err(unsupported.with_detail("The body has a Content-Encoding; send it uncompressed."));
    }
    if is_json(headers) { Ok(()) } else { Err(unsupported) }
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

fn parse<T: FromMembers>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Problem::new(RequestCode::MalformedBody).with_detail("The body is not UTF-8."))?;
    // RFC 8259, 8.1: a byte order mark may be passed over.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // First whether it is JSON, then whether the route takes it: serde reports some wrong types as
    // mistakes of syntax.
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| malformed(&error))?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(not_acceptable("The JSON is not an object, and this route takes one."));
    }
    let mut members: Members = serde_json::from_str(text).map_err(|error| unacceptable(&error))?;
    T::from_members(&mut members)
}

/// Names the place of the mistake and its kind, never the content: a body may hold a secret.
fn malformed(error: &serde_json::Error) -> Problem {
    let what = if error.is_eof() { "The JSON ends too early" } else { "The body is not JSON" };
    Problem::new(RequestCode::MalformedBody).with_detail(at(what, error))
}

/// Valid JSON, but a member stands twice, or a value fits no text or number.
fn unacceptable(error: &serde_json::Error) -> Problem {
    not_acceptable(at("A member is there twice, or its value cannot be read", error))
}

fn at(what: &str, error: &serde_json::Error) -> String {
    format!("{what}, at line {}, column {}.", error.line(), error.column())
}

fn not_acceptable(detail: impl Into<String>) -> Problem {
    Problem::new(RequestCode::BodyNotAcceptable).with_detail(detail.into())
}

impl Members {
    /// The text of that name.
    pub fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(takes(name, "text")),
        }
    }

    /// The text of that name, which has to be there.
    pub fn required_text(&mut self, name: &str) -> Result<String, Problem> {
        self.text(name)?.ok_or_else(|| not_acceptable(format!("`{name}` is missing; it takes text.")))
    }

    /// The yes or no of that name.
    pub fn flag(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(takes(name, "true or false")),
        }
    }

    /// Which of `choices` stands under that name, by its `word`.
    pub fn choice<T: Copy>(
        &mut self,
        name: &str,
        choices: &[T],
        word: fn(T) -> &'static str,
    ) -> Result<Option<T>, Problem> {
        let chosen = match self.0.remove(name) {
            None | Some(Value::Null) => return Ok(None),
            Some(Value::String(text)) => choices.iter().find(|choice| word(**choice) == text),
            Some(_) => None,
        };
        let allowed =
            || choices.iter().map(|choice| format!("\"{}\"", word(*choice))).collect::<Vec<_>>().join(" or ");
        chosen.map(|choice| Some(*choice)).ok_or_else(|| takes(name, &allowed()))
    }
}

fn takes(name: &str, what: &str) -> Problem {
    not_acceptable(format!("`{name}` takes {what}."))
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = BTreeMap::new();
                while let Some((name, member)) = map.next_entry()? {
                    // Parsers differ about which of two equal names counts.
                    if members.insert(name, member).is_some() {
                        return Err(de::Error::custom("a member is there twice"));
                    }
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
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
        Json::<T>::operation_input(ctx, operation);
        if let Some(aide::openapi::ReferenceOr::Item(body)) = &mut operation.request_body {
            body.required = false;
        }
    }
}

/// The route itself documents its body.
impl OperationInput for RawBody {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        Problem::describe(ctx, operation, &READING);
    }
}
