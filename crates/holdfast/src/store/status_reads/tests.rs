use futures_util::FutureExt as _;

use super::*;
use crate::clock::{ManualClock, from_millis};

fn questions() -> (ManualClock, Questions) {
    let clock = ManualClock::new(from_millis(1_750_000_000_000));
    (clock.clone(), Questions::new(Arc::default(), Arc::new(clock)))
}

/// Asks; the question is given up when the receiver is dropped.
fn ask(waiting: &Waiting) -> Result<oneshot::Receiver<Answer>, StoreError> {
    let (answer, answered) = oneshot::channel();
    waiting.push(Question { user_id: "user_1".to_owned(), provider: ProviderId::INSTAGRAM, answer })?;
    Ok(answered)
}

#[tokio::test]
async fn only_one_of_many_waits_for_the_others() {
    let (clock, mut questions) = questions();
    let (waiting, mut asked, mut gathered) = (Arc::clone(&questions.waiting), Vec::new(), 0);
    let mut gathered_at_once = || {
        let mut batch = Vec::new();
        asked.push(ask(&waiting).unwrap());
        let told = questions.gather(&mut batch).now_or_never();
        gathered += batch.len();
        (told, gathered)
    };
    assert_eq!(gathered_at_once(), (Some(true), 1));
    assert_eq!(gathered_at_once(), (None, 2), "others may be about to ask, too");
    clock.advance(Duration::from_millis(1));
    assert_eq!(gathered_at_once(), (Some(true), 3));
}

#[tokio::test]
async fn who_has_given_up_is_not_read_for() {
    let (_, mut questions) = questions();
    for _ in 0..200 {
        drop(ask(&questions.waiting).unwrap());
    }
    let stays = ask(&questions.waiting).unwrap();
    let mut batch = Vec::new();
    assert!(questions.gather(&mut batch).await);
    assert_eq!(batch.len(), 1);
    batch.remove(0).answer(Ok(StatusFacts::default()));
    assert_eq!(stays.await.unwrap(), Ok(StatusFacts::default()));
}

#[test]
fn only_so_many_wait_and_who_gave_up_makes_room() {
    let waiting = Waiting::default();
    let mut asked: Vec<_> = (0..MOST_WAITING).map(|_| ask(&waiting).unwrap()).collect();
    assert_eq!(ask(&waiting).unwrap_err(), StoreError::Crowded);
    asked.truncate(10);
    asked.push(ask(&waiting).unwrap());
    assert_eq!(waiting.queue.lock().questions.len(), 11);
    waiting.close();
    assert!(matches!(ask(&waiting), Err(StoreError::Unavailable(_))));
}
