//! The hot path's reads, gathered: what many callers ask at the same time is asked of the database in one statement.
//!
//! A round trip costs several times what the row in it does. While statements are under way, questions wait, and the next
//! statement asks all of them. Nothing is remembered: every answer was read after its question had been asked, so there is
//! nothing to invalidate and nothing to switch off.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tokio::sync::{Mutex, mpsc, oneshot};

use super::attempts::{self, StatusFacts};
use super::{Inner, Store, StoreError, statements};
use crate::provider::ProviderId;
use crate::telemetry::traces::in_span;

/// Statements under way at a time; one that hangs must not hold up the others.
const STATEMENTS: usize = 4;
/// Questions in one statement.
const QUESTIONS: usize = 64;
/// Questions that may wait; whoever asks more waits to ask.
const WAITING: usize = 1024;

/// Where to ask.
#[derive(Debug)]
pub(super) struct StatusReads {
    questions: mpsc::Sender<Question>,
}

/// The other end, until somebody serves it.
#[derive(Debug)]
pub(super) struct Questions(mpsc::Receiver<Question>);

type Answer = Result<StatusFacts, StoreError>;

#[derive(Debug)]
struct Question {
    user_id: String,
    provider: ProviderId,
    answer: oneshot::Sender<Answer>,
}

impl StatusReads {
    pub(super) fn new() -> (Self, Questions) {
        let (questions, asked) = mpsc::channel(WAITING);
        (Self { questions }, Questions(asked))
    }

    /// What a user's status is derived from.
    pub(super) async fn ask(&self, user_id: &str, provider: ProviderId) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Question { user_id: user_id.to_owned(), provider, answer };
        let gone = || StoreError::Unavailable("the store has been closed".to_owned());
        let asked = async {
            self.questions.send(question).await.map_err(|_| gone())?;
            answered.await.unwrap_or_else(|_| Err(gone()))
        };
        // The statement is shared with others; the waiting is not.
        in_span("database read", asked).await
    }
}

impl Questions {
    /// Answers until the store is gone, which these tasks do not keep alive. Must be called within a tokio runtime.
    pub(super) fn serve(self, store: &Arc<Inner>) {
        let questions = Arc::new(Mutex::new(self.0));
        for _ in 0..STATEMENTS {
            tokio::spawn(answer_all(Arc::downgrade(store), Arc::clone(&questions)));
        }
    }
}

async fn answer_all(store: Weak<Inner>, questions: Arc<Mutex<mpsc::Receiver<Question>>>) {
    loop {
        let mut batch = Vec::new();
        {
            let mut questions = questions.lock().await;
            if questions.recv_many(&mut batch, 1).await == 0 {
                return;
            }
            // Whoever is ready to run now may be about to ask as well.
            tokio::task::yield_now().await;
            if !questions.is_empty() {
                questions.recv_many(&mut batch, QUESTIONS - 1).await;
            }
        }
        let Some(inner) = store.upgrade() else { return };
        answer(&Store { inner }, batch).await;
    }
}

/// Those who wait for the facts about a user; usually one.
type Asking = HashMap<String, Vec<oneshot::Sender<Answer>>>;

async fn answer(store: &Store, batch: Vec<Question>) {
    let mut by_provider: HashMap<ProviderId, Asking> = HashMap::new();
    for Question { user_id, provider, answer } in batch {
        by_provider.entry(provider).or_default().entry(user_id).or_default().push(answer);
    }
    for (provider, mut asking) in by_provider {
        match read(store, provider, asking.keys()).await {
            Ok(found) => {
                for (user_id, facts) in found {
                    tell(asking.remove(&user_id).into_iter().flatten(), &facts);
                }
                // The statement has a row for everybody asked about; without one, nothing is known.
                tell(asking.into_values().flatten(), &Ok(StatusFacts::default()));
            }
            Err(error) => tell(asking.into_values().flatten(), &Err(error)),
        }
    }
}

/// What is known of each. A row that cannot be read is the trouble of its owner alone.
async fn read(
    store: &Store,
    provider: ProviderId,
    users: impl Iterator<Item = &String>,
) -> Result<Vec<(String, Answer)>, StoreError> {
    let users = serde_json::json!(users.collect::<Vec<_>>()).to_string();
    let rows = store.read(statements::STATUS, vec![users.into(), provider.as_str().into()]).await?;
    rows.iter()
        .map(|row| {
            let user_id = row.text("caller_id").map_err(|error| error.at("connections", "(status)"))?;
            Ok((user_id, attempts::status_facts(row)))
        })
        .collect()
}

fn tell(asking: impl Iterator<Item = oneshot::Sender<Answer>>, answer: &Answer) {
    for each in asking {
        // An error means that whoever asked has gone.
        let _ = each.send(answer.clone());
    }
}
