//! The listener over real sockets, with hostile and careless clients.
#![allow(clippy::format_collect)]

mod hostile;
mod stopping;

use std::time::Duration;

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::clock::SystemClock;

/// Longer than anything takes here, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

struct Running {
    address: SocketAddr,
    leave: CancellationToken,
    stop: CancellationToken,
    served: JoinHandle<usize>,
    /// Turns true when `/held` is being answered, which ends with `release`.
    held: watch::Receiver<bool>,
    release: watch::Sender<bool>,
    clock: SharedClock,
}

/// Limits that no test reaches, however slow the machine is.
fn patient() -> ServerLimits {
    ServerLimits {
        header_timeout: PATIENCE,
        silent_timeout: PATIENCE,
        idle_timeout: PATIENCE,
        write_timeout: PATIENCE,
        ..ServerLimits::default()
    }
}

fn quick() -> ServerLimits {
    ServerLimits {
        header_timeout: Duration::from_millis(300),
        idle_timeout: Duration::from_millis(900),
        write_timeout: Duration::from_millis(400),
        drain: Duration::from_millis(600),
        ..ServerLimits::default()
    }
}

async fn start(limits: ServerLimits) -> Running {
    start_with(limits, None, Arc::new(SystemClock)).await
}

#[expect(clippy::disallowed_methods, reason = "a router of the test's own")]
async fn start_with(limits: ServerLimits, refusals: Option<Refusals>, clock: SharedClock) -> Running {
    let listener = bind("127.0.0.1:0".parse().unwrap(), "TEST").await.unwrap();
    let address = listener.local_addr().unwrap();
    let slow = {
        let clock = clock.clone();
        move || async move {
            clock.sleep(Duration::from_millis(300)).await;
            "slow"
        }
    };
    let stuck = {
        let clock = clock.clone();
        move || async move {
            clock.sleep(Duration::from_mins(1)).await;
            "never"
        }
    };
    let (began, held) = watch::channel(false);
    let (release, released) = watch::channel(false);
    let keep = move || async move {
        began.send_replace(true);
        let _ = released.clone().wait_for(|released| *released).await;
        "released"
    };
    let router = Router::new()
        .route("/", get(|| async { "hello" }).post(|body: bytes::Bytes| async move { body }))
        .route("/big", get(|| async { vec![b'x'; 64 * 1024 * 1024].into_response() }))
        .route("/slow", get(slow))
        .route("/stuck", get(stuck))
        .route("/held", get(keep));
    let (stop, leave) = (CancellationToken::new(), CancellationToken::new());
    let places = PlaceMetrics::default();
    let service = Service {
        application: router.into(),
        refusals,
        limits: Arc::new(limits),
        clock: clock.clone(),
        leaving: leave.clone(),
        places,
    };
    let served = tokio::spawn(serve(listener, service, stop.clone()));
    Running { address, leave, stop, served, held, release, clock }
}

/// Sends `bytes`, then reads until the server closes.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    // A reset instead of an orderly end still delivered what came before it.
    let _ = read.expect("the server should have closed the connection");
    String::from_utf8_lossy(&answer).into_owned()
}

fn statuses(answer: &str) -> Vec<&str> {
    answer.split("HTTP/1.").skip(1).map(|each| each.get(2..5).unwrap_or_default()).collect()
}

#[tokio::test]
async fn ordinary_requests_are_served() {
    let server = start(patient()).await;
    let close = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answer = exchange(server.address, close.as_bytes()).await;
    assert_eq!(statuses(&answer), ["200"]);
    assert!(answer.ends_with("hello"), "{answer}");
    let old = exchange(server.address, b"GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(statuses(&old), ["200"]);
    let chunked = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert!(exchange(server.address, chunked.as_bytes()).await.ends_with("abc"));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = start(patient()).await;
    let answer = exchange(
        server.address,
        b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(statuses(&answer), ["200", "404", "200"]);
}

#[expect(clippy::disallowed_methods, reason = "a client that is slow on purpose")]
async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[tokio::test]
async fn http2_is_spoken_only_where_it_is_asked_for() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let without = start(patient()).await;
    let answer = exchange(without.address, preface).await;
    assert!(!answer.contains('\u{0}'), "{answer:?}");

    let with = start(ServerLimits { h2c: true, ..patient() }).await;
    let mut stream = TcpStream::connect(with.address).await.unwrap();
    stream.write_all(preface).await.unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4, "the first frame of a server is SETTINGS");
    let plain = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(exchange(with.address, plain.as_bytes()).await.ends_with("hello"));
}

#[tokio::test]
async fn a_taken_port_is_named_with_its_setting() {
    let taken = bind("127.0.0.1:0".parse().unwrap(), "HOLDFAST_LISTEN").await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = bind(address, "HOLDFAST_LISTEN").await.unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{address} is already in use: stop the program that listens there, or set HOLDFAST_LISTEN to another address"
        )
    );
    let foreign = bind("192.0.2.1:80".parse().unwrap(), "HOLDFAST_LISTEN").await.unwrap_err().to_string();
    assert!(foreign.contains("not an address of this machine"), "{foreign}");
}
