//! A connect attempt: one OAuth run from `connect` to `complete`, single use, with an expiry.

use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use uuid::Uuid;

use super::Reason;
use crate::clock::{after, still_ahead};
use crate::names::names;
use crate::provider::ProviderId;

/// A code that was sent, and whose answer is not stored, waits this much longer than its claim
/// before it is sent again: it is probably spent, and its token may be in another replica's
/// journal.
pub const SPENT: Duration = Duration::from_mins(2);

/// How long a claim excludes others; after this, the work counts as abandoned. A completion that
/// takes longer, as with several holders to ask about, is stored only where nobody was faster.
pub const BUSY: Duration = Duration::from_secs(45);

/// How long an attempt waits at most before Instagram is asked again.
pub const LONGEST_PAUSE: Duration = Duration::from_mins(30);

/// A closed attempt answers a repeated callback with its completion for at most this long.
const REPEATABLE: Duration = Duration::from_hours(1);

/// Window over which a person's begun attempts are counted.
pub const ATTEMPT_WINDOW: Duration = Duration::from_hours(1);

/// A connect attempt as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Row id.
    pub id: Uuid,
    /// Grows by one with every stored change.
    pub revision: i64,
    /// Clerk user id of the person who began it.
    pub user_id: String,
    /// The provider.
    pub provider: ProviderId,
    /// SHA-256 of `state`.
    pub state_hash: [u8; 32],
    /// SHA-256 of the completion secret, once the browser has come back.
    pub completion_hash: Option<[u8; 32]>,
    /// How far it has come.
    pub stage: AttemptStage,
    /// How it ended; present exactly where `stage` is closed.
    pub outcome: Option<AttemptOutcome>,
    /// Where the browser returns to; already checked against the allow-list.
    pub return_to: String,
    /// Whether another account than the linked one may come back.
    pub expect: Expect,
    /// When it began.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// When the browser brought the code: the time of the person's consent. Earlier versions wrote
    /// none.
    pub returned_at: Option<Timestamp>,
    /// The secret of its stage, sealed under the owner's key: code, short-lived token or grant.
    pub sealed: Option<Vec<u8>>,
    /// The completion secret, sealed, so that a repeated callback gets the same answer.
    pub sealed_completion: Option<Vec<u8>>,
    /// Until then a replica has claimed the attempt.
    pub busy_until: Option<Timestamp>,
    /// Until then it waits, because Instagram could not be asked.
    pub paused_until: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
}

/// When a pause ends that is not over. One that is longer than any was set by a clock ahead.
pub(super) fn pause_end(paused_until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    still_ahead(paused_until?, LONGEST_PAUSE, now)
}

impl Attempt {
    /// Whether no claim and no pause holds it.
    pub fn is_free(&self, now: Timestamp) -> bool {
        self.is_unclaimed(now) && self.pause_left(now).is_none()
    }

    /// The rest of its pause.
    pub fn pause_left(&self, now: Timestamp) -> Option<Duration> {
        let until = pause_end(self.paused_until, now)?;
        Duration::try_from(until.duration_since(now)).ok()
    }

    fn is_unclaimed(&self, now: Timestamp) -> bool {
        let rest = if self.stage == AttemptStage::Redeeming { SPENT } else { Duration::ZERO };
        self.busy_until.is_none_or(|until| after(until, rest) <= now)
    }

    /// Whether its completion was presented: it goes on by itself.
    pub fn is_begun(&self) -> bool {
        match self.stage {
            AttemptStage::Redeeming | AttemptStage::ShortGranted | AttemptStage::Granted => true,
            // Paused: the completion was presented, the code could not be sent. Earlier versions
            // paused by `busy_until`; a claim takes an attempt out of this stage.
            AttemptStage::Returned => self.paused_until.is_some() || self.busy_until.is_some(),
            AttemptStage::Open | AttemptStage::Closed => false,
        }
    }

    /// Whether its time is over. While a claim holds it, its token may be on the way.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at <= now && self.is_unclaimed(now)
    }

    /// This attempt, closed with `outcome`.
    #[must_use]
    pub fn closed(&self, outcome: AttemptOutcome, now: Timestamp) -> Self {
        Self {
            stage: AttemptStage::Closed,
            outcome: Some(outcome),
            expires_at: self.expires_at.min(after(now, REPEATABLE)),
            sealed: None,
            busy_until: None,
            paused_until: None,
            closed_at: Some(now),
            ..self.clone()
        }
    }
}

names! {
    /// How far an attempt has come. Each step is durable before the next one begins.
    pub enum AttemptStage {
        /// The browser is at the provider.
        Open = "open",
        /// The browser came back; the code is sealed.
        Returned = "returned",
        /// The code is about to be exchanged. After a crash here, it is unknown whether it was.
        Redeeming = "redeeming",
        /// The short-lived token is sealed.
        ShortGranted = "short_granted",
        /// The long-lived grant is sealed, not yet linked.
        Granted = "granted",
        /// Over.
        Closed = "closed",
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptOutcome {
    /// The account is linked.
    Connected,
    /// The person declined.
    Denied,
    /// Its time ran out.
    Expired,
    /// The person chose another account than the linked one.
    DifferentAccount,
    /// The account belongs to another user.
    AccountTaken,
    /// The person disconnected meanwhile, or withdrew the account at the provider. Where they
    /// disconnected, only the history says so; the attempt's row says `expired`.
    Disconnected,
    /// The attempt failed, for this reason.
    Failed(Reason),
}

impl AttemptOutcome {
    /// The name as stored: a failure is `failed:` and its reason.
    pub fn to_name(self) -> String {
        match self {
            Self::Connected => "connected".to_owned(),
            Self::Denied => "denied".to_owned(),
            Self::Expired => "expired".to_owned(),
            Self::DifferentAccount => "different_account".to_owned(),
            Self::AccountTaken => "account_taken".to_owned(),
            Self::Disconnected => "disconnected".to_owned(),
            Self::Failed(reason) => format!("failed:{}", reason.as_str()),
        }
    }

    /// The outcome of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "connected" => Self::Connected,
            "denied" => Self::Denied,
            "expired" => Self::Expired,
            "different_account" => Self::DifferentAccount,
            "account_taken" => Self::AccountTaken,
            "disconnected" => Self::Disconnected,
            _ => Self::Failed(Reason::parse(name.strip_prefix("failed:")?)?),
        })
    }
}

/// A connect attempt's entry in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptNote {
    /// The attempt.
    pub id: Uuid,
    /// How it ended; `None` where it began.
    pub outcome: Option<AttemptOutcome>,
}

names! {
    /// Whether reconnecting may link another account.
    #[derive(Default, JsonSchema)]
    #[schemars(rename_all = "snake_case")]
    pub enum Expect {
        /// Only the linked account, if there is one.
        #[default]
        SameAccount = "same_account",
        /// Any account.
        AnyAccount = "any_account",
    }
}
