//! `holdfast token explain`: the verdict on a token, from every source of keys.

use std::sync::Arc;

use holdfast::clock::{Clock as _, ManualClock, SystemClock};
use holdfast::entropy::SystemEntropy;
use holdfast::standin::clerk::{ClerkStandin, Expectation, Fault, Person, Surface};
use holdfast::transport::{Outgoing, ReqwestTransport, Transport as _};
use serde_json::Value;

use crate::testing::program::{Ended, Place};

const ORIGIN: &str = "https://app.example.com";

async fn clerk() -> ClerkStandin {
    ClerkStandin::start(Arc::new(SystemClock), Arc::new(SystemEntropy)).await.unwrap()
}

fn place(clerk: &ClerkStandin) -> Place {
    Place::new().with("CLERK_JWKS_URL", clerk.jwks_url()).with("HOLDFAST_ALLOWED_ORIGINS", ORIGIN)
}

fn token(clerk: &ClerkStandin) -> String {
    let session = clerk.sign_in(Person::Ada).unwrap();
    clerk.token(&session, Some(ORIGIN)).unwrap()
}

async fn explain(place: Place, arguments: &[&str], input: impl Into<Vec<u8>>) -> Ended {
    let arguments: Vec<String> =
        ["token", "explain"].iter().chain(arguments).map(|each| (*each).to_owned()).collect();
    let input = input.into();
    tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        place.feed(&arguments, &input)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_token_is_accepted_and_never_printed() {
    let clerk = clerk().await;
    let token = token(&clerk);
    for arguments in [&[][..], &["--json"], &["--lines"]] {
        let ended = explain(place(&clerk), arguments, format!("{token}\n")).await;
        assert_eq!(ended.code, 0, "{}", ended.whole());
        for part in token.split('.') {
            assert!(!ended.whole().contains(part), "a part of the token was printed");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_word_bearer_is_tolerated_and_told() {
    let clerk = clerk().await;
    let ended = explain(place(&clerk), &["--json"], format!("Bearer {}\n", token(&clerk))).await;
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &object["verdict"]), (0, &Value::from("accepted")));
    assert!(object["note"].as_str().unwrap().contains("Bearer"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_shell_made_of_the_input_is_named() {
    let clerk = clerk().await;
    let (token, other) = (token(&clerk), token(&clerk));
    let read = |ended: &Ended| -> (i32, String) {
        let object: Value = serde_json::from_str(&ended.stdout).unwrap();
        (ended.code, object["note"].as_str().unwrap_or_default().to_owned())
    };
    let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for input in [wide(&format!("\u{feff}{token}\r\n")), wide(&token)] {
        let (code, note) = read(&explain(place(&clerk), &["--json"], input).await);
        assert!(code == 0 && note.contains("UTF-16"), "{code}: {note}");
    }
    let (code, note) = read(&explain(place(&clerk), &["--json"], format!("\u{feff}{token}\n")).await);
    assert!(code == 0 && note.contains("byte order mark"), "{code}: {note}");
    let two = explain(place(&clerk), &["--json"], format!("{token}\n{other}\n")).await;
    let (code, note) = read(&two);
    assert!(code == 1 && note.contains("2 tokens") && note.contains("--lines"), "{code}: {note}");
    assert!(!two.whole().contains(&token), "never printed");
    let wide = explain(place(&clerk), &["--lines"], wide(&format!("\u{feff}{token}"))).await;
    let (code, note) = read(&wide);
    assert!(code == 1 && note.contains("UTF-16"), "{code}: {note}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_has_its_code_and_its_remedy() {
    let clerk = clerk().await;
    clerk.skew(-3600);
    let ended = explain(place(&clerk), &[], token(&clerk)).await;
    assert_eq!(ended.code, 1);
    assert!(ended.stdout.contains("REFUSED token-expired"), "{}", ended.stdout);
    assert!(ended.stdout.contains('→'), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_judged_as_of_another_time() {
    let clerk = clerk().await;
    let token = token(&clerk);
    let later = SystemClock.now().as_second() + 3600;
    let ended = explain(place(&clerk), &["--at", &later.to_string()], token.clone()).await;
    assert_eq!(ended.code, 1, "{}", ended.stdout);
    let rfc = SystemClock.now().to_string();
    assert_eq!(explain(place(&clerk), &["--at", &rfc], token.clone()).await.code, 0);
    let ended = explain(place(&clerk), &["--at", "9999-12-31T23:59:59Z"], token.clone()).await;
    assert_eq!(ended.code, 1, "{}", ended.stderr);
    let ended = explain(place(&clerk), &["--at", "yesterday"], token).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (2, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_come_from_files_as_well() {
    let clerk = clerk().await;
    let token = token(&clerk);
    let pem = clerk.jwt_key().unwrap();
    let asked = Outgoing::new(http::Method::GET, clerk.jwks_url());
    let jwks = ReqwestTransport::new().unwrap().send(asked).await.unwrap();
    let files = || {
        Place::new()
            .file("key.pem", &pem)
            .file("keys.json", std::str::from_utf8(&jwks.body).unwrap())
            .with("CLERK_ISSUER", clerk.issuer())
            .with("CLERK_AUTHORIZED_PARTIES", ORIGIN)
    };
    assert_eq!(explain(files(), &["--jwt-key", "key.pem"], token.clone()).await.code, 0);
    assert_eq!(explain(files(), &["--jwks", "keys.json"], token.clone()).await.code, 0);
    assert_eq!(explain(files(), &["--jwks", "key.pem"], token.clone()).await.code, 2);
    assert_eq!(explain(files(), &["--jwks", "absent"], token.clone()).await.code, 2);
    assert_eq!(explain(files().with("CLERK_JWT_KEY", pem.clone()), &[], token).await.code, 0);
}

/// Where an app proxies Clerk, the publishable key's host need not even have a name.
#[tokio::test(flavor = "multi_thread")]
async fn keys_come_through_the_proxy_and_else_from_the_next_source() {
    let clerk = clerk().await;
    let proxied = |proxy: &str| {
        Place::new()
            .with("CLERK_PUBLISHABLE_KEY", "pk_test_bm93aGVyZS5pbnZhbGlkJA==")
            .with("CLERK_PROXY_URL", proxy)
            .with("CLERK_ISSUER", clerk.issuer())
            .with("CLERK_AUTHORIZED_PARTIES", ORIGIN)
    };
    let ended = explain(proxied(&clerk.issuer()), &[], token(&clerk)).await;
    assert_eq!(ended.code, 0, "{}", ended.whole());
    let secret_key = clerk.secret_key();
    let elsewhere = proxied(&format!("{}/nowhere", clerk.issuer()))
        .with("CLERK_API_URL", clerk.url())
        .with("CLERK_SECRET_KEY", secrecy::ExposeSecret::expose_secret(&secret_key));
    let ended = explain(elsewhere, &[], token(&clerk)).await;
    assert_eq!(ended.code, 0, "{}", ended.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_cannot_be_had_are_no_refusal() {
    let clerk = clerk().await;
    let token = token(&clerk);
    clerk.set_fault(Surface::Jwks, Some(Fault::ServerError));
    let ended = explain(place(&clerk), &["--json"], token).await;
    let object: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &object["verdict"]), (2, &Value::from("cannot_judge")), "{}", ended.whole());
    assert_eq!(object["code"], "jwk-remote-failed-to-load");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_source_of_keys_there_is_nothing_to_judge_with() {
    let ended = explain(Place::new(), &[], "a.b.c").await;
    insta::assert_snapshot!(ended.whole());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_gives_one_object_in_order() {
    let clerk = clerk().await;
    let good = token(&clerk);
    let mut input = Vec::new();
    for line in
        [good.as_bytes(), b"", b"   ", b"not a token", b"\xff\xfe\x00", &[b'a'; 300_000], good.as_bytes()]
    {
        input.extend_from_slice(line);
        input.push(b'\n');
    }
    let ended = explain(place(&clerk), &["--lines"], input).await;
    let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let verdicts: Vec<&str> = objects.iter().map(|object| object["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accepted", "refused", "refused", "refused", "refused", "refused", "accepted"]);
    assert!(objects.iter().all(|object| object["steps"].as_array().is_some_and(|steps| !steps.is_empty())));
    assert!(objects[0]["code"].is_null() && objects[1]["code"].is_string());
    assert_eq!(ended.code, 1);
}

/// The whole corpus of tokens, good and hostile, is judged as each entry expects.
#[tokio::test(flavor = "multi_thread")]
async fn the_corpus_is_judged_as_expected() {
    // Some are refused from one second to the next: they are made and judged at one and the same
    // time.
    let now = SystemClock.now();
    let clock = Arc::new(ManualClock::new(now));
    let clerk = ClerkStandin::start(clock, Arc::new(SystemEntropy)).await.unwrap();
    let now = now.to_string();
    let corpus = clerk.corpus(Person::Ada, ORIGIN).unwrap();
    let input: String = corpus.iter().map(|each| format!("{}\n", each.token.replace('\n', " "))).collect();
    let ended = explain(place(&clerk), &["--lines", "--at", &now], input).await;
    let objects: Vec<Value> = ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), corpus.len());
    for (case, object) in corpus.iter().zip(&objects) {
        let is_accepted = object["verdict"] == "accepted";
        assert_eq!(is_accepted, matches!(case.expect, Expectation::Accepted), "{}: {object}", case.name);
    }
}
