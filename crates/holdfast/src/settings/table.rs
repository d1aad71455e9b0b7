//! The one table of settings. The loader, `config print`, the doctor and the reference page all
//! walk it, so a setting is added here and read in `load.rs` (Clerk's in `clerk.rs`), and nowhere
//! else. Those two also compute each default that is [`Fallback::Derived`].

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

use clerk_session::{OriginPattern, PublishableKey};
use secrecy::SecretString;
use url::Url;

use super::entry::{Entry, Fallback, Setting, either, settings};
use super::{LogFormat, PartiesMode};
use super::{parse, traces};
use crate::caller::keys::SecretKey;
use crate::client_address::TrustedProxies;
use crate::connection::return_url::ReturnUrl;
use crate::standard_webhooks::SigningKey;
use crate::vault::KeyRing;

settings! {
    /// Holdfast's own.
    OWN;
    LISTEN: SocketAddr {
        env: "HOLDFAST_LISTEN",
        default: Fallback::Text("127.0.0.1:8080"),
        form: "address:port",
        doc: "The address that the server listens on. `0.0.0.0:8080` or `:8080` listens on every interface. TLS is the job of \
              a proxy in front.",
        read: parse::address,
    }
    METRICS_LISTEN: SocketAddr {
        env: "HOLDFAST_METRICS_LISTEN",
        default: Fallback::Absent("off"),
        form: "address:port",
        doc: "The address of the metrics listener: Prometheus' `/metrics` and the operator's page at `/`. It has a port of \
              its own so that it is never public by accident.",
        read: parse::address_or_none,
    }
    PUBLIC_URL: Url {
        env: "HOLDFAST_PUBLIC_URL",
        default: Fallback::Derived("`http://` + listen"),
        form: "https://host",
        doc: "The address at which browsers and Meta reach this server. Register it at Meta, with `/instagram/callback` \
              added, as the redirect address.",
        read: parse::base_url,
    }
    DATABASE_URL: SecretString {
        env: "HOLDFAST_DATABASE_URL",
        default: Fallback::Text("sqlite://holdfast.db"),
        form: "sqlite://path or postgres://…",
        doc: "The database. SQLite serves one process; several replicas need Postgres. The value may contain a password.",
        secret: true,
        read: parse::database_url,
    }
    JOURNAL_DIR: PathBuf {
        env: "HOLDFAST_JOURNAL_DIR",
        aliases: &["HOLDFAST_SPILL_DIR"],
        default: Fallback::Derived(
            "the SQLite file's name plus `.journal`; with Postgres `holdfast.journal` in the working directory",
        ),
        form: "path of a directory",
        doc: "The directory of the write-ahead journal for tokens. A token that Instagram issues is kept here, sealed, until \
              the database has stored it; so it survives a database outage. The directory is created if it does not exist. If \
              it cannot be written, the server works without a journal, and the log, `holdfast_journal_writable` and \
              `holdfast doctor` say so. Use a directory that outlives the process: a volume for containers with Postgres.",
        read: parse::directory,
    }
    ENCRYPTION_KEYS: KeyRing {
        env: "HOLDFAST_ENCRYPTION_KEYS",
        default: Fallback::Absent("required by `serve`"),
        form: "id:base64(32 bytes), comma-separated",
        doc: "The keys that encrypt (seal) every stored grant. The first key seals; all keys open. `holdfast keys generate` \
              makes a key. Without its key a stored grant cannot be read again: keep the keys as safe as the database's \
              backups, and apart from them.",
        secret: true,
        read: parse::key_ring,
    }
    ALLOWED_ORIGINS: Vec<OriginPattern> {
        env: "HOLDFAST_ALLOWED_ORIGINS",
        default: Fallback::Absent("none"),
        form: "https://host, comma-separated",
        doc: "The origins of the web apps that may call this server, exact or with a `*` for part of one label: \
              `https://deploy-preview-*--SITE.netlify.app`. Pages of an allowed origin read the answers to their own tokens, and \
              tokens that Clerk issued to them are accepted (see CLERK_AUTHORIZED_PARTIES).",
        read: parse::origins,
    }
    RETURN_URLS: Vec<ReturnUrl> {
        env: "HOLDFAST_RETURN_URLS",
        default: Fallback::Derived("the allowed origins"),
        form: "https://host[/path], comma-separated",
        doc: "The addresses that `return_to` may name, to which browsers return from Instagram. An origin allows every path \
              below it. An allowed origin with a `*` is no default where strangers can take hosts that it matches, such as \
              `https://acme-*-team.vercel.app`: their pages could link other people's accounts.",
        read: parse::return_urls,
    }
    TRUSTED_PROXIES: TrustedProxies {
        env: "HOLDFAST_TRUSTED_PROXIES",
        default: Fallback::Absent("none"),
        form: "address or address/prefix, comma-separated",
        doc: "The proxies whose `X-Forwarded-For` header is trusted. From others the header is ignored; `Forwarded` is always \
              ignored. Only the limits by address use it: all clients behind a proxy that is not listed count as one client.",
        read: parse::proxies,
    }
    MAX_CONNECTIONS: NonZeroUsize {
        env: "HOLDFAST_MAX_CONNECTIONS",
        default: Fallback::Text("4096"),
        form: "a number",
        doc: "The number of open connections. When all are in use, each new connection closes an idle or slow one of the \
              address that has the most. The limit of open files (`ulimit -n`) may lower the number; the log then says so. At \
              most half of the connections may be event streams.",
        read: parse::number,
    }
    DRAIN_S: Duration {
        env: "HOLDFAST_DRAIN_S",
        default: Fallback::Text("3"),
        form: "seconds, at most 3600",
        doc: "How long a server that was told to stop (SIGTERM, SIGINT) keeps serving, with `/readyz` at 503 and `Connection: \
              close` on every answer, so that the load balancer uses other replicas before the port closes. A second signal \
              ends the server at once.",
        read: parse::drain,
    }
    CORE_FILES: bool {
        env: "HOLDFAST_CORE_FILES",
        default: Fallback::Text("off"),
        form: "on or off",
        doc: "Whether the operating system may write a core file when the process crashes. A core file contains keys and \
              grants in plaintext.",
        read: parse::switch,
    }
    MAX_REQUESTS: NonZeroUsize {
        env: "HOLDFAST_MAX_REQUESTS",
        default: Fallback::Text("1024"),
        form: "a number",
        doc: "The number of requests handled at a time; further ones get 503 `overloaded`. A quarter more is reserved for \
              addresses with fewer than sixteen requests, so that a busy address does not lock the others out. A request \
              counts only when its body has arrived.",
        read: parse::number,
    }
    REQUESTS_PER_ADDRESS: NonZeroUsize {
        env: "HOLDFAST_REQUESTS_PER_ADDRESS",
        default: Fallback::Absent("no limit other than `HOLDFAST_MAX_REQUESTS`"),
        form: "a number",
        doc: "The number of requests of one client address (IPv6: one /64 network) handled at a time; further ones get 429 \
              `too-many-requests`. Set it only if `HOLDFAST_TRUSTED_PROXIES` names every proxy in front. A backend \
              that asks `/forward-auth` for its callers does so from one address.",
        read: parse::number,
    }
    HTTP2: bool {
        env: "HOLDFAST_HTTP2",
        default: Fallback::Text("off"),
        form: "on or off",
        doc: "Whether the server also speaks HTTP/2 without TLS (`h2c` with prior knowledge), for a proxy that uses it. It \
              always speaks HTTP/1.1.",
        read: parse::switch,
    }
    FORWARD_AUTH_SECRET: SecretString {
        env: "HOLDFAST_FORWARD_AUTH_SECRET",
        default: Fallback::Absent("off"),
        form: "at least 32 bytes",
        doc: "The secret that signs `X-Auth-Assertion`, which proves to a backend behind a proxy that the identity headers \
              come from Holdfast.",
        secret: true,
        read: parse::signing_secret,
    }
    WEBHOOK_URL: Url {
        env: "HOLDFAST_WEBHOOK_URL",
        default: Fallback::Absent("off"),
        form: "https://host/path",
        doc: "The app's address for events: every change of a user's status is sent to it, as Standard Webhooks define.",
        read: parse::url,
    }
    WEBHOOK_SECRET: SigningKey {
        env: "HOLDFAST_WEBHOOK_SECRET",
        default: Fallback::Absent("off"),
        form: "whsec_…",
        doc: "The secret that signs the events: `whsec_` and the base64 of 32 random bytes, as `echo whsec_$(openssl rand \
              -base64 32)` prints it.",
        secret: true,
        read: parse::webhook_secret,
    }
    CHECK_INTERVAL_S: Duration {
        env: "HOLDFAST_CHECK_INTERVAL_S",
        default: Fallback::Text("60"),
        form: "seconds",
        doc: "How often a check (`POST /user/instagram/check`) may ask Instagram about a connection: once in this time.",
        read: parse::seconds,
    }
    REFRESH_MIN_AGE_S: Duration {
        env: "HOLDFAST_REFRESH_MIN_AGE_S",
        default: Fallback::Text("86400"),
        form: "seconds",
        doc: "The age that a grant must have before it is refreshed: Instagram refuses to refresh a younger one.",
        read: parse::seconds,
    }
    REFRESH_AT: f64 {
        env: "HOLDFAST_REFRESH_AT",
        default: Fallback::Text("0.5"),
        form: "from 0 to below 1",
        doc: "The fraction of a grant's lifetime after which a refresh is due. With `0` it is due at \
              `HOLDFAST_REFRESH_MIN_AGE_S`.",
        read: parse::fraction,
    }
    WORKER: bool {
        env: "HOLDFAST_WORKER",
        default: Fallback::Text("on"),
        form: "on or off",
        doc: "Whether this process refreshes grants, and deletes rows at the end of their retention. `off` is for a replica that \
              only serves requests: where it is off everywhere, grants expire and tables grow.",
        read: parse::switch,
    }
    LOG: String {
        env: "HOLDFAST_LOG",
        default: Fallback::Text("info"),
        form: "level, or target=level, comma-separated",
        doc: "The log level, such as `info` or `info,holdfast::http=debug`. Libraries that see addresses and headers never \
              log below `info`.",
        read: parse::log_filter,
    }
    LOG_FORMAT: LogFormat {
        env: "HOLDFAST_LOG_FORMAT",
        default: Fallback::Derived("`text` on a terminal, else `json`"),
        form: "text or json",
        doc: "The format of the log, which goes to standard error.",
        read: parse::log_format,
    }
}

settings! {
    /// The settings of Clerk and of Instagram.
    OF_OTHERS;
    CLERK_PUBLISHABLE_KEY: PublishableKey {
        env: "CLERK_PUBLISHABLE_KEY",
        aliases: &[
            "NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
            "VITE_CLERK_PUBLISHABLE_KEY",
            "REACT_APP_CLERK_PUBLISHABLE_KEY",
            "EXPO_PUBLIC_CLERK_PUBLISHABLE_KEY",
            "NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY",
            "PUBLIC_CLERK_PUBLISHABLE_KEY",
        ],
        default: Fallback::Absent("none"),
        form: "pk_live_… or pk_test_…",
        doc: "The publishable key, from the Clerk dashboard, API keys. It determines the issuer and the address of the JWKS.",
        read: parse::publishable_key,
    }
    CLERK_JWT_KEY: String {
        env: "CLERK_JWT_KEY",
        default: Fallback::Absent("none"),
        form: "PEM",
        doc: "The public key that verifies Clerk's session tokens, as PEM (`\\n` may stand for line ends). With it no network \
              is needed to verify a token; when Clerk's key changes, this value must change too.",
        read: parse::pem,
    }
    CLERK_SECRET_KEY: SecretKey {
        env: "CLERK_SECRET_KEY",
        default: Fallback::Absent("none"),
        form: "sk_live_… or sk_test_…",
        doc: "The secret key of Clerk's Backend API. `POST /auth/sync` uses it to read a user's details, which otherwise come \
              from the token's claims. It also fetches the JWKS if no other source is set or the publishable key's host does \
              not answer.",
        secret: true,
        read: parse::secret_key,
    }
    CLERK_API_URL: Url {
        env: "CLERK_API_URL",
        default: Fallback::Text("https://api.clerk.com"),
        form: "https://host",
        doc: "The address of Clerk's Backend API, with or without `/v1`.",
        read: parse::clerk_api_url,
    }
    CLERK_JWKS_URL: Url {
        env: "CLERK_JWKS_URL",
        default: Fallback::Derived("from the publishable key, else the Backend API with the secret key"),
        form: "https://host/.well-known/jwks.json",
        doc: "The JWKS URL for verifying session tokens. The Backend API's own URL (`…/v1/jwks` at `CLERK_API_URL`) is called \
              with the secret key.",
        read: parse::url,
    }
    CLERK_ISSUER: Vec<String> {
        env: "CLERK_ISSUER",
        default: Fallback::Derived("from the publishable key, else from the address of the JWKS"),
        form: "https://host, comma-separated",
        doc: "The accepted issuers: a session token's `iss` must be one of these. Behind a proxy Clerk may use either \
              address. If no issuer is set and none can be derived, every token with a good signature is accepted, \
              whatever its issuer.",
        read: parse::issuers,
    }
    CLERK_PROXY_URL: parse::ProxyAddress {
        env: "CLERK_PROXY_URL",
        aliases: &["NEXT_PUBLIC_CLERK_PROXY_URL", "VITE_CLERK_PROXY_URL"],
        default: Fallback::Absent("none"),
        form: "https://host/path, or /path",
        doc: "The address at which your app proxies Clerk's Frontend API; it is accepted as a further issuer of session \
              tokens. A path stands for that path at each allowed origin. Keys are fetched from a whole https address if the \
              publishable key's host gives none.",
        read: parse::clerk_proxy,
    }
    CLERK_DOMAIN: String {
        env: "CLERK_DOMAIN",
        aliases: &["NEXT_PUBLIC_CLERK_DOMAIN", "VITE_CLERK_DOMAIN"],
        default: Fallback::Absent("none"),
        form: "shop.example",
        doc: "The domain of a satellite app: `https://clerk.DOMAIN` is accepted as a further issuer of session tokens.",
        read: parse::clerk_domain,
    }
    CLERK_AUTHORIZED_PARTIES: Vec<OriginPattern> {
        env: "CLERK_AUTHORIZED_PARTIES",
        default: Fallback::Derived("the allowed origins"),
        form: "https://host, comma-separated",
        doc: "The accepted parties: a session token's `azp` must be one of these origins of your apps.",
        read: parse::origins,
    }
    CLERK_AUTHORIZED_PARTIES_MODE: PartiesMode {
        env: "CLERK_AUTHORIZED_PARTIES_MODE",
        default: Fallback::Text("enforce"),
        form: "enforce, if_present or report",
        doc: "What happens to a token whose `azp` is missing or not an accepted party. `enforce` refuses it; `if_present` \
              accepts a missing one; `report` accepts it and logs it.",
        read: parse::parties_mode,
    }
    CLERK_AUDIENCE: Vec<String> {
        env: "CLERK_AUDIENCE",
        default: Fallback::Absent("none"),
        form: "comma-separated",
        doc: "The accepted audiences: a session token's `aud` must contain one of these. Not checked if unset.",
        read: parse::words,
    }
    CLERK_CLOCK_SKEW_MS: Duration {
        env: "CLERK_CLOCK_SKEW_MS",
        default: Fallback::Text("5000"),
        form: "milliseconds, at most 60000",
        doc: "The difference allowed between the clocks of this server and of Clerk.",
        read: parse::skew,
    }
    CLERK_WEBHOOK_SIGNING_SECRET: Vec<SigningKey> {
        env: "CLERK_WEBHOOK_SIGNING_SECRET",
        aliases: &["CLERK_WEBHOOK_SECRET"],
        default: Fallback::Absent("none: `/webhooks/clerk` answers 503"),
        form: "whsec_…",
        doc: "The signing secret of the endpoint `/webhooks/clerk`, from the Clerk dashboard, Webhooks. Give both, separated \
              by a comma, while one replaces the other.",
        secret: true,
        read: parse::webhook_secrets,
    }
    INSTAGRAM_APP_ID: String {
        env: "INSTAGRAM_APP_ID",
        default: Fallback::Absent("none: the status is `unavailable` / `not_configured`"),
        form: "digits",
        doc: "The Instagram app id (not the Meta app id): App dashboard, Instagram, API setup with Instagram login.",
        read: parse::app_id,
    }
    INSTAGRAM_APP_SECRET: Vec<SecretString> {
        env: "INSTAGRAM_APP_SECRET",
        default: Fallback::Absent("none"),
        form: "hexadecimal, comma-separated",
        doc: "The Instagram app secret, shown beside the app id. Only the first one is sent to Instagram. All of them verify \
              Meta's callbacks: add the Meta app's secret if it signs them, and the old secret while it is being replaced.",
        secret: true,
        read: parse::secrets,
    }
    INSTAGRAM_SCOPES: Vec<String> {
        env: "INSTAGRAM_SCOPES",
        default: Fallback::Text("instagram_business_basic"),
        form: "comma-separated",
        doc: "The permissions that the app asks people for.",
        read: parse::scopes,
    }
    INSTAGRAM_AUTHORIZE_URL: Url {
        env: "INSTAGRAM_AUTHORIZE_URL",
        default: Fallback::Text("https://www.instagram.com/oauth/authorize"),
        form: "https://host/path",
        doc: "The address of Instagram's consent page.",
        read: parse::consent_page,
    }
    INSTAGRAM_API_URL: Url {
        env: "INSTAGRAM_API_URL",
        default: Fallback::Text("https://api.instagram.com"),
        form: "https://host",
        doc: "The host that exchanges the authorization code: `POST {…}/oauth/access_token`.",
        read: parse::base_url,
    }
    INSTAGRAM_GRAPH_URL: Url {
        env: "INSTAGRAM_GRAPH_URL",
        default: Fallback::Text("https://graph.instagram.com"),
        form: "https://host",
        doc: "The host of the Graph API: `GET {…}/access_token`, `/refresh_access_token`, `/{version}/me`.",
        read: parse::base_url,
    }
    INSTAGRAM_GRAPH_VERSION: String {
        env: "INSTAGRAM_GRAPH_VERSION",
        default: Fallback::Text("v25.0"),
        form: "v and a number",
        doc: "The version of the Graph API.",
        read: parse::graph_version,
    }
}

/// Every setting, in the order of the reference page.
pub static TABLE: LazyLock<Vec<&'static Setting>> = LazyLock::new(|| [OWN, traces::ALL, OF_OTHERS].concat());

/// Where `holdfast.toml` is looked for when `--config` does not say.
pub fn default_config_file() -> PathBuf {
    PathBuf::from("holdfast.toml")
}
