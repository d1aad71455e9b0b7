//! Tokens and keys that were given as an argument by mistake: no message repeats them.

use std::ffi::OsString;

use uuid::Uuid;

use crate::settings::{HIDDEN, has_secret_prefix, is_secret_as_path, looks_secret};

/// Why not to do it again.
pub(super) const HINT: &str = "an argument is seen by everybody on this machine and kept by the shell: give a token on standard \
                               input, and a key in a file";

/// Whether it may be a secret: of what else is long and random, or has an `@`, ids, addresses of
/// mail and accounts' names are given.
fn is_secret(given: &str) -> bool {
    let is_known = given.starts_with("user_")
        || (given.contains('-') && Uuid::try_parse(given).is_ok())
        || (given.contains('@') && !given.contains(':'));
    // A path is judged as one, but an entry of the key ring may hold a slash as well.
    let is_path = given.contains('/') && !given.contains(':');
    !is_known && if is_path { is_secret_as_path(given) } else { looks_secret(given) }
}

/// Whether it may be a secret where the id of a request or the name of a key belongs, which are
/// long and random themselves.
fn is_secret_as_name(given: &str) -> bool {
    let is_name = given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_token = ["IGA", "IGQ", "EAA"].iter().any(|prefix| given.starts_with(prefix));
    if is_name { is_token || has_secret_prefix(given) } else { is_secret(given) }
}

/// The arguments that a message must not repeat.
pub(super) fn among(arguments: &[OsString]) -> Vec<String> {
    let texts = arguments.iter().skip(1).filter_map(|each| each.to_str());
    let command = texts.clone().find(|text| !text.starts_with('-'));
    let is_secret = if matches!(command, Some("why" | "keys")) { is_secret_as_name } else { is_secret };
    let values = texts.map(|text| match text.split_once('=') {
        Some((option, value)) if option.starts_with("--") => value,
        _ => text,
    });
    let mut secrets: Vec<String> = values.filter(|value| is_secret(value)).map(str::to_owned).collect();
    // A secret may be part of another argument.
    secrets.sort_by_key(|each| std::cmp::Reverse(each.len()));
    secrets
}

/// The text without them.
pub(super) fn without(secrets: &[String], text: &str) -> String {
    secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(line: &str) -> Vec<String> {
        among(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn ids_of_requests_and_names_of_keys_are_shown() {
        for line in [
            "holdfast why 01a22c2b8af57d718909cec5a327ed78",
            "holdfast --no-color why 01a22c2b8af57d718909cec5a327ed78 --json",
            "holdfast keys retire 2026-11-30-production-eu-west-1",
            "holdfast keys generate --id=2026-11-30-production-eu-west-1",
        ] {
            assert_eq!(hidden(line), [""; 0], "{line}");
        }
        for line in [
            "holdfast why eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2ln",
            "holdfast why hf_sk_4m2x",
            "holdfast why IGAAQ1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9",
            "holdfast keys retire k1:6rM+Wf0uJ2n0c7hBqY9w0Zb8q3m1n5t7x9z2a4c6e8g=",
            "holdfast keys retire 6rM+Wf0uJ2n0c7hBqY9w0Zb8q3m1n5t7x9z2a4c6e8g=",
            "holdfast token 01a22c2b8af57d718909cec5a327ed78",
        ] {
            assert_eq!(hidden(line), [line.rsplit(' ').next().unwrap()], "{line}");
        }
    }

    #[test]
    fn keys_and_tokens_are_told_from_names() {
        for secret in [
            "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2ln",
            "Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2ln",
            "hf_sk_4m2x",
            "sk_live_abc",
            "k1:6rM+Wf0uJ2n0c7hBqY9w0Zb8q3m1n5t7x9z2a4c6e8g=",
            "IGAAQ1w2e3r4t5y6u7i8o9p0",
            "0123456789abcdef0123456789abcdef",
            "postgres://holdfast:hunter22@db/app",
            "/run/secrets/sk_live_abc",
        ] {
            assert!(is_secret(secret), "{secret}");
        }
        for name in [
            "serv",
            "user_2abcDEF0123456789ghiJKL01",
            "0193a2b4-5c6d-7e8f-9a0b-1c2d3e4f5a6b",
            "ada@example.com",
            "@ada.makes.things.since.2012",
            "17841400000000001",
            "2026-11-29-0a1b2c",
            "/var/backups/holdfast/2026-11-29/holdfast.db",
            "/run/secrets/holdfast_encryption_keys_2026",
            "http://holdfast-0.holdfast.svc.cluster.local:9090/",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
