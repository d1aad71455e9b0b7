//! The reads of the hot path, gathered: one statement reads for all waiting callers.
//!
//! A round trip to the database costs several times as much as the row it reads. During one,
//! questions wait, and the next takes all of them. Nothing is cached: every answer is read after
//! its question was asked, so there is nothing to invalidate and nothing to switch off.

mod postgres;
mod sqlite;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Mutex, Notify, mpsc, oneshot};

use super::attempts::{self, StatusFacts};
use super::engine::{Engine, values};
use super::{OpenError, Store, StoreError, statements};
use crate::clock::SharedClock;
use crate::lock::Lock;
use crate::provider::ProviderId;
use crate::telemetry::traces::in_span;

/// Most questions in one batch.
const MOST_AT_ONCE: usize = 64;
/// Most questions that wait. Requests under way are fewer, unless HOLDFAST_MAX_REQUESTS is raised.
const MOST_WAITING: usize = 4096;

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
    waiting: Arc<Waiting>,
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

    /// Whether its caller has gone: the request took too long, or its client left.
    fn is_given_up(&self) -> bool {
        self.answer.is_closed()
    }
}

/// The questions that wait for a round trip.
#[derive(Debug, Default)]
struct Waiting {
    queue: Lock<Queue>,
    /// Told of each question, and of the end.
    asked: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    questions: VecDeque<Question>,
    is_closed: bool,
}

impl Waiting {
    fn push(&self, question: Question) -> Result<(), StoreError> {
        {
            let mut queue = self.queue.lock();
            if queue.is_closed {
                return Err(closed());
            }
            if queue.questions.len() >= MOST_WAITING {
                queue.questions.retain(|each| !each.is_given_up());
            }
            if queue.questions.len() >= MOST_WAITING {
                return Err(StoreError::Crowded);
            }
            queue.questions.push_back(question);
        }
        self.asked.notify_one();
        Ok(())
    }

    /// Moves questions to `batch` until that has `most`, without those that were given up. `false`
    /// where no more can come.
    fn take(&self, most: usize, batch: &mut Vec<Question>) -> bool {
        let mut queue = self.queue.lock();
        while batch.len() < most
            && let Some(question) = queue.questions.pop_front()
        {
            if !question.is_given_up() {
                batch.push(question);
            }
        }
        !queue.is_closed
    }

    fn close(&self) {
        self.queue.lock().is_closed = true;
        self.asked.notify_one();
    }
}

/// A question this soon after the last batch is one of many, so others are waited for.
const ONE_OF_MANY: Duration = Duration::from_micros(250);

/// The incoming questions.
struct Questions {
    waiting: Arc<Waiting>,
    clock: SharedClock,
    /// When the last batch was taken.
    taken_at: Timestamp,
}

impl Questions {
    fn new(waiting: Arc<Waiting>, clock: SharedClock) -> Self {
        Self { waiting, clock, taken_at: Timestamp::MIN }
    }

    /// Waits for a question, and takes those that come with it; `false` where no more can come.
    async fn gather(&mut self, batch: &mut Vec<Question>) -> bool {
        while batch.is_empty() {
            let is_open = self.waiting.take(1, batch);
            if batch.is_empty() {
                if !is_open {
                    return false;
                }
                self.waiting.asked.notified().await;
            }
        }
        let now = self.clock.now_fine();
        if now.duration_since(self.taken_at).unsigned_abs() < ONE_OF_MANY {
            // Let other ready tasks ask too. Only if there are many: on an idle runtime, yielding
            // would poll for events and wake another thread.
            tokio::task::yield_now().await;
        }
        self.waiting.take(MOST_AT_ONCE, batch);
        self.taken_at = now;
        true
    }
}

impl StatusReads {
    /// Starts to serve questions, until [`StatusReads::close`] or until the store is dropped. Must
    /// be called within a tokio runtime.
    pub(super) fn start(engine: &Engine, clock: &SharedClock) -> Result<Self, OpenError> {
        let waiting = Arc::<Waiting>::default();
        let (serving, served) = mpsc::channel(1);
        let asked = Questions::new(Arc::clone(&waiting), clock.clone());
        match engine {
            Engine::Sqlite(engine) => sqlite::serve(engine, asked, serving)?,
            Engine::Postgres(engine) => postgres::serve(engine, clock, asked, &serving),
            Engine::Driven(_) => return Ok(Self::OneByOne),
        }
        Ok(Self::Gathered(Gathered { waiting, served: Mutex::new(served) }))
    }

    /// Answers the questions asked so far, then releases the database.
    pub(super) async fn close(&self) {
        let Self::Gathered(Gathered { waiting, served }) = self else { return };
        waiting.close();
        // `None`: every sender is gone.
        let _ = served.lock().await.recv().await;
    }

    /// Questions that wait for a round trip.
    pub(super) fn waiting(&self) -> usize {
        match self {
            Self::Gathered(gathered) => gathered.waiting.queue.lock().questions.len(),
            Self::OneByOne => 0,
        }
    }
}

impl Drop for Gathered {
    fn drop(&mut self) {
        self.waiting.close();
    }
}

impl Gathered {
    async fn ask(&self, user_id: &str, provider: ProviderId) -> Answer {
        let (answer, answered) = oneshot::channel();
        self.waiting.push(Question { user_id: user_id.to_owned(), provider, answer })?;
        answered.await.unwrap_or_else(|_| Err(closed()))
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable("the store has been closed".to_owned())
}

impl Store {
    /// Status reads that wait for a round trip.
    pub fn status_reads_waiting(&self) -> usize {
        self.inner.status_reads.waiting()
    }

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
        match self.read_one(statements::STATUS, values![user_id, provider]).await? {
            Some(row) => attempts::status_facts(&row),
            None => Ok(StatusFacts::default()),
        }
    }
}

#[cfg(test)]
mod tests;
