//! The real process and SIGTERM: what runs is finished, nothing new is taken, and it ends by
//! itself.
//!
//! `HOLDFAST_TEST_STOPS` sets how many processes are stopped under load (default 3):
//!
//! ```text
//! HOLDFAST_TEST_STOPS=200 cargo test -p holdfast --test it a_stop_under_load -- --nocapture
//! ```

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::client::Raw;
use super::crowded::{address_of, process};
use crate::cli::support::{Place, ring_entry};
use crate::e2e::app::App;
use crate::replicas::processes::until;
use crate::support::dice::set_or;

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

/// What became of the requests of one client.
#[derive(Default)]
struct Asked {
    answered: u32,
    /// Without a full answer: how many requests the connection had carried, when, and why.
    cut: Vec<(u32, Instant, std::io::Error)>,
}

/// One kept connection that asks again and again.
async fn keep_asking(address: SocketAddr, stopped: Arc<AtomicBool>) -> Asked {
    let mut asked = Asked::default();
    let mut kept: Option<(u32, Raw)> = None;
    while !stopped.load(Ordering::Relaxed) {
        let Some((carried, mut client)) = (match kept.take() {
            Some(kept) => Some(kept),
            None => Raw::connect_if_open(address).await.map(|client| (0, client)),
        }) else {
            break;
        };
        match client.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await {
            Ok(reply) => {
                asked.answered += 1;
                kept = (reply.header("connection") != Some("close")).then_some((carried + 1, client));
            }
            // Came in the moment in which the port closed, as if it had found it closed.
            Err(_) if carried == 0 && Raw::connect_if_open(address).await.is_none() => break,
            Err(error) => asked.cut.push((carried, Instant::now(), error)),
        }
    }
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_cuts_nobody() {
    let stops = set_or("HOLDFAST_TEST_STOPS", 3);
    let app = App::start().await;
    let mut answered = 0;
    for stop in 0..stops {
        let (_place, mut running, base) = process(&app, ":", &[("HOLDFAST_DRAIN_S", "2")]).await;
        let (address, stopped) = (address_of(&base), Arc::new(AtomicBool::new(false)));
        let asking: Vec<_> =
            (0..16).map(|_| tokio::spawn(keep_asking(address, Arc::clone(&stopped)))).collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut probe = Raw::connect(address).await;
        let told = Instant::now();
        assert!(
            Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap().success()
        );
        until("it is not ready", async || {
            let Some(mut raw) = Raw::connect_if_open(address).await else { return false };
            raw.ask("GET /readyz HTTP/1.1\r\nHost: h\r\n\r\n")
                .await
                .is_ok_and(|reply| reply.status == 503 && reply.body.contains("stopping"))
        })
        .await;
        let reply = probe.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        assert_eq!((reply.status, reply.header("connection")), (200, Some("close")));
        let ended = tokio::task::spawn_blocking(move || running.child.wait().unwrap()).await.unwrap();
        assert_eq!(ended.code(), Some(0));
        assert!(told.elapsed() >= Duration::from_secs(2), "it serves on for the drain time");
        stopped.store(true, Ordering::Relaxed);
        let mut of_stop = 0;
        for each in asking {
            let asked = each.await.unwrap();
            of_stop += asked.answered;
            for (carried, at, error) in &asked.cut {
                println!("stop {stop}: cut {:?} after SIGTERM: {error}; {carried} before it", *at - told);
            }
            assert!(asked.cut.is_empty(), "stop {stop} cut {} requests", asked.cut.len());
        }
        assert!(of_stop > 100, "{of_stop}");
        answered += of_stop;
    }
    println!("{answered} requests answered in {stops} stops, none cut");
}
