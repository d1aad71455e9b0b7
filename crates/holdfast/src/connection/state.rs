//! The states of a connection, and what belongs to each: its reasons, whether the app can use the
//! account, and the action that would help. The contract's table of states is kept here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::names;

names! {
    /// The kind of event that our knowledge rests on.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum EvidenceSource {
        /// The person connected.
        Oauth = "oauth",
        /// A refresh answered.
        Refresh = "refresh",
        /// A call with the grant answered.
        Use = "use",
        /// The provider called us.
        Callback = "callback",
        /// A stored time passed.
        Clock = "clock",
    }
}

names! {
    /// The state of a connection as the contract names it.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum State {
        /// Nothing is linked.
        NotConnected = "not_connected",
        /// Nothing is linked, and a connect attempt is open.
        Connecting = "connecting",
        /// Linked and usable.
        Connected = "connected",
        /// Linked and, as far as we know, usable; something fails that passes by itself or that the
        /// operator must fix.
        Degraded = "degraded",
        /// The person must do something at the provider.
        ActionRequired = "action_required",
        /// The grant is dead; the person must connect again.
        ReconnectRequired = "reconnect_required",
        /// This installation cannot connect accounts.
        Unavailable = "unavailable",
    }
}

names! {
    /// Why a connection is in its state.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Reason {
        /// The person disconnected.
        UserDisconnected = "user_disconnected",
        /// The person declined at the provider.
        Denied = "denied",
        /// The last connect attempt ran out of time.
        AttemptExpired = "attempt_expired",
        /// The last connect attempt failed.
        AttemptFailed = "attempt_failed",
        /// Another user connected the account after it had stopped working here.
        AccountMoved = "account_moved",
        /// The provider serves this app, but not for this account.
        AccountNotAdmitted = "account_not_admitted",
        /// A scope that we ask for was not granted.
        ScopesMissing = "scopes_missing",
        /// Refreshing fails; there is still time.
        RefreshFailing = "refresh_failing",
        /// The provider limits us.
        RateLimited = "rate_limited",
        /// The provider gives no usable answer.
        ProviderUnavailable = "provider_unavailable",
        /// Many connections fail in the same way; nobody is told to reconnect.
        ProviderIncident = "provider_incident",
        /// Our app or its configuration is at fault.
        AppMisconfigured = "app_misconfigured",
        /// The provider wants a security check passed.
        Checkpoint = "checkpoint",
        /// The provider wants the account confirmed.
        Unconfirmed = "unconfirmed",
        /// The provider restricts the account.
        Restricted = "restricted",
        /// The provider wants its terms accepted.
        ConsentBlocked = "consent_blocked",
        /// The grant expired.
        Expired = "expired",
        /// The person removed the app at the provider.
        Revoked = "revoked",
        /// The person changed the password.
        PasswordChanged = "password_changed",
        /// The provider told us that the person removed the app.
        Deauthorized = "deauthorized",
        /// The provider does not accept the grant.
        TokenInvalid = "token_invalid",
        /// The account may not be connected any more.
        AccountIneligible = "account_ineligible",
        /// The encryption key of the grant is gone.
        KeyLost = "key_lost",
        /// The stored grant is damaged; the connection resumes if it opens again.
        GrantUnreadable = "grant_unreadable",
        /// This installation has no app id and secret.
        NotConfigured = "not_configured",
    }
}

names! {
    /// The action that would help.
    #[derive(Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    pub enum Action {
        /// Nothing.
        None = "none",
        /// Connect an account.
        Connect = "connect",
        /// Connect the same account again.
        Reconnect = "reconnect",
        /// Wait.
        Wait = "wait",
        /// Do what the provider asks, in its app.
        FixAtInstagram = "fix_at_instagram",
        /// Ask the operator of this installation.
        ContactSupport = "contact_support",
    }
}

impl EvidenceSource {
    /// Whether a call with the grant was answered.
    pub fn is_an_answer(self) -> bool {
        match self {
            Self::Refresh | Self::Use => true,
            Self::Oauth | Self::Callback | Self::Clock => false,
        }
    }
}

/// `state`, or `state / reason`, for a person.
pub fn state_in_words(state: State, reason: Option<Reason>) -> String {
    let reason = reason.map_or(String::new(), |reason| format!(" / {}", reason.as_str()));
    format!("{}{reason}", state.as_str())
}

impl State {
    /// Whether the grant is alive as far as we know. Only a live grant can expire.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Connected | Self::Degraded | Self::ActionRequired)
    }

    /// Whether the app could use the account now, as far as we know: `connected` in the status.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Connected | Self::Degraded)
    }
}

impl Action {
    /// The one action that would help, by the contract's table.
    pub fn of(state: State, reason: Option<Reason>) -> Self {
        match state {
            State::NotConnected if reason == Some(Reason::AccountNotAdmitted) => Self::ContactSupport,
            State::NotConnected => Self::Connect,
            State::Connected if reason == Some(Reason::ScopesMissing) => Self::Reconnect,
            State::Connecting | State::Connected => Self::None,
            State::Degraded => Self::Wait,
            State::ActionRequired => Self::FixAtInstagram,
            State::ReconnectRequired => Self::Reconnect,
            State::Unavailable => Self::ContactSupport,
        }
    }
}

/// A state with a reason that belongs to it. Only pairs of the contract can be made; see
/// [`Standing::new`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Standing {
    state: State,
    reason: Option<Reason>,
}

impl Standing {
    /// Never connected.
    pub const NOT_CONNECTED: Self = Self { state: State::NotConnected, reason: None };
    /// Connected with all that we ask for.
    pub const CONNECTED: Self = Self { state: State::Connected, reason: None };

    /// The standing of this state and reason; `None` if they do not belong together or are never
    /// stored. `connecting` and `unavailable` are never stored: they follow from an open attempt
    /// and from the configuration.
    pub fn new(state: State, reason: Option<Reason>) -> Option<Self> {
        let fits = match reason {
            None => matches!(state, State::NotConnected | State::Connected),
            Some(reason) => reason.state() == state && reason != Reason::NotConfigured,
        };
        fits.then_some(Self { state, reason })
    }

    /// The state.
    pub fn state(self) -> State {
        self.state
    }

    /// The reason.
    pub fn reason(self) -> Option<Reason> {
        self.reason
    }
}

impl From<Reason> for Standing {
    /// The standing that a reason implies. `not_configured` is never stored, so it becomes "not
    /// connected".
    fn from(reason: Reason) -> Self {
        Self::new(reason.state(), Some(reason)).unwrap_or(Self::NOT_CONNECTED)
    }
}

impl Reason {
    /// The one state that this reason belongs to.
    pub fn state(self) -> State {
        match self {
            Self::UserDisconnected
            | Self::Denied
            | Self::AttemptExpired
            | Self::AttemptFailed
            | Self::AccountMoved
            | Self::AccountNotAdmitted => State::NotConnected,
            Self::ScopesMissing => State::Connected,
            Self::RefreshFailing
            | Self::RateLimited
            | Self::ProviderUnavailable
            | Self::ProviderIncident
            | Self::AppMisconfigured => State::Degraded,
            Self::Checkpoint | Self::Unconfirmed | Self::Restricted | Self::ConsentBlocked => {
                State::ActionRequired
            }
            Self::Expired
            | Self::Revoked
            | Self::PasswordChanged
            | Self::Deauthorized
            | Self::TokenInvalid
            | Self::AccountIneligible
            | Self::KeyLost
            | Self::GrantUnreadable => State::ReconnectRequired,
            Self::NotConfigured => State::Unavailable,
        }
    }
}
