//! No text makes the readers of settings panic: PEM, origins, publishable keys.
#![no_main]

use clerk_session::{KeySet, OriginPattern, PublishableKey};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = KeySet::from_pem(text);
    if let Ok(key) = PublishableKey::parse(text) {
        assert!(key.issuer().starts_with("https://"));
    }
    if let Ok(origin) = OriginPattern::parse(text) {
        assert_eq!(origin.as_str(), text);
        assert_eq!(origin.matches(text), !origin.is_pattern());
    }
});
