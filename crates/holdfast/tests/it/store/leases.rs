//! Claiming: exactly once, the earliest deadline first.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast::connection::Connection;
use holdfast::connection::attempt::{Attempt, AttemptStage};
use holdfast::store::{CommitOutcome, Store};
use jiff::Timestamp;

use super::fixtures::{DAY, attempt, begin, connection, in_parallel, insert, later, linked, owner, update};
use crate::testing::database::{Engine, on_each_engine, start_of_time};

const LEASE: Duration = Duration::from_mins(2);

/// Connections that are due at once, the later ones with the earlier deadline.
async fn due(store: &Store, count: usize) -> Vec<Connection> {
    let mut all = Vec::new();
    for index in 0..count {
        let mut each = connection(&owner(&format!("due-{index}")), &format!("account-{index}"));
        each.next_refresh_at = Some(start_of_time());
        let left = u32::try_from(count - index).expect("a small count");
        each.grant.as_mut().expect("a grant").expires_at = later(left * DAY);
        assert_eq!(store.commit(&insert(&each)).await, Ok(CommitOutcome::Committed));
        all.push(each);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_claim_two_hundred_rows_exactly_once() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let all = due(&store, 200).await;
        let claimed = in_parallel(8, |worker| {
            let store = store.clone();
            async move {
                let name = format!("worker-{worker}");
                let mut mine = Vec::new();
                // Skipped rows are somebody else's at that moment, so an empty answer ends it only
                // if nothing is left free.
                while store.next_due_at().await.expect("it answers").is_some_and(|at| at <= start_of_time()) {
                    let leases = store.claim_due(&name, start_of_time(), LEASE, 7).await.expect("it claims");
                    assert!(leases.len() <= 7);
                    mine.extend(leases.iter().map(|lease| lease.connection().id));
                }
                mine
            }
        })
        .await;
        let mut times = BTreeMap::new();
        for id in claimed.iter().flatten() {
            *times.entry(*id).or_insert(0) += 1;
        }
        assert_eq!(times.len(), all.len());
        assert!(times.values().all(|each| *each == 1), "{times:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_earliest_deadline_comes_first_and_the_rest_waits() {
    on_each_engine(async |db| {
        let store = &db.store;
        let all = due(store, 5).await;
        let claimed = store.claim_due("worker", start_of_time(), LEASE, 2).await.expect("it claims");
        let ids: Vec<_> = claimed.iter().map(|lease| lease.connection().id).collect();
        assert_eq!(ids, [all[4].id, all[3].id]);
        assert_eq!(claimed[0].connection(), &all[4]);
        assert_eq!(store.next_due_at().await, Ok(Some(start_of_time())));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_due_or_must_wait_or_has_no_grant_is_not_claimed() {
    on_each_engine(async |db| {
        let store = &db.store;
        let mut waiting = connection(&owner("waiting"), "1");
        waiting.next_refresh_at = Some(start_of_time());
        waiting.retry_after = Some(later(DAY));
        let mut empty = connection(&owner("empty"), "2");
        empty.next_refresh_at = Some(start_of_time());
        empty.grant = None;
        let early = connection(&owner("early"), "3");
        for each in [&waiting, &empty, &early] {
            assert_eq!(store.commit(&insert(each)).await, Ok(CommitOutcome::Committed));
        }
        let claim = async |now| -> Vec<_> {
            let leases = store.claim_due("worker", now, LEASE, 9).await.expect("it claims");
            leases.iter().map(|lease| lease.connection().id).collect()
        };
        assert!(claim(start_of_time()).await.is_empty());
        assert_eq!(store.next_due_at().await, Ok(Some(later(DAY))));
        assert_eq!(claim(later(DAY)).await, [waiting.id]);
        assert_eq!(store.next_due_at().await, Ok(Some(later(DAY + LEASE))));
        assert_eq!(claim(later(31 * DAY)).await.len(), 2, "the lease ran out, and the third is due");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_and_was_claimed_again_cannot_be_given_back() {
    on_each_engine(async |db| {
        let store = &db.store;
        let connection = due(store, 1).await.remove(0);
        let slow = store.claim_due("worker", start_of_time(), LEASE, 1).await.unwrap().remove(0);
        assert_eq!(store.claim(connection.id, "other", start_of_time(), LEASE).await, Ok(None), "held");
        let takeover = later(LEASE);
        // The same worker's name: only the epoch tells them apart.
        let quick = store.claim(connection.id, "worker", takeover, LEASE).await.unwrap().expect("it ran out");
        assert!(quick.epoch() > slow.epoch());
        store.release(&slow).await.expect("releasing a lost lease does nothing");
        assert_eq!(store.claim(connection.id, "other", takeover, LEASE).await, Ok(None));
        store.release(&quick).await.expect("it releases");
        assert!(store.claim(connection.id, "other", takeover, LEASE).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_that_died_by_the_clock_are_found() {
    on_each_engine(async |db| {
        let store = &db.store;
        let connection = linked(store, "ada", "1").await;
        assert_eq!(store.expired_connections(later(59 * DAY), Timestamp::MIN, 9).await, Ok(vec![]));
        assert_eq!(
            store.expired_connections(later(60 * DAY), Timestamp::MIN, 9).await,
            Ok(vec![connection.clone()])
        );
        let mut said = update(&connection);
        said.connection.as_mut().unwrap().connection.standing = holdfast::connection::Reason::Expired.into();
        assert_eq!(store.commit(&said).await, Ok(CommitOutcome::Committed));
        assert_eq!(
            store.expired_connections(later(60 * DAY), Timestamp::MIN, 9).await,
            Ok(vec![]),
            "it says so already"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_claimed_by_deadline_too() {
    on_each_engine(async |db| {
        let store = &db.store;
        // Rows as they are, behind the store's back: two thousand commits would take their time.
        let numbers = match db.engine {
            Engine::Sqlite => {
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT i FROM n"
            }
            Engine::Postgres => "SELECT generate_series(1, 2000) AS i",
        };
        let now = start_of_time().as_millisecond();
        db.execute(&format!(
            "CREATE TABLE numbers AS {numbers}; \
             INSERT INTO users (id, created_at, updated_at) SELECT 'user_' || i, 0, 0 FROM numbers; \
             INSERT INTO connections (id, user_id, provider, state, scopes, missing_scopes, grant_version, \
             grant_obtained_at, grant_expires_at, next_refresh_at, since, version) \
             SELECT '00000000-0000-0000-0000-' || (100000000000 + i), 'user_' || i, 'instagram', 'connected', '[]', \
             '[]', 1, 0, {now} + ((i * 7919) % 2003) * 60000, {now} - i, 0, 1 FROM numbers"
        ))
        .await;
        let mut deadlines = Vec::new();
        loop {
            let leases = store.claim_due("worker", start_of_time(), LEASE, 150).await.expect("it claims");
            if leases.is_empty() {
                break;
            }
            deadlines.extend(leases.iter().map(|lease| lease.connection().grant.expect("a grant").expires_at));
        }
        assert_eq!(deadlines.len(), 2000);
        assert!(deadlines.is_sorted());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_asker_per_gap_may_probe_also_where_clocks_differ_a_little() {
    on_each_engine(async |db| {
        let id = linked(&db.store, "ada", "1").await.id;
        let gap = Duration::from_mins(1);
        let asked = async |seconds| {
            let now = start_of_time() + jiff::SignedDuration::from_secs(seconds);
            db.store.claim_me_call(id, now, gap).await.expect("it answers")
        };
        assert!(asked(0).await);
        // Looked at the clock before, or on another machine, and came later.
        assert!(!asked(-1).await);
        assert!(!asked(59).await);
        assert!(asked(60).await);
        // The clock was an hour ahead and has been set right.
        assert!(asked(3600).await);
        assert!(asked(120).await);
        assert!(!asked(121).await);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_held_is_free_where_no_other_can_hold_it() {
    on_each_engine(async |db| {
        due(&db.store, 3).await;
        let held = db.store.claim_due("before", start_of_time(), LEASE, 2).await.expect("it claims");
        assert_eq!(held.len(), 2);
        let released = db.store.release_dead_server().await.expect("it releases");
        let free = db.store.claim_due("after", start_of_time(), LEASE, 9).await.expect("it claims").len();
        match db.engine {
            Engine::Sqlite => assert_eq!((released, free), (2, 3)),
            // Another replica may be alive.
            Engine::Postgres => assert_eq!((released, free), (0, 1)),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_servers_claims_on_attempts_are_free_and_pauses_stay() {
    on_each_engine(async |db| {
        let ada = owner("ada");
        linked(&db.store, "ada", "1").await;
        let now = start_of_time();
        let held =
            [(1, Some(later(LEASE)), None), (2, None, Some(later(LEASE)))].map(|(number, busy, pause)| {
                let held = attempt(&ada, number);
                let stage = AttemptStage::ShortGranted;
                Attempt { busy_until: busy, paused_until: pause, stage, created_at: now, ..held }
            });
        for each in &held {
            assert_eq!(db.store.commit(&begin(each, None)).await, Ok(CommitOutcome::Committed));
        }
        assert_eq!(db.store.stranded_attempts(now, 9).await, Ok(vec![]));
        db.store.release_dead_server().await.expect("it releases");
        let free = db.store.stranded_attempts(now, 9).await.expect("it answers");
        let ids: Vec<_> = free.iter().map(|each| each.id).collect();
        match db.engine {
            Engine::Sqlite => assert_eq!(ids, [held[0].id]),
            Engine::Postgres => assert!(ids.is_empty(), "{ids:?}"),
        }
        let all = db.store.stranded_attempts(later(LEASE), 9).await.expect("it answers");
        assert_eq!(all.len(), 2);
    })
    .await;
}
