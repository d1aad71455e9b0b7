//! Calls from Meta to the app: `signed_request` to the deauthorize and data-deletion callbacks.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method, header};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde_json::Value;
use url::Url;
use url::form_urlencoded::Serializer;

use super::body::json;
use super::world::Death;
use super::{NoSuchAccount, Shared};
use crate::transport::{Outgoing, TransportError};

/// What the app answered to a callback.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Delivered {
    /// HTTP status.
    pub status: u16,
    /// The JSON answer, where it was one.
    pub answer: Option<Value>,
}

/// Why a callback was not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// No such account.
    #[error(transparent)]
    NoSuchAccount(#[from] NoSuchAccount),
    /// The app has registered no address for it.
    #[error("the app has registered no address for this callback")]
    NotRegistered,
    /// The app could not be reached.
    #[error("the app could not be reached: {0}")]
    Transport(#[from] TransportError),
}

impl Shared {
    pub(super) async fn deauthorize(&self, account: &str) -> Result<Delivered, CallbackError> {
        let id = self.account_id(account)?;
        self.kill(Some(&id), Death::Revoked);
        let url = self.setup().deauthorize_url.clone();
        self.deliver(url, &id).await
    }

    pub(super) async fn request_deletion(&self, account: &str) -> Result<Delivered, CallbackError> {
        let id = self.account_id(account)?;
        self.kill(Some(&id), Death::Revoked);
        let url = self.setup().data_deletion_url.clone();
        self.deliver(url, &id).await
    }

    async fn deliver(&self, url: Option<Url>, id: &str) -> Result<Delivered, CallbackError> {
        let url = url.ok_or(CallbackError::NotRegistered)?;
        let signed = self.signed_request(id);
        let mut request = Outgoing::new(Method::POST, url);
        request
            .headers
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        request.body = Serializer::new(String::new()).append_pair("signed_request", &signed).finish().into();
        let answer = self.transport.send(request).await?;
        Ok(Delivered { status: answer.status.as_u16(), answer: serde_json::from_slice(&answer.body).ok() })
    }

    /// `SIG.PAYLOAD` with the members and the order of a recorded one.
    fn signed_request(&self, id: &str) -> String {
        #[derive(Serialize)]
        struct Payload<'a> {
            user_id: &'a str,
            algorithm: &'static str,
            issued_at: i64,
        }
        let issued_at = self.clock.now().as_second();
        let payload = json(&Payload { user_id: id, algorithm: "HMAC-SHA256", issued_at });
        let payload = URL_SAFE_NO_PAD.encode(payload);
        let secret = self.options.app_secret.expose_secret().as_bytes();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), payload.as_bytes());
        format!("{}.{payload}", URL_SAFE_NO_PAD.encode(tag))
    }
}
