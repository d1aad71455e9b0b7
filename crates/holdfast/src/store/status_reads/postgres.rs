//! On Postgres, one statement reads all that was asked, on connections that serve nothing else.

use std::sync::Arc;

use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::sync::mpsc::UnboundedReceiver;

use super::{MOST_AT_ONCE, Question, Serving};
use crate::store::attempts;
use crate::store::engine::{Failure, Postgres, Row, retrying};
use crate::store::{StoreError, statements};

/// Starts a task for each connection.
pub(super) fn serve(engine: &Postgres, questions: UnboundedReceiver<Question>, serving: &Serving) {
    let questions = Arc::new(Mutex::new(questions));
    for _ in 0..Postgres::STATUS_CONNECTIONS {
        let (lines, questions, serving) =
            (engine.status_lines().clone(), Arc::clone(&questions), serving.clone());
        tokio::spawn(async move {
            answer_all(&lines, &questions).await;
            drop(serving);
        });
    }
}

async fn answer_all(lines: &PgPool, questions: &Mutex<UnboundedReceiver<Question>>) {
    loop {
        let mut batch = Vec::with_capacity(MOST_AT_ONCE);
        {
            let mut questions = questions.lock().await;
            if questions.recv_many(&mut batch, 1).await == 0 {
                return;
            }
            // Whoever is ready to run now may be about to ask as well.
            tokio::task::yield_now().await;
            if !questions.is_empty() {
                questions.recv_many(&mut batch, MOST_AT_ONCE - 1).await;
            }
        }
        answer(lines, batch).await;
    }
}

async fn answer(lines: &PgPool, batch: Vec<Question>) {
    let rows = match retrying(|| read(lines, &batch)).await {
        Ok(rows) => rows,
        Err(error) => return batch.into_iter().for_each(|question| question.answer(Err(error.clone()))),
    };
    let mut batch: Vec<_> = batch.into_iter().map(Some).collect();
    for row in rows {
        let place = row.int("place").ok().and_then(|place| usize::try_from(place - 1).ok());
        // The statement has one row for each place.
        if let Some(question) = place.and_then(|place| batch.get_mut(place)).and_then(Option::take) {
            question.answer(attempts::status_facts(&row));
        }
    }
    for question in batch.into_iter().flatten() {
        question.answer(Err(StoreError::Refused("a statement left out a row".to_owned())));
    }
}

async fn read(lines: &PgPool, batch: &[Question]) -> Result<Vec<Row>, Failure> {
    let users: Vec<String> = batch.iter().map(|question| question.user_id.clone()).collect();
    let providers: Vec<&str> = batch.iter().map(|question| question.provider.as_str()).collect();
    let query = sqlx::query(statements::STATUS.postgres).bind(users).bind(providers);
    Ok(query.fetch_all(lines).await?.into_iter().map(Row::from).collect())
}
