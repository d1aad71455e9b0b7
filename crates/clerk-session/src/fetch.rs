//! Getting a JWKS document, and what can go wrong about it.

use std::future::Future;
use std::pin::Pin;

use crate::keys::JwksError;

/// Gets the JWKS document. The implementation limits time and size.
pub trait FetchJwks: Send + Sync + 'static {
    /// The bytes of the document.
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + '_>>;
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
