//! The one table of settings. The loader, `config print`, the doctor and the reference page all
//! walk it, so a setting is added here and read in `load.rs`, and nowhere else.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clerk_session::{OriginPattern, PublishableKey};
use secrecy::SecretString;
use url::Url;

use super::entry::{Entry, Fallback, Setting};
use super::{LogFormat, PartiesMode};
use super::{parse, traces};
use crate::client_address::TrustedProxies;

/// Listening address.
pub const LISTEN: Entry<SocketAddr> = Entry {
    env: "HOLDFAST_LISTEN",
    aliases: &[],
    default: Fallback::Text("127.0.0.1:8080"),
    form: "address:port",
    doc: "Where the server listens. `0.0.0.0:8080` or `:8080` listens on every interface; TLS is a proxy's job.",
    secret: false,
    read: parse::address,
};

/// Listening address of the metrics.
pub const METRICS_LISTEN: Entry<SocketAddr> = Entry {
    env: "HOLDFAST_METRICS_LISTEN",
    aliases: &[],
    default: Fallback::Absent("off"),
    form: "address:port",
    doc: "Where Prometheus finds `/metrics`. A port of its own, so that it is never public by accident.",
    secret: false,
    read: parse::address,
};

/// Public address.
pub const PUBLIC_URL: Entry<Url> = Entry {
    env: "HOLDFAST_PUBLIC_URL",
    aliases: &[],
    default: Fallback::Derived("`http://` + listen"),
    form: "https://host",
    doc: "Where browsers and Meta reach this server. The callback address to register at Meta is this plus \
          `/instagram/callback`.",
    secret: false,
    read: parse::base_url,
};

/// Database.
pub const DATABASE_URL: Entry<SecretString> = Entry {
    env: "HOLDFAST_DATABASE_URL",
    aliases: &[],
    default: Fallback::Text("sqlite://holdfast.db"),
    form: "sqlite://path or postgres://…",
    doc: "The database. SQLite serves one process; several replicas need Postgres. May hold a password.",
    secret: true,
    read: parse::database_url,
};

/// Key ring.
pub const ENCRYPTION_KEYS: Entry<SecretString> = Entry {
    env: "HOLDFAST_ENCRYPTION_KEYS",
    aliases: &[],
    default: Fallback::Absent("required by `serve`"),
    form: "id:base64(32 bytes), comma-separated",
    doc: "The keys that seal every grant at rest. The first seals, all open. `holdfast keys generate` makes one; \
          without it no stored grant can be read again, so keep it as safely as the database's backups and apart \
          from them.",
    secret: true,
    read: parse::key_ring,
};

/// Where new tokens are until the database has them.
pub const JOURNAL_DIR: Entry<PathBuf> = Entry {
    env: "HOLDFAST_JOURNAL_DIR",
    aliases: &["HOLDFAST_SPILL_DIR"],
    default: Fallback::Derived(
        "the SQLite file's name with `.journal` behind it; with Postgres `holdfast.journal` in the working directory",
    ),
    form: "path of a directory",
    doc: "A write-ahead journal for tokens: what Instagram hands out is kept here, sealed, until the database has it, so \
          that it survives a database that is away. Made where it does not exist. Where it cannot be written, work goes \
          on without this net, and the log, `holdfast_journal_writable` and `holdfast doctor` say so. Name one that \
          outlives the process: with Postgres and containers, a volume.",
    secret: false,
    read: parse::directory,
};

/// Origins that browsers may call from.
pub const ALLOWED_ORIGINS: Entry<Vec<OriginPattern>> = Entry {
    env: "HOLDFAST_ALLOWED_ORIGINS",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "https://host, comma-separated",
    doc: "Origins of the web apps that call this server. Exact, or with a `*` that stands for part of one label: \
          `https://deploy-preview-*--SITE.netlify.app`.",
    secret: false,
    read: parse::origins,
};

/// Where a finished connect attempt may return to.
pub const RETURN_URLS: Entry<Vec<String>> = Entry {
    env: "HOLDFAST_RETURN_URLS",
    aliases: &[],
    default: Fallback::Derived("the allowed origins"),
    form: "https://host[/path], comma-separated",
    doc: "Where `return_to` may point after the visit to Instagram. An origin allows every path below it.",
    secret: false,
    read: parse::return_urls,
};

/// Proxies whose `X-Forwarded-*` headers are believed.
pub const TRUSTED_PROXIES: Entry<TrustedProxies> = Entry {
    env: "HOLDFAST_TRUSTED_PROXIES",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "address or address/prefix, comma-separated",
    doc: "Proxies whose `X-Forwarded-For` is believed; from anybody else the header is ignored, and `Forwarded` always. \
          Only limits by address use it: behind a proxy that is not listed, everybody counts as one client.",
    secret: false,
    read: parse::proxies,
};

/// Connections at a time.
pub const MAX_CONNECTIONS: Entry<NonZeroUsize> = Entry {
    env: "HOLDFAST_MAX_CONNECTIONS",
    aliases: &[],
    default: Fallback::Text("4096"),
    form: "a number",
    doc: "Connections at a time. When all are taken, one that keeps the server waiting is closed for each further one, of \
          the address that has most. Fewer where the limit of file handles (`ulimit -n`) leaves fewer: what the service itself \
          needs comes first, and the log says so. At most half of them are event streams.",
    secret: false,
    read: parse::number,
};

/// How long a stopping server serves on.
pub const DRAIN_S: Entry<Duration> = Entry {
    env: "HOLDFAST_DRAIN_S",
    aliases: &[],
    default: Fallback::Text("3"),
    form: "seconds",
    doc: "How long a server that was told to stop (SIGTERM, SIGINT) serves on, with `/readyz` at 503 and `Connection: close` on every \
          answer, so that whoever spreads requests looks elsewhere before the port closes. A second signal ends it at once.",
    secret: false,
    read: parse::seconds,
};

/// Core files.
pub const CORE_FILES: Entry<bool> = Entry {
    env: "HOLDFAST_CORE_FILES",
    aliases: &[],
    default: Fallback::Text("off"),
    form: "on or off",
    doc: "Whether the operating system may write a core file should the process crash. It would hold keys and grants in plaintext.",
    secret: false,
    read: parse::switch,
};

/// Requests under way.
pub const MAX_REQUESTS: Entry<NonZeroUsize> = Entry {
    env: "HOLDFAST_MAX_REQUESTS",
    aliases: &[],
    default: Fallback::Text("1024"),
    form: "a number",
    doc: "Requests that are worked on at a time; further ones get 503 `overloaded`. A quarter is added for addresses that \
          have fewer than sixteen, so that a busy one does not keep the others out. A request whose body is still on its \
          way does not count.",
    secret: false,
    read: parse::number,
};

/// Requests under way of one address.
pub const REQUESTS_PER_ADDRESS: Entry<NonZeroUsize> = Entry {
    env: "HOLDFAST_REQUESTS_PER_ADDRESS",
    aliases: &[],
    default: Fallback::Absent("as many as there is room for"),
    form: "a number",
    doc: "Requests of one client address (IPv6: of one /64 network) that are worked on at a time; further ones get 429 \
          `too-many-requests`. Set it only where `HOLDFAST_TRUSTED_PROXIES` names every proxy in front.",
    secret: false,
    read: parse::number,
};

/// HTTP/2 without TLS.
pub const HTTP2: Entry<bool> = Entry {
    env: "HOLDFAST_HTTP2",
    aliases: &[],
    default: Fallback::Text("off"),
    form: "on or off",
    doc: "Whether HTTP/2 without TLS is spoken too, with prior knowledge (`h2c`), for a proxy that asks for it. HTTP/1.1 is \
          spoken in any case.",
    secret: false,
    read: parse::switch,
};

/// What signs assertions about callers.
pub const FORWARD_AUTH_SECRET: Entry<SecretString> = Entry {
    env: "HOLDFAST_FORWARD_AUTH_SECRET",
    aliases: &[],
    default: Fallback::Absent("off"),
    form: "at least 32 bytes",
    doc: "Signs `X-Auth-Assertion`, by which a backend behind a proxy knows that the identity headers are Holdfast's.",
    secret: true,
    read: parse::signing_secret,
};

/// Where events go.
pub const WEBHOOK_URL: Entry<Url> = Entry {
    env: "HOLDFAST_WEBHOOK_URL",
    aliases: &[],
    default: Fallback::Absent("off"),
    form: "https://host/path",
    doc: "The app's address for events: every change of a user's status is sent there, in the form of Standard Webhooks.",
    secret: false,
    read: parse::url,
};

/// What signs events.
pub const WEBHOOK_SECRET: Entry<SecretString> = Entry {
    env: "HOLDFAST_WEBHOOK_SECRET",
    aliases: &[],
    default: Fallback::Absent("off"),
    form: "whsec_…",
    doc: "Signs the events: `whsec_` and base64 of 32 random bytes.",
    secret: true,
    read: parse::webhook_secret,
};

/// Publishable key.
pub const CLERK_PUBLISHABLE_KEY: Entry<PublishableKey> = Entry {
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
    doc: "From the Clerk dashboard, API keys. Gives the issuer and the address of the JWKS.",
    secret: false,
    read: parse::publishable_key,
};

/// Pinned key.
pub const CLERK_JWT_KEY: Entry<String> = Entry {
    env: "CLERK_JWT_KEY",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "PEM",
    doc: "The public key that Clerk signs session tokens with, as PEM (`\\n` may stand for line ends). With it no \
          network is needed to judge a token, and a rotation at Clerk needs a new value here.",
    secret: false,
    read: parse::pem,
};

/// Secret key.
pub const CLERK_SECRET_KEY: Entry<SecretString> = Entry {
    env: "CLERK_SECRET_KEY",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "sk_live_… or sk_test_…",
    doc: "Lets `POST /auth/sync` read a user's details from Clerk's Backend API, and the JWKS where nothing else \
          gives it, or the publishable key's host does not answer. Without it the details come from the token's claims.",
    secret: true,
    read: parse::secret_key,
};

/// Backend API.
pub const CLERK_API_URL: Entry<Url> = Entry {
    env: "CLERK_API_URL",
    aliases: &[],
    default: Fallback::Text("https://api.clerk.com"),
    form: "https://host",
    doc: "Clerk's Backend API, with or without `/v1`.",
    secret: false,
    read: parse::clerk_api_url,
};

/// JWKS.
pub const CLERK_JWKS_URL: Entry<Url> = Entry {
    env: "CLERK_JWKS_URL",
    aliases: &[],
    default: Fallback::Derived("from the publishable key, else the Backend API with the secret key"),
    form: "https://host/.well-known/jwks.json",
    doc: "JWKS URL for verifying session tokens. The Backend API's own (`…/v1/jwks` at `CLERK_API_URL`) is asked with the secret key.",
    secret: false,
    read: parse::url,
};

/// Issuer.
pub const CLERK_ISSUER: Entry<Vec<String>> = Entry {
    env: "CLERK_ISSUER",
    aliases: &[],
    default: Fallback::Derived("from the publishable key, else from the address of the JWKS"),
    form: "https://host, comma-separated",
    doc: "What a session token's `iss` must be: one of these. Behind a proxy Clerk may name either address. Where neither this nor a publishable key is set, the key alone says whose tokens are accepted.",
    secret: false,
    read: parse::issuers,
};

/// Proxy of the Frontend API.
pub const CLERK_PROXY_URL: Entry<parse::ProxyAddress> = Entry {
    env: "CLERK_PROXY_URL",
    aliases: &["NEXT_PUBLIC_CLERK_PROXY_URL", "VITE_CLERK_PROXY_URL"],
    default: Fallback::Absent("none"),
    form: "https://host/path, or /path",
    doc: "Where your app proxies Clerk's Frontend API: a further issuer of session tokens. A path stands for that path at each allowed origin.",
    secret: false,
    read: parse::clerk_proxy,
};

/// Satellite domain.
pub const CLERK_DOMAIN: Entry<String> = Entry {
    env: "CLERK_DOMAIN",
    aliases: &["NEXT_PUBLIC_CLERK_DOMAIN", "VITE_CLERK_DOMAIN"],
    default: Fallback::Absent("none"),
    form: "shop.example",
    doc: "The domain of a satellite app: `https://clerk.DOMAIN` is a further issuer of session tokens.",
    secret: false,
    read: parse::clerk_domain,
};

/// Authorized parties.
pub const CLERK_AUTHORIZED_PARTIES: Entry<Vec<OriginPattern>> = Entry {
    env: "CLERK_AUTHORIZED_PARTIES",
    aliases: &[],
    default: Fallback::Derived("the allowed origins"),
    form: "https://host, comma-separated",
    doc: "What a session token's `azp` may be: the origins of the apps whose tokens are accepted.",
    secret: false,
    read: parse::origins,
};

/// How strictly parties are checked.
pub const CLERK_AUTHORIZED_PARTIES_MODE: Entry<PartiesMode> = Entry {
    env: "CLERK_AUTHORIZED_PARTIES_MODE",
    aliases: &[],
    default: Fallback::Text("enforce"),
    form: "enforce, if_present or report",
    doc: "`enforce` refuses a token without or with a foreign `azp`; `if_present` lets one without pass; `report` \
          only logs.",
    secret: false,
    read: parse::parties_mode,
};

/// Audience.
pub const CLERK_AUDIENCE: Entry<Vec<String>> = Entry {
    env: "CLERK_AUDIENCE",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "comma-separated",
    doc: "What a session token's `aud` must contain one of; not checked where unset.",
    secret: false,
    read: parse::words,
};

/// Clock skew.
pub const CLERK_CLOCK_SKEW_MS: Entry<Duration> = Entry {
    env: "CLERK_CLOCK_SKEW_MS",
    aliases: &[],
    default: Fallback::Text("5000"),
    form: "milliseconds, at most 60000",
    doc: "How far the clocks of this server and of Clerk may differ.",
    secret: false,
    read: parse::skew,
};

/// Clerk's webhooks.
pub const CLERK_WEBHOOK_SIGNING_SECRET: Entry<SecretString> = Entry {
    env: "CLERK_WEBHOOK_SIGNING_SECRET",
    aliases: &["CLERK_WEBHOOK_SECRET"],
    default: Fallback::Absent("none: `/webhooks/clerk` answers 503"),
    form: "whsec_…",
    doc: "From the Clerk dashboard, Webhooks, of the endpoint that points at `/webhooks/clerk`. Several between commas while one replaces another.",
    secret: true,
    read: parse::webhook_secrets,
};

/// App id.
pub const INSTAGRAM_APP_ID: Entry<String> = Entry {
    env: "INSTAGRAM_APP_ID",
    aliases: &[],
    default: Fallback::Absent("none: the status is `unavailable` / `not_configured`"),
    form: "digits",
    doc: "The Instagram app id (not the Meta app id): App dashboard, Instagram, API setup with Instagram login.",
    secret: false,
    read: parse::app_id,
};

/// App secret.
pub const INSTAGRAM_APP_SECRET: Entry<Vec<SecretString>> = Entry {
    env: "INSTAGRAM_APP_SECRET",
    aliases: &[],
    default: Fallback::Absent("none"),
    form: "hexadecimal, comma-separated",
    doc: "The Instagram app secret, beside the app id. The first is sent to Instagram; each of them proves Meta's callbacks, which \
          the Meta app's secret may sign, or the one before while it is being replaced.",
    secret: true,
    read: parse::secrets,
};

/// Scopes.
pub const INSTAGRAM_SCOPES: Entry<Vec<String>> = Entry {
    env: "INSTAGRAM_SCOPES",
    aliases: &[],
    default: Fallback::Text("instagram_business_basic"),
    form: "comma-separated",
    doc: "The permissions that people are asked for.",
    secret: false,
    read: parse::scopes,
};

/// Consent page.
pub const INSTAGRAM_AUTHORIZE_URL: Entry<Url> = Entry {
    env: "INSTAGRAM_AUTHORIZE_URL",
    aliases: &[],
    default: Fallback::Text("https://www.instagram.com/oauth/authorize"),
    form: "https://host/path",
    doc: "The consent page that people are sent to.",
    secret: false,
    read: parse::url,
};

/// Token exchange.
pub const INSTAGRAM_API_URL: Entry<Url> = Entry {
    env: "INSTAGRAM_API_URL",
    aliases: &[],
    default: Fallback::Text("https://api.instagram.com"),
    form: "https://host",
    doc: "Where the code is exchanged: `POST {…}/oauth/access_token`.",
    secret: false,
    read: parse::base_url,
};

/// Graph API.
pub const INSTAGRAM_GRAPH_URL: Entry<Url> = Entry {
    env: "INSTAGRAM_GRAPH_URL",
    aliases: &[],
    default: Fallback::Text("https://graph.instagram.com"),
    form: "https://host",
    doc: "The Graph API: `GET {…}/access_token`, `/refresh_access_token`, `/{version}/me`.",
    secret: false,
    read: parse::base_url,
};

/// Graph API version.
pub const INSTAGRAM_GRAPH_VERSION: Entry<String> = Entry {
    env: "INSTAGRAM_GRAPH_VERSION",
    aliases: &[],
    default: Fallback::Text("v25.0"),
    form: "v and a number",
    doc: "Version of the Graph API.",
    secret: false,
    read: parse::graph_version,
};

/// Minimum time between two checks.
pub const CHECK_INTERVAL_S: Entry<Duration> = Entry {
    env: "HOLDFAST_CHECK_INTERVAL_S",
    aliases: &[],
    default: Fallback::Text("60"),
    form: "seconds",
    doc: "`POST /user/instagram/check` asks Instagram at most once per connection in this time.",
    secret: false,
    read: parse::seconds,
};

/// Minimum age for a refresh.
pub const REFRESH_MIN_AGE_S: Entry<Duration> = Entry {
    env: "HOLDFAST_REFRESH_MIN_AGE_S",
    aliases: &[],
    default: Fallback::Text("86400"),
    form: "seconds",
    doc: "Never refresh a younger grant: Instagram refuses to.",
    secret: false,
    read: parse::seconds,
};

/// When a refresh is due.
pub const REFRESH_AT: Entry<f64> = Entry {
    env: "HOLDFAST_REFRESH_AT",
    aliases: &[],
    default: Fallback::Text("0.5"),
    form: "from 0 to below 1",
    doc: "The fraction of a grant's lifetime after which a refresh is due; with `0` as soon as it has the minimum age.",
    secret: false,
    read: parse::fraction,
};

/// Worker.
pub const WORKER: Entry<bool> = Entry {
    env: "HOLDFAST_WORKER",
    aliases: &[],
    default: Fallback::Text("on"),
    form: "on or off",
    doc: "Whether this process refreshes grants; `off` for a replica that only serves.",
    secret: false,
    read: parse::switch,
};

/// What is logged.
pub const LOG: Entry<String> = Entry {
    env: "HOLDFAST_LOG",
    aliases: &[],
    default: Fallback::Text("info"),
    form: "level, or target=level, comma-separated",
    doc: "What is logged, such as `info` or `info,holdfast::http=debug`. Libraries that see addresses and \
          headers are never logged below `info`.",
    secret: false,
    read: parse::log_filter,
};

/// How it is logged.
pub const LOG_FORMAT: Entry<LogFormat> = Entry {
    env: "HOLDFAST_LOG_FORMAT",
    aliases: &[],
    default: Fallback::Derived("`text` on a terminal, else `json`"),
    form: "text or json",
    doc: "How the log is written, to standard error.",
    secret: false,
    read: parse::log_format,
};

/// Every setting, in the order of the reference page.
pub static TABLE: &[&dyn Setting] = &[
    &LISTEN,
    &METRICS_LISTEN,
    &PUBLIC_URL,
    &DATABASE_URL,
    &JOURNAL_DIR,
    &ENCRYPTION_KEYS,
    &ALLOWED_ORIGINS,
    &RETURN_URLS,
    &TRUSTED_PROXIES,
    &MAX_CONNECTIONS,
    &DRAIN_S,
    &CORE_FILES,
    &MAX_REQUESTS,
    &REQUESTS_PER_ADDRESS,
    &HTTP2,
    &FORWARD_AUTH_SECRET,
    &WEBHOOK_URL,
    &WEBHOOK_SECRET,
    &CHECK_INTERVAL_S,
    &REFRESH_MIN_AGE_S,
    &REFRESH_AT,
    &WORKER,
    &LOG,
    &LOG_FORMAT,
    &traces::OTLP_ENDPOINT,
    &traces::OTLP_TRACES_ENDPOINT,
    &traces::OTLP_HEADERS,
    &traces::OTLP_TRACES_HEADERS,
    &traces::OTLP_PROTOCOL,
    &traces::OTLP_TRACES_PROTOCOL,
    &traces::OTLP_TIMEOUT,
    &traces::BSP_SCHEDULE_DELAY,
    &traces::SERVICE_NAME,
    &traces::RESOURCE_ATTRIBUTES,
    &traces::TRACES_SAMPLER,
    &traces::TRACES_SAMPLER_ARG,
    &traces::TRACES_EXPORTER,
    &traces::SDK_DISABLED,
    &CLERK_PUBLISHABLE_KEY,
    &CLERK_JWT_KEY,
    &CLERK_SECRET_KEY,
    &CLERK_API_URL,
    &CLERK_JWKS_URL,
    &CLERK_ISSUER,
    &CLERK_PROXY_URL,
    &CLERK_DOMAIN,
    &CLERK_AUTHORIZED_PARTIES,
    &CLERK_AUTHORIZED_PARTIES_MODE,
    &CLERK_AUDIENCE,
    &CLERK_CLOCK_SKEW_MS,
    &CLERK_WEBHOOK_SIGNING_SECRET,
    &INSTAGRAM_APP_ID,
    &INSTAGRAM_APP_SECRET,
    &INSTAGRAM_SCOPES,
    &INSTAGRAM_AUTHORIZE_URL,
    &INSTAGRAM_API_URL,
    &INSTAGRAM_GRAPH_URL,
    &INSTAGRAM_GRAPH_VERSION,
];

/// Where `holdfast.toml` is looked for when `--config` does not say.
pub fn default_config_file() -> PathBuf {
    PathBuf::from("holdfast.toml")
}
