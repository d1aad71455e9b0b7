//! The checks, each with its stable code, its meaning and its remedy: the page that stands behind a
//! code.

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
        "Correct the named setting; `holdfast config check` lists all faults at once.";
    PUBLISHABLE_KEYS = "publishable-keys", "publishable keys",
        "Two variables for the publishable key hold keys of two Clerk instances; only one of them is used.",
        "Keep one variable with one key, and remove the other.";
    INSECURE_ORIGIN = "insecure-origin", "origins without TLS",
        "An allowed origin on another machine is http: anybody on the network path can change the page and take its session \
         tokens.",
        "Serve the web app over https, and use https:// in HOLDFAST_ALLOWED_ORIGINS.";
    INSECURE_WEBHOOK = "insecure-webhook", "events without TLS",
        "Events go over http to a host on the internet: anybody on the network path can read them.",
        "Use https:// in HOLDFAST_WEBHOOK_URL.";
    ORIGINS = "origins", "origins and parties",
        "No web page may call this server, the tokens of those that may are refused, or session tokens of any \
         page are accepted.",
        "Set HOLDFAST_ALLOWED_ORIGINS, unset CLERK_AUTHORIZED_PARTIES, and set CLERK_AUTHORIZED_PARTIES_MODE to `enforce`.";
    RETURN_URLS = "return-urls", "return addresses",
        "Nobody can connect, because there is no page to return to.",
        "Set HOLDFAST_ALLOWED_ORIGINS, or HOLDFAST_RETURN_URLS.";
    RANDOMNESS = "randomness", "randomness",
        "The operating system delivers no random bytes: nothing can be sealed.",
        "Find the cause: a missing `/dev/urandom`, or a seccomp profile that forbids it.";
    ROOTS = "root-certificates", "root certificates",
        "No root certificates can be read, so nobody can be asked over https: `serve` does not start.",
        "Install ca-certificates, or correct SSL_CERT_FILE.";
    LISTEN = "listen", "listening address",
        "The server cannot listen on its address.",
        "Stop the program that uses the port, or set another in HOLDFAST_LISTEN. The address must be one of this machine, or \
         0.0.0.0.";
    METRICS_LISTEN = "metrics-listen", "metrics address",
        "The metrics listener cannot listen on its address.",
        "Set a free port in HOLDFAST_METRICS_LISTEN, other than that of HOLDFAST_LISTEN.";
    FILE_HANDLES = "file-handles", "file handles",
        "The limit of open files is lower than the number of connections allowed: under load the process would refuse some.",
        "Raise the limit (`LimitNOFILE=` of the unit, `ulimit -Hn`), or lower HOLDFAST_MAX_CONNECTIONS.";
    DISK = "disk", "disk space",
        "The disk is nearly full: soon nothing can be stored.",
        "Make room on the disk, or move the database and the journal (HOLDFAST_DATABASE_URL, HOLDFAST_JOURNAL_DIR).";
    JOURNAL = "journal", "journal",
        "The journal cannot be used, or two servers use one: a token that Instagram issues while the database is away could \
         be lost.",
        "Make room on its disk, let the server write to the directory, or set another in HOLDFAST_JOURNAL_DIR.";
    DATABASE = "database", "database",
        "The database cannot be opened, or its settings do not guarantee that a committed write survives a crash.",
        "Do what the message says. For Postgres, check HOLDFAST_DATABASE_URL, the server and the network.";
    DATABASE_ROLE = "database-role", "database role",
        "The database role may not create tables in its schema or does not own the existing ones, so migrations fail; or it \
         may not read and write the existing tables.",
        "As the database's owner, run GRANT USAGE, CREATE ON SCHEMA public TO the role, or run `holdfast migrate` as the \
         owner of the tables; and run GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO the role.";
    DATABASE_VERSION = "database-version", "database version",
        "The database is older than the versions that Holdfast is tested with.",
        "Use Postgres 13 or newer.";
    DATABASE_ENCODING = "database-encoding", "database encoding",
        "The Postgres database was not created with the encoding UTF8: it refuses a name with a character that its encoding \
         lacks, or checks none.",
        "Create a database with ENCODING 'UTF8', move the tables with pg_dump and pg_restore, and name it in \
         HOLDFAST_DATABASE_URL.";
    DATABASE_POOL = "database-pool", "database connections",
        "The database server allows fewer connections than the replicas use.",
        "Set max_connections to thirteen for each replica, and five for commands, plus what other programs use, or put PgBouncer in front (session \
         pooling).";
    SCHEMA = "schema", "schema",
        "The tables are not those that this version of the program expects.",
        "Run `holdfast migrate`. If the schema was changed by hand, undo the change or restore a backup.";
    INDEXES = "indexes", "indexes",
        "An index is missing or invalid: the database reads a whole table for one request.",
        "Run the statements in the message; they come from migrations/.";
    KEY_RING = "key-ring", "key ring",
        "The encryption keys are not those that sealed this database.",
        "Restore the old bytes of the key, or add the named key behind the others in HOLDFAST_ENCRYPTION_KEYS.";
    SEALED = "sealed", "sealed grants",
        "Some stored grants do not open: their key is missing, or they are damaged; their owners would have to connect again.",
        "Add the key that the message names. For damaged grants, restore a backup, or let their owners reconnect; no key is to \
         be given up for them.";
    BACKLOG = "backlog", "backlog",
        "Refreshes are overdue, or a grant that could not be refreshed expires within days.",
        "Run at least one replica with HOLDFAST_WORKER=on; see docs/guides/alerts.md#holdfastrefreshoverdue.";
    INCIDENT = "incident", "incident at Instagram",
        "Many connections fail in the same way. Nobody is told to reconnect until that is over.",
        "Wait, and look at Meta's status page; see docs/guides/alerts.md#holdfastincident.";
    BUDGET = "budget", "Instagram's budget",
        "The app has used up the calls that Instagram allows per hour: the worker and checks pause.",
        "Let the app's backend make fewer calls through /service/…/graph, with webhooks or a cache. The budget is free again \
         within the hour.";
    SERVER = "server", "running server",
        "The running server reports a problem that no other check finds, as on the operator's page.",
        "Follow the named section of docs/guides/alerts.md.";
    CLERK_KEYS = "clerk-keys", "Clerk's keys",
        "The keys for verifying session tokens cannot be fetched: every request with a token would get 503.",
        "Check CLERK_PUBLISHABLE_KEY or CLERK_JWKS_URL, name resolution, and that outgoing https is allowed.";
    CLERK_PINNED = "clerk-pinned-key", "pinned key",
        "CLERK_JWT_KEY is not a key of the Clerk instance in the other settings: every token would be refused.",
        "Copy that instance's JWKS Public Key from Clerk's dashboard, API keys; or unset CLERK_JWT_KEY.";
    CLERK_SECRET = "clerk-secret-key", "secret key",
        "Clerk's Backend API refuses CLERK_SECRET_KEY, or CLERK_API_URL is not its address: user details cannot be read.",
        "Copy the secret key from Clerk's dashboard, API keys, into CLERK_SECRET_KEY; unset CLERK_API_URL where it is set.";
    CLERK_INSTANCE = "clerk-instance", "one instance",
        "CLERK_SECRET_KEY belongs to another Clerk instance than the publishable key or the JWKS address.",
        "Copy CLERK_PUBLISHABLE_KEY and CLERK_SECRET_KEY from the same page of Clerk's dashboard. CLERK_API_URL must belong \
         to that instance.";
    CLERK_ISSUER = "clerk-issuer", "issuer",
        "The accepted issuers are not the Clerk instance whose tokens arrive: every token would be refused.",
        "Unset CLERK_ISSUER, or add the publishable key's issuer to it, after a comma; take the keys and the issuer from one \
         instance.";
    CLERK_AUDIENCE = "clerk-audience", "audience",
        "CLERK_AUDIENCE is set, and Clerk's own session tokens carry no audience.",
        "Unset CLERK_AUDIENCE, or add `aud` to the session token in Clerk's dashboard.";
    CLERK_WEBHOOKS = "clerk-webhooks", "Clerk's webhooks",
        "Clerk's webhooks are not set up: a user who is deleted at Clerk stays here, with their grant.",
        "Add the endpoint at Clerk, and set CLERK_WEBHOOK_SIGNING_SECRET.";
    CLOCK = "clock", "clock",
        "This machine's clock differs from Clerk's and Instagram's by more than is allowed: good tokens are refused.",
        "Synchronise this machine's clock, with chrony or systemd-timesyncd.";
    INSTAGRAM = "instagram", "Instagram app",
        "No app is configured: every status is `unavailable`.",
        "Set INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET.";
    INSTAGRAM_SECRET_FORM = "instagram-secret-form", "form of the app secret",
        "INSTAGRAM_APP_SECRET is not hexadecimal; every app secret of Meta is.",
        "Copy INSTAGRAM_APP_SECRET again from the App dashboard: Instagram, API setup with Instagram login.";
    INSTAGRAM_APP = "instagram-app", "app id and secret",
        "Instagram refuses the app id or the app secret: nobody can connect.",
        "Copy INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET from the App dashboard: Instagram, API setup with Instagram login (not the Meta app id).";
    INSTAGRAM_REDIRECT = "instagram-redirect", "redirect address",
        "The address that Instagram sends people back to is not registered at Meta.",
        "Register the named address in the App dashboard: Business login settings, OAuth redirect URIs.";
    INSTAGRAM_AUTHORIZE = "instagram-authorize", "consent page",
        "Instagram's consent page does not answer at the configured address.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_AUTHORIZE_URL if it is set. If Instagram itself is down, wait: connections keep their last proven state.";
    INSTAGRAM_TOKEN = "instagram-token", "token host",
        "The host that exchanges codes does not answer: nobody can connect.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_API_URL where it is set. Where Instagram itself is down, wait: connections stand as they were proven last.";
    INSTAGRAM_GRAPH = "instagram-graph", "Graph API",
        "The Graph API does not answer: nothing can be refreshed or checked.",
        "Check name resolution and that outgoing https is allowed; unset INSTAGRAM_GRAPH_URL where it is set. Where Instagram itself is down, wait: connections stand as they were proven last.";
    INSTAGRAM_VERSION = "instagram-version", "Graph version",
        "Meta has ended this version of the Graph API, or does so within two months.",
        "Unset INSTAGRAM_GRAPH_VERSION, or set a current version.";
    INSTAGRAM_SCOPES = "instagram-scopes", "scopes",
        "A scope is unknown to Instagram Login, or the one that every call needs is missing.",
        "Correct INSTAGRAM_SCOPES: instagram_business_basic, and those other instagram_business_* scopes that the app uses.";
    PUBLIC_URL = "public-url", "public address",
        "Browsers and Meta do not reach this server at HOLDFAST_PUBLIC_URL.",
        "Set HOLDFAST_PUBLIC_URL to the address of Holdfast, not of the web app, and let the proxy pass every path on.";
    CERTIFICATE = "certificate", "public certificate",
        "The certificate at HOLDFAST_PUBLIC_URL is not valid: browsers and Meta refuse to connect.",
        "Let the proxy present a valid certificate for that host, with its whole chain. Add a certificate authority of your \
         own to the system's certificates (SSL_CERT_FILE).";
    REFUSED_ORIGINS = "refused-origins", "pages that were refused",
        "Pages of an origin that is not allowed have called this server; the browser hides the answers from them.",
        "If the page is yours, add its origin to HOLDFAST_ALLOWED_ORIGINS; if not, do nothing.";
    CORS = "cors", "calls from pages",
        "A page of an allowed origin may not read the answers that come through the public address.",
        "Let the proxy pass OPTIONS requests and the Origin header on, and add no Access-Control headers of its own.";
    FORWARD_AUTH = "forward-auth", "forward authentication",
        "At the public address, /forward-auth is not answered as this server answers it.",
        "Let the proxy pass /forward-auth on with the Authorization header; see deploy/.";
    WEBHOOK = "webhook-receiver", "receiver of events",
        "The app does not accept events at HOLDFAST_WEBHOOK_URL, or nobody sends them.",
        "Let the app answer POST at HOLDFAST_WEBHOOK_URL: 2xx if the signature is good, 4xx if it is not.";
}

/// The page behind a code.
pub fn page(name: &str) -> Option<String> {
    let Code { title, meaning, remedy, .. } = CODES.iter().find(|code| code.name == name)?;
    Some(format!("{name} ({title})\n\n{meaning}\n\nHow to fix it: {remedy}\n"))
}
