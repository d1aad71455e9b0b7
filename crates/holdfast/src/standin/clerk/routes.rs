//! What the stand-in answers.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::super::server::{foreign, is_page_here};
use super::faults::{Fault, Rotation, Surface};
use super::people::Person;
use super::state::Shared;
use super::webhooks::{self, Deliver, EventKind};
use super::{Case, Expectation, StandinError};

const MAX_BODY: usize = 64 * 1024;

/// The answers' type.
type Reply = Response<Full<Bytes>>;

/// Ends the connection without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed on purpose")]
pub struct HangUp;

/// Answers one request.
pub async fn answer(shared: &Shared, request: Request<Incoming>) -> Result<Reply, HangUp> {
    if let Some((status, why)) = foreign(&request) {
        return Ok(plain(status, "text/plain", Bytes::from_static(why.as_bytes())));
    }
    let origin = request.headers().get(header::ORIGIN).cloned();
    let mut reply = if request.method() == Method::OPTIONS {
        plain(StatusCode::NO_CONTENT, "text/plain", Bytes::new())
    } else {
        route(shared, request).await?
    };
    allow(origin.as_ref(), reply.headers_mut());
    Ok(reply)
}

/// Lets any page on this machine read the answer.
fn allow(origin: Option<&HeaderValue>, headers: &mut header::HeaderMap) {
    let Some(origin) = origin.filter(|origin| is_page_here(origin)) else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::VARY, HeaderValue::from_static("origin"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, OPTIONS"));
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("authorization, content-type"),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
}

async fn route(shared: &Shared, request: Request<Incoming>) -> Result<Reply, HangUp> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let text = |name: header::HeaderName| {
        parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
    };
    let authorized = text(header::AUTHORIZATION) == Some(format!("Bearer {}", shared.secret_key));
    match (&parts.method, segments.as_slice()) {
        (&Method::GET, [".well-known", "jwks.json"]) => {
            surface(shared, Surface::Jwks, || ok(&shared.jwks())).await
        }
        (&Method::GET, ["v1", "jwks"]) => {
            surface(shared, Surface::Jwks, || guarded(authorized, || ok(&shared.jwks()))).await
        }
        (&Method::GET, ["v1", "users"]) => {
            surface(shared, Surface::Users, || guarded(authorized, || ok(&shared.users().into()))).await
        }
        (&Method::GET, ["v1", "users", user_id]) => {
            surface(shared, Surface::Users, || {
                guarded(authorized, || match shared.user(user_id) {
                    Some(user) => ok(&user),
                    None => clerk_error(StatusCode::NOT_FOUND, "resource_not_found"),
                })
            })
            .await
        }
        (&Method::POST, ["v1", "client", "sessions", session_id, "tokens"]) => {
            // A page that is not CORS-relevant, or a script, sends `null` or nothing: no `azp`
            // then.
            let origin = text(header::ORIGIN).filter(|origin| origin != "null");
            surface(shared, Surface::Tokens, || match shared.token(session_id, origin.as_deref()) {
                Ok(jwt) => ok(&json!({"object": "token", "jwt": jwt})),
                Err(error) => failed(&error),
            })
            .await
        }
        (method, ["v1", "dev", rest @ ..]) => {
            let body = match Limited::new(body, MAX_BODY).collect().await {
                Ok(body) => body.to_bytes(),
                Err(_) => return Ok(clerk_error(StatusCode::PAYLOAD_TOO_LARGE, "request_too_large")),
            };
            Ok(control(shared, method, rest, &body).await)
        }
        _ => Ok(clerk_error(StatusCode::NOT_FOUND, "resource_not_found")),
    }
}

/// Answers as the surface's present fault has it.
async fn surface(shared: &Shared, which: Surface, answer: impl FnOnce() -> Reply) -> Result<Reply, HangUp> {
    const HTML: &str = "<!doctype html><title>Be right back</title><h1>Be right back</h1>";
    let Some(fault) = shared.ask(which) else { return Ok(answer()) };
    Ok(match fault {
        Fault::Down => return Err(HangUp),
        Fault::Hang => std::future::pending().await,
        Fault::ServerError => clerk_error(StatusCode::INTERNAL_SERVER_ERROR, "internal_clerk_error"),
        Fault::BadGateway => plain(StatusCode::SERVICE_UNAVAILABLE, "text/html", HTML.into()),
        Fault::Html => plain(StatusCode::OK, "text/html", HTML.into()),
        Fault::Huge => plain(StatusCode::OK, "application/json", vec![b' '; 8 * 1024 * 1024].into()),
        Fault::Truncated => plain(StatusCode::OK, "application/json", "{\"keys\":[{\"kid\":\"ins".into()),
        Fault::Empty => ok(&json!({"keys": []})),
        Fault::Overloaded => come_later(StatusCode::SERVICE_UNAVAILABLE, "maintenance_mode"),
        Fault::RateLimited => come_later(StatusCode::TOO_MANY_REQUESTS, "too_many_requests"),
        Fault::Unauthorized => clerk_error(StatusCode::UNAUTHORIZED, "clerk_key_invalid"),
    })
}

fn come_later(status: StatusCode, code: &str) -> Reply {
    let mut reply = clerk_error(status, code);
    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(Fault::RETRY_AFTER.as_secs()));
    reply
}

/// The controls, for the demo page and for tests in other languages.
async fn control(shared: &Shared, method: &Method, path: &[&str], body: &[u8]) -> Reply {
    match (method, path) {
        (&Method::GET, ["cases"]) => ok(&Case::all().map(describe).collect()),
        (&Method::GET, ["state"]) => ok(&json!({
            "issuer": shared.issuer(), "now": shared.now(), "kid": shared.keys().key.kid(),
            "jwks_requests": shared.requests(Surface::Jwks), "user_requests": shared.requests(Surface::Users),
        })),
        (&Method::POST, ["sign-in"]) => with(body, |SignIn { user }| {
            let person = Person::parse(&user).ok_or(StandinError::NoUser)?;
            let session_id = shared.sign_in(person)?;
            let record = shared.user(person.user_id()).ok_or(StandinError::NoUser)?;
            Ok(json!({"session_id": session_id, "user": record}))
        }),
        (&Method::POST, ["sign-out"]) => with(body, |SignOut { session_id }| {
            shared.sign_out(&session_id);
            Ok(json!({"signed_out": true}))
        }),
        (&Method::POST, ["mint"]) => with(body, |MintRequest { case, user, azp }| {
            let case = Case::find(&case).ok_or(StandinError::NoCase)?;
            let person = Person::parse(&user).ok_or(StandinError::NoUser)?;
            let mut described = describe(case);
            described["jwt"] = shared.mint(case, person, &azp)?.into();
            Ok(described)
        }),
        (&Method::POST, ["faults"]) => with(body, |FaultRequest { surface, fault }| {
            shared.set_fault(surface, fault);
            Ok(json!({"set": true}))
        }),
        (&Method::POST, ["rotate"]) => with(body, |RotateRequest { rotation }| {
            shared.rotate(rotation)?;
            Ok(json!({"kid": shared.keys().key.kid()}))
        }),
        (&Method::POST, ["skew"]) => with(body, |SkewRequest { seconds }| {
            shared.set_skew(seconds);
            Ok(json!({"now": shared.now()}))
        }),
        (&Method::POST, ["rename"]) => with(body, |Rename { user, first_name }| {
            let person = Person::parse(&user).ok_or(StandinError::NoUser)?;
            shared.rename(person, &first_name);
            Ok(shared.user(person.user_id()).unwrap_or_default())
        }),
        (&Method::POST, ["webhook-target"]) => with(body, |Target { url }| {
            shared.set_webhook_target(url);
            Ok(json!({"set": true}))
        }),
        (&Method::POST, ["webhooks"]) => {
            let Ok(WebhookRequest { event, user, deliver }) = serde_json::from_slice(body) else {
                return clerk_error(StatusCode::UNPROCESSABLE_ENTITY, "form_param_format_invalid");
            };
            let Some(person) = Person::parse(&user) else { return failed(&StandinError::NoUser) };
            match webhooks::send(shared, event, person, deliver).await {
                Ok(answers) => ok(&json!(answers)),
                Err(error) => failed(&error),
            }
        }
        _ => clerk_error(StatusCode::NOT_FOUND, "resource_not_found"),
    }
}

#[derive(Deserialize)]
struct SignIn {
    user: String,
}

#[derive(Deserialize)]
struct SignOut {
    session_id: String,
}

#[derive(Deserialize)]
struct MintRequest {
    case: String,
    #[serde(default = "ada")]
    user: String,
    azp: String,
}

fn ada() -> String {
    Person::Ada.as_str().to_owned()
}

#[derive(Deserialize)]
struct FaultRequest {
    surface: Surface,
    fault: Option<Fault>,
}

#[derive(Deserialize)]
struct RotateRequest {
    rotation: Rotation,
}

#[derive(Deserialize)]
struct SkewRequest {
    seconds: i64,
}

#[derive(Deserialize)]
struct Rename {
    user: String,
    first_name: String,
}

#[derive(Deserialize)]
struct Target {
    url: Url,
}

#[derive(Deserialize)]
struct WebhookRequest {
    event: EventKind,
    user: String,
    #[serde(default)]
    deliver: Deliver,
}

/// A kind of token as the demo page lists it.
fn describe(case: &Case) -> Value {
    let (verdict, code) = match case.expect {
        Expectation::Accepted => ("accepted", None),
        Expectation::Pending => ("pending", None),
        Expectation::Refused(code) => ("refused", Some(code)),
    };
    json!({"case": case.name, "expect": {"verdict": verdict, "code": code}})
}

fn with<T: for<'de> Deserialize<'de>>(
    body: &[u8],
    act: impl FnOnce(T) -> Result<Value, StandinError>,
) -> Reply {
    match serde_json::from_slice(body) {
        Ok(request) => match act(request) {
            Ok(value) => ok(&value),
            Err(error) => failed(&error),
        },
        Err(_) => clerk_error(StatusCode::UNPROCESSABLE_ENTITY, "form_param_format_invalid"),
    }
}

fn guarded(authorized: bool, answer: impl FnOnce() -> Reply) -> Reply {
    if authorized { answer() } else { clerk_error(StatusCode::UNAUTHORIZED, "clerk_key_invalid") }
}

fn failed(error: &StandinError) -> Reply {
    match error {
        StandinError::NoSession | StandinError::NoUser | StandinError::NoCase => {
            clerk_error(StatusCode::NOT_FOUND, "resource_not_found")
        }
        StandinError::NoTarget => clerk_error(StatusCode::UNPROCESSABLE_ENTITY, "no_webhook_target"),
        StandinError::Listen(_) | StandinError::Crypto | StandinError::Entropy(_) | StandinError::Json => {
            clerk_error(StatusCode::INTERNAL_SERVER_ERROR, "internal_clerk_error")
        }
    }
}

/// Clerk's error body (OpenAPI `ClerkErrors`).
fn clerk_error(status: StatusCode, code: &str) -> Reply {
    let message = status.canonical_reason().unwrap_or("error");
    let body = json!({
        "errors": [{"message": message, "long_message": message, "code": code}],
        "clerk_trace_id": "0123456789abcdef",
    });
    plain(status, "application/json", body.to_string().into())
}

fn ok(value: &Value) -> Reply {
    plain(StatusCode::OK, "application/json", value.to_string().into())
}

fn plain(status: StatusCode, kind: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(Full::new(body));
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}
