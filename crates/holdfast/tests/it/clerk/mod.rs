//! Everything about Clerk, through real HTTP against the stand-in, and against an emulator that
//! others wrote.

mod backend;
mod deliveries;
mod emulate;
mod logging;
mod service;
mod standin;
mod users;
mod verifier;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use holdfast::caller::keys::SecretKey;
use holdfast::clock::{Clock, ManualClock, SharedClock};
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::ClerkStandin;
use holdfast::store::{Store, StoreOptions};
use holdfast::transport::{Answer, Outgoing, ReqwestTransport, SharedTransport};
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tempfile::TempDir;
use url::Url;

use crate::testing::leaks::{self, Watch};
use crate::testing::waiting::PATIENCE;

/// The page that asks for tokens.
pub const ORIGIN: &str = "https://app.example.com";

/// A secret key as the configuration reads it.
pub fn as_read(secret: &SecretString) -> SecretKey {
    SecretKey::parse(secret.expose_secret()).unwrap()
}

/// A stand-in and the service's clock, which stands still until it is moved.
pub struct Clerk {
    pub standin: ClerkStandin,
    pub clock: Arc<ManualClock>,
    pub transport: SharedTransport,
    /// Searches the log when the test ends.
    _watch: Watch,
}

impl Drop for Clerk {
    fn drop(&mut self) {
        for issued in self.standin.issued_secrets() {
            leaks::secret_if_long(issued.expose_secret());
        }
    }
}

impl Clerk {
    pub async fn start() -> Self {
        let watch = Watch::start();
        let clock = Arc::new(ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap()));
        let standin =
            ClerkStandin::start(Arc::clone(&clock) as SharedClock, Arc::new(SystemEntropy)).await.unwrap();
        Self { standin, clock, transport: transport(), _watch: watch }
    }

    /// One request with a JSON body, as a page on `origin` makes it.
    pub async fn request(
        &self,
        method: Method,
        url: Url,
        origin: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Outgoing::new(method, url);
        if let Some(origin) = origin {
            request.headers.insert("origin", HeaderValue::from_str(origin).unwrap());
        }
        if let Some(body) = body {
            request.headers.insert("content-type", HeaderValue::from_static("application/json"));
            request.body = body.to_string().into();
        }
        request.timeout = PATIENCE;
        self.transport.send(request).await.unwrap()
    }

    pub fn shared_clock(&self) -> SharedClock {
        Arc::clone(&self.clock) as SharedClock
    }

    pub fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub fn now(&self) -> i64 {
        self.clock.now().as_second()
    }
}

/// A database that is gone with the test.
pub struct Database {
    pub store: Store,
    _directory: TempDir,
}

impl Database {
    pub async fn new(clock: SharedClock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("holdfast.db").display());
        let store = Store::open(&StoreOptions::serve(url), clock).await.unwrap();
        store.migrate().await.unwrap();
        Self { store, _directory: directory }
    }
}

/// The production transport.
pub fn transport() -> SharedTransport {
    Arc::new(ReqwestTransport::new().unwrap())
}
