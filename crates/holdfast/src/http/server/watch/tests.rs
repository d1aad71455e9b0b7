//! What a connection looks into before it closes.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use tokio::io::AsyncReadExt as _;

use super::bodies::BusyBody;
use super::socket::WatchedIo;
use super::*;
use crate::clock::{Clock as _, ManualClock, from_millis};

#[tokio::test]
async fn what_the_runtime_has_not_heard_of_is_seen_before_we_close() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (stream, _) = listener.accept().unwrap();
    stream.set_nonblocking(true).unwrap();
    let clock = ManualClock::new(from_millis(1_750_000_000_000));
    let watch = Watch::new(&ServerLimits::default(), Arc::new(clock.clone()));
    let mut io = WatchedIo::new(tokio::net::TcpStream::from_std(stream).unwrap(), watch.clone());
    let mut buffer = [0; 8];
    assert!(io.read(&mut buffer).now_or_never().is_none());
    clock.advance(Duration::from_secs(1));
    client.write_all(b"G").unwrap();
    watch.cut();
    assert!(io.read(&mut buffer).now_or_never().is_none(), "the runtime asks the kernel later");
    assert!(!watch.gives_way() && !watch.is_cut());
    watch.cut();
    assert!(io.read(&mut buffer).now_or_never().is_none());
    assert!(watch.gives_way() && watch.is_cut(), "the same byte saves it once only");
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_any_stream_is_cut() {
    let clock = ManualClock::new(from_millis(1_750_000_000_000));
    let limits = ServerLimits::default();
    let watch = Watch::new(&limits, Arc::new(clock.clone()));
    let answered = |version| BusyBody::new(Body::from("an answer"), watch.request_begins(version));
    let due = |since| Some(after(since, limits.write_timeout));
    let began = clock.now();
    let mut first = answered(Version::HTTP_2);
    assert_eq!((watch.deadline(), watch.waiting_since()), (due(began), Some(began)));
    // Others on the connection are not cut with it.
    clock.advance(Duration::from_secs(1));
    let busy = watch.request_begins(Version::HTTP_2);
    assert_eq!((watch.deadline(), watch.waiting_since()), (None, None));
    let second = BusyBody::new(Body::from("another"), busy);
    assert_eq!(watch.deadline(), due(clock.now()));
    drop(second);
    // Each frame that the client takes begins the time anew.
    clock.advance(Duration::from_secs(1));
    first.frame().await.unwrap().unwrap();
    assert_eq!(watch.deadline(), due(clock.now()));
    drop(first);
    assert_eq!(watch.deadline(), Some(after(clock.now(), limits.idle_timeout)));
    // A body that waits for us is no client that waits.
    let silent =
        Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>());
    let mut silent = BusyBody::new(silent, watch.request_begins(Version::HTTP_2));
    assert!(silent.frame().now_or_never().is_none());
    assert_eq!(watch.deadline(), None);
    drop(silent);
    let _plain = answered(Version::HTTP_11);
    assert_eq!(watch.deadline(), None, "in HTTP/1 the socket tells");
}
