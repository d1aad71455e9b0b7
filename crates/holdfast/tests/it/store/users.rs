//! User records: made once, and written only by newer facts.

use std::time::Duration;

use holdfast::clerk::UserFacts;
use holdfast::clock::after;
use holdfast::store::{Synced, Visit};
use sqlx::{Connection as _, Executor as _, PgConnection};

use super::events::erase;
use super::fixtures::{DAY, in_parallel, later, owner};
use crate::testing::database::{Engine, TestDb, on_each_engine, start_of_time};
use crate::testing::waiting::until;

fn facts(first_name: &str) -> UserFacts {
    UserFacts {
        email: Some("ada@example.com".to_owned()),
        email_verified: Some(true),
        first_name: Some(first_name.to_owned()),
        ..UserFacts::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_hundred_parallel_first_calls_one_creates() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let synced = in_parallel(100, |_| {
            let store = store.clone();
            async move {
                store
                    .meet_user(&owner("ada"), &facts("Ada"), start_of_time(), Visit::Sync)
                    .await
                    .expect("it syncs")
            }
        })
        .await;
        let created = synced.iter().filter(|each| matches!(each, Some(Synced { created: true, .. }))).count();
        assert_eq!(created, 1);
        let stored = store.user(&owner("ada")).await.expect("it reads").expect("a record");
        for each in synced {
            let Some(Synced { user, .. }) = each else { panic!("{each:?}") };
            assert_eq!(user, stored);
        }
        assert_eq!(stored.email.as_deref(), Some("ada@example.com"));
        assert_eq!(stored.email_verified, Some(true));
        assert_eq!(stored.last_name, None);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dated_facts_replace_older_ones_and_claims_replace_none_of_them() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let sync = async |facts: UserFacts, now| {
            let synced = store.meet_user(&ada, &facts, now, Visit::Sync).await.expect("it syncs");
            synced.expect("not erased").user
        };
        let claims = sync(facts("From claims"), start_of_time()).await;
        assert_eq!(claims.updated_at, start_of_time());
        let dated = UserFacts {
            updated_at: Some(later(DAY)),
            first_name: Some("Dated".to_owned()),
            ..UserFacts::default()
        };
        let user = sync(dated.clone(), later(DAY)).await;
        assert_eq!(
            (user.first_name.as_deref(), user.email.as_deref()),
            (Some("Dated"), None),
            "a dated source is whole"
        );
        assert_eq!((user.created_at, user.updated_at), (start_of_time(), later(DAY)));
        let older = UserFacts {
            updated_at: Some(start_of_time()),
            first_name: Some("Older".to_owned()),
            ..UserFacts::default()
        };
        assert_eq!(sync(older, later(2 * DAY)).await.first_name.as_deref(), Some("Dated"));
        let user = sync(facts("From claims"), later(3 * DAY)).await;
        assert_eq!(user.first_name.as_deref(), Some("Dated"));
        assert_eq!((user.updated_at, user.last_seen_at), (later(DAY), Some(later(3 * DAY))));
        let seen = async || store.user(&ada).await.expect("it reads").expect("a record").last_seen_at;
        store.touch_user(&ada, later(2 * DAY));
        until("it is noted", async || {
            store.touch_user(&ada, later(4 * DAY));
            let at = seen().await;
            assert!(at >= Some(later(3 * DAY)), "it never moves back");
            at == Some(later(4 * DAY))
        })
        .await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_changes_nothing_is_written_once_a_minute() {
    on_each_engine(async |db| {
        let (store, ada, began) = (&db.store, owner("ada"), start_of_time());
        let at = |seconds| after(began, Duration::from_secs(seconds));
        let meet = async |name: &str, now, visit| {
            let met = store.meet_user(&ada, &facts(name), now, visit).await.expect("it syncs");
            let Synced { user, created } = met.expect("it is not erased");
            (user.first_name.unwrap(), user.last_seen_at, created)
        };
        let ada_at = |seconds, created| ("Ada".to_owned(), Some(at(seconds)), created);
        assert_eq!(meet("Ada", at(0), Visit::Other).await, ada_at(0, false));
        assert_eq!(meet("Ada", at(1), Visit::Sync).await, ada_at(1, true), "the first one is one");
        for second in 2..60 {
            assert_eq!(meet("Ada", at(second), Visit::Sync).await, ada_at(1, false));
        }
        assert_eq!(meet("Grace", at(60), Visit::Sync).await, ("Grace".to_owned(), Some(at(60)), false));
        assert_eq!(meet("Ada", at(61), Visit::Sync).await, ada_at(61, false));
        assert_eq!(meet("Ada", at(120), Visit::Sync).await, ada_at(61, false));
        assert_eq!(meet("Ada", at(121), Visit::Sync).await, ada_at(121, false));
        assert_eq!(meet("Ada", at(900), Visit::Impersonated).await, ada_at(121, false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_user_does_not_come_back() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        store.meet_user(&ada, &facts("Ada"), start_of_time(), Visit::Sync).await.expect("it syncs");
        erase(store, &ada, later(DAY)).await.expect("it erases");
        assert_eq!(store.user(&ada).await, Ok(None));
        let synced = store.meet_user(&ada, &facts("Ada"), later(DAY), Visit::Sync).await;
        assert_eq!(synced, Ok(None));
        assert_eq!(store.user(&ada).await, Ok(None), "the refused call leaves no record");
        erase(store, &ada, later(DAY)).await.expect("erasing again is fine");
    })
    .await;
}

/// They wait for each other, and only one of them has a connection while it waits.
#[tokio::test(flavor = "multi_thread")]
async fn however_many_calls_of_one_user_wait_others_are_served() {
    let db = TestDb::new(Engine::Postgres).await;
    let url = secrecy::ExposeSecret::expose_secret(&db.options.url);
    let ada = db.store.meet_user(&owner("ada"), &facts("Ada"), start_of_time(), Visit::Sync).await;
    ada.expect("it syncs");
    let mut holder = PgConnection::connect(url).await.expect("a connection");
    let hold = "BEGIN; SELECT FROM users WHERE id = 'user_ada' FOR UPDATE";
    holder.execute(hold).await.expect("the row is locked");
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let store = db.store.clone();
            let facts = facts(&number.to_string());
            tokio::spawn(async move { store.meet_user(&owner("ada"), &facts, later(DAY), Visit::Sync).await })
        })
        .collect();
    let waiting = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND wait_event_type = 'Lock'";
    until("one waits", async || db.count(waiting).await >= 1).await;
    for number in 0..20 {
        let name = format!("other_{number}");
        let other = db.store.meet_user(&owner(&name), &facts("Grace"), later(DAY), Visit::Sync).await;
        other.expect("others are served");
    }
    assert_eq!(db.count(waiting).await, 1);
    holder.execute("ROLLBACK").await.expect("the row is free");
    for call in calls {
        call.await.expect("it ends").expect("it syncs");
    }
}
