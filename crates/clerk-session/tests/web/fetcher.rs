//! Keys from a real HTTP server on the loopback interface.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use clerk_session::{CacheOptions, Clerk, FetchError, FetchJwks, Fetched, ReqwestFetcher, Verdict};
use serde_json::json;

use crate::support::*;

/// Serves `/jwks` (counted), and what a server should not answer.
async fn serve() -> (String, Arc<AtomicU64>) {
    let fetches = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&fetches);
    let router = Router::new()
        .route(
            "/jwks",
            get(move || {
                counted.fetch_add(1, Ordering::SeqCst);
                async { jwks(&[OURS.jwk(KID)]) }
            }),
        )
        .route(
            "/cached",
            get(|headers: HeaderMap| async move {
                assert_eq!(headers.get(header::CACHE_CONTROL).unwrap(), "no-cache");
                ([(header::AGE, "41")], jwks(&[OURS.jwk(KID)]))
            }),
        )
        .route("/away", get(|| async { StatusCode::BAD_GATEWAY }))
        .route("/elsewhere", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "/jwks")]) }))
        .route("/large", get(|| async { "x".repeat(300_000) }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, fetches)
}

#[tokio::test]
async fn what_a_server_answers() {
    let (base, _) = serve().await;
    let fetch = async |path: &str| {
        let limit = CacheOptions::default().max_document;
        ReqwestFetcher::new(&format!("{base}{path}"), limit).unwrap().fetch().await
    };
    assert_eq!(fetch("/jwks").await, Ok(jwks(&[OURS.jwk(KID)]).into()));
    assert_eq!(fetch("/cached").await, Ok(Fetched::with_age(jwks(&[OURS.jwk(KID)]), Some("41"))));
    assert_eq!(fetch("/away").await, Err(FetchError::Status(502)));
    assert_eq!(
        fetch("/elsewhere").await,
        Err(FetchError::Status(302)),
        "keys come from where they were named"
    );
    assert_eq!(fetch("/large").await, Err(FetchError::TooLarge));
    let nobody = ReqwestFetcher::new("http://127.0.0.1:1/secret-path", 1000).unwrap().fetch().await;
    let Err(FetchError::NoAnswer(why)) = nobody else { panic!("nobody listens there") };
    assert!(!why.contains("secret-path"), "{why}");
}

/// Requests begin the renewal and none waits for it.
#[tokio::test]
async fn keys_are_renewed_in_the_background() {
    let (base, fetches) = serve().await;
    let time = Arc::new(AtomicI64::new(NOW));
    let now = Arc::clone(&time);
    let fetcher = ReqwestFetcher::new(&format!("{base}/jwks"), 100_000).unwrap();
    let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .unwrap()
        .clock(move || now.load(Ordering::SeqCst))
        .fetching(fetcher);
    let token = mint(json!({}), json!({"exp": NOW_S + 3_600}));
    let judged = async || matches!(clerk.judge(&token).await, Verdict::Accepted(_));
    assert!(!clerk.is_ready());
    assert!(judged().await);
    assert_eq!((clerk.is_ready(), fetches.load(Ordering::SeqCst)), (true, 1));
    time.fetch_add(240_000, Ordering::SeqCst);
    for _ in 0..10 {
        assert!(judged().await);
    }
    let renewed = async {
        while clerk.key_status().loaded_at_ms != Some(NOW + 240_000) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), renewed).await.expect("the keys are renewed");
    assert_eq!(fetches.load(Ordering::SeqCst), 2);
}

/// A renewal that panicked is not the last one.
#[tokio::test]
async fn keys_are_renewed_after_a_fetch_that_panicked() {
    struct PanicsAtTheSecond(Arc<AtomicU64>);
    impl FetchJwks for PanicsAtTheSecond {
        fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
            let fetch = self.0.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                assert_ne!(fetch, 1, "a fault of the fetcher");
                Ok(jwks(&[OURS.jwk(KID)]).into())
            })
        }
    }
    let (time, fetches) = (Arc::new(AtomicI64::new(NOW)), Arc::new(AtomicU64::new(0)));
    let now = Arc::clone(&time);
    let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .unwrap()
        .clock(move || now.load(Ordering::SeqCst))
        .fetching(PanicsAtTheSecond(Arc::clone(&fetches)));
    let token = mint(json!({}), json!({"exp": NOW_S + 3_600}));
    for wanted in 1..=3 {
        let judged = async {
            while fetches.load(Ordering::SeqCst) < wanted {
                assert!(matches!(clerk.judge(&token).await, Verdict::Accepted(_)));
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), judged).await.expect("the keys are fetched");
        time.fetch_add(240_000, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_publishable_key_is_enough() {
    let clerk = Clerk::from_publishable_key("pk_live_Y2xlcmsuZXhhbXBsZS5jb20k").unwrap().build().unwrap();
    let Verdict::Refused(refusal) = clerk.judge_authorization(None).await else { panic!("nothing was sent") };
    assert_eq!(refusal.code.as_str(), "session-token-missing");
    assert!(!clerk.is_ready());
    assert!(Clerk::from_publishable_key("sk_live_x").is_err());
}
