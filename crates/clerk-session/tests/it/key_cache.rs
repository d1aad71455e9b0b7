//! The key cache against a server that answers, fails and hangs as told. Time is a number here.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clerk_session::{
    COLD_GAP_MS, FORCE_GAP_MS, FetchError, FetchJwks, KeyCache, KeySet, MAX_AGE_MS, MAX_DOCUMENT,
    RENEW_AT_MS, Verifier,
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::*;

#[derive(Clone, Default)]
struct Server {
    fetches: Arc<AtomicUsize>,
    answer: Arc<Mutex<Option<Vec<u8>>>>,
    hold: Arc<Mutex<Option<Arc<Notify>>>>,
}

impl Server {
    fn with(keys: &[Value]) -> Self {
        let server = Self::default();
        server.serve(keys);
        server
    }

    fn serve(&self, keys: &[Value]) {
        self.send(jwks(keys));
    }

    fn send(&self, document: Vec<u8>) {
        *self.answer.lock().unwrap() = Some(document);
    }

    fn fail(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn hang(&self) -> Arc<Notify> {
        let notify = Arc::new(Notify::new());
        *self.hold.lock().unwrap() = Some(Arc::clone(&notify));
        notify
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

impl FetchJwks for Server {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + '_>> {
        Box::pin(async {
            self.fetches.fetch_add(1, Ordering::SeqCst);
            let hold = self.hold.lock().unwrap().clone();
            if let Some(hold) = hold {
                hold.notified().await;
            }
            self.answer.lock().unwrap().clone().ok_or(FetchError::Status(503))
        })
    }
}

/// Judges a token that is valid at `now`.
async fn judge(cache: &KeyCache, header: Value, now: i64) -> &'static str {
    let mut body = payload();
    let seconds = now.div_euclid(1000);
    body["exp"] = json!(seconds + 50);
    body["iat"] = json!(seconds - 10);
    body["nbf"] = json!(seconds - 20);
    let token = sign(&header, &body);
    word(&cache.judge(&Verifier::new(policy()), &token, now).await)
}

fn unknown_kid() -> Value {
    let mut header = header();
    header["kid"] = json!("ins_unknown");
    header
}

const START: i64 = NOW * 1000;

#[tokio::test]
async fn a_cold_start_costs_one_fetch_however_many_wait() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let release = server.hang();
    let cache = Arc::new(KeyCache::fetching(server.clone()));
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let cache = Arc::clone(&cache);
            tokio::spawn(async move { judge(&cache, header(), START).await })
        })
        .collect();
    while server.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    release.notify_one();
    for each in waiting {
        assert_eq!(each.await.unwrap(), "accepted");
    }
    assert_eq!(server.fetches(), 1);
}

#[tokio::test]
async fn without_keys_nothing_is_refused_and_service_returns_by_itself() {
    let server = Server::default();
    let cache = KeyCache::fetching(server.clone());
    assert_eq!(judge(&cache, header(), START).await, "jwk-remote-failed-to-load");
    assert_eq!(judge(&cache, header(), START).await, "jwk-remote-failed-to-load");
    assert_eq!(server.fetches(), 1, "a failure starts the pause too");
    let verifier = Verifier::new(policy());
    assert_eq!(word(&cache.judge(&verifier, "garbage", START).await), "token-invalid", "this needs no keys");
    server.serve(&[jwk(KID, &KEY)]);
    cache.renew_if_due(START + COLD_GAP_MS).await;
    assert!(cache.is_ready(START + COLD_GAP_MS));
    assert_eq!(judge(&cache, header(), START + COLD_GAP_MS).await, "accepted");
}

#[tokio::test]
async fn a_storm_of_unknown_kids_costs_one_fetch_per_half_minute() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let cache = KeyCache::fetching(server.clone());
    cache.renew_if_due(START).await;
    for step in 0..1200 {
        // Two minutes of ten strangers a second.
        let now = START + step * 100;
        assert_eq!(judge(&cache, unknown_kid(), now).await, "jwk-kid-mismatch");
    }
    assert!(server.fetches() <= 5, "{} fetches", server.fetches());
    assert_eq!(judge(&cache, header(), START + 120_000).await, "accepted");
}

#[tokio::test]
async fn while_the_key_server_fails_an_unknown_kid_is_not_refused_and_known_ones_serve() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let cache = KeyCache::fetching(server.clone());
    cache.renew_if_due(START).await;
    server.fail();
    for step in 0..600 {
        let now = START + FORCE_GAP_MS + step * 100;
        assert_eq!(judge(&cache, unknown_kid(), now).await, "jwk-failed-to-resolve");
        assert_eq!(judge(&cache, header(), now).await, "accepted");
    }
    assert!(server.fetches() <= 4, "{} fetches", server.fetches());
}

#[tokio::test]
async fn garbage_never_costs_a_fetch() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let cache = KeyCache::fetching(server.clone());
    cache.renew_if_due(START).await;
    let verifier = Verifier::new(policy());
    let now = START + 10 * FORCE_GAP_MS;
    for token in [
        with_header(json!({"kid": "ins_unknown"})),
        sign(&unknown_kid(), &json!({"iss": "https://evil", "exp": NOW + 100_000})),
        sign(&unknown_kid(), &json!({"iss": ISSUER})),
    ] {
        assert_ne!(word(&cache.judge(&verifier, &token, now).await), "accepted");
    }
    assert_eq!(server.fetches(), 1);
}

#[tokio::test]
async fn a_new_key_is_found_under_a_new_or_the_same_name() {
    for kid in ["ins_new", KID] {
        let server = Server::with(&[jwk(KID, &OTHER_KEY)]);
        let cache = KeyCache::fetching(server.clone());
        cache.renew_if_due(START).await;
        let before = cache.epoch();
        server.serve(&[jwk(kid, &KEY)]);
        let mut renamed = header();
        renamed["kid"] = json!(kid);
        assert_eq!(judge(&cache, renamed, START + FORCE_GAP_MS).await, "accepted", "{kid}");
        assert_ne!(cache.epoch(), before);
    }
}

#[tokio::test]
async fn keys_are_renewed_in_the_background_and_old_ones_serve_for_a_day() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let cache = KeyCache::fetching(server.clone());
    cache.renew_if_due(START).await;
    cache.renew_if_due(START + RENEW_AT_MS - 1).await;
    assert_eq!(server.fetches(), 1);
    cache.renew_if_due(START + RENEW_AT_MS).await;
    assert_eq!(server.fetches(), 2);
    assert_eq!(cache.epoch(), 1, "the same keys are the same epoch");
    server.fail();
    let loaded = START + RENEW_AT_MS;
    cache.renew_if_due(loaded + RENEW_AT_MS).await;
    assert!(cache.status().last_error.is_some());
    assert_eq!(judge(&cache, header(), loaded + MAX_AGE_MS).await, "accepted");
    assert_eq!(judge(&cache, header(), loaded + MAX_AGE_MS + 1).await, "jwk-remote-too-old");
}

#[tokio::test]
async fn a_bad_document_never_replaces_good_keys() {
    let good = jwks(&[jwk(KID, &KEY)]);
    let mut huge = good.clone();
    huge.resize(MAX_DOCUMENT + 1, b' ');
    for bad in
        [b"<html>down</html>".to_vec(), b"{\"keys\":[]}".to_vec(), b"{\"keys\":".to_vec(), Vec::new(), huge]
    {
        let server = Server::with(&[jwk(KID, &KEY)]);
        let cache = KeyCache::fetching(server.clone());
        cache.renew_if_due(START).await;
        server.send(bad);
        cache.renew_if_due(START + RENEW_AT_MS).await;
        assert!(cache.status().last_error.is_some());
        assert_eq!(judge(&cache, header(), START + RENEW_AT_MS).await, "accepted");
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_its_turn_to_the_next() {
    let server = Server::with(&[jwk(KID, &KEY)]);
    let release = server.hang();
    let cache = Arc::new(KeyCache::fetching(server.clone()));
    let gone = tokio::spawn({
        let cache = Arc::clone(&cache);
        async move { judge(&cache, header(), START).await }
    });
    while server.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    release.notify_one();
    assert_eq!(judge(&cache, header(), START + COLD_GAP_MS).await, "accepted");
}

#[tokio::test]
async fn a_pinned_key_needs_no_network() {
    let cache = KeyCache::pinned(KeySet::from_pem(&pem(&KEY)).unwrap());
    assert_eq!(judge(&cache, header(), START + 10 * MAX_AGE_MS).await, "accepted");
    assert_eq!(cache.status().fetches, 0);
}
