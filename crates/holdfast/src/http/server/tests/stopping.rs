//! A server that is told to stop answers those who have asked, and takes nobody else.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::super::LAST_REQUEST;
use super::{exchange, patient, quick, rest, start, start_with, statuses};
use crate::clock::{Clock as _, ManualClock, SystemClock};

#[tokio::test]
async fn a_shutdown_lets_running_requests_finish_and_takes_no_new_ones() {
    let mut server = start(patient()).await;
    let running = tokio::spawn(exchange(server.address, b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.held.wait_for(|held| *held).await.unwrap();
    server.stop.cancel();
    server.release.send(true).unwrap();
    assert!(running.await.unwrap().ends_with("released"));
    assert_eq!(server.served.await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_leaving_server_answers_and_ends_each_connection_with_it() {
    let server = start(patient()).await;
    server.leave.cancel();
    for _ in 0..2 {
        let answer = exchange(server.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(statuses(&answer), ["200"]);
        assert!(answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn whoever_connected_before_the_stop_is_answered() {
    let server = start(patient()).await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        waiting.push(TcpStream::connect(server.address).await.unwrap());
    }
    server.stop.cancel();
    for stream in &mut waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }
    for stream in &mut waiting {
        assert!(rest(stream).await.ends_with("hello"));
    }
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_meets_the_stop_on_its_way_is_answered() {
    let server = start(patient()).await;
    let mut kept = Vec::new();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        kept.push(stream);
    }
    let (first, second) = kept.split_at_mut(25);
    for stream in &mut *first {
        stream.write_all(b"GET / HTTP/1.1\r\nHo").await.unwrap();
    }
    server.stop.cancel();
    // Longer than a quiet connection is kept: these have begun to speak.
    SystemClock.sleep(LAST_REQUEST * 2).await;
    for stream in first {
        stream.write_all(b"st: x\r\n\r\n").await.unwrap();
        let answer = rest(stream).await;
        assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    }
    for stream in second {
        assert_eq!(rest(stream).await, "", "nobody asked, and it is closed");
    }
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn a_kept_connection_that_was_told_nothing_is_answered_after_the_stop() {
    // The clock stands still: however long the stop takes to be seen, the last request is in time.
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    let server = start_with(patient(), None, clock).await;
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 1024]).await.unwrap() > 0);
    server.stop.cancel();
    // Nobody is taken any more: the stop has been seen.
    while TcpStream::connect(server.address).await.is_ok() {}
    kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let answer = rest(&mut kept).await;
    assert!(answer.contains("connection: close") && answer.ends_with("hello"), "{answer}");
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_the_drain_time() {
    let mut server = start(quick()).await;
    let stuck = tokio::spawn(exchange(server.address, b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
    server.held.wait_for(|held| *held).await.unwrap();
    server.stop.cancel();
    assert_eq!(server.served.await.unwrap(), 1);
    assert_eq!(stuck.await.unwrap(), "");
}
