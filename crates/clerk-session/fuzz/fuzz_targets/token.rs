//! No text makes the verdict panic, and none is accepted: nobody holds the private key of this set.
#![no_main]

use std::sync::LazyLock;

use clerk_session::{KeySet, Policy, Verdict, Verifier, bearer_token, explain, fingerprint};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    KeySet::from_jwks(include_bytes!("jwks.json")).expect("the set is good").keys
});

fuzz_target!(|text: &str| {
    let verifier = Verifier::new(Policy::default());
    for token in [Some(text), bearer_token(text).ok()].into_iter().flatten() {
        assert!(!matches!(verifier.verify(token, &KEYS, 1_800_000_000_000), Verdict::Accepted(_)));
        let told = explain(&verifier, token, Ok(&KEYS), 1_800_000_000_000);
        assert!(told.code.is_some() && told.remedy.is_some());
        assert_eq!(fingerprint(token).len(), 16);
    }
});
