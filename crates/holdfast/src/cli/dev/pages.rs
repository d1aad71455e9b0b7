//! The demo page, served in front of the unchanged application. It runs the very files of
//! `clients/js`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use rust_embed::RustEmbed;
use serde::Deserialize;
use serde_json::json;
use tower::ServiceExt as _;
use url::Url;

use super::clock::MovableClock;
use crate::address::names_this_machine;
use crate::app::Seams;
use crate::http::request_id::{RequestId, X_REQUEST_ID};

#[derive(RustEmbed)]
#[folder = "../../web/demo"]
struct Demo;

#[derive(RustEmbed)]
#[folder = "../../clients/js/src"]
struct Client;

/// Where the parts of the demo are.
#[derive(Debug, Clone)]
pub struct Places {
    /// The server.
    pub server: Url,
    /// The stand-in for Clerk.
    pub clerk: Url,
    /// The stand-in for Instagram.
    pub instagram: Url,
}

/// `app` with the demo page in front: `/`, `/demo/…`, `/client/…` and `/dev/…` are the page's, the
/// rest is the application's.
pub(super) fn in_front_of(app: Router, places: &Places, clock: MovableClock, seams: &Seams) -> Router {
    let pages = Arc::new(Pages::new(places));
    let seams = seams.clone();
    Router::new().fallback(move |request: Request| {
        let (pages, app, clock) = (Arc::clone(&pages), app.clone(), clock.clone());
        let id = RequestId::of(request.headers(), &*seams.entropy, seams.clock.now());
        async move {
            let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
            let is_local = names_this_machine(request.headers());
            let mut page = if request.uri().path() == CLOCK && !is_local {
                StatusCode::MISDIRECTED_REQUEST.into_response()
            } else if request.uri().path() == CLOCK {
                pages.clock(request, &clock).await
            } else if let Some(page) = pages.find(request.uri().path()).filter(|_| is_reading) {
                page
            } else {
                return app.oneshot(request).await.into_response();
            };
            page.headers_mut().insert(X_REQUEST_ID, id.header());
            page
        }
    })
}

/// `{"forward_s": 86400}` moves the time of server and stand-ins; the answer says how far ahead
/// they are.
const CLOCK: &str = "/dev/clock";
const CLOCK_BODY_LIMIT: usize = 1024;
/// Two years at once, at most.
const FARTHEST: Duration = Duration::from_hours(2 * 365 * 24);

#[derive(Deserialize)]
struct Forward {
    forward_s: u64,
}

fn is_for_browsers(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|kind| kind == "js" || kind == "css")
}

struct Pages {
    config: String,
    policy: Option<HeaderValue>,
}

impl Pages {
    fn new(places: &Places) -> Self {
        let origin = |url: &Url| url.origin().ascii_serialization();
        let (clerk, instagram) = (origin(&places.clerk), origin(&places.instagram));
        let config = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "public_url": origin(&places.server),
            "clerk_url": clerk,
            "instagram_url": instagram,
        });
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: {instagram}; \
             connect-src 'self' {clerk} {instagram}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Self { config: config.to_string(), policy: HeaderValue::from_str(&policy).ok() }
    }

    /// Only for the page's own scripts: another site may not send JSON without a preflight, which
    /// is never answered here.
    async fn clock(&self, request: Request, clock: &MovableClock) -> Response {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        if request.method() == Method::POST {
            let body = axum::body::to_bytes(request.into_body(), CLOCK_BODY_LIMIT).await.unwrap_or_default();
            match serde_json::from_slice::<Forward>(&body) {
                Ok(Forward { forward_s }) if is_json => {
                    clock.forward(Duration::from_secs(forward_s).min(FARTHEST));
                }
                Ok(_) | Err(_) => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
            }
        }
        let ahead = json!({"ahead_s": clock.ahead().as_secs()});
        self.answer("application/json", ahead.to_string().into_bytes())
    }

    fn find(&self, path: &str) -> Option<Response> {
        if path == "/dev/config.json" {
            return Some(self.answer("application/json", self.config.clone().into_bytes()));
        }
        let (name, file) = if let Some(name) = path.strip_prefix("/client/") {
            // The types beside them are for editors, not for browsers.
            (name, Client::get(name).filter(|_| is_for_browsers(name)))
        } else {
            let name = if path == "/" { "index.html" } else { path.strip_prefix("/demo/")? };
            (name, Demo::get(name))
        };
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        Some(self.answer(kind.essence_str(), file?.data.into_owned()))
    }

    fn answer(&self, kind: &str, body: Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        let kind = if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind.to_owned() };
        let mut set = |name: HeaderName, value: Option<HeaderValue>| {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        };
        set(header::CONTENT_TYPE, HeaderValue::from_str(&kind).ok());
        set(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        set(header::X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff")));
        set(header::CACHE_CONTROL, Some(HeaderValue::from_static("no-store")));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages() -> Pages {
        let url = |text| Url::parse(text).unwrap();
        Pages::new(&Places {
            server: url("http://127.0.0.1:8080/"),
            clerk: url("http://127.0.0.1:8081/"),
            instagram: url("http://127.0.0.1:8082/"),
        })
    }

    #[test]
    fn the_page_and_everything_that_it_loads_is_there() {
        let pages = pages();
        let index = String::from_utf8(Demo::get("index.html").unwrap().data.into_owned()).unwrap();
        let loaded: Vec<&str> = index
            .split('"')
            .filter(|text| text.starts_with("/demo/") || text.starts_with("/client/"))
            .collect();
        assert!(loaded.len() > 3, "{loaded:?}");
        for path in loaded.into_iter().chain([
            "/",
            "/client/holdfast-client.js",
            "/client/core/client.js",
            "/client/states.js",
            "/client/locales/en.js",
        ]) {
            assert!(pages.find(path).is_some(), "{path}");
        }
    }

    #[test]
    fn everything_else_is_the_applications() {
        let pages = pages();
        for path in
            ["/user/profile", "/demo/", "/demo/../Cargo.toml", "/client/react.d.ts", "/docs", "/dev/other"]
        {
            assert!(pages.find(path).is_none(), "{path}");
        }
    }

    #[test]
    fn modules_are_served_as_javascript() {
        let page = pages().find("/demo/app.js").unwrap();
        assert_eq!(page.headers()[header::CONTENT_TYPE], "text/javascript; charset=utf-8");
        assert!(
            page.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap()
                .contains("http://127.0.0.1:8082")
        );
    }
}
