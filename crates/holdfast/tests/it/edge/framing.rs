//! Requests that two readers could read in two ways, through the whole server: refused, or read one
//! way and the connection closed, so that nothing hidden behind them is ever taken for a request.

use holdfast::standin::clerk::Person;
use http::StatusCode;
use serde_json::Value;

use super::client::{Raw, statuses};
use crate::testing::app::{App, ORIGIN};

/// What would follow if a body's rest were taken for a request: an answer that no other request
/// here has.
const SMUGGLED: &str = "GET /nothing-here HTTP/1.1\r\nHost: h\r\n\r\n";

async fn exchange(app: &App, bytes: &[u8]) -> String {
    let mut client = Raw::connect(app.address()).await;
    client.send(bytes).await.unwrap();
    client.rest().await
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_requests_get_one_clean_answer_and_the_connection_ends() {
    let app = App::start().await;
    let post = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\n";
    let get = "GET /healthz HTTP/1.1\r\nHost: h\r\n";
    let table: Vec<(&str, String, &str)> = vec![
        (
            "two lengths that differ",
            format!("{post}Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
            "400",
        ),
        ("a list of lengths", format!("{post}Content-Length: 3, 4\r\n\r\nabcd"), "400"),
        ("a signed length", format!("{post}Content-Length: +3\r\n\r\nabc"), "400"),
        ("a negative length", format!("{post}Content-Length: -3\r\n\r\nabc"), "400"),
        ("a hexadecimal length", format!("{post}Content-Length: 0x3\r\n\r\nabc"), "400"),
        ("an empty length", format!("{post}Content-Length:\r\n\r\nabc"), "400"),
        ("a length beyond 64 bits", format!("{post}Content-Length: 99999999999999999999\r\n\r\nabc"), "400"),
        ("an unknown coding", format!("{post}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"), "400"),
        (
            "chunked, but not last",
            format!("{post}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
            "400",
        ),
        (
            "a coding and HTTP/1.0",
            "POST /webhooks/clerk HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            "400",
        ),
        ("a folded line", format!("{get}X-A: a\r\n b\r\n\r\n"), "400"),
        ("a folded first line", "GET /healthz HTTP/1.1\r\n X: a\r\nHost: h\r\n\r\n".into(), "400"),
        ("a blank before the colon", "GET /healthz HTTP/1.1\r\nHost : h\r\n\r\n".into(), "400"),
        ("a blank within a name", format!("{get}Bad Name: x\r\n\r\n"), "400"),
        ("an empty name", format!("{get}: x\r\n\r\n"), "400"),
        ("a bare CR in a value", format!("{get}X-A: a\rb\r\n\r\n"), "400"),
        ("a zero byte in a value", format!("{get}X-A: a\0b\r\n\r\n"), "400"),
        ("no colon", format!("{get}nonsense\r\n\r\n"), "400"),
        ("a version from the future", "GET /healthz HTTP/9.9\r\nHost: h\r\n\r\n".into(), "400"),
        ("no version", "GET /healthz\r\n\r\n".into(), "400"),
        ("a blank in the path", "GET /health z HTTP/1.1\r\nHost: h\r\n\r\n".into(), "400"),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}".to_owned() + "\r\n\r\n", "400"),
        ("a header of 40 kB", format!("{get}X-A: {}\r\n\r\n", "a".repeat(40_000)), "431"),
        ("an address of 20 kB", get.replace("/healthz", &format!("/{}", "a".repeat(20_000))) + "\r\n", "414"),
        ("an address of 70 kB", get.replace("/healthz", &format!("/{}", "a".repeat(70_000))) + "\r\n", "414"),
        ("a hundred fields", format!("{get}{}\r\n", "X-A: 1\r\n".repeat(100)), "431"),
    ];
    for (what, request, expected) in &table {
        let answer = exchange(&app, request.as_bytes()).await;
        assert_eq!(statuses(&answer), [*expected], "{what}: {answer}");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let problem: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{what}: {answer}"));
        assert_eq!(problem["status"].to_string(), *expected, "{what}: {answer}");
        let id = problem["request_id"].as_str().unwrap();
        for header in [
            format!("x-request-id: {id}"),
            "content-type: application/problem+json".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
            "cache-control: no-store".to_owned(),
            format!("content-length: {}", body.len()),
        ] {
            assert!(head.lines().any(|line| line == header), "{what}: no {header} in {head}");
        }
        let page = problem["type"].as_str().unwrap();
        let page = app.get(page.strip_prefix(app.base.as_str()).unwrap()).await;
        assert_eq!(page.status, StatusCode::OK, "{what}: the page of its code");
    }
    println!("{} malformed requests", table.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_behind_an_ambiguous_body_is_never_answered() {
    let app = App::start().await;
    let post = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\n";
    for (what, request) in [
        (
            "length, then chunked",
            format!("{post}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked, then length",
            format!("{post}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "chunked twice",
            format!(
                "{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"
            ),
        ),
        (
            "a coding before chunked",
            format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a coding in a line of its own",
            format!("{post}Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a chunk extension",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n1;a=b\r\nx\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "an extension that ends in a bare LF",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a chunk that ends in a bare LF",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a negative chunk",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "a chunk beyond 64 bits",
            format!("{post}Transfer-Encoding: chunked\r\n\r\n1ffffffffffffffff\r\nx\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        (
            "an endless extension",
            format!(
                "{post}Transfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n{SMUGGLED}",
                "a".repeat(40_000)
            ),
        ),
    ] {
        let answer = exchange(&app, request.as_bytes()).await;
        let statuses = statuses(&answer);
        // One refusal of the webhook: without a signature, or for a body that breaks off.
        assert!(
            statuses.len() == 1 && statuses[0].starts_with('4') && statuses[0] != "404",
            "{what}: {answer}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_in_a_coding_that_is_not_understood_is_refused_for_that() {
    let app = App::start().await;
    for coding in ["gzip, chunked", "chunked, chunked", "x, chunked"] {
        let request = format!(
            "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n"
        );
        let answer = exchange(&app, request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["400"], "{coding}: {answer}");
        assert!(
            answer.contains("malformed-request") && answer.contains("connection: close"),
            "{coding}: {answer}"
        );
    }
    let chunked = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n";
    assert!(exchange(&app, chunked.as_bytes()).await.contains("signature-invalid"));
}

/// RFC 9110, 8.6: a length that is not that of the 200 must not stand there.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_modified_has_no_length() {
    let app = App::start().await;
    let ada = app.sign_in(Person::Ada);
    let authorization = ada.authorization();
    for method in ["GET", "HEAD"] {
        let request = format!(
            "{method} /user/instagram/status HTTP/1.1\r\nHost: h\r\nAuthorization: {authorization}\r\n\
             If-None-Match: *\r\nConnection: close\r\n\r\n"
        );
        let answer = exchange(&app, request.as_bytes()).await;
        assert_eq!(statuses(&answer), ["304"], "{answer}");
        assert!(!answer.contains("content-length"), "{method}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_equal_lengths_and_bare_line_feeds_are_read_in_the_one_way_there_is() {
    let app = App::start().await;
    // RFC 9112 allows to read both; neither leaves open where the request ends.
    let equal = format!(
        "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc{SMUGGLED}"
    );
    let mut client = Raw::connect(app.address()).await;
    client.send(equal.as_bytes()).await.unwrap();
    assert_eq!(client.reply().await.unwrap().status / 100, 4);
    assert_eq!(client.reply().await.unwrap().status, 404, "what follows three bytes is a request of its own");
    let mut client = Raw::connect(app.address()).await;
    assert_eq!(client.ask("GET /healthz HTTP/1.1\nHost: h\n\n").await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_bodies_are_refused_announced_or_not() {
    let app = App::start().await;
    let announced = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 300000\r\n\r\n";
    assert_eq!(statuses(&exchange(&app, announced.as_bytes()).await), ["413"]);
    let head = "POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("{:x}\r\n{}\r\n", 64 * 1024, "a".repeat(64 * 1024));
    let chunks = format!("{head}{}", chunk.repeat(5));
    let mut client = Raw::connect(app.address()).await;
    // It may be cut while we still write.
    let _ = client.send(chunks.as_bytes()).await;
    assert_eq!(client.reply().await.unwrap().status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_can_read_that_its_header_was_too_large() {
    let app = App::start().await;
    let request = format!(
        "GET /user/profile HTTP/1.1\r\nHost: h\r\nOrigin: {ORIGIN}\r\nAuthorization: Bearer {}\r\n\r\n",
        "a".repeat(300_000)
    );
    let mut client = Raw::connect(app.address()).await;
    // The server stops reading long before the end.
    let _ = client.send(request.as_bytes()).await;
    let answer = client.reply().await.unwrap();
    assert_eq!(answer.status, 431, "{}", answer.head);
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(answer.header("date").is_some_and(|date| date.ends_with(" GMT")), "{}", answer.head);
    assert!(answer.body.contains("header-too-large"), "{}", answer.body);
    assert!(app.metrics.render().contains("holdfast_http_problems_total{code=\"header-too-large\"} 1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_is_spoken_where_the_configuration_says_so() {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
    let without = App::start().await;
    let mut client = Raw::connect(without.address()).await;
    client.send(preface).await.unwrap();
    assert!(!client.rest().await.contains('\0'));
    let with = App::with(&[("HOLDFAST_HTTP2", "on")], |_| {}).await;
    let mut client = Raw::connect(with.address()).await;
    client.send(preface).await.unwrap();
    let settings = client.bytes(9).await.unwrap();
    assert_eq!(settings[3], 4, "the first frame of a server is SETTINGS");
    assert_eq!(with.get("/healthz").await.status, StatusCode::OK, "HTTP/1.1 all the same");
}

/// A frame of HTTP/2, on stream 1 unless it is about the connection.
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags, 0, 0, 0, stream], payload].concat()
}

/// Fields as HPACK literals without an index.
fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let mut bytes = vec![];
        // RFC 7541, 5.1: an integer with a prefix of 7 bits.
        let mut rest = text.len();
        if rest < 127 {
            bytes.push(u8::try_from(rest).unwrap());
        } else {
            bytes.push(127);
            rest -= 127;
            while rest >= 128 {
                bytes.push(u8::try_from(rest % 128).unwrap() | 128);
                rest /= 128;
            }
            bytes.push(u8::try_from(rest).unwrap());
        }
        bytes.extend_from_slice(text.as_bytes());
        bytes
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// A request over HTTP/2: the body of its answer.
async fn asked_in_http2(app: &App, path: &str, more: &[(&str, &str)]) -> String {
    let mut client = Raw::connect(app.address()).await;
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":authority", "h"), (":path", path)];
    let block = fields(&[&pseudo[..], more].concat());
    let mut sent = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    sent.extend(frame(4, 0, 0, &[]));
    let last = block.len().div_ceil(16_000) - 1;
    for (number, chunk) in block.chunks(16_000).enumerate() {
        let kind = if number == 0 { 1 } else { 9 };
        // END_STREAM, and END_HEADERS on the last.
        let flags = u8::from(number == 0) | if number == last { 4 } else { 0 };
        sent.extend(frame(kind, flags, 1, chunk));
    }
    client.send(&sent).await.unwrap();
    let mut body = String::new();
    loop {
        let head = client.bytes(9).await.unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let payload = if length == 0 { vec![] } else { client.bytes(length).await.unwrap() };
        if head[3] == 0 {
            body.push_str(str::from_utf8(&payload).unwrap());
        }
        // The end of the stream, or its reset.
        if head[3] <= 1 && head[4] & 1 == 1 || head[3] == 3 {
            return body;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_too_large_has_its_whole_answer_in_http2_too() {
    let app = App::with(&[("HOLDFAST_HTTP2", "on")], |_| {}).await;
    assert!(asked_in_http2(&app, "/healthz", &[]).await.contains("\"status\""));
    let long = "a".repeat(20_000);
    let many = vec![("x-a", "1"); 100];
    for (what, path, more, code) in [
        ("a field of 20 kB", "/healthz", vec![("x-a", long.as_str())], "header-too-large"),
        ("a hundred fields", "/healthz", many, "header-too-large"),
        ("an address of 20 kB", &format!("/{long}"), vec![], "address-too-long"),
    ] {
        let body = asked_in_http2(&app, path, &more).await;
        let problem: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{what}: {body:?}"));
        assert_eq!(problem["code"], code, "{what}");
        assert!(problem["request_id"].is_string(), "{what}");
    }
}
