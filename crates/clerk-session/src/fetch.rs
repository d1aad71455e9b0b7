//! Getting a JWKS document, and what can go wrong about it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use crate::keys::JwksError;

/// Gets the JWKS document. The implementation limits time and size, asks caches on the way for
/// nothing stored (`Cache-Control: no-cache`), and says how old a copy it got all the same.
///
/// ```
/// use std::future::Future;
/// use std::pin::Pin;
///
/// use clerk_session::{FetchError, FetchJwks, Fetched};
///
/// # /// Status, `Age` header and body.
/// # async fn get(_: &str) -> std::io::Result<(u16, Option<String>, Vec<u8>)> {
/// #     Ok((200, None, Vec::new()))
/// # }
/// struct ByMyClient {
///     url: String,
/// }
///
/// impl FetchJwks for ByMyClient {
///     fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
///         Box::pin(async move {
///             let (status, age, body) =
///                 get(&self.url).await.map_err(|error| FetchError::NoAnswer(error.to_string()))?;
///             if status != 200 {
///                 return Err(FetchError::Status(status));
///             }
///             Ok(Fetched::with_age(body, age.as_deref()))
///         })
///     }
/// }
/// ```
pub trait FetchJwks: Send + Sync + 'static {
    /// The document.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>>;
}

/// A JWKS document as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fetched {
    /// Its bytes.
    pub document: Vec<u8>,
    /// For how long a cache on the way had kept it. Zero: it comes from its origin, or the cache
    /// did not tell.
    pub age: Duration,
}

impl Fetched {
    /// The document, `age` old by the answer's `Age` header (RFC 9111 §5.1), where it has one. A
    /// value that is no number of seconds counts as none.
    #[must_use]
    pub fn with_age(document: Vec<u8>, age: Option<&str>) -> Self {
        let seconds = age.map(str::trim).filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let age = seconds.and_then(|text| text.parse().ok()).map(Duration::from_secs);
        Self { document, age: age.unwrap_or_default() }
    }
}

impl From<Vec<u8>> for Fetched {
    fn from(document: Vec<u8>) -> Self {
        Self { document, age: Duration::ZERO }
    }
}

/// No document came.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// No complete answer: refused, timed out, broken.
    #[error("no answer: {0}")]
    NoAnswer(String),
    /// The answer has another status than 200.
    #[error("the answer has status {0}")]
    Status(u16),
    /// The secret key was not accepted (Clerk's `clerk_key_invalid`).
    #[error("Clerk does not accept the secret key")]
    SecretKeyInvalid,
    /// The answer is not a usable JWKS.
    #[error(transparent)]
    Document(#[from] JwksError),
    /// Larger than [`CacheOptions::max_document`](crate::CacheOptions::max_document).
    #[error("the answer is too large")]
    TooLarge,
}
