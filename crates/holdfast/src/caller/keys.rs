//! Where the public keys come from, and how they are fetched.

use std::fmt;
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
#[derive(Clone)]
pub enum KeySource {
    /// `CLERK_JWT_KEY`: pinned, needs no network.
    Pinned(String),
    /// A public JWKS address.
    Jwks {
        /// `CLERK_JWKS_URL`, or the Frontend API of the publishable key.
        url: Url,
        /// Where keys are fetched if that address gives none. `None` where the address was
        /// configured explicitly.
        otherwise: Option<Box<Self>>,
    },
    /// `/v1/jwks` of the Backend API.
    BackendApi(BackendKeys),
}

/// Access to the Backend API.
#[derive(Clone)]
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

impl fmt::Debug for BackendKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BackendApi").field(&self.base.host_str()).finish()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(_) => f.write_str("Pinned"),
            Self::Jwks { url, .. } => f.debug_tuple("Jwks").field(&url.host_str()).finish(),
            Self::BackendApi(api) => api.fmt(f),
        }
    }
}

/// The settings that a key source is chosen from.
#[derive(Debug, Clone)]
pub struct KeySettings {
    /// `CLERK_JWT_KEY`.
    pub jwt_key: Option<String>,
    /// `CLERK_JWKS_URL`.
    pub jwks_url: Option<Url>,
    /// Where the Frontend API lists its keys, the first asked first.
    pub frontend_apis: Vec<Url>,
    /// `CLERK_SECRET_KEY`.
    pub secret_key: Option<SecretKey>,
    /// `CLERK_API_URL`.
    pub api_url: Url,
}

impl KeySource {
    /// The most explicit source that the configuration has: the pinned key, the JWKS address, the
    /// publishable key (and behind it the secret key), the secret key. `None` where it has none of
    /// them.
    pub fn choose(settings: KeySettings) -> Option<Self> {
        let KeySettings { jwt_key, jwks_url, frontend_apis, secret_key, api_url } = settings;
        if let Some(pem) = jwt_key {
            return Some(Self::Pinned(pem));
        }
        let backend_api = secret_key.map(|secret_key| BackendKeys { base: api_url, secret_key });
        if let Some(url) = jwks_url {
            // The secret goes to the Backend API, and to no other host.
            let of_backend = backend_api.filter(|api| is_backend_jwks(&url) && same_origin(&url, &api.base));
            return Some(of_backend.map_or(Self::Jwks { url, otherwise: None }, Self::BackendApi));
        }
        frontend_apis.into_iter().rfold(backend_api.map(Self::BackendApi), |otherwise, url| {
            Some(Self::Jwks { url, otherwise: otherwise.map(Box::new) })
        })
    }
}

/// Whether that is the Backend API's JWKS address, which requires the secret key.
pub fn is_backend_jwks(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/v1/jwks")
}

/// Whether both addresses have the same origin.
pub fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Fetches a key set through the transport.
#[derive(Debug)]
pub(crate) struct JwksFetcher {
    /// Asked in this order until one gives keys.
    sources: Vec<Source>,
    transport: SharedTransport,
    /// What was given last.
    given: Lock<Option<Given>>,
}

#[derive(Debug)]
struct Source {
    request: Outgoing,
    /// Whose keys it gives, in words that tell no secret: at the Backend API the secret key decides.
    name: String,
}

/// Keys, and where they came from.
#[derive(Debug)]
struct Given {
    keys: KeySet,
    source: String,
    at: Timestamp,
}

impl Source {
    fn new(request: Outgoing) -> Self {
        let mut name = request.url.to_string();
        if let Some(authorization) = request.headers.get(header::AUTHORIZATION) {
            let secret = hmac::Key::new(hmac::HMAC_SHA256, authorization.as_bytes());
            let whose = hmac::sign(&secret, b"holdfast source of clerk keys");
            name = format!("{name} {}", STANDARD.encode(whose));
        }
        Self { request, name }
    }
}

impl JwksFetcher {
    /// A fetcher from that source, and from those behind it.
    pub(crate) fn new(source: &KeySource, transport: SharedTransport) -> Self {
        let (mut sources, mut next) = (Vec::new(), Some(source));
        while let Some(source) = next.take() {
            match source {
                KeySource::Pinned(_) => {}
                KeySource::BackendApi(api) => sources.push(Source::new(api.keys())),
                KeySource::Jwks { url, otherwise } => {
                    sources.push(Source::new(public_keys(url.clone())));
                    next = otherwise.as_deref();
                }
            }
        }
        Self { sources, transport, given: Lock::default() }
    }

    /// The names of the sources that it asks.
    pub(super) fn sources(&self) -> Vec<&str> {
        self.sources.iter().map(|source| &*source.name).collect()
    }

    /// Notes keys as given by that source: in this process, or in one before.
    pub(super) fn note(&self, source: &str, keys: KeySet, at: Timestamp) {
        *self.given.lock() = Some(Given { keys, source: source.to_owned(), at });
    }

    /// A document with keys, and the name of its source.
    pub(crate) async fn get(&self, now: Timestamp) -> Result<(Fetched, &str), FetchError> {
        let mut first = None;
        for source in &self.sources {
            let host = source.request.url.host_str();
            match self.ask(&source.request).await {
                Ok((fetched, keys)) if first.is_none() || self.may_stand_in(source, &keys, now) => {
                    self.note(&source.name, keys, now);
                    return Ok((fetched, &source.name));
                }
                Ok(_) => tracing::error!(
                    host,
                    "this host has the keys of another Clerk instance, none of the present ones, and they are not used: \
                     CLERK_PUBLISHABLE_KEY, CLERK_SECRET_KEY and CLERK_PROXY_URL must be of one instance"
                ),
                Err(error) => {
                    if self.sources.len() > 1 {
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
    fn may_stand_in(&self, source: &Source, offered: &KeySet, now: Timestamp) -> bool {
        let given = self.given.lock();
        let Some(given) = &*given else { return true };
        let shares_a_name = || given.keys.kids().any(|kid| offered.kids().any(|each| each == kid));
        given.source == source.name
            || now > after(given.at, CacheOptions::default().max_age)
            || offered.shares_a_key_with(&given.keys)
            || shares_a_name()
    }

    async fn ask(&self, request: &Outgoing) -> Result<(Fetched, KeySet), FetchError> {
        let answer = self.transport.send(request.clone()).await.map_err(|error| match error {
            TransportError::TooLarge => FetchError::TooLarge,
            TransportError::Crowded
            | TransportError::Connect
            | TransportError::Certificate(_)
            | TransportError::Timeout
            | TransportError::Broken
            | TransportError::NoRoots
            | TransportError::Unsendable => {
                let host = request.url.host_str().unwrap_or_default();
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
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
                if request.headers.contains_key(header::AUTHORIZATION) =>
            {
                Err(FetchError::SecretKeyInvalid)
            }
            other => Err(FetchError::Status(other.as_u16())),
        }
    }
}

#[cfg(test)]
mod tests;
