//! On SQLite, whoever asks reads in their own turn, with a connection and a prepared statement that
//! are kept for this: what is in memory, as most is, is read sooner than anybody else could be told
//! to read it.
//!
//! One reads at a time, so that a disk which does not answer holds up one thread of the runtime and
//! no more. What is asked meanwhile is gathered, and read at once.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{CachedStatement, Connection};
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Answer, MOST_AT_ONCE, Question, Serving};
use crate::provider::ProviderId;
use crate::store::attempts::{self, StatusFacts};
use crate::store::engine::{CurrentRow, Failure, RowOf, Sqlite};
use crate::store::{OpenError, statements};

#[derive(Debug)]
pub(super) struct Reader {
    /// `None` once closed.
    line: Mutex<Option<Line>>,
}

#[derive(Debug)]
struct Line {
    connection: Connection,
    /// The names of the statement's columns, once it was prepared.
    columns: Vec<String>,
}

impl Reader {
    pub(super) fn open(engine: &Sqlite) -> Result<Self, OpenError> {
        let connection = engine.open_reader()?;
        // Never waits for a lock on a thread of the runtime: whoever meets one asks elsewhere.
        let patient = connection.busy_timeout(Duration::ZERO);
        patient.map_err(|error| OpenError::Unreachable(Failure::from(error).into_error().to_string()))?;
        Ok(Self { line: Mutex::new(Some(Line { connection, columns: Vec::new() })) })
    }

    /// Reads, unless somebody else does just now.
    pub(super) fn try_read(&self, user_id: &str, provider: ProviderId) -> Option<Answer> {
        self.line.try_lock().ok()?.as_mut().map(|line| line.read(user_id, provider))
    }

    /// Answers the questions that came while somebody read, until no more can come.
    pub(super) async fn serve(self: Arc<Self>, mut questions: UnboundedReceiver<Question>, serving: Serving) {
        let mut batch = Vec::with_capacity(MOST_AT_ONCE);
        while questions.recv_many(&mut batch, MOST_AT_ONCE).await > 0 {
            if let Some(line) = self.line.lock().await.as_mut() {
                line.answer(&mut batch);
            }
            // A gathering of answers is work enough for one turn.
            tokio::task::yield_now().await;
        }
        // Before anybody is told that it is closed.
        drop(self.line.lock().await.take());
        drop(serving);
    }
}

impl Line {
    fn read(&mut self, user_id: &str, provider: ProviderId) -> Answer {
        let Self { connection, columns } = self;
        let mut statement = prepared(connection, columns).map_err(Failure::into_error)?;
        read(&mut statement, columns, user_id, provider)
    }

    fn answer(&mut self, batch: &mut Vec<Question>) {
        if let Err(failure) = self.answer_in_snapshot(batch) {
            let error = failure.into_error();
            batch.drain(..).for_each(|question| question.answer(Err(error.clone())));
        }
    }

    /// Answers the questions of a batch; those that are left in it at an error, that error
    /// concerns.
    fn answer_in_snapshot(&mut self, batch: &mut Vec<Question>) -> Result<(), Failure> {
        let Self { connection, columns } = self;
        // Taken once instead of for each: a look at the write-ahead log, and its locks.
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
}

fn answer_each(
    connection: &Connection,
    columns: &mut Vec<String>,
    batch: &mut Vec<Question>,
) -> Result<(), Failure> {
    let mut statement = prepared(connection, columns)?;
    while let Some(question) = batch.pop() {
        let answer = read(&mut statement, columns, &question.user_id, question.provider);
        question.answer(answer);
    }
    Ok(())
}

fn prepared<'c>(
    connection: &'c Connection,
    columns: &mut Vec<String>,
) -> Result<CachedStatement<'c>, Failure> {
    let statement = connection.prepare_cached(statements::STATUS.sqlite)?;
    if columns.is_empty() {
        columns.extend(statement.column_names().into_iter().map(str::to_owned));
    }
    Ok(statement)
}

fn read(
    statement: &mut CachedStatement<'_>,
    columns: &[String],
    user_id: &str,
    provider: ProviderId,
) -> Answer {
    let failed = |error| Failure::from(error).into_error();
    statement.raw_bind_parameter(1, user_id).map_err(failed)?;
    statement.raw_bind_parameter(2, provider.as_str()).map_err(failed)?;
    let mut rows = statement.raw_query();
    match rows.next().map_err(failed)? {
        Some(row) => attempts::status_facts(&RowOf::of(CurrentRow { row, columns })),
        None => Ok(StatusFacts::default()),
    }
}
