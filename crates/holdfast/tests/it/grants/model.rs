//! Users, links, webhooks, refreshes and sweeps in any order, against a model that is a page long.
//!
//! `HOLDFAST_TEST_MODEL_SEQUENCES` sets how many sequences on each engine (default 60), and
//! `HOLDFAST_TEST_MODEL_SEED` the first one's seed; a failing one prints its seed and what it did.
//! More than a batch says after each how far it is: where it ends early, that much has run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use holdfast::clerk::UserFacts;
use holdfast::clock::{Clock as _, after, before};
use holdfast::clock_watch::ClockWatch;
use holdfast::connection::State;
use holdfast::connections::complete::CompleteError;
use holdfast::connections::connect::ConnectRequest;
use holdfast::provider::ProviderId;
use holdfast::store::{EventOutcome, Synced, Visit};
use holdfast::worker::sweep::Sweeper;
use jiff::Timestamp;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::setup::{DAY, MINUTE, Replica, owner};
use super::world::{RefreshEffect, World};
use crate::edge::isolated::run_alone;
use crate::store::events::event;
use crate::store::sweep::Patient;
use crate::testing::database::{TestDb, on_each_engine};
use crate::testing::dice::{Dice, set_or};
use crate::testing::postgres_server::shared_memory;

const USERS: usize = 3;
const ACCOUNTS: usize = 3;
const STEPS: usize = 16;
/// Each step takes so long: attempts that led to nothing are over, and few are begun in an hour.
const STEP: Duration = Duration::from_mins(11);
/// Sequences on one database, and in one process: time moves on with each and must not run out,
/// and what is logged is kept and searched for every secret of the process.
const BATCH: u64 = 200;

/// What happens; users and accounts by number.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// The user calls `sync` with a token that says a name.
    Sync(usize),
    /// Clerk says a name, as of so many hours ago.
    Updated(usize, u64),
    Deleted(usize),
    /// Clerk sends an earlier event again.
    Again(usize),
    Connect(usize, usize),
    Disconnect(usize),
    /// Meta says that an account removed the app: now, or before the present link.
    Deauthorized(usize, bool),
    DataDeletion(usize, bool),
    /// Time passes, and the worker refreshes what is due.
    Days(u32),
    Sweep,
}

impl Act {
    fn drawn(dice: &Dice) -> Self {
        let (user, account, coin) = (dice.below(USERS), dice.below(ACCOUNTS), dice.below(2) == 0);
        match dice.below(20) {
            0..=2 => Self::Sync(user),
            3..=5 => Self::Updated(user, dice.below(96) as u64),
            6 => Self::Deleted(user),
            7..=8 => Self::Again(dice.below(64)),
            9..=12 => Self::Connect(user, account),
            13 => Self::Disconnect(user),
            14..=15 => Self::Deauthorized(account, coin),
            16 => Self::DataDeletion(account, coin),
            17..=18 => Self::Days(1 + u32::try_from(dice.below(25)).expect("it is small")),
            _ => Self::Sweep,
        }
    }
}

/// What should be known of one user.
#[derive(Debug, Clone, Default)]
struct Person {
    is_deleted: bool,
    record: Option<Record>,
    link: Option<Linked>,
}

#[derive(Debug, Clone, Default)]
struct Record {
    name: Option<String>,
    /// When Clerk said so; `None` where only tokens did.
    as_of: Option<Timestamp>,
    has_synced: bool,
}

#[derive(Debug, Clone)]
struct Linked {
    account: usize,
    is_alive: bool,
}

/// An event of Clerk's that was delivered.
#[derive(Debug, Clone)]
struct Sent {
    id: String,
    user: usize,
    /// `None` for a deletion.
    says: Option<(String, Timestamp)>,
    /// When its id was kept; `None` where nothing of it was.
    kept_at: Option<Timestamp>,
}

/// One sequence: the service and the model side by side.
struct Sequence<'a> {
    replica: &'a Replica,
    seed: u64,
    people: Vec<Person>,
    sent: Vec<Sent>,
    /// Numbers for names, ids and codes that occur once.
    made: u64,
    acts: Vec<Act>,
}

impl Drop for Sequence<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}: {:?}\nmodel: {:#?}", self.seed, self.acts, self.people);
        }
    }
}

impl Sequence<'_> {
    fn name(&self, user: usize) -> String {
        format!("s{}u{user}", self.seed)
    }

    fn account(&self, account: usize) -> String {
        format!("s{}a{account}", self.seed)
    }

    fn now(&self) -> Timestamp {
        self.replica.clock.now()
    }

    async fn act(&mut self, act: Act) {
        self.acts.push(act);
        self.made += 1;
        self.replica.clock.advance(STEP);
        match act {
            Act::Sync(user) => self.sync(user).await,
            Act::Updated(user, hours_ago) => {
                let at = before(self.now(), Duration::from_hours(hours_ago));
                self.send(user, Some((format!("clerk-{}", self.made), at))).await;
            }
            Act::Deleted(user) => self.send(user, None).await,
            Act::Again(which) if !self.sent.is_empty() => self.deliver(which % self.sent.len()).await,
            Act::Again(_) => {}
            Act::Connect(user, account) => self.connect(user, account).await,
            Act::Disconnect(user) => {
                let gone = self.replica.connections.disconnect(&owner(&self.name(user))).await;
                gone.expect("it disconnects");
                self.people[user].link = None;
            }
            Act::Deauthorized(account, is_new) => self.deauthorized(account, is_new).await,
            Act::DataDeletion(account, is_new) => self.data_deletion(account, is_new).await,
            Act::Days(days) => {
                self.replica.clock.advance(DAY * days);
                self.replica.tick().await;
            }
            Act::Sweep => {
                let clock = Arc::new(Patient(self.replica.clock.clone()));
                let sweeper = Sweeper::new(self.replica.store.clone(), clock, ClockWatch::default());
                sweeper.sweep(&CancellationToken::new()).await.expect("it sweeps");
                let limit = before(self.now(), 30 * DAY);
                for each in &mut self.sent {
                    each.kept_at = each.kept_at.filter(|at| *at >= limit);
                }
            }
        }
    }

    async fn sync(&mut self, user: usize) {
        let name = format!("token-{}", self.made);
        let facts = UserFacts { first_name: Some(name.clone()), ..UserFacts::default() };
        let (owner, now) = (owner(&self.name(user)), self.now());
        let synced = self.replica.store.meet_user(&owner, &facts, now, Visit::Sync).await;
        let person = &mut self.people[user];
        match synced.expect("it syncs") {
            None => assert!(person.is_deleted),
            Some(Synced { created, .. }) => {
                assert!(!person.is_deleted);
                let record = person.record.get_or_insert_default();
                assert_eq!(created, !record.has_synced, "the first one says so");
                record.has_synced = true;
                if record.as_of.is_none() {
                    record.name = Some(name);
                }
            }
        }
    }

    async fn send(&mut self, user: usize, says: Option<(String, Timestamp)>) {
        let id = format!("msg_{}_{}", self.seed, self.made);
        self.sent.push(Sent { id, user, says, kept_at: None });
        self.deliver(self.sent.len() - 1).await;
    }

    async fn deliver(&mut self, which: usize) {
        let (sent, now) = (self.sent[which].clone(), self.now());
        let id = owner(&self.name(sent.user)).as_str().to_owned();
        let signed = match &sent.says {
            Some((name, at)) => {
                let data = json!({"id": id, "first_name": name, "last_name": null, "image_url": null,
                    "email_addresses": [], "primary_email_address_id": null, "updated_at": at.as_millisecond()});
                event(&sent.id, "user.updated", &data)
            }
            None => event(&sent.id, "user.deleted", &json!({"id": id, "deleted": true})),
        };
        let outcome = self.replica.store.apply_clerk_event(&signed, now).await.expect("it is applied");
        let person = &mut self.people[sent.user];
        let expected = match &sent.says {
            _ if sent.kept_at.is_some() => EventOutcome::Duplicate,
            None => {
                *person = Person { is_deleted: true, ..Person::default() };
                EventOutcome::Applied
            }
            Some(_) if person.is_deleted => EventOutcome::Stale,
            Some((name, at)) => {
                // In whole milliseconds, as Clerk says it.
                let at = Timestamp::from_millisecond(at.as_millisecond()).expect("a time");
                let record = person.record.get_or_insert_default();
                if record.as_of.is_some_and(|known| known > at) {
                    EventOutcome::Stale
                } else {
                    (record.name, record.as_of) = (Some(name.clone()), Some(at));
                    EventOutcome::Applied
                }
            }
        };
        assert_eq!(outcome, expected, "{sent:?}");
        if !(person.is_deleted && sent.says.is_some()) && outcome != EventOutcome::Duplicate {
            self.sent[which].kept_at = Some(now);
        }
    }

    async fn connect(&mut self, user: usize, account: usize) {
        let (name, at_instagram) = (self.name(user), self.account(account));
        if self.people[user].is_deleted {
            let refused = self.replica.connections.connect(&owner(&name), ConnectRequest::default()).await;
            assert!(refused.is_err(), "a deleted user begins nothing");
            return;
        }
        let code = World::code(&at_instagram, self.made);
        let (attempt, completion) = self.replica.come_back_with(&name, code).await;
        self.people[user].record.get_or_insert_default();
        let done = self.replica.connections.complete(&owner(&name), attempt, &completion).await;
        let is_anothers = self.people[user].link.as_ref().is_some_and(|link| link.account != account);
        let holder = (0..USERS).find(|other| {
            *other != user && self.people[*other].link.as_ref().is_some_and(|link| link.account == account)
        });
        let is_held =
            holder.is_some_and(|other| self.people[other].link.as_ref().is_some_and(|l| l.is_alive));
        match done {
            Ok(status) => {
                assert_eq!(status.state, State::Connected);
                assert!(!is_anothers && !is_held, "it is linked though it should not be");
                if let Some(former) = holder {
                    self.people[former].link = None;
                }
                self.people[user].link = Some(Linked { account, is_alive: true });
            }
            Err(CompleteError::DifferentAccount) => assert!(is_anothers),
            Err(CompleteError::AccountTaken) => assert!(is_held),
            Err(other) => panic!("{other}"),
        }
    }

    /// When a message of Meta's was issued: now, or before the present link.
    fn issued(&self, is_new: bool) -> Timestamp {
        if is_new { self.now() } else { before(self.now(), 3650 * DAY) }
    }

    fn of_account(&mut self, account: usize) -> impl Iterator<Item = &mut Person> {
        self.people.iter_mut().filter(move |each| each.link.as_ref().is_some_and(|l| l.account == account))
    }

    async fn deauthorized(&mut self, account: usize, is_new: bool) {
        let (name, issued) = (self.account(account), self.issued(is_new));
        if is_new {
            self.replica.world.kill_all_of(&name);
        }
        self.replica.connections.deauthorized(&name, Some(issued)).await.expect("it is noted");
        for person in self.of_account(account).filter(|_| is_new) {
            person.link = Some(Linked { account, is_alive: false });
        }
    }

    async fn data_deletion(&mut self, account: usize, is_new: bool) {
        let (name, issued) = (self.account(account), self.issued(is_new));
        let code = u128::from(self.seed) << 64 | u128::from(self.made);
        let receipt = self.replica.connections.delete_account_data(&name, Some(issued), code).await;
        let receipt = receipt.expect("it is erased");
        let again = self.replica.connections.delete_account_data(&name, Some(issued), code).await;
        assert_eq!(again.expect("it answers"), receipt, "the first receipt again");
        for person in self.of_account(account).filter(|_| is_new) {
            person.link = None;
        }
    }

    /// The service knows what the model knows, and nothing more.
    async fn compare(&self) {
        let store = &self.replica.store;
        for (user, person) in self.people.iter().enumerate() {
            let (name, owner) = (self.name(user), owner(&self.name(user)));
            assert_eq!(store.is_deleted(&owner).await.expect("it answers"), person.is_deleted, "{name}");
            let known = store.user(&owner).await.expect("it answers").map(|user| user.first_name);
            assert_eq!(known, person.record.as_ref().map(|record| record.name.clone()), "{name}");
            let connection = store.connection(&owner, ProviderId::INSTAGRAM).await.expect("it answers");
            let state = connection.as_ref().map_or(State::NotConnected, |each| each.standing.state());
            let account = connection.as_ref().and_then(|each| each.account.as_ref()).map(|each| &*each.id);
            let expected = match &person.link {
                None => State::NotConnected,
                Some(link) if link.is_alive => State::Connected,
                Some(_) => State::ReconnectRequired,
            };
            assert_eq!(state, expected, "{name}");
            let linked = person.link.as_ref().map(|link| self.account(link.account));
            assert_eq!(account, linked.as_deref(), "{name}");
            let token = self.replica.token(&name).await;
            assert_eq!(token.is_some(), expected == State::Connected, "{name}");
            if let Some(token) = token {
                assert!(self.replica.world.is_alive(&token), "{name}: the grant works");
                assert!(token.contains(&format!("-account-{}-", linked.expect("a link"))), "{name}");
            }
            if let (Some(connection), None) = (&connection, &person.link) {
                let grants = store.sealed_grants(connection.id).await.expect("it answers");
                assert!(grants.is_empty(), "{name}: no grant without a link");
            }
        }
    }
}

/// Where any rest of a person would be.
const TABLES: [&str; 6] = ["users", "user_keys", "connections", "connection_history", "grants", "attempts"];

/// How many rows are in any of those.
async fn rows(db: &TestDb) -> i64 {
    let counts = TABLES.map(|table| format!("(SELECT COUNT(*) FROM {table})"));
    db.count(&format!("SELECT {}", counts.join(" + "))).await
}

/// The same by table.
async fn rows_by_table(db: &TestDb) -> BTreeMap<&'static str, i64> {
    let mut rows = BTreeMap::new();
    for table in TABLES {
        rows.insert(table, db.count(&format!("SELECT COUNT(*) FROM {table}")).await);
    }
    rows
}

/// The test's own name, by which a process runs it alone.
const THIS: &str = "grants::model::whatever_happens_in_any_order_the_service_knows_what_the_model_knows";

async fn run(db: &TestDb, seeds: impl Iterator<Item = u64>) {
    let world = World::new(RefreshEffect::BothValid, db.clock.clone());
    let replica = Replica::new("model", db.store.clone(), &db.clock, &world, None);
    for seed in seeds {
        let dice = Dice::new(seed);
        let (people, acts) = (vec![Person::default(); USERS], Vec::new());
        let mut sequence = Sequence { replica: &replica, seed, people, sent: Vec::new(), made: 0, acts };
        for _ in 0..STEPS {
            sequence.act(Act::drawn(&dice)).await;
            sequence.compare().await;
        }
        for user in 0..USERS {
            sequence.act(Act::Deleted(user)).await;
        }
        sequence.compare().await;
        let left = if rows(db).await == 0 { BTreeMap::new() } else { rows_by_table(db).await };
        assert!(left.is_empty(), "seed {seed}: nothing stays of the deleted: {left:?}");
        // The next one begins with a rested provider.
        db.clock.set(after(db.clock.now(), MINUTE));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_in_any_order_the_service_knows_what_the_model_knows() {
    let sequences = set_or("HOLDFAST_TEST_MODEL_SEQUENCES", 60);
    let first = set_or("HOLDFAST_TEST_MODEL_SEED", 1);
    let seeds = first..first + sequences;
    if sequences <= BATCH {
        on_each_engine(async |db| run(db, seeds.clone()).await).await;
    } else {
        for from in seeds.clone().step_by(usize::try_from(BATCH).expect("it is small")) {
            let amount = BATCH.min(seeds.end - from);
            let environment = [
                ("HOLDFAST_TEST_MODEL_SEQUENCES", amount.to_string()),
                ("HOLDFAST_TEST_MODEL_SEED", from.to_string()),
                // Each change is synced, which a disk takes its time for.
                ("TMPDIR", shared_memory().display().to_string()),
            ];
            run_alone(THIS, &environment);
            println!("{} of {sequences}, the last with seed {}", from + amount - first, from + amount - 1);
        }
    }
    println!("{sequences} sequences of {STEPS} steps on each engine agree with the model");
}
