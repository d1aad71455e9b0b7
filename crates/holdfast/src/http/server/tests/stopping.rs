//! How a server leaves.

use super::*;

#[tokio::test]
async fn a_shutdown_lets_running_requests_finish_and_takes_no_new_ones() {
    let mut server = start(patient()).await;
    let running = tokio::spawn(exchange(server.address, b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.held.wait_for(|held| *held).await.unwrap();
    server.stop.send(true).unwrap();
    server.release.send(true).unwrap();
    assert!(running.await.unwrap().ends_with("released"));
    assert_eq!(server.served.await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err());
    drop(idle);
}

#[tokio::test]
async fn a_leaving_server_answers_and_ends_each_connection_with_it() {
    let server = start(patient()).await;
    server.leave.send(true).unwrap();
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
    server.stop.send(true).unwrap();
    for stream in &mut waiting {
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    }
    for stream in &mut waiting {
        assert!(rest(stream).await.ends_with("hello"));
    }
    assert_eq!(server.served.await.unwrap(), 0);
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_after_the_drain_time() {
    let mut server = start(quick()).await;
    let stuck = tokio::spawn(exchange(server.address, b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n"));
    server.held.wait_for(|held| *held).await.unwrap();
    server.stop.send(true).unwrap();
    assert_eq!(server.served.await.unwrap(), 1);
    assert_eq!(stuck.await.unwrap(), "");
}
