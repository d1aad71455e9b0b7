//! JWKS documents and PEM texts as the world really has them.

use clerk_session::{JwksError, KeySet, PemError, SkipReason};
use serde_json::{Value, json};

use crate::support::*;

fn with(name: &str, value: Value) -> Value {
    let mut jwk = OURS.jwk("ins_odd");
    if value == REMOVED {
        jwk.as_object_mut().unwrap().remove(name);
    } else {
        jwk[name] = value;
    }
    jwk
}

fn modulus_of(bytes: usize) -> String {
    let mut n = vec![0xc5; bytes];
    n[bytes - 1] |= 1;
    encode(&n)
}

#[test]
fn one_odd_key_never_costs_the_others() {
    for (name, odd, reason) in [
        ("null", json!(null), SkipReason::NotAnObject),
        ("text", json!("key"), SkipReason::NotAnObject),
        ("EC", json!({"kty": "EC", "kid": "e", "crv": "P-256", "x": "AA", "y": "AA"}), SkipReason::NotRsa),
        ("OKP", json!({"kty": "OKP", "kid": "e", "crv": "Ed25519", "x": "AA"}), SkipReason::NotRsa),
        ("symmetric", json!({"kty": "oct", "kid": "e", "k": "AA"}), SkipReason::NotRsa),
        ("kty missing", with("kty", REMOVED.into()), SkipReason::NotRsa),
        ("kty rsa", with("kty", "rsa".into()), SkipReason::NotRsa),
        ("private", with("d", "AQAB".into()), SkipReason::Private),
        ("a prime", with("p", "AQAB".into()), SkipReason::Private),
        ("symmetric member", with("k", "AQAB".into()), SkipReason::Private),
        ("for encryption", with("use", "enc".into()), SkipReason::OtherUse),
        ("use a number", with("use", json!(1)), SkipReason::OtherUse),
        ("RS512", with("alg", "RS512".into()), SkipReason::OtherUse),
        ("PS256", with("alg", "PS256".into()), SkipReason::OtherUse),
        ("key_ops sign", with("key_ops", json!(["sign"])), SkipReason::OtherUse),
        ("kid missing", with("kid", REMOVED.into()), SkipReason::NoKid),
        ("kid a number", with("kid", json!(7)), SkipReason::NoKid),
        ("n missing", with("n", REMOVED.into()), SkipReason::Unreadable),
        ("n a number", with("n", json!(7)), SkipReason::Unreadable),
        ("n standard base64", with("n", "++//".into()), SkipReason::Unreadable),
        ("e missing", with("e", REMOVED.into()), SkipReason::Unreadable),
        ("n empty", with("n", "".into()), SkipReason::Weak),
        ("1024 bit", with("n", modulus_of(128).into()), SkipReason::Weak),
        ("2047 bit", with("n", encode(&[&[0x7f][..], &[0xff; 255]].concat()).into()), SkipReason::Weak),
        ("16384 bit", with("n", modulus_of(2048).into()), SkipReason::Weak),
        ("even modulus", with("n", encode(&[0xc4; 256]).into()), SkipReason::Weak),
        ("e = 1", with("e", "AQ".into()), SkipReason::Weak),
        ("e = 3", with("e", "Aw".into()), SkipReason::Weak),
        ("e = 65536", with("e", "AQAA".into()), SkipReason::Weak),
        ("e padded with zeros to 3 bytes", with("e", encode(&[0, 0, 3]).into()), SkipReason::Weak),
        ("e of 64 bits", with("e", encode(&[0xff; 8]).into()), SkipReason::Weak),
    ] {
        let read = KeySet::from_jwks(&jwks(&[odd, OURS.jwk(KID)])).unwrap();
        assert_eq!(read.skipped.len(), 1, "{name}");
        assert_eq!(read.skipped[0].reason, reason, "{name}");
        assert_eq!(read.keys.kids().collect::<Vec<_>>(), [KID], "{name}");
    }
}

#[test]
fn an_entry_that_names_a_member_twice_costs_only_itself() {
    let good = OURS.jwk(KID).to_string();
    let odd = format!("{{\"kid\":\"a\",{}", &OURS.jwk("b").to_string()[1..]);
    let read = KeySet::from_jwks(format!("{{\"keys\":[{odd},{good}]}}").as_bytes()).unwrap();
    assert_eq!(read.keys.kids().collect::<Vec<_>>(), [KID]);
    assert_eq!(read.skipped[0].reason, SkipReason::NotAnObject);
}

#[test]
fn keys_that_are_a_little_unusual_serve() {
    let (n, e) = OURS.components();
    for jwk in [
        with("alg", REMOVED.into()),
        with("use", REMOVED.into()),
        with("key_ops", json!(["verify"])),
        with("x5t#S256", json!("abc")),
        with("n", encode(&[&[0][..], &n].concat()).into()),
        with("n", format!("{}==", encode(&n)).into()),
        with("e", encode(&[&[0][..], &e].concat()).into()),
    ] {
        let keys = KeySet::from_jwks(&jwks(&[jwk])).unwrap().keys;
        let token = mint(json!({"kid": "ins_odd"}), json!({}));
        assert_eq!(verdict(policy(), &keys, &token, NOW), "accepted");
    }
}

#[test]
fn two_keys_of_one_kid_are_both_tried() {
    let keys = KeySet::from_jwks(&jwks(&[FOREIGN.jwk(KID), OURS.jwk(KID)])).unwrap().keys;
    for signer in [&*OURS, &*FOREIGN] {
        assert_eq!(verdict(policy(), &keys, &mint_by(signer, json!({}), json!({})), NOW), "accepted");
    }
}

#[test]
fn a_key_at_the_end_of_the_longest_answer_is_one_like_others() {
    const LONGEST_ANSWER: usize = 256 * 1024;
    let length = OURS.jwk("ins_0").to_string().len();
    let mut listed: Vec<Value> =
        (0..LONGEST_ANSWER / length).map(|i| FOREIGN.jwk(&format!("ins_{i}"))).collect();
    listed.push(OURS.jwk(KID));
    let read = KeySet::from_jwks(&jwks(&listed)).unwrap();
    assert_eq!(read.skipped, []);
    assert_eq!(verdict(policy(), &read.keys, &mint(json!({}), json!({})), NOW), "accepted");
}

#[test]
fn a_longer_list_is_cut_off() {
    let listed: Vec<Value> = (0..1100).map(|i| OURS.jwk(&format!("ins_{i}"))).collect();
    let read = KeySet::from_jwks(&jwks(&listed)).unwrap();
    assert_eq!(read.keys.kids().count(), 1024);
    assert!(read.skipped.iter().all(|key| key.reason == SkipReason::TooMany));
}

#[test]
fn what_is_no_key_set_says_so() {
    for document in
        [&b""[..], b"<html>", b"[]", b"null", b"\xff", b"\xef\xbb\xbf{\"keys\":[]}", b"{\"keys\":[]}x"]
    {
        assert!(matches!(KeySet::from_jwks(document), Err(JwksError::NotJson(_))), "{document:?}");
    }
    for document in [&b"{}"[..], b"{\"keys\":{}}", b"{\"errors\":[]}"] {
        assert_eq!(KeySet::from_jwks(document).unwrap_err(), JwksError::NoKeys);
    }
    let none = KeySet::from_jwks(&jwks(&[json!({"kty": "EC"}), json!(1)])).unwrap_err();
    assert_eq!(none, JwksError::NoUsableKey { skipped: 2 });
}

#[test]
fn pem_in_every_dress() {
    let spki = OURS.spki_pem();
    let bare: String = spki.lines().filter(|line| !line.starts_with('-')).collect();
    for (name, text) in [
        ("SPKI", spki.clone()),
        ("PKCS#1", OURS.pkcs1_pem()),
        ("CRLF", spki.replace('\n', "\r\n")),
        ("literal \\n", spki.replace('\n', "\\n")),
        ("literal \\r\\n", spki.replace('\n', "\\r\\n")),
        ("escaped twice", spki.replace('\n', "\\\\n")),
        ("in quotes", format!("\"{}\"", spki.replace('\n', "\\n"))),
        ("on one line with spaces", spki.replace('\n', " ")),
        ("without BEGIN and END", bare.clone()),
        ("without END", spki.split("-----END").next().unwrap().to_owned()),
        ("base64 of the whole", base64(spki.as_bytes())),
        ("with space around", format!("\n  {spki}  \n")),
        ("indented", spki.replace('\n', "\n    ")),
    ] {
        let keys = KeySet::from_pem(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(verdict(policy(), &keys, &mint(json!({}), json!({})), NOW), "accepted", "{name}");
    }
}

#[test]
fn c12_of_two_pinned_keys_either_may_have_signed() {
    let both = format!("{}\n{}", FOREIGN.spki_pem(), OURS.spki_pem()).replace('\n', "\\n");
    let keys = KeySet::from_pem(&both).unwrap();
    for signer in [&*OURS, &*FOREIGN] {
        assert_eq!(verdict(policy(), &keys, &mint_by(signer, json!({}), json!({})), NOW), "accepted");
    }
    let broken = format!("{}\n-----BEGIN PUBLIC KEY-----\n***\n-----END PUBLIC KEY-----", OURS.spki_pem());
    assert_eq!(KeySet::from_pem(&broken).unwrap_err(), PemError::NotBase64);
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn larger_keys_and_e_3_serve_when_pinned() {
    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::RsaKeyPair;
    let large = Signer { pair: RsaKeyPair::generate(KeySize::Rsa4096).unwrap() };
    let keys = KeySet::from_pem(&large.spki_pem()).unwrap();
    assert_eq!(verdict(policy(), &keys, &mint_by(&large, json!({}), json!({})), NOW), "accepted");
    let (n, _) = OURS.components();
    assert!(KeySet::from_pem(&pem("PUBLIC KEY", &spki(n, vec![3]))).is_ok());
}

#[test]
fn what_is_no_public_key_says_what_it_is() {
    let weak = pem("PUBLIC KEY", &spki([&[0xc5; 127][..], &[1]].concat(), vec![1, 0, 1]));
    for (name, text, expected) in [
        ("empty", String::new(), PemError::Empty),
        ("space", " \n\\n ".to_owned(), PemError::Empty),
        ("private key", OURS.spki_pem().replace("PUBLIC", "PRIVATE"), PemError::OtherKind("private key")),
        (
            "certificate",
            OURS.spki_pem().replace("PUBLIC KEY", "CERTIFICATE"),
            PemError::OtherKind("certificate"),
        ),
        (
            "not base64",
            "-----BEGIN PUBLIC KEY-----\n***\n-----END PUBLIC KEY-----".to_owned(),
            PemError::NotBase64,
        ),
        ("the first line of a file", "-----BEGIN PUBLIC KEY-----".to_owned(), PemError::FirstLineOnly),
        ("BEGIN without an end", "-----BEGIN PUBLIC KEY".to_owned(), PemError::NotBase64),
        ("text", "hello world!".to_owned(), PemError::NotBase64),
        ("base64 of something else", base64(b"hello"), PemError::NotRsa),
        ("1024 bit", weak, PemError::NotRsa),
        ("cut off", pem("PUBLIC KEY", &spki(OURS.components().0, vec![1, 0, 1])[..200]), PemError::NotRsa),
        ("a publishable key", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k".to_owned(), PemError::NotBase64),
    ] {
        assert_eq!(KeySet::from_pem(&text).unwrap_err(), expected, "{name}");
    }
}
