//! The third verdict: not accepted, not refused.

use std::time::Duration;

/// A token cannot be judged at the moment. This is not a "no".
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CannotJudge {
    /// Why.
    pub reason: CannotJudgeReason,
    /// When to try again.
    pub retry_after: Duration,
}

impl CannotJudge {
    /// For that reason; try again after `retry_after`.
    pub fn new(reason: CannotJudgeReason, retry_after: Duration) -> Self {
        Self { reason, retry_after }
    }
}

/// Why a token cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CannotJudgeReason {
    /// The keys have never been loaded.
    KeysNotLoaded,
    /// The keys that we have are too old to rely on, and newer ones cannot be loaded.
    KeysTooOld,
    /// The token fits none of our keys, and Clerk could not be asked for newer ones.
    KeyUnknownAndUnreachable,
    /// The token fits none of our keys and is newer than they are: Clerk may have made a key since,
    /// under a new `kid` or under the same one, and is not asked again yet.
    KeyNewerThanOurs,
}

impl CannotJudgeReason {
    /// Every reason.
    pub const ALL: &[Self] =
        &[Self::KeysNotLoaded, Self::KeysTooOld, Self::KeyUnknownAndUnreachable, Self::KeyNewerThanOurs];

    /// The stable name; Clerk's where it has one.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeysNotLoaded => "jwk-remote-failed-to-load",
            Self::KeysTooOld => "jwk-remote-too-old",
            Self::KeyUnknownAndUnreachable => "jwk-failed-to-resolve",
            Self::KeyNewerThanOurs => "jwk-maybe-new",
        }
    }

    /// One sentence.
    pub fn detail(self) -> &'static str {
        match self {
            Self::KeysNotLoaded => {
                "The keys to check session tokens with could not be loaded from Clerk yet."
            }
            Self::KeysTooOld => {
                "The keys to check session tokens with are too old, and Clerk cannot be reached for new ones."
            }
            Self::KeyUnknownAndUnreachable => {
                "The session token fits no key that we have, and Clerk cannot be reached to ask for newer ones."
            }
            Self::KeyNewerThanOurs => {
                "The session token is newer than the keys that we have and fits none of them; we ask Clerk again shortly."
            }
        }
    }
}
