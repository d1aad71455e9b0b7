//! On SQLite, one transaction reads a whole batch, with a prepared statement of its own.
//!
//! It reads on the runtime: most rows are in memory, and read faster than a thread could be woken.
//! A disk that hangs blocks only the thread that reads.

use rusqlite::{CachedStatement, Connection};

use super::{Answer, Question, Questions, Serving};
use crate::store::attempts::{self, StatusFacts};
use crate::store::engine::{CurrentRow, Failure, RowOf, Sqlite};
use crate::store::{OpenError, statements};

/// Starts the task that reads.
pub(super) fn serve(engine: &Sqlite, mut questions: Questions, serving: Serving) -> Result<(), OpenError> {
    // If the file is locked, the caller reads elsewhere: the runtime must not wait.
    let connection = engine.open_reader().map_err(|failure| OpenError::Unusable(failure.into_error()))?;
    tokio::spawn(async move {
        let (mut batch, mut columns) = (Vec::new(), Vec::new());
        while questions.gather(&mut batch).await {
            if let Err(failure) = answer(&connection, &mut columns, &mut batch) {
                let error = failure.into_error();
                batch.drain(..).for_each(|question| question.answer(Err(error.clone())));
            }
        }
        // Close the file before `close` returns.
        drop(connection);
        drop(serving);
    });
    Ok(())
}

/// Answers the questions of a batch. On an error, the unanswered ones stay in it.
fn answer(
    connection: &Connection,
    columns: &mut Vec<String>,
    batch: &mut Vec<Question>,
) -> Result<(), Failure> {
    // One transaction, so that the write-ahead log is read and locked once instead of per question.
    let snapshot = batch.len() > 1;
    if snapshot {
        connection.prepare_cached("BEGIN")?.raw_execute()?;
    }
    let read = answer_each(connection, columns, batch);
    if snapshot && !connection.is_autocommit() {
        connection.prepare_cached("COMMIT")?.raw_execute()?;
    }
    read
}

fn answer_each(
    connection: &Connection,
    columns: &mut Vec<String>,
    batch: &mut Vec<Question>,
) -> Result<(), Failure> {
    let mut statement = connection.prepare_cached(statements::STATUS.sqlite)?;
    if columns.is_empty() {
        columns.extend(statement.column_names().into_iter().map(str::to_owned));
    }
    while let Some(question) = batch.pop() {
        let answer = read(&mut statement, columns, &question);
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
