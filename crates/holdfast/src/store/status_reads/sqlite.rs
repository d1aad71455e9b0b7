//! On SQLite, a thread with a connection and a prepared statement of its own reads what was asked.

use rusqlite::{CachedStatement, Connection};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Answer, MOST_AT_ONCE, Question, Serving};
use crate::store::attempts::{self, StatusFacts};
use crate::store::engine::{CurrentRow, Failure, RowOf, Sqlite};
use crate::store::{OpenError, statements};

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
    let columns: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    while let Some(question) = batch.pop() {
        let answer = read(&mut statement, &columns, &question);
        question.answer(answer);
    }
    Ok(())
}

fn read(statement: &mut CachedStatement<'_>, columns: &[String], question: &Question) -> Answer {
    let failed = |error| Failure::from(error).into_error();
    statement.raw_bind_parameter(1, &question.user_id).map_err(failed)?;
    statement.raw_bind_parameter(2, question.provider.as_str()).map_err(failed)?;
    let mut rows = statement.raw_query();
    match rows.next().map_err(failed)? {
        Some(row) => attempts::status_facts(&RowOf::of(CurrentRow { row, columns })),
        None => Ok(StatusFacts::default()),
    }
}
