//! What Instagram's errors mean for a connection: one mapping, for every kind of call.
//!
//! The HTTP status is no guide: a dead token arrives as 400, a rate limit as 400 or 403, an
//! app-level block as 200. The tests run in this order: faults of our app (by text), the token
//! (190, 102), errors of one call, limits, permissions. Anything else is [`Meaning::Content`] for a
//! pass-through call, and [`Meaning::Unavailable`] otherwise; neither ends a connection.
//!
//! Faults of our app are matched at the beginning of the text, after Meta's own prefixes, because a
//! message may quote what the caller sent. Sources: Graph API "Handle Errors" and "Rate limits",
//! Instagram "Error Codes", recorded answers.

use super::wire::{ErrorBody, ErrorForm};
use crate::provider::{AppFault, DeathCause, LimitScope, Meaning, UserAction};

/// The kind of call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Code for short-lived token.
    Redeem,
    /// Short-lived for long-lived token.
    Extend,
    /// Refresh of a long-lived token.
    Refresh,
    /// `/me`.
    Identify,
    /// A pass-through call, with the app's path and parameters.
    Use,
}

#[cfg(test)]
impl Context {
    /// Every kind of call.
    pub const ALL: [Self; 5] = [Self::Redeem, Self::Extend, Self::Refresh, Self::Identify, Self::Use];
}

/// The meaning of an error body that came with HTTP `status`.
pub fn of_error(context: Context, status: u16, error: &ErrorBody) -> Meaning {
    let text = Text::of(&error.message);
    if let Some(fault) = app_fault(context, &text) {
        return fault;
    }
    match error.form {
        ErrorForm::Graph => graph(context, status, error, &text),
        ErrorForm::CodeExchange => code_exchange(context, status, &text),
    }
}

/// The scopes that a refusal for want of permission names: those that the person may not have
/// granted. None where the app is what lacks access to them.
pub fn scopes_named(message: &str) -> Vec<String> {
    if Text::of(message).begins(NOT_ADMITTED) {
        return Vec::new();
    }
    let words = message.split(|each: char| !each.is_ascii_alphanumeric() && each != '_');
    let mut named: Vec<String> = Vec::new();
    for word in words.map(str::to_ascii_lowercase).filter(|word| word.starts_with(SCOPE_PREFIX)) {
        if named.len() < MOST_SCOPES && !named.contains(&word) {
            named.push(word);
        }
    }
    named
}

/// How the scopes of this product begin.
const SCOPE_PREFIX: &str = "instagram_business_";
/// Most scopes read from one message; five exist.
const MOST_SCOPES: usize = 8;

/// The meaning of an answer whose body is not understood.
pub fn of_status(status: u16) -> Meaning {
    match status {
        // A proxy in front of the API limits the app, not the account.
        429 => Meaning::RateLimited(LimitScope::App),
        // A bare 401 included: without a well-formed body nobody is told to reconnect.
        _ => Meaning::Unavailable,
    }
}

/// A message in lower case, without Meta's prefixes.
struct Text(String);

impl Text {
    fn of(message: &str) -> Self {
        let lower = message.to_lowercase();
        let mut rest = lower.trim();
        if let Some((number, after)) = rest.strip_prefix("(#").and_then(|rest| rest.split_once(')'))
            && number.chars().all(|each| each.is_ascii_digit())
        {
            rest = after.trim_start();
        }
        Self(rest.strip_prefix("error validating access token:").unwrap_or(rest).trim_start().to_owned())
    }

    fn begins(&self, starts: &[&str]) -> bool {
        starts.iter().any(|start| self.0.starts_with(start))
    }

    fn contains(&self, part: &str) -> bool {
        self.0.contains(part)
    }
}

/// Faults of our app that Instagram words the same under different codes.
fn app_fault(context: Context, text: &Text) -> Option<Meaning> {
    const TEXTS: [(&[&str], AppFault); 7] = [
        (
            &[
                "error validating client secret",
                "error validating application. application has been deleted",
                "error validating application. invalid application id",
                "invalid platform app",
                "invalid client_id",
                "invalid client id",
                "invalid_client",
                "invalid app id",
            ],
            AppFault::Credentials,
        ),
        (
            &[
                "error validating verification code. please make sure your redirect_uri is identical",
                "redirect uri does not match registered redirect uri",
                "redirect_uri isn't an absolute uri",
                "invalid redirect_uri",
            ],
            AppFault::RedirectUri,
        ),
        (&["invalid scope"], AppFault::Scope),
        (NOT_ADMITTED, AppFault::NotAdmitted),
        (
            // Under code 200 with HTTP 200, and once under 190 for every token of an app at once.
            &[
                "api access deactivated",
                "api access blocked",
                "graph api access deactivated",
                "app not active",
            ],
            AppFault::Deactivated,
        ),
        // "Require App Secret" and the list of servers, both in the app's settings.
        (
            &["api calls from the server require an appsecret_proof", "invalid appsecret_proof"],
            AppFault::Request,
        ),
        (&["unauthorized source ip address", "invalid signed-request"], AppFault::Request),
    ];
    let (_, fault) = TEXTS.into_iter().find(|(starts, _)| text.begins(starts))?;
    Some(match context {
        // About one permission's access level, or one recipient's role: other calls still work.
        Context::Use if fault == AppFault::NotAdmitted => Meaning::Permission,
        Context::Redeem | Context::Extend | Context::Refresh | Context::Identify | Context::Use => {
            Meaning::App(fault)
        }
    })
}

/// The app may not serve this account: it lacks Advanced Access, and the account has no role on it.
const NOT_ADMITTED: &[&str] = &[
    "insufficient developer role",
    "you are not a sandbox user of this client",
    "app does not have advanced access",
    "application does not have the capability",
    "app not set up",
    "app not setup",
    "the app is in development mode",
];

/// An error in the form of the code exchange. Besides faults of our app and limits, every text
/// below 5xx means a rejected code: the wording has changed before, and may be in any language.
fn code_exchange(context: Context, status: u16, text: &Text) -> Meaning {
    match context {
        _ if status == 429 || text.contains("too many requests") || text.contains("number of requests") => {
            Meaning::RateLimited(LimitScope::App)
        }
        Context::Redeem if status < 500 => Meaning::CodeRejected,
        Context::Redeem | Context::Extend | Context::Refresh | Context::Identify | Context::Use => {
            Meaning::Unavailable
        }
    }
}

fn graph(context: Context, status: u16, error: &ErrorBody, text: &Text) -> Meaning {
    let Some(code) = error.code else { return Meaning::Unavailable };
    match code {
        190 | 102 => match (context, session(error.subcode, text)) {
            // There is no token yet, so the code was refused.
            (Context::Redeem, Meaning::Dead(_) | Meaning::DeadUnexplained) => Meaning::CodeRejected,
            // Marked as transient: ask again, whatever else it says.
            (_, _) if error.is_transient => Meaning::DeadUnexplained,
            (_, meaning) => meaning,
        },
        452 => match context {
            // Meta answers this to a token that is long-lived already, or no token at all.
            Context::Extend => Meaning::Dead(DeathCause::Invalid),
            Context::Redeem => Meaning::CodeRejected,
            // "This *could* be because …": no reason, so ask once more.
            Context::Refresh | Context::Identify | Context::Use => Meaning::DeadUnexplained,
        },
        // Sub-codes of 190 that a table of Meta's lists as codes; never recorded as such, so ask
        // once more.
        450 | 457 | 458 | 460 | 463 | 467 => match context {
            Context::Redeem => Meaning::CodeRejected,
            Context::Extend | Context::Refresh | Context::Identify | Context::Use => Meaning::DeadUnexplained,
        },
        459 | 490 => Meaning::UserAction(UserAction::Checkpoint),
        464 => Meaning::UserAction(UserAction::Unconfirmed),
        483 => Meaning::UserAction(UserAction::ConsentBlocked),
        25 => Meaning::UserAction(UserAction::Restricted),

        _ if is_of_one_call(context, code, error.subcode, text) => Meaning::Content,

        // "We restrict certain activity to protect our community" is about the account, not the
        // app's budget.
        4 if error.subcode == Some(2_207_051) => Meaning::RateLimited(LimitScope::Account),
        4 | 341 => Meaning::RateLimited(LimitScope::App),
        17 | 32 | 613 | 368 | 80_000..=80_014 => Meaning::RateLimited(LimitScope::Account),

        10 | 100 | 200..=299 if is_ineligible(context, text) => Meaning::Dead(DeathCause::AccountIneligible),
        3 | 10 | 200..=299 if error.is_transient => Meaning::Unavailable,
        3 | 10 | 200..=299 => match context {
            Context::Use => Meaning::Permission,
            // Every grant may make these calls, so a refusal is about the app.
            Context::Redeem | Context::Extend | Context::Refresh | Context::Identify => {
                Meaning::App(AppFault::NotAdmitted)
            }
        },

        1 | 2 | -1 | -2 => Meaning::Unavailable,
        101 if text.contains("system error") => Meaning::Unavailable,
        101 => Meaning::App(AppFault::Credentials),
        191 => Meaning::App(AppFault::RedirectUri),
        100 => parameter(context, error, text),
        5 | 104 | 2635 => Meaning::App(AppFault::Request),
        12 | 110 | 803 | 2500 if !error.is_transient => Meaning::App(AppFault::Request),

        _ if context == Context::Use && status < 500 => Meaning::Content,
        _ => Meaning::Unavailable,
    }
}

/// Whether the error of a pass-through call is about that call alone: its content, quota or target.
/// Such an error says nothing about the connection.
fn is_of_one_call(context: Context, code: i64, subcode: Option<i64>, text: &Text) -> bool {
    // Publishing: "Error Codes" of the Instagram Platform. A restricted account (2207050) comes
    // under code 25.
    const PUBLISHING: std::ops::RangeInclusive<i64> = 2_207_000..=2_207_999;
    // Messaging: outside the window, or no such recipient.
    const MESSAGING: std::ops::RangeInclusive<i64> = 2_534_000..=2_534_999;
    if context != Context::Use {
        return false;
    }
    match code {
        9 | 12 | 24 | 100 | 110 | 352 | 368 | 551 | 803 | 2500 | 9_000..=9_099 | 36_000..=36_099 => true,
        // Each is the limit of another product; 80002 alone limits all of an account's calls.
        80_000..=80_014 => code != 80_002,
        _ => {
            subcode.is_some_and(|subcode| PUBLISHING.contains(&subcode) || MESSAGING.contains(&subcode))
                || text.begins(&["please reduce the amount of data", "this message is sent outside"])
        }
    }
}

/// Codes 190 and 102: by sub-code, which is often missing, else by text, else unexplained.
fn session(subcode: Option<i64>, text: &Text) -> Meaning {
    match subcode {
        Some(458) => Meaning::Dead(DeathCause::Revoked),
        Some(459 | 490) => Meaning::UserAction(UserAction::Checkpoint),
        Some(460) => Meaning::Dead(DeathCause::PasswordChanged),
        Some(463) => Meaning::Dead(DeathCause::Expired),
        Some(464) => Meaning::UserAction(UserAction::Unconfirmed),
        // "Expired, revoked or logged out", and "no role on the page": the text may know better.
        Some(467 | 492) => session_text(text).unwrap_or(Meaning::Dead(DeathCause::Invalid)),
        Some(_) | None => session_text(text).unwrap_or(Meaning::DeadUnexplained),
    }
}

/// "Session key is malformed" and "could not be decrypted" are left out on purpose: a checkpoint
/// may also cause the first, and a wrong host or a fault of ours the second.
fn session_text(text: &Text) -> Option<Meaning> {
    const TEXTS: [(&str, Meaning); 12] = [
        ("session has expired on", Meaning::Dead(DeathCause::Expired)),
        ("session has expired at", Meaning::Dead(DeathCause::Expired)),
        ("user changed their password", Meaning::Dead(DeathCause::PasswordChanged)),
        ("user changed the password", Meaning::Dead(DeathCause::PasswordChanged)),
        ("has not authorized application", Meaning::Dead(DeathCause::Revoked)),
        ("follow the instructions given", Meaning::UserAction(UserAction::Checkpoint)),
        ("user has been checkpointed", Meaning::UserAction(UserAction::Checkpoint)),
        ("logged-in checkpoint", Meaning::UserAction(UserAction::Checkpoint)),
        ("user logged out", Meaning::Dead(DeathCause::Invalid)),
        ("user is not a confirmed user", Meaning::UserAction(UserAction::Unconfirmed)),
        ("user is in consent app blocking", Meaning::UserAction(UserAction::ConsentBlocked)),
        (INELIGIBLE, Meaning::Dead(DeathCause::AccountIneligible)),
    ];
    TEXTS.into_iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| meaning)
}

const INELIGIBLE: &str = "user is not an instagram business";

/// In a pass-through call, "the user" may be somebody else, whom the call is about.
fn is_ineligible(context: Context, text: &Text) -> bool {
    context != Context::Use && text.contains(INELIGIBLE)
}

/// Code 100 to a call of ours. Its "Unsupported request - method type: get" is not about the
/// method: it means a wrong host, field or product, or an account that the app may not serve.
fn parameter(context: Context, error: &ErrorBody, text: &Text) -> Meaning {
    match context {
        _ if error.is_transient => Meaning::Unavailable,
        // A code's sub-codes are: expired, redirect differs, used. Only the second is our fault.
        Context::Redeem if error.subcode == Some(36_008) => Meaning::App(AppFault::RedirectUri),
        Context::Redeem if text.begins(&["unsupported "]) => Meaning::App(AppFault::Unsupported),
        Context::Redeem => Meaning::CodeRejected,
        Context::Extend | Context::Refresh | Context::Identify => Meaning::App(AppFault::Unsupported),
        Context::Use => Meaning::Content,
    }
}
