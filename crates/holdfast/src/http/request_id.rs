//! Request ids: the caller's own where it is well formed, else a fresh one.

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use uuid::fmt::Simple;

use crate::entropy::{Entropy, new_id};

/// The header, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Never met: every id is plain text.
const UNKNOWN: &str = "unknown";

/// The id of a request: 1 to 64 of `A-Za-z0-9._-`, as the value of its header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's id, or a fresh one where it sent none, several, or one that is not well formed.
    pub fn of(headers: &HeaderMap, entropy: &dyn Entropy, now: Timestamp) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_well_formed(id.as_bytes()) => Self(id.clone()),
            _ => Self::fresh(entropy, now),
        }
    }

    fn fresh(entropy: &dyn Entropy, now: Timestamp) -> Self {
        let mut text = [0; Simple::LENGTH];
        let id = match new_id(entropy, now) {
            Ok(id) => HeaderValue::from_str(id.as_simple().encode_lower(&mut text)),
            // Without randomness the time has to serve as an id: the request must be answered.
            Err(_) => HeaderValue::from_str(&format!("t-{}", now.as_millisecond())),
        };
        Self(id.unwrap_or(HeaderValue::from_static(UNKNOWN)))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(self.0.as_bytes()).unwrap_or(UNKNOWN)
    }

    /// The id as the value of the answer's header.
    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    fn of(sent: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for each in sent {
            headers.append(X_REQUEST_ID, HeaderValue::from_str(each).unwrap());
        }
        let now = crate::clock::from_millis(1_700_000_000_000);
        RequestId::of(&headers, &SeededEntropy::new(7), now).as_str().to_owned()
    }

    #[test]
    fn a_well_formed_id_is_kept() {
        let longest = "a".repeat(64);
        for id in ["a", "0", "req-1.2_3", longest.as_str(), "019364a2-7b1c-7000-8000-0123456789ab"] {
            assert_eq!(of(&[id]), id);
        }
    }

    #[test]
    fn anything_else_gets_a_fresh_one() {
        let too_long = "a".repeat(65);
        for sent in [&[""][..], &["a b"], &["a\"b"], &["<x>"], &["a;b"], &[&too_long], &["a", "a"], &[]] {
            let id = of(sent);
            assert_eq!(id.len(), 32, "{sent:?} gave {id}");
            assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        }
    }
}
