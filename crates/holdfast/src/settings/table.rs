//! The one table of settings. The loader, `config print`, the doctor and the reference page all
//! walk it, so a setting is added here and read in `load.rs`, and nowhere else.

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
use crate::client_address::TrustedProxies;

settings! {
    /// Holdfast's own.
    OWN;
    LISTEN: SocketAddr {
        env: "HOLDFAST_LISTEN",
        default: Fallback::Text("127.0.0.1:8080"),
        form: "address:port",
        doc: "Where the server listens. `0.0.0.0:8080` or `:8080` listens on every interface; TLS is a proxy's job.",
        read: parse::address,
    }
    METRICS_LISTEN: SocketAddr {
        env: "HOLDFAST_METRICS_LISTEN",
        default: Fallback::Absent("off"),
        form: "address:port",
        doc: "Where Prometheus finds `/metrics`. A port of its own, so that it is never public by accident.",
        read: parse::address_or_none,
    }
    PUBLIC_URL: Url {
        env: "HOLDFAST_PUBLIC_URL",
        default: Fallback::Derived("`http://` + listen"),
        form: "https://host",
        doc: "Where browsers and Meta reach this server. The callback address to register at Meta is this plus \
              `/instagram/callback`.",
        read: parse::base_url,
    }
    DATABASE_URL: SecretString {
        env: "HOLDFAST_DATABASE_URL",
        default: Fallback::Text("sqlite://holdfast.db"),
        form: "sqlite://path or postgres://…",
        doc: "The database. SQLite serves one process; several replicas need Postgres. May hold a password.",
        secret: true,
        read: parse::database_url,
    }
    JOURNAL_DIR: PathBuf {
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
        read: parse::directory,
    }
    ENCRYPTION_KEYS: SecretString {
        env: "HOLDFAST_ENCRYPTION_KEYS",
        default: Fallback::Absent("required by `serve`"),
        form: "id:base64(32 bytes), comma-separated",
        doc: "The keys that seal every grant at rest. The first seals, all open. `holdfast keys generate` makes one; \
              without it no stored grant can be read again, so keep it as safely as the database's backups and apart \
              from them.",
        secret: true,
        read: parse::key_ring,
    }
    ALLOWED_ORIGINS: Vec<OriginPattern> {
        env: "HOLDFAST_ALLOWED_ORIGINS",
        default: Fallback::Absent("none"),
        form: "https://host, comma-separated",
        doc: "Origins of the web apps that call this server. Exact, or with a `*` that stands for part of one label: \
              `https://deploy-preview-*--SITE.netlify.app`.",
        read: parse::origins,
    }
    RETURN_URLS: Vec<String> {
        env: "HOLDFAST_RETURN_URLS",
        default: Fallback::Derived("the allowed origins"),
        form: "https://host[/path], comma-separated",
        doc: "Where `return_to` may point after the visit to Instagram. An origin allows every path below it.",
        read: parse::return_urls,
    }
    TRUSTED_PROXIES: TrustedProxies {
        env: "HOLDFAST_TRUSTED_PROXIES",
        default: Fallback::Absent("none"),
        form: "address or address/prefix, comma-separated",
        doc: "Proxies whose `X-Forwarded-For` is believed; from anybody else the header is ignored, and `Forwarded` always. \
              Only limits by address use it: behind a proxy that is not listed, everybody counts as one client.",
        read: parse::proxies,
    }
    MAX_CONNECTIONS: NonZeroUsize {
        env: "HOLDFAST_MAX_CONNECTIONS",
        default: Fallback::Text("4096"),
        form: "a number",
        doc: "Connections at a time. When all are taken, one that keeps the server waiting is closed for each further one, of \
              the address that has most. Fewer where the limit of file handles (`ulimit -n`) leaves fewer: what the service itself \
              needs comes first, and the log says so. At most half of them are event streams.",
        read: parse::number,
    }
    DRAIN_S: Duration {
        env: "HOLDFAST_DRAIN_S",
        default: Fallback::Text("3"),
        form: "seconds, at most 3600",
        doc: "How long a server that was told to stop (SIGTERM, SIGINT) serves on, with `/readyz` at 503 and `Connection: close` on every \
              answer, so that whoever spreads requests looks elsewhere before the port closes. A second signal ends it at once.",
        read: parse::drain,
    }
    CORE_FILES: bool {
        env: "HOLDFAST_CORE_FILES",
        default: Fallback::Text("off"),
        form: "on or off",
        doc: "Whether the operating system may write a core file should the process crash. It would hold keys and grants in plaintext.",
        read: parse::switch,
    }
    MAX_REQUESTS: NonZeroUsize {
        env: "HOLDFAST_MAX_REQUESTS",
        default: Fallback::Text("1024"),
        form: "a number",
        doc: "Requests that are worked on at a time; further ones get 503 `overloaded`. A quarter is added for addresses that \
              have fewer than sixteen, so that a busy one does not keep the others out. A request whose body is still on its \
              way does not count.",
        read: parse::number,
    }
    REQUESTS_PER_ADDRESS: NonZeroUsize {
        env: "HOLDFAST_REQUESTS_PER_ADDRESS",
        default: Fallback::Absent("as many as there is room for"),
        form: "a number",
        doc: "Requests of one client address (IPv6: of one /64 network) that are worked on at a time; further ones get 429 \
              `too-many-requests`. Set it only where `HOLDFAST_TRUSTED_PROXIES` names every proxy in front.",
        read: parse::number,
    }
    HTTP2: bool {
        env: "HOLDFAST_HTTP2",
        default: Fallback::Text("off"),
        form: "on or off",
        doc: "Whether HTTP/2 without TLS is spoken too, with prior knowledge (`h2c`), for a proxy that asks for it. HTTP/1.1 is \
              spoken in any case.",
        read: parse::switch,
    }
    FORWARD_AUTH_SECRET: SecretString {
        env: "HOLDFAST_FORWARD_AUTH_SECRET",
        default: Fallback::Absent("off"),
        form: "at least 32 bytes",
        doc: "Signs `X-Auth-Assertion`, by which a backend behind a proxy knows that the identity headers are Holdfast's.",
        secret: true,
        read: parse::signing_secret,
    }
    WEBHOOK_URL: Url {
        env: "HOLDFAST_WEBHOOK_URL",
        default: Fallback::Absent("off"),
        form: "https://host/path",
        doc: "The app's address for events: every change of a user's status is sent there, in the form of Standard Webhooks.",
        read: parse::url,
    }
    WEBHOOK_SECRET: SecretString {
        env: "HOLDFAST_WEBHOOK_SECRET",
        default: Fallback::Absent("off"),
        form: "whsec_…",
        doc: "Signs the events: `whsec_` and base64 of 32 random bytes.",
        secret: true,
        read: parse::webhook_secret,
    }
    CHECK_INTERVAL_S: Duration {
        env: "HOLDFAST_CHECK_INTERVAL_S",
        default: Fallback::Text("60"),
        form: "seconds",
        doc: "`POST /user/instagram/check` asks Instagram at most once per connection in this time.",
        read: parse::seconds,
    }
    REFRESH_MIN_AGE_S: Duration {
        env: "HOLDFAST_REFRESH_MIN_AGE_S",
        default: Fallback::Text("86400"),
        form: "seconds, fewer than the 60 days that a grant lives",
        doc: "Never refresh a younger grant: Instagram refuses to.",
        read: parse::minimum_age,
    }
    REFRESH_AT: f64 {
        env: "HOLDFAST_REFRESH_AT",
        default: Fallback::Text("0.5"),
        form: "from 0 to below 1",
        doc: "The fraction of a grant's lifetime after which a refresh is due; with `0` as soon as it has the minimum age.",
        read: parse::fraction,
    }
    WORKER: bool {
        env: "HOLDFAST_WORKER",
        default: Fallback::Text("on"),
        form: "on or off",
        doc: "Whether this process refreshes grants; `off` for a replica that only serves.",
        read: parse::switch,
    }
    LOG: String {
        env: "HOLDFAST_LOG",
        default: Fallback::Text("info"),
        form: "level, or target=level, comma-separated",
        doc: "What is logged, such as `info` or `info,holdfast::http=debug`. Libraries that see addresses and \
              headers are never logged below `info`.",
        read: parse::log_filter,
    }
    LOG_FORMAT: LogFormat {
        env: "HOLDFAST_LOG_FORMAT",
        default: Fallback::Derived("`text` on a terminal, else `json`"),
        form: "text or json",
        doc: "How the log is written, to standard error.",
        read: parse::log_format,
    }
}

settings! {
    /// Of Clerk and of Instagram.
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
        doc: "From the Clerk dashboard, API keys. Gives the issuer and the address of the JWKS.",
        read: parse::publishable_key,
    }
    CLERK_JWT_KEY: String {
        env: "CLERK_JWT_KEY",
        default: Fallback::Absent("none"),
        form: "PEM",
        doc: "The public key that Clerk signs session tokens with, as PEM (`\\n` may stand for line ends). With it no \
              network is needed to judge a token, and a rotation at Clerk needs a new value here.",
        read: parse::pem,
    }
    CLERK_SECRET_KEY: SecretString {
        env: "CLERK_SECRET_KEY",
        default: Fallback::Absent("none"),
        form: "sk_live_… or sk_test_…",
        doc: "Lets `POST /auth/sync` read a user's details from Clerk's Backend API, and the JWKS where nothing else \
              gives it, or the publishable key's host does not answer. Without it the details come from the token's claims.",
        secret: true,
        read: parse::secret_key,
    }
    CLERK_API_URL: Url {
        env: "CLERK_API_URL",
        default: Fallback::Text("https://api.clerk.com"),
        form: "https://host",
        doc: "Clerk's Backend API, with or without `/v1`.",
        read: parse::clerk_api_url,
    }
    CLERK_JWKS_URL: Url {
        env: "CLERK_JWKS_URL",
        default: Fallback::Derived("from the publishable key, else the Backend API with the secret key"),
        form: "https://host/.well-known/jwks.json",
        doc: "JWKS URL for verifying session tokens. The Backend API's own (`…/v1/jwks` at `CLERK_API_URL`) is asked with the secret key.",
        read: parse::url,
    }
    CLERK_ISSUER: Vec<String> {
        env: "CLERK_ISSUER",
        default: Fallback::Derived("from the publishable key, else from the address of the JWKS"),
        form: "https://host, comma-separated",
        doc: "What a session token's `iss` must be: one of these. Behind a proxy Clerk may name either address. Where neither this nor a publishable key is set, the key alone says whose tokens are accepted.",
        read: parse::issuers,
    }
    CLERK_PROXY_URL: parse::ProxyAddress {
        env: "CLERK_PROXY_URL",
        aliases: &["NEXT_PUBLIC_CLERK_PROXY_URL", "VITE_CLERK_PROXY_URL"],
        default: Fallback::Absent("none"),
        form: "https://host/path, or /path",
        doc: "Where your app proxies Clerk's Frontend API: a further issuer of session tokens. A path stands for that path at each allowed origin.",
        read: parse::clerk_proxy,
    }
    CLERK_DOMAIN: String {
        env: "CLERK_DOMAIN",
        aliases: &["NEXT_PUBLIC_CLERK_DOMAIN", "VITE_CLERK_DOMAIN"],
        default: Fallback::Absent("none"),
        form: "shop.example",
        doc: "The domain of a satellite app: `https://clerk.DOMAIN` is a further issuer of session tokens.",
        read: parse::clerk_domain,
    }
    CLERK_AUTHORIZED_PARTIES: Vec<OriginPattern> {
        env: "CLERK_AUTHORIZED_PARTIES",
        default: Fallback::Derived("the allowed origins"),
        form: "https://host, comma-separated",
        doc: "What a session token's `azp` may be: the origins of the apps whose tokens are accepted.",
        read: parse::origins,
    }
    CLERK_AUTHORIZED_PARTIES_MODE: PartiesMode {
        env: "CLERK_AUTHORIZED_PARTIES_MODE",
        default: Fallback::Text("enforce"),
        form: "enforce, if_present or report",
        doc: "`enforce` refuses a token without or with a foreign `azp`; `if_present` lets one without pass; `report` \
              only logs.",
        read: parse::parties_mode,
    }
    CLERK_AUDIENCE: Vec<String> {
        env: "CLERK_AUDIENCE",
        default: Fallback::Absent("none"),
        form: "comma-separated",
        doc: "What a session token's `aud` must contain one of; not checked where unset.",
        read: parse::words,
    }
    CLERK_CLOCK_SKEW_MS: Duration {
        env: "CLERK_CLOCK_SKEW_MS",
        default: Fallback::Text("5000"),
        form: "milliseconds, at most 60000",
        doc: "How far the clocks of this server and of Clerk may differ.",
        read: parse::skew,
    }
    CLERK_WEBHOOK_SIGNING_SECRET: SecretString {
        env: "CLERK_WEBHOOK_SIGNING_SECRET",
        aliases: &["CLERK_WEBHOOK_SECRET"],
        default: Fallback::Absent("none: `/webhooks/clerk` answers 503"),
        form: "whsec_…",
        doc: "From the Clerk dashboard, Webhooks, of the endpoint that points at `/webhooks/clerk`. Several between commas while one replaces another.",
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
        doc: "The Instagram app secret, beside the app id. The first is sent to Instagram; each of them proves Meta's callbacks, which \
              the Meta app's secret may sign, or the one before while it is being replaced.",
        secret: true,
        read: parse::secrets,
    }
    INSTAGRAM_SCOPES: Vec<String> {
        env: "INSTAGRAM_SCOPES",
        default: Fallback::Text("instagram_business_basic"),
        form: "comma-separated",
        doc: "The permissions that people are asked for.",
        read: parse::scopes,
    }
    INSTAGRAM_AUTHORIZE_URL: Url {
        env: "INSTAGRAM_AUTHORIZE_URL",
        default: Fallback::Text("https://www.instagram.com/oauth/authorize"),
        form: "https://host/path",
        doc: "The consent page that people are sent to.",
        read: parse::url,
    }
    INSTAGRAM_API_URL: Url {
        env: "INSTAGRAM_API_URL",
        default: Fallback::Text("https://api.instagram.com"),
        form: "https://host",
        doc: "Where the code is exchanged: `POST {…}/oauth/access_token`.",
        read: parse::base_url,
    }
    INSTAGRAM_GRAPH_URL: Url {
        env: "INSTAGRAM_GRAPH_URL",
        default: Fallback::Text("https://graph.instagram.com"),
        form: "https://host",
        doc: "The Graph API: `GET {…}/access_token`, `/refresh_access_token`, `/{version}/me`.",
        read: parse::base_url,
    }
    INSTAGRAM_GRAPH_VERSION: String {
        env: "INSTAGRAM_GRAPH_VERSION",
        default: Fallback::Text("v25.0"),
        form: "v and a number",
        doc: "Version of the Graph API.",
        read: parse::graph_version,
    }
}

/// Every setting, in the order of the reference page.
pub static TABLE: LazyLock<Vec<&'static dyn Setting>> =
    LazyLock::new(|| [OWN, traces::ALL, OF_OTHERS].concat());

/// Where `holdfast.toml` is looked for when `--config` does not say.
pub fn default_config_file() -> PathBuf {
    PathBuf::from("holdfast.toml")
}
