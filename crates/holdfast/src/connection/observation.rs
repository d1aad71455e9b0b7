//! What can be learned about a connection.

use jiff::Timestamp;

use super::GrantFacts;
use super::attempt::AttemptOutcome;
use crate::provider::{Account, Failure};

/// Something that we learned.
#[derive(Debug, Clone, PartialEq)]
pub enum Observation {
    /// A connect attempt was completed; the new grant has answered "whose are you" already.
    Linked {
        /// The account it belongs to.
        account: Account,
        /// What was granted.
        scopes: Vec<String>,
        /// What we asked for and was not granted.
        missing_scopes: Vec<String>,
        /// The new grant.
        grant: GrantFacts,
        /// When to refresh it.
        next_refresh_at: Timestamp,
    },
    /// A refresh answered with a new grant.
    Refreshed {
        /// The grant that was refreshed.
        from_version: i64,
        /// The new one.
        grant: GrantFacts,
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
    /// The connection was declared dead at the beginning of an incident, so its death is not
    /// believed any more.
    TakenBack {
        /// Deaths up to this time were before the incident.
        fallen_after: Timestamp,
        /// When it takes its turn as a canary.
        next_refresh_at: Timestamp,
    },
    /// A call with the grant worked.
    Worked {
        /// The grant that was used.
        grant_version: i64,
        /// The account as the provider describes it now, where the call was about that.
        account: Option<Account>,
        /// When to refresh the grant, where the stored time was for looking after a trouble.
        next_refresh_at: Option<Timestamp>,
    },
    /// The provider described the account and the granted scopes, besides a renewal that worked.
    Described {
        /// The grant that was used.
        grant_version: i64,
        /// The account as it is described now.
        account: Option<Account>,
        /// Granted and missing scopes, where the provider says.
        granted: Option<Granted>,
    },
    /// A call of the app's was refused because scopes are missing, which the provider names.
    ScopesRefused {
        /// The grant that was used.
        grant_version: i64,
        /// Those of them that the app asks for.
        scopes: Vec<String>,
        /// All that the app asks for.
        asked_for: Vec<String>,
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
        /// When the worker will try again, where it will.
        next_refresh_at: Option<Timestamp>,
        /// How far a sign of death is believed, given the other connections.
        confidence: Confidence,
    },
    /// The provider told us, signed, that the person removed the app.
    Deauthorized {
        /// When the provider issued the message.
        issued_at: Option<Timestamp>,
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
    /// Times that a clock that was ahead wrote are repaired.
    TimesRepaired {
        /// The same grant, with the times that it can have.
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
            | Self::Failed { grant_version: version, .. }
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
    /// Fewer connections than an incident strikes: waiting could show nothing.
    TooFew,
    /// An incident may be beginning.
    #[default]
    Unknown,
    /// Others have worked since the first sign.
    OthersHealthy,
    /// One is going on: believe no sign of death.
    Incident,
}

/// What a grant may do.
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
    /// Asking whose grant it is, because somebody wants to know.
    Check,
    /// The same by the worker, to see whether a trouble has passed.
    Probe,
    /// A call that the app made.
    PassThrough,
}
