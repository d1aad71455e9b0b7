//! The outside world as a seam: every outgoing HTTP request goes through one [`Transport`].
//!
//! At most [`PER_HOST`] requests go to one host at once; further ones wait for a quarter of their
//! own time limit, so that one slow host cannot take the file handles that others need.
//!
//! A request's URL may carry a grant and the app secret (Instagram takes both in the query), so
//! neither [`Outgoing`] nor [`TransportError`] ever shows it.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::Url;

use crate::clock::{SystemClock, within};
use crate::lock::Lock;

/// Time after which an idle connection is closed: its buffer still holds the last request, and with
/// it a grant. The pool looks this often, so it is gone after twice as long.
const IDLE: Duration = Duration::from_secs(20);
/// Requests to one host at a time. Destinations come only from the configuration, so there are few
/// hosts.
pub const PER_HOST: usize = 48;

/// One HTTP exchange with a bounded answer, within a bounded time; redirects are not followed.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`. `Ok` means that an answer arrived in full, whatever its status.
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>>;
}

/// A transport shared by every part of the process.
pub type SharedTransport = Arc<dyn Transport>;

/// A request to somebody else's server.
#[derive(Clone)]
pub struct Outgoing {
    /// Method.
    pub method: Method,
    /// Full address; may carry secrets.
    pub url: Url,
    /// Headers; may carry secrets.
    pub headers: HeaderMap,
    /// Body; empty for none.
    pub body: Bytes,
    /// Time limit from the first byte sent to the last byte received.
    pub timeout: Duration,
    /// The question's name in traces: a template, never the address itself.
    pub route: Option<&'static str>,
    /// Whether the other side is ours, and is told which trace this is part of.
    pub continues_trace: bool,
    /// Larger answers are cut off as [`TransportError::TooLarge`]. In bytes; where it is 0, the body
    /// is left unread.
    pub max_answer: usize,
}

impl Outgoing {
    /// A request without headers or body, with the default limits of 8 s and 256 KiB: a person may
    /// be waiting, and our own answers take at most 10 s.
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(8),
            route: None,
            continues_trace: false,
            max_answer: 256 * 1024,
        }
    }

    /// The same with a name for what is asked.
    #[must_use]
    pub fn named(self, route: &'static str) -> Self {
        Self { route: Some(route), ..self }
    }
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("method", &self.method)
            .field("host", &self.url.host_str())
            .field("path", &self.url.path())
            .finish_non_exhaustive()
    }
}

/// What came back; the body may hold a grant and is not shown.
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// How long the other side asks us to wait: `Retry-After`, in seconds or as an HTTP date
    /// (RFC 9110, 10.2.3). A date is taken from the answer's own `Date`, so that neither clock must
    /// be right; without one from `now`. Unbounded; a date that is over is no wait.
    pub fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let stated = self.headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
        if !stated.is_empty() && stated.bytes().all(|each| each.is_ascii_digit()) {
            return Some(Duration::from_secs(stated.parse().unwrap_or(u64::MAX)));
        }
        let from = self.date(header::DATE).unwrap_or_else(|| now.into());
        Some(self.date(header::RETRY_AFTER)?.duration_since(from).unwrap_or_default())
    }

    /// A header's HTTP date (RFC 9110, 5.6.7).
    pub fn date(&self, name: HeaderName) -> Option<SystemTime> {
        httpdate::parse_http_date(self.headers.get(name)?.to_str().ok()?.trim()).ok()
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// No usable answer. Whether the other side acted on the request is unknown unless
/// [`TransportError::reached`] is false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// Too many of our own requests to that host are under way; nothing was sent.
    #[error("too many of our own requests are under way")]
    Crowded,
    /// No connection could be made, or not in time: name resolution, refusal, the TLS handshake.
    #[error("no connection could be made")]
    Connect,
    /// The other side's certificate is not accepted; nothing was sent.
    #[error("the certificate is not accepted: {0}")]
    Certificate(CertificateFault),
    /// The time ran out.
    #[error("no complete answer within the time limit")]
    Timeout,
    /// The connection broke before the answer was complete.
    #[error("the connection broke before the answer was complete")]
    Broken,
    /// The answer exceeds the limit for its size.
    #[error("the answer is larger than allowed")]
    TooLarge,
    /// TLS cannot be set up: nobody's certificate could be judged.
    #[error("no root certificates: install ca-certificates, or correct SSL_CERT_FILE")]
    NoRoots,
    /// The request could not be built.
    #[error("the request could not be built")]
    Unsendable,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// Its time is over.
    #[error("it has expired")]
    Expired,
    /// Its time has not come.
    #[error("it is not valid yet")]
    NotYetValid,
    /// It is for another host.
    #[error("it is for another host")]
    OtherHost,
    /// No trusted authority has signed it, or a certificate of the chain is missing.
    #[error("its issuer is unknown, or its chain is incomplete")]
    UnknownIssuer,
    /// It is that of an authority, as one that signed itself is.
    #[error("it is self-signed")]
    SelfSigned,
    /// Anything else.
    #[error("it is damaged, revoked, or for another purpose")]
    Unfit,
}

impl From<&rustls::CertificateError> for CertificateFault {
    fn from(error: &rustls::CertificateError) -> Self {
        use rustls::CertificateError as Error;
        match error {
            Error::Expired | Error::ExpiredContext { .. } => Self::Expired,
            Error::NotValidYet | Error::NotValidYetContext { .. } => Self::NotYetValid,
            Error::NotValidForName | Error::NotValidForNameContext { .. } => Self::OtherHost,
            Error::UnknownIssuer => Self::UnknownIssuer,
            // It has no name of its own.
            Error::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Self::SelfSigned,
            // The library's own enum, which grows.
            _ => Self::Unfit,
        }
    }
}

impl TransportError {
    /// The remedy, where the error's own words do not give it.
    pub fn help(self) -> Option<&'static str> {
        use CertificateFault as Fault;
        match self {
            Self::Connect => {
                Some("check name resolution, and that this process may connect to the outside over https")
            }
            Self::Certificate(Fault::Expired | Fault::NotYetValid) => {
                Some("correct this machine's clock, or have the certificate renewed")
            }
            Self::Certificate(Fault::OtherHost) => {
                Some("somebody else answers there: check name resolution, and what stands between")
            }
            Self::Certificate(Fault::UnknownIssuer | Fault::SelfSigned) => Some(
                "if a proxy of your own stands between, add its authority to the system's certificates, or name them in SSL_CERT_FILE of \
                 the server",
            ),
            Self::Certificate(Fault::Unfit)
            | Self::Crowded
            | Self::Timeout
            | Self::Broken
            | Self::TooLarge
            | Self::NoRoots
            | Self::Unsendable => None,
        }
    }

    /// Whether the other side may have received the request.
    pub fn reached(self) -> bool {
        match self {
            Self::Crowded | Self::Connect | Self::Certificate(_) | Self::NoRoots | Self::Unsendable => false,
            Self::Timeout | Self::Broken | Self::TooLarge => true,
        }
    }
}

/// The production transport: reqwest on rustls, no redirects, no proxies from the environment.
#[derive(Debug, Clone)]
pub struct ReqwestTransport {
    /// For http alone: it knows no root certificates, and so needs none.
    plain: reqwest::Client,
    /// Built when it is first needed; where that fails, the next request tries again.
    secure: Arc<OnceLock<reqwest::Client>>,
    turns: Arc<Lock<HashMap<String, Arc<Semaphore>>>>,
}

impl ReqwestTransport {
    /// A transport that reads the system's root certificates when it is first asked for https.
    pub fn new() -> Result<Self, TransportError> {
        let plain = Self::builder().tls_certs_only([]).build().map_err(|_| TransportError::Unsendable)?;
        Ok(Self { plain, secure: Arc::default(), turns: Arc::default() })
    }

    /// Whether the system's root certificates can be read.
    pub fn check_roots(&self) -> Result<(), TransportError> {
        self.client("https").map(drop)
    }

    fn client(&self, scheme: &str) -> Result<&reqwest::Client, TransportError> {
        if scheme == "http" {
            return Ok(&self.plain);
        }
        if let Some(client) = self.secure.get() {
            return Ok(client);
        }
        let client = Self::builder().build().map_err(|_| TransportError::NoRoots)?;
        Ok(self.secure.get_or_init(|| client))
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that builds an HTTP client")]
    fn builder() -> reqwest::ClientBuilder {
        // Nothing here reads another coding, and without a word any is allowed.
        let identity = HeaderValue::from_static("identity");
        reqwest::Client::builder()
            .default_headers(HeaderMap::from_iter([(header::ACCEPT_ENCODING, identity)]))
            .redirect(reqwest::redirect::Policy::none())
            // One for the whole machine would be asked about servers on this very machine.
            .no_proxy()
            .connect_timeout(Duration::from_secs(5))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(PER_HOST)
            .user_agent(concat!("holdfast/", env!("CARGO_PKG_VERSION")))
    }

    /// The right to ask that host; `None` where it did not come within `patience`.
    async fn turn(&self, url: &Url, patience: Duration) -> Option<OwnedSemaphorePermit> {
        let authority = url.authority().to_owned();
        let turns = {
            let mut all = self.turns.lock();
            Arc::clone(all.entry(authority).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST))))
        };
        // An error would mean that the semaphore was closed, which nobody does.
        within(patience, &SystemClock, turns.acquire_owned()).await?.ok()
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Outgoing) -> BoxFuture<'_, Result<Answer, TransportError>> {
        Box::pin(async move {
            let _turn = self.turn(&request.url, request.timeout / 4).await.ok_or(TransportError::Crowded)?;
            let mut response = self
                .client(request.url.scheme())?
                .request(request.method, request.url)
                .headers(request.headers)
                .body(request.body)
                .timeout(request.timeout)
                .send()
                .await
                .map_err(|error| classify(&error))?;
            let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
            let mut body = BytesMut::new();
            if request.max_answer == 0 {
                return Ok(Answer { status, headers, body: Bytes::new() });
            }
            while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error))? {
                if body.len() + chunk.len() > request.max_answer {
                    return Err(TransportError::TooLarge);
                }
                body.extend_from_slice(&chunk);
            }
            Ok(Answer { status, headers, body: body.freeze() })
        })
    }
}

/// Keeps the kind and drops the rest: a reqwest error prints the URL it failed on.
fn classify(error: &reqwest::Error) -> TransportError {
    // A connection that takes too long is both, and nothing was sent.
    if error.is_connect() {
        certificate_fault(error).map_or(TransportError::Connect, TransportError::Certificate)
    } else if error.is_timeout() {
        TransportError::Timeout
    } else if error.is_builder() {
        TransportError::Unsendable
    } else {
        TransportError::Broken
    }
}

/// The certificate fault that rustls reported, from anywhere in the chain of causes. An I/O error
/// holds it inside and leaves it out of its `source`.
fn certificate_fault(error: &(dyn std::error::Error + 'static)) -> Option<CertificateFault> {
    if let Some(rustls::Error::InvalidCertificate(found)) = error.downcast_ref() {
        return Some(found.into());
    }
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => certificate_fault(inner),
        None => error.source().and_then(certificate_fault),
    }
}

#[cfg(test)]
mod tests;
