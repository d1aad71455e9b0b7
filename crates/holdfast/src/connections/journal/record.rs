//! The journal's record of one token.

use std::io;

use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::connection::attempt::AttemptStage;

/// A sealed token in the journal, with the facts that decide whether it is still wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journaled {
    /// Its owner.
    pub user_id: String,
    /// Where it comes from.
    #[serde(flatten)]
    pub origin: Origin,
    /// The token, sealed under the owner's key and bound to its origin.
    #[serde(with = "base64_text")]
    pub blob: Vec<u8>,
}

/// Where a token comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Origin {
    /// A refresh of the grant of this link.
    Refresh(LinkId),
    /// A connect attempt.
    Attempt {
        /// The attempt.
        attempt_id: Uuid,
        /// The step that brought the token.
        #[serde(rename = "stage")]
        step: Step,
    },
}

/// The link that a grant belongs to. If the connection has another by now, the grant is worthless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkId {
    /// The connection.
    pub connection_id: Uuid,
    /// When it was linked.
    #[serde(default, with = "jiff::fmt::serde::timestamp::millisecond::optional")]
    pub linked_at: Option<Timestamp>,
    /// The version of its grant that was replaced, or is to be.
    pub from_version: i64,
}

/// A step of a connect attempt that brings a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// The short-lived token.
    #[serde(rename = "short_granted")]
    Short,
    /// The long-lived grant.
    #[serde(rename = "granted")]
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
            Self::Refresh(link) => link.connection_id,
            Self::Attempt { attempt_id, .. } => *attempt_id,
        }
    }

    pub(super) fn file_stem(&self) -> String {
        match self {
            Self::Refresh(link) => format!("{}-{}", link.connection_id, link.from_version),
            Self::Attempt { attempt_id, step } => format!("{attempt_id}-{}", step.stage().as_str()),
        }
    }
}

mod base64_text {
    use base64::Engine as _;
    use serde::Deserialize as _;

    use super::STANDARD;

    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// The bytes of a token's file.
pub(super) fn encode(token: &Journaled) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec(token)?)
}

/// Parses the bytes of a file.
pub(super) fn decode(bytes: &[u8]) -> io::Result<Journaled> {
    Ok(serde_json::from_slice(bytes)?)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::clock::from_millis;

    /// As 0.1.0 wrote them.
    const FILES: [&str; 4] = [
        r#"{"connection_id":"00000000-0000-0000-0000-000000000007","user_id":"user_ada","linked_at":1750000000123,"from_version":3,"blob":"/+9z"}"#,
        r#"{"connection_id":"00000000-0000-0000-0000-000000000007","user_id":"user_ada","linked_at":null,"from_version":3,"blob":"/+9z"}"#,
        r#"{"attempt_id":"00000000-0000-0000-0000-000000000007","user_id":"user_ada","stage":"short_granted","blob":"/+9z"}"#,
        r#"{"attempt_id":"00000000-0000-0000-0000-000000000007","user_id":"user_ada","stage":"granted","blob":"/+9z"}"#,
    ];

    #[test]
    fn files_are_those_of_earlier_versions() {
        let id = Uuid::from_u128(7);
        let refresh = |linked_at| Origin::Refresh(LinkId { connection_id: id, linked_at, from_version: 3 });
        let origins = [
            refresh(Some(from_millis(1_750_000_000_123))),
            refresh(None),
            Origin::Attempt { attempt_id: id, step: Step::Short },
            Origin::Attempt { attempt_id: id, step: Step::Grant },
        ];
        for (file, origin) in FILES.into_iter().zip(origins) {
            let token = Journaled { user_id: "user_ada".to_owned(), origin, blob: vec![0xff, 0xef, 0x73] };
            assert_eq!(decode(file.as_bytes()).unwrap(), token);
            let written: Value = serde_json::from_slice(&encode(&token).unwrap()).unwrap();
            assert_eq!(written, serde_json::from_str::<Value>(file).unwrap());
        }
        assert!(decode(FILES[3].replace("granted", "open").as_bytes()).is_err());
    }
}
