//! One Clerk instance, ready to judge: policy, keys and clock together.

use std::fmt;
use std::sync::Arc;

use crate::cache_options::CacheOptions;
use crate::fetch::FetchJwks;
use crate::header::bearer_token;
use crate::key_cache::{KeyCache, KeyStatus};
use crate::keys::{KeySet, PemError};
use crate::origin::{OriginError, OriginPattern};
use crate::policy::Policy;
use crate::publishable_key::{PublishableKey, PublishableKeyError};
use crate::refusal::Refusal;
use crate::verifier::{Verdict, Verifier};

type Now = dyn Fn() -> i64 + Send + Sync;

/// Judges the session tokens of one instance. Cheap to clone.
#[derive(Clone)]
pub struct Clerk(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) verifier: Verifier,
    keys: KeyCache,
    now: Box<Now>,
    #[cfg(feature = "http")]
    pub(crate) cookies: Option<crate::cookies::Cookies>,
    #[cfg(feature = "reqwest")]
    renewing: std::sync::atomic::AtomicBool,
}

impl fmt::Debug for Clerk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clerk")
            .field("verifier", &self.0.verifier)
            .field("keys", &self.0.keys)
            .finish_non_exhaustive()
    }
}

impl Clerk {
    /// Begins with what the publishable key says: whose tokens are accepted, and where the keys
    /// are.
    pub fn from_publishable_key(text: &str) -> Result<ClerkBuilder, PublishableKeyError> {
        let key = PublishableKey::parse(text)?;
        let policy = Policy { issuers: vec![key.issuer()], ..Policy::default() };
        Ok(ClerkBuilder {
            jwks_url: key.jwks_url(),
            policy,
            options: CacheOptions::default(),
            now: Box::new(system_time_ms),
            #[cfg(feature = "http")]
            publishable_key: text.to_owned(),
            #[cfg(feature = "http")]
            cookies: None,
        })
    }

    /// The verdict on a session token now. Waits for keys only where the verdict depends on it.
    pub async fn judge(&self, token: &str) -> Verdict {
        let now_ms = (self.0.now)();
        #[cfg(feature = "reqwest")]
        self.renew_in_background(now_ms);
        self.0.keys.judge(&self.0.verifier, token, now_ms).await
    }

    /// The verdict on the value of an `Authorization` header; `None` where the request has none.
    pub async fn judge_authorization(&self, value: Option<&str>) -> Verdict {
        match value.map_or_else(|| Err(Refusal::missing()), bearer_token) {
            Ok(token) => self.judge(token).await,
            Err(refusal) => Verdict::Refused(refusal),
        }
    }

    /// Renews the keys if that is due. With the feature `reqwest` this happens by itself, in the
    /// background; without it, call this every [`CacheOptions::cold_gap`], or keys are renewed only
    /// when a token fits none.
    pub async fn renew_if_due(&self) {
        self.0.keys.renew_if_due((self.0.now)()).await;
    }

    /// Whether tokens can be judged now; for a readiness check.
    pub fn is_ready(&self) -> bool {
        self.0.keys.is_ready((self.0.now)())
    }

    /// How the keys are doing.
    pub fn key_status(&self) -> KeyStatus {
        self.0.keys.status()
    }

    /// Begins a renewal that no request waits for.
    #[cfg(feature = "reqwest")]
    fn renew_in_background(&self, now_ms: i64) {
        use std::sync::atomic::Ordering::{AcqRel, Release};

        /// Allows the next renewal, also where this one panicked or its runtime went away.
        struct Renewing(Clerk);

        impl Drop for Renewing {
            fn drop(&mut self) {
                self.0.0.renewing.store(false, Release);
            }
        }

        // Without keys the request itself fetches them, and waits.
        let due = self.0.keys.is_ready(now_ms) && self.0.keys.renewal_is_due(now_ms);
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !due || self.0.renewing.swap(true, AcqRel) {
            return;
        }
        let renewing = Renewing(self.clone());
        runtime.spawn(async move { renewing.0.0.keys.renew_if_due(now_ms).await });
    }
}

/// Makes a [`Clerk`].
pub struct ClerkBuilder {
    jwks_url: String,
    policy: Policy,
    options: CacheOptions,
    now: Box<Now>,
    #[cfg(feature = "http")]
    publishable_key: String,
    #[cfg(feature = "http")]
    cookies: Option<crate::cookies::Cookies>,
}

impl fmt::Debug for ClerkBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClerkBuilder")
            .field("jwks_url", &self.jwks_url)
            .field("policy", &self.policy)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl ClerkBuilder {
    /// Accepts tokens that were minted for this origin (`azp`). Without a party, any is accepted.
    pub fn authorized_party(mut self, origin: &str) -> Result<Self, OriginError> {
        self.policy.authorized_parties.push(OriginPattern::parse(origin)?);
        Ok(self)
    }

    /// Changes the policy.
    #[must_use]
    pub fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    /// Fetches and keeps keys by these options.
    #[must_use]
    pub fn cache_options(mut self, options: CacheOptions) -> Self {
        self.options = options;
        self
    }

    /// Takes the time from `now`, in unix milliseconds, instead of the system.
    #[must_use]
    pub fn clock(mut self, now: impl Fn() -> i64 + Send + Sync + 'static) -> Self {
        self.now = Box::new(now);
        self
    }

    /// Accepts the `__session` cookie as well, where a request carries no `Authorization` header
    /// and comes from the app's own pages. Only for a server on the host of the app; others never
    /// see the cookie.
    ///
    /// There is no handshake as in Clerk's own SDKs: the token in the cookie lives for a minute,
    /// and only Clerk's script on a page renews it. So answer pages to everybody
    /// (`Option<Session>`, where a cookie that has expired counts as none), and require a `Session`
    /// of what they fetch.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn accept_session_cookie(mut self) -> Self {
        self.cookies = Some(crate::cookies::Cookies::of(&self.publishable_key));
        self
    }

    /// Judges by a pinned public key (PEM) and never uses the network.
    pub fn pinned(self, pem: &str) -> Result<Clerk, PemError> {
        let keys = KeyCache::pinned(KeySet::from_pem(pem)?);
        Ok(self.with_keys(keys))
    }

    /// Gets the keys through `fetcher`.
    pub fn fetching(self, fetcher: impl FetchJwks) -> Clerk {
        let keys = KeyCache::fetching(fetcher, self.options);
        self.with_keys(keys)
    }

    /// Gets the keys from the instance itself.
    #[cfg(feature = "reqwest")]
    pub fn build(self) -> Result<Clerk, crate::FetchError> {
        let fetcher = crate::ReqwestFetcher::new(&self.jwks_url, self.options.max_document)?;
        Ok(self.fetching(fetcher))
    }

    fn with_keys(self, keys: KeyCache) -> Clerk {
        Clerk(Arc::new(Inner {
            verifier: Verifier::new(self.policy),
            keys,
            now: self.now,
            #[cfg(feature = "http")]
            cookies: self.cookies,
            #[cfg(feature = "reqwest")]
            renewing: std::sync::atomic::AtomicBool::new(false),
        }))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place with the system's time; `ClerkBuilder::clock` replaces it"
)]
fn system_time_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    crate::cache_options::ms(since)
}
