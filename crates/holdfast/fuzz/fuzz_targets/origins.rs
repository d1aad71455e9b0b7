//! An origin that a browser can send is allowed only where it differs from the entry in nothing but
//! the wildcard's part of the first label. Input: the entry, a line end, the `Origin` header.
#![no_main]

use clerk_session::OriginPattern;
use holdfast::http::cors::is_allowed;
use http::HeaderValue;
use libfuzzer_sys::fuzz_target;

/// Scheme, first label, the other labels, port.
fn parts(origin: &str) -> (&str, &str, &str, &str) {
    let (scheme, rest) = origin.split_once("://").expect("an origin has a scheme");
    let (host, port) = match rest.rfind(':') {
        Some(at) if !rest.ends_with(']') => rest.split_at(at),
        _ => (rest, ""),
    };
    let (first, others) = host.split_once('.').unwrap_or((host, ""));
    (scheme, first, others, port)
}

fuzz_target!(|input: &str| {
    let Some((entry, origin)) = input.split_once('\n') else { return };
    let (Ok(pattern), Ok(header)) = (OriginPattern::parse(entry), HeaderValue::from_str(origin)) else {
        return;
    };
    let canonical = ada_url::Url::parse(origin, None).is_ok_and(|url| url.origin() == origin);
    let allowed = is_allowed(&[pattern.clone()], &header);
    assert_eq!(allowed, is_allowed(&[pattern.clone(), pattern], &header));
    if !canonical {
        return;
    }
    // No browser sends an asterisk, and none stands for itself.
    if entry == origin && !entry.contains('*') {
        assert!(allowed, "{entry} does not allow itself");
    }
    if allowed {
        let ((scheme, first, others, port), sent) = (parts(entry), parts(origin));
        assert_eq!((scheme, others, port), (sent.0, sent.2, sent.3), "{entry} allowed {origin}");
        match first.split_once('*') {
            None => assert_eq!(first, sent.1),
            Some((before, after)) => {
                assert!(sent.1.len() > before.len() + after.len());
                assert!(sent.1.starts_with(before) && sent.1.ends_with(after), "{entry} allowed {origin}");
            }
        }
    }
});
