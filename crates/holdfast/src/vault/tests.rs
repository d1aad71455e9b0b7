use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;
use crate::entropy::{SeededEntropy, SystemEntropy};

fn key(id: &str, seed: u8) -> String {
    let bytes: Vec<u8> = (0..32).map(|index| index ^ seed).collect();
    format!("{id}:{}", STANDARD.encode(bytes))
}

fn vault(list: &str) -> Vault {
    Vault::new(KeyRing::parse(list).unwrap(), Arc::new(SystemEntropy))
}

fn location() -> Location<'static> {
    Location {
        table: "grants",
        column: "blob",
        row: "c1",
        user_id: "user_a",
        provider: "instagram",
        version: 3,
    }
}

#[test]
fn the_first_key_seals_and_all_open() {
    let old = vault(&key("old", 1));
    let (_, wrapped) = old.new_user_key("user_a").unwrap();
    let both = vault(&format!("{}, {}", key("new", 2), key("old", 1)));
    assert_eq!(both.ring().ids().collect::<Vec<_>>(), ["new", "old"]);
    assert_eq!(wrapped.key_id, "old");
    both.open_user_key("user_a", &wrapped).unwrap();
    assert_eq!(both.new_user_key("user_a").unwrap().1.key_id, "new");
    let missing = vault(&key("new", 2)).open_user_key("user_a", &wrapped).unwrap_err();
    assert_eq!(missing, VaultError::KeyMissing { key_id: "old".to_owned() });
}

#[test]
fn a_new_data_key_opens_what_those_before_it_sealed_and_they_nothing_of_its_own() {
    let (user_key, mut wrapped) = vault(&key("k0", 1)).new_user_key("user_a").unwrap();
    let mut sealed = vec![user_key.seal(&location(), b"IGQVJ-token").unwrap()];
    let mut known = user_key;
    for turn in 1..=12 {
        let (new, old) = (key(&format!("k{turn}"), turn + 1), key(&format!("k{}", turn - 1), turn));
        let both = vault(&format!("{new},{old}"));
        let (renewed, next) = both.renew("user_a", &wrapped).unwrap().unwrap();
        assert_eq!(next.key_id, format!("k{turn}"));
        assert!(both.renew("user_a", &next).unwrap().is_none(), "it is under the first already");
        sealed.push(renewed.seal(&location(), b"IGQVJ-token").unwrap());
        let of_new = known.open(&location(), &sealed[usize::from(turn)]).unwrap_err();
        assert!(matches!(of_new, VaultError::KeyMissing { .. }), "whoever has the former one: {of_new}");
        known = vault(&new).open_user_key("user_a", &next).unwrap();
        let opened: Vec<_> = sealed.iter().map(|blob| known.open(&location(), blob).is_ok()).collect();
        let kept = opened.iter().rev().take_while(|opens| **opens).count();
        assert_eq!(kept, opened.len().min(8), "{opened:?}");
        wrapped = next;
    }
    // The row stays small.
    assert!(wrapped.blob.len() < 400, "{}", wrapped.blob.len());
}

#[test]
fn every_fault_of_a_ring_is_reported_and_no_key_is_quoted() {
    let good = key("a", 1);
    let short = format!("short:{}", STANDARD.encode([7; 31]));
    let zero = format!("zero:{}", STANDARD.encode([0; 32]));
    let again = key("b", 1);
    let list = format!("{good},,nocolon,bad id:AAAA,{short},x:%%%%,{zero},{},{again}", key("a", 9));
    let faults = KeyRing::parse(&list).unwrap_err();
    assert_eq!(
        faults.0,
        [
            "entry 2 is empty",
            "entry 3 is not of the form `id:base64`",
            "entry 4: the id must be 1 to 64 letters, digits, `-`, `_` or `.`",
            "entry 5: key `short` has 31 bytes; it must have 32",
            "entry 6: key `x` is not standard base64 (RFC 4648 section 4, with padding)",
            "entry 8: the id `a` is already taken by an earlier entry",
            "entry 9: key `b` has the same bytes as an earlier entry",
        ]
    );
    let shown = format!("{faults} {faults:?}");
    for entry in list.split(',').filter_map(|entry| entry.split_once(':')) {
        assert!(!shown.contains(entry.1), "{shown}");
    }
    assert_eq!(
        KeyRing::parse(" \n").unwrap_err().0,
        ["there is no key; make one with `holdfast keys generate`"]
    );
}

#[test]
fn entries_on_lines_of_their_own_are_told_to_want_a_comma() {
    let [one, two] = [key("a", 1), key("b", 9)];
    let faults = KeyRing::parse(&format!("{one}\n{two}\n")).unwrap_err();
    let told = "entry 1: key `a` has a space or a line break within it; put a comma between two entries: \
                `id:base64,id:base64`";
    assert_eq!(faults.to_string(), told);
    assert!(KeyRing::parse(&format!("{one},\n {two}\n")).is_ok());
}

#[test]
fn nothing_secret_is_shown() {
    let vault = vault(&key("a", 1));
    let (user_key, _) = vault.new_user_key("user_a").unwrap();
    let blob = user_key.seal(&location(), b"plain-secret").unwrap();
    let opened = user_key.open(&location(), &blob).unwrap();
    let shown = format!("{vault:?} {user_key:?} {opened:?}");
    assert!(!shown.contains("plain-secret") && !shown.contains("112, 108, 97"), "{shown}");
    let secret = key("a", 1);
    assert!(!shown.contains(secret.split_once(':').unwrap().1), "{shown}");
    // What is no secret is shown: which keys these are.
    assert!(shown.contains(r#"["a"]"#), "{shown}");
    assert!(shown.contains(blob::key_id(&blob).unwrap()), "{shown}");
}

#[test]
fn an_id_of_a_key_has_1_to_64_bytes() {
    let parsed = |id: &str| KeyRing::parse(&key(id, 1)).map_err(|faults| faults.0);
    for id in ["", &"i".repeat(65), "a/b", "a b"] {
        let told = "entry 1: the id must be 1 to 64 letters, digits, `-`, `_` or `.`";
        assert_eq!(parsed(id).unwrap_err(), [told], "{id}");
    }
    for id in ["i", "A-1_b.2", &"i".repeat(64)] {
        let vault = Vault::new(parsed(id).unwrap(), Arc::new(SystemEntropy));
        let (_, wrapped) = vault.new_user_key("user_a").unwrap();
        assert_eq!(blob::key_id(&wrapped.blob), Ok(id));
        vault.open_user_key("user_a", &wrapped).unwrap();
    }
}

#[test]
fn keys_of_one_repeated_byte_are_known_to_everybody() {
    let repeated = |id: &str, byte: u8| format!("{id}:{}", STANDARD.encode([byte; 32]));
    let list = format!("{},{},{},{}", key("a", 1), repeated("b", 0), key("c", 2), repeated("d", 9));
    let ring = KeyRing::parse(&list).unwrap();
    assert_eq!(ring.guessable_ids().collect::<Vec<_>>(), ["b", "d"]);
}

#[test]
fn a_replaced_ring_is_replaced_in_every_clone() {
    let vault_of_a = vault(&key("a", 1));
    let clone = vault_of_a.clone();
    vault_of_a.replace(&vault(&key("b", 2)));
    assert_eq!(clone.ring().ids().collect::<Vec<_>>(), ["b"]);
    assert_eq!(clone.new_user_key("user_a").unwrap().1.key_id, "b");
}

#[test]
fn what_is_no_blob_is_told_from_one_that_was_changed() {
    let (user_key, _) = vault(&key("a", 1)).new_user_key("user_a").unwrap();
    // The shortest: nothing but the tag behind the nonce.
    let blob = user_key.seal(&location(), b"").unwrap();
    assert_eq!(user_key.open(&location(), &blob).unwrap().expose_secret(), b"");
    let shorter = &blob[..blob.len() - 1];
    let with = |at: usize, byte: u8| [&blob[..at], &[byte], &blob[at + 1..]].concat();
    // Another format, a key id of no and of 65 bytes, one that is no text.
    for bytes in [&[][..], shorter, &with(0, 2), &with(1, 0), &with(1, 65), &with(2, 0xff)] {
        assert_eq!(user_key.open(&location(), bytes).unwrap_err(), VaultError::Malformed, "{bytes:?}");
    }
    let last = blob.len() - 1;
    let changed = with(last, blob[last] ^ 1);
    assert_eq!(user_key.open(&location(), &changed).unwrap_err(), VaultError::Tampered);
}

#[test]
fn a_sentinel_proves_the_bytes_behind_an_id() {
    let first = vault(&key("a", 1));
    let stored = [first.prove(&[]).unwrap().expect("a new key")];
    assert_eq!(stored[0].key_id, "a");
    assert_eq!(first.prove(&stored), Ok(None));
    let other = vault(&key("a", 2)).prove(&stored).unwrap_err();
    assert_eq!(other, SentinelError::OtherBytes { key_id: "a".to_owned() });
    let missing = vault(&key("b", 2)).prove(&stored).unwrap_err();
    assert_eq!(missing, SentinelError::Missing { key_id: "a".to_owned() });
    let grown = vault(&format!("{},{}", key("b", 2), key("a", 1))).prove(&stored).unwrap();
    assert_eq!(grown.map(|each| each.key_id).as_deref(), Some("b"));
    let prepared = vault(&format!("{},{}", key("a", 1), key("b", 2)));
    assert_eq!(prepared.prove(&stored), Ok(None), "a key that seals nothing yet is asked of nobody else");
}

#[test]
fn a_shredded_data_key_is_told_from_tampering() {
    let vault = vault(&key("a", 1));
    let (old, _) = vault.new_user_key("user_a").unwrap();
    let (new, wrapped) = vault.new_user_key("user_a").unwrap();
    let blob = old.seal(&location(), b"x").unwrap();
    assert!(matches!(new.open(&location(), &blob), Err(VaultError::KeyMissing { .. })));
    assert_eq!(vault.open_user_key("user_b", &wrapped).unwrap_err(), VaultError::Tampered);
}

#[test]
fn locations_with_shifted_borders_differ() {
    let one = Location { table: "ab", column: "c", ..location() };
    let other = Location { table: "a", column: "bc", ..location() };
    assert_ne!(one.authenticated(b"h"), other.authenticated(b"h"));
}

proptest! {
    #[test]
    fn what_was_sealed_opens(plaintext in proptest::collection::vec(any::<u8>(), 0..600)) {
        let (user_key, _) = vault(&key("a", 1)).new_user_key("user_a").unwrap();
        let blob = user_key.seal(&location(), &plaintext).unwrap();
        let opened = user_key.open(&location(), &blob).unwrap();
        prop_assert_eq!(opened.expose_secret(), &plaintext[..]);
    }

    #[test]
    fn a_changed_blob_does_not_open(at in any::<prop::sample::Index>(), flip in 1..=255u8, seed in any::<u64>()) {
        let vault = Vault::new(KeyRing::parse(&key("a", 1)).unwrap(), Arc::new(SeededEntropy::new(seed)));
        let (user_key, _) = vault.new_user_key("user_a").unwrap();
        let mut blob = user_key.seal(&location(), b"the grant").unwrap();
        let at = at.index(blob.len());
        blob[at] ^= flip;
        prop_assert!(user_key.open(&location(), &blob).is_err());
    }

    #[test]
    fn a_truncated_or_grown_blob_does_not_open(keep in any::<prop::sample::Index>(), more in 1..40usize) {
        let (user_key, _) = vault(&key("a", 1)).new_user_key("user_a").unwrap();
        let blob = user_key.seal(&location(), b"the grant").unwrap();
        prop_assert!(user_key.open(&location(), &blob[..keep.index(blob.len())]).is_err());
        let mut grown = blob;
        grown.resize(grown.len() + more, 0);
        prop_assert!(user_key.open(&location(), &grown).is_err());
    }

    #[test]
    fn a_blob_opens_in_its_own_location_only(
        table in "[a-z]{0,8}", column in "[a-z]{0,8}", row in ".{0,8}", user in ".{0,8}", provider in "[a-z]{0,8}",
        version in any::<i64>(),
    ) {
        let (user_key, _) = vault(&key("a", 1)).new_user_key("user_a").unwrap();
        let blob = user_key.seal(&location(), b"the grant").unwrap();
        let home = location();
        for other in [
            Location { table: &table, ..home }, Location { column: &column, ..home },
            Location { row: &row, ..home }, Location { user_id: &user, ..home },
            Location { provider: &provider, ..home }, Location { version, ..home },
        ] {
            prop_assert_eq!(user_key.open(&other, &blob).is_ok(), other == home);
        }
    }

    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let vault = vault(&key("a", 1));
        let (user_key, _) = vault.new_user_key("user_a").unwrap();
        prop_assert!(user_key.open(&location(), &bytes).is_err());
        let wrapped = WrappedKey { key_id: "a".to_owned(), blob: bytes };
        prop_assert!(vault.open_user_key("user_a", &wrapped).is_err());
        prop_assert!(vault.renew("user_a", &wrapped).is_err());
    }

    #[test]
    fn parsing_a_ring_never_panics(list in ".{0,80}") {
        let _ = KeyRing::parse(&list);
    }
}

/// Project Wycheproof's vectors for the cipher, which lie beside those of the session verifier.
#[test]
fn the_cipher_agrees_with_wycheproof() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../clerk-session/tests/vectors/wycheproof/xchacha20_poly1305_test.json");
    let vectors: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut opened, mut refused, mut not_ours) = (0, 0, 0);
    for group in vectors["testGroups"].as_array().unwrap() {
        for test in group["tests"].as_array().unwrap() {
            let bytes = |name: &str| hex(test[name].as_str().unwrap());
            let (Ok(nonce), Ok(key)) =
                (<[u8; 24]>::try_from(bytes("iv")), <[u8; 32]>::try_from(bytes("key")))
            else {
                // Other nonce sizes cannot be expressed: ours is fixed by its type.
                assert_eq!(test["result"], "invalid", "{test}");
                not_ours += 1;
                continue;
            };
            let sealed = [bytes("ct"), bytes("tag")].concat();
            let plaintext = blob::decrypt(&key, &nonce, &bytes("aad"), &sealed);
            if test["result"] == "valid" {
                assert_eq!(plaintext.expect("a valid vector opens").as_slice(), bytes("msg"), "{test}");
                assert_eq!(
                    blob::encrypt(&key, &nonce, &bytes("aad"), &bytes("msg")).unwrap(),
                    sealed,
                    "{test}"
                );
                opened += 1;
            } else {
                assert!(plaintext.is_none(), "{test}");
                refused += 1;
            }
        }
    }
    eprintln!(
        "Wycheproof: {opened} valid opened, {refused} invalid refused, {not_ours} of another nonce size"
    );
    assert_eq!(vectors["numberOfTests"].as_u64().unwrap(), opened + refused + not_ours);
    assert!(opened > 200 && refused > 30);
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
