//! The real process and SIGTERM: what runs is finished, nothing new is taken, and it ends by
//! itself.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::client::Raw;
use crate::cli::support::{Place, ring_entry};

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_finishes_what_it_has_begun() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new()
        .with("HOLDFAST_LISTEN", address.to_string())
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com");
    let mut server = place.start(&["serve"], Stdio::null());
    let mut up = false;
    for _ in 0..400 {
        up = tokio::net::TcpStream::connect(address).await.is_ok();
        if up {
            break;
        }
        assert_eq!(server.child.try_wait().unwrap(), None, "it ended at once");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(up, "it does not listen");
    let mut running = Raw::connect(address).await;
    // `Expect` has the server say when the handler asks for the body: from then on the request is
    // under way.
    running
        .send(
            b"POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(running.reply().await.unwrap().status, 100);
    let mut idle = Raw::connect(address).await;
    let killed = Command::new("kill").args(["-TERM", &server.child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    assert_eq!(idle.rest().await, "", "an idle connection is closed at once");
    // The listener goes when its task is next looked at.
    let mut refused = false;
    for _ in 0..200 {
        refused = tokio::net::TcpStream::connect(address).await.is_err();
        if refused {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(refused, "nothing new is taken");
    running.send(b"{}").await.unwrap();
    let answer = running.reply().await.unwrap();
    assert_eq!(answer.status / 100, 4, "a full answer, which refuses a webhook without a signature");
    assert!(answer.body.contains("\"code\""), "{}", answer.body);
    assert_eq!(running.rest().await, "");
    let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}
