//! Project Wycheproof's vectors for RSA signatures, read from `HOLDFAST_VECTORS` or from `shared/vectors` beside the
//! checkout. Where they are absent the tests say so.

use std::path::PathBuf;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use clerk_session::{KeySet, Verifier};
use serde_json::Value;

use crate::support::{NOW, policy, word};

fn vectors(name: &str) -> Option<Value> {
    let folder = std::env::var_os("HOLDFAST_VECTORS").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors")),
        PathBuf::from,
    );
    let path = folder.join("wycheproof").join(name);
    match std::fs::read(&path) {
        Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
        Err(_) => {
            println!(
                "SKIPPED: {name} is not there; set HOLDFAST_VECTORS to the folder that holds wycheproof/"
            );
            None
        }
    }
}

fn hex(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn rsa_signatures() {
    for bits in [2048, 3072, 4096] {
        let Some(document) = vectors(&format!("rsa_signature_{bits}_sha256_test.json")) else { continue };
        let (mut valid, mut invalid, mut acceptable) = (0, 0, 0);
        for group in document["testGroups"].as_array().unwrap() {
            let der = hex(group.get("publicKeyAsn").or_else(|| group.get("keyAsn")).unwrap());
            let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).unwrap();
            for test in group["tests"].as_array().unwrap() {
                let good = key.verify_sig(&hex(&test["msg"]), &hex(&test["sig"])).is_ok();
                match test["result"].as_str().unwrap() {
                    "valid" => {
                        valid += 1;
                        assert!(good, "{test}");
                    }
                    "invalid" => {
                        invalid += 1;
                        assert!(!good, "{test}");
                    }
                    _ => acceptable += 1,
                }
            }
        }
        println!(
            "RSA-{bits}: {valid} valid accepted, {invalid} invalid refused, {acceptable} left to the implementation"
        );
        assert!(valid > 0 && invalid > 0);
    }
}

#[test]
fn signed_tokens_are_never_session_tokens() {
    let Some(document) = vectors("json_web_signature_test.json") else { return };
    let (mut tokens, mut keys) = (0, 0);
    for group in document["testGroups"].as_array().unwrap() {
        let jwk = group.get("public").or_else(|| group.get("private")).cloned().unwrap_or_default();
        let listed = serde_json::to_vec(&serde_json::json!({"keys": [jwk]})).unwrap();
        let set = KeySet::from_jwks(&listed).map(|document| document.keys).unwrap_or_default();
        keys += usize::from(set.kids().next().is_some());
        for test in group["tests"].as_array().unwrap() {
            let Some(jws) = test["jws"].as_str() else { continue };
            tokens += 1;
            let verdict = Verifier::new(policy()).verify(jws, &set, NOW * 1000);
            assert_ne!(word(&verdict), "accepted", "{test}");
        }
    }
    println!("JWS: {tokens} tokens under {keys} usable keys, none a session token");
    assert!(tokens > 0);
}

#[test]
fn odd_keys_do_not_fail_a_set() {
    let Some(document) = vectors("json_web_key_test.json") else { return };
    let mut sets = 0;
    for group in document["testGroups"].as_array().unwrap() {
        for source in ["public", "private", "key", "keyset"] {
            let Some(value) = group.get(source) else { continue };
            let listed = if value.get("keys").is_some() {
                value.clone()
            } else {
                serde_json::json!({"keys": [value]})
            };
            sets += 1;
            // Whatever it holds: keys or an error, never a panic, and never a private or symmetric one.
            if let Ok(read) = KeySet::from_jwks(&serde_json::to_vec(&listed).unwrap()) {
                assert!(read.keys.kids().count() <= listed["keys"].as_array().unwrap().len());
            }
        }
    }
    println!("JWK: {sets} sets read");
    assert!(sets > 0);
}
