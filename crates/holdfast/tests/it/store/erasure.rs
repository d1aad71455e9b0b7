//! What is erased is gone: from the tables, from the file and from its log.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use holdfast::app::prove_ring;
use holdfast::caller::OwnerId;
use holdfast::clerk::UserFacts;
use holdfast::entropy::SystemEntropy;
use holdfast::store::{ChangeSet, CommitOutcome, EventOutcome, NewServiceKey, StatusFacts, Store, Visit};
use holdfast::vault::{KeyRing, Location, Vault};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

use super::events::{erase, event};
use super::fixtures::{
    DAY, INSTAGRAM, advance, attempt, begin, connection, grant, in_parallel, insert, later, linked, owner,
    unlink,
};
use crate::testing::database::{Engine, TestDb, on_each_engine, slow, start_of_time};
use crate::testing::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn erasing_a_user_leaves_a_tombstone_and_nothing_else() {
    on_each_engine(async |db| {
        let (store, ada) = (&db.store, owner("ada"));
        let connection = linked(store, "ada", "1").await;
        linked(store, "grace", "2").await;
        store.commit(&begin(&attempt(&ada, 1), None)).await.expect("it commits");
        erase(store, &ada, later(DAY)).await.expect("it erases");
        assert_eq!(store.status_facts(&ada, INSTAGRAM).await, Ok(StatusFacts::default()));
        assert_eq!(store.sealed_grants(connection.id).await, Ok(vec![]));
        assert_eq!(store.attempt_by_state(&[1; 32]).await, Ok(None));
        assert!(store.history(&ada, INSTAGRAM, None, 9).await.unwrap().entries.is_empty());
        assert!(store.connection(&owner("grace"), INSTAGRAM).await.unwrap().is_some());
        for change in [insert(&connection), unlink(&connection), begin(&attempt(&ada, 2), None)] {
            assert_eq!(store.commit(&change).await, Ok(CommitOutcome::UserDeleted));
        }
        let open = attempt(&ada, 1);
        assert_eq!(store.commit(&advance(&open, |_| {}).1).await, Ok(CommitOutcome::UserDeleted));
        assert_eq!(store.user(&ada).await, Ok(None), "refused writes leave no record");
    })
    .await;
}

/// A grant that is taken often, and an attempt an hour for a year, are many rows of one user.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_many_rows_is_erased_in_time() {
    on_each_engine(async |db| {
        let connection = linked(&db.store, "ada", "1").await;
        let act = |n: usize| {
            format!("INSERT INTO audit (id, at, actor, action, user_id) VALUES ('{n:032x}', {n}, 'x', 'grant.taken', 'user_ada');")
        };
        let entry = |n: usize| {
            format!("INSERT INTO connection_history (connection_id, version, position, at, state) VALUES ('{}', 9, {n}, {n}, 'connected');", connection.id)
        };
        let rows = (0..2000).map(|n| act(n) + &entry(n)).collect::<String>();
        db.execute(&format!("BEGIN; {rows} COMMIT")).await;
        if db.engine == Engine::Postgres {
            slow(db, "audit", "UPDATE").await;
            slow(db, "connection_history", "DELETE").await;
        }
        erase(&db.store, &owner("ada"), later(DAY)).await.expect("it erases");
        assert_eq!(db.store.user(&owner("ada")).await, Ok(None));
        assert_eq!(db.count("SELECT COUNT(*) FROM connection_history").await, 0);
        assert_eq!(db.count("SELECT COUNT(*) FROM audit WHERE user_id IS NULL").await, 2000);
        // By a request that was under way, or left by a crash.
        db.execute(&(act(3000) + &act(3001).replace("user_ada", "user_grace"))).await;
        assert_eq!(db.store.forget_acts_of_erased("", 9).await, Ok(Some("user_ada".to_owned())));
        assert_eq!(db.store.forget_acts_of_erased("user_ada", 9).await, Ok(None));
        assert_eq!(db.count("SELECT COUNT(*) FROM audit WHERE user_id = 'user_grace'").await, 1);
        assert_eq!(db.count("SELECT COUNT(*) FROM audit WHERE user_id = 'user_ada'").await, 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_and_a_link_at_the_same_time_leave_nothing_behind() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        for round in 0..30 {
            let user = owner(&format!("race_{round}"));
            let (linking, erasing) = (store.clone(), store.clone());
            let change = insert(&connection(&user, &format!("account-{round}")));
            let to_erase = user.clone();
            let link = tokio::spawn(async move { linking.commit(&change).await });
            let erase = tokio::spawn(async move { erase(&erasing, &to_erase, later(DAY)).await });
            let linked = link.await.unwrap().expect("it answers");
            erase.await.unwrap().expect("it erases");
            assert!(matches!(linked, CommitOutcome::Committed | CommitOutcome::UserDeleted), "{linked:?}");
            assert_eq!(store.connection(&user, INSTAGRAM).await, Ok(None), "round {round}, {linked:?}");
            assert_eq!(store.user(&user).await, Ok(None), "round {round}, {linked:?}");
        }
    })
    .await;
}

const TOKEN: &[u8] = b"IGAAPlaintextTokenThatMustNeverStandInAFile";
const CODE: &[u8] = b"AQBPlaintextCodeThatMustNeverStandInAFile";

#[tokio::test(flavor = "multi_thread")]
async fn the_file_holds_no_plaintext_and_after_erasure_no_sealed_bytes_either() {
    let db = TestDb::new(Engine::Sqlite).await;
    let store = db.store.clone();
    let ring_bytes: Vec<u8> = (1..=32).collect();
    let list = format!("k:{}", base64::engine::general_purpose::STANDARD.encode(&ring_bytes));
    let vault = Vault::new(KeyRing::parse(&list).unwrap(), Arc::new(SystemEntropy));
    prove_ring(&vault, &store).await.expect("it stores");
    let mut blobs = Vec::new();
    for name in ["ada", "grace"] {
        let user = owner(name);
        store.meet_user(&user, &UserFacts::default(), start_of_time(), Visit::Sync).await.expect("it syncs");
        let (key, wrapped) = vault.new_user_key(user.as_str()).expect("a key");
        store.insert_user_key(user.as_str(), &wrapped).await.expect("it stores");
        let place = |table, row| Location {
            table,
            column: "blob",
            row,
            user_id: user.as_str(),
            provider: "instagram",
            version: 1,
        };
        let grant_blob = key.seal(&place("grants", "c"), &TOKEN.repeat(5)).expect("sealed");
        let code_blob = key.seal(&place("attempts", "a"), CODE).expect("sealed");
        let connection = connection(&user, name);
        let mut change = insert(&connection);
        change.append_grant = Some(grant(&connection, 1, &grant_blob));
        assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
        let mut open = attempt(&user, u8::try_from(name.len()).unwrap());
        open.sealed = Some(code_blob.clone());
        assert_eq!(store.commit(&begin(&open, None)).await, Ok(CommitOutcome::Committed));
        blobs.push((connection, grant_blob, code_blob, wrapped.blob));
    }
    let (ada, grace) = (&blobs[0], &blobs[1]);
    for plain in [TOKEN, CODE, &ring_bytes] {
        assert!(!stored(&db, plain), "plaintext in the file");
    }
    assert!(
        stored(&db, &ada.1) && stored(&db, &ada.2) && stored(&db, &grace.1),
        "the search finds what is there"
    );
    // Disconnecting takes the grant; erasing takes all.
    assert_eq!(store.commit(&unlink(&ada.0)).await, Ok(CommitOutcome::Committed));
    store.scrub().await.unwrap();
    assert!(!stored(&db, &ada.1), "the sealed grant outlived the disconnection");
    assert!(stored(&db, &grace.1));
    for name in ["ada", "grace"] {
        erase(&store, &owner(name), later(DAY)).await.expect("it erases");
    }
    for (_, grant_blob, code_blob, key_blob) in &blobs {
        for blob in [grant_blob, code_blob, key_blob] {
            // A page boundary may cut a blob in two; its halves must be gone as well.
            for part in blob.chunks(24).filter(|part| part.len() == 24) {
                assert!(!stored(&db, part), "sealed bytes outlived the erasure");
            }
        }
    }
    db.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_names_no_erased_user_beside_what_was_done() {
    let db = TestDb::new(Engine::Sqlite).await;
    linked(&db.store, "ada", "1").await;
    let act = |n: usize| {
        format!(
            "INSERT INTO audit (id, at, actor, action, user_id) VALUES ('{n}', {n}, 'x', 'grant.taken', 'user_ada')"
        )
    };
    let names_her = || stored(&db, b"grant.takenuser_ada");
    db.execute(&act(1)).await;
    assert!(names_her(), "the search finds what is there");
    erase(&db.store, &owner("ada"), later(DAY)).await.expect("it erases");
    assert!(!names_her(), "it outlived the erasure");
    // By a request that was under way; the sweep finds it.
    db.execute(&act(2)).await;
    db.store.forget_acts_of_erased("", 9).await.expect("it forgets");
    db.store.finish_scrub().await;
    assert!(!names_her(), "it outlived the sweep");
    db.remove().await;
}

/// Connects the user; returns the bytes of the sealed grant.
async fn sealed_for(store: &Store, user: &OwnerId) -> &'static [u8] {
    let (connection, sealed) = (connection(user, "1"), b"the-sealed-grant-of-ada");
    let change = ChangeSet { append_grant: Some(grant(&connection, 1, sealed)), ..insert(&connection) };
    assert_eq!(store.commit(&change).await, Ok(CommitOutcome::Committed));
    sealed
}

/// A backup reads for long. Nobody else may have to wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_during_a_long_read_keeps_no_write_waiting_and_ends_with_it() {
    let db = TestDb::new(Engine::Sqlite).await;
    let (store, ada) = (db.store.clone(), owner("ada"));
    let sealed = sealed_for(&store, &ada).await;
    let long_read = rusqlite::Connection::open(db.file()).unwrap();
    long_read.execute_batch("BEGIN; SELECT * FROM users").unwrap();
    let erasing = tokio::spawn({
        let (store, ada) = (store.clone(), ada.clone());
        async move { erase(&store, &ada, later(DAY)).await }
    });
    until("it is erased", async || store.is_deleted(&ada).await.unwrap()).await;
    for n in 0..5 {
        let key = NewServiceKey { id: Uuid::from_u128(n.into()), name: "app".to_owned(), hash: [n; 32] };
        let written = timeout(Duration::from_secs(1), store.insert_service_key(&key, start_of_time())).await;
        assert_eq!(written, Ok(Ok(())));
    }
    assert!(stored(&db, sealed), "the read needs it");
    drop(long_read);
    erasing.await.unwrap().unwrap();
    assert!(!stored(&db, sealed));
    db.remove().await;
}

/// Clerk delivers an event again whose first delivery was cut short.
#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_event_ends_an_erasure_that_was_cut_short_after_its_commit() {
    let db = TestDb::new(Engine::Sqlite).await;
    let (store, ada) = (db.store.clone(), owner("ada"));
    let sealed = sealed_for(&store, &ada).await;
    // As the first one has committed it.
    db.execute(
        "PRAGMA secure_delete = ON; PRAGMA foreign_keys = ON; BEGIN; DELETE FROM users; \
         INSERT INTO deleted_users VALUES ('user_ada', 1); \
         INSERT INTO clerk_events (id, received_at) VALUES ('msg_1', 1); COMMIT",
    )
    .await;
    let act =
        "INSERT INTO audit (id, at, actor, action, user_id) VALUES ('1', 1, 'x', 'grant.taken', 'user_ada')";
    db.execute(act).await;
    assert!(stored(&db, sealed));
    let deleted = event("msg_1", "user.deleted", &json!({"id": ada.as_str(), "deleted": true}));
    assert_eq!(store.apply_clerk_event(&deleted, later(DAY)).await, Ok(EventOutcome::Duplicate));
    assert!(!stored(&db, sealed));
    assert_eq!(db.count("SELECT COUNT(*) FROM audit WHERE user_id = 'user_ada'").await, 0);
    db.remove().await;
}

/// Whether the bytes stand in the database file, its write-ahead log or its shared memory. Read by
/// another process: with each file that a process closes it gives up its locks on that file.
pub fn stored(db: &TestDb, needle: &[u8]) -> bool {
    ["", "-wal", "-shm", "-journal"].iter().any(|suffix| {
        let mut path = db.file().into_os_string();
        path.push(suffix);
        let read = Command::new("cat").arg(path).output().expect("`cat` runs");
        read.stdout.windows(needle.len()).any(|window| window == needle)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_work_of_many_users_does_not_deadlock() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let outcomes = in_parallel(40, |index| {
            let store = store.clone();
            async move {
                let name = format!("user-{}", index % 5);
                let user = owner(&name);
                store.meet_user(&user, &UserFacts::default(), start_of_time(), Visit::Sync).await?;
                store.commit(&insert(&connection(&user, &name))).await?;
                store.commit(&begin(&attempt(&user, u8::try_from(index).unwrap()), Some(5))).await?;
                store.status_facts(&user, INSTAGRAM).await.map(|facts| facts.connection.is_some())
            }
        })
        .await;
        assert!(outcomes.iter().all(|each| *each == Ok(true)), "{outcomes:?}");
    })
    .await;
}
