//! Where the public keys come from, and how they are fetched.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::transport::{Outgoing, SharedTransport, TransportError};

/// The Backend API version that we ask for.
pub const API_VERSION: &str = "2026-05-12";

/// A key set is fetched within this time or not at all.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
/// A key set of Clerk is some kilobytes; certificates in it make it some tens.
pub const MAX_JWKS: usize = 256 * 1024;

/// Where the public keys come from.
#[derive(Clone)]
pub enum KeySource {
    /// `CLERK_JWT_KEY`: pinned, needs no network.
    Pinned(String),
    /// A public JWKS address: `CLERK_JWKS_URL`, or the Frontend API of the publishable key.
    Jwks(Url),
    /// `/v1/jwks` of the Backend API, with the secret key.
    BackendApi {
        /// `CLERK_API_URL`, without `/v1`.
        base: Url,
        /// `CLERK_SECRET_KEY`.
        secret_key: SecretString,
    },
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pinned(_) => f.write_str("Pinned"),
            Self::Jwks(url) => f.debug_tuple("Jwks").field(&url.host_str()).finish(),
            Self::BackendApi { base, .. } => f.debug_tuple("BackendApi").field(&base.host_str()).finish(),
        }
    }
}

/// What the configuration offers.
#[derive(Debug, Clone, Default)]
pub struct KeySettings {
    /// `CLERK_JWT_KEY`.
    pub jwt_key: Option<String>,
    /// `CLERK_JWKS_URL`.
    pub jwks_url: Option<Url>,
    /// The Frontend API's host, from `CLERK_PUBLISHABLE_KEY`.
    pub frontend_api: Option<String>,
    /// `CLERK_SECRET_KEY`.
    pub secret_key: Option<SecretString>,
    /// `CLERK_API_URL`.
    pub api_url: Option<Url>,
}

impl KeySource {
    /// The most explicit source that the configuration has: the pinned key, the JWKS address, the publishable key, the
    /// secret key. `None` where it has none of them, or a host that is no host.
    pub fn choose(settings: KeySettings) -> Option<Self> {
        let KeySettings { jwt_key, jwks_url, frontend_api, secret_key, api_url } = settings;
        if let Some(pem) = jwt_key {
            return Some(Self::Pinned(pem));
        }
        if let Some(url) = jwks_url {
            return Some(Self::Jwks(url));
        }
        if let Some(host) = frontend_api {
            return Url::parse(&format!("https://{host}/.well-known/jwks.json")).ok().map(Self::Jwks);
        }
        Some(Self::BackendApi { base: api_url?, secret_key: secret_key? })
    }
}

/// The key set could not be fetched. About Clerk, the network or our secret key; never about a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// No answer.
    #[error("no key set arrived: {0}")]
    Unreachable(TransportError),
    /// 401 or 403 on the secret key.
    #[error(
        "Clerk refuses CLERK_SECRET_KEY (HTTP {0}) and gives no key set: take it from the dashboard again"
    )]
    SecretRefused(u16),
    /// Any other status than 200.
    #[error("instead of a key set HTTP {0} arrived")]
    Status(u16),
    /// The secret key, or the address, cannot be sent.
    #[error("the request for the key set cannot be built: check CLERK_SECRET_KEY and CLERK_API_URL")]
    Unsendable,
}

/// Fetches the bytes of a key set from one source.
#[derive(Debug)]
pub(crate) struct JwksFetcher {
    url: Url,
    authorization: Option<HeaderValue>,
    transport: SharedTransport,
}

impl JwksFetcher {
    /// `None` for a pinned key, which is not fetched.
    pub(crate) fn new(source: &KeySource, transport: SharedTransport) -> Result<Option<Self>, JwksError> {
        let (url, authorization) = match source {
            KeySource::Pinned(_) => return Ok(None),
            KeySource::Jwks(url) => (url.clone(), None),
            KeySource::BackendApi { base, secret_key } => {
                let mut url = base.clone();
                url.path_segments_mut()
                    .map_err(|()| JwksError::Unsendable)?
                    .pop_if_empty()
                    .extend(["v1", "jwks"]);
                (url, Some(bearer(secret_key).ok_or(JwksError::Unsendable)?))
            }
        };
        Ok(Some(Self { url, authorization, transport }))
    }

    pub(crate) async fn fetch(&self) -> Result<Bytes, JwksError> {
        let mut request = Outgoing::new(Method::GET, self.url.clone());
        request.timeout = FETCH_TIMEOUT;
        request.max_answer = MAX_JWKS;
        request.headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            request.headers.insert(header::AUTHORIZATION, authorization.clone());
            request.headers.insert("clerk-api-version", HeaderValue::from_static(API_VERSION));
        }
        let answer = self.transport.send(request).await.map_err(JwksError::Unreachable)?;
        match answer.status {
            StatusCode::OK => Ok(answer.body),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.authorization.is_some() => {
                Err(JwksError::SecretRefused(answer.status.as_u16()))
            }
            other => Err(JwksError::Status(other.as_u16())),
        }
    }
}

/// `Bearer` and the secret key, marked so that no log shows it; `None` where a character cannot stand in a header.
pub(crate) fn bearer(secret_key: &SecretString) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", secret_key.expose_secret().trim())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> KeySettings {
        KeySettings {
            jwt_key: Some("pem".to_owned()),
            jwks_url: Url::parse("https://keys.example.com/jwks").ok(),
            frontend_api: Some("clerk.example.com".to_owned()),
            secret_key: Some(SecretString::from("sk_test_x")),
            api_url: Url::parse("https://api.clerk.com").ok(),
        }
    }

    #[test]
    fn the_most_explicit_source_wins() {
        let mut settings = everything();
        let chosen = |settings: &KeySettings| KeySource::choose(settings.clone());
        assert!(matches!(chosen(&settings), Some(KeySource::Pinned(_))));
        settings.jwt_key = None;
        assert!(
            matches!(chosen(&settings), Some(KeySource::Jwks(url)) if url.as_str() == "https://keys.example.com/jwks")
        );
        settings.jwks_url = None;
        assert!(matches!(chosen(&settings), Some(KeySource::Jwks(url))
            if url.as_str() == "https://clerk.example.com/.well-known/jwks.json"));
        settings.frontend_api = None;
        assert!(matches!(chosen(&settings), Some(KeySource::BackendApi { .. })));
        settings.secret_key = None;
        assert!(chosen(&settings).is_none());
    }

    #[test]
    fn no_secret_is_printed() {
        let value = bearer(&SecretString::from("sk_test_hidden\n")).unwrap();
        assert!(value.is_sensitive() && !format!("{value:?}").contains("hidden"));
        assert!(bearer(&SecretString::from("sk_\n_test")).is_none());
        let source = KeySource::BackendApi {
            base: Url::parse("https://api.clerk.com").unwrap(),
            secret_key: SecretString::from("sk_test_hidden"),
        };
        assert!(!format!("{source:?}").contains("hidden"));
    }
}
