//! The parameters of a Postgres address. The driver ignores what it does not know; what would have
//! made the connection safer is told here.

use url::Url;

use crate::nearest::nearest;

/// Those that have an effect; a misspelt `sslmode` would leave the connection unprotected.
const KNOWN: &[&str] = &[
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "statement-cache-capacity",
    "user",
];

/// Those of libpq and of common pools that may be ignored: the connection works the same, or fails
/// where everybody sees it.
const HARMLESS: &[&str] = &[
    "client_encoding",
    "connect_timeout",
    "connection_limit",
    "fallback_application_name",
    "gssdelegation",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "passfile",
    "pgbouncer",
    "pool_timeout",
    "ssl_max_protocol_version",
    "sslcompression",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "tcp_user_timeout",
    "uselibpqcompat",
];

/// One that asks for something that does not happen.
struct Unsupported {
    /// The names under which clients of Postgres know it.
    names: &'static [&'static str],
    /// Values that ask for nothing.
    idle: &'static [&'static str],
    lacks: &'static str,
    remedy: &'static str,
}

const BY_CERTIFICATE: &str =
    "remove it, and write sslmode=verify-full, which proves the server by its certificate";

const UNSUPPORTED: &[Unsupported] = &[
    Unsupported {
        names: &["channel_binding"],
        idle: &["prefer", "disable"],
        lacks: "the login is not bound to the TLS connection",
        remedy: BY_CERTIFICATE,
    },
    Unsupported {
        names: &["require_auth"],
        idle: &[""],
        lacks: "the server chooses how the password is asked for, in the clear too",
        remedy: BY_CERTIFICATE,
    },
    Unsupported {
        names: &["requirepeer"],
        idle: &[""],
        lacks: "nobody looks at whose process listens at the socket",
        remedy: "remove it, and let the directory of the socket belong to the database's user",
    },
    Unsupported {
        names: &["gssencmode"],
        idle: &["prefer", "disable"],
        lacks: "the connection is not encrypted by GSSAPI",
        remedy: "remove it, and write sslmode=verify-full",
    },
    Unsupported {
        names: &["sslcrl", "sslcrldir"],
        idle: &[""],
        lacks: "a revoked certificate is accepted",
        remedy: "remove it, and let sslrootcert name only authorities whose certificates you trust",
    },
    Unsupported {
        names: &["ssl_min_protocol_version"],
        idle: &["", "TLSv1", "TLSv1.1", "TLSv1.2"],
        lacks: "TLS 1.2 is accepted",
        remedy: "remove it, and let the server itself require TLS 1.3 (ssl_min_protocol_version there)",
    },
    Unsupported {
        names: &["sslcertmode"],
        idle: &["allow", "disable"],
        lacks: "a server that asks for no certificate is accepted",
        remedy: BY_CERTIFICATE,
    },
    Unsupported {
        names: &["sslaccept"],
        idle: &["accept_invalid_certs"],
        lacks: "the server's certificate is not verified because of it",
        remedy: BY_CERTIFICATE,
    },
    Unsupported {
        names: &["target_session_attrs"],
        idle: &["any"],
        lacks: "a server that takes no writes is not left for another one",
        remedy: "remove it, and name an address that always leads to the primary",
    },
    Unsupported {
        names: &["replication"],
        idle: &["", "false", "off", "no", "0"],
        lacks: "this is an ordinary connection",
        remedy: "remove it",
    },
    Unsupported {
        names: &["service"],
        idle: &[""],
        lacks: "no service file is read",
        remedy: "remove it, and write what the service file says into the address",
    },
    Unsupported {
        names: &["schema", "currentSchema", "search_path"],
        idle: &["public"],
        lacks: "the tables are those of the role's own search path",
        remedy: "remove it, and write options[search_path]=SCHEMA",
    },
];

/// A parameter that is nearly a known one, and that one.
pub(super) fn misspelt_parameter(text: &str) -> Option<(String, &'static str)> {
    let url = postgres(text)?;
    url.query_pairs().find_map(|(name, _)| {
        if is_known(&name) || HARMLESS.contains(&&*name) || unsupported(&name).is_some() {
            return None;
        }
        // As node-postgres and older libpq take it.
        if name == "ssl" || name == "requiressl" {
            return Some((name.into_owned(), "sslmode=require"));
        }
        nearest(&name, KNOWN.iter().copied()).map(|meant| (name.into_owned(), meant))
    })
}

/// What the address asks for and does not get, each with what to do. Neither values nor unknown
/// names are repeated: part of a password with a `?` or `&` in it would be among them.
pub(super) fn in_vain(text: &str) -> Vec<(String, &'static str)> {
    let Some(url) = postgres(text) else { return Vec::new() };
    let mut found = Vec::new();
    let mut warn = |what: String, remedy: &'static str| found.push((what, remedy));
    for (at, (name, value)) in (1..).zip(url.query_pairs()) {
        if let Some(each) = unsupported(&name) {
            if !each.idle.iter().any(|idle| value.eq_ignore_ascii_case(idle)) {
                warn(format!("its parameter {name} has no effect: {}", each.lacks), each.remedy);
            }
        } else if !is_known(&name) && !HARMLESS.contains(&&*name) {
            warn(
                format!("its parameter number {at} is unknown, and has no effect"),
                "remove it; in a password, write ? as %3F and & as %26",
            );
        }
    }
    let given = |names: &[&str]| {
        url.query_pairs().filter(|(name, _)| names.contains(&&**name)).map(|(_, value)| value).last()
    };
    // To libpq an authority means that its signature is wanted.
    // `system` brings its own mode, or is refused.
    if given(&["sslrootcert", "ssl-root-cert", "ssl-ca"]).is_some_and(|authority| authority != "system")
        && !given(&["sslmode", "ssl-mode"]).is_some_and(|mode| mode.starts_with("verify-"))
    {
        warn(
            "its parameter sslrootcert has no effect: no certificate is verified without sslmode=verify-ca or verify-full".to_owned(),
            "write sslmode=verify-full",
        );
    }
    found
}

fn postgres(text: &str) -> Option<Url> {
    Url::parse(text).ok().filter(|url| matches!(url.scheme(), "postgres" | "postgresql"))
}

fn is_known(name: &str) -> bool {
    KNOWN.contains(&name) || name.starts_with("options[")
}

fn unsupported(name: &str) -> Option<&'static Unsupported> {
    UNSUPPORTED.iter().find(|each| each.names.contains(&name))
}
