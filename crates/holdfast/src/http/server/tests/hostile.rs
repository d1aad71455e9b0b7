//! Clients that dribble, keep silent, flood or break the protocol.

use super::*;

#[tokio::test]
async fn a_header_that_never_ends_is_cut_in_time_also_when_it_dribbles() {
    let server = start(quick()).await;
    assert_eq!(exchange(server.address, b"GET / HTTP/1.1\r\nHost: x\r\n").await, "");

    let mut stream = TcpStream::connect(server.address).await.unwrap();
    for byte in b"GET / HTTP/1.1\r\nHost: x\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
        if stream.write_all(&[*byte]).await.is_err() {
            break;
        }
        pause(30).await;
    }
    assert_eq!(rest(&mut stream).await, "");
}

#[tokio::test]
async fn a_silent_connection_is_kept_for_the_idle_time_and_no_longer() {
    let server = start(ServerLimits { idle_timeout: Duration::from_secs(5), ..quick() }).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 1024];
    let read = stream.read(&mut buffer).await.unwrap();
    assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..read]));
    // Longer than a header may take: nothing has been begun.
    pause(500).await;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(stream.read(&mut buffer).await.unwrap() > 0);
    let began = tokio::time::Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    let kept = began.elapsed();
    assert!(kept > Duration::from_secs(1), "{kept:?}");
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_cut() {
    let server = start(quick()).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    pause(3000).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(answer.len() < 64 * 1024 * 1024, "the whole body came: {}", answer.len());
}

#[tokio::test]
async fn headers_that_are_too_large_or_too_many_get_a_431() {
    let server = start(patient()).await;
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(40_000));
    assert_eq!(statuses(&exchange(server.address, large.as_bytes()).await), ["431"]);
    let many: String = (0..80).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}\r\n");
    assert_eq!(statuses(&exchange(server.address, many.as_bytes()).await), ["431"]);
}

#[tokio::test]
async fn what_is_not_http_or_smuggles_gets_a_clean_4xx_or_is_read_one_way() {
    let server = start(patient()).await;
    let bad = [
        "\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}\x03\x03",
        "HELLO\r\n\r\n",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nBad Name: x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\nX: a\x01b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n",
    ];
    for request in bad {
        let answer = exchange(server.address, request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{request:?} gave {answer:?}");
    }
    // Chunked wins over a length (RFC 9112, 6.3), and the connection does not go on to a smuggled
    // request.
    let both = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n";
    let answer = exchange(server.address, both.as_bytes()).await;
    assert_ne!(statuses(&answer).first(), Some(&"500"), "{answer}");
}

#[tokio::test]
async fn a_connection_beyond_the_bound_takes_the_place_of_one_that_keeps_us_waiting() {
    let server = start(ServerLimits { max_connections: 1, ..patient() }).await;
    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut dribbling = TcpStream::connect(server.address).await.unwrap();
    dribbling.write_all(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc").await.unwrap();
    for _ in 0..20 {
        assert!(exchange(server.address, close).await.ends_with("hello"));
    }
    assert_eq!((rest(&mut silent).await, rest(&mut dribbling).await), (String::new(), String::new()));
}

/// The only place is taken by a client that has sent `first`. Another connects, and before the
/// server does anything, `then` comes from the first; what each of them is answered.
async fn beyond_the_bound(first: &[u8], then: &[u8]) -> [String; 2] {
    let server = start(ServerLimits { max_connections: 1, ..patient() }).await;
    let mut holder = TcpStream::connect(server.address).await.unwrap();
    holder.write_all(first).await.unwrap();
    pause(100).await;
    // One thread runs client and server: without an await the server does nothing.
    let other = std::net::TcpStream::connect(server.address).unwrap();
    assert_eq!(holder.try_write(then).unwrap(), then.len());
    other.set_nonblocking(true).unwrap();
    let mut other = TcpStream::from_std(other).unwrap();
    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    other.write_all(close).await.unwrap();
    [rest(&mut holder).await, rest(&mut other).await]
}

#[tokio::test]
async fn who_asks_while_told_to_make_room_is_answered() {
    let request = b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let [holder, other] = beyond_the_bound(b"", request).await;
    assert!(holder.ends_with("slow"), "its request was there when its place was wanted: {holder:?}");
    assert!(other.ends_with("hello"), "{other:?}");
}

#[tokio::test]
async fn who_dribbles_makes_room_all_the_same() {
    let [holder, other] = beyond_the_bound(b"G", b"E").await;
    assert_eq!(holder, "");
    assert!(other.ends_with("hello"), "{other:?}");
    // Nothing, then a byte, then nothing: it is spared once.
    let [holder, other] = beyond_the_bound(b"", b"G").await;
    assert_eq!(holder, "");
    assert!(other.ends_with("hello"), "{other:?}");
}

#[tokio::test]
async fn while_we_are_at_work_everywhere_a_further_connection_waits_its_turn() {
    let mut server = start(ServerLimits { max_connections: 1, ..patient() }).await;
    let mut working = TcpStream::connect(server.address).await.unwrap();
    working.write_all(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    server.held.wait_for(|held| *held).await.unwrap();
    let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let second = tokio::spawn(exchange(server.address, close));
    pause(300).await;
    assert!(!second.is_finished(), "served although the only place was taken");
    server.release.send(true).unwrap();
    assert!(second.await.unwrap().ends_with("hello"));
    assert!(rest(&mut working).await.ends_with("released"), "it was answered first, and made room then");
}

#[tokio::test]
async fn a_flood_of_silent_connections_keeps_nobody_out() {
    let server = start(ServerLimits { max_connections: 64, ..patient() }).await;
    let address = server.address;
    let flood = tokio::spawn(async move {
        let mut open = std::collections::VecDeque::new();
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                open.push_back(stream);
            }
            // Cut by the server long before: kept only as long as descriptors last.
            if open.len() > 256 {
                open.pop_front();
            }
        }
    });
    for _ in 0..50 {
        // A connection may be cut before its request is read, as one that says nothing; its client
        // asks anew.
        let mut served = false;
        for _ in 0..20 {
            let close = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            served = exchange(address, close).await.ends_with("hello");
            if served {
                break;
            }
        }
        assert!(served);
    }
    flood.abort();
}

#[tokio::test]
async fn what_cannot_be_read_is_answered_in_full_where_the_application_says_how() {
    let answer = |status: http::StatusCode| {
        let body = format!("refused with {}", status.as_u16());
        http::Response::builder()
            .status(status)
            .header("content-length", body.len())
            .header("connection", "close")
            .body(body.into())
            .unwrap()
    };
    let server = start_with(patient(), Some(Arc::new(answer)), Arc::new(SystemClock)).await;
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let longest = "a".repeat(200_000);
    let address = format!("GET /{longest} HTTP/1.1\r\nHost: x\r\n\r\n");
    let hello = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
    for (request, status) in [
        ("HELLO\r\n\r\n", "400"),
        (large.as_str(), "431"),
        (&address, "414"),
        (&format!("\r\n{address}"), "414"),
        (&format!("GET /{} HTTP/1.1\r\nHost: x\r\nX: {longest}\r\n\r\n", "a".repeat(9_000)), "431"),
        (&format!("GET / HTTP/1.1\r\nHost: x\r\nX: GET /{longest}\r\n\r\n"), "431"),
    ] {
        let answer = exchange(server.address, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [status]);
        assert!(answer.ends_with(&format!("refused with {status}")), "{answer}");
    }
    // Behind a body that ends no line.
    let mut kept = TcpStream::connect(server.address).await.unwrap();
    kept.write_all(hello.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    kept.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let _ = kept.write_all(address.as_bytes()).await;
    let mut rest = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, kept.read_to_end(&mut rest)).await.unwrap();
    assert!(rest.ends_with(b"refused with 414"), "{}", String::from_utf8_lossy(&rest));
    // Behind an answer of the application's own, on the same connection.
    let second = b"GET / HTTP/1.1\r\nHost: x\r\n\r\nHELLO\r\n\r\n";
    let answer = exchange(server.address, second).await;
    assert_eq!(statuses(&answer), ["200", "400"]);
    assert!(answer.contains("hello"), "{answer}");
}

#[tokio::test]
async fn a_connection_that_never_says_anything_is_cut_before_one_that_did() {
    let limits = ServerLimits { silent_timeout: Duration::from_secs(1), ..patient() };
    let server = start(limits).await;
    let mut asked = TcpStream::connect(server.address).await.unwrap();
    asked.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(asked.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(rest(&mut silent).await, "");
    asked.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert!(asked.read(&mut [0; 1024]).await.unwrap() > 0);
}

/// CVE-2023-44487: streams that are opened and reset at once cost the client nothing.
#[tokio::test]
async fn rapid_resets_of_http2_streams_end_the_connection() {
    const ENHANCE_YOUR_CALM: u8 = 0x0b;
    let server = start(ServerLimits { h2c: true, ..patient() }).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let attack = tokio::spawn(async move {
        let mut sent = 0_u32;
        if write
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            .await
            .is_err()
        {
            return sent;
        }
        // GET, http, /stuck, authority x; END_STREAM and END_HEADERS.
        let header = b"\x82\x86\x04\x06/stuck\x41\x01x";
        while sent < 100_000 {
            let id = (sent * 2 + 1).to_be_bytes();
            let mut frames = vec![0, 0, u8::try_from(header.len()).unwrap(), 1, 5];
            frames.extend_from_slice(&id);
            frames.extend_from_slice(header);
            frames.extend_from_slice(&[0, 0, 4, 3, 0]);
            frames.extend_from_slice(&id);
            frames.extend_from_slice(&[0, 0, 0, 8]);
            if write.write_all(&frames).await.is_err() {
                break;
            }
            sent += 1;
        }
        sent
    });
    let mut answer = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, read.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "the connection lives on");
    let sent = attack.await.unwrap();
    assert!(sent < 100_000, "every stream was taken");
    let mut frames = answer.as_slice();
    let mut last = None;
    while let [a, b, c, kind, _, _, _, _, _, rest @ ..] = frames {
        let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
        let Some((payload, next)) = rest.split_at_checked(length) else { break };
        last = (*kind == 7).then(|| payload[7]).or(last);
        frames = next;
    }
    // A reset of the connection may overtake the last frame.
    assert!(matches!(last, None | Some(ENHANCE_YOUR_CALM)), "GOAWAY with {last:?}");
    println!("the connection ended after {sent} streams, GOAWAY {last:?}");
    let plain = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(exchange(server.address, plain.as_bytes()).await.ends_with("hello"));
}

/// A client of HTTP/2 that takes the head of an answer, and nothing of its body.
#[tokio::test]
async fn a_stream_whose_window_stays_shut_is_cut() {
    let limits = ServerLimits { h2c: true, write_timeout: Duration::from_millis(400), ..patient() };
    let server = start(limits).await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let began = server.clock.now();
    // SETTINGS_INITIAL_WINDOW_SIZE of 0; then GET, http, /, authority x; END_STREAM and
    // END_HEADERS.
    stream
        .write_all(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x00",
        )
        .await
        .unwrap();
    let header = b"\x82\x86\x84\x41\x01x";
    stream.write_all(&[&[0, 0, 6, 1, 5, 0, 0, 0, 1][..], header].concat()).await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(!answer.contains("hello"), "{answer:?}");
    // Sooner than a ping without an answer ends it.
    assert!(server.clock.now() < after(began, Duration::from_secs(15)));
}
