//! Values that the store's tests begin with.

use std::time::Duration;

use holdfast::caller::OwnerId;
use holdfast::clock;
use holdfast::connection::attempt::{Attempt, AttemptStage, Expect};
use holdfast::connection::{Connection, Evidence, EvidenceSource, GrantFacts, Standing, State};
use holdfast::provider::{Account, ProviderId};
use holdfast::store::{
    AttemptLimits, AttemptWrite, ChangeSet, CommitOutcome, ConnectionWrite, HistoryEntry, SealedGrant, Store,
};
use jiff::Timestamp;
use uuid::Uuid;

use crate::testing::database::start_of_time;

pub const INSTAGRAM: ProviderId = ProviderId::INSTAGRAM;
pub const DAY: Duration = Duration::from_hours(24);

pub fn owner(name: &str) -> OwnerId {
    OwnerId::named_by_operator(format!("user_{name}"))
}

pub fn later(by: Duration) -> Timestamp {
    clock::after(start_of_time(), by)
}

/// A linked connection with every column filled.
pub fn connection(owner: &OwnerId, account_id: &str) -> Connection {
    let now = start_of_time();
    Connection {
        id: Uuid::from_u128(u128::from_be_bytes(digest16(owner.as_str()))),
        user_id: owner.as_str().to_owned(),
        provider: INSTAGRAM,
        standing: Standing::CONNECTED,
        account: Some(Account {
            id: account_id.to_owned(),
            professional_id: Some(format!("1784{account_id}")),
            username: Some("ada.makes".to_owned()),
            name: Some("Ada ✨".to_owned()),
            account_type: Some("business".to_owned()),
            profile_picture_url: Some("https://cdn.example/p.jpg".to_owned()),
        }),
        scopes: vec!["instagram_business_basic".to_owned()],
        missing_scopes: vec!["instagram_business_manage_messages".to_owned()],
        grant: Some(GrantFacts { version: 1, obtained_at: now, expires_at: later(60 * DAY) }),
        expiry_is_assumed: false,
        next_refresh_at: Some(later(30 * DAY)),
        retry_after: None,
        since: now,
        linked_at: Some(now),
        evidence: Some(Evidence { source: EvidenceSource::Oauth, at: now }),
        suspicion: None,
        failures: 0,
        version: 1,
    }
}

fn digest16(text: &str) -> [u8; 16] {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    hash.as_ref()[..16].try_into().expect("16 bytes")
}

pub fn grant(connection: &Connection, version: i64, blob: &[u8]) -> SealedGrant {
    SealedGrant {
        connection_id: connection.id,
        version,
        blob: blob.to_vec(),
        obtained_at: start_of_time(),
        expires_at: later(60 * DAY),
    }
}

pub fn entry(connection: &Connection) -> HistoryEntry {
    HistoryEntry {
        connection_id: connection.id,
        at: start_of_time(),
        version: connection.version,
        state: connection.standing.state(),
        reason: connection.standing.reason(),
        evidence: connection.evidence,
        detail: Some("linked".to_owned()),
        attempt: None,
    }
}

pub fn insert(connection: &Connection) -> ChangeSet {
    ChangeSet {
        connection: Some(ConnectionWrite { expected_version: None, connection: connection.clone() }),
        history: vec![entry(connection)],
        event_at: Some(start_of_time()),
        append_grant: Some(grant(connection, 1, b"sealed-1")),
        ..ChangeSet::default()
    }
}

/// The same connection, one version on.
pub fn update(connection: &Connection) -> ChangeSet {
    let next = Connection { version: connection.next_version(), ..connection.clone() };
    ChangeSet {
        connection: Some(ConnectionWrite { expected_version: Some(connection.version), connection: next }),
        ..ChangeSet::default()
    }
}

/// What a disconnection writes.
pub fn unlink(connection: &Connection) -> ChangeSet {
    let mut next = connection.clone();
    next.version += 1;
    next.standing = Standing::new(State::NotConnected, None).expect("a standing");
    next.account = None;
    next.grant = None;
    next.next_refresh_at = None;
    ChangeSet {
        connection: Some(ConnectionWrite { expected_version: Some(connection.version), connection: next }),
        erase_all_grants: Some(connection.id),
        ..ChangeSet::default()
    }
}

pub async fn linked(store: &Store, name: &str, account_id: &str) -> Connection {
    let connection = connection(&owner(name), account_id);
    assert_eq!(store.commit(&insert(&connection)).await, Ok(CommitOutcome::Committed));
    connection
}

pub fn attempt(owner: &OwnerId, number: u8) -> Attempt {
    Attempt {
        id: Uuid::from_u128(u128::from(number) + 1),
        revision: 1,
        user_id: owner.as_str().to_owned(),
        provider: INSTAGRAM,
        state_hash: [number; 32],
        completion_hash: None,
        stage: AttemptStage::Open,
        outcome: None,
        return_to: "https://app.example/settings".to_owned(),
        expect: Expect::SameAccount,
        created_at: later(Duration::from_secs(number.into())),
        expires_at: later(Duration::from_secs(600 + u64::from(number))),
        returned_at: None,
        sealed: None,
        sealed_completion: None,
        busy_until: None,
        paused_until: None,
        closed_at: None,
    }
}

pub fn begin(attempt: &Attempt, max_open: Option<u32>) -> ChangeSet {
    let limits = max_open.map(|open| AttemptLimits { open, in_an_hour: 20 });
    let write = AttemptWrite { expected_revision: None, attempt: attempt.clone(), limits };
    ChangeSet { attempt: Some(write), ..ChangeSet::default() }
}

/// The same attempt, changed and one revision on.
pub fn advance(attempt: &Attempt, change: impl FnOnce(&mut Attempt)) -> (Attempt, ChangeSet) {
    let mut next = attempt.clone();
    next.revision += 1;
    change(&mut next);
    let write =
        AttemptWrite { expected_revision: Some(attempt.revision), attempt: next.clone(), limits: None };
    (next, ChangeSet { attempt: Some(write), ..ChangeSet::default() })
}

/// Runs `make(0)`, `make(1)`, … at the same time, on as many tasks, and returns all results.
pub async fn in_parallel<T, Fut>(count: usize, make: impl Fn(usize) -> Fut) -> Vec<T>
where
    T: Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|index| tokio::spawn(make(index))).collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.expect("the task ends"));
    }
    results
}
