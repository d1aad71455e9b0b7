//! Events of Clerk at the running server: shuffled, three times each, and with answers that get
//! lost, against a model.
//!
//! `HOLDFAST_TEST_DELIVERIES` sets how many events on each engine (default 300, each delivered
//! three times and more).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast::caller::OwnerId;
use holdfast::clock::{Clock as _, SystemClock};
use holdfast::standard_webhooks::SigningKey;
use holdfast::store::{Store, StoreOptions};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::task::JoinSet;

use crate::edge::client::Raw;
use crate::testing::app::App;
use crate::testing::database::{Engine, Place, count_on};
use crate::testing::dice::{Dice, set_or};

/// At a time.
const SENDERS: usize = 8;
/// One in so many events deletes its user.
const DELETIONS: usize = 40;
/// The years that facts are from, in milliseconds since 1970.
const OLDEST: u64 = 1_600_000_000_000;

#[derive(Debug, Clone)]
struct Event {
    id: String,
    user: String,
    /// Name and date of the facts; `None` for a deletion.
    says: Option<(String, u64)>,
}

impl Event {
    fn drawn(dice: &Dice, number: usize, users: usize) -> Self {
        let user = format!("user_{}", dice.below(users));
        let at = OLDEST + dice.below(1_000_000_000) as u64;
        let says = (dice.below(DELETIONS) != 0).then(|| (format!("name-{number}"), at));
        Self { id: format!("msg_{number}"), user, says }
    }

    fn request(&self, key: &SigningKey) -> String {
        let body = match &self.says {
            Some((name, at)) => json!({"object": "event", "type": "user.updated", "data": {
                "id": self.user, "first_name": name, "email_addresses": [], "updated_at": at}}),
            None => json!({"object": "event", "type": "user.deleted",
                "data": {"id": self.user, "deleted": true}}),
        }
        .to_string();
        let now = SystemClock.now().as_second().to_string();
        let signature = key.sign(&self.id, &now, body.as_bytes());
        format!(
            "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nsvix-id: {}\r\nsvix-timestamp: {now}\r\n\
             svix-signature: {signature}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.id,
            body.len()
        )
    }
}

/// Sends its share; every fourth time the sender is gone before the answer. What was not
/// acknowledged is sent again at the end, as Svix does.
async fn deliver(address: SocketAddr, key: Arc<SigningKey>, share: Vec<Event>, seed: u64) -> (u64, u64) {
    let dice = Dice::new(seed);
    let (mut sent, mut lost, mut open) = (0, 0, Vec::new());
    let mut client = Raw::connect(address).await;
    for event in share {
        sent += 1;
        if dice.below(4) == 0 {
            client.send(event.request(&key).as_bytes()).await.expect("it is sent");
            // Gone at once, or somewhere in the middle of the work.
            tokio::time::sleep(Duration::from_micros(dice.below(3000) as u64)).await;
            client = Raw::connect(address).await;
            lost += 1;
            open.push(event);
        } else if client.ask(&event.request(&key)).await.expect("an answer").status / 100 != 2 {
            open.push(event);
        }
    }
    while let Some(event) = open.pop() {
        sent += 1;
        let reply = client.ask(&event.request(&key)).await.expect("an answer");
        if reply.status / 100 != 2 {
            assert!(reply.header("retry-after").is_some(), "{} {}", reply.status, reply.body);
            open.push(event);
        }
    }
    (sent, lost)
}

async fn deliveries_on(engine: Engine, amount: usize) {
    let app = App::on(Place::new(engine).await, Arc::new(SystemClock), &[], |_| {}).await;
    let dice = Dice::new(set_or("HOLDFAST_TEST_DELIVERIES_SEED", 1));
    let users = amount / 10;
    let events: Vec<_> = (0..amount).map(|number| Event::drawn(&dice, number, users)).collect();
    let mut order: Vec<Event> = events.iter().cycle().take(amount * 3).cloned().collect();
    dice.shuffle(&mut order);

    let secret = app.clerk.webhook_secret();
    let key = Arc::new(SigningKey::parse(secret.expose_secret()).expect("a key"));
    let mut senders = JoinSet::new();
    for (number, share) in order.chunks(order.len().div_ceil(SENDERS)).enumerate() {
        senders.spawn(deliver(app.address(), Arc::clone(&key), share.to_vec(), number as u64));
    }
    let (mut sent, mut lost) = (0, 0);
    while let Some(share) = senders.join_next().await {
        let (of_share, lost_of_share) = share.expect("the sender ends");
        (sent, lost) = (sent + of_share, lost + lost_of_share);
    }

    // Deleted users are gone; of everybody else the newest facts stand.
    let mut expected: BTreeMap<&str, Option<&(String, u64)>> = BTreeMap::new();
    for event in &events {
        let newest = expected.entry(&event.user).or_insert(event.says.as_ref());
        *newest = match (*newest, &event.says) {
            (Some(known), Some(says)) => Some(if says.1 > known.1 { says } else { known }),
            _ => None,
        };
    }
    let options = StoreOptions::tool(app.place.url.clone());
    let store = Store::open(&options, Arc::new(SystemClock)).await.expect("it opens");
    let mut deleted = 0;
    for (user, newest) in &expected {
        let owner = OwnerId::named_by_operator((*user).to_owned());
        let found = store.user(&owner).await.expect("it answers").map(|found| found.first_name);
        assert_eq!(found, newest.map(|(name, _)| Some(name.clone())), "{user}");
        assert_eq!(store.is_deleted(&owner).await.expect("it answers"), newest.is_none(), "{user}");
        deleted += usize::from(newest.is_none());
    }
    store.close().await;
    assert!(deleted > 0 && deleted < expected.len(), "{deleted} of {}", expected.len());
    let users = count_on(engine, &app.place.url, "SELECT COUNT(*) FROM users").await;
    assert_eq!(usize::try_from(users).expect("a number"), expected.len() - deleted, "and nobody else");
    let ids = count_on(engine, &app.place.url, "SELECT COUNT(*) FROM clerk_events").await;
    assert!(usize::try_from(ids).expect("a number") <= amount, "an id is kept once");
    println!("{engine}: {amount} events, {sent} deliveries, {lost} answers lost, {deleted} users deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn shuffled_tripled_and_with_lost_answers_events_lead_where_they_lead_in_order() {
    let amount = usize::try_from(set_or("HOLDFAST_TEST_DELIVERIES", 300)).expect("it fits");
    for engine in [Engine::Sqlite, Engine::Postgres] {
        deliveries_on(engine, amount).await;
    }
}
