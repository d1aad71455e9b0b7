//! The way from outside: through the public address and its proxy to this server, and from here to
//! the app.

use http::{HeaderValue, Method, header};
use url::Url;

use super::configuration::is_insecure;
use super::instagram::address;
use super::report::{Check, Report};
use super::{ask, code};
use crate::address::{is_this_machine, is_unspecified};
use crate::app::Seams;
use crate::settings::Settings;
use crate::transport::{Answer, Outgoing, TransportError};

/// `is_running`: a server of ours holds the listening address, so the public one must lead to it.
/// `can_listen`: that address has not been found faulty.
pub(super) async fn check(
    settings: &Settings,
    seams: &Seams,
    is_running: bool,
    can_listen: bool,
    report: &mut Report,
) {
    let is_same = settings.public_url.as_str() == format!("http://{}/", settings.listen);
    let reached = async {
        if is_same && !can_listen {
            let what = "it is HOLDFAST_LISTEN, which has a check of its own";
            return Err(code::PUBLIC_URL.skipped(what));
        }
        reach(settings, seams, is_running).await
    };
    let (reached, webhook) = tokio::join!(reached, check_webhook(settings, seams));
    let is_ours = reached.is_ok();
    report.add(reached.unwrap_or_else(|check| check));
    report.append(webhook);
    if is_ours {
        let checks = [check_cors(settings, seams).await, check_forward_auth(settings, seams).await];
        checks.into_iter().flatten().for_each(|check| report.add(check));
    } else {
        report.add(code::CORS.skipped("the public address does not answer"));
        report.add(code::FORWARD_AUTH.skipped("the public address does not answer"));
    }
}

/// Asks at the public address: `Ok` where it leads to a server of ours.
async fn reach(settings: &Settings, seams: &Seams, is_running: bool) -> Result<Check, Check> {
    let public = &settings.public_url;
    if is_unspecified(public) {
        let what = format!("{public} is what this server listens on: neither a browser nor Meta can open it");
        return Err(code::PUBLIC_URL.failed(what));
    }
    let Some(request) = get(public, "/healthz") else {
        let what = format!("{public} is not an address that can be called");
        return Err(code::PUBLIC_URL.failed(what));
    };
    Err(match ask(seams, request).await {
        Ok(answer) if is_health(&answer) => {
            let checked = if public.scheme() == "https" { ", with a good certificate" } else { "" };
            return Ok(code::PUBLIC_URL.passed(format!("{public} leads here{checked}")));
        }
        // A proxy that reaches nobody behind it.
        Ok(answer) if matches!(answer.status.as_u16(), 502..=504) && !is_app(settings) => {
            let status = answer.status;
            if is_running {
                code::PUBLIC_URL
                    .failed(format!(
                        "the server runs, but the proxy at {public} does not reach it ({status})"
                    ))
                    .mended_by(format!(
                        "let the proxy pass every path on to HOLDFAST_LISTEN, which is {}",
                        settings.listen
                    ))
            } else {
                code::PUBLIC_URL
                    .skipped(format!("the proxy at {public} answers {status}: no server runs behind it yet"))
            }
        }
        Ok(answer) => {
            let what = format!("{public} is answered by another program ({})", answer.status);
            code::PUBLIC_URL.failed(what)
        }
        Err(TransportError::TooLarge) => {
            code::PUBLIC_URL.failed(format!("{public} is answered by another program"))
        }
        Err(error @ TransportError::Certificate(_)) => code::CERTIFICATE.failed(format!("{public}: {error}")),
        Err(error) if is_running => {
            code::PUBLIC_URL.failed(format!("the server runs, but {public} does not lead to it: {error}"))
        }
        Err(_) if is_app(settings) => code::PUBLIC_URL
            .failed(format!("{public} is an allowed origin, so it is the web app's address, not Holdfast's")),
        Err(_) if public.scheme() != "https" && !is_this_machine(public) => {
            let what = format!("{public} is not https: Meta registers https addresses only");
            code::PUBLIC_URL.warning(what)
        }
        Err(_) => code::PUBLIC_URL.skipped(format!("{public} does not answer yet")),
    })
}

fn is_app(settings: &Settings) -> bool {
    let origin = settings.public_url.origin().ascii_serialization();
    settings.allowed_origins.iter().any(|each| each.as_str() == origin)
}

fn is_health(answer: &Answer) -> bool {
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    answer.status.is_success() && body["status"] == "ok" && body["version"].is_string()
}

fn get(public: &Url, path: &str) -> Option<Outgoing> {
    Some(Outgoing::new(Method::GET, Url::parse(&address(public, path)).ok()?))
}

/// A preflight and a call of each allowed origin.
async fn check_cors(settings: &Settings, seams: &Seams) -> Option<Check> {
    let origin = settings.allowed_origins.iter().find(|each| !each.as_str().contains('*'))?.as_str();
    let value = HeaderValue::from_str(origin).ok()?;
    let mut preflight = get(&settings.public_url, "/user/instagram/status")?;
    preflight.method = Method::OPTIONS;
    preflight.headers.insert(header::ORIGIN, value.clone());
    preflight.headers.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
    preflight
        .headers
        .insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("authorization"));
    let mut call = get(&settings.public_url, "/user/instagram/status")?;
    call.headers.insert(header::ORIGIN, value.clone());
    let (preflight, call) = tokio::join!(ask(seams, preflight), ask(seams, call));
    for (what, answer) in [("the preflight", preflight), ("a call", call)] {
        let allowed: Vec<_> = match &answer {
            Ok(answer) => answer.headers.get_all(header::ACCESS_CONTROL_ALLOW_ORIGIN).iter().collect(),
            Err(error) => return Some(code::CORS.failed(format!("{what} from {origin}: {error}"))),
        };
        if allowed != [&value] {
            let named = if allowed.len() > 1 { "more than one answer" } else { "no permission" };
            return Some(code::CORS.failed(format!("{what} from {origin} gets {named}")));
        }
    }
    Some(code::CORS.passed(format!("{origin} may call")))
}

/// Without credentials it says 401, with our own words.
async fn check_forward_auth(settings: &Settings, seams: &Seams) -> Option<Check> {
    let answer = ask(seams, get(&settings.public_url, "/forward-auth")?).await;
    Some(match answer {
        Ok(answer) => {
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            match (answer.status.as_u16(), body["code"].as_str()) {
                (401, Some("session-token-missing")) => {
                    code::FORWARD_AUTH.passed("a request without credentials is refused as it should be")
                }
                (404, Some("not-found")) => {
                    code::FORWARD_AUTH.skipped("the running server does not serve it")
                }
                (status, _) => code::FORWARD_AUTH
                    .failed(format!("a request without credentials is answered with {status}")),
            }
        }
        Err(error) => code::FORWARD_AUTH.failed(error.to_string()),
    })
}

/// An unsigned event: a receiver that checks signatures refuses it, which shows that it is there.
async fn check_webhook(settings: &Settings, seams: &Seams) -> Report {
    let mut report = Report::default();
    let Some(webhook) = settings.webhook.as_ref().filter(|webhook| !is_insecure(&webhook.url)) else {
        return report;
    };
    let mut request = Outgoing::new(Method::POST, webhook.url.clone()).named("{webhook_url}");
    request.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    request.body = bytes::Bytes::from_static(b"{\"type\":\"holdfast.doctor\",\"data\":{}}");
    let host = webhook.url.host_str().unwrap_or_default();
    report.add(match ask(seams, request).await {
        Ok(answer) => match answer.status.as_u16() {
            200..300 => code::WEBHOOK
                .warning(format!("{host} accepts an event without a signature"))
                .mended_by("let the receiver check the signature with HOLDFAST_WEBHOOK_SECRET"),
            404 | 405 | 410 => code::WEBHOOK
                .failed(format!("{host} answers {}: this is not the receiver's address", answer.status)),
            300..400 => code::WEBHOOK.failed(format!("{host} redirects, which is not followed")),
            500.. => code::WEBHOOK.failed(format!("{host} answers {}", answer.status)),
            _ => code::WEBHOOK.passed(format!("{host} answers, and refuses what is not signed")),
        },
        Err(error) => code::WEBHOOK.failed(format!("{host}: {error}")),
    });
    report
}
