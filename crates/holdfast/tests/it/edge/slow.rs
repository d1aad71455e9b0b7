//! Connections that do too little: 200 of each kind are cut within their limits, while a normal
//! caller is served. Time is moved by hand, so that 75 idle seconds take none.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use holdfast::clock::ManualClock;
use holdfast::standin::clerk::Person;
use http::StatusCode;

use super::client::{Raw, statuses};
use super::isolated::{is_alone, resident_kib};
use crate::testing::app::App;
use crate::testing::waiting::until;

const CONNECTIONS: usize = 200;
const ROUNDS: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A header that does not end.
    Header,
    /// A body that does not come.
    Body,
    /// Nothing at all.
    Silent,
    /// One request, and nothing after it.
    Idle,
    /// Requests without end, whose answers are never read.
    NeverReading,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Header, Self::Body, Self::Silent, Self::Idle, Self::NeverReading];

    fn limit(self) -> Duration {
        Duration::from_secs(match self {
            Self::Header => 5,
            Self::Body => 8,
            Self::Silent => 15,
            Self::Idle => 75,
            Self::NeverReading => 30,
        })
    }

    async fn open(self, address: SocketAddr) -> Raw {
        let mut client = if self == Self::NeverReading {
            Raw::connect_narrow(address).await
        } else {
            Raw::connect(address).await
        };
        match self {
            Self::Header => client.send(b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-A: ").await.unwrap(),
            Self::Body => {
                let head = b"POST /webhooks/clerk HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n{";
                client.send(head).await.unwrap();
            }
            Self::Silent => {}
            Self::Idle => {
                assert_eq!(client.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap().status, 200);
            }
            Self::NeverReading => {
                let many = "GET /openapi.json HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100);
                client.send(many.as_bytes()).await.unwrap();
            }
        }
        client
    }
}

/// Waits until the server has nothing left to do: connections are taken in order, so that all are
/// taken once a new one is served; then nothing that it counts changes any more.
async fn settle(app: &App) {
    let mut last = Raw::connect(app.address()).await;
    assert_eq!(last.ask("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap().status, 200);
    drop(last);
    loop {
        let counted = app.metrics.render();
        tokio::time::sleep(Duration::from_millis(300)).await;
        if app.metrics.render() == counted {
            return;
        }
    }
}

/// What the server sent before it closed. On a busy machine its time for a connection may have
/// begun after the clock was moved.
async fn cut(client: &mut Raw, kind: Kind, clock: &ManualClock) -> String {
    for _ in 0..20 {
        if let Some(rest) = client.rest_within(Duration::from_secs(3)).await {
            return rest;
        }
        clock.advance(kind.limit() / 2);
    }
    panic!("{kind:?}: the server keeps the connection open");
}

/// Waits until the server has cut every connection, without reading from one: that would give it
/// room to go on.
async fn all_are_cut(app: &App, kind: Kind, clock: &ManualClock) {
    let none_is_open =
        async || app.metrics.render().lines().any(|line| line == "holdfast_http_connections 0");
    for _ in 0..20 {
        let cut = until("the server holds no connection", none_is_open);
        if tokio::time::timeout(Duration::from_secs(3), cut).await.is_ok() {
            return;
        }
        clock.advance(kind.limit() / 2);
    }
    panic!("{kind:?}: the server keeps connections open");
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_connections_of_every_kind_are_cut_in_time_and_memory_stays_flat() {
    if !is_alone("edge::slow::slow_connections_of_every_kind_are_cut_in_time_and_memory_stays_flat") {
        return;
    }
    let clock = ManualClock::new("2026-11-23T12:00:00Z".parse().unwrap());
    let app = App::at(Arc::new(clock.clone()), &[], |_| {}).await;
    app.is_ready().await;
    let answer = app.get("/openapi.json").await.body.len();
    let mut after_first = 0;
    for round in 1..=ROUNDS {
        for kind in Kind::ALL {
            let mut clients = Vec::new();
            for _ in 0..CONNECTIONS {
                clients.push(kind.open(app.address()).await);
            }
            settle(&app).await;
            clock.advance(kind.limit().saturating_sub(Duration::from_secs(1)));
            settle(&app).await;
            let asked = std::time::Instant::now();
            let served = app.sign_in(Person::Ada).get("/user/instagram/status").await;
            assert_eq!(served.status, StatusCode::OK, "{kind:?}");
            let took = asked.elapsed();
            if kind != Kind::NeverReading {
                let cut = clients[0].rest_within(Duration::from_millis(50)).await;
                assert_eq!(cut, None, "{kind:?}: cut before its time");
            }
            clock.advance(Duration::from_secs(2));
            if kind == Kind::NeverReading {
                all_are_cut(&app, kind, &clock).await;
            }
            for client in &mut clients {
                let rest = cut(client, kind, &clock).await;
                match kind {
                    Kind::Header | Kind::Silent | Kind::Idle => assert_eq!(rest, "", "{kind:?}"),
                    Kind::Body => assert_eq!(statuses(&rest), ["408"], "{rest}"),
                    Kind::NeverReading => {
                        // What came is what the kernel kept for it.
                        assert!(rest.len() < 1024 * 1024, "{} of {} bytes came", rest.len(), 100 * answer);
                    }
                }
            }
            let resident = resident_kib();
            println!(
                "round {round}, {kind:?}: {CONNECTIONS} cut; caller took {took:?}; resident {resident} KiB"
            );
        }
        if round == 1 {
            after_first = resident_kib();
        }
    }
    let grown = resident_kib() - after_first;
    println!(
        "{} connections cut; memory grew by {grown} KiB after the first round",
        ROUNDS * Kind::ALL.len() * CONNECTIONS
    );
    // A buffer of 16 KiB left behind by each connection would be twice that.
    assert!(grown < 24 * 1024, "memory grew by {grown} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_a_document_has_no_copy_of_it_kept() {
    if !is_alone("edge::slow::who_does_not_read_a_document_has_no_copy_of_it_kept") {
        return;
    }
    let app = App::start().await;
    app.is_ready().await;
    for path in ["/docs", "/openapi.json"] {
        let size = app.get(path).await.body.len();
        let before = resident_kib();
        let mut readers = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut reader = Raw::connect_narrow(app.address()).await;
            reader.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
            readers.push(reader);
        }
        settle(&app).await;
        let grown = resident_kib() - before;
        println!("{path}, {size} bytes: {CONNECTIONS} that do not read cost {grown} KiB");
        let copies = i64::try_from(size * CONNECTIONS / 1024).unwrap();
        assert!(grown < copies / 2, "{path}: memory grew by {grown} KiB; a copy for each is {copies}");
    }
}
