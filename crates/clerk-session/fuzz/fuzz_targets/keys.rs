//! No document makes the reader of key sets panic, and what it accepts holds a key.
#![no_main]

use clerk_session::KeySet;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|document: &[u8]| {
    if let Ok(read) = KeySet::from_jwks(document) {
        assert!(read.keys.kids().count() > 0);
        assert!(read.keys.same_keys(&read.keys));
    }
});
