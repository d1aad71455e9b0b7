//! What can go wrong at Instagram, on demand.

use serde::{Serialize, Serializer};

use crate::names::names;

names! {
    /// Something that the stand-in is asked to do.
    #[derive(Serialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Endpoint {
        /// `/oauth/authorize`
        Authorize = "authorize",
        /// `POST /oauth/access_token`
        Token = "token",
        /// `GET /access_token`
        Exchange = "exchange",
        /// `GET /refresh_access_token`
        Refresh = "refresh",
        /// `GET /{version}/me`
        Me = "me",
        /// Everything else below `/{version}/`
        Graph = "graph",
    }
}

/// How a fault takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Acts at once on every token issued so far, for good; later tokens are unharmed. It is not
    /// armed, so it cannot be counted or cleared.
    Kills,
    /// While armed, the request is answered so, and not acted upon.
    Answers,
    /// While armed, the request is acted upon, and then its answer spoilt.
    Spoils,
}

macro_rules! faults {
    ($($variant:ident, $name:literal, $effect:ident, $endpoints:expr, $title:literal, $about:literal;)+) => {
        /// A fault that the stand-in can be made to have.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault { $(#[doc = $title] $variant,)+ }

        impl Fault {
            /// Every fault.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// A heading for people.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What happens, for people.
            pub fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)+ }
            }

            /// How it takes effect.
            pub fn effect(self) -> Effect {
                match self { $(Self::$variant => Effect::$effect,)+ }
            }

            /// Where it can occur.
            pub fn endpoints(self) -> &'static [Endpoint] {
                match self { $(Self::$variant => $endpoints,)+ }
            }
        }
    };
}

const AUTHORIZE: &[Endpoint] = &[Endpoint::Authorize];
const TOKEN: &[Endpoint] = &[Endpoint::Token];
const WITH_SECRET: &[Endpoint] = &[Endpoint::Token, Endpoint::Exchange];
const HANDS_OUT: &[Endpoint] = &[Endpoint::Token, Endpoint::Exchange, Endpoint::Refresh];
const LONG_LIVED: &[Endpoint] = &[Endpoint::Exchange, Endpoint::Refresh];
const WITH_TOKEN: &[Endpoint] = &[Endpoint::Exchange, Endpoint::Refresh, Endpoint::Me, Endpoint::Graph];
const SERVED: &[Endpoint] = &[Endpoint::Refresh, Endpoint::Me, Endpoint::Graph];
const SERVER: &[Endpoint] =
    &[Endpoint::Token, Endpoint::Exchange, Endpoint::Refresh, Endpoint::Me, Endpoint::Graph];

faults! {
    Expired, "expired", Kills, WITH_TOKEN,
        "Token expired", "The token's time is over (190, as recorded: without a sub-code).";
    Revoked, "revoked", Kills, WITH_TOKEN,
        "App removed", "The person removed the app in Instagram's settings (190/458).";
    RevokedWithoutSubcode, "revoked_without_subcode", Kills, WITH_TOKEN,
        "App removed, said in words only", "The same, but only the text says why (190).";
    PasswordChanged, "password_changed", Kills, WITH_TOKEN,
        "Password changed", "The person changed the password, which ends every session (190/460).";
    PasswordChangedWithoutSubcode, "password_changed_without_subcode", Kills, WITH_TOKEN,
        "Password changed, said in words only", "The same, but only the text says why (190).";
    LoggedOut, "logged_out", Kills, WITH_TOKEN,
        "Session ended", "Instagram no longer accepts the token (190/467).";
    DeadWithoutReason, "dead_without_reason", Kills, WITH_TOKEN,
        "Token dead, no reason given", "Instagram calls the token malformed from now on (190).";

    Checkpoint, "checkpoint", Answers, WITH_TOKEN,
        "Security checkpoint", "The person must pass a check in Instagram's app first (190/459).";
    Unconfirmed, "unconfirmed", Answers, WITH_TOKEN,
        "Account unconfirmed", "The person must confirm the account first (190/464).";
    Restricted, "restricted", Answers, WITH_TOKEN,
        "Account restricted", "Instagram restricts the account (25/2207050).";
    ConsentBlocked, "consent_blocked", Answers, WITH_TOKEN,
        "Terms not accepted", "The person must accept Instagram's own terms first (483).";
    Ineligible, "ineligible", Answers, &[Endpoint::Exchange, Endpoint::Refresh, Endpoint::Me],
        "No longer professional", "The account was switched to a personal one. The wording is reported, the code (10) a guess.";
    Permission, "permission", Answers, &[Endpoint::Refresh, Endpoint::Me, Endpoint::Graph],
        "Permission missing", "The app may not do this (10).";
    FalseAlarm, "false_alarm", Answers, WITH_TOKEN,
        "Token called malformed by mistake", "190 without a reason although the token is fine, as in an incident at Instagram.";

    AppRateLimit, "app_rate_limit", Answers, SERVER,
        "Rate limit of the app", "The whole app has made too many calls (403, code 4), with X-App-Usage at 100.";
    AccountRateLimit, "account_rate_limit", Answers, WITH_TOKEN,
        "Rate limit of the account", "Too many calls for this account (80002), served again in 19 minutes.";

    ServerErrorHtml, "server_error_html", Answers, SERVER,
        "Server error, HTML", "502 and a page of HTML.";
    ServerErrorJson, "server_error_json", Answers, SERVER,
        "Server error, JSON", "500, code 2, is_transient.";
    UnknownError, "unknown_error", Answers, SERVER,
        "Unknown error", "400, code 1: “an unknown error has occurred”.";
    Hang, "hang", Answers, SERVER,
        "Hangs", "The request is taken and never answered.";
    HtmlOk, "html_ok", Answers, SERVER,
        "HTML with status 200", "A page where JSON is due.";
    HtmlForbidden, "html_forbidden", Answers, SERVER,
        "HTML with status 403", "A page of a firewall.";
    EmptyBody, "empty_body", Answers, SERVER,
        "Nothing with status 200", "An empty body.";
    BareUnauthorized, "bare_unauthorized", Answers, SERVER,
        "401 without a reason", "401 and an empty body, which says nothing about the token.";

    LostReply, "lost_reply", Spoils, SERVER,
        "Reply lost", "Instagram acts, then the connection breaks without an answer.";
    TruncatedJson, "truncated_json", Spoils, SERVER,
        "Reply truncated", "Instagram acts, but half of the JSON is missing.";
    SlowBody, "slow_body", Spoils, SERVER,
        "Reply dribbles", "Instagram acts, then sends a byte a second.";
    HugeBody, "huge_body", Spoils, SERVER,
        "Reply huge", "Instagram acts, then sends 64 MiB of blanks before the JSON.";
    EmptyToken, "empty_token", Spoils, HANDS_OUT,
        "Empty token", "A success whose token is an empty string.";
    MissingExpiresIn, "missing_expires_in", Spoils, LONG_LIVED,
        "No lifetime", "A success without expires_in.";

    AppDeactivated, "app_deactivated", Answers, SERVER,
        "App deactivated", "HTTP 200, and in it code 200: “API access deactivated”.";
    WrongClientSecret, "wrong_client_secret", Answers, WITH_SECRET,
        "App secret wrong", "“Error validating client secret.”";
    InvalidPlatformApp, "invalid_platform_app", Answers, TOKEN,
        "App id wrong", "“Invalid platform app”: the Meta app's id instead of the Instagram app's.";
    DeveloperRole, "developer_role", Answers, TOKEN,
        "App not live", "“Insufficient developer role”: in development mode only testers may connect.";
    RedirectMismatch, "redirect_mismatch", Answers, TOKEN,
        "Redirect address differs", "“Please make sure your redirect_uri is identical …”";
    CodeRejected, "code_rejected", Answers, TOKEN,
        "Code rejected", "“Matching code was not found or was already used”.";
    UnsupportedRequest, "unsupported_request", Answers, LONG_LIVED,
        "Unsupported request", "“Unsupported request - method type: get” (100): a wrong host, product or permission.";

    NotAdmitted, "not_admitted", Answers, SERVED,
        "Account not admitted", "Consent and exchange succeed; every call after them is an “Unsupported request” (100), as where the account has no role on an app without Advanced Access.";
    NoAdvancedAccess, "no_advanced_access", Answers, SERVED,
        "No Advanced Access", "The same, in words: “App does not have Advanced Access …” (200).";

    ConsentDenied, "consent_denied", Answers, AUTHORIZE,
        "Consent denied", "Whatever the person decides arrives as a denial.";
    DeniedWithoutState, "denied_without_state", Answers, AUTHORIZE,
        "Consent denied, state missing", "The same, but the redirect lacks the state, as in the documentation's sample.";
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Fault {
    /// The fault of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|each| each.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        let names: HashSet<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
        assert_eq!(names.len(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert_eq!(Fault::parse(fault.as_str()), Some(*fault));
            assert!(!fault.endpoints().is_empty() && !fault.title().is_empty() && !fault.about().is_empty());
        }
        for endpoint in Endpoint::ALL {
            assert_eq!(Endpoint::parse(endpoint.as_str()), Some(*endpoint));
        }
    }
}
