//! The vectors of project Wycheproof (<https://github.com/C2SP/wycheproof>), from
//! `tests/vectors/wycheproof`.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::jose::{algorithm, extensions, typ};
use crate::keys::{KeySet, SkipReason};
use crate::policy::Policy;
use crate::token::{BASE64URL, segments};
use crate::verifier::{Verdict, Verifier};
use crate::{code::RefusalCode, json as strict};

/// A key of the broken generator of CVE-2017-15361. It is not recognized: who publishes the JWKS is
/// trusted for its keys.
const ROCA: &str = "rejectsKeyWithRocaVulnerability";

fn vectors(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/wycheproof").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn tests(document: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = document["testGroups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |test| (group, test)))
}

/// The JSON Web Signature by itself, through the verifier's own functions, with any payload.
fn genuine(jws: &str, keys: &KeySet) -> bool {
    let Ok([header, payload, signature]) = segments(jws, &Policy::default()) else { return false };
    let decode = |segment: &str| BASE64URL.decode(segment).ok();
    let (Some(head), Some(_), Some(signature)) = (decode(header), decode(payload), decode(signature)) else {
        return false;
    };
    let Ok(head) = strict::text(head).and_then(|head| strict::object(&head)) else { return false };
    if typ(&head).is_err() || algorithm(&head).is_err() || extensions(&head).is_err() {
        return false;
    }
    let kid = head.get("kid").and_then(Value::as_str);
    let message = format!("{header}.{payload}");
    keys.candidates(kid).any(|key| key.signed(message.as_bytes(), &signature))
}

#[test]
fn rsa_signatures() {
    for size in [2048, 3072, 4096] {
        let file = format!("rsa_signature_{size}_sha256_test.json");
        let document = vectors(&file);
        let mut counts = BTreeMap::<(&str, bool), u64>::new();
        for (group, test) in tests(&document) {
            let keys = KeySet::from_pem(group["publicKeyPem"].as_str().unwrap()).unwrap();
            let der = hex(group["publicKeyDer"].as_str().unwrap());
            assert!(keys.same_keys(&KeySet::from_pem(&STANDARD.encode(der)).unwrap()));
            let (message, signature) =
                (hex(test["msg"].as_str().unwrap()), hex(test["sig"].as_str().unwrap()));
            let genuine = keys.candidates(None).any(|key| key.signed(&message, &signature));
            let result = test["result"].as_str().unwrap();
            *counts.entry((result, genuine)).or_default() += 1;
            // "acceptable" is a digest without its NULL parameters (RFC 8017 §8.2.2 leaves it
            // open); we refuse.
            assert_eq!(genuine, result == "valid", "{file} {}", test["tcId"]);
        }
        println!("{file}: {counts:?}");
        assert_eq!(counts.values().sum::<u64>(), document["numberOfTests"].as_u64().unwrap());
        assert!(counts[&("valid", true)] > 0 && counts[&("invalid", false)] > 200);
    }
}

#[test]
fn json_web_signatures() {
    let document = vectors("json_web_signature_test.json");
    let verifier = Verifier::new(Policy::default());
    let mut counts = BTreeMap::<(String, &str, bool), u64>::new();
    for (group, test) in tests(&document) {
        let key = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let keys = KeySet::from_jwks(json!({ "keys": [key] }).to_string().as_bytes())
            .map_or_else(|_| KeySet::default(), |document| document.keys);
        let jws = test["jws"].as_str().map_or_else(|| test["jws"].to_string(), str::to_owned);
        let genuine = genuine(&jws, &keys);
        let result = test["result"].as_str().unwrap();
        let alg = key["alg"].as_str().unwrap_or("no alg").to_owned();
        if result != "valid" {
            assert!(!genuine, "{} {}", test["tcId"], test["comment"]);
        } else if alg == "RS256" && test["jws"].is_string() {
            assert!(genuine, "{} {}", test["tcId"], test["comment"]);
        } else {
            assert!(!genuine || alg == "no alg", "{} {}", test["tcId"], test["comment"]);
        }
        *counts.entry((alg, result, genuine)).or_default() += 1;
        // None of them is a session token.
        let Verdict::Refused(refusal) = verifier.verify(&jws, &keys, 0) else { panic!("{}", test["tcId"]) };
        assert!(genuine || refusal.code != RefusalCode::TokenVerificationFailed);
    }
    println!("json_web_signature_test.json (alg of the key, expected, genuine): {counts:#?}");
    assert_eq!(counts.values().sum::<u64>(), document["numberOfTests"].as_u64().unwrap());
}

#[test]
fn json_web_keys() {
    let document = vectors("json_web_key_test.json");
    let (mut total, mut used, mut skipped) = (0_u64, 0, BTreeMap::<String, u32>::new());
    for (group, test) in tests(&document) {
        total += 1;
        let set = if group["public"].is_object() { &group["public"] } else { &group["private"] };
        let Ok(read) = KeySet::from_jwks(set.to_string().as_bytes()) else {
            *skipped.entry("no usable key in the set".to_owned()).or_default() += 1;
            continue;
        };
        used += read.keys.kids().count();
        for key in &read.skipped {
            *skipped.entry(key.reason.to_string()).or_default() += 1;
            assert_ne!(key.reason, SkipReason::NotAnObject);
        }
        let genuine = genuine(test["jws"].as_str().unwrap_or_default(), &read.keys);
        if test["comment"] == ROCA {
            assert!(genuine, "the exception is needed");
        } else if test["result"] == "invalid" {
            // Refused altogether, or its set had other keys beside the bad one: either way nothing
            // is genuine.
            assert!(!genuine, "{} {}", test["tcId"], test["comment"]);
        }
    }
    println!("json_web_key_test.json: {total} tests, {used} keys used, not used: {skipped:#?}");
    assert_eq!(total, document["numberOfTests"].as_u64().unwrap());
}
