//! The memory of the real process some time after grants were refreshed and people have
//! disconnected: none of the grants is in it, neither the replaced ones nor the one in use. And
//! whether the process may leave a core file.
//!
//! `HOLDFAST_TEST_MEMORY_WAIT_S` sets how long after (default 45: connections to Instagram, whose
//! buffers hold the last request, are kept for up to 40).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use holdfast::standin::clerk::Person;
use http::StatusCode;
use secrecy::ExposeSecret as _;

use super::crowded::process;
use crate::replicas::graph::Graph;
use crate::testing::answer::AnswerExt as _;
use crate::testing::app::App;
use crate::testing::dice::set_or;
use crate::testing::waiting::{PATIENCE, until};

const PAGE: usize = 4096;
/// Every token of Instagram begins so.
const PREFIX: &str = "IG";

/// What a process holds in memory that it may write to, where it is not all zero: region by region,
/// with the region's name.
fn image(pid: u32) -> Vec<(String, Vec<u8>)> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps")).unwrap());
    let mut parts = Vec::new();
    for line in maps.lines().map(Result::unwrap) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if !fields[1].starts_with("rw") {
            continue;
        }
        let (from, to) = fields[0].split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let name = fields.get(5).copied().unwrap_or("anonymous");
        let (mut part, mut page) = (Vec::new(), [0; PAGE]);
        while at < to && memory.read_exact_at(&mut page, at).is_ok() {
            if page != [0; PAGE] {
                part.extend_from_slice(&page);
            } else if !part.is_empty() {
                parts.push((name.to_owned(), std::mem::take(&mut part)));
            }
            at += PAGE as u64;
        }
        parts.push((name.to_owned(), part));
    }
    parts
}

/// Where each copy of any of `secrets` is, and what stands around it, the secret left out.
fn copies(image: &[(String, Vec<u8>)], secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, bytes) in image {
        let mut from = 0;
        while let Some(at) =
            bytes[from..].iter().position(|byte| *byte == PREFIX.as_bytes()[0]).map(|at| from + at)
        {
            from = at + 1;
            if !bytes[at..].starts_with(PREFIX.as_bytes()) {
                continue;
            }
            let hit = secrets.iter().position(|secret| bytes[at..].starts_with(secret.as_bytes()));
            let Some(number) = hit else { continue };
            let before = String::from_utf8_lossy(&bytes[at.saturating_sub(120)..at]);
            let end = at + secrets[number].len();
            let after = String::from_utf8_lossy(&bytes[end..(end + 60).min(bytes.len())]);
            found.push(format!("{name}: {before:?}⟨secret {number}⟩{after:?}"));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_in_memory_some_time_after_a_refresh_and_a_disconnect() {
    let wait = set_or("HOLDFAST_TEST_MEMORY_WAIT_S", 45);
    let app = App::start().await;
    let (graph, address) = Graph::start().await;
    let settings = [("HOLDFAST_REFRESH_MIN_AGE_S", "1"), ("INSTAGRAM_GRAPH_URL", address.as_str())];
    let server = process(&app, ":", &settings).await;
    let ada = app.sign_in(Person::Ada).to(&server.base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    for round in 0..5 {
        ada.connect_account("ada.makes").await;
        ada.check().await.good();
        if round >= 3 {
            let before = graph.refreshes();
            let database = rusqlite::Connection::open(server.place.path().join("own.db")).unwrap();
            database.busy_timeout(PATIENCE).unwrap();
            database.execute_batch("UPDATE connections SET next_refresh_at = 1").unwrap();
            until("the grant is refreshed", async || graph.refreshes() == before + 1).await;
            until("and stored", async || ada.status().await["evidence"]["source"] == "refresh").await;
        }
        if round == 4 {
            // And stays connected.
            break;
        }
        ada.disconnect().await.good();
    }
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let image = image(server.running.child.id());
    let size: usize = image.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(size > 1 << 20, "the memory was read: {size}");
    let short = app.instagram.issued_secrets();
    let short = short.iter().map(|each| each.expose_secret().to_owned());
    let secrets: Vec<_> = short.chain(graph.issued()).filter(|each| each.starts_with(PREFIX)).collect();
    assert!(secrets.len() >= 12, "a short one and a long one each time, two refreshed: {}", secrets.len());
    assert_eq!(ada.status().await["state"], "connected");
    let found = copies(&image, &secrets);
    println!("{} copies of {} tokens in {} KiB", found.len(), secrets.len(), size / 1024);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The limits of a process on core files, soft and hard.
fn core_limits(pid: u32) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max core file size")).unwrap();
    let mut columns = line.split_whitespace().map(str::to_owned);
    [(); 2].map(|()| columns.next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_core_file_is_forbidden_unless_a_setting_allows_it() {
    let app = App::start().await;
    let as_much_as_may_be = "ulimit -S -c \"$(ulimit -H -c)\"";
    let [_, own] = core_limits(std::process::id());
    // A program in `core_pattern` gets every core, unless the limit is 1.
    let least = if own == "0" { "0" } else { "1" };
    let server = process(&app, as_much_as_may_be, &[]).await;
    assert_eq!(core_limits(server.running.child.id()), [least, least]);
    let server = process(&app, as_much_as_may_be, &[("HOLDFAST_CORE_FILES", "on")]).await;
    assert_eq!(core_limits(server.running.child.id()), [own.clone(), own.clone()]);

    // Every other command that has keys or grants in its hands.
    let before = "exec strace -e trace=prlimit64 -o limits \"$0\" \"$@\"; :";
    for arguments in
        [["keys", "status"], ["connections", "list"], ["import", "/dev/null"], ["doctor", "--json"]]
    {
        let ended = server.place.run_within(before, &arguments);
        let asked = std::fs::read_to_string(server.place.path().join("limits")).unwrap();
        assert!(!asked.contains("RLIMIT_CORE, {"), "{arguments:?}, allowed: {}{asked}", ended.whole());
        let forbidding = format!("unset HOLDFAST_CORE_FILES; {before}");
        let ended = server.place.run_within(&forbidding, &arguments);
        let asked = std::fs::read_to_string(server.place.path().join("limits")).unwrap();
        assert!(asked.contains("RLIMIT_CORE, {rlim_cur=1, rlim_max=1}"), "{arguments:?}: {}", ended.whole());
    }
}
