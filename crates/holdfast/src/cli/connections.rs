//! `connections`: what an operator may see and do. Nothing here can print a grant: rows of connections do not hold one.

use serde_json::{Value, json};

use super::args::{ConnectionsCommand, UserArgs};
use super::connections_act as act;
use super::context::{Context, database};
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::{Printer, Tone};
use crate::caller::OwnerId;
use crate::connection::{Connection, State, status};
use crate::provider::ProviderId;
use crate::settings::Purpose;

/// Rows read between two looks at the database.
const PAGE: usize = 200;
/// Changes that `show` prints.
const HISTORY: usize = 20;

/// Runs one of the commands.
pub async fn run(context: &Context, command: ConnectionsCommand, printer: &mut Printer) -> Outcome {
    match command {
        ConnectionsCommand::List { state, limit, json } => {
            list(context, state.as_deref(), limit as usize, json, printer).await
        }
        ConnectionsCommand::Show(UserArgs { user, json }) => show(context, &user, json, printer).await,
        ConnectionsCommand::Check(UserArgs { user, json }) => act::check(context, &user, json, printer).await,
        ConnectionsCommand::Refresh(UserArgs { user, json }) => {
            act::refresh(context, &user, json, printer).await
        }
        ConnectionsCommand::Forget { user, yes } => act::forget(context, &user, yes, printer).await,
    }
}

async fn list(
    context: &Context,
    state: Option<&str>,
    limit: usize,
    json: bool,
    printer: &mut Printer,
) -> Outcome {
    let wanted = state.map(parse_state).transpose()?;
    let settings = context.settings(Purpose::Tools, printer)?;
    let store = context.store(&settings).await?;
    let (mut after, mut left) = (None, limit);
    let mut listed = Vec::new();
    while left > 0 {
        let page = store.connections_page(after, PAGE).await.map_err(|error| database(&error))?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        let matching = page.iter().filter(|each| wanted.is_none_or(|state| each.standing.state() == state));
        for connection in matching.take(left) {
            left -= 1;
            if json {
                listed.push(summary(connection));
            } else {
                printer.line(one_line(connection));
            }
        }
    }
    if json {
        printer.pretty_json(&json!({"connections": listed}));
    } else if left == limit {
        printer.line("There are no such connections.");
    }
    Ok(ExitStatus::Success)
}

fn parse_state(name: &str) -> Result<State, Failure> {
    State::parse(name).ok_or_else(|| {
        let names: Vec<&str> = State::ALL.iter().map(|state| state.as_str()).collect();
        Failure::setup(format!("`{name}` is not a state"), format!("write one of {}", names.join(", ")))
    })
}

fn one_line(connection: &Connection) -> String {
    let reason =
        connection.standing.reason().map_or(String::new(), |reason| format!(" / {}", reason.as_str()));
    let account = connection.account.as_ref().and_then(|each| each.username.clone()).unwrap_or_default();
    format!(
        "{}  {}{reason}  @{account}  since {}",
        connection.user_id,
        connection.standing.state().as_str(),
        connection.since
    )
}

fn summary(connection: &Connection) -> Value {
    json!({
        "id": connection.id,
        "user_id": connection.user_id,
        "provider": connection.provider.as_str(),
        "state": connection.standing.state(),
        "reason": connection.standing.reason(),
        "account": connection.account,
        "scopes": connection.scopes,
        "missing_scopes": connection.missing_scopes,
        "token_expires_at": connection.grant.map(|grant| grant.expires_at),
        "next_refresh_at": connection.next_refresh_at,
        "since": connection.since,
        "evidence": connection.evidence,
        "failures": connection.failures,
        "version": connection.version,
    })
}

async fn show(context: &Context, user: &str, json: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(Purpose::Tools, printer)?;
    let store = context.store(&settings).await?;
    let (owner, provider) = (OwnerId::named_by_operator(user), ProviderId::INSTAGRAM);
    let now = context.clock.now();
    let facts = store.status_facts(&owner, provider).await.map_err(|error| database(&error))?;
    let Some(connection) = &facts.connection else {
        return Err(Failure::no(format!("{user} has no connection here"), None));
    };
    let history =
        store.history(&owner, provider, None, HISTORY).await.map_err(|error| database(&error))?.entries;
    let asked_for = settings.instagram.as_ref().map(|instagram| instagram.scopes.as_slice());
    let status = status::derive(Some(connection), facts.open_attempt.as_ref(), asked_for, now);
    if json {
        let history: Vec<_> = history
            .iter()
            .map(|entry| {
                json!({"at": entry.at, "state": entry.state, "reason": entry.reason,
                       "evidence": entry.evidence, "detail": entry.detail, "version": entry.version})
            })
            .collect();
        printer
            .pretty_json(&json!({"connection": summary(connection), "status": status, "history": history}));
        return Ok(ExitStatus::Success);
    }
    printer.line(printer.tone(Tone::Bold, &one_line(connection)));
    if let Some(sentence) = status.reason.and_then(status::sentence) {
        printer.line(format!("  {sentence}"));
    }
    if let Some(grant) = connection.grant {
        printer.line(format!(
            "  grant {} from {}, expires {}",
            grant.version, grant.obtained_at, grant.expires_at
        ));
    }
    if let Some(at) = connection.next_refresh_at {
        printer.line(format!("  next refresh {at}, failed in a row: {}", connection.failures));
    }
    for entry in history {
        let reason = entry.reason.map_or(String::new(), |reason| format!(" / {}", reason.as_str()));
        let detail = entry.detail.map_or(String::new(), |detail| format!(": {detail}"));
        let source = entry.evidence.map_or("-", |evidence| evidence.source.as_str());
        printer.line(format!("  {}  {}{reason} ({source}){detail}", entry.at, entry.state.as_str()));
    }
    Ok(ExitStatus::Success)
}
