//! What Instagram's errors mean for a connection: one mapping, for every kind of call.
//!
//! The HTTP status is no guide: a dead token arrives as 400, a rate limit as 400 or 403, an app-level block as
//! 200. The order of tests is: our app at fault (by text), the token (190, 102), limits, permissions, content;
//! what none of them knows is [`Meaning::Unavailable`], which changes nothing about a connection's life.
//!
//! Texts are matched at their beginning, after Meta's own prefixes, because a message may quote what the caller
//! sent. Sources: Graph API "Handle Errors" and "Rate limits", Instagram "Error Codes", recorded answers.

use super::wire::{ErrorBody, ErrorForm};
use crate::provider::{AppFault, DeathCause, LimitScope, Meaning, UserAction};

/// The kind of call that was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Context {
    /// Code for short-lived token.
    Redeem,
    /// Short-lived for long-lived token.
    Extend,
    /// A new lifetime for a long-lived token.
    Refresh,
    /// `/me`.
    Identify,
    /// A call that the app makes; its path and parameters are the app's.
    Use,
}

impl Context {
    /// Every kind of call.
    pub const ALL: [Self; 5] = [Self::Redeem, Self::Extend, Self::Refresh, Self::Identify, Self::Use];
}

/// The meaning of an error body.
pub fn of_error(context: Context, error: &ErrorBody) -> Meaning {
    let text = Text::of(&error.message);
    if let Some(fault) = app_fault(&text) {
        return Meaning::App(fault);
    }
    match error.form {
        ErrorForm::Graph => graph(context, error, &text),
        ErrorForm::CodeExchange | ErrorForm::Legacy => code_exchange(context, &text),
    }
}

/// The meaning of an answer whose body says nothing that we understand.
pub fn of_status(status: u16) -> Meaning {
    match status {
        // Whatever stands before the API counts us, not the account.
        429 => Meaning::RateLimited(LimitScope::App),
        // A bare 401 included: without a well-formed body nobody is told to reconnect.
        _ => Meaning::Unavailable,
    }
}

/// A message in lower case without the prefixes that Meta puts before it.
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
fn app_fault(text: &Text) -> Option<AppFault> {
    const TEXTS: [(&[&str], AppFault); 5] = [
        (&["error validating client secret", "invalid platform app"], AppFault::Credentials),
        (
            &[
                "error validating verification code. please make sure your redirect_uri is identical",
                "redirect uri does not match registered redirect uri",
                "invalid redirect_uri",
            ],
            AppFault::RedirectUri,
        ),
        (&["invalid scope"], AppFault::Scope),
        (&["insufficient developer role", "you are not a sandbox user of this client"], AppFault::NotLive),
        (
            // Under code 200 with HTTP 200, and once under 190 for every token of an app at once.
            &["api access deactivated", "api access blocked", "graph api access deactivated"],
            AppFault::Deactivated,
        ),
    ];
    TEXTS.into_iter().find(|(starts, _)| text.begins(starts)).map(|(_, fault)| fault)
}

fn code_exchange(context: Context, text: &Text) -> Meaning {
    match context {
        Context::Redeem if text.begins(&["matching code was not found"]) => Meaning::CodeRejected,
        Context::Redeem | Context::Extend | Context::Refresh | Context::Identify | Context::Use => {
            Meaning::Unavailable
        }
    }
}

fn graph(context: Context, error: &ErrorBody, text: &Text) -> Meaning {
    let Some(code) = error.code else { return Meaning::Unavailable };
    match code {
        190 | 102 => match (context, session(error.subcode, text)) {
            // No token is at stake yet: what was refused is the code.
            (Context::Redeem, Meaning::Dead(_) | Meaning::DeadUnexplained) => Meaning::CodeRejected,
            (_, meaning) => meaning,
        },
        452 => match context {
            // Meta answers this to a token that is long-lived already, or no token at all.
            Context::Extend => Meaning::Dead(DeathCause::Invalid),
            Context::Redeem => Meaning::CodeRejected,
            // "This *could* be because …": no reason, so ask once more.
            Context::Refresh | Context::Identify | Context::Use => Meaning::DeadUnexplained,
        },
        459 => Meaning::UserAction(UserAction::Checkpoint),
        483 => Meaning::UserAction(UserAction::ConsentBlocked),
        25 => Meaning::UserAction(UserAction::Restricted),

        // "We restrict certain activity to protect our community" is about the account, not the app's budget.
        4 if error.subcode == Some(2_207_051) => Meaning::RateLimited(LimitScope::Account),
        4 | 341 => Meaning::RateLimited(LimitScope::App),
        17 | 32 | 613 | 368 | 80_000..=80_014 => Meaning::RateLimited(LimitScope::Account),

        10 | 100 | 200..=299 if is_ineligible(context, text) => Meaning::Dead(DeathCause::AccountIneligible),
        10 | 200..=299 => Meaning::Permission,

        1 | 2 | -1 | -2 => Meaning::Unavailable,
        3 | 100 | 104 | 110 | 2500 if error.is_transient => Meaning::Unavailable,
        3 => match context {
            // A capability that the app lacks for one call does not spoil the connection for the others.
            Context::Use => Meaning::Permission,
            Context::Redeem | Context::Extend | Context::Refresh | Context::Identify => {
                Meaning::App(AppFault::Request)
            }
        },
        100 => parameter(context, error.subcode),
        110 | 2500 => match context {
            Context::Use => Meaning::Content,
            Context::Redeem | Context::Extend | Context::Refresh | Context::Identify => {
                Meaning::App(AppFault::Request)
            }
        },
        104 => Meaning::App(AppFault::Request),

        9 | 24 | 352 | 9004 | 9007 | 9009 | 36_000..=36_004 => match context {
            Context::Use => Meaning::Content,
            // None of these can be about a call that carries no content.
            Context::Redeem | Context::Extend | Context::Refresh | Context::Identify => Meaning::Unavailable,
        },
        _ => Meaning::Unavailable,
    }
}

/// Codes 190 and 102: by sub-code, which is often missing, else by text, else a "no" without a reason.
fn session(subcode: Option<i64>, text: &Text) -> Meaning {
    match subcode {
        Some(458) => Meaning::Dead(DeathCause::Revoked),
        Some(459) => Meaning::UserAction(UserAction::Checkpoint),
        Some(460) => Meaning::Dead(DeathCause::PasswordChanged),
        Some(463) => Meaning::Dead(DeathCause::Expired),
        Some(464) => Meaning::UserAction(UserAction::Unconfirmed),
        // "Expired, revoked or logged out", and "no role on the page": the text may know better.
        Some(467 | 492) => session_text(text).unwrap_or(Meaning::Dead(DeathCause::Invalid)),
        Some(_) | None => session_text(text).unwrap_or(Meaning::DeadUnexplained),
    }
}

/// "Session key is malformed" and "could not be decrypted" are left out on purpose: the first is also what a
/// checkpoint looks like, the second also what a wrong host or a fault of ours looks like.
fn session_text(text: &Text) -> Option<Meaning> {
    const TEXTS: [(&str, Meaning); 9] = [
        ("session has expired on", Meaning::Dead(DeathCause::Expired)),
        ("user changed their password", Meaning::Dead(DeathCause::PasswordChanged)),
        ("user changed the password", Meaning::Dead(DeathCause::PasswordChanged)),
        ("has not authorized application", Meaning::Dead(DeathCause::Revoked)),
        ("follow the instructions given", Meaning::UserAction(UserAction::Checkpoint)),
        ("user has been checkpointed", Meaning::UserAction(UserAction::Checkpoint)),
        ("user is not a confirmed user", Meaning::UserAction(UserAction::Unconfirmed)),
        ("user is in consent app blocking", Meaning::UserAction(UserAction::ConsentBlocked)),
        (INELIGIBLE, Meaning::Dead(DeathCause::AccountIneligible)),
    ];
    TEXTS.into_iter().find(|(part, _)| text.contains(part)).map(|(_, meaning)| meaning)
}

const INELIGIBLE: &str = "user is not an instagram business";

/// In a call of the app's, "the user" may be somebody else whom the call is about.
fn is_ineligible(context: Context, text: &Text) -> bool {
    context != Context::Use && text.contains(INELIGIBLE)
}

/// Code 100. "Unsupported request - method type: get" comes under it too and is not about the method: it is the
/// answer to a wrong host, field, permission or product.
fn parameter(context: Context, subcode: Option<i64>) -> Meaning {
    match context {
        Context::Use => Meaning::Content,
        // "… cannot be loaded due to missing permissions": `/me` always exists.
        Context::Identify if subcode == Some(33) => Meaning::Permission,
        Context::Redeem | Context::Extend | Context::Refresh | Context::Identify => {
            Meaning::App(AppFault::Request)
        }
    }
}
