//! A worker over a real database and a scripted Instagram.
//!
//! A test makes a [`World`], the Instagram, and over it one [`Replica`] or several. It links people
//! by [`Replica::link`], moves the clock, and lets the worker work by [`Replica::tick`] or
//! [`Replica::pass`]. What it holds against the truth is [`Replica::now`], what is stored, and
//! [`World::calls`], what Instagram was asked.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use holdfast::caller::OwnerId;
use holdfast::clock::{Clock as _, ManualClock, SharedClock};
use holdfast::connection::return_url::ReturnUrl;
use holdfast::connection::schedule::RefreshPolicy;
use holdfast::connection::{Connection, Evidence, EvidenceSource, GrantFacts, Standing};
use holdfast::connections::callback::{CallbackOutcome, CallbackQuery};
use holdfast::connections::connect::ConnectRequest;
use holdfast::connections::grants::{self, RowSeal};
use holdfast::connections::journal::Journal;
use holdfast::connections::{Connections, Parts};
use holdfast::entropy::{SeededEntropy, SharedEntropy, SystemEntropy, new_id};
use holdfast::provider::{Grant, ProviderId};
use holdfast::store::{ChangeSet, CommitOutcome, ConnectionWrite, Store};
use holdfast::vault::{KeyRing, Vault};
use holdfast::worker::Worker;
use secrecy::{ExposeSecret as _, SecretString};

use super::world::{World, account};
use crate::testing::leaks;

pub const DAY: Duration = Duration::from_hours(24);
pub const MINUTE: Duration = Duration::from_mins(1);

/// What a replica sees of time and chance.
pub struct Seams {
    pub clock: SharedClock,
    pub entropy: SharedEntropy,
}

/// The only key in the ring of every replica.
pub fn ring_entry() -> String {
    let bytes: Vec<u8> = (0..32).map(|n: u8| n.wrapping_mul(83).wrapping_add(41)).collect();
    let key = base64::engine::general_purpose::STANDARD.encode(bytes);
    leaks::secret(&key);
    format!("one:{key}")
}

fn ring() -> KeyRing {
    KeyRing::parse(&ring_entry()).expect("a key ring")
}

/// As a server does at its start: with a key that is not proven nothing is sealed. Must run on a
/// runtime of many threads.
pub fn prove_ring(store: &Store) {
    let vault = Vault::new(ring(), Arc::new(SystemEntropy));
    let proven = holdfast::app::prove_ring(&vault, store);
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(proven)).expect("its ring");
}

/// One replica.
pub struct Replica {
    pub store: Store,
    pub clock: Arc<ManualClock>,
    pub world: Arc<World>,
    pub connections: Connections,
    pub worker: Worker,
    pub vault: Vault,
    entropy: SharedEntropy,
}

impl Replica {
    pub fn new(
        name: &str,
        store: Store,
        clock: &Arc<ManualClock>,
        world: &Arc<World>,
        journal: Option<&Path>,
    ) -> Self {
        prove_ring(&store);
        let seams = Seams { clock: clock.clone(), entropy: Self::seeded(name) };
        Self::over(name, store, seams, clock, world, journal)
    }

    fn seeded(name: &str) -> SharedEntropy {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        Arc::new(SeededEntropy::new(seed))
    }

    /// A replica over other seams than the test's own, of a ring that was proven.
    pub fn over(
        name: &str,
        store: Store,
        seams: Seams,
        clock: &Arc<ManualClock>,
        world: &Arc<World>,
        journal: Option<&Path>,
    ) -> Self {
        let Seams { clock: own_clock, entropy } = seams;
        let vault = Vault::new(ring(), entropy.clone());
        let connections = Connections::new(Parts {
            store: store.clone(),
            vault: vault.clone(),
            provider: Some(world.clone()),
            clock: own_clock.clone(),
            entropy: entropy.clone(),
            return_urls: [ReturnUrl::parse("https://app.example").expect("an address")].into_iter().collect(),
            check_interval: MINUTE,
            refresh: RefreshPolicy { min_age: DAY, at: 0.5 },
            journal: journal.map_or_else(Journal::none, |path| Journal::in_directory(path.to_owned())),
        });
        let worker = Worker::new(connections.clone(), store.clone(), own_clock, name.to_owned());
        Self { store, clock: clock.clone(), world: world.clone(), connections, worker, vault, entropy }
    }

    /// Links an account to a user of that name, due after 30 days.
    pub async fn link(&self, name: &str) -> Connection {
        let now = self.clock.now();
        let grant = self.world.issue(name);
        let id = new_id(&*self.entropy, now).expect("an id");
        let connection = Connection {
            standing: Standing::CONNECTED,
            account: Some(account(name)),
            linked_at: Some(now),
            evidence: Some(Evidence { source: EvidenceSource::Oauth, at: now }),
            ..Connection::not_connected(id, owner(name).as_str().to_owned(), ProviderId::INSTAGRAM, now)
        };
        self.store_grant(connection, None, &grant).await
    }

    /// To Instagram and back: the attempt, and the completion that the browser carries.
    pub async fn come_back(&self, name: &str) -> (uuid::Uuid, SecretString) {
        self.come_back_with(name, World::code_of(name)).await
    }

    /// The same with a code of any account.
    pub async fn come_back_with(&self, name: &str, code: String) -> (uuid::Uuid, SecretString) {
        let started = self.connections.connect(&owner(name), ConnectRequest::default()).await;
        let started = started.expect("an attempt");
        let parameter = |url: &url::Url, name: &str| {
            url.query_pairs().find_map(|(each, value)| (each == name).then(|| value.into_owned()))
        };
        let state = parameter(&started.authorize_url, "state").expect("a state");
        leaks::secret(&state);
        let query = CallbackQuery { code: Some(code.into()), state: Some(state.into()), error: None };
        let outcome = self.connections.callback(query).await.expect("it answers");
        let CallbackOutcome::Redirect(back) = outcome else { panic!("{outcome:?}") };
        let completion = parameter(&back, "completion").expect("a completion");
        leaks::secret(&completion);
        (started.attempt_id, completion.into())
    }

    /// Connects anew, as a person does.
    pub async fn relink(&self, id: uuid::Uuid, name: &str) -> Connection {
        let before = self.store.connection_by_id(id).await.expect("it answers").expect("it is there");
        let mut next = before.clone();
        next.version += 1;
        next.linked_at = Some(self.clock.now());
        let grant = self.world.issue(name);
        self.store_grant(next, Some(before.version), &grant).await
    }

    async fn store_grant(
        &self,
        mut connection: Connection,
        expected_version: Option<i64>,
        grant: &Grant,
    ) -> Connection {
        let version = connection.version;
        connection.grant =
            Some(GrantFacts { version, obtained_at: grant.obtained_at, expires_at: grant.expires_at });
        connection.next_refresh_at = Some(holdfast::clock::after(grant.obtained_at, 30 * DAY));
        if expected_version.is_none() {
            // The owner's row comes with the connection; the key needs it first.
            let bare = ChangeSet {
                connection: Some(ConnectionWrite { expected_version: None, connection: connection.clone() }),
                ..ChangeSet::default()
            };
            assert_eq!(self.store.commit(&bare).await, Ok(CommitOutcome::Committed));
        }
        let key =
            grants::user_key(&self.store, &self.vault, &connection.user_id).await.expect("a user's key");
        let sealed = RowSeal::of_connection(&key, &connection).seal_grant(version, grant).expect("it seals");
        let changes = ChangeSet {
            connection: expected_version.map(|expected| ConnectionWrite {
                expected_version: Some(expected),
                connection: connection.clone(),
            }),
            append_grant: Some(sealed),
            ..ChangeSet::default()
        };
        assert_eq!(self.store.commit(&changes).await, Ok(CommitOutcome::Committed));
        connection
    }

    pub async fn now(&self, id: uuid::Uuid) -> Connection {
        self.store.connection_by_id(id).await.expect("it answers").expect("it is there")
    }

    /// The token in use, or `None` where there is none.
    pub async fn token(&self, name: &str) -> Option<String> {
        let usable = self.connections.usable_grant(&owner(name)).await.ok()?;
        Some(usable.grant.access_token.expose_secret().to_owned())
    }

    pub async fn tick(&self) -> holdfast::worker::Done {
        self.worker.tick().await.expect("the worker ticks")
    }

    /// Ticks each `step` for `during`.
    pub async fn pass(&self, during: Duration, step: Duration) {
        let end = holdfast::clock::after(self.clock.now(), during);
        while self.clock.now() < end {
            self.clock.advance(step);
            self.tick().await;
        }
    }
}

pub fn owner(name: &str) -> OwnerId {
    OwnerId::named_by_operator(format!("user_{name}"))
}
