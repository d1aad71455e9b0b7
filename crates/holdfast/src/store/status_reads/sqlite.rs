//! On SQLite, a thread with a connection and a prepared statement of its own reads what was asked.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Answer, MOST_AT_ONCE, Question, Serving};
use crate::store::attempts::{self, StatusFacts};
use crate::store::engine::{Failure, Row, Sqlite};
use crate::store::{OpenError, Value, statements};

/// Starts the thread.
pub(super) fn serve(
    engine: &Sqlite,
    questions: UnboundedReceiver<Question>,
    serving: Serving,
) -> Result<(), OpenError> {
    let connection = engine.open_reader()?;
    std::thread::Builder::new()
        .name("holdfast-status".to_owned())
        .spawn(move || {
            answer_all(&connection, questions);
            // Before anybody is told that it is closed.
            drop(connection);
            drop(serving);
        })
        .map(drop)
        .map_err(|error| OpenError::Unreachable(format!("no thread to read in: {}", error.kind())))
}

fn answer_all(connection: &Connection, mut questions: UnboundedReceiver<Question>) {
    let mut batch = Vec::with_capacity(MOST_AT_ONCE);
    while questions.blocking_recv_many(&mut batch, MOST_AT_ONCE) > 0 {
        if let Err(failure) = answer(connection, &mut batch) {
            let error = failure.into_error();
            batch.drain(..).for_each(|question| question.answer(Err(error.clone())));
        }
    }
}

/// Answers the questions of a batch; those that are left in it at an error, that error concerns.
fn answer(connection: &Connection, batch: &mut Vec<Question>) -> Result<(), Failure> {
    // Taken once instead of for each: a look at the write-ahead log, and its locks.
    let snapshot = batch.len() > 1;
    if snapshot {
        connection.prepare_cached("BEGIN")?.raw_execute()?;
    }
    let read = answer_each(connection, batch);
    if snapshot && !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.raw_execute()?;
    }
    read
}

fn answer_each(connection: &Connection, batch: &mut Vec<Question>) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(statements::STATUS.sqlite)?;
    let columns: Arc<[String]> = statement.column_names().into_iter().map(str::to_owned).collect();
    while let Some(question) = batch.pop() {
        let answer = read(&mut statement, &columns, &question);
        question.answer(answer);
    }
    Ok(())
}

fn read(statement: &mut CachedStatement<'_>, columns: &Arc<[String]>, question: &Question) -> Answer {
    match row(statement, columns, question).map_err(|error| Failure::from(error).into_error())? {
        Some(row) => attempts::status_facts(&row),
        None => Ok(StatusFacts::default()),
    }
}

fn row(
    statement: &mut CachedStatement<'_>,
    columns: &Arc<[String]>,
    Question { user_id, provider, .. }: &Question,
) -> Result<Option<Row>, rusqlite::Error> {
    statement.raw_bind_parameter(1, user_id)?;
    statement.raw_bind_parameter(2, provider.as_str())?;
    let mut rows = statement.raw_query();
    let Some(row) = rows.next()? else { return Ok(None) };
    let values = (0..columns.len()).map(|column| Ok(value(row.get_ref(column)?)));
    Ok(Some(Row::plain(columns, values.collect::<Result<_, rusqlite::Error>>()?)))
}

/// What is of a type that no column has is left to whoever reads the row to complain of.
fn value(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Int(None),
        ValueRef::Integer(number) => Value::Int(Some(number)),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => Value::Text(Some(text.to_owned())),
            Err(_) => Value::Bytes(Some(text.to_vec())),
        },
        ValueRef::Blob(bytes) => Value::Bytes(Some(bytes.to_vec())),
        ValueRef::Real(number) => Value::Bytes(Some(number.to_le_bytes().to_vec())),
    }
}
