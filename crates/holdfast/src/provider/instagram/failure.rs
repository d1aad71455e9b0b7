//! Turns an unsuccessful answer into a [`Failure`] that may be logged.

use std::time::Duration;

use jiff::Timestamp;

use super::meaning::{self, Context};
use super::usage;
use super::wire::{ErrorBody, Unusable};
use crate::provider::{AppFault, DeathCause, Failure, LimitScope, Meaning, Usage};
use crate::transport::{Answer, TransportError};

/// Quoted messages are cut at this length.
const MAX_QUOTE_CHARS: usize = 160;

/// A failing server knows less of when it will be well again than a limit does of its end: one 503
/// with a far `Retry-After` must not stop an account for a day.
const LONGEST_OUTAGE_WAIT: Duration = Duration::from_hours(1);

/// What a [`Failure`] needs to know about an answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answered<'a> {
    pub(super) context: Context,
    pub(super) answer: &'a Answer,
    /// When it arrived.
    pub(super) at: Timestamp,
    pub(super) usage: Usage,
}

impl Answered<'_> {
    fn status(&self) -> u16 {
        self.answer.status.as_u16()
    }

    /// For an error body. `secrets` are those of the request, which must not be logged.
    pub(super) fn refused(&self, error: &ErrorBody, secrets: &[&str]) -> Failure {
        let meaning = meaning::of_error(self.context, self.status(), error);
        let code = error.code.map_or_else(String::new, |code| format!(", code {code}"));
        let subcode = error.subcode.map_or_else(String::new, |subcode| format!(", sub-code {subcode}"));
        let quote = quote(&error.message, secrets).map_or_else(String::new, |quote| format!(": “{quote}”"));
        let detail = format!(
            "Instagram answered {} with HTTP {}{code}{subcode}{quote}.",
            asked(self.context),
            self.status()
        );
        let is_refused = meaning == Meaning::Permission;
        let wants_scopes = if is_refused { meaning::scopes_named(&error.message) } else { Vec::new() };
        Failure { wants_scopes, ..self.failure(meaning, error.code, detail) }
    }

    /// For a body of unknown form.
    pub(super) fn unreadable(&self, bytes: usize) -> Failure {
        let detail = format!(
            "Instagram answered {} with HTTP {} and a body of {bytes} bytes that is not understood.",
            asked(self.context),
            self.status()
        );
        self.failure(meaning::of_status(self.status()), None, detail)
    }

    /// For a readable body that lacks what we need, or is about what we cannot use.
    pub(super) fn unusable(&self, why: Unusable) -> Failure {
        let meaning = match why {
            Unusable::Personal => Meaning::Dead(DeathCause::AccountIneligible),
            Unusable::NoToken | Unusable::NoLifetime | Unusable::NoId => meaning::of_status(self.status()),
        };
        let detail =
            format!("Instagram answered {} with HTTP {}, but {why}.", asked(self.context), self.status());
        self.failure(meaning, None, detail)
    }

    fn failure(&self, meaning: Meaning, code: Option<i64>, detail: String) -> Failure {
        let stated = usage::retry_after(self.answer, self.at);
        let retry_after = match meaning {
            Meaning::RateLimited(LimitScope::Account) => self.usage.account_regains_in.max(stated),
            Meaning::RateLimited(LimitScope::App) => stated,
            Meaning::Unavailable => stated.map(|wait| wait.min(LONGEST_OUTAGE_WAIT)),
            Meaning::Dead(_)
            | Meaning::DeadUnexplained
            | Meaning::UserAction(_)
            | Meaning::Permission
            | Meaning::Crowded
            | Meaning::App(_)
            | Meaning::Content
            | Meaning::CodeRejected => None,
        };
        Failure { retry_after, http_status: Some(self.status()), code, ..Failure::new(meaning, detail) }
    }
}

/// For a call without an answer.
pub(super) fn unanswered(context: Context, error: TransportError) -> Failure {
    let meaning = match error {
        TransportError::Unsendable => Meaning::App(AppFault::Request),
        TransportError::Crowded => Meaning::Crowded,
        TransportError::Connect
        | TransportError::Certificate(_)
        | TransportError::Timeout
        | TransportError::Broken
        | TransportError::TooLarge
        | TransportError::NoRoots => Meaning::Unavailable,
    };
    let detail = format!("Instagram did not answer {}: {error}.", asked(context));
    Failure { was_sent: error.reached(), unanswered: Some(error), ..Failure::new(meaning, detail) }
}

fn asked(context: Context) -> &'static str {
    match context {
        Context::Redeem => "the code exchange",
        Context::Extend => "the exchange for a long-lived token",
        Context::Refresh => "the refresh",
        Context::Identify => "the request for the account",
        Context::Use => "the API call",
    }
}

/// The part of Meta's message that may be logged. Messages quote session keys, tokens and what the
/// caller sent, so only words that look like prose pass, and nothing if it repeats a secret of the
/// request.
fn quote(message: &str, secrets: &[&str]) -> Option<String> {
    if secrets.iter().any(|secret| !secret.is_empty() && message.contains(secret)) {
        return None;
    }
    let words: Vec<&str> =
        message.split_whitespace().map(|word| if is_prose(word) { word } else { "…" }).collect();
    let quote: String = words.join(" ").chars().take(MAX_QUOTE_CHARS).collect();
    (!quote.is_empty()).then_some(quote)
}

fn is_prose(word: &str) -> bool {
    let bare = word.trim_matches(|each: char| each.is_ascii_punctuation());
    let letters =
        bare.chars().all(|each| each.is_ascii_alphabetic() || matches!(each, '\'' | '-' | '_' | '/'));
    let digits = bare.chars().all(|each| each.is_ascii_digit() || matches!(each, ':' | '-' | '.'));
    (letters && bare.len() <= 20) || (digits && bare.len() <= 10)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn prose_is_quoted() {
        let message = "Session has expired on Thursday, 06-Oct-22 00:00:00 PDT. The current time is later.";
        let quoted = quote(message, &["secret"]).unwrap();
        assert_eq!(quoted, "Session has expired on Thursday, … 00:00:00 PDT. The current time is later.");
        assert_eq!(
            quote("(#80002) There have been too many calls", &[]).unwrap(),
            "(#80002) There have been too many calls"
        );
    }

    #[test]
    fn session_keys_are_not_quoted() {
        let message = "Session key 18.0,AZDoKcVqN3.3600.1664930399-17841400000000000 is malformed because of invalid user id.";
        let quoted = quote(message, &[]).unwrap();
        assert_eq!(quoted, "Session key … is malformed because of invalid user id.");
    }

    #[test]
    fn a_repeated_secret_silences_the_message() {
        assert_eq!(quote("Cannot parse access token short", &["short"]), None);
        assert_eq!(quote("", &[""]), None);
    }

    proptest! {
        #[test]
        fn no_token_survives(token in "IG[A-Za-z0-9_-]{40,200}", before in "[ -~]{0,20}", after in "[ -~]{0,20}") {
            let quoted = quote(&format!("{before}{token}{after}"), &[]).unwrap_or_default();
            prop_assert!(!quoted.contains(&token[..24]));
        }

        #[test]
        fn quotes_are_bounded(message in "\\PC*") {
            prop_assert!(quote(&message, &[]).unwrap_or_default().chars().count() <= MAX_QUOTE_CHARS);
        }
    }
}
