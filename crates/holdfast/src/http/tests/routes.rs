//! The real routes over a real SQLite database, with tokens of the Clerk stand-in and keys fetched
//! from it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use clerk_session::OriginPattern;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;
use tower::ServiceExt;

use super::super::admission::{Admission, RequestLimits};
use super::super::layers::Edge;
use super::super::metrics::Metrics;
use super::super::{AppState, AppStateParts, app};
use super::openapi::operations;
use crate::caller::keys::KeySource;
use crate::caller::service::{self, ServiceVerifier};
use crate::caller::{ClerkConfig, SessionVerifier};
use crate::clerk::webhook::WebhookVerifier;
use crate::client_address::TrustedProxies;
use crate::clock::{ManualClock, SharedClock, from_millis};
use crate::connection::return_url::ReturnUrls;
use crate::connection::schedule::RefreshPolicy;
use crate::connections::{Connections, Parts};
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::standin::clerk::{Case, ClerkStandin, Fault, Person, Surface};
use crate::store::{NewServiceKey, Store, StoreOptions};
use crate::transport::ReqwestTransport;
use crate::users::Users;
use crate::vault::{KeyRing, Vault};

/// A server on a database of its own.
struct Stage {
    clerk: ClerkStandin,
    router: Router,
    state: AppState,
    clock: ManualClock,
    store: Store,
    service_key: SecretString,
    stop: watch::Sender<bool>,
    _directory: TempDir,
}

const ORIGIN: &str = "https://app.example.com";
const WEBHOOK_SECRET: &str = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==";

async fn stage() -> Stage {
    let clock = ManualClock::new(from_millis(1_790_000_000_000));
    let shared: SharedClock = Arc::new(clock.clone());
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    let clerk = ClerkStandin::start(shared.clone(), entropy.clone()).await.unwrap();
    let config = ClerkConfig {
        parties: vec![OriginPattern::parse(ORIGIN).unwrap()],
        ..ClerkConfig::new(clerk.issuer(), KeySource::Jwks { url: clerk.jwks_url(), otherwise: None })
    };
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let verifier = SessionVerifier::new(config, transport, shared.clone()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let store = Store::open(&StoreOptions::serve(url), shared.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let ring = KeyRing::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let vault = Vault::new(ring, entropy.clone());
    let made = service::generate(&*entropy).unwrap();
    let key = NewServiceKey { id: uuid::Uuid::nil(), name: "app".to_owned(), hash: made.hash };
    store.insert_service_key(&key, from_millis(1_790_000_000_000)).await.unwrap();
    let (stop, stopping) = watch::channel(false);
    let connections = Connections::new(Parts {
        check_interval: std::time::Duration::from_mins(1),
        store: store.clone(),
        vault: vault.clone(),
        provider: None,
        clock: shared.clone(),
        entropy: entropy.clone(),
        return_urls: ReturnUrls::parse(["https://app.example.com"]).unwrap(),
        refresh: RefreshPolicy { min_age: Duration::from_hours(24), at: 0.5 },
    });
    let state = AppState::new(AppStateParts {
        edge: Edge {
            public_url: "https://api.example.com".to_owned(),
            clock: shared.clone(),
            entropy,
            metrics: Metrics::default(),
            admission: Admission::new(RequestLimits { in_all: 64, reserved: 0, per_address: None }),
            proxies: TrustedProxies::default(),
            request_timeout: Duration::from_secs(10),
            spans: crate::telemetry::traces::ServerSpans::off(),
        },
        verifier,
        users: Users::new(store.clone(), None, shared.clone()),
        connections,
        store: store.clone(),
        vault,
        clerk_webhooks: Some(WebhookVerifier::new(&WEBHOOK_SECRET.into(), shared.clone()).unwrap()),
        service_verifier: ServiceVerifier::new(Arc::new(store.clone())),
        meta_secrets: vec!["app-secret".into()],
        leaving: watch::channel(false).1,
        assertion_key: None,
        stopping,
        max_streams: crate::http::streams::MAX_IN_ALL,
    });
    let router = app(state.clone(), &crate::http::AllowedOrigins::default());
    Stage { clerk, router, state, clock, store, service_key: made.key, stop, _directory: directory }
}

impl Stage {
    fn request(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path).header("host", "api.example.com");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Response {
        let request = self.request(&method, path, headers, body);
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> (StatusCode, HeaderMap, Value) {
        read(self.send(Method::GET, path, &[("authorization", token)], Body::empty()).await).await
    }

    async fn post(
        &self,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut all = vec![("authorization", token)];
        all.extend(headers);
        read(self.send(Method::POST, path, &all, body.to_owned()).await).await
    }

    fn bearer(&self, person: Person) -> String {
        let session = self.clerk.sign_in(person).unwrap();
        format!("Bearer {}", self.clerk.token(&session, Some(ORIGIN)).unwrap())
    }

    fn impersonated(&self, person: Person) -> String {
        let case = Case::find("genuine-impersonated").unwrap();
        format!("Bearer {}", self.clerk.mint(case, person, ORIGIN).unwrap())
    }

    fn service(&self) -> String {
        format!("Bearer {}", self.service_key.expose_secret())
    }
}

async fn read(response: Response) -> (StatusCode, HeaderMap, Value) {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let value = if bytes.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()))
    };
    (parts.status, parts.headers, value)
}

/// A concrete address for a path template.
fn concrete(path: &str) -> String {
    path.replace("{attempt_id}", "01890000-0000-7000-8000-000000000000")
        .replace("{user_id}", "user_x")
        .replace("{path}", "me")
        .replace("{code}", "x")
}

#[tokio::test]
async fn no_protected_route_answers_anything_but_a_verdict_to_a_bad_credential() {
    let stage = stage().await;
    let document = super::super::document("https://api.example.com");
    let mut protected = 0;
    for (method, path, operation) in operations(&document) {
        let Some(security) = operation["security"].as_array().filter(|all| !all.is_empty()) else { continue };
        protected += 1;
        let is_service = security[0].get("service_key").is_some();
        let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
        let path = concrete(&path);
        let wrong_kind = if is_service { stage.bearer(Person::Ada) } else { stage.service() };
        for bad in
            [None, Some("Bearer x"), Some("Basic eDp4"), Some("Bearer"), Some(""), Some(wrong_kind.as_str())]
        {
            let headers: Vec<_> = bad.iter().map(|value| ("authorization", *value)).collect();
            // A hostile body behind a bad credential is never looked at.
            let response = stage.send(method.clone(), &path, &headers, "{\"broken").await;
            let (status, headers, body) = read(response).await;
            assert_eq!(status, 401, "{method} {path} with {bad:?}: {body}");
            assert_eq!(body["source"], if is_service { "service_key" } else { "session" });
            let challenge = headers["www-authenticate"].to_str().unwrap();
            let is_missing = body["code"].as_str().unwrap().ends_with("-missing");
            assert!(is_missing || bad.is_some(), "{method} {path}: {body}");
            assert_eq!(challenge == "Bearer", is_missing, "{method} {path} {bad:?}: {challenge}");
        }
        let twice = [("authorization", "Bearer a"), ("authorization", "Bearer b")];
        let (status, _, body) = read(stage.send(method.clone(), &path, &twice, Body::empty()).await).await;
        assert_eq!(
            (status.as_u16(), &body["code"]),
            (400, &json!("multiple-credentials")),
            "{method} {path}"
        );
    }
    assert!(protected >= 13, "only {protected} protected operations");
}

#[tokio::test]
async fn the_first_sync_makes_a_record_and_the_profile_does_too() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let (status, headers, body) = stage.post("/auth/sync", &ada, &[], "").await;
    assert_eq!((status.as_u16(), &body["created"]), (200, &json!(true)));
    assert_eq!(body["user"]["id"], Person::Ada.user_id());
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(stage.post("/auth/sync", &ada, &[], "").await.2["created"], false);

    let grace = stage.bearer(Person::Grace);
    let (status, _, body) = stage.get("/user/profile", &grace).await;
    assert_eq!(status, 200);
    assert_eq!(body["id"], Person::Grace.user_id());
    assert_eq!(body["email"], Value::Null, "absent facts are null");
    assert_eq!(body["connections"]["instagram"]["state"], "unavailable");
}

#[tokio::test]
async fn the_status_has_a_tag_and_is_not_sent_twice() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let path = "/user/instagram/status";
    let (status, headers, body) = stage.get(path, &ada).await;
    assert_eq!(status, 200);
    assert_eq!(headers["cache-control"], "private, no-cache");
    assert_eq!((&body["connected"], &body["reason"]), (&json!(false), &json!("not_configured")));
    let tag = headers["etag"].to_str().unwrap();

    let asked = [("authorization", ada.as_str()), ("if-none-match", tag), ("origin", "https://x.example")];
    let (status, headers, body) = read(stage.send(Method::GET, path, &asked, Body::empty()).await).await;
    assert_eq!((status.as_u16(), body), (304, Value::Null));
    assert_eq!(headers["etag"].to_str().unwrap(), tag);
    assert!(headers.contains_key("x-request-id"));
    let other = [("authorization", ada.as_str()), ("if-none-match", "\"other\"")];
    assert_eq!(stage.send(Method::GET, path, &other, Body::empty()).await.status(), 200);

    let head = stage.send(Method::HEAD, path, &[("authorization", &ada)], Body::empty()).await;
    assert_eq!(head.status(), 200);
    assert_eq!(head.headers()["etag"].to_str().unwrap(), tag);
}

#[tokio::test]
async fn impersonated_sessions_may_look_but_not_act() {
    let stage = stage().await;
    let support = stage.impersonated(Person::Ada);
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history"] {
        assert_eq!(stage.get(path, &support).await.0, 200, "{path}");
    }
    assert_eq!(stage.post("/auth/sync", &support, &[], "").await.0, 200);
    let acts = [
        (Method::POST, "/user/instagram/connect"),
        (Method::POST, "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete"),
        (Method::POST, "/user/instagram/check"),
        (Method::DELETE, "/user/instagram"),
    ];
    for (method, path) in acts {
        let headers = [("authorization", support.as_str())];
        let (status, _, body) = read(stage.send(method, path, &headers, Body::empty()).await).await;
        assert_eq!((status.as_u16(), &body["code"]), (403, &json!("impersonation-not-allowed")), "{path}");
    }
}

#[tokio::test]
async fn bodies_are_judged_by_type_size_and_syntax() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let connect = "/user/instagram/connect";
    let complete = "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete";
    let json_type = ("content-type", "application/json");
    let huge = format!("{{\"return_to\": \"{}\"}}", "a".repeat(70_000));
    let cases: &[(&str, &[(&str, &str)], &str, u16, &str)] = &[
        // An empty body is fine on connect: what is missing is Instagram's configuration.
        (connect, &[], "", 424, "not_configured"),
        (connect, &[json_type], "", 424, "not_configured"),
        (connect, &[json_type], "{}", 424, "not_configured"),
        (connect, &[json_type], "{\"unknown\": [1]}", 424, "not_configured"),
        (connect, &[("content-type", "application/json; charset=utf-8")], "{}", 424, "not_configured"),
        (connect, &[], "{}", 415, "unsupported-media-type"),
        (connect, &[("content-type", "text/plain")], "{}", 415, "unsupported-media-type"),
        (connect, &[json_type], "[]", 422, "body-not-acceptable"),
        (connect, &[json_type], " \n[\"https://app.example.com\"]", 422, "body-not-acceptable"),
        (connect, &[json_type], "[1, ", 400, "malformed-body"),
        (connect, &[json_type], "null", 422, "body-not-acceptable"),
        (complete, &[json_type], "[\"x\"]", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"force_reauth\": 1}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"expect\": \"whatever\"}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"return_to\": null, \"return_to\": null}", 422, "body-not-acceptable"),
        (connect, &[json_type], "{\"return_to\": \"\\ud800\"}", 422, "body-not-acceptable"),
        (
            connect,
            &[json_type],
            "{\"return_to\": null, \"force_reauth\": null, \"expect\": null}",
            424,
            "not_configured",
        ),
        (connect, &[json_type], "{\"return_to\": ", 400, "malformed-body"),
        (connect, &[json_type], "[]]", 400, "malformed-body"),
        (connect, &[json_type], &huge, 413, "body-too-large"),
        (complete, &[json_type], "", 400, "malformed-body"),
        (complete, &[json_type], "{}", 422, "body-not-acceptable"),
        (complete, &[], "{\"completion\": \"x\"}", 415, "unsupported-media-type"),
        (complete, &[json_type], "{\"completion\": \"x\"}", 424, "not_configured"),
        (
            "/user/instagram/connect/no-uuid/complete",
            &[json_type],
            "{\"completion\": \"x\"}",
            404,
            "attempt-not-found",
        ),
    ];
    for (path, headers, body, status, code) in cases {
        let (got, _, answer) = stage.post(path, &ada, headers, body).await;
        let shown: String = body.chars().take(40).collect();
        assert_eq!((got.as_u16(), &answer["code"]), (*status, &json!(code)), "{path} {headers:?} {shown}");
    }
    let (_, _, answer) = stage.post(connect, &ada, &[json_type], "{\n  \"return_to\": x}").await;
    assert_eq!(answer["detail"], "The body is not JSON, at line 2, column 16.");
    let (_, _, answer) = stage.post(complete, &ada, &[json_type], "{\"completion\": 12345678}").await;
    assert!(!answer.to_string().contains("12345678"), "a body may hold a secret: {answer}");
    let headers = [("authorization", ada.as_str()), json_type];
    let not_utf8 = stage.send(Method::POST, connect, &headers, b"{\"return_to\": \"\xff\"}".as_slice()).await;
    assert_eq!(read(not_utf8).await.2["detail"], "The body is not UTF-8.");
}

#[tokio::test]
async fn a_member_of_another_type_is_named_with_what_it_takes_and_null_is_as_absent() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let connect = "/user/instagram/connect";
    let complete = "/user/instagram/connect/01890000-0000-7000-8000-000000000000/complete";
    let values = [
        json!(null),
        json!(true),
        json!(5),
        json!(-5),
        json!(0.5),
        json!("secret-text"),
        json!([{"a": []}]),
        json!({"a": [1]}),
    ];
    // The types that each member takes, and how the refusal of the others ends.
    let members = [
        (connect, "return_to", "text", "takes text."),
        (connect, "force_reauth", "flag", "takes true or false."),
        (connect, "expect", "", "takes \"same_account\" or \"any_account\"."),
        (complete, "completion", "text", "takes text."),
    ];
    for (path, name, kind, takes) in members {
        for value in &values {
            let body = json!({name: value}).to_string();
            let (status, _, answer) =
                stage.post(path, &ada, &[("content-type", "application/json")], &body).await;
            let fits = match value {
                Value::Null => path == connect,
                Value::Bool(_) => kind == "flag",
                Value::String(_) => kind == "text",
                _ => false,
            };
            if fits {
                assert_eq!((status.as_u16(), &answer["code"]), (424, &json!("not_configured")), "{body}");
                continue;
            }
            assert_eq!((status.as_u16(), &answer["code"]), (422, &json!("body-not-acceptable")), "{body}");
            let detail = answer["detail"].as_str().unwrap();
            assert!(detail.starts_with(&format!("`{name}` ")) && detail.ends_with(takes), "{body}: {detail}");
            assert!(!answer.to_string().contains("secret-text"), "a body may hold a secret: {answer}");
        }
    }
    for (expect, fits) in [("same_account", true), ("any_account", true), ("SameAccount", false), ("", false)]
    {
        let body = json!({"expect": expect}).to_string();
        let (status, ..) = stage.post(connect, &ada, &[("content-type", "application/json")], &body).await;
        assert_eq!(status == 424, fits, "{expect}");
    }
}

#[tokio::test]
async fn a_body_that_dribbles_is_a_408() {
    let stage = stage().await;
    let body = Body::from_stream(futures_util::stream::pending::<Result<bytes::Bytes, std::io::Error>>());
    let ada = stage.bearer(Person::Ada);
    let headers = [("authorization", ada.as_str()), ("content-type", "application/json")];
    let clock = stage.clock.clone();
    let advance = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(9));
    };
    let (response, ()) =
        tokio::join!(stage.send(Method::POST, "/user/instagram/connect", &headers, body), advance);
    let (status, _, answer) = read(response).await;
    assert_eq!((status.as_u16(), &answer["code"]), (408, &json!("request-timeout")));
}

#[tokio::test]
async fn disconnecting_nothing_is_fine() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    for _ in 0..2 {
        let headers = [("authorization", ada.as_str())];
        let (status, _, body) =
            read(stage.send(Method::DELETE, "/user/instagram", &headers, Body::empty()).await).await;
        assert_eq!((status.as_u16(), &body["disconnected"]), (200, &json!(true)), "{body}");
    }
}

#[tokio::test]
async fn paging_parameters_are_judged() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let (status, _, body) = stage.get("/user/instagram/history?limit=5", &ada).await;
    assert_eq!((status.as_u16(), body), (200, json!({"entries": [], "next": null})));
    for query in ["limit=0", "limit=101", "limit=x", "limit=-1", "before=nonsense", "limit=1&limit=2"] {
        let (status, _, body) = stage.get(&format!("/user/instagram/history?{query}"), &ada).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!("malformed-parameter")), "{query}");
    }
}

#[tokio::test]
async fn a_callback_without_a_usable_attempt_is_a_page_that_reflects_nothing() {
    let stage = stage().await;
    for query in [
        "",
        "?state=%3Cscript%3Ealert(1)%3C/script%3E&code=REFLECTED",
        "?error=access_denied&error_description=REFLECTED",
        "?state=REFLECTED&state=REFLECTED",
        "?state=%ff%fe&code=REFLECTED",
    ] {
        let path = format!("/instagram/callback{query}");
        let (status, headers, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
        assert_eq!(status, 400, "{query}");
        assert!(headers["content-type"].to_str().unwrap().starts_with("text/html"));
        assert!(headers["content-security-policy"].to_str().unwrap().contains("style-src 'sha256-"));
        assert_eq!(headers["cache-control"], "no-store");
        let page = page.as_str().unwrap();
        assert!(!page.contains("REFLECTED") && !page.contains("alert(1)"), "{page}");
        assert!(!page.contains("<script"), "{page}");
    }
}

#[tokio::test]
async fn pages_and_documents_are_served() {
    let stage = stage().await;
    for path in ["/docs", "/docs/errors"] {
        let (status, headers, page) = read(stage.send(Method::GET, path, &[], Body::empty()).await).await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        let page = page.as_str().unwrap();
        assert!(!page.contains("<script") && !page.contains("src="), "{path} loads something");
    }
    for code in super::super::problem::ProblemCode::all() {
        let path = format!("/docs/errors/{}", code.entry().code);
        let (status, _, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
        assert_eq!(status, 200, "{path}");
        assert!(page.as_str().unwrap().contains("What mends it"));
    }
    let (status, _, page) =
        read(stage.send(Method::GET, "/docs/errors/%3Cb%3E", &[], Body::empty()).await).await;
    assert_eq!(status, 404);
    assert!(!page.as_str().unwrap().contains("<b>"));
    let (_, _, document) = read(stage.send(Method::GET, "/openapi.json", &[], Body::empty()).await).await;
    assert_eq!(document, super::super::document("https://api.example.com"));
    let (_, _, home) = read(stage.send(Method::GET, "/", &[], Body::empty()).await).await;
    assert_eq!(home["docs"], "https://api.example.com/docs");
}

#[tokio::test]
async fn health_and_readiness_say_what_they_know() {
    let stage = stage().await;
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!(
        (status.as_u16(), &body["checks"][0]["ok"]),
        (503, &json!(false)),
        "no key has been fetched yet"
    );
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["ready"]), (200, &json!(true)), "{body}");
    stage.store.close().await;
    let (status, headers, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["ready"]), (503, &json!(false)));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_and_never_a_401() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    stage.store.close().await;
    for path in ["/user/profile", "/user/instagram/status", "/user/instagram/history", "/user/events"] {
        let (status, headers, body) = stage.get(path, &ada).await;
        assert_eq!((status.as_u16(), &body["source"]), (503, &json!("database")), "{path}");
        assert!(headers.contains_key("retry-after"), "{path}");
        assert!(!headers.contains_key("www-authenticate"), "{path}");
    }
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/status", &stage.service()).await;
    assert_eq!((status.as_u16(), &body["source"]), (503, &json!("database")));
}

#[tokio::test]
async fn service_routes_take_a_service_key() {
    let stage = stage().await;
    let key = stage.service();
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/status", &key).await;
    assert_eq!((status.as_u16(), &body["state"]), (200, &json!("unavailable")));
    let (status, _, body) = stage.get("/service/users/nobody/instagram/status", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (404, &json!("user-not-found")));
    let (status, _, body) = stage.post("/service/users/user_ada/instagram/token", &key, &[], "").await;
    assert_eq!((status.as_u16(), &body["code"]), (424, &json!("not_connected")), "{body}");
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/graph/me", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (424, &json!("not_configured")));
    let (status, _, body) = stage.get("/service/users/user_ada/instagram/graph/v22.0/me", &key).await;
    assert_eq!((status.as_u16(), &body["code"]), (422, &json!("graph-call-not-allowed")));
}

#[tokio::test]
async fn clerks_webhooks_are_proven_and_stored() {
    let stage = stage().await;
    let event = json!({"type": "user.created", "object": "event", "data": {
        "id": Person::Edsger.user_id(), "email_addresses": [], "first_name": "Hook", "created_at": 1, "updated_at": 2,
        "object": "user", "primary_email_address_id": null, "last_name": null, "image_url": "https://x/y"
    }});
    let body = event.to_string();
    let headers = svix(&stage.clock, "msg_1", &body);
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (status, _, answer) =
        read(stage.send(Method::POST, "/webhooks/clerk", &headers, body.clone()).await).await;
    assert_eq!(status, 204, "{answer}");
    let (_, _, profile) = stage.get("/user/profile", &stage.bearer(Person::Edsger)).await;
    assert_eq!(profile["first_name"], "Hook");

    let tampered = body.replace("Hook", "Evil");
    let (status, _, answer) =
        read(stage.send(Method::POST, "/webhooks/clerk", &headers, tampered).await).await;
    assert_eq!((status.as_u16(), &answer["code"]), (400, &json!("signature-invalid")));
    let (status, _, _) = read(stage.send(Method::POST, "/webhooks/clerk", &[], body).await).await;
    assert_eq!(status, 400);
    let large = "x".repeat(300 * 1024);
    let (status, _, answer) = read(stage.send(Method::POST, "/webhooks/clerk", &headers, large).await).await;
    assert_eq!((status.as_u16(), &answer["code"]), (413, &json!("body-too-large")));
}

fn svix(clock: &ManualClock, id: &str, body: &str) -> [(&'static str, String); 3] {
    use crate::clock::Clock;
    use aws_lc_rs::hmac;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    let secret = STANDARD.decode(WEBHOOK_SECRET.strip_prefix("whsec_").unwrap()).unwrap();
    let timestamp = clock.now().as_second().to_string();
    let signed = format!("{id}.{timestamp}.{body}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(tag.as_ref()));
    [("svix-id", id.to_owned()), ("svix-timestamp", timestamp), ("svix-signature", signature)]
}

fn signed_request(secret: &str, payload: &Value) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let payload = URL_SAFE_NO_PAD.encode(payload.to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), payload.as_bytes());
    format!("signed_request={}.{payload}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

#[tokio::test]
async fn metas_callbacks_are_proven_and_answered_with_a_page() {
    let stage = stage().await;
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let payload = json!({"algorithm": "HMAC-SHA256", "user_id": "178", "issued_at": 1_790_000_000});
    let good = signed_request("app-secret", &payload);
    let deletion = "/webhooks/instagram/data-deletion";
    let (status, _, receipt) = read(stage.send(Method::POST, deletion, &form, good.clone()).await).await;
    assert_eq!(status, 200, "{receipt}");
    let code = receipt["confirmation_code"].as_str().unwrap();
    assert_eq!(receipt["url"], format!("https://api.example.com/data-deletion/{code}"));
    let path = format!("/data-deletion/{code}");
    let (status, _, page) = read(stage.send(Method::GET, &path, &[], Body::empty()).await).await;
    assert_eq!(status, 200);
    assert!(page.as_str().unwrap().contains("Your data is deleted"));
    assert_eq!(stage.send(Method::GET, "/data-deletion/other", &[], Body::empty()).await.status(), 404);

    for path in [deletion, "/webhooks/instagram/deauthorize"] {
        assert_eq!(stage.send(Method::POST, path, &form, good.clone()).await.status(), 200);
        let forged = signed_request("other-secret", &payload);
        let (status, _, body) = read(stage.send(Method::POST, path, &form, forged).await).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!("signature-invalid")));
        assert_eq!(stage.send(Method::POST, path, &[], good.clone()).await.status(), 415);
        for malformed in ["", "signed_request=x", "x=y", &format!("{good}&{good}")] {
            let (status, _, body) =
                read(stage.send(Method::POST, path, &form, malformed.to_owned()).await).await;
            assert_eq!((status.as_u16(), &body["code"]), (400, &json!("malformed-body")), "{malformed}");
        }
    }
}

#[tokio::test]
async fn events_begin_with_the_status_beat_and_end_with_the_token() {
    let stage = stage().await;
    let ada = stage.bearer(Person::Ada);
    let response = stage.send(Method::GET, "/user/events", &[("authorization", &ada)], Body::empty()).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/event-stream"));
    let mut stream = response.into_body().into_data_stream();
    let mut next =
        async || stream.next().await.map(|each| String::from_utf8(each.unwrap().to_vec()).unwrap());
    assert_eq!(next().await.unwrap(), "retry: 3000\n\n");
    let first = next().await.unwrap();
    assert!(first.starts_with("event: instagram.status\nid: "), "{first}");
    let data: Value =
        serde_json::from_str(first.lines().nth(2).unwrap().strip_prefix("data: ").unwrap()).unwrap();
    assert_eq!(data["state"], "unavailable");
    assert_eq!(stage.state.edge().metrics.streams.get(), 1);
    let id = first.lines().nth(1).unwrap().strip_prefix("id: ").unwrap().to_owned();

    let clock = stage.clock.clone();
    let (beat, ()) = tokio::join!(next(), async { clock.advance(Duration::from_secs(16)) });
    assert_eq!(beat.unwrap(), ": still here\n\n");
    let (end, ()) = tokio::join!(next(), async { clock.advance(Duration::from_mins(1)) });
    assert_eq!(end, None, "the session token has expired");
    assert_eq!(stage.state.edge().metrics.streams.get(), 0);

    let ada = stage.bearer(Person::Ada);
    let again = [("authorization", ada.as_str()), ("last-event-id", id.as_str())];
    let response = stage.send(Method::GET, "/user/events", &again, Body::empty()).await;
    let mut stream = response.into_body().into_data_stream();
    assert_eq!(stream.next().await.unwrap().unwrap(), "retry: 3000\n\n");
    let (end, ()) = tokio::join!(stream.next(), async {
        tokio::task::yield_now().await;
        stage.stop.send(true).unwrap();
    });
    assert!(end.is_none(), "nothing new to say, and the server stops");
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_nobody_is_refused_and_the_server_is_not_ready() {
    let stage = stage().await;
    stage.clerk.set_fault(Surface::Jwks, Some(Fault::Down));
    let ada = stage.bearer(Person::Ada);
    for path in ["/user/profile", "/user/instagram/status", "/user/events"] {
        let (status, headers, body) = stage.get(path, &ada).await;
        assert_eq!((status.as_u16(), &body["code"]), (503, &json!("keys-unavailable")), "{path}");
        assert_eq!(body["source"], "clerk");
        assert!(headers.contains_key("retry-after") && !headers.contains_key("www-authenticate"));
    }
    let (status, _, body) = read(stage.send(Method::GET, "/readyz", &[], Body::empty()).await).await;
    assert_eq!((status.as_u16(), &body["checks"][0]["ok"]), (503, &json!(false)), "{body}");
    assert_eq!(stage.send(Method::GET, "/healthz", &[], Body::empty()).await.status(), 200);

    stage.clerk.set_fault(Surface::Jwks, None);
    stage.clock.advance(Duration::from_secs(35));
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    assert_eq!(stage.send(Method::GET, "/readyz", &[], Body::empty()).await.status(), 200);
}

#[tokio::test]
async fn every_token_of_the_corpus_has_one_verdict_on_all_protected_routes() {
    let stage = stage().await;
    assert_eq!(stage.get("/user/profile", &stage.bearer(Person::Ada)).await.0, 200);
    let document = super::super::document("https://api.example.com");
    let reads = ["/user/profile", "/user/instagram/status", "/user/instagram/history", "/user/events"];
    for path in reads {
        assert!(document["paths"][path]["get"].is_object(), "{path}");
    }
    let mut judged = 0;
    for token in stage.clerk.corpus(Person::Ada, ORIGIN).unwrap() {
        let value = format!("Bearer {}", token.token);
        let mut verdicts = Vec::new();
        for path in reads {
            let headers = [("authorization", value.as_str())];
            let request =
                Request::builder().uri(path).header("host", "x").header("authorization", headers[0].1);
            // What is not even a header value cannot be sent.
            let Ok(request) = request.body(Body::empty()) else { continue };
            let response = stage.router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16();
            let code = if status == 200 { Value::Null } else { read(response).await.2["code"].clone() };
            verdicts.push((status, code));
        }
        verdicts.dedup();
        assert!(verdicts.len() <= 1, "{}: {verdicts:?}", token.name);
        judged += verdicts.len();
    }
    assert!(judged >= 100, "only {judged} tokens");
}
