//! The other verifiers, set up as their documentation shows.

use clerk_rs::validators::authorizer::{ClerkError, validate_jwt};
use clerk_rs::validators::jwks::{JwksKey, JwksProvider, JwksProviderError};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use jwt_simple::prelude::{Duration, NoCustomClaims, RS256PublicKey, RSAPublicKeyLike, VerificationOptions};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

use crate::Judge;
use crate::support::*;

/// The key, or nobody to ask for it.
struct Provider(Option<JwksKey>);

#[async_trait::async_trait]
impl JwksProvider for Provider {
    type Error = JwksProviderError;

    async fn get_key(&self, kid: &str) -> Result<JwksKey, JwksProviderError> {
        self.0.clone().filter(|key| key.kid == kid).ok_or(JwksProviderError::UnknownKey)
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(future)
}

pub fn clerk_rs() -> Judge {
    let (n, e) = OURS.components();
    let key = JwksKey {
        use_key: "sig".to_owned(),
        kty: "RSA".to_owned(),
        kid: KID.to_owned(),
        alg: "RS256".to_owned(),
        n: encode(&n),
        e: encode(&e),
    };
    Box::new(move |token| block_on(validate_jwt(token, Arc::new(Provider(Some(key.clone()))))).is_ok())
}

pub fn clerk_rs_without_keys() -> &'static str {
    let token = mint(serde_json::json!({}), serde_json::json!({}));
    match block_on(validate_jwt(&token, Arc::new(Provider(None)))) {
        Err(ClerkError::Unauthorized(_)) => "refused: 401",
        Err(ClerkError::InternalServerError(_)) => "500",
        Ok(_) => "accepted",
    }
}

fn key() -> DecodingKey {
    DecodingKey::from_rsa_pem(OURS.spki_pem().as_bytes()).expect("it is a key")
}

pub fn jsonwebtoken() -> Judge {
    Box::new(|token| {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        decode::<Map<String, Value>>(token, &key(), &validation).is_ok()
    })
}

/// Everything that its options offer, the key by `kid`, and `azp` compared by hand.
pub fn careful_jsonwebtoken() -> Judge {
    Box::new(|token| {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_required_spec_claims(&["exp", "iss", "sub"]);
        validation.validate_nbf = true;
        validation.validate_aud = false;
        validation.leeway = 5;
        let known = decode_header(token).is_ok_and(|header| header.kid.as_deref() == Some(KID));
        known
            && decode::<Map<String, Value>>(token, &key(), &validation)
                .is_ok_and(|data| data.claims.get("azp").and_then(Value::as_str) == Some(APP))
    })
}

pub fn jwt_simple() -> Judge {
    let key = RS256PublicKey::from_pem(&OURS.spki_pem()).expect("it is a key");
    Box::new(move |token| {
        let options = VerificationOptions {
            allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
            required_key_id: Some(KID.to_owned()),
            time_tolerance: Some(Duration::from_secs(5)),
            ..VerificationOptions::default()
        };
        key.clone().verify_token::<NoCustomClaims>(token, Some(options)).is_ok()
    })
}
