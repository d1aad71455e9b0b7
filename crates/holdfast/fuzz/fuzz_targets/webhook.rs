//! A delivery is believed exactly where its headers stand once, its time is near, and one of its
//! signatures is right, as another library computes it.
//!
//! Input: lines for `svix-id`, `svix-timestamp` and `svix-signature`, then the body. A header may
//! be given twice, with a tab between; `GENUINE` among the signatures stands for the right one.
#![no_main]

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use holdfast::clock::ManualClock;
use holdfast::clerk::webhook::{Delivery, DeliveryError, TOLERANCE_SECONDS, WebhookVerifier};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use secrecy::SecretString;

const SECRET: &[u8] = b"a signing secret of 32 bytes....";
const NOW: i64 = 1_795_396_260;

fn signature(id: &[u8], timestamp: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(SECRET).expect("any length will do");
    for part in [id, b".", timestamp, b".", body] {
        mac.update(part);
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fuzz_target!(|input: &str| {
    let mut parts = input.splitn(4, '\n');
    let mut next = || parts.next().unwrap_or_default();
    let (id, timestamp, signatures, body) = (next(), next(), next(), next());
    let genuine = signature(id.as_bytes(), timestamp.as_bytes(), body.as_bytes());
    let signatures = signatures.replacen("GENUINE", &genuine, 1);
    let mut headers = HeaderMap::new();
    for (name, values) in [("svix-id", id), ("svix-timestamp", timestamp), ("svix-signature", &signatures)] {
        for value in values.split('\t') {
            let Ok(value) = HeaderValue::from_str(value) else { return };
            headers.append(name, value);
        }
    }

    let clock = Arc::new(ManualClock::new(Timestamp::from_second(NOW).expect("a time")));
    let secret = SecretString::from(format!("whsec_{}", STANDARD.encode(SECRET)));
    let verifier = WebhookVerifier::new(&secret, clock).expect("a good secret");

    let once = [id, timestamp, &signatures].iter().all(|value| !value.contains('\t') && !value.is_empty());
    let near = timestamp.parse().is_ok_and(|at: i64| (at - NOW).abs() <= TOLERANCE_SECONDS);
    let signed = signatures.split(' ').take(16).any(|each| each == genuine);
    match verifier.verify(&headers, body.as_bytes()) {
        Ok(delivery) => {
            assert!(once && near && signed, "believed without proof");
            if let Delivery::User(event) = delivery {
                assert_eq!(event.id(), id);
                assert!(body.contains("user."));
            }
        }
        Err(DeliveryError::Header(_)) => {
            assert!(!once || timestamp.parse::<i64>().is_err() || !id.is_ascii() || !signatures.is_ascii())
        }
        Err(DeliveryError::TooOld | DeliveryError::TooNew) => assert!(!near),
        Err(DeliveryError::Signature) => assert!(!signed),
        Err(DeliveryError::Body) => assert!(once && near && signed),
    }
});
