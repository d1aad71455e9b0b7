//! Data keys, their rotation and loss, and service keys.

use std::sync::Arc;

use base64::Engine as _;
use holdfast::app::prove_ring;
use holdfast::clerk::UserFacts;
use holdfast::clock::Clock as _;
use holdfast::connection::{Reason, Standing};
use holdfast::connections::grants::{RowSeal, renew_user_key};
use holdfast::entropy::SystemEntropy;
use holdfast::store::{DataDeletion, KeyUse, NewServiceKey, Retired, StoreError, Unfinished, Visit};
use holdfast::vault::{KeyRing, Location, SentinelError, Vault};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::events::erase;
use super::fixtures::{DAY, INSTAGRAM, in_parallel, later, linked, owner};
use crate::grants::setup::{Replica, ring_entry};
use crate::grants::world::{RefreshEffect, World};
use crate::testing::database::{Engine, on_each_engine, slow, start_of_time};
use crate::testing::waiting::until;

fn vault(ids: &[(&str, u8)]) -> Vault {
    let list: Vec<_> = ids
        .iter()
        .map(|(id, seed)| {
            let bytes: Vec<u8> = (0..32).map(|index| index ^ seed).collect();
            format!("{id}:{}", base64::engine::general_purpose::STANDARD.encode(bytes))
        })
        .collect();
    Vault::new(KeyRing::parse(&list.join(",")).expect("a ring"), Arc::new(SystemEntropy))
}

fn location(user_id: &str) -> Location<'_> {
    Location { table: "grants", column: "blob", row: "1", user_id, provider: "instagram", version: 1 }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_that_make_a_users_key_one_wins_and_all_get_it() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let vault = vault(&[("a", 1)]);
        prove_ring(&vault, &store).await.expect("it stores");
        let (_, early) = vault.new_user_key("user_ada").expect("a key");
        assert_eq!(store.insert_user_key("user_ada", &early).await, Ok(None), "no record, no key");
        store
            .meet_user(&owner("ada"), &UserFacts::default(), start_of_time(), Visit::Sync)
            .await
            .expect("it syncs");
        let winners =
            in_parallel(20, |_| {
                let (store, (_, wrapped)) = (store.clone(), vault.new_user_key("user_ada").expect("a key"));
                async move {
                    store.insert_user_key("user_ada", &wrapped).await.expect("it answers").expect("a key")
                }
            })
            .await;
        let stored = store.user_key("user_ada").await.expect("it reads").expect("a key");
        assert!(winners.iter().all(|each| *each == stored));
        erase(&store, &owner("ada"), later(DAY)).await.expect("it erases");
        assert_eq!(store.user_key("user_ada").await, Ok(None), "shredded");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rotation_renews_keys_online_and_then_the_old_key_retires() {
    on_each_engine(async |db| {
        let store = &db.store;
        let old = vault(&[("old", 1)]);
        prove_ring(&old, store).await.expect("it stores");
        let mut blobs = Vec::new();
        for name in ["ada", "edsger", "grace"] {
            store
                .meet_user(&owner(name), &UserFacts::default(), start_of_time(), Visit::Sync)
                .await
                .expect("it syncs");
            let user_id = owner(name).as_str().to_owned();
            let (key, wrapped) = old.new_user_key(&user_id).expect("a key");
            store.insert_user_key(&user_id, &wrapped).await.expect("it stores");
            blobs.push(key.seal(&location(&user_id), name.as_bytes()).expect("sealed"));
        }
        let both = vault(&[("new", 2), ("old", 1)]);
        prove_ring(&both, store).await.unwrap();
        assert_eq!(store.retire_key("old").await, Ok(Retired::StillNeeded(3)));
        // Pages of two, as a rotation does it.
        let mut after = String::new();
        loop {
            let page = store.user_keys_not_under("new", &after, 2).await.expect("a page");
            let Some(last) = page.last() else { break };
            after.clone_from(&last.user_id);
            for each in &page {
                assert!(renew_user_key(store, &both, each).await.unwrap());
                assert!(!renew_user_key(store, &both, each).await.unwrap(), "compared with what was read");
            }
        }
        assert_eq!(
            store.key_use().await.unwrap().into_iter().collect::<Vec<_>>(),
            [("new".to_owned(), 3), ("old".to_owned(), 0)]
        );
        assert!(matches!(
            vault(&[("new", 2)]).prove(&store.sentinels().await.unwrap()),
            Err(SentinelError::Missing { .. })
        ));
        assert_eq!(store.retire_key("old").await, Ok(Retired::Done));
        let new = vault(&[("new", 2)]);
        assert_eq!(new.prove(&store.sentinels().await.unwrap()), Ok(None));
        for (name, blob) in ["ada", "edsger", "grace"].into_iter().zip(blobs) {
            let user_id = owner(name).as_str().to_owned();
            let wrapped = store.user_key(&user_id).await.unwrap().expect("a key");
            let opened =
                new.open_user_key(&user_id, &wrapped).unwrap().open(&location(&user_id), &blob).unwrap();
            assert_eq!(opened.expose_secret(), name.as_bytes());
        }
        // A replica that was left behind, and one that has stored its key just before.
        store
            .meet_user(&owner("late"), &UserFacts::default(), start_of_time(), Visit::Sync)
            .await
            .expect("it syncs");
        let late = owner("late").as_str().to_owned();
        let (_, by_old) = old.new_user_key(&late).expect("a key");
        let refused = store.insert_user_key(&late, &by_old).await;
        assert_eq!(refused, Err(StoreError::KeyRetired { key_id: "old".to_owned() }));
        let (_, by_new) = new.new_user_key(&late).expect("a key");
        assert_eq!(store.insert_user_key(&late, &by_new).await, Ok(Some(by_new.clone())));
        assert_eq!(store.insert_user_key(&late, &by_old).await, Ok(Some(by_new)), "there is one already");
        let wrong = vault(&[("new", 3)]).prove(&store.sentinels().await.unwrap());
        assert_eq!(wrong, Err(SentinelError::OtherBytes { key_id: "new".to_owned() }));
    })
    .await;
}

/// Somebody has the key and a backup, and so every data key of that time. The ring is rotated, the
/// connection forgotten and made anew; then they get another copy of the database.
#[tokio::test(flavor = "multi_thread")]
async fn who_has_opened_an_old_backup_opens_nothing_that_is_stored_after_a_rotation() {
    on_each_engine(async |db| {
        let store = &db.store;
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", store.clone(), &db.clock, &world, None);
        let (ada, grace) = (one.link("ada").await, one.link("grace").await);
        db.clock.advance(31 * DAY);
        // This one is back from Instagram just now.
        let (attempt, completion) = one.come_back("carl").await;
        let carl = store.connection(&owner("carl"), INSTAGRAM).await.unwrap().expect("it has begun");
        let mut stolen = Vec::new();
        for connection in [ada, grace, carl] {
            let wrapped = store.user_key(&connection.user_id).await.unwrap().expect("a key");
            stolen.push((one.vault.open_user_key(&connection.user_id, &wrapped).unwrap(), connection));
        }
        let opened = async || {
            let mut opened = Vec::new();
            for (key, connection) in &stolen {
                let grants = store.sealed_grants(connection.id).await.unwrap();
                let seal = RowSeal::of_connection(key, connection);
                opened.push(grants.iter().map(|grant| seal.open_grant(grant).is_ok()).collect::<Vec<_>>());
            }
            opened
        };
        assert_eq!(opened().await, [vec![true], vec![true], vec![]], "as in the backup");
        one.tick().await;
        assert_eq!(opened().await, [vec![true; 2], vec![true; 2], vec![]], "refreshed since");

        let two = "two:CQgLCg0MDw4BAAMCBQQHBhkYGxodHB8eERATEhUUFxY=";
        let ring = |list: &str| Vault::new(KeyRing::parse(list).unwrap(), Arc::new(SystemEntropy));
        let both = ring(&format!("{two},{}", ring_entry()));
        prove_ring(&both, store).await.unwrap();
        let rows = store.user_keys_not_under("two", "", 9).await.unwrap();
        for row in &rows {
            assert!(renew_user_key(store, &both, row).await.unwrap());
        }
        assert_eq!((rows.len(), store.retire_key("one").await), (3, Ok(Retired::Done)));
        one.vault.replace(&ring(two));
        assert_eq!(opened().await, [vec![false; 2], vec![false; 2], vec![]]);

        one.connections.disconnect(&owner("ada")).await.unwrap();
        let again = one.come_back("ada").await;
        for (name, (attempt, completion)) in [("ada", again), ("carl", (attempt, completion))] {
            one.connections.complete(&owner(name), attempt, &completion).await.expect("it is linked");
        }
        one.pass(31 * DAY, DAY).await;
        for name in ["ada", "grace", "carl"] {
            assert!(world.is_alive(&one.token(name).await.expect("a grant")), "{name}");
        }
        let opened = opened().await.concat();
        assert!(opened.len() >= 3 && !opened.contains(&true), "{opened:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_keys_are_found_by_hash_and_revoked_once() {
    on_each_engine(async |db| {
        let store = &db.store;
        let key = NewServiceKey { id: Uuid::from_u128(7), name: "backend".to_owned(), hash: [5; 32] };
        store.insert_service_key(&key, start_of_time()).await.expect("it stores");
        let found = store.service_key_by_hash(&[5; 32]).await.unwrap().expect("found");
        assert_eq!((found.id, found.name.as_str(), found.revoked_at), (key.id, "backend", None));
        assert_eq!(store.service_key_by_hash(&[6; 32]).await, Ok(None));
        store.touch_service_key(key.id, later(DAY));
        let used = async || store.service_keys().await.unwrap()[0].last_used_at;
        until("it is noted", async || used().await == Some(later(DAY))).await;
        assert_eq!(store.revoke_service_key(key.id, later(2 * DAY)).await, Ok(true));
        assert_eq!(store.revoke_service_key(key.id, later(3 * DAY)).await, Ok(false));
        let all = store.service_keys().await.unwrap();
        assert_eq!((all[0].last_used_at, all[0].revoked_at), (Some(later(DAY)), Some(later(2 * DAY))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_request_can_be_looked_up_before_and_after() {
    on_each_engine(async |db| {
        let mut deletion = DataDeletion {
            code: "A1B2".to_owned(),
            provider: INSTAGRAM,
            requested_at: start_of_time(),
            completed_at: None,
            erased: 0,
            unfinished: Some(Unfinished {
                issued_at: start_of_time(),
                connections: vec![Uuid::from_u128(7)],
            }),
        };
        // As a version before left it: nothing is known of what is to be erased, until it comes again.
        let left = DataDeletion { unfinished: None, ..deletion.clone() };
        db.store.record_deletion(&left).await.expect("it stores");
        assert_eq!(db.store.unfinished_deletions(later(DAY)).await, Ok(vec![]));
        db.store.record_deletion(&deletion).await.expect("it stores");
        assert_eq!(db.store.deletion("A1B2").await, Ok(Some(deletion.clone())));
        assert_eq!(db.store.unfinished_deletions(later(DAY)).await, Ok(vec![deletion.clone()]));
        // The same request, delivered twice at once: what each has erased adds up.
        let waiting = deletion.clone();
        (deletion.completed_at, deletion.unfinished) = (Some(later(DAY)), None);
        for erased in [2, 0] {
            let done = DataDeletion { erased, ..deletion.clone() };
            db.store.record_deletion(&done).await.expect("it stores");
        }
        // And a third time, from before it was done.
        db.store.record_deletion(&waiting).await.expect("it stores");
        deletion.erased = 2;
        assert_eq!(db.store.unfinished_deletions(later(DAY)).await, Ok(vec![]));
        assert_eq!(db.store.deletion("A1B2").await, Ok(Some(deletion)));
        assert_eq!(db.store.deletion("other").await, Ok(None));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_lost_takes_what_it_sealed_along_and_nothing_else() {
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let ada = one.link("ada").await;
        // Grace's data key is sealed with another key of the ring.
        let grace = one.link("grace").await;
        db.execute("UPDATE user_keys SET key_id = 'other' WHERE user_id = 'user_grace'").await;
        let told = db.store.opened_by_key("one").await;
        assert_eq!(told, Ok((1, 0)), "said before it is done");
        assert_eq!(db.store.give_up_key("one", db.clock.now()).await, Ok(1));

        let now = one.now(ada.id).await;
        assert_eq!(now.standing, Reason::KeyLost.into());
        assert_eq!((now.grant, now.next_refresh_at, now.version), (None, None, ada.version + 1));
        assert!(now.account.is_some(), "the person is told which account to connect again");
        let history = one.connections.history(&owner("ada"), None, 9).await.expect("it answers");
        assert_eq!(history.entries[0].reason, Some(Reason::KeyLost));
        assert_eq!(db.store.sealed_grants(ada.id).await, Ok(Vec::new()));
        assert_eq!(db.store.user_key("user_ada").await, Ok(None));
        assert_eq!(one.now(grace.id).await.standing, Standing::CONNECTED);
        assert_eq!(db.store.give_up_key("one", db.clock.now()).await, Ok(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_of_many_users_is_given_up_in_steps() {
    on_each_engine(async |db| {
        let ada = linked(&db.store, "ada", "1").await;
        db.execute(&format!(
            "BEGIN; INSERT INTO key_ring_sentinel SELECT 'one', blob, 1 FROM grants; {} \
             INSERT INTO user_keys SELECT id, 'one', blob, 1 FROM users CROSS JOIN grants; COMMIT",
            (0..2000)
                .map(|n| format!("INSERT INTO users (id, created_at, updated_at) VALUES ('user_{n}', 1, 1);"))
                .collect::<String>()
        ))
        .await;
        if db.engine == Engine::Postgres {
            slow(db, "user_keys", "DELETE").await;
            // Counting them all takes too long.
            db.execute(
                "ALTER TABLE user_keys RENAME TO all_keys; CREATE VIEW user_keys AS SELECT * FROM all_keys WHERE \
                 CASE WHEN current_query() LIKE 'SELECT COUNT%' THEN pg_sleep(0.003) IS NOT NULL ELSE true END",
            )
            .await;
        }
        assert_eq!(db.store.opened_by_key("one").await, Ok((1, 0)));
        assert_eq!(db.store.give_up_key("one", db.clock.now()).await, Ok(1));
        assert_eq!(db.store.key_use().await, Ok(KeyUse::new()));
        assert_eq!(db.store.sealed_grants(ada.id).await, Ok(Vec::new()));
        assert_eq!(db.count("SELECT COUNT(*) FROM connection_history WHERE reason = 'key_lost'").await, 1);
    })
    .await;
}
