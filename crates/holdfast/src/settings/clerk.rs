//! Reads the settings of the Clerk instance and reports contradictions before a token is refused
//! because of them.

use clerk_session::{OriginPattern, PublishableKey};
use url::Url;

use super::load::{Reader, is_in_the_clear};
use super::parse::ProxyAddress;
use super::{ClerkSettings, Purpose, table};
use crate::address::is_on_the_internet;
use crate::caller::keys::{BackendKeys, KeyServer, KeySource, SecretKey};

impl Reader {
    pub(super) fn clerk(
        &mut self,
        allowed_origins: &[OriginPattern],
        purpose: Purpose,
    ) -> Option<ClerkSettings> {
        let publishable_key = self.read(&table::CLERK_PUBLISHABLE_KEY);
        let secret_key = self.read(&table::CLERK_SECRET_KEY);
        let api_url = self.read(&table::CLERK_API_URL);
        let jwks_url = self.read(&table::CLERK_JWKS_URL);
        let named_issuers = self.read(&table::CLERK_ISSUER);
        let named_parties = self.read(&table::CLERK_AUTHORIZED_PARTIES);

        let derived = publishable_key.as_ref().map(PublishableKey::issuer);
        let derived = derived.or_else(|| jwks_url.as_ref().and_then(jwks_issuer));
        let is_own_known = named_issuers.is_some() || derived.is_some();
        let mut issuers = named_issuers.clone().unwrap_or_else(|| derived.into_iter().collect());
        let proxy = self.read(&table::CLERK_PROXY_URL);
        let frontend_apis = publishable_key.as_ref().map(|key| frontend_apis(key, proxy.as_ref()));
        let proxies = proxy.map(|proxy| proxy_issuers(proxy, allowed_origins)).unwrap_or_default();
        self.judge_spellings(table::CLERK_ISSUER.env, named_issuers.as_deref().unwrap_or_default());
        self.judge_spellings(table::CLERK_PROXY_URL.env, &proxies);
        issuers.extend(proxies);
        issuers.extend(self.read(&table::CLERK_DOMAIN).map(|host| format!("https://clerk.{host}")));
        if let (Some(key), Some(_)) = (&publishable_key, &named_issuers) {
            self.judge_issuers(key, &issuers);
        }
        if let (Some(key), Some(secret)) = (&publishable_key, &secret_key) {
            self.judge_pair(key, secret);
        }
        if let (Some(jwks_url), Some(api_url)) = (&jwks_url, &api_url) {
            self.judge_jwks_url(jwks_url, api_url, publishable_key.as_ref(), &issuers);
        }
        if let Some(parties) = &named_parties {
            self.judge_parties(parties, allowed_origins);
        }
        let parties = named_parties.unwrap_or_else(|| allowed_origins.to_vec());
        if purpose == Purpose::Serve {
            self.require_clerk(&issuers, is_own_known, &parties);
        }
        Some(ClerkSettings {
            publishable_key,
            jwt_key: self.read(&table::CLERK_JWT_KEY),
            secret_key,
            api_url: api_url?,
            jwks_url,
            frontend_apis: frontend_apis.unwrap_or_default(),
            issuers,
            parties,
            parties_mode: self.read(&table::CLERK_AUTHORIZED_PARTIES_MODE)?,
            audience: self.read(&table::CLERK_AUDIENCE).unwrap_or_default(),
            clock_skew: self.read(&table::CLERK_CLOCK_SKEW_MS)?,
            webhook_keys: self.read(&table::CLERK_WEBHOOK_SIGNING_SECRET),
        })
    }

    /// The server cannot do without a source of keys, and should not do without an issuer and a
    /// party.
    fn require_clerk(&mut self, issuers: &[String], is_own_known: bool, parties: &[OriginPattern]) {
        let is_keyless = self.is_missing(&table::CLERK_PUBLISHABLE_KEY)
            && self.is_missing(&table::CLERK_JWT_KEY)
            && self.is_missing(&table::CLERK_SECRET_KEY)
            && self.is_missing(&table::CLERK_JWKS_URL);
        if is_keyless {
            self.fault(
                table::CLERK_PUBLISHABLE_KEY.env,
                "no source of Clerk's keys is configured",
                "set CLERK_PUBLISHABLE_KEY, or CLERK_JWT_KEY, CLERK_JWKS_URL or CLERK_SECRET_KEY",
            );
        } else if !is_own_known
            && self.is_missing(&table::CLERK_PUBLISHABLE_KEY)
            && self.is_missing(&table::CLERK_ISSUER)
        {
            let what = if issuers.is_empty() {
                "no issuer is known, so every token with a good signature is accepted, whatever its issuer"
                    .to_owned()
            } else {
                let only = issuers.join(", ");
                format!(
                    "tokens of the Clerk instance's own address would be refused: only {only} is accepted"
                )
            };
            self.warn(
                table::CLERK_ISSUER.env,
                what,
                "set CLERK_PUBLISHABLE_KEY, or CLERK_ISSUER (https://clerk.YOUR-DOMAIN)",
            );
        }
        if parties.is_empty()
            && self.is_missing(&table::CLERK_AUTHORIZED_PARTIES)
            && self.is_missing(&table::ALLOWED_ORIGINS)
        {
            self.warn(
                table::CLERK_AUTHORIZED_PARTIES.env,
                "no authorized party is known, so tokens issued to any app of the Clerk instance are accepted",
                "set HOLDFAST_ALLOWED_ORIGINS to the origins of your web app",
            );
        }
    }

    /// `iss` is compared letter by letter, and Clerk writes one spelling alone.
    fn judge_spellings(&mut self, name: &str, issuers: &[String]) {
        for issuer in issuers {
            let Some(clerks) = as_clerk_spells(issuer) else { continue };
            self.warn(
                name,
                format!("tokens of {clerks} would be refused: an issuer is compared letter by letter, and {issuer} is another"),
                format!("write {clerks}"),
            );
        }
    }

    fn judge_issuers(&mut self, key: &PublishableKey, issuers: &[String]) {
        let own = key.issuer();
        // Another spelling of it has been told.
        let is_own = |issuer: &String| *issuer == own || as_clerk_spells(issuer).as_ref() == Some(&own);
        if !issuers.iter().any(is_own) {
            self.warn(
                table::CLERK_ISSUER.env,
                format!("tokens of {own}, the instance of CLERK_PUBLISHABLE_KEY, would be refused"),
                format!("add {own}, unless all of your tokens come through a proxy or from another domain"),
            );
        }
    }

    /// Keys of a development and of a production instance never go together.
    fn judge_pair(&mut self, key: &PublishableKey, secret: &SecretKey) {
        if key.is_live() != secret.is_live() {
            self.warn(
                table::CLERK_SECRET_KEY.env,
                "it belongs to another instance than CLERK_PUBLISHABLE_KEY: one is for production, one for development",
                "copy both from the same page of Clerk's dashboard",
            );
        }
    }

    fn judge_jwks_url(
        &mut self,
        jwks_url: &Url,
        api_url: &Url,
        key: Option<&PublishableKey>,
        issuers: &[String],
    ) {
        if is_backend_jwks(jwks_url) && !same_origin(jwks_url, api_url) {
            self.warn(
                table::CLERK_JWKS_URL.env,
                "it looks like the Backend API of another address than CLERK_API_URL, so the secret key is not sent there",
                "set CLERK_API_URL to the same address, or unset CLERK_JWKS_URL",
            );
        } else if is_backend_jwks(jwks_url) && self.is_missing(&table::CLERK_SECRET_KEY) {
            self.fault(
                table::CLERK_JWKS_URL.env,
                "the Backend API gives its keys to nobody without the secret key",
                "set CLERK_SECRET_KEY, or write the Frontend API's address, which ends in /.well-known/jwks.json",
            );
        }
        let (Some(key), Some(issuer)) = (key, jwks_issuer(jwks_url)) else { return };
        if issuer != key.issuer() && !issuers.contains(&issuer) {
            self.warn(
                table::CLERK_JWKS_URL.env,
                format!("its keys belong to {issuer}, but CLERK_PUBLISHABLE_KEY belongs to {}", key.issuer()),
                "use both from one instance; behind a proxy or on another domain, set CLERK_PROXY_URL or CLERK_DOMAIN",
            );
        }
    }

    /// An allowed origin whose tokens are refused is never what was meant.
    fn judge_parties(&mut self, parties: &[OriginPattern], allowed_origins: &[OriginPattern]) {
        let unheard: Vec<&str> = allowed_origins
            .iter()
            .filter(|origin| {
                !parties.contains(origin) && !parties.iter().any(|each| each.matches(origin.as_str()))
            })
            .map(OriginPattern::as_str)
            .collect();
        if !unheard.is_empty() {
            self.warn(
                table::CLERK_AUTHORIZED_PARTIES.env,
                format!("pages of {} may call, but their tokens would be refused", unheard.join(", ")),
                "add them, or unset CLERK_AUTHORIZED_PARTIES: then the allowed origins are the parties",
            );
        }
    }
}

impl ClerkSettings {
    /// The most explicit source of keys: the pinned key, the JWKS address, the publishable key (and
    /// behind it the secret key), the secret key. `None` where there is none of them.
    pub fn key_source(&self) -> Option<KeySource> {
        if let Some(pem) = &self.jwt_key {
            return Some(KeySource::Pinned(pem.clone()));
        }
        let backend = self.backend_keys();
        let servers: Vec<KeyServer> = if let Some(url) = &self.jwks_url {
            // The secret goes to the Backend API, and to no other host.
            let backend = backend.filter(|api| is_backend_jwks(url) && same_origin(url, &api.base));
            vec![backend.map_or_else(|| KeyServer::public(url.clone()), |api| KeyServer::backend(&api))]
        } else {
            let public = self.frontend_apis.iter().cloned().map(KeyServer::public);
            public.chain(backend.as_ref().map(KeyServer::backend)).collect()
        };
        (!servers.is_empty()).then_some(KeySource::Fetched(servers))
    }

    /// Access to the Backend API, with a secret key.
    pub fn backend_keys(&self) -> Option<BackendKeys> {
        let secret_key = self.secret_key.clone()?;
        Some(BackendKeys { base: self.api_url.clone(), secret_key })
    }
}

/// Whether that is the Backend API's JWKS address, which requires the secret key.
fn is_backend_jwks(url: &Url) -> bool {
    url.path().trim_end_matches('/').ends_with("/v1/jwks")
}

fn same_origin(one: &Url, other: &Url) -> bool {
    one.origin() == other.origin()
}

/// Behind a proxy a token's issuer is the proxy's address (Clerk, "Proxying the Frontend API"). A
/// path alone stands at every origin of the app.
fn proxy_issuers(proxy: ProxyAddress, origins: &[OriginPattern]) -> Vec<String> {
    match proxy {
        ProxyAddress::Whole(address) => vec![address],
        ProxyAddress::Path(path) => origins
            .iter()
            .filter(|origin| !origin.is_pattern() && !origin.is_of_an_app())
            .map(|origin| format!("{origin}{path}"))
            .collect(),
    }
}

/// Where the Frontend API lists its keys: at the publishable key's host and, where that gives none,
/// at the app's proxy, which names no other instance's keys then. Not at a proxy given as a path:
/// an allowed origin is trusted to call, not to name keys.
fn frontend_apis(key: &PublishableKey, proxy: Option<&ProxyAddress>) -> Vec<Url> {
    let proxied = match proxy {
        Some(ProxyAddress::Whole(address)) => Some(address.clone()),
        Some(ProxyAddress::Path(_)) | None => None,
    };
    let bases = [key.issuer()].into_iter().chain(proxied);
    let addresses = bases.filter_map(|base| Url::parse(&format!("{base}/.well-known/jwks.json")).ok());
    addresses.filter(|url| !is_in_the_clear(url)).collect()
}

/// How Clerk spells an issuer that is written otherwise: https, the host in lower case, no port that
/// goes without saying.
fn as_clerk_spells(issuer: &str) -> Option<String> {
    let url = Url::parse(issuer).ok()?;
    let text = url.as_str().trim_end_matches('/');
    let spelt = match text.strip_prefix("http://") {
        Some(rest) if is_on_the_internet(&url) => format!("https://{rest}"),
        Some(_) | None => text.to_owned(),
    };
    (spelt != issuer).then_some(spelt)
}

/// The issuer whose JWKS that is, where it stands at the well-known place.
fn jwks_issuer(jwks_url: &Url) -> Option<String> {
    jwks_url.as_str().strip_suffix("/.well-known/jwks.json").map(str::to_owned)
}
