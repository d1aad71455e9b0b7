//! Service keys: how the app's own backend says who it is.
//!
//! A key is `hf_sk_` and 256 random bits. Only its SHA-256 is stored, and keys are looked up by it:
//! the secret itself is never compared, so no comparison can be timed.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::BoxFuture;
use secrecy::SecretString;
use uuid::Uuid;

use super::OwnerId;
use crate::digest::sha256;
use crate::entropy::{Entropy, EntropyExhausted, random};

/// What every service key begins with.
pub const PREFIX: &str = "hf_sk_";

/// Characters after the prefix: 32 bytes in base64url without padding.
const ENCODED: usize = 43;

/// A new service key; shown once, when it is made.
#[derive(Debug)]
pub struct NewServiceKeySecret {
    /// `hf_sk_…`.
    pub key: SecretString,
    /// Its SHA-256, which is stored.
    pub hash: [u8; 32],
}

/// Makes a service key.
pub fn generate(entropy: &dyn Entropy) -> Result<NewServiceKeySecret, EntropyExhausted> {
    let key = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random::<32>(entropy)?));
    Ok(NewServiceKeySecret { hash: hash(&key), key: SecretString::from(key) })
}

/// The hash under which a service key is stored and found.
pub fn hash(key: &str) -> [u8; 32] {
    sha256(key.as_bytes())
}

/// A stored service key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownServiceKey {
    /// Its id, for logs.
    pub id: Uuid,
    /// Whether it was revoked.
    pub revoked: bool,
}

/// The stored keys could not be read. Never a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the service keys cannot be read")]
pub struct ServiceKeysUnavailable {
    /// When to ask again.
    pub retry_after: Duration,
}

/// Where service keys are stored.
pub trait ServiceKeys: Debug + Send + Sync + 'static {
    /// The key of that hash, revoked or not.
    fn find<'a>(
        &'a self,
        hash: &'a [u8; 32],
    ) -> BoxFuture<'a, Result<Option<KnownServiceKey>, ServiceKeysUnavailable>>;
}

/// The app's own backend, proven by a service key. It acts for any user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceCaller {
    key: KnownServiceKey,
}

impl ServiceCaller {
    /// The key's id, for logs.
    pub fn key_id(&self) -> Uuid {
        self.key.id
    }

    /// The user this backend asks for; `None` where the id is not one of Clerk's.
    pub fn owner(&self, user_id: &str) -> Option<OwnerId> {
        OwnerId::parse(user_id)
    }
}

/// What came of judging a service key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceJudgement {
    /// Genuine.
    Caller(ServiceCaller),
    /// 401.
    Refused(ServiceRefusal),
    /// 400: several `Authorization` headers.
    MultipleCredentials,
    /// 503.
    CannotJudge {
        /// When to ask again.
        retry_after: Duration,
    },
}

/// Why a service key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServiceRefusal {
    /// No credential at all, or one of another scheme than `Bearer`.
    Missing,
    /// A service key without the word `Bearer` before it.
    NoScheme,
    /// A credential, but not `Bearer hf_sk_…`.
    NotAServiceKey,
    /// A session token was sent.
    SessionToken,
    /// Nobody has that key.
    Unknown,
    /// It was revoked.
    Revoked,
}

/// Judges service keys.
#[derive(Debug, Clone)]
pub struct ServiceVerifier {
    keys: Arc<dyn ServiceKeys>,
}

impl ServiceVerifier {
    /// Judges by the keys stored there.
    pub fn new(keys: Arc<dyn ServiceKeys>) -> Self {
        Self { keys }
    }

    /// Judges all values of the request's `Authorization` header.
    pub async fn judge(&self, authorization: &[&[u8]]) -> ServiceJudgement {
        let value = match authorization {
            [] => return ServiceJudgement::Refused(ServiceRefusal::Missing),
            [only] => only,
            [_, _, ..] => return ServiceJudgement::MultipleCredentials,
        };
        let key = match credential(value) {
            Ok(key) => key,
            Err(refusal) => return ServiceJudgement::Refused(refusal),
        };
        match self.keys.find(&hash(key)).await {
            Ok(Some(key)) if key.revoked => ServiceJudgement::Refused(ServiceRefusal::Revoked),
            Ok(Some(key)) => ServiceJudgement::Caller(ServiceCaller { key }),
            Ok(None) => ServiceJudgement::Refused(ServiceRefusal::Unknown),
            Err(ServiceKeysUnavailable { retry_after }) => ServiceJudgement::CannotJudge { retry_after },
        }
    }
}

/// The key of a `Bearer` value. The scheme's case does not matter (RFC 9110, 11.1).
fn credential(value: &[u8]) -> Result<&str, ServiceRefusal> {
    let text = str::from_utf8(value).map_err(|_| ServiceRefusal::NotAServiceKey)?.trim();
    let (scheme, credential) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    let credential = credential.trim_start();
    if scheme.starts_with(PREFIX) {
        return Err(ServiceRefusal::NoScheme);
    }
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(ServiceRefusal::Missing);
    }
    match credential.strip_prefix(PREFIX) {
        Some(encoded)
            if encoded.len() == ENCODED
                && encoded.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') =>
        {
            Ok(credential)
        }
        None if credential.split('.').count() == 3 => Err(ServiceRefusal::SessionToken),
        Some(_) | None => Err(ServiceRefusal::NotAServiceKey),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;
    use crate::entropy::SeededEntropy;

    #[derive(Debug)]
    struct Keys(Vec<([u8; 32], KnownServiceKey)>);

    impl ServiceKeys for Keys {
        fn find<'a>(
            &'a self,
            hash: &'a [u8; 32],
        ) -> BoxFuture<'a, Result<Option<KnownServiceKey>, ServiceKeysUnavailable>> {
            let found = self.0.iter().find(|(known, _)| known == hash).map(|(_, key)| key.clone());
            Box::pin(std::future::ready(Ok(found)))
        }
    }

    #[derive(Debug)]
    struct Broken;

    impl ServiceKeys for Broken {
        fn find<'a>(
            &'a self,
            _: &'a [u8; 32],
        ) -> BoxFuture<'a, Result<Option<KnownServiceKey>, ServiceKeysUnavailable>> {
            let error = ServiceKeysUnavailable { retry_after: Duration::from_secs(5) };
            Box::pin(std::future::ready(Err(error)))
        }
    }

    fn known(revoked: bool) -> KnownServiceKey {
        KnownServiceKey { id: Uuid::nil(), revoked }
    }

    #[tokio::test]
    async fn a_key_is_known_by_its_hash_until_revoked() {
        let entropy = SeededEntropy::new(1);
        let (good, gone, other) =
            (generate(&entropy).unwrap(), generate(&entropy).unwrap(), generate(&entropy).unwrap());
        let keys = Keys(vec![(good.hash, known(false)), (gone.hash, known(true))]);
        let verifier = ServiceVerifier::new(Arc::new(keys));
        let judge = async |scheme: &str, key: &NewServiceKeySecret| {
            verifier.judge(&[format!("{scheme} {}", key.key.expose_secret()).as_bytes()]).await
        };
        let ServiceJudgement::Caller(caller) = judge("bearer", &good).await else { panic!("refused") };
        assert_eq!(caller.owner("user_1").unwrap().as_str(), "user_1");
        assert_eq!(caller.owner("user_1/../x"), None);
        assert_eq!(judge("Bearer", &gone).await, ServiceJudgement::Refused(ServiceRefusal::Revoked));
        assert_eq!(judge("Bearer", &other).await, ServiceJudgement::Refused(ServiceRefusal::Unknown));
    }

    #[tokio::test]
    async fn a_database_that_is_away_refuses_nobody() {
        let key = generate(&SeededEntropy::new(1)).unwrap();
        let value = format!("Bearer {}", key.key.expose_secret());
        let verdict = ServiceVerifier::new(Arc::new(Broken)).judge(&[value.as_bytes()]).await;
        assert_eq!(verdict, ServiceJudgement::CannotJudge { retry_after: Duration::from_secs(5) });
    }

    #[tokio::test]
    async fn other_credentials_are_told_apart() {
        let verifier = ServiceVerifier::new(Arc::new(Keys(Vec::new())));
        assert_eq!(verifier.judge(&[]).await, ServiceJudgement::Refused(ServiceRefusal::Missing));
        let two = verifier.judge(&[b"Bearer hf_sk_x", b"Bearer hf_sk_y"]).await;
        assert_eq!(two, ServiceJudgement::MultipleCredentials);
        for (value, refusal) in [
            (&b"Bearer aaaa.bbbb.cccc"[..], ServiceRefusal::SessionToken),
            (b"Bearer hf_sk_short", ServiceRefusal::NotAServiceKey),
            (b"Bearer ", ServiceRefusal::NotAServiceKey),
            (b"", ServiceRefusal::Missing),
            (b"Basic aGZfc2tf", ServiceRefusal::Missing),
            (b"hf_sk_short", ServiceRefusal::NoScheme),
            (b"\xff\xfe", ServiceRefusal::NotAServiceKey),
        ] {
            assert_eq!(verifier.judge(&[value]).await, ServiceJudgement::Refused(refusal));
        }
    }

    #[test]
    fn a_key_has_256_random_bits_and_does_not_print() {
        let key = generate(&SeededEntropy::new(2)).unwrap();
        assert_eq!(key.key.expose_secret().len(), PREFIX.len() + ENCODED);
        assert_eq!(sha256(key.key.expose_secret().as_bytes()), key.hash);
        assert!(!format!("{key:?}").contains(PREFIX));
    }
}
