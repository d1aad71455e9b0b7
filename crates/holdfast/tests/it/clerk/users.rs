//! User records: from the Backend API, from claims, and from webhooks, into a real database.

use std::sync::Arc;

use clerk_session::OriginPattern;
use futures_util::future::join_all;
use holdfast::caller::keys::{BackendKeys, KeyServer, KeySource};
use holdfast::caller::{Authentication, Caller, ClerkConfig, SessionVerifier, policy};
use holdfast::clerk::UserFacts;
use holdfast::clerk::backend::{BackendApi, BackendError};
use holdfast::clock::{SharedClock, SystemClock};
use holdfast::standin::clerk::{Fault, Mint, Person, Surface};
use holdfast::store::Visit;
use holdfast::users::{Users, UsersError};
use http::Method;
use secrecy::SecretString;
use serde_json::json;

use super::emulate::Emulate;
use super::{Clerk, Database, ORIGIN, as_read, transport};
use crate::store::events::erase;
use crate::testing::answer::AnswerExt as _;
use crate::testing::leaks;
use crate::testing::waiting::until;

/// The caller that a genuine token proves.
pub async fn caller(clerk: &Clerk, person: Person) -> Caller {
    caller_with(clerk, person, |_| ()).await
}

/// The caller of a token with changed claims.
pub async fn caller_with(
    clerk: &Clerk,
    person: Person,
    change: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>),
) -> Caller {
    let token =
        clerk.standin.mint_with(person, Some(ORIGIN), |mint: &Mint<'_>| mint.with_claims(change)).unwrap();
    let policy = policy(vec![clerk.standin.issuer()], vec![OriginPattern::parse(ORIGIN).unwrap()]);
    let keys = KeySource::Fetched(vec![KeyServer::public(clerk.standin.jwks_url())]);
    let config = ClerkConfig { policy, keys, kept_keys: None };
    proven(&SessionVerifier::new(config, transport(), clerk.shared_clock()).unwrap(), &token).await
}

async fn proven(verifier: &SessionVerifier, token: &str) -> Caller {
    match verifier.judge(&[format!("Bearer {token}").as_bytes()], "req_test").await {
        Authentication::Caller(caller) => caller,
        other => panic!("{other:?}"),
    }
}

fn backend(clerk: &Clerk, secret_key: &SecretString) -> Arc<BackendApi> {
    Arc::new(BackendApi::new(clerk.standin.url(), &as_read(secret_key), transport(), clerk.shared_clock()))
}

#[tokio::test]
async fn the_first_call_makes_the_record_from_the_backend_api() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let backend = backend(&clerk, &clerk.standin.secret_key());
    let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
    let ada = caller(&clerk, Person::Ada).await;

    let synced = users.sync(&ada).await.unwrap();
    assert!(synced.created);
    assert_eq!(synced.user.id, Person::Ada.user_id());
    assert_eq!(synced.user.email.as_deref(), Some("ada@example.com"));
    assert_eq!(synced.user.email_verified, Some(true));
    assert_eq!(synced.user.first_name.as_deref(), Some("Ada"));

    // Clerk is asked about each user once a minute.
    clerk.advance(60);
    clerk.standin.rename(Person::Ada, "Augusta");
    let again = users.sync(&ada).await.unwrap();
    assert!(!again.created);
    assert_eq!(again.user.first_name.as_deref(), Some("Augusta"));
    assert_eq!(again.user.created_at, synced.user.created_at);
}

#[tokio::test]
async fn a_hundred_parallel_first_calls_make_one_record() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let backend = backend(&clerk, &clerk.standin.secret_key());
    let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
    let grace = caller(&clerk, Person::Grace).await;
    let calls = (0..100).map(|_| {
        let (users, grace) = (users.clone(), grace.clone());
        tokio::spawn(async move { users.sync(&grace).await.unwrap() })
    });
    let all: Vec<_> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(all.iter().filter(|synced| synced.created).count(), 1);
    assert!(all.iter().all(|synced| synced.user.email.as_deref() == Some("grace@example.com")));
    assert_eq!(clerk.standin.requests(Surface::Users), 1);
}

#[tokio::test]
async fn no_failure_of_the_backend_api_fails_a_sign_in_or_takes_facts_away() {
    for fault in Fault::ALL {
        let clerk = Clerk::start().await;
        let database = Database::new(clerk.shared_clock()).await;
        let backend = backend(&clerk, &clerk.standin.secret_key());
        let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
        let (ada, grace) = (caller(&clerk, Person::Ada).await, caller(&clerk, Person::Grace).await);
        let before = users.sync(&ada).await.unwrap().user;

        // What Clerk would say now does not arrive.
        clerk.standin.rename(Person::Ada, "Augusta");
        clerk.standin.set_fault(Surface::Users, Some(fault));
        clerk.advance(60);
        let known = users.sync(&ada).await.unwrap();
        assert_eq!((known.user.email, known.user.first_name), (before.email, before.first_name), "{fault:?}");
        let unknown = users.sync(&grace).await.unwrap();
        assert!(unknown.created, "{fault:?}");
        assert_eq!(unknown.user.email, None, "{fault:?}: invented");
    }
}

#[tokio::test]
async fn a_wrong_secret_key_is_the_operators_problem() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let refused = || backend(&clerk, &SecretString::from("sk_test_wrong"));
    let users = Users::new(database.store.clone(), Some(refused()), clerk.shared_clock());
    let synced = users.sync(&caller(&clerk, Person::Ada).await).await.unwrap();
    assert_eq!((synced.created, synced.user.email), (true, None));
    let answer = refused().user(Person::Ada.user_id()).await;
    assert_eq!(answer, Err(BackendError::SecretRefused(401)));
}

#[tokio::test]
async fn without_a_secret_key_the_claims_say_what_they_say() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());

    let bare = users.sync(&caller(&clerk, Person::Ada).await).await.unwrap();
    assert_eq!((bare.user.email, bare.user.email_verified, bare.user.first_name), (None, None, None));

    let telling = caller_with(&clerk, Person::Grace, |claims| {
        claims.insert("email".to_owned(), json!("grace@example.com"));
        claims.insert("email_verified".to_owned(), json!(true));
        claims.insert("first_name".to_owned(), json!("Grace"));
        claims.insert("last_name".to_owned(), json!(""));
        claims.insert("image_url".to_owned(), json!(["not", "text"]));
    })
    .await;
    let told = users.sync(&telling).await.unwrap().user;
    assert_eq!(told.email.as_deref(), Some("grace@example.com"));
    assert_eq!(told.email_verified, Some(true));
    assert_eq!(told.first_name.as_deref(), Some("Grace"));
    assert_eq!((told.last_name, told.image_url), (None, None));
}

#[tokio::test]
async fn claims_are_as_old_as_their_token_and_null_is_none() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());
    let telling = async |told: serde_json::Value| {
        let told = told.as_object().unwrap().clone();
        let caller = caller_with(&clerk, Person::Ada, |claims| claims.extend(told)).await;
        users.sync(&caller).await.unwrap().user
    };
    telling(json!({"email": "old@example.com", "email_verified": true, "first_name": "Ada"})).await;
    let moved = telling(json!({"email": "new@example.com"})).await;
    assert_eq!((moved.email.as_deref(), moved.email_verified), (Some("new@example.com"), None));
    let less = telling(json!({"email": null, "first_name": null})).await;
    assert_eq!((less.email, less.first_name), (None, None));

    // What Clerk itself told is as old as its `updated_at`.
    let owner = caller(&clerk, Person::Ada).await.owner().clone();
    let at = |second| Some(jiff::Timestamp::from_second(clerk.now() + second).unwrap());
    let told = UserFacts { first_name: Some("Countess".into()), updated_at: at(-60), ..UserFacts::default() };
    database.store.meet_user(&owner, &told, clerk.shared_clock().now(), Visit::Sync).await.unwrap();
    assert_eq!(telling(json!({"first_name": "Augusta"})).await.first_name.as_deref(), Some("Augusta"));
    let told = UserFacts { updated_at: at(60), ..told };
    database.store.meet_user(&owner, &told, clerk.shared_clock().now(), Visit::Sync).await.unwrap();
    assert_eq!(telling(json!({"first_name": "Augusta"})).await.first_name.as_deref(), Some("Countess"));
}

/// Two of a person's tabs, the first with a token from before the change.
#[tokio::test]
async fn an_older_token_never_overrules_what_a_newer_one_said() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());
    let telling = async |issued: i64, told: serde_json::Value| {
        let told = told.as_object().unwrap().clone();
        let caller = caller_with(&clerk, Person::Ada, |claims| {
            claims.insert("iat".to_owned(), json!(clerk.now() + issued));
            claims.extend(told);
        })
        .await;
        users.sync(&caller).await.unwrap().user.first_name
    };
    let (countess, augusta) = (json!({"first_name": "Countess"}), json!({"first_name": "Augusta"}));
    telling(-50, countess.clone()).await;
    assert_eq!(telling(-20, augusta.clone()).await.as_deref(), Some("Augusta"));
    assert_eq!(telling(-30, countess.clone()).await.as_deref(), Some("Augusta"), "it is older");
    assert_eq!(telling(-30, json!({"first_name": null})).await.as_deref(), Some("Augusta"));
    // A newer one that tells nothing new counts too, and one that tells nothing does not.
    assert_eq!(telling(-5, augusta).await.as_deref(), Some("Augusta"));
    assert_eq!(telling(-1, json!({})).await.as_deref(), Some("Augusta"));
    assert_eq!(telling(-10, countess.clone()).await.as_deref(), Some("Augusta"));
    assert_eq!(telling(-3, countess).await.as_deref(), Some("Countess"));
}

#[tokio::test]
async fn nobody_was_last_seen_in_a_time_to_come() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());
    let ada = caller(&clerk, Person::Ada).await;
    let now = clerk.shared_clock().now();
    let ahead = holdfast::clock::after(now, std::time::Duration::from_hours(2));
    database.store.meet_user(ada.owner(), &UserFacts::default(), ahead, Visit::Sync).await.unwrap();
    assert_eq!(users.profile(&ada).await.unwrap().last_seen_at, Some(now));
    assert_eq!(users.sync(&ada).await.unwrap().user.last_seen_at, Some(now));
}

#[tokio::test]
async fn a_profile_is_made_on_the_spot_and_being_seen_is_noted_now_and_then() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());
    let ada = caller(&clerk, Person::Ada).await;
    let first = users.profile(&ada).await.unwrap().last_seen_at;
    assert_eq!(first.unwrap().as_second(), clerk.now());
    clerk.advance(59);
    assert_eq!(users.profile(&ada).await.unwrap().last_seen_at, first);
    clerk.advance(1);
    let seen = users.profile(&ada).await.unwrap().last_seen_at;
    assert_eq!(seen.unwrap().as_second(), clerk.now());
    let stored = async || database.store.user(ada.owner()).await.unwrap().unwrap().last_seen_at;
    until("it is noted", async || stored().await == seen).await;

    clerk.advance(3600);
    let support = caller_with(&clerk, Person::Ada, |claims| {
        claims.insert("act".to_owned(), json!({"sub": "user_support"}));
    })
    .await;
    assert_eq!(users.profile(&support).await.unwrap().last_seen_at, seen);
}

#[tokio::test]
async fn c8_facts_that_could_not_be_had_come_with_a_later_call() {
    for fault in [Fault::RateLimited, Fault::ServerError, Fault::Html] {
        let clerk = Clerk::start().await;
        let database = Database::new(clerk.shared_clock()).await;
        let backend = backend(&clerk, &clerk.standin.secret_key());
        let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
        let ada = caller(&clerk, Person::Ada).await;
        clerk.standin.set_fault(Surface::Users, Some(fault));
        assert_eq!(users.profile(&ada).await.unwrap().email, None, "{fault:?}");
        let asked = clerk.standin.requests(Surface::Users);
        assert_eq!(users.profile(&ada).await.unwrap().email, None, "{fault:?}");
        assert_eq!(clerk.standin.requests(Surface::Users), asked, "{fault:?}: not asked again at once");

        clerk.standin.set_fault(Surface::Users, None);
        clerk.advance(30);
        let profile = users.profile(&ada).await.unwrap();
        assert_eq!(profile.email.as_deref(), Some("ada@example.com"), "{fault:?}");
        let asked = clerk.standin.requests(Surface::Users);
        users.profile(&ada).await.unwrap();
        assert_eq!(
            clerk.standin.requests(Surface::Users),
            asked,
            "{fault:?}: what is known is not asked for"
        );
    }
}

#[tokio::test]
async fn one_user_whom_clerk_does_not_know_keeps_nobody_from_theirs() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let backend = backend(&clerk, &clerk.standin.secret_key());
    let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
    let nobody = caller_with(&clerk, Person::Ada, |claims| {
        claims.insert("sub".to_owned(), json!("user_nobody"));
    })
    .await;
    for _ in 0..5 {
        assert_eq!(users.profile(&nobody).await.unwrap().email, None);
    }
    assert_eq!(clerk.standin.requests(Surface::Users), 1, "asked about once, for now");
    let grace = users.profile(&caller(&clerk, Person::Grace).await).await.unwrap();
    assert_eq!(grace.email.as_deref(), Some("grace@example.com"));
    clerk.advance(3601);
    users.profile(&nobody).await.unwrap();
    assert_eq!(clerk.standin.requests(Surface::Users), 3);
}

#[tokio::test]
async fn c9_created_is_told_to_the_first_sync_whoever_made_the_record() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let backend = backend(&clerk, &clerk.standin.secret_key());
    let users = Users::new(database.store.clone(), Some(backend), clerk.shared_clock());
    let ada = caller(&clerk, Person::Ada).await;
    users.profile(&ada).await.unwrap();
    let calls = (0..6).map(|_| {
        let (users, ada) = (users.clone(), ada.clone());
        tokio::spawn(async move { users.sync(&ada).await.unwrap().created })
    });
    let created = join_all(calls).await.into_iter().filter(|each| *each.as_ref().unwrap()).count();
    assert_eq!(created, 1);
    assert!(!users.sync(&ada).await.unwrap().created);
}

#[tokio::test]
async fn a_deleted_user_is_not_brought_back_by_a_token_that_still_lives() {
    let clerk = Clerk::start().await;
    let database = Database::new(clerk.shared_clock()).await;
    let users = Users::new(database.store.clone(), None, clerk.shared_clock());
    let ada = caller(&clerk, Person::Ada).await;
    users.sync(&ada).await.unwrap();
    let now = holdfast::clock::Clock::now(&*clerk.clock);
    erase(&database.store, ada.owner(), now).await.unwrap();
    assert_eq!(users.sync(&ada).await.unwrap_err(), UsersError::Erased);
    assert_eq!(users.profile(&ada).await.unwrap_err(), UsersError::Erased);
}

#[tokio::test]
async fn a_person_who_signs_in_at_the_emulator_is_verified_and_synchronised() {
    let emulate = Emulate::start().await;
    let body = json!({"first_name": "Ada", "last_name": "Lovelace", "email_address": ["ada@example.com"]});
    let made = emulate.call(Method::POST, "/v1/users", Some(body)).await.json();
    let session = json!({"user_id": made["id"]});
    let session = emulate.call(Method::POST, "/v1/sessions", Some(session)).await.json();
    let tokens = format!("/v1/sessions/{}/tokens", session["id"].as_str().unwrap());
    let token = emulate.call(Method::POST, &tokens, None).await.json()["jwt"].as_str().unwrap().to_owned();
    leaks::secret(&token);

    // Its tokens name no party: they are minted by a backend, not by a page.
    let clock: SharedClock = Arc::new(SystemClock);
    let issuer = emulate.url.as_str().trim_end_matches('/').to_owned();
    let api = BackendKeys { base: emulate.url.clone(), secret_key: as_read(&Emulate::secret_key()) };
    let keys = KeySource::Fetched(vec![KeyServer::backend(&api)]);
    let config = ClerkConfig { policy: policy(vec![issuer], Vec::new()), keys, kept_keys: None };
    let verifier = SessionVerifier::new(config, transport(), Arc::clone(&clock)).unwrap();
    let caller = proven(&verifier, &token).await;

    let database = Database::new(Arc::clone(&clock)).await;
    let users = Users::new(database.store.clone(), Some(Arc::new(emulate.api(Arc::clone(&clock)))), clock);
    let synced = users.sync(&caller).await.unwrap();
    assert!(synced.created);
    assert_eq!(synced.user.id, made["id"].as_str().unwrap());
    assert_eq!(synced.user.email.as_deref(), Some("ada@example.com"));
    assert_eq!(synced.user.email_verified, Some(true));
}
