//! The real routes over a real SQLite database, with tokens of the Clerk stand-in and keys fetched
//! from it.

mod bodies;
mod direct;
mod person;
mod public;
mod verdicts;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use clerk_session::OriginPattern;
use futures_util::StreamExt;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::super::admission::{Admission, RequestLimits};
use super::super::layers::Edge;
use super::super::metrics::Metrics;
use super::super::{AllowedOrigins, AppState, AppStateParts, Application, app, layers};
use super::openapi::operations;
use crate::caller::keys::{KeyServer, KeySource};
use crate::caller::service::{self, ServiceVerifier};
use crate::caller::{ClerkConfig, SessionVerifier, policy};
use crate::clerk::webhook::WebhookVerifier;
use crate::client_address::TrustedProxies;
use crate::clock::{ManualClock, SharedClock, from_millis};
use crate::connection::return_url::ReturnUrl;
use crate::connection::schedule::RefreshPolicy;
use crate::connections::journal::Journal;
use crate::connections::{Connections, Parts};
use crate::entropy::{SharedEntropy, SystemEntropy};
use crate::standard_webhooks::SigningKey;
use crate::standin::clerk::{Case, ClerkStandin, Fault, Person, Surface};
use crate::store::{NewServiceKey, Store, StoreOptions};
use crate::transport::ReqwestTransport;
use crate::users::Users;
use crate::vault::{KeyRing, Vault};

/// A server on a database of its own.
struct Stage {
    clerk: ClerkStandin,
    application: Application,
    state: AppState,
    clock: ManualClock,
    store: Store,
    service_key: SecretString,
    stop: CancellationToken,
    _directory: TempDir,
}

const ORIGIN: &str = "https://app.example.com";
const WEBHOOK_SECRET: &str = "whsec_c2VjcmV0LW9mLXRoZS10ZXN0cw==";

async fn stage() -> Stage {
    let clock = ManualClock::new(from_millis(1_790_000_000_000));
    let shared: SharedClock = Arc::new(clock.clone());
    let entropy: SharedEntropy = Arc::new(SystemEntropy);
    let clerk = ClerkStandin::start(shared.clone(), entropy.clone()).await.unwrap();
    let policy = policy(vec![clerk.issuer()], vec![OriginPattern::parse(ORIGIN).unwrap()]);
    let keys = KeySource::Fetched(vec![KeyServer::public(clerk.jwks_url())]);
    let config = ClerkConfig { policy, keys, kept_keys: None };
    let transport = Arc::new(ReqwestTransport::new().unwrap());
    let verifier = SessionVerifier::new(config, transport, shared.clone()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    let store = Store::open(&StoreOptions::serve(url), shared.clone()).await.unwrap();
    store.migrate().await.unwrap();
    let ring = KeyRing::parse("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    let vault = Vault::new(ring, entropy.clone());
    let sentinel = vault.prove(&[]).unwrap().expect("a new key");
    store.insert_sentinel(&sentinel).await.unwrap();
    let made = service::generate(&*entropy).unwrap();
    let key = NewServiceKey { id: uuid::Uuid::nil(), name: "app".to_owned(), hash: made.hash };
    store.insert_service_key(&key, from_millis(1_790_000_000_000)).await.unwrap();
    let stop = CancellationToken::new();
    let connections = Connections::new(Parts {
        check_interval: std::time::Duration::from_mins(1),
        store: store.clone(),
        vault: vault.clone(),
        provider: None,
        clock: shared.clone(),
        entropy: entropy.clone(),
        return_urls: [ReturnUrl::parse("https://app.example.com").unwrap()].into_iter().collect(),
        refresh: RefreshPolicy { min_age: Duration::from_hours(24), at: 0.5 },
        journal: Journal::none(),
    });
    let state = AppState::new(AppStateParts {
        edge: Arc::new(Edge {
            public_url: "https://api.example.com".to_owned(),
            clock: shared.clone(),
            entropy,
            metrics: Metrics::default(),
            admission: Admission::new(RequestLimits { in_all: 64, reserved: 0, per_address: None }),
            proxies: TrustedProxies::default(),
            request_timeout: Duration::from_secs(10),
            spans: crate::telemetry::traces::ServerSpans::off(),
        }),
        verifier: Arc::new(verifier),
        remedy_text: ToString::to_string,
        users: Users::new(store.clone(), None, shared.clone()),
        connections,
        store: store.clone(),
        vault,
        clerk_webhooks: Some(WebhookVerifier::new(
            vec![SigningKey::parse(WEBHOOK_SECRET).unwrap()],
            shared.clone(),
        )),
        service_verifier: ServiceVerifier::new(Arc::new(store.clone())),
        meta_secrets: vec!["app-secret".into()],
        leaving: CancellationToken::new(),
        assertion_key: None,
        stopping: stop.clone(),
        max_streams: crate::http::streams::MAX_IN_ALL,
    });
    let application = app(state.clone(), layers(Arc::clone(&state.edge), &AllowedOrigins::default()));
    Stage { clerk, application, state, clock, store, service_key: made.key, stop, _directory: directory }
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
        self.application.answer(request, None).await
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
