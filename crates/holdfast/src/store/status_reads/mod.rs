//! The reads of the hot path, gathered: one statement reads for all waiting callers.
//!
//! A round trip to the database costs several times as much as the row it reads. During one,
//! questions wait, and the next takes all of them. Nothing is cached: every answer is read after
//! its question was asked, so there is nothing to invalidate and nothing to switch off.

mod postgres;
mod sqlite;

use std::convert::Infallible;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::attempts::{self, StatusFacts};
use super::engine::Engine;
use super::{OpenError, Store, StoreError, statements};
use crate::clock::SharedClock;
use crate::provider::ProviderId;
use crate::telemetry::traces::in_span;

/// Most questions in one batch.
const MOST_AT_ONCE: usize = 64;

/// How statuses are read.
#[derive(Debug)]
pub(super) enum StatusReads {
    /// A task gathers the questions and reads them together.
    Gathered(Gathered),
    /// Each is read by itself, by its caller.
    OneByOne,
}

#[derive(Debug)]
pub(super) struct Gathered {
    /// Unbounded: each request asks one question, and requests under way are bounded. `None` once
    /// closed.
    questions: RwLock<Option<mpsc::UnboundedSender<Question>>>,
    /// Ends when no task serves questions any more.
    served: Mutex<mpsc::Receiver<Infallible>>,
}

/// Held by the task that serves questions.
type Serving = mpsc::Sender<Infallible>;

type Answer = Result<StatusFacts, StoreError>;

#[derive(Debug)]
struct Question {
    user_id: String,
    provider: ProviderId,
    answer: oneshot::Sender<Answer>,
}

impl Question {
    fn answer(self, answer: Answer) {
        // An error means that the caller has gone.
        let _ = self.answer.send(answer);
    }
}

/// A question this soon after the last batch is one of many, so others are waited for.
const ONE_OF_MANY: Duration = Duration::from_micros(250);

/// The incoming questions.
struct Questions {
    asked: mpsc::UnboundedReceiver<Question>,
    clock: SharedClock,
    /// When the last batch was taken.
    taken_at: Timestamp,
}

impl Questions {
    fn new(asked: mpsc::UnboundedReceiver<Question>, clock: SharedClock) -> Self {
        Self { asked, clock, taken_at: Timestamp::MIN }
    }

    /// Waits for a question, and takes those that come with it; `false` where no more can come.
    async fn gather(&mut self, batch: &mut Vec<Question>) -> bool {
        if self.asked.recv_many(batch, 1).await == 0 {
            return false;
        }
        let now = self.clock.now_fine();
        if now.duration_since(self.taken_at).unsigned_abs() < ONE_OF_MANY {
            // Let other ready tasks ask too. Only if there are many: on an idle runtime, yielding
            // would poll for events and wake another thread.
            tokio::task::yield_now().await;
        }
        if !self.asked.is_empty() {
            self.asked.recv_many(batch, MOST_AT_ONCE - 1).await;
        }
        self.taken_at = now;
        true
    }
}

impl StatusReads {
    /// Starts to serve questions, until [`StatusReads::close`] or until the store is dropped. Must
    /// be called within a tokio runtime.
    pub(super) fn start(engine: &Engine, clock: &SharedClock) -> Result<Self, OpenError> {
        let (questions, asked) = mpsc::unbounded_channel();
        let (serving, served) = mpsc::channel(1);
        let asked = Questions::new(asked, clock.clone());
        match engine {
            Engine::Sqlite(engine) => sqlite::serve(engine, asked, serving)?,
            Engine::Postgres(engine) => postgres::serve(engine, clock, asked, &serving),
            Engine::Driven(_) => return Ok(Self::OneByOne),
        }
        let (questions, served) = (RwLock::new(Some(questions)), Mutex::new(served));
        Ok(Self::Gathered(Gathered { questions, served }))
    }

    /// Answers the questions asked so far, then releases the database.
    pub(super) async fn close(&self) {
        let Self::Gathered(Gathered { questions, served }) = self else { return };
        questions.write().unwrap_or_else(PoisonError::into_inner).take();
        // `None`: every sender is gone.
        let _ = served.lock().await.recv().await;
    }
}

impl Gathered {
    async fn ask(&self, user_id: &str, provider: ProviderId) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Question { user_id: user_id.to_owned(), provider, answer };
        let gone = || StoreError::Unavailable("the store has been closed".to_owned());
        match &*self.questions.read().unwrap_or_else(PoisonError::into_inner) {
            Some(questions) => questions.send(question).map_err(|_| gone())?,
            None => return Err(gone()),
        }
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}

impl Store {
    /// The facts of a user's status.
    pub(super) async fn read_status(&self, user_id: &str, provider: ProviderId) -> Answer {
        match &*self.inner.status_reads {
            StatusReads::Gathered(reads) => {
                let _operation = self.enter().await?;
                // The round trip is shared with others; the waiting is not.
                match in_span("database read", reads.ask(user_id, provider)).await {
                    // SQLite's file is locked: read below, where the reader waits for the lock.
                    Err(StoreError::Busy(_)) if matches!(self.inner.engine, Engine::Sqlite(_)) => {}
                    answer => return answer,
                }
            }
            StatusReads::OneByOne => {}
        }
        let values = vec![user_id.into(), provider.as_str().into()];
        match self.read_one(statements::STATUS, values).await? {
            Some(row) => attempts::status_facts(&row),
            None => Ok(StatusFacts::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;

    use super::*;
    use crate::clock::{ManualClock, from_millis};

    #[tokio::test]
    async fn only_one_of_many_waits_for_the_others() {
        let clock = ManualClock::new(from_millis(1_750_000_000_000));
        let (ask, asked) = mpsc::unbounded_channel();
        let mut questions = Questions::new(asked, Arc::new(clock.clone()));
        let mut batch = Vec::new();
        let mut gathered_at_once = || {
            let (answer, _) = oneshot::channel();
            ask.send(Question { user_id: "user_1".to_owned(), provider: ProviderId::INSTAGRAM, answer })
                .unwrap();
            questions.gather(&mut batch).now_or_never()
        };
        assert_eq!(gathered_at_once(), Some(true));
        assert_eq!(gathered_at_once(), None, "others may be about to ask, too");
        clock.advance(Duration::from_millis(1));
        assert_eq!(gathered_at_once(), Some(true));
        assert_eq!(batch.len(), 3);
    }
}
