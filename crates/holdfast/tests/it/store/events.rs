//! Events that Clerk signs: late, repeated, out of order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use holdfast::caller::OwnerId;
use holdfast::clerk::UserFacts;
use holdfast::clerk::webhook::{Delivery, SignedEvent, WebhookVerifier};
use holdfast::clock::{Clock as _, ManualClock};
use holdfast::standard_webhooks::SigningKey;
use holdfast::store::{EventOutcome, Store, StoreError, Visit};
use jiff::Timestamp;
use serde_json::json;

use super::fixtures::{DAY, INSTAGRAM, in_parallel, later, linked, owner};
use crate::testing::database::{on_each_engine, start_of_time};

/// A delivery, signed as Svix signs it and judged as the route judges it.
pub fn event(id: &str, kind: &str, data: &serde_json::Value) -> SignedEvent {
    let clock = ManualClock::new(start_of_time());
    let body = json!({"type": kind, "data": data, "object": "event"}).to_string();
    let timestamp = clock.now().as_second().to_string();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 24]);
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    let mut headers = http::HeaderMap::new();
    for (name, value) in [
        ("svix-id", id.to_owned()),
        ("svix-timestamp", timestamp),
        ("svix-signature", format!("v1,{}", STANDARD.encode(tag))),
    ] {
        headers.insert(name, value.parse().expect("a header"));
    }
    let key = SigningKey::parse(&format!("whsec_{}", STANDARD.encode([7; 24]))).expect("a secret");
    let verifier = WebhookVerifier::new(vec![key], Arc::new(clock));
    match verifier.verify(&headers, body.as_bytes()) {
        Ok(Delivery::User(event)) => *event,
        other => panic!("{other:?}"),
    }
}

/// Has a user erased, by an event of its own.
pub async fn erase(store: &Store, owner: &OwnerId, now: Timestamp) -> Result<EventOutcome, StoreError> {
    static ERASED: AtomicUsize = AtomicUsize::new(0);
    let id = format!("msg_erase_{}", ERASED.fetch_add(1, Ordering::Relaxed));
    let data = json!({"id": owner.as_str(), "deleted": true});
    store.apply_clerk_event(&event(&id, "user.deleted", &data), now).await
}

fn updated(id: &str, name: &str, at: Timestamp) -> SignedEvent {
    let data = json!({
        "id": "user_ada", "first_name": name, "last_name": null, "image_url": null,
        "email_addresses": [], "primary_email_address_id": null, "updated_at": at.as_millisecond(),
    });
    event(id, "user.updated", &data)
}

fn deleted(id: &str) -> SignedEvent {
    event(id, "user.deleted", &json!({"id": "user_ada", "deleted": true}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_counts_once_however_often_it_comes() {
    on_each_engine(async |db| {
        let store = db.store.clone();
        let delivery = updated("msg_1", "Ada", later(DAY));
        let outcomes = in_parallel(20, |_| {
            let (store, delivery) = (store.clone(), delivery.clone());
            async move { store.apply_clerk_event(&delivery, start_of_time()).await.expect("it applies") }
        })
        .await;
        assert_eq!(outcomes.iter().filter(|each| **each == EventOutcome::Applied).count(), 1);
        assert_eq!(outcomes.iter().filter(|each| **each == EventOutcome::Duplicate).count(), 19);
        let user = store.user(&owner("ada")).await.unwrap().expect("a record");
        assert_eq!((user.first_name.as_deref(), user.last_seen_at), (Some("Ada"), None), "nobody called");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_whatever_order_events_come_the_newest_facts_stand() {
    let all = [("msg_1", "First", DAY), ("msg_2", "Second", 2 * DAY), ("msg_3", "Third", 3 * DAY)];
    on_each_engine(async |db| {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let mut newest = Duration::ZERO;
            for index in order {
                let (id, name, at) = all[index];
                let id = format!("{id}-{order:?}");
                // Each order has a later day of its own, so that it begins with older facts.
                let shift = 10 * DAY * u32::try_from(order[0] * 3 + order[1] + 1).unwrap();
                let outcome =
                    db.store.apply_clerk_event(&updated(&id, name, later(shift + at)), start_of_time()).await;
                let expected = if at > newest { EventOutcome::Applied } else { EventOutcome::Stale };
                assert_eq!(outcome, Ok(expected), "{order:?} {name}");
                newest = newest.max(at);
            }
            let user = db.store.user(&owner("ada")).await.unwrap().expect("a record");
            assert_eq!(user.first_name.as_deref(), Some("Third"), "{order:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_erases_and_late_events_bring_nobody_back() {
    on_each_engine(async |db| {
        let store = &db.store;
        let connection = linked(store, "ada", "1").await;
        let applied = store.apply_clerk_event(&deleted("msg_1"), start_of_time()).await;
        assert_eq!(applied, Ok(EventOutcome::Applied));
        assert_eq!(store.connection(&owner("ada"), INSTAGRAM).await, Ok(None));
        assert_eq!(store.sealed_grants(connection.id).await, Ok(vec![]));
        let late = store.apply_clerk_event(&updated("msg_2", "Ghost", later(DAY)), start_of_time()).await;
        assert_eq!(late, Ok(EventOutcome::Stale));
        assert_eq!(store.user(&owner("ada")).await, Ok(None));
        let synced =
            store.meet_user(&owner("ada"), &UserFacts::default(), start_of_time(), Visit::Sync).await;
        assert_eq!(synced, Ok(None));
        assert_eq!(store.apply_clerk_event(&deleted("msg_1"), later(DAY)).await, Ok(EventOutcome::Duplicate));
        assert_eq!(store.apply_clerk_event(&deleted("msg_3"), later(DAY)).await, Ok(EventOutcome::Applied));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_before_any_record_still_leaves_its_tombstone() {
    on_each_engine(async |db| {
        let applied = db.store.apply_clerk_event(&deleted("msg_1"), start_of_time()).await;
        assert_eq!(applied, Ok(EventOutcome::Applied));
        let created = db.store.apply_clerk_event(&updated("msg_0", "Ada", later(DAY)), later(DAY)).await;
        assert_eq!(created, Ok(EventOutcome::Stale));
    })
    .await;
}
