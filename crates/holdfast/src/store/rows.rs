//! Rows to values and back.

use super::engine::{Cells, Row, RowOf, Unreadable, Value, bound, fields, from_row, values};
use super::{HistoryEntry, StoreError};
use crate::caller::OwnerId;
use crate::connection::attempt::{Attempt, AttemptOutcome, AttemptStage, Expect};
use crate::connection::{
    Connection, Evidence, EvidenceSource, GrantFacts, Reason, Standing, State, Suspicion,
};
use crate::provider::{Account, ProviderId};

/// The row's primary key, for error messages.
pub(super) fn name_of(row: &RowOf<impl Cells>, column: &'static str) -> String {
    row.get(column).unwrap_or_default()
}

/// Applies `read` to a row of `table`; an error names its primary key `key`.
pub(super) fn read<C: Cells, T>(
    row: &RowOf<C>,
    table: &'static str,
    key: &'static str,
    read: impl FnOnce(&RowOf<C>) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    read(row).map_err(|error| error.at(table, &name_of(row, key)))
}

/// Applies `read` to a row of `table` that has no key of its own, such as a count.
pub(super) fn read_total<T>(
    row: &Row,
    table: &'static str,
    read: impl FnOnce(&Row) -> Result<T, Unreadable>,
) -> Result<T, StoreError> {
    read(row).map_err(|error| error.at(table, "(all)"))
}

/// Applies `read` to rows like those of [`read_total`].
pub(super) fn read_all<T>(
    found: &[Row],
    table: &'static str,
    read: impl Fn(&Row) -> Result<T, Unreadable>,
) -> Result<Vec<T>, StoreError> {
    found.iter().map(|row| read_total(row, table, &read)).collect()
}

pub(super) fn connection(row: &RowOf<impl Cells>) -> Result<Connection, StoreError> {
    read(row, "connections", "id", read_connection)
}

pub(super) fn attempt(row: &RowOf<impl Cells>) -> Result<Attempt, StoreError> {
    read(row, "attempts", "id", read_attempt)
}

fn read_connection(row: &RowOf<impl Cells>) -> Result<Connection, Unreadable> {
    Ok(from_row!(row => Connection {
        id,
        user_id,
        provider,
        standing: standing(row)?,
        account: account(row)?,
        scopes,
        missing_scopes,
        grant: grant(row)?,
        expiry_is_assumed: row.get::<Option<i64>>("expiry_assumed")?.is_some(),
        next_refresh_at,
        retry_after,
        since,
        linked_at,
        evidence: evidence(row)?,
        suspicion: suspicion(row)?,
        failures,
        version,
    }))
}

fn read_attempt(row: &RowOf<impl Cells>) -> Result<Attempt, Unreadable> {
    Ok(from_row!(row => Attempt {
        id,
        user_id,
        provider,
        state_hash,
        return_to,
        expect,
        created_at,
        revision,
        completion_hash,
        stage,
        outcome,
        expires_at,
        returned_at,
        sealed,
        sealed_completion,
        busy_until,
        paused_until,
        closed_at,
    }))
}

pub(super) const NOT_A_NAME: &str = "not a name that this version knows";

/// Lets names be read and bound.
macro_rules! named {
    ($($type:ty),+ $(,)?) => {
        $crate::store::engine::fields! {
            $($type => text, |name| <$type>::parse(name).ok_or($crate::store::rows::NOT_A_NAME);)+
        }
        $crate::store::engine::bound! {$($type => Text, |name| name.as_str().to_owned();)+}
    };
}

pub(super) use named;

named!(ProviderId, State, Reason, EvidenceSource, AttemptStage, Expect);

bound! {
    OwnerId => Text, |owner| owner.as_str().to_owned();
    AttemptOutcome => Text, AttemptOutcome::to_name;
    Vec<String> => Text, |list| serde_json::json!(list).to_string();
}

fields! {
    AttemptOutcome => text, |name| AttemptOutcome::parse(name).ok_or(NOT_A_NAME);
    Vec<String> => text, |list| serde_json::from_str(list).map_err(|_| "not a JSON list of strings");
}

pub(super) fn standing(row: &RowOf<impl Cells>) -> Result<Standing, Unreadable> {
    let (state, reason) = (row.get("state")?, row.get("reason")?);
    Standing::new(state, reason).ok_or(Unreadable::new("reason", "does not belong to the state"))
}

pub(super) fn evidence(row: &RowOf<impl Cells>) -> Result<Option<Evidence>, Unreadable> {
    match (row.get("evidence_source")?, row.get("evidence_at")?) {
        (None, None) => Ok(None),
        (Some(source), Some(at)) => Ok(Some(Evidence { source, at })),
        (Some(_), None) | (None, Some(_)) => {
            Err(Unreadable::new("evidence_at", "source and time do not belong together"))
        }
    }
}

fn account(row: &RowOf<impl Cells>) -> Result<Option<Account>, Unreadable> {
    let Some(id) = row.get("account_id")? else { return Ok(None) };
    Ok(Some(Account {
        id,
        professional_id: row.get("account_professional_id")?,
        username: row.get("account_username")?,
        name: row.get("account_name")?,
        account_type: row.get("account_type")?,
        profile_picture_url: row.get("account_picture_url")?,
    }))
}

fn grant(row: &RowOf<impl Cells>) -> Result<Option<GrantFacts>, Unreadable> {
    let Some(version) = row.get("grant_version")? else { return Ok(None) };
    Ok(Some(GrantFacts {
        version,
        obtained_at: row.get("grant_obtained_at")?,
        expires_at: row.get("grant_expires_at")?,
    }))
}

fn suspicion(row: &RowOf<impl Cells>) -> Result<Option<Suspicion>, Unreadable> {
    let Some(grant_version) = row.get("suspicion_grant_version")? else { return Ok(None) };
    Ok(Some(Suspicion { grant_version, first_at: row.get("suspicion_first_at")? }))
}

/// What an update sets, in the order of its statement: from `state` to `version`.
pub(super) fn connection_facts(connection: &Connection) -> Vec<Value> {
    let account = connection.account.as_ref();
    let grant = connection.grant;
    values![
        connection.standing.state(),
        connection.standing.reason(),
        account.map(|each| each.id.as_str()),
        account.and_then(|each| each.professional_id.as_deref()),
        account.and_then(|each| each.username.as_deref()),
        account.and_then(|each| each.name.as_deref()),
        account.and_then(|each| each.account_type.as_deref()),
        account.and_then(|each| each.profile_picture_url.as_deref()),
        &connection.scopes,
        &connection.missing_scopes,
        grant.map(|each| each.version),
        grant.map(|each| each.obtained_at),
        grant.map(|each| each.expires_at),
        connection.next_refresh_at,
        connection.retry_after,
        connection.since,
        connection.linked_at,
        connection.evidence.map(|each| each.source),
        connection.evidence.map(|each| each.at),
        connection.suspicion.map(|each| each.grant_version),
        connection.suspicion.map(|each| each.first_at),
        connection.failures,
        connection.version,
    ]
}

/// What an update of an attempt sets, in the order of its statement: `revision` to `closed_at`.
pub(super) fn attempt_facts(attempt: &Attempt) -> Vec<Value> {
    values![
        attempt.revision,
        attempt.completion_hash,
        attempt.stage,
        attempt.outcome,
        attempt.expires_at,
        attempt.returned_at,
        &attempt.sealed,
        &attempt.sealed_completion,
        attempt.busy_until,
        attempt.paused_until,
        attempt.closed_at,
    ]
}

/// The answer of a statement that counts in `table`.
pub(super) fn counted(row: Option<&Row>, table: &'static str) -> Result<u64, StoreError> {
    row.map_or(Ok(0), |row| read_total(row, table, |row| row.get("amount")))
}

/// How often an event was sent.
pub(super) fn tries(row: &Row) -> Result<u32, Unreadable> {
    Ok(row.get::<i64>("tries")?.try_into().unwrap_or(u32::MAX))
}

/// All columns of a history entry, in the order of its statement.
pub(super) fn history_columns(entry: &HistoryEntry) -> Vec<Value> {
    values![
        entry.connection_id,
        entry.version,
        entry.at,
        entry.state,
        entry.reason,
        entry.evidence.map(|each| each.source),
        entry.evidence.map(|each| each.at),
        &entry.detail,
        entry.attempt.map(|note| note.id),
        entry.attempt.and_then(|note| note.outcome),
    ]
}
