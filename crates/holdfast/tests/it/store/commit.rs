//! A unit of work: all or nothing, and of two writers one wins.

use holdfast::connection::attempt::{Attempt, AttemptOutcome, AttemptStage};
use holdfast::connection::{Reason, State, Suspicion};
use holdfast::store::{AttemptWrite, ChangeSet, CommitOutcome, ConnectionWrite, StatusFacts};

use super::fixtures::{
    DAY, INSTAGRAM, attempt, begin, connection, entry, grant, in_parallel, insert, later, linked, owner,
    update,
};
use crate::testing::database::on_each_engine;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_comes_back_whole() {
    on_each_engine(async |db| {
        let store = &db.store;
        let mut stored = connection(&owner("ada"), "25982752248032036");
        stored.retry_after = Some(later(DAY));
        stored.suspicion = Some(Suspicion { grant_version: 1, first_at: later(DAY) });
        stored.failures = 3;
        assert_eq!(store.commit(&insert(&stored)).await, Ok(CommitOutcome::Committed));
        assert_eq!(store.connection(&owner("ada"), INSTAGRAM).await, Ok(Some(stored.clone())));
        assert_eq!(store.connection_by_id(stored.id).await, Ok(Some(stored.clone())));
        assert_eq!(store.connection(&owner("grace"), INSTAGRAM).await, Ok(None));
        for id in ["25982752248032036", "178425982752248032036"] {
            assert_eq!(store.connections_by_account(INSTAGRAM, id).await, Ok(vec![stored.clone()]));
        }
        assert_eq!(store.sealed_grants(stored.id).await, Ok(vec![grant(&stored, 1, b"sealed-1")]));
        let empty = holdfast::connection::Connection {
            account: None,
            scopes: vec![],
            missing_scopes: vec![],
            grant: None,
            next_refresh_at: None,
            evidence: None,
            linked_at: None,
            ..connection(&owner("grace"), "")
        };
        let write = ConnectionWrite { expected_version: None, connection: empty.clone() };
        let change = ChangeSet { connection: Some(write), ..ChangeSet::default() };
        assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
        assert_eq!(store.connection_by_id(empty.id).await, Ok(Some(empty)));
        let counts = store.connection_counts().await.expect("it counts");
        assert_eq!(counts.iter().map(|each| each.amount).sum::<u64>(), 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_is_one_read_of_connection_and_newest_open_attempt() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        assert_eq!(store.status_facts(&ada, INSTAGRAM).await, Ok(StatusFacts::default()));
        store.commit(&begin(&attempt(&ada, 1), None)).await.expect("it commits");
        store.commit(&begin(&attempt(&ada, 2), None)).await.expect("it commits");
        store.commit(&begin(&attempt(&owner("grace"), 3), None)).await.expect("it commits");
        let facts = store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
        assert_eq!(facts.connection, None);
        let open = facts.open_attempt.expect("open");
        assert_eq!((open.id, open.is_newest), (attempt(&ada, 2).id, true));
        let connection = linked(store, "ada", "1").await;
        let facts = store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
        assert_eq!(facts.connection, Some(connection.clone()));
        let newest = attempt(&ada, 2);
        let closed = Attempt {
            revision: 2,
            stage: AttemptStage::Closed,
            outcome: Some(AttemptOutcome::Denied),
            ..newest
        };
        let write = AttemptWrite { expected_revision: Some(1), attempt: closed, limits: None };
        let over = ChangeSet { attempt: Some(write), ..ChangeSet::default() };
        assert_eq!(store.commit(&over).await, Ok(CommitOutcome::Committed));
        let facts = store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
        let open = facts.open_attempt.expect("the earlier one is open still");
        assert_eq!((open.id, open.is_newest), (attempt(&ada, 1).id, false));
        store.close_attempts(&ada, INSTAGRAM, later(DAY)).await.expect("it closes");
        let facts = store.status_facts(&ada, INSTAGRAM).await.expect("it reads");
        assert_eq!(facts, StatusFacts { connection: Some(connection), open_attempt: None });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_writers_from_one_version_one_wins() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let connection = linked(&store, "ada", "1").await;
        let outcomes = in_parallel(20, |_| {
            let (store, change) = (store.clone(), update(&connection));
            async move { store.commit(&change).await.expect("it answers") }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|each| **each == CommitOutcome::Committed).count(), 1);
        assert_eq!(outcomes.iter().filter(|each| **each == CommitOutcome::Conflict).count(), 19);
        assert_eq!(store.connection_by_id(connection.id).await.unwrap().unwrap().version, 2);
        assert_eq!(
            store.commit(&insert(&connection)).await,
            Ok(CommitOutcome::Conflict),
            "there is one already"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_users_with_one_account_one_wins_always() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        for round in 0..50 {
            let account = format!("account-{round}");
            let outcomes = in_parallel(2, |index| {
                let store = store.clone();
                let change = insert(&connection(&owner(&format!("{round}-{index}")), &account));
                async move { store.commit(&change).await.expect("it answers") }
            })
            .await;
            assert!(outcomes.contains(&CommitOutcome::Committed), "{outcomes:?}");
            assert!(outcomes.contains(&CommitOutcome::AccountAlreadyLinked), "{outcomes:?}");
            assert_eq!(store.connections_by_account(INSTAGRAM, &account).await.unwrap().len(), 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linking_an_account_by_update_is_refused_where_it_is_taken() {
    on_each_engine(async |db| {
        let store = &db.store;
        linked(store, "ada", "1").await;
        let grace = linked(store, "grace", "2").await;
        let mut steal = update(&grace);
        steal.connection.as_mut().unwrap().connection.account = connection(&owner("ada"), "1").account;
        assert_eq!(store.commit(&steal).await, Ok(CommitOutcome::AccountAlreadyLinked));
        assert_eq!(store.connection_by_id(grace.id).await, Ok(Some(grace)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_set_is_all_or_nothing() {
    on_each_engine(async |db| {
        let store = &db.store;
        let connection = linked(store, "ada", "1").await;
        let mut change = update(&connection);
        change.history = vec![entry(&change.connection.as_ref().unwrap().connection)];
        change.append_grant = Some(grant(&connection, 1, b"another blob"));
        assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Conflict), "grants are never overwritten");
        assert_eq!(store.connection_by_id(connection.id).await, Ok(Some(connection.clone())));
        assert_eq!(store.sealed_grants(connection.id).await.unwrap(), [grant(&connection, 1, b"sealed-1")]);
        assert_eq!(store.history(&owner("ada"), INSTAGRAM, None, 9).await.unwrap().entries.len(), 1);
        let mut change = update(&connection);
        let late = begin(&attempt(&owner("ada"), 1), Some(0));
        change.attempt = late.attempt;
        assert_eq!(store.commit(&change).await, Ok(CommitOutcome::TooManyAttempts));
        assert_eq!(store.connection_by_id(connection.id).await, Ok(Some(connection)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_are_appended_and_the_previous_one_is_kept() {
    on_each_engine(async |db| {
        let store = &db.store;
        let connection = linked(store, "ada", "1").await;
        for version in 2..=4 {
            let change = ChangeSet {
                append_grant: Some(grant(&connection, version, b"sealed")),
                erase_grants_below: Some((connection.id, version - 1)),
                ..ChangeSet::default()
            };
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
        }
        let versions: Vec<_> =
            store.sealed_grants(connection.id).await.unwrap().iter().map(|each| each.version).collect();
        assert_eq!(versions, [4, 3]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_paged_newest_first_without_gaps() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let mut connection = linked(store, "ada", "1").await;
        for _ in 0..6 {
            let mut change = update(&connection);
            let next = change.connection.as_ref().unwrap().connection.clone();
            let mut expired = entry(&next);
            (expired.state, expired.reason) = (State::ReconnectRequired, Some(Reason::Expired));
            change.history = vec![entry(&next), expired];
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
            connection = next;
        }
        let mut all = Vec::new();
        let mut before = None;
        loop {
            let page = store.history(&ada, INSTAGRAM, before, 5).await.expect("a page");
            assert!(page.entries.len() <= 5);
            all.extend(page.entries);
            // What clients carry is text.
            before = page.next.map(|cursor| cursor.to_string().parse().expect("a cursor"));
            if before.is_none() {
                break;
            }
        }
        let seen: Vec<_> = all.iter().map(|each| (each.version, each.reason.is_some())).collect();
        let expected: Vec<_> = (2..=7)
            .rev()
            .flat_map(|version| [(version, true), (version, false)])
            .chain([(1, false)])
            .collect();
        assert_eq!(seen, expected);
        assert_eq!(all.last(), Some(&entry(&super::fixtures::connection(&ada, "1"))));
        assert!(store.history(&owner("grace"), INSTAGRAM, None, 5).await.unwrap().entries.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_makes_no_sense_is_named_without_its_values() {
    on_each_engine(async |db| {
        let connection = linked(&db.store, "ada", "1").await;
        db.execute("UPDATE connections SET state = 'secret-sauce'").await;
        let error = db.store.connection_by_id(connection.id).await.expect_err("unknown state").to_string();
        assert!(error.contains("connections") && error.contains(&connection.id.to_string()), "{error}");
        assert!(error.contains("state") && !error.contains("secret-sauce"), "{error}");
    })
    .await;
}
