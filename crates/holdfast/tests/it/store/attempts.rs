//! Connect attempts: each stage comes back whole, their number is bounded, and one redeems.

use std::time::Duration;

use holdfast::connection::attempt::{AttemptOutcome, AttemptStage};
use holdfast::store::{CommitOutcome, KEPT};

use super::fixtures::{DAY, INSTAGRAM, advance, attempt, begin, in_parallel, later, owner};
use crate::testing::database::{on_each_engine, start_of_time};

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_comes_back_whole_at_every_stage() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let mut now = attempt(&ada, 7);
        assert_eq!(store.commit(&begin(&now, Some(5))).await, Ok(CommitOutcome::Committed));
        assert_eq!(store.attempt(now.id).await, Ok(Some(now.clone())));
        for stage in [
            AttemptStage::Returned,
            AttemptStage::Redeeming,
            AttemptStage::ShortGranted,
            AttemptStage::Granted,
            AttemptStage::Closed,
        ] {
            let (next, change) = advance(&now, |next| {
                next.stage = stage;
                next.completion_hash = Some([9; 32]);
                next.returned_at = Some(later(DAY));
                next.sealed = Some(vec![1, 0, 255]);
                next.sealed_completion = Some(vec![2]);
                next.busy_until = Some(later(DAY));
                next.paused_until = Some(later(DAY));
                if stage == AttemptStage::Closed {
                    next.outcome = Some(AttemptOutcome::Failed(holdfast::connection::Reason::ConsentBlocked));
                    next.closed_at = Some(later(DAY));
                    next.sealed = None;
                }
            });
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Conflict), "the revision is spent");
            assert_eq!(store.attempt_by_state(&[7; 32]).await, Ok(Some(next.clone())));
            now = next;
        }
        assert_eq!(store.open_attempts(&ada, INSTAGRAM).await, Ok(vec![]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_five_are_open_however_many_are_begun_at_once() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let outcomes = in_parallel(30, |index| {
            let store = store.clone();
            let change = begin(&attempt(&owner("ada"), u8::try_from(index).unwrap()), Some(5));
            async move { store.commit(&change).await.expect("it answers") }
        })
        .await;
        // Each attempt is counted at its own time of creation; all are within the ten minutes of
        // the first.
        assert_eq!(outcomes.iter().filter(|each| **each == CommitOutcome::Committed).count(), 5);
        assert_eq!(outcomes.iter().filter(|each| **each == CommitOutcome::TooManyAttempts).count(), 25);
        assert_eq!(store.open_attempts(&owner("ada"), INSTAGRAM).await.expect("it answers").len(), 5);
        assert_eq!(
            store.commit(&begin(&attempt(&owner("grace"), 99), Some(5))).await,
            Ok(CommitOutcome::Committed)
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_most_twenty_are_begun_in_an_hour_and_a_long_past_costs_nothing() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let begin_at = async |number: u8, at: Duration| {
            let mut begun = attempt(&ada, number);
            (begun.created_at, begun.expires_at) = (later(at), later(at + Duration::from_mins(10)));
            let outcome = store.commit(&begin(&begun, Some(5))).await.expect("it answers");
            if outcome == CommitOutcome::Committed {
                let (_, change) = advance(&begun, |next| {
                    next.stage = AttemptStage::Closed;
                    next.outcome = Some(AttemptOutcome::Denied);
                    next.closed_at = Some(later(at));
                });
                store.commit(&change).await.expect("it commits");
            }
            outcome
        };
        for number in 0..20 {
            let at = Duration::from_mins(u64::from(number));
            assert_eq!(begin_at(number, at).await, CommitOutcome::Committed, "{number}");
        }
        assert_eq!(begin_at(20, Duration::from_mins(59)).await, CommitOutcome::TooManyAttempts);
        assert_eq!(
            begin_at(21, Duration::from_mins(60)).await,
            CommitOutcome::Committed,
            "the first is an hour ago"
        );
        assert_eq!(begin_at(22, Duration::from_mins(60)).await, CommitOutcome::TooManyAttempts);
        let begun = store
            .attempts_begun(&ada, INSTAGRAM, later(Duration::from_mins(60)), 20)
            .await
            .expect("it answers");
        assert_eq!(
            (begun.len(), begun[0], begun[19]),
            (20, later(Duration::from_mins(60)), later(Duration::from_mins(1)))
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_is_used_once() {
    on_each_engine(async |db| {
        let store = &db.store;
        store.commit(&begin(&attempt(&owner("ada"), 1), None)).await.expect("it commits");
        let mut same_state = attempt(&owner("grace"), 2);
        same_state.state_hash = [1; 32];
        assert_eq!(store.commit(&begin(&same_state, None)).await, Ok(CommitOutcome::Conflict));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_that_want_to_redeem_one_does() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let open = attempt(&owner("ada"), 1);
        store.commit(&begin(&open, None)).await.expect("it commits");
        let outcomes = in_parallel(50, |_| {
            let store = store.clone();
            let (_, change) = advance(&open, |next| next.stage = AttemptStage::Redeeming);
            async move { store.commit(&change).await.expect("it answers") }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|each| **each == CommitOutcome::Committed).count(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_attempts_are_found_and_closed_ones_are_pruned() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let (first, second) = (attempt(&ada, 1), attempt(&ada, 2));
        for each in [&second, &first] {
            store.commit(&begin(each, None)).await.expect("it commits");
        }
        assert_eq!(store.expired_attempts(start_of_time(), 10).await, Ok(vec![]));
        assert_eq!(store.expired_attempts(first.expires_at, 10).await, Ok(vec![first.clone()]));
        assert_eq!(store.expired_attempts(later(DAY), 10).await, Ok(vec![first.clone(), second.clone()]));
        let (closed, change) = advance(&first, |next| {
            next.stage = AttemptStage::Closed;
            next.outcome = Some(AttemptOutcome::Expired);
            next.closed_at = Some(later(DAY));
        });
        store.commit(&change).await.expect("it commits");
        let attempts = KEPT.iter().find(|kept| kept.name == "attempts").expect("they are kept");
        assert_eq!(store.sweep(attempts, later(DAY), 10).await, Ok(0));
        assert_eq!(store.attempt(closed.id).await, Ok(Some(closed.clone())));
        assert_eq!(store.sweep(attempts, later(2 * DAY), 10).await, Ok(1));
        assert_eq!(store.attempt(closed.id).await, Ok(None));
        assert_eq!(store.attempt(second.id).await, Ok(Some(second)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_that_cannot_be_read_are_passed_over() {
    on_each_engine(async |db| {
        let store = &db.store;
        let all: Vec<_> = (1..=6).map(|number| attempt(&owner("ada"), number)).collect();
        for each in &all {
            store.commit(&begin(each, None)).await.expect("it commits");
        }
        // Those that come first, as a later version may have written them before it was rolled
        // back.
        db.execute(&format!(
            "UPDATE attempts SET expect = 'of_a_later_version' WHERE expires_at <= {}",
            all[3].expires_at.as_millisecond()
        ))
        .await;
        let healthy = || all[4..].to_vec();
        for limit in [2, 3, 10] {
            assert_eq!(store.expired_attempts(later(DAY), limit).await, Ok(healthy()), "{limit}");
        }
        assert_eq!(store.expired_attempts(later(DAY), 1).await, Ok(healthy()[..1].to_vec()));
        db.execute("UPDATE attempts SET stage = 'granted'").await;
        let stranded = store.stranded_attempts(start_of_time(), 2).await.expect("it answers");
        assert_eq!(stranded.iter().map(|each| each.id).collect::<Vec<_>>(), [all[4].id, all[5].id]);
    })
    .await;
}
