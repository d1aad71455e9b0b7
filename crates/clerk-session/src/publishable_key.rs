//! The publishable key tells which Clerk instance a front end belongs to.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// A decoded publishable key: `pk_test_` or `pk_live_`, then base64 of the Frontend API's host and
/// a `$`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishableKey {
    host: String,
    live: bool,
}

/// A text that is not a publishable key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishableKeyError {
    /// A secret key.
    #[error("it is a secret key; the publishable key begins with pk_test_ or pk_live_")]
    SecretKey,
    /// Another beginning.
    #[error("a publishable key begins with pk_test_ or pk_live_")]
    Prefix,
    /// Not base64 of a host and a `$`.
    #[error("it is cut off or mistyped: copy it anew from the API keys page of the Clerk dashboard")]
    Content,
}

impl PublishableKey {
    /// Decodes a publishable key.
    pub fn parse(text: &str) -> Result<Self, PublishableKeyError> {
        if text.starts_with("sk_") {
            return Err(PublishableKeyError::SecretKey);
        }
        let (encoded, live) = match (text.strip_prefix("pk_test_"), text.strip_prefix("pk_live_")) {
            (Some(encoded), _) => (encoded, false),
            (None, Some(encoded)) => (encoded, true),
            (None, None) => return Err(PublishableKeyError::Prefix),
        };
        let bytes = STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded));
        let decoded =
            bytes.ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(PublishableKeyError::Content)?;
        let host = decoded.strip_suffix('$').ok_or(PublishableKeyError::Content)?;
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-');
        if !host.contains('.') || host.starts_with('.') || host.ends_with('.') || !host.bytes().all(plain) {
            return Err(PublishableKeyError::Content);
        }
        Ok(Self { host: host.to_owned(), live })
    }

    /// The Frontend API's host.
    pub fn frontend_api_host(&self) -> &str {
        &self.host
    }

    /// The `iss` of the instance's session tokens.
    pub fn issuer(&self) -> String {
        format!("https://{}", self.host)
    }

    /// Where the instance's keys are.
    pub fn jwks_url(&self) -> String {
        format!("https://{}/.well-known/jwks.json", self.host)
    }

    /// Whether it is a production instance.
    pub fn is_live(&self) -> bool {
        self.live
    }
}
