//! The Backend API client against the stand-in, whole and broken.

use std::sync::Arc;
use std::time::Duration;

use holdfast::clerk::backend::{BackendApi, BackendError};
use holdfast::standin::clerk::{Fault, Person, Surface};
use holdfast::transport::TransportError;
use secrecy::SecretString;

use super::{Clerk, as_read, transport};

fn api(clerk: &Clerk) -> BackendApi {
    BackendApi::new(
        clerk.standin.url(),
        &as_read(&clerk.standin.secret_key()),
        transport(),
        clerk.shared_clock(),
    )
}

#[tokio::test]
async fn it_reads_the_primary_address_and_whether_it_is_verified() {
    let clerk = Clerk::start().await;
    let api = api(&clerk);
    let ada = api.user(Person::Ada.user_id()).await.unwrap();
    assert_eq!(ada.email.as_deref(), Some("ada@example.com"));
    assert_eq!(ada.email_verified, Some(true));
    assert_eq!(ada.last_name.as_deref(), Some("Lovelace"));
    assert_eq!(ada.updated_at.unwrap().as_second(), clerk.now());
    let edsger = api.user(Person::Edsger.user_id()).await.unwrap();
    assert_eq!(edsger.email_verified, Some(false));
}

#[tokio::test]
async fn a_hundred_parallel_questions_about_one_user_are_one_request() {
    let clerk = Clerk::start().await;
    let api = Arc::new(api(&clerk));
    let asking = (0..100).map(|_| {
        let api = Arc::clone(&api);
        tokio::spawn(async move { api.user(Person::Ada.user_id()).await })
    });
    for answer in futures_util::future::join_all(asking).await {
        answer.unwrap().unwrap();
    }
    assert_eq!(clerk.standin.requests(Surface::Users), 1);
    clerk.standin.rename(Person::Ada, "Augusta");
    clerk.advance(59);
    assert_eq!(api.user(Person::Ada.user_id()).await.unwrap().first_name.as_deref(), Some("Ada"));
    assert_eq!(clerk.standin.requests(Surface::Users), 1, "once a minute");
    clerk.advance(1);
    assert_eq!(api.user(Person::Ada.user_id()).await.unwrap().first_name.as_deref(), Some("Augusta"));
}

#[tokio::test]
async fn every_failure_has_its_kind_and_its_quiet() {
    for fault in Fault::ALL {
        let clerk = Clerk::start().await;
        let api = api(&clerk);
        clerk.standin.set_fault(Surface::Users, Some(fault));
        let error = api.user(Person::Ada.user_id()).await.unwrap_err();
        let (expected, quiet) = match fault {
            Fault::Down => (BackendError::Unreachable(TransportError::Broken), 5),
            Fault::Hang => (BackendError::Unreachable(TransportError::Timeout), 5),
            // One record's own trouble: the next user is asked about at once.
            Fault::Huge | Fault::Empty => (BackendError::OddRecord, 0),
            Fault::ServerError => (BackendError::Status(500), 5),
            Fault::BadGateway => (BackendError::Status(503), 5),
            Fault::Html | Fault::Truncated => (BackendError::NotUnderstood, 5),
            Fault::Overloaded => (BackendError::Overloaded { retry_after: Duration::from_secs(7) }, 7),
            Fault::RateLimited => (BackendError::RateLimited { retry_after: Duration::from_secs(7) }, 7),
            Fault::Unauthorized => (BackendError::SecretRefused(401), 60),
        };
        assert_eq!(error, expected, "{fault:?}");
        let mut asked = 1;
        // What may be one record's trouble is everybody's once it strikes a second user.
        if matches!(
            error,
            BackendError::Unreachable(_) | BackendError::Status(_) | BackendError::NotUnderstood
        ) {
            assert_eq!(api.user(Person::Edsger.user_id()).await.unwrap_err(), expected, "{fault:?}");
            asked = 2;
        }

        clerk.standin.set_fault(Surface::Users, None);
        if quiet == 0 {
            api.user(Person::Grace.user_id()).await.unwrap();
            continue;
        }
        clerk.advance(quiet - 1);
        let left_alone = api.user(Person::Grace.user_id()).await.unwrap_err();
        assert!(matches!(left_alone, BackendError::CoolingDown { .. }), "{fault:?}: {left_alone:?}");
        assert_eq!(clerk.standin.requests(Surface::Users), asked, "{fault:?}");
        clerk.advance(1);
        api.user(Person::Grace.user_id()).await.unwrap();
    }
}

#[tokio::test]
async fn one_user_about_whom_the_api_always_fails_keeps_nobody_from_theirs() {
    let clerk = Clerk::start().await;
    let api = api(&clerk);
    let mut told = 0;
    for _ in 0..120 {
        clerk.standin.set_fault(Surface::Users, Some(Fault::ServerError));
        api.user(Person::Ada.user_id()).await.unwrap_err();
        clerk.standin.set_fault(Surface::Users, None);
        told += u32::from(api.user(Person::Grace.user_id()).await.is_ok());
        clerk.advance(1);
    }
    assert_eq!(told, 120);
    // Once it answers, it is asked as about anybody.
    clerk.advance(60);
    api.user(Person::Ada.user_id()).await.unwrap();
}

#[tokio::test]
async fn all_questions_share_a_budget_below_clerks() {
    let clerk = Clerk::start().await;
    let api = api(&clerk);
    let mut asked = 0;
    for number in 0..400 {
        match api.user(&format!("user_{number}")).await {
            Err(BackendError::NoSuchUser) => asked += 1,
            Err(BackendError::CoolingDown { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((asked, clerk.standin.requests(Surface::Users)), (250, 250));
    clerk.advance(10);
    assert_eq!(api.user("user_399").await, Err(BackendError::NoSuchUser), "a new window");
}

#[tokio::test]
async fn a_wrong_secret_key_is_told_from_an_unknown_user() {
    let clerk = Clerk::start().await;
    let unknown = api(&clerk).user("user_nobody").await.unwrap_err();
    assert_eq!(unknown, BackendError::NoSuchUser);
    let wrong = SecretString::from("sk_test_wrong");
    let api = BackendApi::new(clerk.standin.url(), &as_read(&wrong), transport(), clerk.shared_clock());
    assert_eq!(api.user(Person::Ada.user_id()).await.unwrap_err(), BackendError::SecretRefused(401));
}
