//! Tokens and keys that were given as an argument by mistake: no message repeats them.

use std::borrow::Cow;

use uuid::Uuid;

use crate::settings::{HIDDEN, looks_secret};

/// Why not to do it again.
pub(super) const HINT: &str = "an argument is seen by everybody on this machine and kept by the shell: give a token on standard \
                               input, and a key in a file";

/// An argument for a message.
pub(super) fn shown(given: &str) -> Cow<'_, str> {
    if is_secret(given) { HIDDEN.into() } else { given.into() }
}

/// Whether it may be a secret: of what else is long and random, or has an `@`, ids, addresses of
/// mail and accounts' names are given.
fn is_secret(given: &str) -> bool {
    let is_known = given.starts_with("user_")
        || (given.contains('-') && Uuid::try_parse(given).is_ok())
        || (given.contains('@') && !given.contains(':'));
    looks_secret(given) && !is_known
}

/// The parser's error, which quotes what it does not take; and whether a secret was left out.
pub(super) fn told(error: &clap::Error) -> (String, bool) {
    let whole = error.render().to_string();
    let given = error.context().filter_map(|(_, value)| match value {
        clap::error::ContextValue::String(given) => Some(given.as_str()),
        _ => None,
    });
    let text =
        given.filter(|given| is_secret(given)).fold(whole.clone(), |text, given| text.replace(given, HIDDEN));
    let is_cut = text != whole;
    (text, is_cut)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
