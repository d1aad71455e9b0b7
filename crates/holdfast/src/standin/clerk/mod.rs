//! A stand-in for Clerk: keys, session tokens, the Backend API and signed webhooks, over real HTTP
//! on loopback.
//!
//! What it speaks is what Clerk speaks (Frontend API, Backend API 2026-05-12, Svix deliveries);
//! what breaks it on demand is under `/v1/dev/`, and in process on [`ClerkStandin`].

mod corpus;
mod faults;
mod keys;
mod mint;
mod people;
mod routes;
mod server;
mod state;
mod webhooks;

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

pub use corpus::{Case, CorpusToken, Expectation};
pub use faults::{Fault, Rotation, Surface};
pub use keys::SigningKey;
pub use mint::{
    IGNORED_CATEGORY, LIFETIME_SECONDS, MACHINE_CATEGORY, Mint, NOT_BEFORE_SECONDS, SESSION_CATEGORY,
    TEMPLATE_CATEGORY,
};
pub use people::Person;
pub use webhooks::{Deliver, Delivered, EventKind};

use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use state::Shared;

/// The `kid` of a key in the JWKS that is not RSA, as Clerk's schema allows: to be skipped, not to
/// be choked on.
pub const UNSUPPORTED_KID: &str = "ins_2standinEdwardsCurve";

/// The stand-in could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StandinError {
    /// No port could be opened.
    #[error("no port could be opened: {0}")]
    Listen(#[from] std::io::Error),
    /// A key or a signature could not be made.
    #[error("the crypto library could not make a key or a signature")]
    Crypto,
    /// No randomness.
    #[error("the system could not deliver random bytes")]
    Entropy(#[from] crate::entropy::EntropyExhausted),
    /// JSON could not be written.
    #[error("JSON could not be written")]
    Json,
    /// The session is unknown or has ended.
    #[error("there is no such session, or it has ended")]
    NoSession,
    /// There is no such person, or the account is deleted.
    #[error("there is no such user")]
    NoUser,
    /// No kind of token has that name.
    #[error("there is no such kind of token")]
    NoCase,
    /// Webhooks have nowhere to go.
    #[error("no webhook target is set")]
    NoTarget,
}

/// A running stand-in; stops when dropped.
#[derive(Debug)]
pub struct ClerkStandin {
    shared: Arc<Shared>,
    address: SocketAddr,
    _stop: watch::Sender<()>,
}

impl ClerkStandin {
    /// Starts on a free port of 127.0.0.1.
    pub async fn start(clock: SharedClock, entropy: SharedEntropy) -> Result<Self, StandinError> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0)), clock, entropy).await
    }

    /// Starts on `address`.
    pub async fn start_on(
        address: SocketAddr,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Result<Self, StandinError> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let url = Url::parse(&format!("http://{address}")).map_err(|_| StandinError::Json)?;
        let shared = Arc::new(Shared::new(url, clock, entropy)?);
        let (stop, stopped) = watch::channel(());
        tokio::spawn(server::serve(listener, Arc::clone(&shared), stopped));
        Ok(Self { shared, address, _stop: stop })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base address: `CLERK_API_URL`.
    pub fn url(&self) -> Url {
        self.shared.url.clone()
    }

    /// `iss` of its tokens: `CLERK_ISSUER`.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// `CLERK_JWKS_URL`. A publishable key cannot lead here: it stands for `https`.
    pub fn jwks_url(&self) -> Url {
        let mut url = self.url();
        url.set_path("/.well-known/jwks.json");
        url
    }

    /// `CLERK_SECRET_KEY`.
    pub fn secret_key(&self) -> SecretString {
        SecretString::from(self.shared.secret_key.as_str())
    }

    /// `CLERK_WEBHOOK_SIGNING_SECRET`.
    pub fn webhook_secret(&self) -> SecretString {
        SecretString::from(self.shared.webhook_secret.as_str())
    }

    /// `CLERK_JWT_KEY`: the present public key.
    pub fn jwt_key(&self) -> Result<String, StandinError> {
        self.shared.keys().key.pem()
    }

    /// Signs somebody in and gives the session id.
    pub fn sign_in(&self, person: Person) -> Result<String, StandinError> {
        self.shared.sign_in(person)
    }

    /// Ends a session. Its last token lives on until it expires, as with Clerk.
    pub fn sign_out(&self, session_id: &str) {
        self.shared.sign_out(session_id);
    }

    /// A session token, as a browser on `origin` gets it.
    pub fn token(&self, session_id: &str, origin: Option<&str>) -> Result<String, StandinError> {
        self.handed_out(self.shared.token(session_id, origin))
    }

    /// A token of a special kind, for `person` as seen from `origin`.
    pub fn mint(&self, case: &Case, person: Person, origin: &str) -> Result<String, StandinError> {
        self.handed_out(self.shared.mint(case, person, origin))
    }

    /// A token made freely.
    pub fn mint_with(
        &self,
        person: Person,
        origin: Option<&str>,
        make: impl FnOnce(&Mint<'_>) -> Result<String, StandinError>,
    ) -> Result<String, StandinError> {
        self.handed_out(self.shared.mint_with(person, origin, make))
    }

    fn handed_out(&self, token: Result<String, StandinError>) -> Result<String, StandinError> {
        token.inspect(|token| self.shared.hand_out(token))
    }

    /// Its secrets, and every token that was made through this handle, for tests that look for
    /// leaks. Do not print it.
    pub fn issued_secrets(&self) -> Vec<SecretString> {
        [self.secret_key(), self.webhook_secret()].into_iter().chain(self.shared.handed_out()).collect()
    }

    /// Every kind of token, good and hostile, each for `person` as seen from `origin`.
    pub fn corpus(&self, person: Person, origin: &str) -> Result<Vec<CorpusToken>, StandinError> {
        Case::all()
            .map(|case| {
                let token = self.mint(case, person, origin)?;
                Ok(CorpusToken { name: case.name, token, expect: case.expect })
            })
            .collect()
    }

    /// Breaks a surface, or mends it with `None`.
    pub fn set_fault(&self, surface: Surface, fault: Option<Fault>) {
        self.shared.set_fault(surface, fault);
    }

    /// Replaces the signing key.
    pub fn rotate(&self, rotation: Rotation) -> Result<(), StandinError> {
        self.shared.rotate(rotation)
    }

    /// Sets its clock ahead of the shared one by `seconds`, or behind.
    pub fn skew(&self, seconds: i64) {
        self.shared.set_skew(seconds);
    }

    /// How often a surface was asked since the start.
    pub fn requests(&self, surface: Surface) -> u64 {
        self.shared.requests(surface)
    }

    /// How often its keys were asked for since the start.
    pub fn jwks_requests(&self) -> u64 {
        self.requests(Surface::Jwks)
    }

    /// Changes a person's first name, as their profile page would. No event is sent by itself.
    pub fn rename(&self, person: Person, first_name: &str) -> Timestamp {
        self.shared.rename(person, first_name)
    }

    /// Where webhooks go.
    pub fn set_webhook_target(&self, target: Url) {
        self.shared.set_webhook_target(target);
    }

    /// Sends a signed event about `person` as `deliver` says, and reports the answers in order.
    pub async fn send_webhook(
        &self,
        kind: EventKind,
        person: Person,
        deliver: Deliver,
    ) -> Result<Vec<Delivered>, StandinError> {
        webhooks::send(&self.shared, kind, person, deliver).await
    }
}
