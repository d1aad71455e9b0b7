//! A stand-in for Instagram: consent page, code exchange, tokens, `/me`, a few Graph paths, and
//! callbacks.
//!
//! It keeps Instagram's rules (codes work once and for an hour, short-lived tokens for an hour,
//! long-lived ones for sixty days and refreshable from the second day on) and breaks them on
//! demand: see [`Fault`]. Controlled in process through [`InstagramStandin`], and over HTTP below
//! `/dev/`.

mod body;
mod callbacks;
mod consent;
mod dev;
mod fault;
mod graph;
mod oauth;
mod people;
mod picture;
mod preview;
mod reply;
mod shared;
mod world;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use secrecy::SecretString;
use serde::Serialize;
use url::Url;

use super::server::Server;
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::lock::Lock;
use crate::transport::SharedTransport;
pub use callbacks::{CallbackError, Delivered};
pub use consent::{Decision, decide};
pub use fault::{Effect, Endpoint, Fault};
pub use people::{Person, everybody};
pub use preview::Preview;
use shared::{Setup, Shared};
pub use world::{Armed, Call, IssuedGrant, TokenKind, UsageFigures};
use world::{Scripted, World};

/// The form of answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReplyShape {
    /// As observed: flat, a numeric `user_id`, an array of permissions.
    #[default]
    Live,
    /// As documented: in a `data` envelope, string ids, permissions in one string.
    Documented,
}

/// What refreshing does to the token. Meta does not document which is true.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RefreshWorld {
    /// The same string, living longer.
    SameToken,
    /// A new string; the old one works on until its time is over.
    #[default]
    BothValid,
    /// A new string; the old one is dead.
    OldDies,
}

/// How the stand-in is set up. What may change while it runs has a method of [`InstagramStandin`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The app's name, for the consent page.
    pub app_name: String,
    /// The app's id.
    pub app_id: String,
    /// The app's secret; also signs callbacks.
    pub app_secret: SecretString,
    /// The form of answers.
    pub shape: ReplyShape,
    /// What refreshing does.
    pub refresh_world: RefreshWorld,
    /// Who has an account.
    pub people: Vec<Person>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            app_name: "Holdfast demo".to_owned(),
            app_id: "1234567890123456".to_owned(),
            app_secret: SecretString::from("5ec0e7a9d0f7be57a4d1ac0ffee0c0de"),
            shape: ReplyShape::default(),
            refresh_world: RefreshWorld::default(),
            people: everybody(),
        }
    }
}

/// A running stand-in. Dropping it ends it.
pub struct InstagramStandin {
    shared: Arc<Shared>,
    server: Server,
}

impl fmt::Debug for InstagramStandin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstagramStandin").field("url", &self.server.url().as_str()).finish_non_exhaustive()
    }
}

/// The name is of no account here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no account here has the id or handle {0:?}")]
pub struct NoSuchAccount(pub String);

/// An account as it may be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountView {
    /// Whose.
    #[serde(flatten)]
    pub person: Person,
    /// Whether it may be connected.
    pub eligible: bool,
    /// Tokens issued for it, oldest first.
    pub grants: Vec<IssuedGrant>,
    /// What is armed against it alone.
    pub faults: Vec<Armed>,
}

impl InstagramStandin {
    /// Starts it on a loopback address; port 0 for any. `transport` carries the callbacks to the
    /// app.
    pub async fn start(
        address: SocketAddr,
        options: Options,
        clock: SharedClock,
        entropy: SharedEntropy,
        transport: SharedTransport,
    ) -> io::Result<Self> {
        let setup = Setup { shape: options.shape, refresh_world: options.refresh_world, ..Setup::default() };
        let world = Lock::new(World::new(options.people.clone()));
        let shared = Arc::new(Shared { options, clock, entropy, transport, world, setup: Lock::new(setup) });
        let server = Server::start(address, router(shared.clone())).await?;
        shared.setup().root = Some(server.url().clone());
        Ok(Self { shared, server })
    }

    /// The root: what `INSTAGRAM_API_URL` and `INSTAGRAM_GRAPH_URL` are set to.
    pub fn url(&self) -> &Url {
        self.server.url()
    }

    /// The consent page: what `INSTAGRAM_AUTHORIZE_URL` is set to.
    pub fn authorize_url(&self) -> Url {
        let mut url = self.server.url().clone();
        url.set_path("/oauth/authorize");
        url
    }

    /// The app as it is registered here.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Registers an address to come back to. Until the first, every loopback address will do.
    pub fn register_redirect_uri(&self, redirect_uri: Url) {
        self.shared.setup().redirect_uris.push(redirect_uri);
    }

    /// Where to send deauthorizations and deletion requests.
    pub fn set_callbacks(&self, deauthorize: Option<Url>, data_deletion: Option<Url>) {
        let mut setup = self.shared.setup();
        setup.deauthorize_url = deauthorize;
        setup.data_deletion_url = data_deletion;
    }

    /// Changes what refreshing does.
    pub fn set_refresh_world(&self, world: RefreshWorld) {
        self.shared.setup().refresh_world = world;
    }

    /// Changes what the usage headers say; nothing by default.
    pub fn set_usage(&self, usage: UsageFigures) {
        self.shared.world().usage = usage;
    }

    /// Sets a fault for one account (any id, or the handle) or for everybody, until cleared.
    pub fn set_fault(&self, account: Option<&str>, fault: Fault) -> Result<(), NoSuchAccount> {
        self.arm(account, fault, None, None)
    }

    /// Sets a fault for the next `times` requests (`None`: until cleared) at one endpoint or
    /// wherever it can occur. Faults that kill tokens do so at once.
    pub fn arm(
        &self,
        account: Option<&str>,
        fault: Fault,
        endpoint: Option<Endpoint>,
        times: Option<u32>,
    ) -> Result<(), NoSuchAccount> {
        self.shared.arm(account, fault, endpoint, times)
    }

    /// Answers the next `times` requests (`None`: until cleared) at one endpoint with exactly that.
    pub fn script(
        &self,
        account: Option<&str>,
        endpoint: Endpoint,
        status: u16,
        body: impl Into<String>,
        times: Option<u32>,
    ) -> Result<(), NoSuchAccount> {
        let account = account.map(|name| self.shared.account_id(name)).transpose()?;
        self.shared.world().script(Scripted { account, endpoint, status, body: body.into(), times });
        Ok(())
    }

    /// The person changes handle and display name, and with them the picture.
    pub fn rename(&self, account: &str, username: &str, name: &str) -> Result<(), NoSuchAccount> {
        let id = self.shared.account_id(account)?;
        self.shared.world().rename(&id, username, name);
        Ok(())
    }

    /// Clears the armed faults of one account, or all faults, and what is scripted. The dead stay
    /// dead.
    pub fn clear(&self, account: Option<&str>) -> Result<(), NoSuchAccount> {
        self.shared.clear(account)
    }

    /// What is armed.
    pub fn armed(&self) -> Vec<Armed> {
        self.shared.world().armed().to_vec()
    }

    /// The latest requests, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.world().calls()
    }

    /// How many requests there were since the start.
    pub fn call_counts(&self) -> BTreeMap<Endpoint, u64> {
        self.shared.world().counts()
    }

    /// The tokens of an account, oldest first, without their strings.
    pub fn grants_of(&self, account: &str) -> Result<Vec<IssuedGrant>, NoSuchAccount> {
        let now = self.shared.clock.now();
        let id = self.shared.account_id(account)?;
        Ok(self.shared.world().grants_of(&id, now))
    }

    /// Every account.
    pub fn accounts(&self) -> Vec<AccountView> {
        self.shared.accounts()
    }

    /// Every code and token ever issued, for tests that look for leaks. Do not print it.
    pub fn issued_secrets(&self) -> Vec<SecretString> {
        self.shared.world().secrets().into_iter().map(SecretString::from).collect()
    }

    /// The person removes the app, and Instagram says so to the deauthorize callback.
    pub async fn deauthorize(&self, account: &str) -> Result<Delivered, CallbackError> {
        self.shared.deauthorize(account).await
    }

    /// The person asks Instagram to have the app delete their data.
    pub async fn request_deletion(&self, account: &str) -> Result<Delivered, CallbackError> {
        self.shared.request_deletion(account).await
    }

    /// Stops it: requests under way have a second to finish.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

/// The routes. They are Instagram's, not ours, so our router's division into protected and public
/// does not apply.
#[expect(clippy::disallowed_methods, reason = "these are Instagram's routes, not the service's")]
fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/oauth/authorize", get(consent::show).post(consent::submit))
        .route("/oauth/access_token", post(oauth::redeem))
        .route("/access_token", get(oauth::exchange))
        .route("/refresh_access_token", get(oauth::refresh))
        .route("/pictures/{id}/{file}", get(picture::show))
        .fallback(graph::call)
        .with_state(shared.clone())
        .nest("/dev", dev::router(shared))
}

/// The value of a query or form field.
fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(each, _)| each == name).map_or("", |(_, value)| value.as_str())
}

fn fields(encoded: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(encoded).into_owned().collect()
}

fn not_found(error: &NoSuchAccount) -> Response {
    (StatusCode::NOT_FOUND, axum::Json(serde_json::json!({ "error": error.to_string() }))).into_response()
}
