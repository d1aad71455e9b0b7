//! Secrets that were put where another value belongs: no message repeats them.

/// What stands in the place of one.
pub const HIDDEN: &str = "(not shown: it looks like a secret)";

/// Whether a value may be a secret that was put into the wrong setting: a key or a token by its
/// prefix, an address with a password, or something long and random, such as an app secret where
/// the app id belongs, or an entry of the key ring.
pub fn looks_secret(text: &str) -> bool {
    let is_random = |part: &str| {
        part.len() >= 20
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-+/=".contains(&byte))
            && part.bytes().any(|byte| byte.is_ascii_digit())
            && part.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    // What follows the scheme of an address is its host.
    let mut parts = text.split([':', ',', ' ']).map(str::trim).filter(|part| !part.starts_with("//"));
    has_secret_prefix(text)
        || ["@", "password=", "PRIVATE KEY"].iter().any(|sign| text.contains(sign))
        || parts.any(|part| is_random(part) || has_secret_prefix(part))
}

/// Whether it begins as only secrets do.
pub(super) fn has_secret_prefix(text: &str) -> bool {
    ["sk_", "whsec_", "hf_sk_", "live_", "test_", "eyJ"].iter().any(|prefix| text.starts_with(prefix))
}
