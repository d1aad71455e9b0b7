//! Requests are answered while the log's reader stands still.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::Command;

use futures_util::future::join_all;
use holdfast::standin::clerk::Person;
use http::StatusCode;

use super::client::{Client, Raw};
use super::crowded::{address_of, process};
use crate::testing::app::App;
use crate::testing::ports::ReservedPort;
use crate::testing::waiting::until;

/// Each is a line of some two hundred bytes: more than the pipe and the process hold together.
const REQUESTS: usize = 25_000;
const CLIENTS: usize = 8;

async fn dropped_lines(metrics: &ReservedPort) -> u64 {
    let mut raw = Raw::connect(metrics.address()).await;
    let reply = raw.ask("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let count = reply.body.lines().find_map(|line| line.strip_prefix("holdfast_log_lines_dropped_total "));
    count.expect("the counter").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_keeps_nobody_waiting() {
    let app = App::start().await;
    let directory = tempfile::tempdir().unwrap();
    let pipe = directory.path().join("log");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // For both, so that neither end waits for the other.
    let unread = File::options().read(true).write(true).open(&pipe).unwrap();
    let metrics = ReservedPort::new();
    let at = [("HOLDFAST_METRICS_LISTEN", &*metrics.address().to_string())];
    let mut server = process(&app, &format!("exec 2>{}", pipe.display()), &at).await;
    server.running.may_be_silent = true;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;

    let from = Client::of(address_of(&server.base));
    let asking = (0..CLIENTS).map(async |_| {
        let mut raw = from.connect().await.unwrap();
        for _ in 0..REQUESTS / CLIENTS {
            assert_eq!(raw.ask(&from.request("GET /healthz", "", "")).await.unwrap().status, 200);
        }
    });
    join_all(asking).await;
    assert_eq!(ada.get("/user/instagram/status").await.status, StatusCode::OK);
    let dropped = dropped_lines(&metrics).await;
    assert!(dropped > 0 && dropped < REQUESTS as u64, "{dropped}");

    let read = move || {
        let mut lines = BufReader::new(unread).lines().map_while(Result::ok);
        lines.find(|line| line.contains("lines of the log were dropped")).unwrap()
    };
    let told = tokio::task::spawn_blocking(read).await.unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert!(told["lines"].as_u64().unwrap() >= dropped, "{told}");
}
