//! The keys under fire: outages, rotations, floods, and callers that go away.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use clerk_session::{
    CacheOptions, CannotJudgeReason, FetchError, FetchJwks, Fetched, KeyCache, Verdict, Verifier,
};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::support::*;

// The defaults, repeated on purpose: a change of one must show here as a changed promise.
const RENEW_AT_MS: i64 = 240_000;
const MAX_AGE_MS: i64 = 24 * 3600 * 1000;
const FORCE_GAP_MS: i64 = 30_000;
const COLD_GAP_MS: i64 = 1_000;
const MAX_WAITING: usize = 256;
const MAX_DOCUMENT: usize = 256 * 1024;

type Reply = Result<Vec<u8>, FetchError>;

/// Clerk's side: counts the fetches, answers what it is told, and only when it is let.
#[derive(Clone)]
struct Clerk(Arc<State>);

struct State {
    fetches: AtomicU64,
    reply: Mutex<Reply>,
    /// How old a copy the cache in front gives, in seconds.
    age: AtomicU64,
    may_answer: Semaphore,
}

impl Clerk {
    fn answering(reply: Reply) -> Self {
        let clerk = Self::hanging(reply);
        clerk.answer(1_000_000);
        clerk
    }

    fn hanging(reply: Reply) -> Self {
        Self(Arc::new(State {
            fetches: AtomicU64::new(0),
            reply: Mutex::new(reply),
            age: AtomicU64::new(0),
            may_answer: Semaphore::new(0),
        }))
    }

    fn answer(&self, times: usize) {
        self.0.may_answer.add_permits(times);
    }

    fn now_says(&self, reply: Reply) {
        *self.0.reply.lock().unwrap() = reply;
    }

    /// From now on a cache gives the document as it was that many seconds ago.
    fn is_cached_for(&self, seconds: u64) {
        self.0.age.store(seconds, Ordering::SeqCst);
    }

    fn fetches(&self) -> u64 {
        self.0.fetches.load(Ordering::SeqCst)
    }
}

impl FetchJwks for Clerk {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
        self.0.fetches.fetch_add(1, Ordering::SeqCst);
        Box::pin(async {
            self.0.may_answer.acquire().await.unwrap().forget();
            let age = self.0.age.load(Ordering::SeqCst).to_string();
            self.0.reply.lock().unwrap().clone().map(|document| Fetched::with_age(document, Some(&age)))
        })
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it stands where failures do")]
fn ours() -> Reply {
    Ok(jwks(&[OURS.jwk(KID)]))
}

fn down() -> Reply {
    Err(FetchError::NoAnswer("connection refused".to_owned()))
}

fn valid() -> String {
    mint(json!({}), json!({}))
}

fn unknown_kid() -> String {
    mint(json!({"kid": "ins_new"}), json!({}))
}

/// Signed by another key under the known `kid`, as after a rotation that Clerk's instances do:
/// `kid` is the instance.
fn rotated() -> String {
    mint_by(&FOREIGN, json!({}), json!({}))
}

struct Scene {
    clerk: Clerk,
    cache: KeyCache,
    verifier: Verifier,
}

impl Scene {
    fn new(clerk: Clerk) -> Self {
        Self {
            cache: KeyCache::fetching(clerk.clone(), CacheOptions::default()),
            clerk,
            verifier: Verifier::new(policy()),
        }
    }

    /// With the instance's keys loaded at `NOW`.
    async fn loaded() -> Self {
        let scene = Self::new(Clerk::answering(ours()));
        scene.cache.renew_if_due(NOW).await;
        assert!(scene.cache.is_ready(NOW));
        scene
    }

    async fn judge(&self, token: &str, now_ms: i64) -> String {
        word(&self.cache.judge(&self.verifier, token, now_ms).await)
    }
}

fn word(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Accepted(_) => "accepted".to_owned(),
        Verdict::Refused(refusal) => refusal.code.as_str().to_owned(),
        Verdict::CannotJudge(cannot) => format!("cannot judge: {:?}", cannot.reason),
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A token that lives long enough for tests that let hours pass.
fn long_lived(signer: &Signer, kid: &str) -> String {
    mint_by(signer, json!({"kid": kid}), json!({"exp": NOW_S + 10 * 24 * 3600}))
}

#[tokio::test]
async fn a_cold_start_costs_one_fetch_however_many_call() {
    let scene = Scene::new(Clerk::hanging(ours()));
    let token = valid();
    let calls = (0..100).map(|_| scene.judge(&token, NOW));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    for call in &mut calls {
        assert!(poll_once(call.as_mut()).is_pending());
    }
    scene.clerk.answer(1);
    for call in calls {
        assert_eq!(call.await, "accepted");
    }
    assert_eq!(scene.clerk.fetches(), 1);
}

#[tokio::test]
async fn without_keys_nothing_is_judged_and_garbage_causes_no_fetch() {
    let scene = Scene::new(Clerk::answering(down()));
    assert_eq!(scene.judge("garbage", NOW).await, "token-invalid");
    assert_eq!(scene.judge(&mint(json!({"alg": "none"}), json!({})), NOW).await, "token-invalid-algorithm");
    assert_eq!(scene.judge(&mint(json!({"cat": "x"}), json!({})), NOW).await, "token-type-mismatch");
    // Not ours or too old by its own account: cannot be judged, but is not worth a fetch either.
    for odd in [json!({"iss": "https://clerk.other.com"}), json!({"exp": NOW_S - 60})] {
        assert_eq!(scene.judge(&mint(json!({}), odd), NOW).await, "cannot judge: KeysNotLoaded");
    }
    assert_eq!(scene.clerk.fetches(), 0);
    assert_eq!(scene.judge(&valid(), NOW).await, "cannot judge: KeysNotLoaded");
    assert_eq!(scene.clerk.fetches(), 1);
}

#[tokio::test]
async fn when_clerk_comes_back_service_does_within_a_second() {
    let scene = Scene::new(Clerk::answering(down()));
    let mut now = NOW;
    for _ in 0..30 {
        scene.cache.renew_if_due(now).await;
        for _ in 0..50 {
            assert_eq!(scene.judge(&valid(), now).await, "cannot judge: KeysNotLoaded");
        }
        now += COLD_GAP_MS;
    }
    assert_eq!(scene.clerk.fetches(), 30, "one try a second, whoever calls");
    let Verdict::CannotJudge(cannot) = scene.cache.judge(&scene.verifier, &valid(), now - 1).await else {
        panic!("there are no keys")
    };
    assert!(cannot.retry_after.as_millis() >= 1000, "a `Retry-After` of 0 would be a storm");
    scene.clerk.now_says(ours());
    assert_eq!(scene.judge(&valid(), now).await, "accepted");
}

#[tokio::test]
async fn a_caller_that_goes_away_neither_stops_the_fetch_nor_the_others() {
    let scene = Scene::new(Clerk::hanging(ours()));
    let token = valid();
    {
        let mut first = pin!(scene.judge(&token, NOW));
        assert!(poll_once(first.as_mut()).is_pending());
    }
    let mut second = pin!(scene.judge(&token, NOW));
    assert!(poll_once(second.as_mut()).is_pending());
    {
        let mut third = pin!(scene.judge(&token, NOW));
        assert!(poll_once(third.as_mut()).is_pending());
    }
    scene.clerk.answer(1);
    assert_eq!(second.await, "accepted");
    assert_eq!(scene.clerk.fetches(), 1, "the first caller's fetch was carried on");
}

#[tokio::test]
async fn callers_that_come_and_go_cannot_multiply_fetches() {
    let scene = Scene::loaded().await;
    let hanging = Scene::new(Clerk::hanging(ours()));
    for round in 0..50 {
        let token = valid();
        let mut call = pin!(hanging.judge(&token, NOW + round * COLD_GAP_MS));
        assert!(poll_once(call.as_mut()).is_pending());
    }
    assert_eq!(hanging.clerk.fetches(), 1);
    assert_eq!(scene.clerk.fetches(), 1);
}

/// crates.io holds a write lock across the fetch, so that callers with known keys wait.
#[tokio::test]
async fn who_has_a_known_key_never_waits_for_a_fetch() {
    let scene = Scene::new(Clerk::hanging(ours()));
    scene.clerk.answer(1);
    scene.cache.renew_if_due(NOW).await;
    let later = NOW + FORCE_GAP_MS;
    let (unknown, known) = (unknown_kid(), valid());
    let mut stranger = pin!(scene.judge(&unknown, later));
    assert!(poll_once(stranger.as_mut()).is_pending());
    for _ in 0..100 {
        let mut good = pin!(scene.judge(&known, later));
        let Poll::Ready(verdict) = poll_once(good.as_mut()) else { panic!("a good caller waits") };
        assert_eq!(verdict, "accepted");
    }
    let mut renewal = pin!(scene.cache.renew_if_due(NOW + RENEW_AT_MS));
    assert!(poll_once(renewal.as_mut()).is_pending());
    scene.clerk.answer(1);
    assert_eq!(stranger.await, "jwk-kid-mismatch");
}

/// In crates.io a failed fetch starts no cool-down, so that unknown keys hammer the issuer.
#[tokio::test]
async fn strangers_cause_one_fetch_in_30_seconds_whether_it_fails_or_not() {
    for (reply, verdict) in [(ours(), "jwk-kid-mismatch"), (down(), "cannot judge: KeyUnknownAndUnreachable")]
    {
        let scene = Scene::loaded().await;
        scene.clerk.now_says(reply);
        let before = scene.clerk.fetches();
        // Ten minutes, two tokens a second, each with another key id.
        for tick in 0..1_200_i64 {
            let now = NOW + FORCE_GAP_MS + tick * 500;
            let stranger = mint(json!({"kid": format!("ins_{tick}")}), json!({"exp": now / 1000 + 50}));
            assert_eq!(scene.judge(&stranger, now).await, verdict);
        }
        let fetched = scene.clerk.fetches() - before;
        assert_eq!(fetched, 20, "fetches in ten minutes");
    }
}

/// In crates.io one odd key leaves the set half-empty.
#[tokio::test]
async fn a_useless_document_never_replaces_good_keys() {
    let scene = Scene::loaded().await;
    let mut now = NOW;
    let private = {
        let mut jwk = OURS.jwk(KID);
        jwk["d"] = "AQAB".into();
        jwk
    };
    for useless in [
        Ok(b"<html>bad gateway</html>".to_vec()),
        Ok(b"{\"keys\":[]}".to_vec()),
        Ok(b"{}".to_vec()),
        Ok(Vec::new()),
        Ok(jwks(&[json!(null), json!({"kty": "EC"}), private])),
        Ok(vec![b' '; MAX_DOCUMENT + 1]),
        Err(FetchError::Status(503)),
        down(),
    ] {
        scene.clerk.now_says(useless);
        now += RENEW_AT_MS;
        scene.cache.renew_if_due(now).await;
        assert!(scene.cache.status().last_error.is_some());
        assert_eq!(word(&scene.cache.judge(&scene.verifier, &long_lived(&OURS, KID), now).await), "accepted");
    }
    // One odd key beside a good one is no trouble at all.
    scene.clerk.now_says(Ok(jwks(&[json!({"kty": "OKP", "kid": "ed"}), OURS.jwk(KID)])));
    now += RENEW_AT_MS;
    scene.cache.renew_if_due(now).await;
    let status = scene.cache.status();
    assert_eq!((status.last_error, status.kids, status.skipped.len()), (None, vec![KID.to_owned()], 1));
}

#[tokio::test]
async fn stale_keys_serve_for_a_day_and_not_longer() {
    let scene = Scene::loaded().await;
    scene.clerk.now_says(down());
    let token = long_lived(&OURS, KID);
    assert_eq!(scene.judge(&token, NOW + MAX_AGE_MS).await, "accepted");
    assert!(scene.cache.is_ready(NOW + MAX_AGE_MS));
    assert_eq!(scene.judge(&token, NOW + MAX_AGE_MS + 1).await, "cannot judge: KeysTooOld");
    assert!(!scene.cache.is_ready(NOW + MAX_AGE_MS + 1));
    scene.clerk.now_says(ours());
    assert_eq!(scene.judge(&token, NOW + MAX_AGE_MS + 1 + COLD_GAP_MS).await, "accepted");
}

#[tokio::test]
async fn renewal_is_due_at_four_minutes_and_rests_after_failure() {
    let scene = Scene::loaded().await;
    scene.cache.renew_if_due(NOW + RENEW_AT_MS - 1).await;
    assert_eq!(scene.clerk.fetches(), 1);
    scene.clerk.now_says(down());
    for second in 0..60 {
        scene.cache.renew_if_due(NOW + RENEW_AT_MS + second * 1000).await;
    }
    assert_eq!(scene.clerk.fetches(), 3, "at 240 s and at 270 s");
}

#[tokio::test]
async fn a_rotation_under_the_same_kid_costs_one_fetch() {
    let scene = Scene::loaded().await;
    let epoch = scene.cache.epoch();
    scene.clerk.now_says(Ok(jwks(&[FOREIGN.jwk(KID)])));
    let later = NOW + FORCE_GAP_MS;
    assert_eq!(scene.judge(&rotated(), later).await, "accepted");
    assert_eq!(scene.judge(&valid(), later).await, "token-invalid-signature", "the old key is gone");
    assert_eq!(scene.clerk.fetches(), 2);
    assert_ne!(scene.cache.epoch(), epoch, "what was remembered must be judged again");
}

/// Loading the first keys starts no cool-down: a server that has just started takes up a rotation
/// at once.
#[tokio::test]
async fn a_key_made_right_after_the_start_is_found_at_once() {
    let scene = Scene::loaded().await;
    scene.clerk.now_says(Ok(jwks(&[OURS.jwk("ins_new")])));
    assert_eq!(scene.judge(&unknown_kid(), NOW + 1_000).await, "accepted");
}

/// One count for both: renewals fall due beside floods for half an hour, and no two fetches are
/// closer than 30 s.
#[tokio::test]
async fn renewals_and_what_tokens_force_share_one_cool_down() {
    for reply in [ours(), down()] {
        let scene = Scene::loaded().await;
        scene.clerk.now_says(reply);
        let mut fetched = vec![];
        // Bursts of strangers that drift past the renewals, which are due every four minutes.
        for tick in 1..1_800_i64 {
            let now = NOW + tick * 1_000;
            let before = scene.clerk.fetches();
            scene.cache.renew_if_due(now).await;
            if tick % 230 < 40 {
                let kid = json!({"kid": format!("ins_{tick}")});
                scene.judge(&mint(kid, json!({"exp": now / 1000 + 50})), now).await;
            }
            fetched.extend((before..scene.clerk.fetches()).map(|_| tick));
        }
        assert!(fetched.len() > 10, "{fetched:?}");
        assert!(fetched.windows(2).all(|pair| pair[1] - pair[0] >= 30), "{fetched:?}");
    }
}

#[tokio::test]
async fn right_after_a_renewal_a_newer_key_is_undecided_for_30_seconds_at_most() {
    let scene = Scene::loaded().await;
    let renewed = NOW + RENEW_AT_MS;
    scene.cache.renew_if_due(renewed).await;
    scene.clerk.now_says(Ok(jwks(&[OURS.jwk("ins_new")])));
    let issued = NOW_S + RENEW_AT_MS / 1000 + 1;
    let newer =
        mint(json!({"kid": "ins_new"}), json!({"iat": issued, "nbf": issued - 10, "exp": issued + 60}));
    let Verdict::CannotJudge(cannot) = scene.cache.judge(&scene.verifier, &newer, renewed + 2_000).await
    else {
        panic!("it could be a new key")
    };
    assert_eq!((cannot.reason, cannot.retry_after.as_secs()), (CannotJudgeReason::KeyNewerThanOurs, 28));
    assert_eq!(scene.judge(&newer, renewed + FORCE_GAP_MS).await, "accepted");
}

/// Clerk's clock says when a token was issued, ours when Clerk was asked.
#[tokio::test]
async fn clocks_that_differ_refuse_no_new_key_and_spare_no_forged_token() {
    let at = |signer: &Signer, kid: &str, issued: i64| {
        mint_by(signer, json!({"kid": kid}), json!({"iat": issued, "exp": issued + 60}))
    };
    let renewed_s = NOW_S + RENEW_AT_MS / 1000;
    let renewed = renewed_s * 1000 + 500;
    // Ours is ahead, or the fraction of `iat` is cut off: both keys were made after the renewal.
    for (signer, kid) in [(&*OURS, "ins_new"), (&*FOREIGN, KID)] {
        for behind in [0, 3] {
            let scene = Scene::loaded().await;
            scene.cache.renew_if_due(renewed).await;
            scene.clerk.now_says(Ok(jwks(&[signer.jwk(kid)])));
            let newer = at(signer, kid, renewed_s - behind);
            assert_eq!(scene.judge(&newer, renewed + 400).await, "cannot judge: KeyNewerThanOurs");
            assert_eq!(scene.judge(&at(signer, kid, renewed_s - 6), renewed + 400).await, refusal(kid));
            assert_eq!(scene.judge(&newer, renewed + FORCE_GAP_MS).await, "accepted");
        }
    }
    // Clerk was asked after the token had come, though it seems to be made later: ours is behind.
    for (kid, signer) in [("ins_new", &*OURS), (KID, &*FOREIGN)] {
        let scene = Scene::loaded().await;
        let later = NOW + FORCE_GAP_MS;
        let forged = at(signer, kid, later / 1000 + 3);
        assert_eq!(scene.judge(&forged, later).await, refusal(kid));
        // Once that is known, so are others of its age.
        let forged = at(signer, kid, later / 1000);
        assert_eq!(scene.judge(&forged, later + 100).await, refusal(kid));
    }
    // Ours was set back by ten seconds since Clerk was asked.
    let scene = Scene::loaded().await;
    scene.cache.renew_if_due(renewed).await;
    let newer = at(&OURS, "ins_new", renewed_s - 10);
    assert_eq!(scene.judge(&newer, renewed - 10_000).await, "cannot judge: KeyNewerThanOurs");
}

/// Fifteen doors of one server are asked at once, and who began the fetch need not be heard first.
#[tokio::test]
async fn who_carries_on_a_fetch_is_told_what_who_began_it_would_be() {
    let scene = Scene::new(Clerk::hanging(ours()));
    scene.clerk.answer(1);
    scene.cache.renew_if_due(NOW).await;
    let later = NOW + FORCE_GAP_MS;
    let claims = json!({"iat": later / 1000, "exp": later / 1000 + 60});
    let forged = mint(json!({"kid": "ins_new"}), claims);
    let mut second = pin!(scene.judge(&forged, later + 1));
    {
        let mut first = pin!(scene.judge(&forged, later));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
    }
    scene.clerk.answer(1);
    assert_eq!(second.await, "jwk-kid-mismatch");
    assert_eq!(scene.clerk.fetches(), 2);
}

fn refusal(kid: &str) -> &'static str {
    if kid == KID { "token-invalid-signature" } else { "jwk-kid-mismatch" }
}

/// A cache in front of Clerk that answers with its copy, whatever the request asks for.
#[tokio::test]
async fn a_copy_of_a_cache_refuses_nobody_whose_token_is_newer() {
    let issued = NOW_S + 20;
    let claims = json!({"iat": issued, "nbf": issued - 10, "exp": issued + 60});
    let unknown = mint(json!({"kid": "ins_new"}), claims.clone());
    let rotated = mint_by(&FOREIGN, json!({}), claims);
    for (token, refusal) in [(unknown, "jwk-kid-mismatch"), (rotated, "token-invalid-signature")] {
        let scene = Scene::loaded().await;
        let later = NOW + FORCE_GAP_MS;
        scene.clerk.is_cached_for(11);
        let verdict = scene.cache.judge(&scene.verifier, &token, later).await;
        let Verdict::CannotJudge(cannot) = verdict else { panic!("the copy may lack the key: {verdict:?}") };
        assert_eq!((cannot.reason, cannot.retry_after.as_secs()), (CannotJudgeReason::KeyNewerThanOurs, 30));
        // A copy that is newer than the token, by more than clocks may differ, settles it.
        scene.clerk.is_cached_for(34);
        assert_eq!(scene.judge(&token, later + FORCE_GAP_MS).await, refusal);
    }
}

#[tokio::test]
async fn an_older_copy_of_a_cache_never_replaces_newer_keys() {
    let scene = Scene::loaded().await;
    scene.clerk.now_says(Ok(jwks(&[OURS.jwk("ins_new")])));
    assert_eq!(scene.judge(&unknown_kid(), NOW + 1_000).await, "accepted");
    // The next answer comes from a cache that has not heard of the rotation.
    scene.clerk.now_says(ours());
    let mut now = NOW + 1_000 + RENEW_AT_MS;
    scene.clerk.is_cached_for(300);
    scene.cache.renew_if_due(now).await;
    let status = scene.cache.status();
    assert_eq!((status.kids, status.as_of_ms), (vec!["ins_new".to_owned()], Some(NOW + 1_000)));
    assert_eq!(scene.judge(&long_lived(&OURS, "ins_new"), now).await, "accepted");
    // Once its copy is newer than our keys, it counts again.
    scene.clerk.now_says(Ok(jwks(&[OURS.jwk("ins_newest")])));
    now += FORCE_GAP_MS;
    scene.clerk.is_cached_for(200);
    scene.cache.renew_if_due(now).await;
    assert_eq!(scene.judge(&long_lived(&OURS, "ins_newest"), now).await, "accepted");
}

/// The clock was two hours ahead when the keys were loaded; then it was set right.
#[tokio::test]
async fn keys_from_a_time_to_come_give_way_to_a_caches_copy() {
    let ahead = NOW + 2 * 3600 * 1000;
    let scene = Scene::new(Clerk::answering(ours()));
    scene.clerk.is_cached_for(20);
    scene.cache.renew_if_due(ahead).await;
    scene.clerk.now_says(down());
    assert!(scene.judge(&rotated(), NOW).await.starts_with("cannot judge"));
    let later = NOW + FORCE_GAP_MS;
    scene.clerk.now_says(Ok(jwks(&[FOREIGN.jwk(KID)])));
    assert_eq!(scene.judge(&rotated(), later).await, "accepted");
    assert_eq!(scene.cache.status().as_of_ms, Some(later - 20_000));
}

#[test]
fn an_age_is_a_number_of_seconds() {
    let age = |text| Fetched::with_age(Vec::new(), Some(text)).age;
    assert_eq!(age(" 41 "), Duration::from_secs(41));
    for odd in ["", "-1", "+1", "1.5", "1, 2", "soon", "99999999999999999999999"] {
        assert_eq!(age(odd), Duration::ZERO, "{odd}");
    }
}

/// A key server that hangs holds up a bounded number of requests.
#[tokio::test]
async fn at_most_256_callers_wait_for_a_fetch() {
    let scene = Scene::new(Clerk::hanging(ours()));
    scene.clerk.answer(1);
    scene.cache.renew_if_due(NOW).await;
    let (token, known) = (unknown_kid(), valid());
    let calls = (0..1_000).map(|_| scene.judge(&token, NOW + FORCE_GAP_MS));
    let mut calls: Vec<_> = calls.map(Box::pin).collect();
    let mut undecided = 0;
    for call in &mut calls {
        if let Poll::Ready(verdict) = poll_once(call.as_mut()) {
            assert_eq!(verdict, "cannot judge: KeyNewerThanOurs", "whether Clerk has it is not known yet");
            undecided += 1;
        }
    }
    assert_eq!(undecided, 1_000 - MAX_WAITING);
    assert_eq!(scene.judge(&known, NOW + FORCE_GAP_MS).await, "accepted");
    let mut renewal = pin!(scene.cache.renew_if_due(NOW + RENEW_AT_MS));
    assert!(poll_once(renewal.as_mut()).is_pending(), "the background loop always has a place");
    drop(calls);
    scene.clerk.answer(1);
    renewal.await;
    assert_eq!(scene.clerk.fetches(), 2);
    assert_eq!(scene.judge(&token, NOW + FORCE_GAP_MS).await, "jwk-kid-mismatch", "places are given back");
}

#[tokio::test]
async fn within_the_cool_down_an_old_token_is_refused_and_a_newer_one_undecided() {
    let scene = Scene::loaded().await;
    assert_eq!(scene.judge(&unknown_kid(), NOW).await, "jwk-kid-mismatch");
    let fetches = scene.clerk.fetches();
    let later = NOW + FORCE_GAP_MS - 1;
    assert_eq!(
        scene.judge(&unknown_kid(), later).await,
        "jwk-kid-mismatch",
        "Clerk had been asked after it was made"
    );
    let newer = mint(json!({"kid": "ins_newer"}), json!({"iat": NOW_S + 20, "exp": NOW_S + 80}));
    assert_eq!(scene.judge(&newer, later).await, "cannot judge: KeyNewerThanOurs");
    let rotated = mint_by(&FOREIGN, json!({}), json!({"iat": NOW_S + 20, "exp": NOW_S + 80}));
    assert_eq!(
        scene.judge(&rotated, later).await,
        "cannot judge: KeyNewerThanOurs",
        "a kid is an instance's"
    );
    assert_eq!(scene.clerk.fetches(), fetches);
    assert_eq!(scene.judge(&newer, NOW + FORCE_GAP_MS).await, "jwk-kid-mismatch", "now Clerk was asked");
    assert_eq!(scene.judge(&rotated, NOW + FORCE_GAP_MS).await, "token-invalid-signature");
}

#[tokio::test]
async fn an_outage_makes_every_token_undecided_that_fits_no_key() {
    let scene = Scene::loaded().await;
    scene.clerk.now_says(down());
    let later = NOW + FORCE_GAP_MS;
    let Verdict::CannotJudge(cannot) = scene.cache.judge(&scene.verifier, &unknown_kid(), later).await else {
        panic!("it could be a new key")
    };
    assert_eq!(cannot.reason, CannotJudgeReason::KeyUnknownAndUnreachable);
    assert_eq!(cannot.retry_after.as_secs(), 30);
    let unreachable = "cannot judge: KeyUnknownAndUnreachable";
    assert_eq!(scene.judge(&rotated(), later).await, unreachable, "Clerk changes keys under one kid");
    assert_eq!(scene.judge(&valid(), later).await, "accepted", "who has a known key is served all the while");
    let foreign = mint(json!({"kid": "ins_new"}), json!({"iss": "https://clerk.other.com"}));
    assert_eq!(scene.judge(&foreign, later).await, "jwk-kid-mismatch", "it says itself that it is not ours");
}

/// Where Clerk was seen to sign newer tokens with our key, an older token that does not fit it is
/// forged, outage or not.
#[tokio::test]
async fn a_newer_genuine_token_decides_about_older_ones() {
    let at = |signer: &Signer, kid: &str, issued: i64| {
        mint_by(signer, json!({"kid": kid}), json!({"iat": NOW_S + issued, "exp": NOW_S + issued + 60}))
    };
    for (reply, undecided) in
        [(ours(), "cannot judge: KeyNewerThanOurs"), (down(), "cannot judge: KeyUnknownAndUnreachable")]
    {
        let scene = Scene::loaded().await;
        scene.clerk.now_says(reply);
        // Uses up what may be asked now.
        scene.judge(&unknown_kid(), NOW + FORCE_GAP_MS).await;
        let later = NOW + FORCE_GAP_MS + 10_000;
        assert_eq!(scene.judge(&at(&FOREIGN, KID, 35), later).await, undecided);
        assert_eq!(scene.judge(&at(&OURS, KID, 36), later).await, "accepted");
        assert_eq!(scene.judge(&at(&FOREIGN, KID, 35), later).await, "token-invalid-signature");
        for (signer, kid, issued) in [(&*FOREIGN, KID, 36), (&*FOREIGN, KID, 37), (&*OURS, "ins_new", 35)] {
            assert_eq!(scene.judge(&at(signer, kid, issued), later).await, undecided, "{kid} {issued}");
        }
        // A renewal that brings the same keys forgets nothing.
        scene.clerk.now_says(ours());
        scene.cache.renew_if_due(NOW + RENEW_AT_MS + FORCE_GAP_MS).await;
        scene.clerk.now_says(down());
        let end = NOW + RENEW_AT_MS + 2 * FORCE_GAP_MS;
        let forged = mint_by(&FOREIGN, json!({}), json!({"iat": NOW_S + 35, "exp": end / 1000 + 60}));
        assert_eq!(scene.judge(&forged, end).await, "token-invalid-signature");
    }
}

/// With two keys of different ids, a token by one says nothing about the other.
#[tokio::test]
async fn a_genuine_token_of_another_kid_decides_nothing() {
    let scene = Scene::new(Clerk::answering(Ok(jwks(&[OURS.jwk(KID), FOREIGN.jwk("ins_2")]))));
    scene.cache.renew_if_due(NOW).await;
    scene.clerk.now_says(down());
    let at = |signer: &Signer, kid: &str, issued: i64| {
        mint_by(signer, json!({"kid": kid}), json!({"iat": NOW_S + issued, "exp": NOW_S + issued + 60}))
    };
    let later = NOW + FORCE_GAP_MS;
    assert_eq!(scene.judge(&at(&FOREIGN, "ins_2", 20), later).await, "accepted");
    let forged = at(&FOREIGN, KID, 10);
    assert_eq!(scene.judge(&forged, later).await, "cannot judge: KeyUnknownAndUnreachable");
}

/// A crowd of forged tokens, each worth a fetch, while Clerk hangs: a genuine one is judged without
/// waiting.
#[tokio::test]
async fn a_forged_token_never_makes_a_genuine_one_wait() {
    let scene = Scene::new(Clerk::hanging(ours()));
    scene.clerk.answer(1);
    scene.cache.renew_if_due(NOW).await;
    let (forged, good, later) = (rotated(), valid(), NOW + FORCE_GAP_MS);
    let mut calls: Vec<_> = (0..1_000).map(|_| Box::pin(scene.judge(&forged, later))).collect();
    let mut undecided = 0;
    for call in &mut calls {
        if let Poll::Ready(verdict) = poll_once(call.as_mut()) {
            assert_eq!(verdict, "cannot judge: KeyNewerThanOurs");
            undecided += 1;
        }
        let mut genuine = pin!(scene.judge(&good, later));
        let Poll::Ready(verdict) = poll_once(genuine.as_mut()) else { panic!("a genuine token waits") };
        assert_eq!(verdict, "accepted");
    }
    assert_eq!(undecided, 1_000 - MAX_WAITING);
}

/// A server that starts while Clerk is away judges by the keys that it had before.
#[tokio::test]
async fn restored_keys_serve_for_what_is_left_of_a_day() {
    let scene = Scene::new(Clerk::answering(down()));
    let token = long_lived(&OURS, KID);
    scene.cache.restore(&jwks(&[OURS.jwk(KID)]), NOW - MAX_AGE_MS + 10_000).unwrap();
    assert_eq!(scene.judge(&token, NOW + 10_000).await, "accepted");
    assert_eq!(scene.judge(&token, NOW + 10_001).await, "cannot judge: KeysTooOld");
    assert!(scene.cache.renewal_is_due(NOW + 11_001));
    scene.cache.restore(&jwks(&[FOREIGN.jwk(KID)]), NOW + 10_001).unwrap();
    assert_eq!(scene.cache.status().loaded_at_ms, Some(NOW - MAX_AGE_MS + 10_000), "present keys stay");
    assert!(scene.cache.restore(b"{}", NOW).is_err());
}

#[tokio::test]
async fn restored_keys_are_renewed_at_once_and_until_that_works() {
    let scene = Scene::new(Clerk::answering(down()));
    scene.cache.restore(&jwks(&[FOREIGN.jwk(KID)]), NOW - 1).unwrap();
    assert!(scene.cache.renewal_is_due(NOW), "young, but not fetched by this process");
    scene.cache.renew_if_due(NOW).await;
    assert!(scene.cache.renewal_is_due(NOW + FORCE_GAP_MS), "Clerk was away");
    scene.clerk.now_says(ours());
    scene.cache.renew_if_due(NOW + FORCE_GAP_MS).await;
    assert_eq!(scene.judge(&valid(), NOW + FORCE_GAP_MS).await, "accepted");
    assert!(!scene.cache.renewal_is_due(NOW + 2 * FORCE_GAP_MS));
}

#[tokio::test]
async fn a_key_made_right_after_restored_keys_were_renewed_is_found_at_once() {
    let scene = Scene::new(Clerk::answering(ours()));
    scene.cache.restore(&jwks(&[OURS.jwk(KID)]), NOW - 1).unwrap();
    scene.cache.renew_if_due(NOW).await;
    scene.clerk.now_says(Ok(jwks(&[FOREIGN.jwk(KID)])));
    assert_eq!(scene.judge(&rotated(), NOW + 1).await, "accepted");
}

#[tokio::test]
async fn options_replace_the_defaults() {
    let mut options = CacheOptions::default();
    options.renew_at = std::time::Duration::from_secs(10);
    options.force_gap = std::time::Duration::from_secs(2);
    options.max_age = std::time::Duration::from_secs(100);
    options.max_waiting = 0;
    let clerk = Clerk::answering(ours());
    let cache = KeyCache::fetching(clerk.clone(), options);
    let verifier = Verifier::new(policy());
    assert!(cache.renewal_is_due(NOW));
    cache.renew_if_due(NOW).await;
    assert!(!cache.renewal_is_due(NOW + 9_999) && cache.renewal_is_due(NOW + 10_000));
    assert!(cache.is_ready(NOW + 100_000) && !cache.is_ready(NOW + 100_001));
    let told = cache.judge(&verifier, &unknown_kid(), NOW + 2_000).await;
    assert_eq!(word(&told), "cannot judge: KeyNewerThanOurs", "nobody may wait");
    options.max_document = 10;
    let small = KeyCache::fetching(clerk, options);
    small.renew_if_due(NOW).await;
    assert_eq!(small.status().last_error, Some(FetchError::TooLarge));
    assert!(!KeyCache::pinned(pinned()).renewal_is_due(NOW));
}

#[tokio::test]
async fn the_epoch_changes_with_the_keys_and_only_with_them() {
    let scene = Scene::loaded().await;
    let first = scene.cache.epoch();
    scene.cache.renew_if_due(NOW + RENEW_AT_MS).await;
    assert_eq!((scene.clerk.fetches(), scene.cache.epoch()), (2, first));
    let mut seen = vec![first];
    for (round, keys) in [
        vec![OURS.jwk(KID), FOREIGN.jwk("ins_2")],
        vec![FOREIGN.jwk("ins_2")],
        vec![FOREIGN.jwk("ins_3")],
        vec![OURS.jwk(KID)],
    ]
    .into_iter()
    .enumerate()
    {
        scene.clerk.now_says(Ok(jwks(&keys)));
        scene.cache.renew_if_due(NOW + RENEW_AT_MS * (i64::try_from(round).unwrap() + 2)).await;
        assert!(!seen.contains(&scene.cache.epoch()));
        seen.push(scene.cache.epoch());
    }
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_silence_us() {
    let scene = Scene::loaded().await;
    scene.clerk.now_says(Ok(jwks(&[FOREIGN.jwk(KID)])));
    scene.cache.renew_if_due(NOW - 3_600_000).await;
    assert_eq!(scene.clerk.fetches(), 2);
}

#[tokio::test]
async fn a_pinned_key_needs_no_network_and_does_not_age() {
    let cache = KeyCache::pinned(pinned());
    let verifier = Verifier::new(policy());
    assert!(cache.is_ready(i64::MAX));
    assert_eq!(word(&cache.judge(&verifier, &valid(), NOW).await), "accepted");
    assert_eq!(word(&cache.judge(&verifier, &rotated(), NOW).await), "token-invalid-signature");
    cache.renew_if_due(NOW).await;
    assert_eq!(cache.status().fetches, 0);
}

#[tokio::test]
async fn a_fetcher_that_panics_does_not_poison_the_cache() {
    struct Panics(Clerk);
    impl FetchJwks for Panics {
        fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
            Box::pin(async {
                let reply = self.0.fetch().await;
                assert!(self.0.fetches() > 1, "the first fetch panics");
                reply
            })
        }
    }
    let cache = Arc::new(KeyCache::fetching(Panics(Clerk::answering(ours())), CacheOptions::default()));
    let renewing = Arc::clone(&cache);
    tokio::spawn(async move { renewing.renew_if_due(NOW).await }).await.unwrap_err();
    let verifier = Verifier::new(policy());
    assert_eq!(word(&cache.judge(&verifier, &valid(), NOW + COLD_GAP_MS).await), "accepted");
}
