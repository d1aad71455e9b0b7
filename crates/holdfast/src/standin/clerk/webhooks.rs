//! Signed events, delivered as Svix delivers them: repeated and out of order too.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::StandinError;
use super::people::Person;
use super::state::Shared;
use crate::transport::Outgoing;

/// What happened to a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum EventKind {
    /// The person signed up.
    #[serde(rename = "user.created")]
    Created,
    /// The person's record changed.
    #[serde(rename = "user.updated")]
    Updated,
    /// The person's account is gone; from now on the Backend API does not know it either.
    #[serde(rename = "user.deleted")]
    Deleted,
}

impl EventKind {
    /// The name in the envelope.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "user.created",
            Self::Updated => "user.updated",
            Self::Deleted => "user.deleted",
        }
    }
}

/// How an event is delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deliver {
    /// Once.
    #[default]
    Once,
    /// Twice, under one `svix-id`.
    Twice,
    /// Before an older `user.updated` of the same person, which arrives late under its own
    /// `svix-id`.
    BeforeAnOlderOne,
    /// With a signature that does not fit.
    Forged,
    /// Stamped ten minutes ago, signed well.
    TenMinutesLate,
}

/// What the target answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivered {
    /// `svix-id`.
    pub id: String,
    /// HTTP status; `None` where no answer arrived.
    pub status: Option<u16>,
}

pub(super) async fn send(
    shared: &Shared,
    kind: EventKind,
    person: Person,
    deliver: Deliver,
) -> Result<Vec<Delivered>, StandinError> {
    let older = shared.user(person.user_id());
    match kind {
        EventKind::Created => {}
        EventKind::Updated => drop(shared.touch(person)),
        EventKind::Deleted => drop(shared.delete(person)),
    }
    let data = match kind {
        EventKind::Created | EventKind::Updated => shared.user(person.user_id()).unwrap_or(Value::Null),
        EventKind::Deleted => json!({"id": person.user_id(), "object": "user", "deleted": true}),
    };
    let (event, id) = (envelope(shared, kind, &data), shared.message_id()?);
    let now = shared.true_now().as_second();
    let mut answers = Vec::new();
    match deliver {
        Deliver::Once => answers.push(post(shared, &id, now, &event, true).await?),
        Deliver::Twice => {
            answers.push(post(shared, &id, now, &event, true).await?);
            answers.push(post(shared, &id, now, &event, true).await?);
        }
        Deliver::BeforeAnOlderOne => {
            answers.push(post(shared, &id, now, &event, true).await?);
            let late = envelope(shared, EventKind::Updated, &older.unwrap_or(Value::Null));
            answers.push(post(shared, &shared.message_id()?, now, &late, true).await?);
        }
        Deliver::Forged => answers.push(post(shared, &id, now, &event, false).await?),
        Deliver::TenMinutesLate => answers.push(post(shared, &id, now - 600, &event, true).await?),
    }
    Ok(answers)
}

fn envelope(shared: &Shared, kind: EventKind, data: &Value) -> String {
    json!({
        "object": "event", "type": kind.as_str(), "data": data, "instance_id": shared.instance_id,
        "timestamp": shared.true_now().as_millisecond(),
        "event_attributes": {"http_request": {"client_ip": "127.0.0.1", "user_agent": "standin"}},
    })
    .to_string()
}

async fn post(
    shared: &Shared,
    id: &str,
    timestamp: i64,
    body: &str,
    genuine: bool,
) -> Result<Delivered, StandinError> {
    let target = shared.webhook_target().ok_or(StandinError::NoTarget)?;
    let secret = shared.webhook_secret.strip_prefix("whsec_").unwrap_or_default();
    let key = STANDARD.decode(secret).map_err(|_| StandinError::Crypto)?;
    let signed = if genuine { format!("{id}.{timestamp}.{body}") } else { format!("{id}.{timestamp}.") };
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes());
    let mut request = Outgoing::new(Method::POST, target);
    request.headers = headers(id, timestamp, &STANDARD.encode(tag))?;
    request.body = Bytes::copy_from_slice(body.as_bytes());
    let status = shared.transport.send(request).await.ok().map(|answer| answer.status.as_u16());
    Ok(Delivered { id: id.to_owned(), status })
}

fn headers(id: &str, timestamp: i64, signature: &str) -> Result<HeaderMap, StandinError> {
    let text = |value: String| HeaderValue::try_from(value).map_err(|_| StandinError::Json);
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("svix-id", text(id.to_owned())?);
    headers.insert("svix-timestamp", text(timestamp.to_string())?);
    headers.insert("svix-signature", text(format!("v1,{signature}"))?);
    Ok(headers)
}
