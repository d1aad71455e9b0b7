//! The journal's record of one token.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::from_millis;
use crate::connection::attempt::AttemptStage;

/// A sealed token in the journal, with the facts that decide whether it is still wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Journaled {
    /// Its owner.
    pub user_id: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The token, sealed under the owner's key and bound to its origin.
    pub blob: Vec<u8>,
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A refresh.
    Refresh {
        /// The connection.
        connection_id: Uuid,
        /// The link that the refresh was made for; another link makes the grant worthless.
        linked_at: Option<Timestamp>,
        /// The version of the grant that was refreshed.
        from_version: i64,
    },
    /// A connect attempt.
    Attempt {
        /// The attempt.
        attempt_id: Uuid,
        /// The step that brought the token.
        step: Step,
    },
}

/// A step of a connect attempt that brings a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The short-lived token.
    Short,
    /// The long-lived grant.
    Grant,
}

impl Step {
    /// Latest first.
    pub const ALL: [Self; 2] = [Self::Grant, Self::Short];

    /// The stage of an attempt that has this token.
    pub fn stage(self) -> AttemptStage {
        match self {
            Self::Short => AttemptStage::ShortGranted,
            Self::Grant => AttemptStage::Granted,
        }
    }

    /// Whether this token advances an attempt at `stage`.
    pub fn is_news_at(self, stage: AttemptStage) -> bool {
        match stage {
            // `Returned` only if the row comes from a backup: the intent is written before a token
            // is asked for.
            AttemptStage::Returned | AttemptStage::Redeeming => true,
            AttemptStage::ShortGranted => self == Self::Grant,
            AttemptStage::Open | AttemptStage::Granted | AttemptStage::Closed => false,
        }
    }
}

impl Origin {
    /// The row that the token belongs to.
    pub fn row(&self) -> Uuid {
        match self {
            Self::Refresh { connection_id, .. } => *connection_id,
            Self::Attempt { attempt_id, .. } => *attempt_id,
        }
    }

    pub(super) fn file_stem(&self) -> String {
        match self {
            Self::Refresh { connection_id, from_version, .. } => format!("{connection_id}-{from_version}"),
            Self::Attempt { attempt_id, step } => format!("{attempt_id}-{}", step.stage().as_str()),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Record {
    Refresh { connection_id: Uuid, user_id: String, linked_at: Option<i64>, from_version: i64, blob: String },
    Attempt { attempt_id: Uuid, user_id: String, stage: String, blob: String },
}

impl From<&Journaled> for Record {
    fn from(journaled: &Journaled) -> Self {
        let (user_id, blob) = (journaled.user_id.clone(), STANDARD.encode(&journaled.blob));
        match journaled.origin {
            Origin::Refresh { connection_id, linked_at, from_version } => {
                let linked_at = linked_at.map(Timestamp::as_millisecond);
                Self::Refresh { connection_id, user_id, linked_at, from_version, blob }
            }
            Origin::Attempt { attempt_id, step } => {
                Self::Attempt { attempt_id, user_id, stage: step.stage().as_str().to_owned(), blob }
            }
        }
    }
}

impl TryFrom<Record> for Journaled {
    type Error = io::Error;

    fn try_from(record: Record) -> io::Result<Self> {
        let (user_id, origin, blob) = match record {
            Record::Refresh { connection_id, user_id, linked_at, from_version, blob } => {
                let linked_at = linked_at.map(from_millis);
                (user_id, Origin::Refresh { connection_id, linked_at, from_version }, blob)
            }
            Record::Attempt { attempt_id, user_id, stage, blob } => {
                let step = Step::ALL.into_iter().find(|step| step.stage().as_str() == stage);
                let step = step.ok_or_else(|| io::Error::other("no such stage"))?;
                (user_id, Origin::Attempt { attempt_id, step }, blob)
            }
        };
        Ok(Self { user_id, origin, blob: STANDARD.decode(blob).map_err(io::Error::other)? })
    }
}

/// The bytes of a token's file.
pub(super) fn encode(token: &Journaled) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(&Record::from(token))?)
}

/// Parses the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Journaled> {
    serde_json::from_slice::<Record>(bytes)?.try_into()
}
