//! Codes for what stands between the app and the Instagram account, on routes that use a grant.

use http::StatusCode;

use super::row::{Entry, ProblemAction};
use crate::connection::{Action, Reason, status};

/// The row of "never connected", which has no reason.
pub(super) const NOT_CONNECTED: Entry = Entry {
    code: "not_connected",
    status: StatusCode::FAILED_DEPENDENCY,
    action: ProblemAction::Connect,
    title: "Not connected",
    meaning: "No Instagram account is connected.",
    causes: &["The person has never connected one, or a connect attempt is still open."],
    remedy: "Let the person connect.",
};

/// The texts of every reason: none can be left out.
macro_rules! texts {
    ($($reason:ident = $title:literal {
        causes: [$($cause:literal),+ $(,)?],
        remedy: $remedy:literal,
    })+) => {
        fn texts(reason: Reason) -> (&'static str, &'static [&'static str], &'static str) {
            match reason { $(Reason::$reason => ($title, &[$($cause),+], $remedy),)+ }
        }
    };
}

texts! {
    UserDisconnected = "Disconnected" {
        causes: ["The person disconnected the account in the app."],
        remedy: "Connect again, if the person wants to.",
    }
    Denied = "Declined at Instagram" {
        causes: ["The person chose \"not now\" on Instagram's page."],
        remedy: "Explain what the access is for, and let the person connect again.",
    }
    AttemptExpired = "Attempt expired" {
        causes: ["The person left Instagram's page open for more than ten minutes."],
        remedy: "Connect again.",
    }
    AttemptFailed = "Attempt failed" {
        causes: [
            "Instagram refused the authorization code.",
            "The authorization code was used, but Instagram's answer was lost.",
        ],
        remedy: "Connect again.",
    }
    AccountMoved = "Account connected elsewhere" {
        causes: ["While this connection did not work, another user of the app connected the same Instagram account."],
        remedy: "If the account is yours, connect it again. While the other user's connection works, that user must disconnect it \
                 first.",
    }
    AccountNotAdmitted = "Instagram does not admit this account to the app" {
        causes: [
            "The app has no Advanced Access for its permissions, and the person has no role on it.",
            "The app is in development mode, and the person is not an Instagram tester of it, or has not accepted the \
             invitation.",
            "INSTAGRAM_GRAPH_VERSION names a version that Meta has switched off; then Instagram admits no account.",
        ],
        remedy: "For the operator: in the app's dashboard at Meta, under Roles, add the account as an Instagram tester, and let \
                 the person accept the invitation in Instagram's settings; or apply for Advanced Access in App Review. Then \
                 connect again: the failed attempts do not count.",
    }
    ScopesMissing = "Permissions missing" {
        causes: [
            "Instagram refuses a call because a permission is missing that it had granted.",
            "The person unticked a permission on Instagram's page.",
        ],
        remedy: "Connect again and leave the permissions ticked. The granted permissions work meanwhile.",
    }
    RefreshFailing = "Refresh failing" {
        causes: ["Instagram does not renew the access at the moment, for a reason that may pass."],
        remedy: "Wait: Holdfast keeps trying, and the access has not expired yet.",
    }
    RateLimited = "Rate limited by Instagram" {
        causes: ["The app or the account has used up what Instagram allows per hour."],
        remedy: "Wait for Retry-After.",
    }
    ProviderUnavailable = "Instagram not available" {
        causes: ["Instagram answers with an error page, not in time, or not at all."],
        remedy: "Wait for Retry-After; the connection itself is not affected. With the action look_first, Instagram may have carried \
                 the call out, so look there before sending it again: a container that was published has the status_code \
                 PUBLISHED (GET …/graph/{container id}?fields=status_code).",
    }
    ProviderIncident = "Instagram incident" {
        causes: ["Instagram refuses many connections in the same way within minutes; no person caused that."],
        remedy: "Wait: nobody needs to reconnect; the connections recover by themselves.",
    }
    AppMisconfigured = "App misconfigured at Instagram" {
        causes: ["The app id, secret, redirect address or a permission does not match the app's settings at Meta."],
        remedy: "For the operator: run `holdfast doctor`, then look at the app's dashboard at Meta.",
    }
    Checkpoint = "Security check at Instagram" {
        causes: ["Instagram wants to verify the person's identity."],
        remedy: "Open Instagram, follow its instructions, then check again.",
    }
    Unconfirmed = "Account not confirmed" {
        causes: ["The person has not confirmed the e-mail address or phone number at Instagram."],
        remedy: "Open Instagram, follow its instructions, then check again.",
    }
    Restricted = "Account restricted" {
        causes: ["Instagram has restricted or deactivated the account."],
        remedy: "Open Instagram and do what it asks for, then check again.",
    }
    ConsentBlocked = "Instagram's terms not accepted" {
        causes: ["The person has not accepted Instagram's current terms."],
        remedy: "Open Instagram, accept them, then check again.",
    }
    Expired = "Access expired" {
        causes: ["The access was not renewed within its sixty days, or Instagram said earlier that it has expired."],
        remedy: "Connect again.",
    }
    Revoked = "Access removed" {
        causes: ["The person removed the app at Instagram, under \"Apps and websites\"."],
        remedy: "Connect again, if the person wants to.",
    }
    PasswordChanged = "Password changed" {
        causes: ["The person changed the password, or Instagram ended all sessions for safety."],
        remedy: "Connect again.",
    }
    Deauthorized = "App removed at Instagram" {
        causes: ["Instagram told us that the person removed the app."],
        remedy: "Connect again, if the person wants to.",
    }
    TokenInvalid = "Access not accepted" {
        causes: ["Instagram no longer accepts the access, and does not say why."],
        remedy: "Connect again.",
    }
    AccountIneligible = "Not a professional account" {
        causes: ["The account was switched from professional to personal."],
        remedy: "Switch it back to a professional account in Instagram's settings, then connect again.",
    }
    KeyLost = "Stored access cannot be opened" {
        causes: [
            "The operator gave up the encryption key as lost, with `holdfast keys retire --lost`.",
            "A restored backup holds the access without the data key that sealed it.",
        ],
        remedy: "Connect again.",
    }
    GrantUnreadable = "Stored access is damaged" {
        causes: [
            "Something other than Holdfast changed the row: a damaged disk, a faulty restore, an edit by hand.",
            "The row of the user's data key is missing or damaged.",
        ],
        remedy: "Connect again; or restore the row that the log names: the connection then resumes by itself.",
    }
    NotConfigured = "Instagram not set up" {
        causes: ["INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET are not set."],
        remedy: "The operator must set them.",
    }
}

/// The row of a reason. The status is 424 for each of them: it is never the caller's credential.
pub(super) fn entry(reason: Reason) -> Entry {
    let (title, causes, remedy) = texts(reason);
    Entry {
        code: reason.as_str(),
        status: StatusCode::FAILED_DEPENDENCY,
        action: action(reason),
        title,
        meaning: status::sentence(reason).unwrap_or("Instagram is not connected."),
        causes,
        remedy,
    }
}

/// As the status says it, in the words of an error.
fn action(reason: Reason) -> ProblemAction {
    match Action::of(reason.state(), Some(reason)) {
        Action::Connect => ProblemAction::Connect,
        Action::Reconnect => ProblemAction::Reconnect,
        Action::None | Action::Wait => ProblemAction::Retry,
        Action::FixAtInstagram => ProblemAction::FixAtInstagram,
        Action::ContactSupport => ProblemAction::ContactSupport,
    }
}
