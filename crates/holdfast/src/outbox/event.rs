//! What an event says.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use crate::connection::status::InstagramStatus;
use crate::store::NoticeKind;

/// The type of an event about a changed status.
pub(super) const STATUS: &str = "instagram.status";

/// An event to the app's backend; `type` says which.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "HoldfastEvent")]
#[expect(missing_docs, reason = "the description would wrap the variants, which are described")]
pub enum Event<'a> {
    Instagram(InstagramEvent<'a>),
    Incident(IncidentEvent),
}

/// Somebody's status changed, or their grant is about to expire.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstagramEvent<'a> {
    /// Which of the two.
    #[serde(rename = "type")]
    #[schemars(schema_with = "of_somebody")]
    pub(super) kind: &'static str,
    /// When it happened, RFC 3339.
    #[schemars(with = "String")]
    pub(super) timestamp: Timestamp,
    /// Whose, and what is known.
    pub(super) data: InstagramEventData<'a>,
}

/// Whose status, and the status.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InstagramEventData<'a> {
    /// Clerk user id, `user_…`.
    pub(super) user_id: &'a str,
    /// As it is when the event is sent. Of two, the one with the greater `version` counts.
    pub(super) status: Box<InstagramStatus>,
}

/// Many connections fail in the same way; that is over.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IncidentEvent {
    /// Which of the two.
    #[serde(rename = "type")]
    #[schemars(schema_with = "of_everybody")]
    pub(super) kind: &'static str,
    /// When it was noticed, RFC 3339.
    #[schemars(with = "String")]
    pub(super) timestamp: Timestamp,
    /// Where.
    pub(super) data: IncidentEventData,
}

/// Where the incident is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct IncidentEventData {
    /// The provider: `instagram`.
    pub(super) provider: &'static str,
}

fn of_somebody(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": [STATUS, NoticeKind::ExpiringSoon.as_str()]})
}

fn of_everybody(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "enum": [NoticeKind::IncidentBegan.as_str(), NoticeKind::IncidentEnded.as_str()],
    })
}
