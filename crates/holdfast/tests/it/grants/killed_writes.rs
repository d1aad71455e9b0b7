//! A real process, killed with SIGKILL as it enters its first, second, … n-th write or sync: of a
//! disconnect, of the signed messages that end a link, and of a rotation of the key ring. On
//! Postgres each message to the server is a write.
//!
//! `HOLDFAST_TEST_KILL_EVERY` sets which calls: every one (1) or one in so many (default 3).

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use holdfast::app::prove_ring;
use holdfast::clerk::webhook::{Delivery, WebhookVerifier};
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::connection::{Reason, Standing};
use holdfast::connections::grants::renew_user_key;
use holdfast::entropy::SystemEntropy;
use holdfast::standard_webhooks::SigningKey;
use holdfast::store::{EventOutcome, Retired, Store, StoreOptions};
use holdfast::vault::{KeyRing, Vault};
use http::{HeaderMap, HeaderValue};
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde_json::json;
use uuid::Uuid;

use super::setup::{DAY, MINUTE, Replica, owner, ring_entry};
use super::world::{RefreshEffect, World};
use crate::store::erasure::stored;
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::dice::set_or;
use crate::testing::leaks;

const CHILD: &str = "grants::killed_writes::child";
/// How a process changes a file or speaks to a server. Not `write`: that is the log.
const CALLS: &str = "pwrite64,fsync,fdatasync,ftruncate,rename,unlink,sendto";
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What the process is killed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// `DELETE /user/instagram`.
    Disconnect,
    /// Clerk's `user.deleted`.
    UserDeleted,
    /// Meta's deauthorization.
    Deauthorized,
    /// Meta's request to delete an account's data.
    DataDeleted,
    /// `holdfast keys rotate`.
    Rotation,
}

impl Work {
    const ENDING_A_LINK: [Self; 4] =
        [Self::Disconnect, Self::UserDeleted, Self::Deauthorized, Self::DataDeleted];

    fn named(name: &str) -> Self {
        let all = Self::ENDING_A_LINK.into_iter().chain([Self::Rotation]);
        all.into_iter().find(|work| work.to_string() == name).expect("some work")
    }

    /// The reason that stays, where the connection does.
    fn reason(self) -> Reason {
        match self {
            Self::Deauthorized => Reason::Deauthorized,
            Self::Disconnect | Self::UserDeleted | Self::DataDeleted | Self::Rotation => {
                Reason::UserDisconnected
            }
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What Clerk sends, as production reads it: the same delivery each time.
async fn user_deleted(store: &Store, clock: &Arc<ManualClock>, name: &str) -> EventOutcome {
    let key = SigningKey::parse(WEBHOOK_SECRET).expect("a secret");
    let body = json!({"object": "event", "type": "user.deleted", "data": {"id": owner(name).as_str(), "deleted": true}})
        .to_string();
    let (id, at) = (format!("msg_{name}"), clock.now().as_second().to_string());
    let signature = key.sign(&id, &at, body.as_bytes());
    let mut headers = HeaderMap::new();
    for (header, value) in [("svix-id", id), ("svix-timestamp", at), ("svix-signature", signature)] {
        headers.insert(header, HeaderValue::from_str(&value).expect("a value"));
    }
    let verifier = WebhookVerifier::new(vec![key], clock.clone());
    let Ok(Delivery::User(event)) = verifier.verify(&headers, body.as_bytes()) else { panic!("not genuine") };
    store.apply_clerk_event(&event, clock.now()).await.expect("it is applied")
}

/// The same for each delivery about that account.
fn deletion_code(account: &str) -> u128 {
    account.bytes().fold(0xdead, |code, byte| code.wrapping_mul(256).wrapping_add(byte.into()))
}

/// As `holdfast keys rotate` does.
async fn rotate(store: &Store, vault: &Vault) {
    let sealing = vault.ring().sealing_id().to_owned();
    prove_ring(vault, store).await.expect("its ring");
    for key in store.user_keys_not_under(&sealing, "", 100).await.expect("it reads") {
        renew_user_key(store, vault, &key).await.expect("it is renewed");
    }
}

/// Does the work, or does it again.
async fn do_it(work: Work, one: &Replica, name: &str) {
    let now = one.clock.now();
    match work {
        Work::Disconnect => {
            let receipt = one.connections.disconnect(&owner(name)).await.expect("it disconnects");
            assert!(receipt.deleted_at.is_some());
        }
        Work::UserDeleted => drop(user_deleted(&one.store, &one.clock, name).await),
        Work::Deauthorized => drop(one.connections.deauthorized(name, Some(now)).await.expect("it ends")),
        Work::DataDeleted => {
            let code = deletion_code(name);
            let done = one.connections.delete_account_data(name, Some(now), code).await.expect("it erases");
            assert!(done.completed_at.is_some());
        }
        Work::Rotation => rotate(&one.store, &one.vault).await,
    }
}

fn told(name: &str) -> Option<String> {
    std::env::var(format!("HOLDFAST_TEST_{name}")).ok()
}

/// Not a test of its own: the process that is killed.
#[tokio::test]
#[ignore = "started by the tests of this file"]
async fn child() {
    let Some(database) = told("DATABASE") else { return };
    leaks::keep_the_log();
    let work = Work::named(&told("WORK").unwrap());
    let clock = Arc::new(ManualClock::new(told("NOW").unwrap().parse().unwrap()));
    let store = Store::open(&options(&database), clock.clone()).await.unwrap();
    let world = World::new(RefreshEffect::BothValid, clock.clone());
    let seams = super::setup::Seams { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
    let journal = told("JOURNAL").unwrap();
    let one = Replica::over("child", store, seams, &clock, &world, Some(Path::new(&journal)));
    if let Some(ring) = told("RING") {
        one.vault.replace(&vault_of(&ring));
    }
    do_it(work, &one, &told("NAME").unwrap()).await;
}

fn options(url: &str) -> StoreOptions {
    StoreOptions { exclusive: false, ..StoreOptions::serve(url).with_outbox(true) }
}

fn vault_of(ring: &str) -> Vault {
    Vault::new(KeyRing::parse(ring).expect("a ring"), Arc::new(SystemEntropy))
}

/// Whether the child was killed, which it is at its `nth` call.
fn run_child(db: &TestDb, now: Timestamp, work: Work, name: &str, ring: Option<&str>, nth: u32) -> bool {
    let (journal, log) = (db.directory.path().join("journal"), db.directory.path().join("log-of-the-child"));
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={CALLS}")])
        .args(["-e", &format!("inject={CALLS}:signal=KILL:when={nth}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", CHILD, "--ignored"])
        .envs(ring.map(|ring| ("HOLDFAST_TEST_RING", ring)))
        .env("HOLDFAST_TEST_DATABASE", db.options.url.expose_secret())
        .env("HOLDFAST_TEST_WORK", work.to_string())
        .env("HOLDFAST_TEST_NOW", now.to_string())
        .env("HOLDFAST_TEST_NAME", name)
        .env("HOLDFAST_TEST_JOURNAL", journal)
        .env(leaks::LOG_FILE, &log)
        .output()
        .expect("`strace` is needed: scripts/setup.sh installs it");
    let killed = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
    let said = [output.stdout, output.stderr].concat();
    assert!(killed || output.status.success(), "{}", String::from_utf8_lossy(&said));
    leaks::assert_clean(&log);
    killed
}

/// The rows about a connection and its user.
async fn rows(db: &TestDb, name: &str, id: Uuid) -> [i64; 6] {
    let user = owner(name);
    let user = user.as_str();
    let mut rows = [0; 6];
    for (at, sql) in [
        format!("SELECT count(*) FROM grants WHERE connection_id = '{id}'"),
        format!("SELECT count(*) FROM connection_history WHERE connection_id = '{id}'"),
        format!("SELECT count(*) FROM outbox WHERE user_id = '{user}'"),
        format!("SELECT count(*) FROM users WHERE id = '{user}'"),
        format!("SELECT count(*) FROM user_keys WHERE user_id = '{user}'"),
        format!("SELECT count(*) FROM deleted_users WHERE user_id = '{user}'"),
    ]
    .into_iter()
    .enumerate()
    {
        rows[at] = db.count(&sql).await;
    }
    rows
}

const UNTOUCHED: [i64; 6] = [1, 0, 0, 1, 1, 0];
const ENDED: [i64; 6] = [0, 1, 1, 1, 1, 0];
const ERASED: [i64; 6] = [0, 0, 1, 0, 0, 1];

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_a_link_is_whole_or_ended_and_the_next_delivery_ends_it() {
    let every = u32::try_from(set_or("HOLDFAST_TEST_KILL_EVERY", 3)).expect("it fits");
    on_each_engine(async |db| {
        let url = db.options.url.expose_secret();
        let store = Store::open(&options(url), db.clock.clone()).await.unwrap();
        for work in Work::ENDING_A_LINK {
            let done = if work == Work::UserDeleted { ERASED } else { ENDED };
            let (mut nth, mut whole, mut ended) = (1, 0, 0);
            loop {
                let name = format!("{work}{nth}").to_lowercase();
                let journal = db.directory.path().join("journal");
                let world = World::new(RefreshEffect::BothValid, db.clock.clone());
                let one = Replica::new(&name, store.clone(), &db.clock, &world, Some(&journal));
                let id = one.link(&name).await.id;
                let token = one.token(&name).await;
                let sealed = one.store.sealed_grants(id).await.expect("it reads").remove(0).blob;
                one.clock.advance(DAY);
                let killed = run_child(db, one.clock.now(), work, &name, None, nth);
                let left = rows(db, &name, id).await;
                if left == UNTOUCHED {
                    whole += 1;
                    assert_eq!(one.now(id).await.standing, Standing::CONNECTED);
                    assert_eq!(one.token(&name).await, token);
                } else {
                    ended += 1;
                    assert_eq!(left, done, "{work} killed at call {nth}");
                }
                one.clock.advance(2 * MINUTE);
                if work == Work::DataDeleted && nth % 2 == 0 {
                    // What was cut short after it had been recorded, the worker finishes.
                    let code = deletion_code(&name);
                    let recorded = format!("SELECT count(*) FROM data_deletions WHERE code = '{code:032x}'");
                    let is_recorded = db.count(&recorded).await == 1;
                    one.tick().await;
                    let expected = if is_recorded { done } else { UNTOUCHED };
                    assert_eq!(rows(db, &name, id).await, expected, "{work}, finished after call {nth}");
                }
                // A caller without an answer asks again.
                if work == Work::UserDeleted {
                    let was_applied = left == done;
                    let again = user_deleted(&store, &one.clock, &name).await;
                    assert_eq!(again == EventOutcome::Duplicate, was_applied, "{again:?}");
                } else {
                    do_it(work, &one, &name).await;
                    assert_eq!(one.now(id).await.standing.reason(), Some(work.reason()));
                }
                assert_eq!(rows(db, &name, id).await, done, "{work}, after call {nth}");
                assert!(!stored(db, &sealed), "{work}, after call {nth}: its bytes are still there");
                if !killed {
                    break;
                }
                nth += every;
            }
            eprintln!("{work}: killed at {} calls, before it {whole} times, after it {ended}", nth / every);
            assert!(whole > 0 && ended > 0, "{work}: {whole} whole, {ended} ended");
        }
        store.close().await;
    })
    .await;
}

/// The ring's `nth` key, in whose place the next one comes.
fn key(nth: u32) -> String {
    if nth == 0 {
        return ring_entry();
    }
    let bytes: Vec<u8> = (0..32).map(|at: u32| u8::try_from((at * 7 + nth * 13) % 251).unwrap()).collect();
    let bytes = base64::engine::general_purpose::STANDARD.encode(bytes);
    leaks::secret(&bytes);
    format!("k{nth}:{bytes}")
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_write_of_a_rotation_every_grant_opens_and_the_next_one_ends_it() {
    let every = u32::try_from(set_or("HOLDFAST_TEST_KILL_EVERY", 3)).expect("it fits");
    on_each_engine(async |db| {
        let world = World::new(RefreshEffect::BothValid, db.clock.clone());
        let one = Replica::new("one", db.store.clone(), &db.clock, &world, None);
        let mut tokens = Vec::new();
        for name in ["ada", "bob", "cyd"] {
            one.link(name).await;
            tokens.push((name, one.token(name).await.expect("a grant")));
        }
        let all_open = async || {
            for (name, token) in &tokens {
                assert_eq!(one.token(name).await.as_ref(), Some(token), "{name}");
            }
        };
        let (mut nth, mut turn, mut halves) = (1, 0, 0);
        loop {
            let (old, new) = (key(turn), key(turn + 1));
            let both = format!("{new},{old}");
            let killed = run_child(db, one.clock.now(), Work::Rotation, "", Some(&both), nth);
            one.vault.replace(&vault_of(&both));
            all_open().await;
            let (id, _) = new.split_once(':').expect("an id");
            let left = db.store.user_keys_not_under(id, "", 100).await.expect("it reads").len();
            halves += u32::from((1..tokens.len()).contains(&left));
            // The operator runs it again, and takes the former key out.
            rotate(&db.store, &one.vault).await;
            let (former, _) = old.split_once(':').expect("an id");
            assert_eq!(db.store.retire_key(former).await, Ok(Retired::Done));
            one.vault.replace(&vault_of(&new));
            let proven = one.vault.prove(&db.store.sentinels().await.expect("it reads"));
            assert_eq!(proven, Ok(None));
            all_open().await;
            turn += 1;
            if !killed {
                break;
            }
            nth += every;
        }
        eprintln!("killed at {} calls of a rotation, {halves} times between two users", turn - 1);
        assert!(halves > 0, "never half-way");
    })
    .await;
}
