//! Service keys, stored in a real database.

use std::sync::Arc;

use holdfast::caller::service::{ServiceJudgement, ServiceRefusal, ServiceVerifier, generate};
use holdfast::clock::Clock as _;
use holdfast::entropy::{SystemEntropy, new_id};
use holdfast::store::NewServiceKey;
use secrecy::ExposeSecret;

use super::{Clerk, Database};
use crate::testing::leaks;
use crate::testing::waiting::until;

#[tokio::test]
async fn a_key_serves_until_it_is_revoked_and_a_closed_database_refuses_nobody() {
    let clerk = Clerk::start().await;
    let store = Database::new(clerk.shared_clock()).await;
    let secret = generate(&SystemEntropy).unwrap();
    leaks::secret(secret.key.expose_secret());
    let id = new_id(&SystemEntropy, clerk.clock.now()).unwrap();
    let key = NewServiceKey { id, name: "web".to_owned(), hash: secret.hash };
    store.store.insert_service_key(&key, clerk.clock.now()).await.unwrap();

    let verifier = ServiceVerifier::new(Arc::new(store.store.clone()));
    let value = format!("Bearer {}", secret.key.expose_secret());
    let judge = async || verifier.judge(&[value.as_bytes()]).await;
    let ServiceJudgement::Caller(caller) = judge().await else { panic!("refused") };
    assert_eq!(caller.key_id(), id);

    // Use is noted once a minute.
    let last_used = async || store.store.service_keys().await.unwrap()[0].last_used_at;
    until("it is noted", async || last_used().await.is_some()).await;
    let first = last_used().await;
    clerk.advance(59);
    judge().await;
    assert_eq!(last_used().await, first);
    clerk.advance(1);
    judge().await;
    until("it is noted", async || last_used().await.unwrap().as_second() == clerk.now()).await;

    assert!(store.store.revoke_service_key(id, clerk.clock.now()).await.unwrap());
    assert_eq!(judge().await, ServiceJudgement::Refused(ServiceRefusal::Revoked));
    store.store.close().await;
    assert!(matches!(judge().await, ServiceJudgement::CannotJudge { .. }));
}
