//! Secrets that were put where another value belongs: no message repeats them.

use std::path::Path;

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

/// A path for a message, unless the secret itself was given where the file that holds it belongs.
pub fn shown_path(path: &Path) -> String {
    let text = path.display().to_string();
    if is_secret_as_path(&text) { HIDDEN.to_owned() } else { text }
}

/// Whether something that is to be a path may be a secret. Unlike those, names of files are made of
/// words, however long; and a file that is there is one.
pub fn is_secret_as_path(text: &str) -> bool {
    let is_random = |word: &str| {
        word.len() >= 16
            && word.bytes().any(|byte| byte.is_ascii_digit())
            && word.bytes().any(|byte| byte.is_ascii_alphabetic())
    };
    let is_secret = |part: &str| {
        has_secret_prefix(part)
            || (part.contains([':', '=']) && looks_secret(part))
            || part.split(|each: char| !each.is_ascii_alphanumeric()).any(is_random)
    };
    let is_address = text.contains("://") && text.contains('@');
    (is_address || text.contains("PRIVATE KEY") || text.split('/').any(is_secret))
        && !Path::new(text).exists()
}

/// Whether it begins as only secrets do.
pub fn has_secret_prefix(text: &str) -> bool {
    ["sk_", "whsec_", "hf_sk_", "live_", "test_", "eyJ"].iter().any(|prefix| text.starts_with(prefix))
}
