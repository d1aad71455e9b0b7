//! The stand-in speaks Clerk's protocols.

use std::time::Duration;

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use holdfast::standin::clerk::{Case, Expectation, Fault, Person, Rotation, Surface};
use holdfast::transport::{Outgoing, TransportError};
use http::{HeaderValue, Method};
use serde_json::{Value, json};

use super::{Clerk, ORIGIN};
use crate::testing::answer::AnswerExt as _;
use crate::testing::waiting::PATIENCE;

fn payload(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Verifies by hand, with nothing of the service's own verifier.
fn verifies(token: &str, jwks: &Value) -> bool {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let decode = |text: &Value| URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap();
    jwks["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == "RSA").any(|key| {
        RsaPublicKeyComponents { n: decode(&key["n"]), e: decode(&key["e"]) }
            .verify(
                &RSA_PKCS1_2048_8192_SHA256,
                message.as_bytes(),
                &URL_SAFE_NO_PAD.decode(signature).unwrap(),
            )
            .is_ok()
    })
}

#[tokio::test]
async fn a_page_signs_in_and_gets_tokens_that_the_key_set_verifies() {
    let clerk = Clerk::start().await;
    let url = |path: &str| clerk.standin.url().join(path).unwrap();
    let page = Some("http://127.0.0.1:8080");
    let signed_in =
        clerk.request(Method::POST, url("/v1/dev/sign-in"), page, Some(json!({"user": "grace"}))).await;
    assert_eq!(signed_in.headers["access-control-allow-origin"], "http://127.0.0.1:8080");
    let session_id = signed_in.json()["session_id"].as_str().unwrap().to_owned();

    let tokens = url(&format!("/v1/client/sessions/{session_id}/tokens"));
    let token = clerk.request(Method::POST, tokens.clone(), page, None).await.json()["jwt"].clone();
    let token = token.as_str().unwrap();
    let jwks = clerk.request(Method::GET, clerk.standin.jwks_url(), None, None).await.json();
    assert!(verifies(token, &jwks));
    let claims = payload(token);
    assert_eq!(claims["azp"], "http://127.0.0.1:8080");
    assert_eq!(claims["sub"], Person::Grace.user_id());
    assert_eq!(claims["sid"], session_id.as_str());
    assert_eq!(claims["iss"], clerk.standin.issuer());
    assert_eq!(claims["v"], 2);
    let (iat, now) = (claims["iat"].as_i64().unwrap(), clerk.now());
    assert_eq!((iat, claims["exp"].as_i64(), claims["nbf"].as_i64()), (now, Some(iat + 60), Some(iat - 10)));

    // Without an origin there is no `azp`, as with Clerk.
    let token = clerk.request(Method::POST, tokens.clone(), None, None).await.json()["jwt"].clone();
    assert!(payload(token.as_str().unwrap()).get("azp").is_none());

    let gone = json!({"session_id": session_id});
    clerk.request(Method::POST, url("/v1/dev/sign-out"), page, Some(gone)).await;
    assert_eq!(clerk.request(Method::POST, tokens, page, None).await.status, 404);
}

#[tokio::test]
async fn pages_of_other_machines_have_no_say_in_what_it_does() {
    let clerk = Clerk::start().await;
    let state = clerk.standin.url().join("/v1/dev/state").unwrap();
    let skew = clerk.standin.url().join("/v1/dev/skew").unwrap();
    for (method, url, name, origin, status) in [
        // A name of the page's own that leads to this machine.
        (Method::GET, &state, Some("evil.example"), None, 421),
        (Method::GET, &state, None, None, 200),
        // Sent blindly: such a request asks for no permission first.
        (Method::POST, &skew, None, Some("https://evil.example"), 403),
        (Method::POST, &skew, None, Some("null"), 403),
        (Method::POST, &skew, None, Some("http://localhost:5173"), 200),
        (Method::POST, &skew, None, None, 200),
    ] {
        let mut request = Outgoing::new(method, url.clone());
        for (header, value) in [("host", name), ("origin", origin)] {
            if let Some(value) = value {
                request.headers.insert(header, HeaderValue::from_static(value));
            }
        }
        request.headers.insert("content-type", HeaderValue::from_static("text/plain"));
        request.body = r#"{"seconds": 0}"#.into();
        let answered = clerk.transport.send(request).await.unwrap();
        assert_eq!(answered.status.is_success(), status == 200, "{name:?} {origin:?}: {}", answered.status);
        assert!(status == 200 || answered.status == status, "{name:?} {origin:?}: {}", answered.status);
    }
}

#[tokio::test]
async fn only_pages_on_this_machine_may_read_its_answers() {
    let clerk = Clerk::start().await;
    for (origin, allowed) in [
        ("http://localhost:3000", true),
        ("http://[::1]:3000", true),
        ("http://127.0.0.1:8080", true),
        ("https://attacker.example", false),
        ("http://localhost.attacker.example", false),
        ("null", false),
    ] {
        let answer = clerk.request(Method::OPTIONS, clerk.standin.jwks_url(), Some(origin), None).await;
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}

#[tokio::test]
async fn the_backend_api_wants_the_secret_key() {
    let clerk = Clerk::start().await;
    let url = clerk.standin.url().join("/v1/jwks").unwrap();
    let refused = clerk.request(Method::GET, url.clone(), None, None).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["errors"][0]["code"].clone()),
        (401, "clerk_key_invalid".into())
    );

    let mut with_key = Outgoing::new(Method::GET, url);
    let bearer = format!("Bearer {}", secrecy::ExposeSecret::expose_secret(&clerk.standin.secret_key()));
    with_key.headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
    let answer = clerk.transport.send(with_key).await.unwrap();
    assert_eq!(answer.json()["keys"].as_array().unwrap().len(), 2);
    assert_eq!(clerk.standin.jwks_requests(), 2);
}

#[tokio::test]
async fn keys_rotate_in_three_ways() {
    let clerk = Clerk::start().await;
    let session = clerk.standin.sign_in(Person::Ada).unwrap();
    let jwks = async || clerk.request(Method::GET, clerk.standin.jwks_url(), None, None).await.json();
    let before = clerk.standin.token(&session, Some(ORIGIN)).unwrap();
    let kid = |token: &str| {
        let header = URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].clone()
    };

    clerk.standin.rotate(Rotation::SameKid).unwrap();
    let same = clerk.standin.token(&session, Some(ORIGIN)).unwrap();
    assert_eq!(kid(&before), kid(&same));
    assert!(!verifies(&before, &jwks().await) && verifies(&same, &jwks().await));

    clerk.standin.rotate(Rotation::NewKidKeepFormer).unwrap();
    let kept = clerk.standin.token(&session, Some(ORIGIN)).unwrap();
    assert_ne!(kid(&same), kid(&kept));
    assert!(verifies(&same, &jwks().await) && verifies(&kept, &jwks().await));

    clerk.standin.rotate(Rotation::NewKid).unwrap();
    assert!(!verifies(&kept, &jwks().await));
}

#[tokio::test]
async fn every_fault_breaks_what_it_should() {
    let clerk = Clerk::start().await;
    let ask = async |patience: Duration| {
        let mut request = Outgoing::new(Method::GET, clerk.standin.jwks_url());
        request.timeout = patience;
        clerk.transport.send(request).await.map(|answer| answer.status.as_u16())
    };
    for fault in Fault::ALL {
        clerk.standin.set_fault(Surface::Jwks, Some(fault));
        let expected = match fault {
            Fault::Down => Err(TransportError::Broken),
            Fault::Hang => Err(TransportError::Timeout),
            Fault::ServerError => Ok(500),
            Fault::BadGateway | Fault::Overloaded => Ok(503),
            Fault::Html | Fault::Truncated | Fault::Empty => Ok(200),
            Fault::Huge => Err(TransportError::TooLarge),
            Fault::RateLimited => Ok(429),
            Fault::Unauthorized => Ok(401),
        };
        // Only what hangs is given up early: a busy machine must not look like a fault.
        let patience = if fault == Fault::Hang { Duration::from_millis(300) } else { PATIENCE };
        assert_eq!(ask(patience).await, expected, "{fault:?}");
    }
    clerk.standin.set_fault(Surface::Jwks, None);
    assert_eq!(ask(PATIENCE).await, Ok(200));
}

#[tokio::test]
async fn special_tokens_are_minted_over_http_with_the_verdict_they_deserve() {
    let clerk = Clerk::start().await;
    let url = clerk.standin.url().join("/v1/dev/mint").unwrap();
    for case in Case::all() {
        let body = json!({"case": case.name, "user": "ada", "azp": ORIGIN});
        let minted = clerk.request(Method::POST, url.clone(), None, Some(body)).await.json();
        assert!(minted["jwt"].is_string(), "{}", case.name);
        let code = match case.expect {
            Expectation::Refused(code) => Value::from(code),
            Expectation::Accepted | Expectation::Pending => Value::Null,
        };
        assert_eq!(minted["expect"]["code"], code);
    }
    let unknown = json!({"case": "no-such-case", "azp": ORIGIN});
    assert_eq!(clerk.request(Method::POST, url, None, Some(unknown)).await.status, 404);
}
