//! What one row of the status table says.

use http::StatusCode;
use serde::Serialize;

use crate::names::names;

names! {
    /// Who is at fault, or whom we are waiting for: the `source` member.
    #[derive(Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[schemars(rename = "ProblemSource")]
    pub enum Source {
        /// The session token.
        Session = "session",
        /// The service key.
        ServiceKey = "service_key",
        /// The request.
        Request = "request",
        /// Instagram.
        Instagram = "instagram",
        /// Clerk's servers.
        Clerk = "clerk",
        /// Our database.
        Database = "database",
        /// This server.
        Server = "server",
    }
}

names! {
    /// What a client may do about it without a person: the `action` member.
    #[derive(Serialize, schemars::JsonSchema)]
    #[serde(rename_all = "snake_case")]
    #[schemars(rename = "ProblemAction")]
    pub enum ProblemAction {
        /// Get a fresh session token (`getToken({ skipCache: true })`) and ask once more.
        RefreshSessionToken = "refresh_session_token",
        /// Sign in: there is no session token, or a fresh one would not be accepted either.
        SignIn = "sign_in",
        /// Wait for `Retry-After`, then ask again.
        Retry = "retry",
        /// See at Instagram whether the call was carried out, before it is sent again.
        LookFirst = "look_first",
        /// Change the request; the same one will be refused again.
        FixRequest = "fix_request",
        /// Connect Instagram.
        Connect = "connect",
        /// Connect the same account again.
        Reconnect = "reconnect",
        /// Do what Instagram asks, in its app.
        FixAtInstagram = "fix_at_instagram",
        /// Tell the operator of this installation.
        ContactSupport = "contact_support",
    }
}

/// One row of the table, and the content of the page `/docs/errors/{code}`.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The stable code.
    pub code: &'static str,
    /// The status it is sent with.
    pub status: StatusCode,
    /// What a client may do.
    pub action: ProblemAction,
    /// A short name that does not vary between occurrences (RFC 9457, 3.1.3).
    pub title: &'static str,
    /// What it means, in a sentence; the `detail` where an occurrence has nothing more to say.
    pub meaning: &'static str,
    /// What causes it.
    pub causes: &'static [&'static str],
    /// What mends it.
    pub remedy: &'static str,
}

/// Declares an enum of codes, each with its row: a code without one does not compile.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $(
        $variant:ident = $code:literal, $status:ident, $action:ident, $title:literal {
            meaning: $meaning:literal,
            causes: [$($cause:literal),+ $(,)?],
            remedy: $remedy:literal,
        }
    )+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = $meaning] $variant,)+ }

        impl $name {
            /// Every variant, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its row.
            pub(super) const fn entry(self) -> super::row::Entry {
                match self {
                    $(Self::$variant => super::row::Entry {
                        code: $code,
                        status: http::StatusCode::$status,
                        action: super::row::ProblemAction::$action,
                        title: $title,
                        meaning: $meaning,
                        causes: &[$($cause),+],
                        remedy: $remedy,
                    },)+
                }
            }
        }
    };
}
pub(super) use codes;
