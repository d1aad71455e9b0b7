//! The verdict on session tokens, with keys fetched over real HTTP.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use clerk_session::{AuthorizedPartiesMode, OriginPattern};
use futures_util::future::join_all;
use holdfast::caller::keys::{BackendKeys, KeyServer, KeySource};
use holdfast::caller::{Authentication, ClerkConfig, KeptKeys, SessionVerifier, policy};
use holdfast::clock::Clock;
use holdfast::standin::clerk::{Case, Expectation, Fault, Mint, Person, Rotation, Surface};
use holdfast::transport::Outgoing;
use http::{HeaderMap, Method, StatusCode};
use secrecy::SecretString;
use url::Url;

use super::{Clerk, ORIGIN, as_read, transport};
use crate::testing::serving::serving;
use crate::testing::waiting::until;

/// What a judgement amounts to, for comparison.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Refused(&'static str),
    Pending,
    CannotJudge,
    StopRepeating(&'static str),
    MultipleCredentials,
}

impl From<Authentication> for Outcome {
    fn from(judgement: Authentication) -> Self {
        match judgement {
            Authentication::Caller(_) => Self::Accepted,
            Authentication::Refused(refusal) => Self::Refused(refusal.code.as_str()),
            Authentication::Inactive(_) => Self::Pending,
            Authentication::CannotJudge(cannot) => {
                assert!(cannot.retry_after >= Duration::from_secs(1));
                Self::CannotJudge
            }
            Authentication::StopRepeating { refusal, retry_after } => {
                assert!(retry_after >= Duration::from_secs(1));
                Self::StopRepeating(refusal.code.as_str())
            }
            Authentication::MultipleCredentials => Self::MultipleCredentials,
        }
    }
}

fn config(clerk: &Clerk) -> ClerkConfig {
    let policy = policy(vec![clerk.standin.issuer()], vec![OriginPattern::parse(ORIGIN).unwrap()]);
    let keys = KeySource::Fetched(vec![KeyServer::public(clerk.standin.jwks_url())]);
    ClerkConfig { policy, keys, kept_keys: None }
}

fn verifier(clerk: &Clerk, config: ClerkConfig) -> SessionVerifier {
    SessionVerifier::new(config, transport(), clerk.shared_clock()).unwrap()
}

async fn judge(verifier: &SessionVerifier, token: &str) -> Outcome {
    verifier.judge(&[format!("Bearer {token}").as_bytes()], "req_test").await.into()
}

fn genuine(clerk: &Clerk) -> String {
    let session = clerk.standin.sign_in(Person::Ada).unwrap();
    clerk.standin.token(&session, Some(ORIGIN)).unwrap()
}

#[tokio::test]
async fn a_signed_in_person_is_a_caller() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    let session = clerk.standin.sign_in(Person::Ada).unwrap();
    let token = clerk.standin.token(&session, Some(ORIGIN)).unwrap();
    for scheme in ["Bearer", "bearer"] {
        let judgement = verifier.judge(&[format!("{scheme} {token}").as_bytes()], "req_1").await;
        let Authentication::Caller(caller) = judgement else { panic!("{judgement:?}") };
        assert_eq!(caller.owner().as_str(), Person::Ada.user_id());
        assert_eq!(caller.session_id(), session);
        assert_eq!(caller.expires_at().as_second(), clerk.now() + 60);
        assert!(!caller.is_impersonated());
    }
    let act = clerk.standin.mint(Case::find("genuine-impersonated").unwrap(), Person::Ada, ORIGIN).unwrap();
    let Authentication::Caller(caller) = verifier.judge(&[format!("Bearer {act}").as_bytes()], "req_1").await
    else {
        panic!("refused")
    };
    assert!(caller.is_impersonated());
}

#[tokio::test]
async fn every_token_of_the_corpus_has_the_verdict_it_deserves() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    // Warmed up, so that a cold start plays no part in it.
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    for token in clerk.standin.corpus(Person::Ada, ORIGIN).unwrap() {
        let expected = match token.expect {
            Expectation::Accepted => Outcome::Accepted,
            Expectation::Pending => Outcome::Pending,
            Expectation::Refused(code) => Outcome::Refused(code),
        };
        // The second time from memory.
        for time in ["first", "second"] {
            assert_eq!(judge(&verifier, &token.token).await, expected, "{} ({time} time)", token.name);
        }
    }
}

#[tokio::test]
async fn what_is_no_token_is_told_apart() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    let token = genuine(&clerk);
    let good = format!("Bearer {token}").into_bytes();
    let outcome = async |values: &[&[u8]]| Outcome::from(verifier.judge(values, "req_1").await);
    assert_eq!(outcome(&[]).await, Outcome::Refused("session-token-missing"));
    assert_eq!(outcome(&[&good, &good]).await, Outcome::MultipleCredentials);
    assert_eq!(outcome(&[&good, b"Basic eDp5"]).await, Outcome::MultipleCredentials);
    for hostile in [&b"Bearer"[..], b"Bearer ", b"Bearer null", b"\xff\xfe", b"Bearer \xff", b""] {
        let judged = outcome(&[hostile]).await;
        assert!(matches!(judged, Outcome::Refused(_)), "{hostile:?}: {judged:?}");
    }
}

#[tokio::test]
async fn a_cold_start_under_load_fetches_the_keys_once() {
    let clerk = Clerk::start().await;
    let verifier = Arc::new(verifier(&clerk, config(&clerk)));
    let token = genuine(&clerk);
    let all = join_all((0..50).map(|_| judge(&verifier, &token))).await;
    assert!(all.iter().all(|outcome| *outcome == Outcome::Accepted), "{all:?}");
    assert_eq!(clerk.standin.jwks_requests(), 1);
}

#[tokio::test]
async fn while_the_keys_cannot_be_had_nobody_is_refused() {
    for fault in Fault::ALL {
        let clerk = Clerk::start().await;
        let verifier = verifier(&clerk, config(&clerk));
        clerk.standin.set_fault(Surface::Jwks, Some(fault));
        let token = genuine(&clerk);
        for _ in 0..5 {
            assert_eq!(judge(&verifier, &token).await, Outcome::CannotJudge, "{fault:?}");
        }
        assert!(clerk.standin.jwks_requests() <= 1, "{fault:?}: every request asked");
        // Mended: judged again within a minute, without a restart.
        clerk.standin.set_fault(Surface::Jwks, None);
        clerk.advance(35);
        assert_eq!(judge(&verifier, &token).await, Outcome::Accepted, "{fault:?}");
    }
}

#[tokio::test]
async fn an_outage_after_the_keys_are_there_is_not_noticed_for_hours() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    clerk.standin.set_fault(Surface::Jwks, Some(Fault::Down));
    for _ in 0..5 {
        clerk.advance(3600);
        assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    }
}

#[tokio::test]
async fn a_flood_of_unknown_kids_and_bad_signatures_fetches_once_in_thirty_seconds() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    let before = clerk.standin.jwks_requests();
    for n in 0..50 {
        let unknown = clerk
            .standin
            .mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_header("kid", format!("ins_{n}")))
            .unwrap();
        judge(&verifier, &unknown).await;
        let forged = clerk.standin.mint_with(Person::Ada, Some(ORIGIN), |mint| mint.forged(|_| ())).unwrap();
        judge(&verifier, &forged).await;
    }
    assert!(clerk.standin.jwks_requests() - before <= 1);
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
}

/// A cache in front of Clerk's keys: gives its copy with its `Age` for five minutes. Unless it is
/// `deaf`, it asks Clerk where the request says `no-cache`.
async fn cached(clerk: &Clerk, deaf: bool) -> Url {
    let copy = Arc::new(Mutex::new(None::<(Bytes, i64)>));
    let (clock, transport, source) = (clerk.clock.clone(), clerk.transport.clone(), clerk.standin.jwks_url());
    let answer = move |headers: HeaderMap| {
        let (copy, now) = (Arc::clone(&copy), clock.now().as_second());
        let asking = transport.clone();
        let request = Outgoing::new(Method::GET, source.clone());
        let fresh = !deaf && headers.get("cache-control").is_some_and(|value| value == "no-cache");
        async move {
            let kept = copy.lock().unwrap().clone().filter(|(_, stored)| !fresh && now - stored < 300);
            let (document, stored) = match kept {
                Some(kept) => kept,
                None => (asking.send(request).await.unwrap().body, now),
            };
            *copy.lock().unwrap() = Some((document.clone(), stored));
            ([("age", (now - stored).to_string())], document)
        }
    };
    let address = serving(Router::new().route("/jwks", get(answer))).await;
    Url::parse(&format!("{address}/jwks")).unwrap()
}

#[tokio::test]
async fn behind_a_cache_a_rotation_refuses_nobody() {
    for deaf in [false, true] {
        let clerk = Clerk::start().await;
        let keys = KeySource::Fetched(vec![KeyServer::public(cached(&clerk, deaf).await)]);
        let verifier = verifier(&clerk, ClerkConfig { keys, ..config(&clerk) });
        assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
        for rotation in [Rotation::NewKid, Rotation::SameKid] {
            clerk.advance(31);
            clerk.standin.rotate(rotation).unwrap();
            clerk.advance(2);
            let now = judge(&verifier, &genuine(&clerk)).await;
            // The copy of a cache that does not listen cannot tell, and its age says so.
            assert_eq!(now, if deaf { Outcome::CannotJudge } else { Outcome::Accepted }, "{rotation:?}");
            clerk.advance(300);
            assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted, "{rotation:?}");
        }
    }
}

#[tokio::test]
async fn replaced_keys_are_learned_and_former_tokens_forgotten() {
    for rotation in [Rotation::NewKid, Rotation::SameKid, Rotation::NewKidKeepFormer] {
        let clerk = Clerk::start().await;
        let verifier = verifier(&clerk, config(&clerk));
        let former = genuine(&clerk);
        for _ in 0..3 {
            assert_eq!(judge(&verifier, &former).await, Outcome::Accepted);
        }
        assert_eq!(verifier.counts().remembered, 1);
        clerk.advance(31);
        clerk.standin.rotate(rotation).unwrap();
        assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted, "{rotation:?}");
        // The former token is still within its time, and was remembered; only its key decides.
        let expected = match rotation {
            Rotation::NewKidKeepFormer => Outcome::Accepted,
            Rotation::NewKid => Outcome::Refused("jwk-kid-mismatch"),
            Rotation::SameKid => Outcome::Refused("token-invalid-signature"),
        };
        assert_eq!(judge(&verifier, &former).await, expected, "{rotation:?}");
    }
}

#[tokio::test]
async fn a_remembered_token_dies_on_time() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    // The first one fetches the keys, and is not remembered: it was judged while they changed.
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    let token = genuine(&clerk);
    for _ in 0..3 {
        assert_eq!(judge(&verifier, &token).await, Outcome::Accepted);
    }
    assert_eq!(verifier.counts().remembered, 2);
    clerk.clock.advance(Duration::from_millis(64_999));
    assert_eq!(judge(&verifier, &token).await, Outcome::Accepted);
    clerk.clock.advance(Duration::from_millis(1));
    assert_eq!(judge(&verifier, &token).await, Outcome::Refused("token-expired"));
    // A clock that is set back makes it good again, and one set back too far makes it early.
    clerk.clock.set(clerk.clock.now() - Duration::from_secs(20));
    assert_eq!(judge(&verifier, &token).await, Outcome::Accepted);
    clerk.clock.set(clerk.clock.now() - Duration::from_mins(1));
    assert_eq!(judge(&verifier, &token).await, Outcome::Refused("token-iat-in-the-future"));
}

#[tokio::test]
async fn a_remembered_verdict_is_the_one_that_a_fresh_look_gives() {
    let clerk = Clerk::start().await;
    let remembering = verifier(&clerk, config(&clerk));
    // The first caller has the keys fetched, and is not remembered.
    assert_eq!(judge(&remembering, &genuine(&clerk)).await, Outcome::Accepted);
    let issued = clerk.clock.now();
    let second = Duration::from_secs(1);
    let token = clerk
        .standin
        .mint_with(Person::Ada, Some(ORIGIN), |mint| {
            mint.with_claims(|claims| {
                claims.insert("iat".to_owned(), (mint.now - 10).into());
                claims.insert("nbf".to_owned(), (mint.now - 7).into());
                claims.insert("exp".to_owned(), (mint.now + 60).into());
            })
        })
        .unwrap();
    assert_eq!(judge(&remembering, &token).await, Outcome::Accepted);
    // With five seconds of skew: issued, in force, expired.
    for boundary in [issued - 15 * second, issued - 12 * second, issued + 65 * second] {
        for millis in -3..=3_i64 {
            let at = boundary + jiff::SignedDuration::from_millis(millis);
            clerk.clock.set(at);
            let remembered = judge(&remembering, &token).await;
            let fresh = verifier(&clerk, config(&clerk));
            judge(&fresh, &genuine(&clerk)).await;
            assert_eq!(remembered, judge(&fresh, &token).await, "at {at}");
        }
    }
    assert!(remembering.counts().remembered > 5, "{:?}", remembering.counts());
}

#[tokio::test]
async fn keys_too_old_to_judge_by_vouch_for_no_remembered_token() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    let token = clerk
        .standin
        .mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("exp", mint.now + 3 * 24 * 3600))
        .unwrap();
    for _ in 0..2 {
        assert_eq!(judge(&verifier, &token).await, Outcome::Accepted);
    }
    assert_eq!(verifier.counts().remembered, 1);
    clerk.standin.set_fault(Surface::Jwks, Some(Fault::Down));
    clerk.advance(25 * 3600);
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::CannotJudge);
    assert_eq!(judge(&verifier, &token).await, Outcome::CannotJudge);
}

#[tokio::test]
async fn a_client_in_a_loop_is_told_to_stop_with_the_same_reason() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    let token = genuine(&clerk);
    assert_eq!(judge(&verifier, &token).await, Outcome::Accepted);
    clerk.advance(120);
    for _ in 0..10 {
        assert_eq!(judge(&verifier, &token).await, Outcome::Refused("token-expired"));
    }
    for _ in 0..100 {
        assert_eq!(judge(&verifier, &token).await, Outcome::StopRepeating("token-expired"));
    }
    // Everybody else is served.
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    clerk.advance(60);
    assert_eq!(judge(&verifier, &token).await, Outcome::Refused("token-expired"));
}

#[tokio::test]
async fn what_time_mends_and_what_everybody_sends_never_trips_the_breaker() {
    let clerk = Clerk::start().await;
    let verifier = verifier(&clerk, config(&clerk));
    let early = clerk
        .standin
        .mint_with(Person::Ada, Some(ORIGIN), |mint| mint.with_claim("nbf", mint.now + 20))
        .unwrap();
    for _ in 0..30 {
        assert_eq!(judge(&verifier, &early).await, Outcome::Refused("token-not-active-yet"));
        assert_eq!(judge(&verifier, "null").await, Outcome::Refused("token-invalid"));
    }
    clerk.advance(16);
    assert_eq!(judge(&verifier, &early).await, Outcome::Accepted);
}

#[tokio::test]
async fn report_mode_accepts_and_counts_what_enforcing_would_refuse() {
    let clerk = Clerk::start().await;
    let mode = |mode| {
        let mut config = config(&clerk);
        config.policy.authorized_parties_mode = mode;
        verifier(&clerk, config)
    };
    let token = |case: &str| clerk.standin.mint(Case::find(case).unwrap(), Person::Ada, ORIGIN).unwrap();
    let (missing, other) = (token("azp-missing"), token("azp-other"));

    let enforce = mode(AuthorizedPartiesMode::Enforce);
    assert_eq!(judge(&enforce, &missing).await, Outcome::Refused("token-invalid-authorized-parties"));

    let if_present = mode(AuthorizedPartiesMode::IfPresent);
    assert_eq!(judge(&if_present, &missing).await, Outcome::Accepted);
    assert_eq!(judge(&if_present, &other).await, Outcome::Refused("token-invalid-authorized-parties"));

    let report = mode(AuthorizedPartiesMode::Report);
    for _ in 0..2 {
        assert_eq!(judge(&report, &missing).await, Outcome::Accepted);
        assert_eq!(judge(&report, &other).await, Outcome::Accepted);
    }
    assert_eq!(judge(&report, &genuine(&clerk)).await, Outcome::Accepted);
    assert_eq!(report.counts().would_refuse, 4);
}

#[tokio::test]
async fn a_pinned_key_needs_no_network() {
    let clerk = Clerk::start().await;
    let pem = clerk.standin.jwt_key().unwrap();
    let escaped = pem.replace('\n', "\\n");
    for pem in [pem, escaped] {
        let config = ClerkConfig { keys: KeySource::Pinned(pem), ..config(&clerk) };
        let verifier = verifier(&clerk, config);
        assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    }
    assert_eq!(clerk.standin.jwks_requests(), 0);
}

#[tokio::test]
async fn keys_come_from_the_backend_api_too_and_a_wrong_secret_key_refuses_nobody() {
    let clerk = Clerk::start().await;
    let with = |secret_key: &SecretString| {
        let secret_key = as_read(secret_key);
        let api = BackendKeys { base: clerk.standin.url(), secret_key };
        let keys = KeySource::Fetched(vec![KeyServer::backend(&api)]);
        verifier(&clerk, ClerkConfig { keys, ..config(&clerk) })
    };
    let right = with(&clerk.standin.secret_key());
    assert_eq!(judge(&right, &genuine(&clerk)).await, Outcome::Accepted);
    let wrong = with(&"sk_test_wrong".into());
    assert_eq!(judge(&wrong, &genuine(&clerk)).await, Outcome::CannotJudge);
    assert!(!wrong.can_judge());
}

fn backend_api(base: Url, secret_key: &SecretString) -> KeyServer {
    KeyServer::backend(&BackendKeys { base, secret_key: as_read(secret_key) })
}

/// A proxy or a name that is gone takes the Frontend API with it, and not what Clerk's own SDKs
/// ask.
#[tokio::test]
async fn where_the_publishable_keys_host_gives_no_keys_the_backend_api_does() {
    let clerk = Clerk::start().await;
    let nowhere = || clerk.standin.url().join("nowhere/.well-known/jwks.json").unwrap();
    let with = |secret_key: &SecretString| {
        let servers = vec![KeyServer::public(nowhere()), backend_api(clerk.standin.url(), secret_key)];
        verifier(&clerk, ClerkConfig { keys: KeySource::Fetched(servers), ..config(&clerk) })
    };
    assert_eq!(judge(&with(&clerk.standin.secret_key()), &genuine(&clerk)).await, Outcome::Accepted);
    assert_eq!(judge(&with(&"sk_test_wrong".into()), &genuine(&clerk)).await, Outcome::CannotJudge);
    let alone = KeySource::Fetched(vec![KeyServer::public(nowhere())]);
    let alone = verifier(&clerk, ClerkConfig { keys: alone, ..config(&clerk) });
    assert_eq!(judge(&alone, &genuine(&clerk)).await, Outcome::CannotJudge);
}

/// A wildcard name or the app's own pages answer every request there with 200.
#[tokio::test]
async fn where_that_host_answers_with_something_else_the_backend_api_does() {
    let clerk = Clerk::start().await;
    for (what, page) in [("a page", "<!doctype html><title>app</title>"), ("no key", r#"{"keys":[]}"#)] {
        let address = serving(Router::new().fallback(move || async move { page })).await;
        let backend = backend_api(clerk.standin.url(), &clerk.standin.secret_key());
        let keys = KeySource::Fetched(vec![KeyServer::public(address.parse().unwrap()), backend]);
        let verifier = verifier(&clerk, ClerkConfig { keys, ..config(&clerk) });
        assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted, "{what}");
    }
}

/// A Frontend API that is there while the switch is on.
async fn switched(clerk: &Clerk, on: &Arc<AtomicBool>) -> Url {
    let (transport, source, on) = (clerk.transport.clone(), clerk.standin.jwks_url(), Arc::clone(on));
    let answer = move || {
        let (transport, on) = (transport.clone(), on.load(Ordering::SeqCst));
        let request = Outgoing::new(Method::GET, source.clone());
        async move {
            if !on {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            Ok(transport.send(request).await.unwrap().body)
        }
    };
    let address = serving(Router::new().route("/jwks", get(answer))).await;
    Url::parse(&format!("{address}/jwks")).unwrap()
}

#[tokio::test]
async fn the_secret_keys_instance_never_replaces_the_keys_of_the_publishable_keys_instance() {
    let (clerk, other) = (Clerk::start().await, Clerk::start().await);
    let directory = tempfile::tempdir().unwrap();
    let on = Arc::new(AtomicBool::new(true));
    let url = switched(&clerk, &on).await;
    let start = |of: &Clerk| {
        let backend = backend_api(of.standin.url(), &of.standin.secret_key());
        let keys = KeySource::Fetched(vec![KeyServer::public(url.clone()), backend]);
        let kept_keys = Some(kept(directory.path()));
        verifier(&clerk, ClerkConfig { keys, kept_keys, ..config(&clerk) })
    };
    let unknown = || {
        let mint = |mint: &Mint<'_>| mint.with_header("kid", "ins_unknown");
        clerk.standin.mint_with(Person::Ada, Some(ORIGIN), mint).unwrap()
    };
    let wrong = start(&other);
    assert_eq!(judge(&wrong, &genuine(&clerk)).await, Outcome::Accepted);
    on.store(false, Ordering::SeqCst);
    clerk.advance(31);
    assert_eq!(judge(&wrong, &unknown()).await, Outcome::CannotJudge);
    assert_eq!(judge(&wrong, &genuine(&clerk)).await, Outcome::Accepted);
    let next = start(&other);
    assert_eq!(judge(&next, &unknown()).await, Outcome::CannotJudge);
    assert_eq!(judge(&next, &genuine(&clerk)).await, Outcome::Accepted, "kept are those of before");

    // One instance's Backend API tells of its new key.
    let right = start(&clerk);
    clerk.advance(31);
    clerk.standin.rotate(Rotation::SameKid).unwrap();
    assert_eq!(judge(&right, &genuine(&clerk)).await, Outcome::Accepted);
}

fn kept(directory: &Path) -> KeptKeys {
    KeptKeys::new(directory, || vec![hmac::Key::new(hmac::HMAC_SHA256, &[7; 32])])
}

#[tokio::test]
async fn keys_kept_for_one_secret_key_do_not_serve_another() {
    let clerk = Clerk::start().await;
    let directory = tempfile::tempdir().unwrap();
    let start = |secret_key: &SecretString| {
        let api = BackendKeys { base: clerk.standin.url(), secret_key: as_read(secret_key) };
        let keys = KeySource::Fetched(vec![KeyServer::backend(&api)]);
        let kept_keys = Some(kept(directory.path()));
        verifier(&clerk, ClerkConfig { keys, kept_keys, ..config(&clerk) })
    };
    assert_eq!(judge(&start(&clerk.standin.secret_key()), &genuine(&clerk)).await, Outcome::Accepted);
    clerk.standin.set_fault(Surface::Jwks, Some(Fault::ServerError));
    assert_eq!(judge(&start(&"sk_live_other".into()), &genuine(&clerk)).await, Outcome::CannotJudge);
    let same = start(&clerk.standin.secret_key());
    assert!(same.key_status().are_restored);
    assert_eq!(judge(&same, &genuine(&clerk)).await, Outcome::Accepted);
}

#[tokio::test]
async fn in_the_background_keys_are_there_before_the_first_request_and_survive_an_outage() {
    let clerk = Clerk::start().await;
    clerk.standin.set_fault(Surface::Jwks, Some(Fault::BadGateway));
    let verifier = Arc::new(verifier(&clerk, config(&clerk)));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let background = tokio::spawn({
        let verifier = Arc::clone(&verifier);
        async move {
            verifier
                .run(async {
                    let _ = stopped.await;
                })
                .await;
        }
    });
    until("they are asked for", async || clerk.standin.jwks_requests() >= 1).await;
    assert!(!verifier.can_judge());
    clerk.standin.set_fault(Surface::Jwks, None);
    // The clock is moved in small steps: a minute of them outlasts every pause between attempts.
    let mut seconds = 0;
    until("it can judge", async || {
        if seconds < 60 {
            clerk.advance(1);
            seconds += 1;
        }
        verifier.can_judge()
    })
    .await;
    let before = clerk.standin.jwks_requests();
    assert_eq!(judge(&verifier, &genuine(&clerk)).await, Outcome::Accepted);
    assert_eq!(clerk.standin.jwks_requests(), before);
    stop.send(()).unwrap();
    background.await.unwrap();
}
