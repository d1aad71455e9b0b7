//! Where the public keys come from, and how they are fetched.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_session::{CacheOptions, FetchError, Fetched, KeySet};
use http::{HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use url::Url;

use crate::clock::after;
use crate::lock::Lock;
use crate::transport::{Outgoing, SharedTransport, TransportError};

/// The Backend API version that we ask for.
const API_VERSION: &str = "2026-05-12";

/// A key set is fetched within this time or not at all.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(3);

/// Where the public keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// `CLERK_JWT_KEY`: pinned, needs no network.
    Pinned(String),
    /// The first of these that gives keys.
    Fetched(Vec<KeyServer>),
}

/// A server that lists public keys.
#[derive(Debug, Clone)]
pub struct KeyServer {
    request: Outgoing,
    /// Whose keys it gives, in words that tell no secret. At the Backend API the secret key
    /// decides.
    name: String,
}

impl KeyServer {
    /// A public JWKS address.
    pub fn public(url: Url) -> Self {
        Self { name: url.to_string(), request: public_keys(url) }
    }

    /// `/v1/jwks` of the Backend API.
    pub fn backend(api: &BackendKeys) -> Self {
        let request = api.keys();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, api.secret_key.bearer().as_bytes());
        let whose = hmac::sign(&secret, b"holdfast source of clerk keys");
        let name = format!("{} {}", request.url, STANDARD.encode(whose));
        Self { request, name }
    }

    /// Its address.
    pub(crate) fn url(&self) -> &Url {
        &self.request.url
    }

    /// Whether it answers to the secret key alone.
    pub(crate) fn wants_secret(&self) -> bool {
        self.request.headers.contains_key(header::AUTHORIZATION)
    }
}

/// Access to the Backend API.
#[derive(Debug, Clone)]
pub struct BackendKeys {
    /// `CLERK_API_URL`, without `/v1`.
    pub base: Url,
    /// `CLERK_SECRET_KEY`.
    pub secret_key: SecretKey,
}

/// `CLERK_SECRET_KEY`, as the header that it is sent in.
#[derive(Debug, Clone)]
pub struct SecretKey(HeaderValue);

impl SecretKey {
    /// `None` where a character cannot stand in a header.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", text.trim())).ok()?;
        // So that no log shows it.
        bearer.set_sensitive(true);
        Some(Self(bearer))
    }

    /// The value of `Authorization`.
    pub fn bearer(&self) -> &HeaderValue {
        &self.0
    }

    /// Whether it is of a production instance.
    pub fn is_live(&self) -> bool {
        [&b"Bearer sk_live_"[..], b"Bearer live_"].iter().any(|start| self.0.as_bytes().starts_with(start))
    }
}

impl BackendKeys {
    /// A GET of `path` below `/v1`.
    pub(crate) fn request(&self, path: &[&str]) -> Outgoing {
        let mut url = self.base.clone();
        // Fails only for addresses such as `mailto:`, which the transport then cannot send to.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("v1").extend(path);
        }
        let mut request = Outgoing::new(Method::GET, url);
        request.headers.insert(header::AUTHORIZATION, self.secret_key.bearer().clone());
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        request.headers.insert("clerk-api-version", HeaderValue::from_static(API_VERSION));
        request
    }

    /// The request for its keys.
    pub(crate) fn keys(&self) -> Outgoing {
        for_keys(self.request(&["jwks"]))
    }
}

/// The request for the keys at a public address.
pub(crate) fn public_keys(url: Url) -> Outgoing {
    let mut request = Outgoing::new(Method::GET, url);
    request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    for_keys(request)
}

fn for_keys(mut request: Outgoing) -> Outgoing {
    request.timeout = FETCH_TIMEOUT;
    request.max_answer = CacheOptions::default().max_document;
    // A stored copy may lack the key that we ask for.
    request.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    request.named("{jwks_url}")
}

/// Fetches a key set through the transport.
#[derive(Debug)]
pub(crate) struct JwksFetcher {
    /// Asked in this order until one gives keys.
    servers: Vec<KeyServer>,
    transport: SharedTransport,
    /// What was given last.
    given: Lock<Option<Given>>,
}

/// Keys, and where they came from.
#[derive(Debug)]
struct Given {
    keys: KeySet,
    source: String,
    at: Timestamp,
}

impl JwksFetcher {
    pub(crate) fn new(servers: Vec<KeyServer>, transport: SharedTransport) -> Self {
        Self { servers, transport, given: Lock::default() }
    }

    /// The names of the servers that it asks.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.servers.iter().map(|server| &*server.name).collect()
    }

    /// Notes keys as given by that source: in this process, or in one before.
    pub(super) fn note(&self, source: &str, keys: KeySet, at: Timestamp) {
        *self.given.lock() = Some(Given { keys, source: source.to_owned(), at });
    }

    /// A document with keys, and the name of its source.
    pub(crate) async fn get(&self, now: Timestamp) -> Result<(Fetched, &str), FetchError> {
        let mut first = None;
        for server in &self.servers {
            let host = server.url().host_str();
            match self.ask(server).await {
                Ok((fetched, keys)) if first.is_none() || self.may_stand_in(server, &keys, now) => {
                    self.note(&server.name, keys, now);
                    return Ok((fetched, &server.name));
                }
                Ok(_) => tracing::error!(
                    host,
                    "this host has the keys of another Clerk instance, none of the present ones, and they are not used: \
                     CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY and CLERK_PROXY_URL must be of one instance"
                ),
                Err(error) => {
                    if self.servers.len() > 1 {
                        tracing::warn!(host, %error, "Clerk's keys cannot be had from this host");
                    }
                    first.get_or_insert(error);
                }
            }
        }
        Err(first.unwrap_or_else(|| FetchError::NoAnswer("there is nobody to ask".to_owned())))
    }

    /// Whether keys of another source than the first may replace the present ones: not where those
    /// are good, and of another instance. An instance names its keys after itself, the new ones too.
    fn may_stand_in(&self, server: &KeyServer, offered: &KeySet, now: Timestamp) -> bool {
        let given = self.given.lock();
        let Some(given) = &*given else { return true };
        let shares_a_name = || given.keys.kids().any(|kid| offered.kids().any(|each| each == kid));
        given.source == server.name
            || now > after(given.at, CacheOptions::default().max_age)
            || offered.shares_a_key_with(&given.keys)
            || shares_a_name()
    }

    async fn ask(&self, server: &KeyServer) -> Result<(Fetched, KeySet), FetchError> {
        let answer = self.transport.send(server.request.clone()).await.map_err(|error| match error {
            TransportError::TooLarge => FetchError::TooLarge,
            TransportError::Crowded
            | TransportError::Connect
            | TransportError::Certificate(_)
            | TransportError::Timeout
            | TransportError::Broken
            | TransportError::NoRoots
            | TransportError::Unsendable => {
                let host = server.url().host_str().unwrap_or_default();
                let help = error.help().map_or_else(String::new, |help| format!("; {help}"));
                FetchError::NoAnswer(format!("{host}: {error}{help}"))
            }
        })?;
        match answer.status {
            StatusCode::OK => {
                let keys = KeySet::from_jwks(&answer.body)?.keys;
                let age = answer.headers.get(header::AGE).and_then(|value| value.to_str().ok());
                Ok((Fetched::with_age(answer.body.into(), age), keys))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if server.wants_secret() => {
                Err(FetchError::SecretKeyInvalid)
            }
            other => Err(FetchError::Status(other.as_u16())),
        }
    }
}

#[cfg(test)]
mod tests;
