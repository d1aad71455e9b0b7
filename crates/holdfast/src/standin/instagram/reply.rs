//! An answer before it is sent, and what faults make of it.

use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::tz::{self, TimeZone};
use serde_json::Value;

use super::body::{GraphError, code_exchange_error, json};
use super::fault::{Endpoint, Fault};
use super::world::{Death, UsageFigures};
use crate::clock::SharedClock;
use crate::standin::server::HangUp;

const HUGE_BODY_BLOCKS: usize = 1024;
const HUGE_BODY_BLOCK: Bytes = Bytes::from_static(&[b' '; 64 * 1024]);

/// An answer before it is sent.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    content_type: &'static str,
    pub(super) body: String,
    /// The error that the body holds, as long as it lacks its trace id.
    error: Option<GraphError>,
    /// Graph sends it with errors about tokens.
    authenticate: Option<&'static str>,
    /// Overrides the configured figures.
    usage: Option<UsageFigures>,
}

impl Reply {
    pub(super) fn json(status: StatusCode, body: String) -> Self {
        Self {
            status,
            content_type: "application/json; charset=UTF-8",
            body,
            error: None,
            authenticate: None,
            usage: None,
        }
    }

    pub(super) fn html(status: StatusCode, body: String) -> Self {
        Self { content_type: "text/html; charset=utf-8", ..Self::json(status, body) }
    }

    /// Exactly that.
    pub(super) fn scripted(status: u16, body: String) -> Self {
        Self::json(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), body)
    }

    /// A Graph error with status 400, the usual one for every code.
    pub(super) fn graph(error: &GraphError) -> Self {
        let authenticate =
            (error.code == 190).then_some("OAuth \"Facebook Platform\" \"invalid_token\" \"see the body\"");
        Self {
            authenticate,
            error: Some(error.clone()),
            ..Self::json(StatusCode::BAD_REQUEST, error.to_body())
        }
    }

    /// The same answer with Meta's id of the request in it, where it is an error that carries one.
    pub(super) fn traced(mut self, fbtrace_id: String) -> Self {
        if let Some(error) = self.error.take() {
            self.body = GraphError { fbtrace_id, ..error }.to_body();
        }
        self
    }

    /// An error of the code exchange.
    pub(super) fn code_exchange(message: &str) -> Self {
        Self::json(StatusCode::BAD_REQUEST, code_exchange_error(message))
    }

    fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The response, with the headers that every answer carries.
    pub(super) fn into_response(self, standing: UsageFigures, account: Option<&str>) -> Response {
        let mut response =
            (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        let headers = response.headers_mut();
        if let Some(authenticate) = self.authenticate {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(authenticate));
        }
        let usage = self.usage.unwrap_or(standing);
        let mut tell = |name, figures: String| {
            headers.extend(
                HeaderValue::try_from(figures).ok().map(|value| (HeaderName::from_static(name), value)),
            );
        };
        if let Some(percent) = usage.app_percent {
            tell("x-app-usage", format!(r#"{{"call_count":{percent},"total_time":25,"total_cputime":25}}"#));
        }
        if let (Some(percent), Some(account)) = (usage.account_percent, account) {
            let figures = format!(
                r#"{{"{account}":[{{"type":"instagram","call_count":{percent},"total_cputime":20,"total_time":20,"estimated_time_to_regain_access":{}}}]}}"#,
                usage.regains_in_minutes
            );
            tell("x-business-use-case-usage", figures);
        }
        response
    }
}

/// What a fault does to a request.
#[derive(Debug, Clone)]
pub(super) enum Action {
    /// Kills tokens, when set.
    Kill(Death),
    /// Answers in the place of Instagram.
    Answer(Box<Reply>),
    /// Takes the request and never answers.
    Hang,
    /// Lets Instagram act, then spoils the answer.
    Spoil(Spoiling),
}

/// How an answer is spoilt.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spoiling {
    Lost,
    Truncated,
    Slow,
    Huge,
    EmptyToken,
    NoLifetime,
}

/// What `fault` does at `endpoint`.
pub(super) fn action(fault: Fault, endpoint: Endpoint) -> Action {
    let answer = |reply: Reply| Action::Answer(Box::new(reply));
    let oauth =
        |code, error_subcode, message| answer(Reply::graph(&GraphError::oauth(code, error_subcode, message)));
    let api = |code, message| answer(Reply::graph(&GraphError::api(code, message)));
    let code_exchange = |message| answer(Reply::code_exchange(message));
    let page = |status: StatusCode, title: &str| {
        answer(Reply::html(
            status,
            format!(
                "<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
            ),
        ))
    };
    match fault {
        Fault::Expired => Action::Kill(Death::Expired),
        Fault::Revoked => Action::Kill(Death::Revoked),
        Fault::RevokedWithoutSubcode => Action::Kill(Death::RevokedWithoutSubcode),
        Fault::PasswordChanged => Action::Kill(Death::PasswordChanged),
        Fault::PasswordChangedWithoutSubcode => Action::Kill(Death::PasswordChangedWithoutSubcode),
        Fault::LoggedOut => Action::Kill(Death::LoggedOut),
        Fault::DeadWithoutReason => Action::Kill(Death::Malformed),

        Fault::Checkpoint => oauth(
            190,
            Some(459),
            "You cannot access the app till you log in to www.instagram.com and follow the instructions given.",
        ),
        Fault::Unconfirmed => oauth(
            190,
            Some(464),
            "Sessions for the user are not allowed because the user is not a confirmed user.",
        ),
        Fault::Restricted => oauth(25, Some(2_207_050), "The Instagram account is restricted."),
        Fault::ConsentBlocked => {
            oauth(483, None, "The session is invalid because the user is in consent app blocking")
        }
        Fault::Ineligible => api(10, "The user is not an Instagram Business"),
        Fault::Permission => api(10, "Application does not have permission for this action"),
        Fault::FalseAlarm => oauth(190, None, MALFORMED),

        Fault::AppRateLimit => answer(Reply {
            usage: Some(UsageFigures { app_percent: Some(100), ..UsageFigures::default() }),
            ..Reply::graph(&GraphError::oauth(4, None, "(#4) Application request limit reached"))
                .with_status(StatusCode::FORBIDDEN)
        }),
        Fault::AccountRateLimit => answer(Reply {
            usage: Some(UsageFigures {
                app_percent: None,
                account_percent: Some(100),
                regains_in_minutes: 19,
            }),
            ..Reply::graph(&GraphError::oauth(
                80_002,
                None,
                "(#80002) There have been too many calls to this Instagram account. Wait a bit and try again.",
            ))
        }),

        Fault::ServerErrorHtml => page(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        Fault::ServerErrorJson => {
            let message = "An unexpected error has occurred. Please retry your request later.";
            let error = GraphError { is_transient: true, ..GraphError::oauth(2, None, message) };
            answer(Reply::graph(&error).with_status(StatusCode::INTERNAL_SERVER_ERROR))
        }
        Fault::UnknownError => oauth(1, None, "An unknown error has occurred."),
        Fault::Hang => Action::Hang,
        Fault::HtmlOk => page(StatusCode::OK, "Sorry, this page isn't available."),
        Fault::HtmlForbidden => page(StatusCode::FORBIDDEN, "Forbidden"),
        Fault::EmptyBody => answer(Reply::json(StatusCode::OK, String::new())),
        Fault::BareUnauthorized => answer(Reply::json(StatusCode::UNAUTHORIZED, String::new())),

        Fault::LostReply => Action::Spoil(Spoiling::Lost),
        Fault::TruncatedJson => Action::Spoil(Spoiling::Truncated),
        Fault::SlowBody => Action::Spoil(Spoiling::Slow),
        Fault::HugeBody => Action::Spoil(Spoiling::Huge),
        Fault::EmptyToken => Action::Spoil(Spoiling::EmptyToken),
        Fault::MissingExpiresIn => Action::Spoil(Spoiling::NoLifetime),

        Fault::AppDeactivated => {
            let message = "API access deactivated. To reactivate, go to the app dashboard.";
            answer(Reply::graph(&GraphError::oauth(200, None, message)).with_status(StatusCode::OK))
        }
        Fault::WrongClientSecret if endpoint == Endpoint::Token => {
            code_exchange("Error validating client secret.")
        }
        Fault::WrongClientSecret => oauth(100, None, "Error validating client secret."),
        Fault::InvalidPlatformApp => code_exchange("Invalid platform app"),
        Fault::DeveloperRole => code_exchange("Insufficient developer role"),
        Fault::RedirectMismatch => code_exchange(REDIRECT_MISMATCH),
        Fault::CodeRejected => code_exchange(CODE_REJECTED),
        Fault::UnsupportedRequest | Fault::NotAdmitted => api(100, "Unsupported request - method type: get"),
        Fault::NoAdvancedAccess => oauth(
            200,
            None,
            "(#200) App does not have Advanced Access to instagram_business_basic permission, and recipient user does not have role on app",
        ),
        // The consent page looks for these itself and redirects; as an answer they are only a page.
        Fault::ConsentDenied | Fault::DeniedWithoutState => page(StatusCode::OK, "Denied"),
    }
}

pub(super) const REDIRECT_MISMATCH: &str = "Error validating verification code. Please make sure your redirect_uri is identical to the one you used in the OAuth dialog request";
pub(super) const CODE_REJECTED: &str = "Matching code was not found or was already used";

/// What Instagram says of a dead token.
pub(super) fn death(death: Death, expires_at: Timestamp, now: Timestamp) -> GraphError {
    const PASSWORD_CHANGED: &str = "The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.";
    const REVOKED: &str =
        "Error validating access token: The user has not authorized application 1234567890.";
    match death {
        Death::Expired => {
            let message = format!(
                "Session has expired on {}. The current time is {}.",
                pacific(expires_at),
                pacific(now)
            );
            GraphError::oauth(190, None, message)
        }
        Death::Revoked => GraphError::oauth(190, Some(458), REVOKED),
        Death::RevokedWithoutSubcode => GraphError::oauth(190, None, REVOKED),
        Death::PasswordChanged => GraphError::oauth(190, Some(460), PASSWORD_CHANGED),
        Death::PasswordChangedWithoutSubcode => GraphError::oauth(190, None, PASSWORD_CHANGED),
        Death::LoggedOut => GraphError::oauth(
            190,
            Some(467),
            "Error validating access token: The session is invalid because the user logged out.",
        ),
        Death::Malformed => GraphError::oauth(190, None, MALFORMED),
    }
}

const MALFORMED: &str = "Session key is malformed.";

/// As in `Thursday, 06-Oct-22 00:00:00 PDT`. Summer all year round: nobody reads it back.
fn pacific(at: Timestamp) -> String {
    at.to_zoned(TimeZone::fixed(tz::offset(-7))).strftime("%A, %d-%b-%y %H:%M:%S PDT").to_string()
}

/// Spoils an answer that was worked out in full.
pub(super) fn spoil(
    spoiling: Spoiling,
    mut reply: Reply,
    usage: UsageFigures,
    account: Option<&str>,
    clock: SharedClock,
) -> Response {
    match spoiling {
        Spoiling::Lost => {
            let mut response = StatusCode::OK.into_response();
            response.extensions_mut().insert(HangUp);
            return response;
        }
        Spoiling::Truncated => reply.body.truncate(reply.body.len() / 2),
        Spoiling::EmptyToken => {
            reply.body = edit(&reply.body, |body| body.insert("access_token".to_owned(), "".into()));
        }
        Spoiling::NoLifetime => reply.body = edit(&reply.body, |body| body.shift_remove("expires_in")),
        Spoiling::Slow | Spoiling::Huge => {}
    }
    let body = Bytes::from(reply.body.clone());
    let response = reply.into_response(usage, account);
    match spoiling {
        Spoiling::Slow => {
            let bytes = stream::iter(0..body.len()).then(move |at| {
                let (byte, pause) = (body.slice(at..=at), clock.sleep(Duration::from_secs(1)));
                async move {
                    pause.await;
                    Ok::<_, std::convert::Infallible>(byte)
                }
            });
            with_body(response, Body::from_stream(bytes))
        }
        Spoiling::Huge => {
            let blanks = stream::repeat(HUGE_BODY_BLOCK).take(HUGE_BODY_BLOCKS);
            let body = blanks.chain(stream::iter([body])).map(Ok::<_, std::convert::Infallible>);
            with_body(response, Body::from_stream(body))
        }
        Spoiling::Lost | Spoiling::Truncated | Spoiling::EmptyToken | Spoiling::NoLifetime => response,
    }
}

fn with_body(response: Response, body: Body) -> Response {
    let (mut head, _) = response.into_parts();
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, body)
}

/// Changes the object that hands out a token, inside its envelope where it has one.
fn edit<T>(body: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>) -> T) -> String {
    let mut value: Value = serde_json::from_str(body).unwrap_or_default();
    let in_envelope = value.get("data").is_some();
    let object = if in_envelope { value.pointer_mut("/data/0") } else { Some(&mut value) };
    if let Some(object) = object.and_then(Value::as_object_mut) {
        change(object);
    }
    json(&value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standin::instagram::fault::Effect;

    fn effect(action: &Action) -> Effect {
        match action {
            Action::Kill(_) => Effect::Kills,
            Action::Answer(_) | Action::Hang => Effect::Answers,
            Action::Spoil(_) => Effect::Spoils,
        }
    }

    #[test]
    fn every_fault_does_what_it_says_of_itself() {
        for fault in Fault::ALL {
            for endpoint in fault.endpoints() {
                assert_eq!(effect(&action(*fault, *endpoint)), fault.effect(), "{fault:?}");
            }
        }
    }
}
