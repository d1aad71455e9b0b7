//! The checks, each with its stable code, its meaning and its remedy: the page that stands behind a
//! code.

use std::fmt::Write as _;

/// One check's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The stable code.
    pub name: &'static str,
    /// What is checked, in a few words.
    pub title: &'static str,
    /// What it means where it fails.
    pub meaning: &'static str,
    /// What mends it.
    pub remedy: &'static str,
}

macro_rules! codes {
    ($($constant:ident = $name:literal, $title:literal, $meaning:literal, $remedy:literal;)+) => {
        $(pub(super) const $constant: Code =
            Code { name: $name, title: $title, meaning: $meaning, remedy: $remedy };)+
        /// Every check, in the order of the report.
        pub const CODES: &[Code] = &[$($constant,)+];
    };
}

codes! {
    CONFIGURATION = "configuration", "configuration",
        "A setting is missing, cannot be read, or contradicts another; `serve` would not start.",
        "Correct the setting that is named; `holdfast config check` lists all faults at once.";
    PUBLISHABLE_KEYS = "publishable-keys", "publishable keys",
        "Two names that are read for the publishable key hold keys of two Clerk instances; only one is used.",
        "Keep the key of one instance, under one name.";
    INSECURE_ORIGIN = "insecure-origin", "origins without TLS",
        "An origin on another machine is http: whoever is on the way reads and changes the page, and takes its session tokens.",
        "Serve the web app over https, and write https:// in HOLDFAST_ALLOWED_ORIGINS.";
    INSECURE_WEBHOOK = "insecure-webhook", "events without TLS",
        "Events go over http to a host on the internet: whoever is on the way reads them.",
        "Write https:// in HOLDFAST_WEBHOOK_URL.";
    ORIGINS = "origins", "origins and parties",
        "No page can call, or tokens are accepted whatever page they were made for.",
        "Set HOLDFAST_ALLOWED_ORIGINS, and CLERK_AUTHORIZED_PARTIES_MODE to `enforce`.";
    RETURN_URLS = "return-urls", "return addresses",
        "Nobody can connect, because no page may be returned to.",
        "Set HOLDFAST_ALLOWED_ORIGINS, or HOLDFAST_RETURN_URLS.";
    RANDOMNESS = "randomness", "randomness",
        "The system delivers no random bytes: nothing can be sealed.",
        "Find out what keeps the system from it: a missing `/dev/urandom`, a seccomp profile.";
    LISTEN = "listen", "listening address",
        "The server could not take its address.",
        "Stop what uses the port, or choose another in HOLDFAST_LISTEN; an address must be this machine's, or 0.0.0.0.";
    METRICS_LISTEN = "metrics-listen", "metrics address",
        "The metrics listener could not take its address.",
        "Choose a port of its own in HOLDFAST_METRICS_LISTEN.";
    FILE_HANDLES = "file-handles", "file handles",
        "The process may open fewer files than it may have connections: under load it would refuse some.",
        "Raise the limit (`LimitNOFILE=` of the unit, `ulimit -Hn`), or lower HOLDFAST_MAX_CONNECTIONS.";
    DISK = "disk", "disk space",
        "The disk is nearly full: soon nothing could be stored.",
        "Make room there, or move the database and the journal: HOLDFAST_DATABASE_URL, HOLDFAST_JOURNAL_DIR.";
    JOURNAL = "journal", "journal",
        "What Instagram hands out at the moment at which the database goes away could be lost.",
        "Make room on its disk, let the server write to the directory, or name another in HOLDFAST_JOURNAL_DIR.";
    DATABASE = "database", "database",
        "The database cannot be opened, or does not promise what durability rests on.",
        "Follow the sentence; for Postgres, check HOLDFAST_DATABASE_URL, the server and the way to it.";
    DATABASE_ROLE = "database-role", "database role",
        "The role may not create tables in its schema, so the schema cannot be brought up to date; or it may not read and write the tables that are there.",
        "As the database's owner: GRANT USAGE, CREATE ON SCHEMA public TO the role, or run `holdfast migrate` as the owner; and GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the role.";
    DATABASE_VERSION = "database-version", "database version",
        "The database is older than what is tested.",
        "Use Postgres 13 or newer.";
    DATABASE_POOL = "database-pool", "database connections",
        "The server of the database gives fewer connections than the replicas ask for.",
        "Raise max_connections above thirteen for each replica and what others use, or put PgBouncer before it (session pooling).";
    SCHEMA = "schema", "schema",
        "The tables are not those that this program works with.",
        "Run `holdfast migrate`; where it was changed by hand, restore it or a backup.";
    INDEXES = "indexes", "indexes",
        "An index was dropped, or left invalid: the database reads a whole table for one request.",
        "Run the statements that are named; they are those of migrations/.";
    KEY_RING = "key-ring", "key ring",
        "The encryption keys are not those that sealed this database.",
        "Restore the old bytes, or add the key that is named behind the others in HOLDFAST_ENCRYPTION_KEYS.";
    SEALED = "sealed", "sealed grants",
        "Grants are stored that do not open with these keys; their owners would have to connect again.",
        "Add the key that sealed them; where it is lost for good, `holdfast keys retire --lost ID`.";
    BACKLOG = "backlog", "backlog",
        "Refreshes are overdue, or a grant ends within days.",
        "One replica must run with HOLDFAST_WORKER=on; see docs/guides/alerts.md#holdfastrefreshoverdue.";
    INCIDENT = "incident", "incident at Instagram",
        "Many connections fail alike, so nobody is told to reconnect until it is over.",
        "Wait, and look at Meta's status page; see docs/guides/alerts.md#holdfastincident.";
    BUDGET = "budget", "Instagram's budget",
        "The hourly number of calls that Instagram allows the app is used up: the worker pauses, and so do checks.",
        "Let the app's backend call less through /service/…/graph, by webhooks or a cache; the budget is free again within the hour.";
    SERVER = "server", "running server",
        "The running server itself sees something wrong that no other check does, as on the operator's page.",
        "Follow the section of docs/guides/alerts.md that is named.";
    CLERK_KEYS = "clerk-keys", "Clerk's keys",
        "The keys that session tokens are verified with cannot be had: every token would be answered with 503.",
        "Check CLERK_PUBLISHABLE_KEY or CLERK_JWKS_URL, name resolution, and that outgoing https is allowed.";
    CLERK_PINNED = "clerk-pinned-key", "pinned key",
        "CLERK_JWT_KEY is not a key of the instance that the other settings name: every token would be refused.",
        "Copy the JWKS public key of that instance from Clerk's dashboard, API keys; or unset CLERK_JWT_KEY.";
    CLERK_SECRET = "clerk-secret-key", "secret key",
        "Clerk's Backend API refuses CLERK_SECRET_KEY: user details cannot be read.",
        "Copy the secret key from Clerk's dashboard, API keys, into CLERK_SECRET_KEY.";
    CLERK_INSTANCE = "clerk-instance", "one instance",
        "CLERK_SECRET_KEY is of another Clerk instance than the publishable key or the JWKS address.",
        "Copy CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY from the same page of Clerk's dashboard; CLERK_API_URL must be that instance's.";
    CLERK_ISSUER = "clerk-issuer", "issuer",
        "CLERK_ISSUER does not name the instance of the publishable key: its tokens would be refused.",
        "Unset CLERK_ISSUER, or add the address behind it, after a comma.";
    CLERK_AUDIENCE = "clerk-audience", "audience",
        "CLERK_AUDIENCE is set, and Clerk's own session tokens carry no audience.",
        "Unset CLERK_AUDIENCE, or add `aud` to the session token in Clerk's dashboard.";
    CLERK_WEBHOOKS = "clerk-webhooks", "Clerk's webhooks",
        "A user who is deleted at Clerk stays here, with their grant.",
        "Add the endpoint at Clerk, and set CLERK_WEBHOOK_SIGNING_SECRET.";
    CLOCK = "clock", "clock",
        "This machine's clock differs from Clerk's and Instagram's by more than is allowed: good tokens are refused.",
        "Synchronise it: chrony or systemd-timesyncd.";
    INSTAGRAM = "instagram", "Instagram app",
        "No app is configured: every status is `unavailable`.",
        "Set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET.";
    INSTAGRAM_SECRET_FORM = "instagram-secret-form", "form of the app secret",
        "INSTAGRAM_APP_SECRET is not hexadecimal, as every app secret of Meta's is.",
        "Copy it anew from the App dashboard: Instagram, API setup with Instagram login; into INSTAGRAM_APP_SECRET.";
    INSTAGRAM_APP = "instagram-app", "app id and secret",
        "Instagram refuses the app id or the app secret: nobody can connect.",
        "Copy INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET from the App dashboard: Instagram, API setup with Instagram login (not the Meta app id).";
    INSTAGRAM_REDIRECT = "instagram-redirect", "redirect address",
        "Instagram does not know the address that people come back to.",
        "Register the address that is named in the App dashboard: Business login settings, OAuth redirect URIs.";
    INSTAGRAM_AUTHORIZE = "instagram-authorize", "consent page",
        "The consent page does not answer where people are sent to.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_AUTHORIZE_URL where it is set. Where Instagram itself is down, wait: connections stand as they were proven last.";
    INSTAGRAM_TOKEN = "instagram-token", "token host",
        "The host that exchanges codes does not answer: nobody can connect.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_API_URL where it is set. Where Instagram itself is down, wait: connections stand as they were proven last.";
    INSTAGRAM_GRAPH = "instagram-graph", "Graph API",
        "The Graph API does not answer: nothing can be refreshed or checked.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_GRAPH_URL where it is set. Where Instagram itself is down, wait: connections stand as they were proven last.";
    INSTAGRAM_VERSION = "instagram-version", "Graph version",
        "Meta has retired this version of the Graph API.",
        "Unset INSTAGRAM_GRAPH_VERSION, or name a current one.";
    INSTAGRAM_SCOPES = "instagram-scopes", "scopes",
        "A scope is unknown to Instagram Login, or the one that every call needs is missing.",
        "Correct INSTAGRAM_SCOPES: instagram_business_basic, and what else the app uses of instagram_business_*.";
    PUBLIC_URL = "public-url", "public address",
        "Browsers and Meta do not reach this server at HOLDFAST_PUBLIC_URL.",
        "Write the address of Holdfast into HOLDFAST_PUBLIC_URL, not that of the web app; let the proxy pass every path on.";
    CERTIFICATE = "certificate", "public certificate",
        "The certificate at HOLDFAST_PUBLIC_URL is not accepted: browsers and Meta turn away from it.",
        "Let the proxy present a current certificate for that host with its whole chain; an authority of your own goes into the system's certificates (SSL_CERT_FILE).";
    REFUSED_ORIGINS = "refused-origins", "pages that were refused",
        "Pages of an origin that is not allowed have called; their browsers hide the answers from them.",
        "Where the page is yours, add its origin to HOLDFAST_ALLOWED_ORIGINS; else leave it.";
    CORS = "cors", "calls from pages",
        "A page of an allowed origin may not read the answers that come through the public address.",
        "Let the proxy pass OPTIONS and Origin on, and add no Access-Control headers of its own.";
    FORWARD_AUTH = "forward-auth", "forward authentication",
        "The public address does not answer /forward-auth as this server does.",
        "Let the proxy pass /forward-auth on with the Authorization header; see deploy/.";
    WEBHOOK = "webhook-receiver", "receiver of events",
        "The app does not take events at HOLDFAST_WEBHOOK_URL.",
        "Let it answer POST at HOLDFAST_WEBHOOK_URL: 2xx where the signature is good, 4xx where it is not.";
}

/// The page behind a code.
pub fn page(name: &str) -> Option<String> {
    CODES.iter().find(|code| code.name == name).map(section)
}

fn section(code: &Code) -> String {
    format!("{} ({})\n\n{}\n\nWhat mends it: {}\n", code.name, code.title, code.meaning, code.remedy)
}

/// The reference page.
pub fn markdown() -> String {
    let mut text = String::from(
        "<!-- Generated by `holdfast reference`; do not edit. -->\n\n# Checks of `holdfast doctor`\n\n\
         Each has a stable code, which `--json` names too; `holdfast doctor --explain CODE` prints its section. A check that fails makes the \
         exit code 1. `--offline` asks nobody; all others together take 15 seconds at most, whatever hangs.\n",
    );
    for code in CODES {
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n## {}\n\nChecks: {}. {}\n\nWhat mends it: {}\n",
            code.name, code.title, code.meaning, code.remedy
        );
    }
    text
}
