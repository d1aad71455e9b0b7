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

/// The row of a reason. The status is 424 for each of them: it is never the caller's credential.
pub(super) fn entry(reason: Reason) -> Entry {
    let (title, causes, remedy): (_, &'static [&'static str], _) = match reason {
        Reason::UserDisconnected => (
            "Disconnected",
            &["The person disconnected the account in the app."],
            "Connect again, if the person wants to.",
        ),
        Reason::Denied => (
            "Declined at Instagram",
            &["The person chose \"not now\" on Instagram's page."],
            "Explain what the access is for, and let the person connect again.",
        ),
        Reason::AttemptExpired => (
            "Attempt expired",
            &["The person left Instagram's page open for more than ten minutes."],
            "Connect again.",
        ),
        Reason::AttemptFailed => (
            "Attempt failed",
            &[
                "Instagram refused the authorization code.",
                "The authorization code was used, but Instagram's answer was lost.",
            ],
            "Connect again.",
        ),
        Reason::AccountMoved => (
            "Account connected elsewhere",
            &[
                "While this connection did not work, another user of the app connected the same Instagram account.",
            ],
            "If the account is yours, connect it again. While the other user's connection works, that user must disconnect it \
             first.",
        ),
        Reason::AccountNotAdmitted => (
            "Instagram does not admit this account to the app",
            &[
                "The app has no Advanced Access for its permissions, and the person has no role on it.",
                "The app is in development mode, and the person is not an Instagram tester of it, or has not accepted the \
                 invitation.",
                "INSTAGRAM_GRAPH_VERSION names a version that Meta has switched off; then Instagram admits no account.",
            ],
            "For the operator: in the app's dashboard at Meta, under Roles, add the account as an Instagram tester, and let \
             the person accept the invitation in Instagram's settings; or apply for Advanced Access in App Review. Then \
             connect again: the failed attempts do not count.",
        ),
        Reason::ScopesMissing => (
            "Permissions missing",
            &[
                "Instagram refuses a call because a permission is missing that it had granted.",
                "The person unticked a permission on Instagram's page.",
            ],
            "Connect again and leave the permissions ticked. The granted permissions work meanwhile.",
        ),
        Reason::RefreshFailing => (
            "Refresh failing",
            &["Instagram does not renew the access at the moment, for a reason that may pass."],
            "Wait: Holdfast keeps trying, and the access has not expired yet.",
        ),
        Reason::RateLimited => (
            "Rate limited by Instagram",
            &["The app or the account has used up what Instagram allows per hour."],
            "Wait for Retry-After.",
        ),
        Reason::ProviderUnavailable => (
            "Instagram not available",
            &["Instagram answers with an error page, not in time, or not at all."],
            "Wait for Retry-After; the connection itself is not affected. With the action look_first, Instagram may have carried \
             the call out, so look there before sending it again: a container that was published has the status_code \
             PUBLISHED (GET …/graph/{container id}?fields=status_code).",
        ),
        Reason::ProviderIncident => (
            "Instagram incident",
            &["Instagram refuses many connections in the same way within minutes; no person caused that."],
            "Wait: nobody needs to reconnect; the connections recover by themselves.",
        ),
        Reason::AppMisconfigured => (
            "App misconfigured at Instagram",
            &[
                "The app id, secret, redirect address or a permission does not match the app's settings at Meta.",
            ],
            "For the operator: run `holdfast doctor`, then look at the app's dashboard at Meta.",
        ),
        Reason::Checkpoint => (
            "Security check at Instagram",
            &["Instagram wants to verify the person's identity."],
            "Open Instagram, follow its instructions, then check again.",
        ),
        Reason::Unconfirmed => (
            "Account not confirmed",
            &["The person has not confirmed the e-mail address or phone number at Instagram."],
            "Open Instagram, follow its instructions, then check again.",
        ),
        Reason::Restricted => (
            "Account restricted",
            &["Instagram has restricted or deactivated the account."],
            "Open Instagram and do what it asks for, then check again.",
        ),
        Reason::ConsentBlocked => (
            "Instagram's terms not accepted",
            &["The person has not accepted Instagram's current terms."],
            "Open Instagram, accept them, then check again.",
        ),
        Reason::Expired => {
            ("Access expired", &["The access was not renewed within its sixty days."], "Connect again.")
        }
        Reason::Revoked => (
            "Access removed",
            &["The person removed the app at Instagram, under \"Apps and websites\"."],
            "Connect again, if the person wants to.",
        ),
        Reason::PasswordChanged => (
            "Password changed",
            &["The person changed the password, or Instagram ended all sessions for safety."],
            "Connect again.",
        ),
        Reason::Deauthorized => (
            "App removed at Instagram",
            &["Instagram told us that the person removed the app."],
            "Connect again, if the person wants to.",
        ),
        Reason::TokenInvalid => (
            "Access not accepted",
            &["Instagram no longer accepts the access, and does not say why."],
            "Connect again.",
        ),
        Reason::AccountIneligible => (
            "Not a professional account",
            &["The account was switched from professional to personal."],
            "Switch it back to a professional account in Instagram's settings, then connect again.",
        ),
        Reason::KeyLost => (
            "Stored access cannot be opened",
            &[
                "The operator gave up the encryption key as lost, with `holdfast keys retire --lost`.",
                "A restored backup holds the access without the data key that sealed it.",
            ],
            "Connect again.",
        ),
        Reason::GrantUnreadable => (
            "Stored access is damaged",
            &[
                "Something other than Holdfast changed the row: a damaged disk, a faulty restore, an edit by hand.",
                "The row of the user's data key is missing or damaged.",
            ],
            "Connect again; or restore the row that the log names: the connection then resumes by itself.",
        ),
        Reason::NotConfigured => (
            "Instagram not set up",
            &["INSTAGRAM_APP_ID and INSTAGRAM_APP_SECRET are not set."],
            "The operator must set them.",
        ),
    };
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
