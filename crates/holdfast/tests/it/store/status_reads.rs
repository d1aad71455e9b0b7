//! Reads of the status that are asked of the database together.

use std::sync::Arc;

use holdfast::clock::SystemClock;
use holdfast::store::{
    ChangeSet, CommitOutcome, ConnectionWrite, POSTGRES_CONNECTIONS, StatusFacts, Store, StoreError,
    StoreOptions,
};

use super::fixtures::{INSTAGRAM, attempt, begin, connection, in_parallel, insert, linked, owner};
use crate::testing::database::{Engine, Place, count_on, on_each_engine};
use crate::testing::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn each_of_many_parallel_callers_gets_their_own_facts() {
    on_each_engine(async |db| {
        let store = &db.store;
        for number in (0..150).step_by(3) {
            linked(store, &format!("linked{number}"), &number.to_string()).await;
        }
        store.commit(&begin(&attempt(&owner("trying1"), 1), None)).await.expect("it commits");
        // Every caller asks three times at once, and what stands in a name must not break out of
        // the list of names.
        let name_of = |number: usize| match number % 3 {
            0 => format!("linked{number}"),
            1 => format!("trying{number}"),
            _ => format!("nobody\"],[{number}'"),
        };
        let answers = in_parallel(450, |index| {
            let (store, caller) = (store.clone(), owner(&name_of(index / 3)));
            async move { store.status_facts(&caller, INSTAGRAM).await }
        })
        .await;
        for (index, facts) in answers.into_iter().enumerate() {
            let (name, facts) = (name_of(index / 3), facts.expect("it reads"));
            assert_eq!(facts.open_attempt.is_some(), name == "trying1", "{name}");
            let user_id = facts.connection.map(|connection| connection.user_id);
            assert_eq!(user_id, name.starts_with("linked").then(|| owner(&name).as_str().to_owned()));
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_committed_before_the_question_is_in_the_answer() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let mut stored = connection(&ada, "1");
        assert_eq!(store.commit(&insert(&stored)).await, Ok(CommitOutcome::Committed));
        // Others keep statements under way all the time.
        let others: Vec<_> = (0..6)
            .map(|_| {
                let (store, ada) = (store.clone(), ada.clone());
                tokio::spawn(async move {
                    loop {
                        store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
                    }
                })
            })
            .collect();
        for _ in 0..40 {
            let expected_version = Some(stored.version);
            stored.version += 1;
            let write = ConnectionWrite { expected_version, connection: stored.clone() };
            let change = ChangeSet { connection: Some(write), ..ChangeSet::default() };
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
            let facts = store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
            assert_eq!(facts.connection.as_ref(), Some(&stored));
        }
        for other in others {
            other.abort();
            // Aborted, which is an error of its own.
            let _ = other.await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_is_the_trouble_of_its_owner_alone() {
    on_each_engine(async |db| {
        let store = &db.store;
        linked(store, "ada", "1").await;
        linked(store, "grace", "2").await;
        db.execute("UPDATE connections SET scopes = 'not a list' WHERE user_id = 'user_grace'").await;
        let answers = in_parallel(60, |index| {
            let store = store.clone();
            let name = if index % 2 == 0 { "ada" } else { "grace" };
            async move { (name, store.status_facts(&owner(name), INSTAGRAM).await) }
        })
        .await;
        for (name, answer) in answers {
            match name {
                "ada" => assert!(matches!(answer, Ok(StatusFacts { connection: Some(_), .. })), "{answer:?}"),
                _ => assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{answer:?}"),
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_store_answers_that_it_is_closed() {
    on_each_engine(async |db| {
        let replica = db.replica().await;
        replica.close().await;
        let answer = replica.status_facts(&owner("ada"), INSTAGRAM).await;
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_connection_of_a_process_is_counted() {
    let place = Place::new(Engine::Postgres).await;
    let store =
        Store::open(&StoreOptions::serve(&*place.url), Arc::new(SystemClock)).await.expect("it opens");
    store.status_facts(&owner("ada"), INSTAGRAM).await.expect("it reads");
    let sessions = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'holdfast'";
    until("all are counted", async || {
        let counted = store.pool_use().expect("a pool");
        let open = count_on(Engine::Postgres, &place.url, sessions).await;
        *store.hears_replicas().borrow() && i64::from(counted.used + counted.idle) == open && open >= 3
    })
    .await;
    assert_eq!(store.pool_use().expect("a pool").max, POSTGRES_CONNECTIONS);
    store.close().await;

    let place = Place::new(Engine::Sqlite).await;
    let store =
        Store::open(&StoreOptions::serve(&*place.url), Arc::new(SystemClock)).await.expect("it opens");
    store.migrate().await.expect("it migrates");
    let file = place.directory.path().join("holdfast.db");
    let handles = || {
        let all = std::fs::read_dir("/proc/self/fd").expect("handles").flatten();
        all.filter(|each| std::fs::read_link(each.path()).is_ok_and(|path| path == file)).count()
    };
    until("all are counted", async || {
        let counted = store.pool_use().expect("a pool");
        (counted.used + counted.idle) as usize == handles()
    })
    .await;
    assert_eq!(store.pool_use().expect("a pool").max, 6, "four readers, a writer, and the status's own");
    store.close().await;
}
