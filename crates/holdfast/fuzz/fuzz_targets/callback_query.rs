//! The query of Instagram's redirect is read as `application/x-www-form-urlencoded` says, and not
//! at all where one of its parameters stands twice.
#![no_main]

use holdfast::connections::callback::CallbackQuery;
use libfuzzer_sys::fuzz_target;
use secrecy::{ExposeSecret, SecretString};

/// The URL standard's parser, written out plainly.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        let escaped = after.get(..2).filter(|hex| *first == b'%' && hex.iter().all(u8::is_ascii_hexdigit));
        match (first, escaped) {
            (b'+', _) => bytes.push(b' '),
            (_, Some(hex)) => {
                let hex = std::str::from_utf8(hex).expect("ASCII");
                bytes.push(u8::from_str_radix(hex, 16).expect("two digits"));
                rest = &after[2..];
            }
            (byte, None) => bytes.push(*byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fuzz_target!(|query: &str| {
    let values = |wanted: &str| -> Vec<String> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .filter(|(name, _)| decoded(name) == wanted)
            .map(|(_, value)| decoded(value))
            .collect()
    };
    let (codes, states, errors) = (values("code"), values("state"), values("error"));
    let unambiguous = [&codes, &states, &errors].iter().all(|found| found.len() < 2);
    let read = CallbackQuery::parse(query);
    assert_eq!(read.is_some(), unambiguous);
    if let Some(read) = read {
        assert_eq!(read.code.as_ref().map(ExposeSecret::expose_secret), codes.first().map(String::as_str));
        assert_eq!(read.state.as_ref().map(ExposeSecret::expose_secret), states.first().map(String::as_str));
        assert_eq!(read.error.as_ref(), errors.first());
        // Printed, it shows that there are secrets and nothing of what they are.
        let hidden = |secret: &Option<SecretString>| secret.as_ref().map(|_| SecretString::from("another"));
        let other =
            CallbackQuery { code: hidden(&read.code), state: hidden(&read.state), error: read.error.clone() };
        assert_eq!(format!("{read:?}"), format!("{other:?}"));
    }
});
