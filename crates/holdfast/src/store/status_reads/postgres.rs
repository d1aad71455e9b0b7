//! On Postgres, one statement reads a whole batch, on connections that serve nothing else.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex;

use super::{MOST_AT_ONCE, Question, Questions, Serving, Waiting};
use crate::clock::{Clock as _, SharedClock, SystemClock, is_over, within};
use crate::store::attempts;
use crate::store::engine::{Failure, Line, Postgres, Row, retrying};
use crate::store::{StoreError, statements};

/// After this long without a question, a connection returns to its pool, so that no question meets
/// one that a firewall has dropped; with questions also, so that the pool's limit on its age holds.
const KEPT_FOR: Duration = Duration::from_mins(1);

/// Longest wait for a batch, whatever has to be tried again: within a request's 10 s, so that its
/// caller learns that it was the database.
const LONGEST_READ: Duration = Duration::from_millis(9500);

/// Starts a task for each connection.
pub(super) fn serve(engine: &Postgres, clock: &SharedClock, questions: Questions, serving: &Serving) {
    let waiting = Arc::clone(&questions.waiting);
    let questions = Arc::new(Mutex::new(questions));
    for _ in 0..Postgres::STATUS_CONNECTIONS {
        let (engine, clock) = (engine.clone(), clock.clone());
        let (questions, waiting, serving) = (Arc::clone(&questions), Arc::clone(&waiting), serving.clone());
        tokio::spawn(async move {
            answer_all(&engine, &clock, &questions, &waiting).await;
            drop(serving);
        });
    }
}

async fn answer_all(engine: &Postgres, clock: &SharedClock, questions: &Mutex<Questions>, waiting: &Waiting) {
    // Kept between statements: returning the connection costs a round trip and a task.
    let mut kept = Kept { engine, line: None };
    loop {
        let mut batch = Vec::with_capacity(MOST_AT_ONCE);
        let asked = within(KEPT_FOR, &**clock, async { questions.lock().await.gather(&mut batch).await });
        match (asked.await, batch.is_empty()) {
            (_, false) => answer(&mut kept, batch, waiting).await,
            (None, true) => kept.line = None,
            (Some(_), true) => return,
        }
    }
}

async fn answer(kept: &mut Kept<'_>, mut batch: Vec<Question>, waiting: &Waiting) {
    let read = within(LONGEST_READ, &SystemClock, kept.read(&batch)).await;
    let no_answer = || Err(StoreError::Unavailable("no answer in time".to_owned()));
    let rows = match read.unwrap_or_else(no_answer) {
        Ok(rows) => rows,
        Err(error) => {
            if matches!(error, StoreError::Unavailable(_)) {
                // Most have waited as long, and would wait for the same once more.
                waiting.take(usize::MAX, &mut batch);
            }
            return batch.into_iter().for_each(|question| question.answer(Err(error.clone())));
        }
    };
    let mut batch: Vec<_> = batch.into_iter().map(Some).collect();
    for row in rows {
        let place = row.get::<i64>("place").ok().and_then(|place| usize::try_from(place - 1).ok());
        // The statement has one row for each place.
        if let Some(question) = place.and_then(|place| batch.get_mut(place)).and_then(Option::take) {
            question.answer(attempts::status_facts(&row));
        }
    }
    for question in batch.into_iter().flatten() {
        question.answer(Err(StoreError::Refused("a statement left out a row".to_owned())));
    }
}

struct Kept<'p> {
    engine: &'p Postgres,
    /// The connection, and since when it is kept.
    line: Option<(Line, Timestamp)>,
}

impl Kept<'_> {
    async fn read(&mut self, batch: &[Question]) -> Result<Vec<Row>, StoreError> {
        let now = SystemClock.now_fine();
        if let Some((line, since)) = &mut self.line
            && !is_over(*since, KEPT_FOR, now)
            && !self.engine.is_demoted_after(*since)
            && let Ok(rows) = read(line, batch).await
        {
            return Ok(rows);
        }
        // Kept for long, or broken: return it to the pool.
        self.line = None;
        let engine = self.engine;
        let anew = || async {
            let mut line = engine.status_line().await?;
            let rows = read(&mut line, batch).await?;
            Ok((line, rows))
        };
        let (line, rows) = retrying(anew).await?;
        self.line = Some((line, now));
        Ok(rows)
    }
}

async fn read(line: &mut Line, batch: &[Question]) -> Result<Vec<Row>, Failure> {
    let users: Vec<&str> = batch.iter().map(|question| question.user_id.as_str()).collect();
    let providers: Vec<&str> = batch.iter().map(|question| question.provider.as_str()).collect();
    line.rows(sqlx::query(statements::STATUS.postgres).bind(users).bind(providers)).await
}
