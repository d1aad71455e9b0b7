//! What can be learned about a connection.

use jiff::Timestamp;

use super::GrantFacts;
use super::attempt::AttemptOutcome;
use crate::provider::{Account, Failure};

/// Something that we learned.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// An account was linked, with a grant that `/me` has already proven.
    Linked {
        /// The account it belongs to.
        account: Account,
        /// What was granted.
        scopes: Vec<String>,
        /// What we asked for and was not granted.
        missing_scopes: Vec<String>,
        /// The new grant.
        grant: GrantFacts,
        /// When the person consented; for an import, when it linked.
        linked_at: Timestamp,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// A refresh answered with a new grant.
    Refreshed {
        /// The grant that was refreshed.
        from_version: i64,
        /// The new one.
        grant: GrantFacts,
        /// Granted and missing scopes, where the answer names others than those stored.
        granted: Option<Granted>,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The grant does not work, but the version before it does: that one is in use again.
    RolledBack {
        /// The grant that does not work.
        from_version: i64,
        /// The earlier one, stored anew.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The connection was declared dead at the beginning of an incident; that is revoked.
    TakenBack {
        /// Deaths up to this time predate the incident and stand.
        fallen_after: Timestamp,
        /// When it takes its turn as a canary.
        next_refresh_at: Timestamp,
    },
    /// A call with the grant worked.
    Worked {
        /// The grant that was used.
        grant_version: i64,
        /// The account as described by the provider now, if the call asked for it.
        account: Option<Account>,
        /// When to refresh the grant, if the stored time was for a probe.
        next_refresh_at: Option<Timestamp>,
    },
    /// After a refresh, the provider described the account.
    Described {
        /// The grant that was used.
        grant_version: i64,
        /// The account as it is described now.
        account: Account,
    },
    /// The provider refused a pass-through call and named the scopes that the grant lacks.
    ScopesRefused {
        /// The grant that was used.
        grant_version: i64,
        /// The named scopes that the app asks for.
        scopes: Vec<String>,
        /// All scopes that the app asks for.
        asked_for: Vec<String>,
    },
    /// A pass-through call worked that needs this scope.
    ScopeProven {
        /// The grant that was used.
        grant_version: i64,
        /// The scope.
        scope: &'static str,
    },
    /// Another user has proven control of the account.
    AccountMoved,
    /// A call with the grant failed.
    Failed {
        /// The grant that was used.
        grant_version: i64,
        /// What kind of call it was.
        call: Call,
        /// What came back.
        failure: Failure,
        /// When the worker tries again; `None`: as stored.
        next_refresh_at: Option<Timestamp>,
        /// How far a sign of death is believed, given the other connections.
        confidence: Confidence,
    },
    /// The provider told us, signed, that the person removed the app.
    Deauthorized {
        /// When the provider issued the message.
        issued_at: Option<Timestamp>,
    },
    /// Something casts doubt on the grant, and the provider could not be asked about it.
    Doubted {
        /// The grant in use.
        grant_version: i64,
        /// When it may be asked.
        probe_at: Timestamp,
    },
    /// The person disconnected.
    Disconnected,
    /// The provider told us, signed, that the person wants their data deleted.
    DataDeleted {
        /// What was linked after this stays.
        issued_at: Timestamp,
    },
    /// A connect attempt ended without a link.
    AttemptEnded(AttemptOutcome),
    /// The stored expiry has passed.
    ExpiryPassed,
    /// Times written by a clock that was ahead are repaired.
    TimesRepaired {
        /// The same grant with plausible times.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// The stored grant, or the key that it was sealed with, is damaged or gone.
    GrantUnreadable {
        /// The grant that could not be opened.
        grant_version: i64,
    },
    /// A grant that could not be opened opens again.
    GrantReadable {
        /// The grant.
        grant_version: i64,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
}

impl Observation {
    /// The grant that it is about; `None` where it is not about one.
    pub(super) fn grant_version(&self) -> Option<i64> {
        match self {
            Self::Refreshed { from_version: version, .. }
            | Self::RolledBack { from_version: version, .. }
            | Self::Worked { grant_version: version, .. }
            | Self::Described { grant_version: version, .. }
            | Self::ScopesRefused { grant_version: version, .. }
            | Self::ScopeProven { grant_version: version, .. }
            | Self::Failed { grant_version: version, .. }
            | Self::Doubted { grant_version: version, .. }
            | Self::TimesRepaired { grant: GrantFacts { version, .. }, .. }
            | Self::GrantUnreadable { grant_version: version }
            | Self::GrantReadable { grant_version: version, .. } => Some(*version),
            Self::Linked { .. }
            | Self::TakenBack { .. }
            | Self::AccountMoved
            | Self::Deauthorized { .. }
            | Self::Disconnected
            | Self::DataDeleted { .. }
            | Self::AttemptEnded(_)
            | Self::ExpiryPassed => None,
        }
    }
}

/// How far a sign of death is believed, given the other connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Confidence {
    /// Too few connections to tell an incident: waiting would show nothing.
    TooFew,
    /// An incident may be beginning.
    #[default]
    Unknown,
    /// Others have worked since the first sign.
    OthersHealthy,
    /// An incident is going on: believe no sign of death.
    Incident,
}

/// The scopes of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// What was granted.
    pub scopes: Vec<String>,
    /// What we ask for and was not granted.
    pub missing_scopes: Vec<String>,
}

/// The kind of call that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Refreshing the grant.
    Refresh,
    /// Asking `/me`, because a person or an operator wants to know.
    Check,
    /// Asking `/me` by the worker, to see whether a trouble has passed.
    Probe,
    /// A call that the app made.
    PassThrough,
}
