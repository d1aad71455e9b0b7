//! The controls, in process and over HTTP, and the callbacks.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use http::{Method, header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use url::Url;

use super::{Rig, rig};
use crate::provider::Provider as _;
use crate::provider::instagram::signed_request::verify;
use crate::standin::instagram::{CallbackError, Endpoint, Fault, NoSuchAccount};
use crate::standin::server::Server;
use crate::transport::{Answer, Outgoing};

async fn send(rig: &Rig, method: Method, path: &str, origin: &str, body: Option<Value>) -> Answer {
    let mut request = Outgoing::new(method, rig.standin.url().join(path).unwrap());
    request.headers.insert(header::ORIGIN, origin.parse().unwrap());
    if let Some(body) = body {
        request.headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        request.body = body.to_string().into();
    }
    rig.transport.send(request).await.unwrap()
}

async fn read(rig: &Rig, path: &str) -> Value {
    serde_json::from_slice(&rig.get(path).await.body).unwrap()
}

const HERE: &str = "http://127.0.0.1:8080";

#[tokio::test]
async fn faults_are_listed_set_and_cleared_over_http() {
    let rig = rig().await;
    let listed = read(&rig, "/dev/faults").await;
    assert_eq!(listed["faults"].as_array().unwrap().len(), Fault::ALL.len());
    for fault in listed["faults"].as_array().unwrap() {
        assert!(fault["title"].is_string() && fault["about"].is_string() && fault["endpoints"].is_array());
    }
    let grant = rig.grant("ada.makes").await;
    let hang = json!({"account": "ada.makes", "fault": "server_error_json", "endpoint": "me", "times": 1});
    assert_eq!(send(&rig, Method::POST, "/dev/faults", HERE, Some(hang)).await.status, 204);
    assert_eq!(read(&rig, "/dev/faults").await["armed"][0]["fault"], "server_error_json");
    assert!(rig.instagram.identify(&grant).await.outcome.is_err());
    assert!(rig.instagram.identify(&grant).await.outcome.is_ok());
    let lasting = json!({"account": null, "fault": "html_ok", "times": null});
    assert_eq!(send(&rig, Method::POST, "/dev/faults", HERE, Some(lasting)).await.status, 204);
    assert!(rig.instagram.identify(&grant).await.outcome.is_err());
    assert_eq!(send(&rig, Method::DELETE, "/dev/faults", HERE, None).await.status, 204);
    assert!(rig.instagram.identify(&grant).await.outcome.is_ok());
    assert_eq!(send(&rig, Method::POST, "/dev/accounts/ada.makes/revoked", HERE, None).await.status, 204);
    assert!(rig.instagram.identify(&grant).await.outcome.is_err());
    for (path, body, status) in [
        ("/dev/faults", Some(json!({"account": "nobody", "fault": "hang"})), 404),
        ("/dev/faults", Some(json!({"account": null, "fault": "nonsense"})), 422),
        ("/dev/faults", Some(json!({"account": null, "fault": "hang", "endpoint": "nowhere"})), 422),
        ("/dev/faults", Some(json!({"account": null, "fault": "empty_token", "endpoint": "me"})), 422),
        ("/dev/accounts/nobody/revoked", None, 404),
    ] {
        assert_eq!(
            send(&rig, Method::POST, path, HERE, body.clone()).await.status,
            status,
            "{path} {body:?}"
        );
    }
}

#[tokio::test]
async fn only_loopback_pages_may_use_the_controls() {
    let rig = rig().await;
    for (origin, allowed) in [
        ("http://localhost:5173", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("https://evil.example", false),
        ("http://localhost.evil.example", false),
        ("null", false),
    ] {
        let answer = send(&rig, Method::GET, "/dev/faults", origin, None).await;
        let granted =
            answer.headers.get("access-control-allow-origin").map(|each| each.to_str().unwrap().to_owned());
        assert_eq!(granted, allowed.then(|| origin.to_owned()), "{origin}");
    }
}

#[tokio::test]
async fn calls_are_counted_and_nothing_shows_a_token() {
    let rig = rig().await;
    let grant = rig.grant("ada.makes").await;
    rig.instagram.identify(&grant).await.outcome.unwrap();
    let counts = rig.standin.call_counts();
    for endpoint in [Endpoint::Authorize, Endpoint::Token, Endpoint::Exchange, Endpoint::Me] {
        assert_eq!(counts.get(&endpoint), Some(&1), "{endpoint:?}");
    }
    let calls = rig.standin.calls();
    assert!(calls.iter().all(|call| call.account.as_deref() == Some("25982752248032036")));
    let mut shown = format!("{:?} {calls:?} {:?}", rig.standin, rig.standin.accounts());
    for path in ["/dev/calls", "/dev/accounts", "/dev/faults"] {
        shown.push_str(&read(&rig, path).await.to_string());
    }
    let secrets = rig.standin.issued_secrets();
    assert_eq!(secrets.len(), 3, "a code, a short-lived and a long-lived token");
    for secret in secrets {
        assert!(!shown.contains(secret.expose_secret()));
    }
    let accounts = read(&rig, "/dev/accounts").await;
    assert_eq!(accounts["accounts"][0]["username"], "ada.makes");
    assert_eq!(accounts["accounts"][0]["grants"][1]["alive"], true);
}

#[tokio::test]
async fn callbacks_are_signed_with_the_app_secret() {
    let rig = rig().await;
    assert_eq!(rig.standin.deauthorize("ada.makes").await, Err(CallbackError::NotRegistered));
    let nobody = NoSuchAccount("nobody".to_owned());
    assert_eq!(rig.standin.deauthorize("nobody").await, Err(CallbackError::NoSuchAccount(nobody)));

    let received: Arc<Mutex<Vec<(String, Bytes)>>> = Arc::default();
    let inbox = received.clone();
    let app = Router::new().fallback(move |uri: http::Uri, body: Bytes| async move {
        inbox.lock().unwrap().push((uri.path().to_owned(), body));
        axum::Json(json!({"url": "https://app.example/deletion?id=1", "confirmation_code": "1"}))
    });
    let app = Server::start(([127, 0, 0, 1], 0).into(), app).await.unwrap();
    let at = |path: &str| Some(app.url().join(path).unwrap());
    rig.standin.set_callbacks(at("/deauthorize"), at("/deletion"));
    let grant = rig.grant("ada.makes").await;
    assert_eq!(rig.standin.deauthorize("ada.makes").await.unwrap().status, 200);
    assert!(rig.instagram.identify(&grant).await.outcome.is_err(), "and the token is dead");
    let subject = json!({"account": "17841479677897649"});
    let answer = send(&rig, Method::POST, "/dev/data-deletion", HERE, Some(subject)).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(answer["answer"]["confirmation_code"], "1");

    let received = received.lock().unwrap();
    assert_eq!(
        received.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(),
        ["/deauthorize", "/deletion"]
    );
    for (_, body) in received.iter() {
        let form = Url::parse(&format!("http://x/?{}", std::str::from_utf8(body).unwrap())).unwrap();
        let signed = super::parameter(&form, "signed_request").unwrap();
        let request = verify(&[rig.standin.options().app_secret.clone()], &signed).unwrap();
        assert_eq!(request.user_id, "25982752248032036", "the app-scoped id");
        assert_eq!(request.issued_at.unwrap().to_string(), "2026-11-22T12:00:00Z");
    }
}

#[tokio::test]
async fn it_stops_even_while_it_hangs_and_listens_on_loopback_only() {
    let rig = rig().await;
    let grant = rig.grant("ada.makes").await;
    rig.standin.set_fault(None, Fault::Hang).unwrap();
    rig.is_impatient.store(true, Ordering::SeqCst);
    assert!(rig.instagram.identify(&grant).await.outcome.is_err());
    let Rig { standin, transport, .. } = rig;
    let url = standin.url().clone();
    standin.stop().await;
    assert!(transport.send(Outgoing::new(Method::GET, url)).await.is_err());
    let open = Server::start(([0, 0, 0, 0], 0).into(), Router::new()).await.unwrap_err();
    assert_eq!(open.kind(), std::io::ErrorKind::InvalidInput);
}
