//! `connections`: what an operator may see and do. Nothing here can print a grant: rows of
//! connections do not hold one.

use jiff::{Span, SpanRelativeTo, Timestamp};
use serde_json::{Value, json};

use super::args::{ConnectionsCommand, UserArgs, WhoseArgs};
use super::connections_act as act;
use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::{Printer, Tone};
use super::whose::{connection_of, named};
use crate::connection::attempt::AttemptOutcome;
use crate::connection::status::InstagramStatus;
use crate::connection::{Reason, State, state_in_words, status};
use crate::connections::listing::{self, Filter, UserStatus, is_account_id};
use crate::display_text::{self, HANDLE};
use crate::provider::ProviderId;
use crate::store::{HistoryEntry, StatusFacts};

/// Rows read between two looks at the database.
const PAGE: usize = 200;
/// Changes that `show` prints.
const HISTORY: usize = 20;

/// Runs one of the commands.
pub async fn run(context: &Context, command: ConnectionsCommand, printer: &mut Printer) -> Outcome {
    match command {
        ConnectionsCommand::List { state, reason, account, expires_within, limit, json } => {
            let filter = Filter {
                state: state.map(|name| parse_state(&name)).transpose()?,
                reason: reason.map(|name| parse_reason(&name)).transpose()?,
                account,
                expires_before: expires_within.map(|span| ahead(context, span)).transpose()?,
            };
            list(context, &filter, limit as usize, json, printer).await
        }
        ConnectionsCommand::Show(UserArgs { whose, json }) => show(context, &whose, json, printer).await,
        ConnectionsCommand::Check(UserArgs { whose, json }) => {
            act::check(context, &whose, json, printer).await
        }
        ConnectionsCommand::Refresh(UserArgs { whose, json }) => {
            act::refresh(context, &whose, json, printer).await
        }
        ConnectionsCommand::Forget { whose, yes } => act::forget(context, &whose, yes, printer).await,
    }
}

/// The time that lies so far ahead, with days of 24 hours.
fn ahead(context: &Context, span: Span) -> Result<Timestamp, Failure> {
    let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok();
    length.and_then(|length| context.clock.now().checked_add(length).ok()).ok_or_else(|| {
        Failure::setup("--expires-within cannot be reckoned", "write days and hours, such as 3d or 36h")
    })
}

async fn list(
    context: &Context,
    filter: &Filter,
    limit: usize,
    json: bool,
    printer: &mut Printer,
) -> Outcome {
    let (settings, store) = context.database(printer).await?;
    let asked_for = settings.instagram.as_ref().map(|instagram| instagram.scopes.as_slice());
    let now = context.clock.now();
    let tell = |facts: StatusFacts| status::derive(facts.connection, facts.open_attempt, asked_for, now);
    let (mut cursor, mut left) = (None, limit);
    let mut listed = Vec::new();
    while left > 0 {
        let page = listing::list(&store, filter, cursor, left.min(PAGE), now, tell).await?;
        left -= page.connections.len();
        for each in page.connections {
            if json {
                listed.push(each);
            } else {
                printer.line(one_line(&each.user_id, &each.status));
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let is_nothing = left == limit;
    if cursor.is_some() {
        printer.warning(format!("these are the first {limit}; --limit lists more"));
    }
    if json {
        printer.pretty_json(&json!({"connections": listed, "truncated": cursor.is_some()}));
    } else if is_nothing {
        printer.line("There are no such connections.");
        let mistaken = |account: &str| !account.starts_with('@') && !is_account_id(account);
        if filter.account.as_deref().is_some_and(mistaken) {
            printer.remark("--account takes one of the account's two ids, or @ and its handle.");
        }
    }
    // For one account, "there is none" is the answer no.
    Ok(if is_nothing && filter.account.is_some() { ExitStatus::Failure } else { ExitStatus::Success })
}

fn parse_state(name: &str) -> Result<State, Failure> {
    State::parse(name).ok_or_else(|| no_such("state", name, &State::names()))
}

fn parse_reason(name: &str) -> Result<Reason, Failure> {
    Reason::parse(name).ok_or_else(|| no_such("reason", name, &Reason::names()))
}

fn no_such(what: &str, name: &str, names: &str) -> Failure {
    Failure::setup(format!("`{name}` is not a {what}"), format!("write one of {names}"))
}

fn one_line(user_id: &str, status: &InstagramStatus) -> String {
    let state = state_in_words(status.state, status.reason);
    let username = status.account.as_ref().and_then(|account| account.username.as_deref());
    // An earlier version stored handles as they came.
    let username = username.and_then(|name| display_text::line(name, HANDLE));
    let account = username.map_or(String::new(), |username| format!("  @{username}"));
    let since = status.since.map_or(String::new(), |since| format!("  since {since}"));
    format!("{user_id}  {state}{account}{since}")
}

async fn show(context: &Context, whose: &WhoseArgs, json: bool, printer: &mut Printer) -> Outcome {
    let (settings, store) = context.database(printer).await?;
    let (owner, provider) = (named(&store, whose).await?, ProviderId::INSTAGRAM);
    let connection = connection_of(&store, &owner).await?;
    let facts = store.status_facts(&owner, provider).await?;
    let history = store.history(&owner, provider, None, HISTORY).await?.entries;
    let asked_for = settings.instagram.as_ref().map(|instagram| instagram.scopes.as_slice());
    let now = context.clock.now();
    let status = status::derive(Some(connection.clone()), facts.open_attempt, asked_for, now);
    if json {
        let history: Vec<_> = history.iter().map(entry).collect();
        let mut told = json!(UserStatus { user_id: connection.user_id.clone(), status });
        told["id"] = json!(connection.id);
        told["failures"] = json!(connection.failures);
        printer.pretty_json(&json!({"connection": told, "history": history}));
        return Ok(ExitStatus::Success);
    }
    printer.line(printer.tone(Tone::Bold, &one_line(&connection.user_id, &status)));
    if let Some(sentence) = status.reason.and_then(status::sentence) {
        printer.line(format!("  {sentence}"));
    }
    if let Some(account) = &status.account {
        let professional = account.professional_id.as_deref().unwrap_or("unknown");
        printer.line(format!("  account {} (professional id {professional})", account.id));
    }
    if let Some(grant) = connection.grant {
        printer.line(format!(
            "  grant {} from {}, expires {}",
            grant.version, grant.obtained_at, grant.expires_at
        ));
    }
    if let Some(attempt) = status.attempt {
        printer.line(format!("  connect attempt {} open until {}", attempt.id, attempt.expires_at));
    }
    if let Some(at) = status.next_refresh_at {
        printer.line(format!("  next refresh {at}, failed in a row: {}", connection.failures));
    }
    for entry in &history {
        printer.line(format!("  {}", history_line(entry)));
    }
    Ok(ExitStatus::Success)
}

fn entry(entry: &HistoryEntry) -> Value {
    let (state, reason) = entry.told();
    json!({"at": entry.at, "state": state, "reason": reason, "evidence": entry.evidence, "detail": entry.detail,
           "version": entry.version, "attempt": entry.attempt.map(|note| note.id),
           "attempt_outcome": entry.attempt.and_then(|note| note.outcome).map(AttemptOutcome::to_name)})
}

fn history_line(entry: &HistoryEntry) -> String {
    let (state, reason) = entry.told();
    let state = state_in_words(state, reason);
    let source = entry.evidence.map_or("-", |evidence| evidence.source.as_str());
    let detail = entry.detail.as_ref().map_or(String::new(), |detail| format!(": {detail}"));
    let attempt = entry.attempt.map_or(String::new(), |note| match note.outcome {
        None => "; an attempt began".to_owned(),
        Some(outcome) => format!("; an attempt ended: {}", outcome.to_name()),
    });
    format!("{}  {state} ({source}){detail}{attempt}", entry.at)
}
