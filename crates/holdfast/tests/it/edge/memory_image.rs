//! The memory of the real process some time after everybody has disconnected: no grant is in it.
//!
//! `HOLDFAST_MEMORY_WAIT_S` sets how long after (default 35: connections to Instagram are kept for 30).

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::time::Duration;

use holdfast::standin::clerk::Person;
use http::{Method, StatusCode};
use secrecy::ExposeSecret as _;

use super::crowded::process;
use crate::e2e::app::App;
use crate::replicas::processes::until;

/// Everything that the process may write to, region by region.
fn image(pid: u32) -> Vec<Vec<u8>> {
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps")).unwrap());
    let mut regions = Vec::new();
    for line in maps.lines().map(Result::unwrap) {
        let mut parts = line.split_whitespace();
        let (Some(range), Some(rights)) = (parts.next(), parts.next()) else { continue };
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (from, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            regions.push(bytes);
        }
    }
    regions
}

fn count(regions: &[Vec<u8>], secret: &str) -> usize {
    let needle = secret.as_bytes();
    let first = needle[0];
    let mut found = 0;
    for region in regions {
        let mut rest = region.as_slice();
        while let Some(at) = rest.iter().position(|byte| *byte == first) {
            rest = &rest[at..];
            found += usize::from(rest.starts_with(needle));
            rest = &rest[1..];
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn no_grant_is_in_memory_some_time_after_a_disconnect() {
    let wait = std::env::var("HOLDFAST_MEMORY_WAIT_S").map_or(35, |text| text.parse().unwrap());
    let app = App::start().await;
    let (_place, running, base) = process(&app, ":", &[]).await;
    let ada = app.sign_in(Person::Ada).to(&base);
    until("it can judge", async || ada.get("/user/instagram/status").await.status == StatusCode::OK).await;
    for _ in 0..5 {
        ada.connect_account("ada.makes").await;
        let checked = ada.send(Method::POST, "/user/instagram/check", None).await;
        assert_eq!(checked.status, StatusCode::OK);
        let gone = ada.send(Method::DELETE, "/user/instagram", None).await;
        assert_eq!(gone.status, StatusCode::OK);
    }
    tokio::time::sleep(Duration::from_secs(wait)).await;
    let regions = image(running.child.id());
    let size: usize = regions.iter().map(Vec::len).sum();
    assert!(size > 1 << 20, "the memory was read: {size}");
    let secrets = app.instagram.issued_secrets();
    let grants: Vec<_> =
        secrets.iter().map(|each| each.expose_secret()).filter(|each| each.starts_with("IG")).collect();
    assert!(grants.len() >= 5, "{}", grants.len());
    let found: Vec<usize> = grants.iter().map(|grant| count(&regions, grant)).collect();
    println!("{} tokens, {found:?} copies in {} KiB", grants.len(), size / 1024);
    assert_eq!(found.iter().filter(|copies| **copies > 0).count(), 0, "{found:?}");
}
