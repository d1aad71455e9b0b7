//! Signed events over real HTTP, from the stand-in through the verifier into a real database.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use holdfast::caller::OwnerId;
use holdfast::clerk::webhook::{Delivery, WebhookVerifier};
use holdfast::standard_webhooks::SigningKey;
use holdfast::standin::clerk::{Deliver, Delivered, EventKind, Person};
use holdfast::store::{EventOutcome, Store};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use url::Url;

use super::{Clerk, Database};
use crate::testing::answer::AnswerExt as _;

/// Receives deliveries as the service does: verify, then store, then acknowledge.
struct Receiver {
    outcomes: mpsc::UnboundedReceiver<EventOutcome>,
}

impl Receiver {
    async fn start(clerk: &Clerk, store: Store) -> Self {
        let key = SigningKey::parse(clerk.standin.webhook_secret().expose_secret()).unwrap();
        let verifier = WebhookVerifier::new(vec![key], clerk.shared_clock());
        let (verifier, clock) = (Arc::new(verifier), clerk.shared_clock());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = format!("http://{}/webhooks/clerk", listener.local_addr().unwrap());
        clerk.standin.set_webhook_target(Url::parse(&target).unwrap());
        let (sender, outcomes) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (verifier, clock, store, sender) =
                    (Arc::clone(&verifier), Arc::clone(&clock), store.clone(), sender.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (verifier, clock, store, sender) =
                        (Arc::clone(&verifier), Arc::clone(&clock), store.clone(), sender.clone());
                    async move {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await.unwrap().to_bytes();
                        let status = match verifier.verify(&parts.headers, &body) {
                            Ok(Delivery::User(event)) => {
                                let outcome = store.apply_clerk_event(&event, clock.now()).await.unwrap();
                                sender.send(outcome).unwrap();
                                204
                            }
                            Ok(Delivery::Ignored(_)) => 204,
                            Err(_) => 400,
                        };
                        Ok::<_, Infallible>(
                            Response::builder().status(status).body(Full::<Bytes>::default()).unwrap(),
                        )
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { outcomes }
    }

    fn outcomes(&mut self) -> Vec<EventOutcome> {
        std::iter::from_fn(|| self.outcomes.try_recv().ok()).collect()
    }
}

fn statuses(delivered: &[Delivered]) -> Vec<Option<u16>> {
    delivered.iter().map(|each| each.status).collect()
}

#[tokio::test]
async fn repeated_and_late_events_change_nothing_wrongly() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let mut receiver = Receiver::start(&clerk, database.store.clone()).await;
    let ada = OwnerId::named_by_operator(Person::Ada.user_id());
    let first_name = async || database.store.user(&ada).await.unwrap().and_then(|user| user.first_name);

    let sent = clerk.standin.send_webhook(EventKind::Created, Person::Ada, Deliver::Twice).await.unwrap();
    assert_eq!(statuses(&sent), [Some(204), Some(204)]);
    assert_eq!(sent[0].id, sent[1].id);
    assert_eq!(receiver.outcomes(), [EventOutcome::Applied, EventOutcome::Duplicate]);
    assert_eq!(first_name().await.as_deref(), Some("Ada"));

    clerk.advance(5);
    clerk.standin.rename(Person::Ada, "Augusta");
    let sent =
        clerk.standin.send_webhook(EventKind::Updated, Person::Ada, Deliver::BeforeAnOlderOne).await.unwrap();
    assert_ne!(sent[0].id, sent[1].id);
    assert_eq!(receiver.outcomes(), [EventOutcome::Applied, EventOutcome::Stale]);
    assert_eq!(first_name().await.as_deref(), Some("Augusta"));
}

#[tokio::test]
async fn a_deletion_erases_and_a_late_update_brings_nobody_back() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let mut receiver = Receiver::start(&clerk, database.store.clone()).await;
    let grace = OwnerId::named_by_operator(Person::Grace.user_id());
    clerk.standin.send_webhook(EventKind::Created, Person::Grace, Deliver::Once).await.unwrap();
    assert!(database.store.user(&grace).await.unwrap().is_some());

    let sent = clerk
        .standin
        .send_webhook(EventKind::Deleted, Person::Grace, Deliver::BeforeAnOlderOne)
        .await
        .unwrap();
    assert_eq!(statuses(&sent), [Some(204), Some(204)]);
    assert_eq!(receiver.outcomes(), [EventOutcome::Applied, EventOutcome::Applied, EventOutcome::Stale]);
    assert!(database.store.user(&grace).await.unwrap().is_none());
}

#[tokio::test]
async fn forged_and_old_deliveries_are_turned_away() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let mut receiver = Receiver::start(&clerk, database.store.clone()).await;
    for deliver in [Deliver::Forged, Deliver::TenMinutesLate] {
        let sent = clerk.standin.send_webhook(EventKind::Created, Person::Ada, deliver).await.unwrap();
        assert_eq!(statuses(&sent), [Some(400)], "{deliver:?}");
    }
    assert_eq!(receiver.outcomes(), []);
}

#[tokio::test]
async fn the_demo_page_sends_events_over_http() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let mut receiver = Receiver::start(&clerk, database.store.clone()).await;
    let url = clerk.standin.url().join("/v1/dev/webhooks").unwrap();
    let body = json!({"event": "user.updated", "user": "ada", "deliver": "twice"});
    let answer = clerk.request(Method::POST, url, Some("http://127.0.0.1:8080"), Some(body)).await;
    assert_eq!(answer.json()[1]["status"], 204);
    assert_eq!(receiver.outcomes(), [EventOutcome::Applied, EventOutcome::Duplicate]);
}
