//! The real process and SIGTERM: what runs is finished, nothing new is taken, and it ends by
//! itself.
//!
//! `HOLDFAST_TEST_STOPS` sets how many processes are stopped under load (default 3).

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, stream};
use tokio::net::TcpStream;

use super::client::Raw;
use super::crowded::{address_of, process};
use crate::replicas::processes::serves;
use crate::testing::app::App;
use crate::testing::dice::set_or;
use crate::testing::ports::ReservedPort;
use crate::testing::program::{Place, ring_entry};
use crate::testing::waiting::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_finishes_what_it_has_begun() {
    let port = ReservedPort::new();
    let address = port.address();
    let place = Place::new()
        .with("HOLDFAST_LISTEN", address.to_string())
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_JWKS_URL", "http://127.0.0.1:9/jwks.json")
        .with("CLERK_ISSUER", "http://127.0.0.1:9")
        .with("CLERK_WEBHOOK_SIGNING_SECRET", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com");
    let mut server = place.start(&["serve"], Stdio::null());
    serves(&mut server, address).await;
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
    until("nothing new is taken", async || TcpStream::connect(address).await.is_err()).await;
    running.send(b"{}").await.unwrap();
    let answer = running.reply().await.unwrap();
    assert_eq!(answer.status / 100, 4, "a full answer, which refuses a webhook without a signature");
    assert!(answer.body.contains("\"code\""), "{}", answer.body);
    assert_eq!(running.rest().await, "");
    let ended = tokio::task::spawn_blocking(move || server.child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
}

/// What clients have in common that keep asking.
#[derive(Default)]
struct Load {
    stopped: AtomicBool,
    answered: AtomicU32,
}

/// A request without a full answer: how many the connection had carried, when, and why.
type Cut = (u32, Instant, std::io::Error);

/// One kept connection that asks again and again; what was cut of it.
async fn keep_asking(address: SocketAddr, load: Arc<Load>) -> Vec<Cut> {
    let mut cut = Vec::new();
    let mut kept: Option<(u32, Raw)> = None;
    while !load.stopped.load(Ordering::Relaxed) {
        let Some((carried, mut client)) = (match kept.take() {
            Some(kept) => Some(kept),
            None => Raw::connect_if_open(address).await.map(|client| (0, client)),
        }) else {
            break;
        };
        match client.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await {
            Ok(reply) => {
                load.answered.fetch_add(1, Ordering::Relaxed);
                kept = (reply.header("connection") != Some("close")).then_some((carried + 1, client));
            }
            // Came in the moment in which the port closed, as if it had found it closed.
            Err(_) if carried == 0 && Raw::connect_if_open(address).await.is_none() => break,
            Err(error) => cut.push((carried, Instant::now(), error)),
        }
    }
    cut
}

/// What the stopped server serves on for.
const DRAIN: Duration = Duration::from_secs(5);
/// How many processes are stopped at a time: each of them mostly waits.
const AT_A_TIME: usize = 4;

/// Stops a process under load. How many requests were answered; none may have been cut.
async fn stop_under_load(app: &App, stop: u64) -> u32 {
    let drain = DRAIN.as_secs().to_string();
    let server = process(app, ":", &[("HOLDFAST_DRAIN_S", &drain)]).await;
    let (mut running, address, load) = (server.running, address_of(&server.base), Arc::<Load>::default());
    let asking: Vec<_> = (0..16).map(|_| tokio::spawn(keep_asking(address, Arc::clone(&load)))).collect();
    until("many are answered", async || load.answered.load(Ordering::Relaxed) > 100).await;
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
    assert!(told.elapsed() >= DRAIN, "it serves on for the drain time");
    load.stopped.store(true, Ordering::Relaxed);
    for each in asking {
        let cut = each.await.unwrap();
        for (carried, at, error) in &cut {
            println!("stop {stop}: cut {:?} after SIGTERM: {error}; {carried} before it", *at - told);
        }
        assert!(cut.is_empty(), "stop {stop} cut {} requests", cut.len());
    }
    load.answered.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_cuts_nobody() {
    let stops = set_or("HOLDFAST_TEST_STOPS", 3);
    let app = App::start().await;
    let mut stopping =
        stream::iter(0..stops).map(|stop| stop_under_load(&app, stop)).buffer_unordered(AT_A_TIME);
    let (mut stopped, mut answered) = (0, 0);
    while let Some(of_one) = stopping.next().await {
        (stopped, answered) = (stopped + 1, answered + of_one);
        if stopped % 20 == 0 {
            println!("{stopped} of {stops} stops");
        }
    }
    println!("{answered} requests answered in {stops} stops, none cut");
}
