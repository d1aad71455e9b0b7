//! SIGHUP reads the configuration again, and never ends the process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::testing::ports::ReservedPort;
use crate::testing::postgres_server::OwnServer;
use crate::testing::program::{Place, Running, ring_entry};
use crate::testing::waiting::until_blocking;

const CONFIGURATION: &str = "listen = \"127.0.0.1:PORT\"\nallowed_origins = [\"https://one.example.com\"]\nlog = \"info\"\n\
     [clerk]\npublishable_key = \"pk_live_Y2xlcmsuZXhhbXBsZS5jb20k\"\n";

fn signal(running: &Running, name: &str) {
    let status = Command::new("kill").args([name, &running.child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn allows(port: u16, origin: &str) -> bool {
    let output = Command::new("curl")
        .args(["-s", "-i", "-H", &format!("Origin: {origin}"), &format!("http://127.0.0.1:{port}/healthz")])
        .output()
        .unwrap();
    let answer = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    answer.contains(&format!("access-control-allow-origin: {origin}"))
}

/// Whether it has started: until then everything but `/healthz` is answered 503.
fn serves(port: u16) -> bool {
    let url = format!("http://127.0.0.1:{port}/user/profile");
    let output = Command::new("curl").args(["-s", "-o", "/dev/null", "-w", "%{http_code}", &url]).output();
    output.unwrap().stdout == b"401"
}

#[test]
fn a_new_configuration_holds_and_a_faulty_one_is_logged_whole() {
    let reserved = ReservedPort::new();
    let port = reserved.address().port();
    let text = CONFIGURATION.replace("PORT", &port.to_string());
    let place =
        Place::new().file("holdfast.toml", &text).with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let mut running = place.start(&["serve"], Stdio::null());
    until_blocking("it serves", || serves(port));

    let two =
        text.replace("one.example.com", "two.example.com").replace("[clerk]", "max_requests = 77\n[clerk]");
    let place = place.file("holdfast.toml", &two);
    signal(&running, "-HUP");
    until_blocking("the new origin may call", || allows(port, "https://two.example.com"));
    assert!(!allows(port, "https://one.example.com"));
    until_blocking("what needs a restart is named", || running.logged().contains("HOLDFAST_MAX_REQUESTS"));

    // The whole line: the port may have a 77 in it.
    let faulty = two
        .replace("https://two.example.com", "https://three.example.com/path")
        .replace("max_requests = 77", "max_requests = \"many\"");
    let _place = place.file("holdfast.toml", &faulty);
    signal(&running, "-HUP");
    until_blocking("the faults are logged", || running.logged().contains("nothing is changed"));
    for fault in ["allowed_origins", "max_requests"] {
        until_blocking(fault, || {
            running
                .logged()
                .lines()
                .any(|line| line.contains("fault in the configuration") && line.contains(fault))
        });
    }
    assert!(allows(port, "https://two.example.com"), "a faulty configuration changed something");
    signal(&running, "-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop(running);
}

#[test]
fn without_its_file_the_server_goes_on_as_before() {
    let reserved = ReservedPort::new();
    let port = reserved.address().port();
    let place = Place::new()
        .file("holdfast.toml", "allowed_origins = [\"https://one.example.com\"]\n")
        .with("HOLDFAST_LISTEN", format!("127.0.0.1:{port}"))
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7));
    let mut running = place.start(&["serve"], Stdio::null());
    until_blocking("it serves", || serves(port));
    fs::remove_file(place.path().join("holdfast.toml")).unwrap();
    signal(&running, "-HUP");
    until_blocking("it says so", || running.logged().contains("the configuration file is gone"));
    assert!(allows(port, "https://one.example.com"), "everything is as by default");

    let place = place.file("holdfast.toml", "allowed_origins = []\n");
    signal(&running, "-HUP");
    until_blocking("it is warned of what nobody is kept out by", || {
        running.logged().contains("tokens issued to any app of the Clerk instance are accepted")
    });
    signal(&running, "-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop((running, place));
}

#[test]
fn a_ring_of_other_bytes_changes_nothing() {
    let reserved = ReservedPort::new();
    let port = reserved.address().port();
    let place = Place::new()
        .file("keys", &ring_entry("2026", 7))
        .file("holdfast.toml", &CONFIGURATION.replace("PORT", &port.to_string()))
        .with("HOLDFAST_ENCRYPTION_KEYS_FILE", "keys");
    let mut running = place.start(&["serve"], Stdio::null());
    until_blocking("it serves", || serves(port));
    let place = place.file("keys", &ring_entry("2026", 8));
    signal(&running, "-HUP");
    until_blocking("the ring is refused", || running.logged().contains("other bytes"));

    let both = format!("{},{}", ring_entry("next", 9), ring_entry("2026", 7));
    let place = place.file("keys", &both);
    signal(&running, "-HUP");
    until_blocking("the ring is taken over", || running.logged().contains("\"sealing_key\":\"next\""));
    signal(&running, "-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop(running);
    assert!(place.run(&["keys", "status"]).stdout.contains("next  seals"));
}

#[test]
fn what_needs_no_database_does_not_wait_for_one() {
    let (reserved, database) = (ReservedPort::new(), OwnServer::start());
    let port = reserved.address().port();
    let text = CONFIGURATION.replace("PORT", &port.to_string());
    let place = Place::new()
        .file("keys", &ring_entry("2026", 7))
        .file("holdfast.toml", &text)
        .with("HOLDFAST_DATABASE_URL", database.url())
        .with("HOLDFAST_ENCRYPTION_KEYS_FILE", "keys");
    let mut running = place.start(&["serve"], Stdio::null());
    until_blocking("it serves", || serves(port));
    database.stop();

    let place = place.file("holdfast.toml", &text.replace("one.example.com", "two.example.com"));
    signal(&running, "-HUP");
    until_blocking("the new origin may call", || allows(port, "https://two.example.com"));
    assert!(!running.logged().contains("HOLDFAST_ENCRYPTION_KEYS"), "no key has changed");

    let both = format!("{},{}", ring_entry("next", 9), ring_entry("2026", 7));
    let place = place
        .file("keys", &both)
        .file("holdfast.toml", &text.replace("one.example.com", "three.example.com"));
    signal(&running, "-HUP");
    until_blocking("the new origin may call", || allows(port, "https://three.example.com"));
    until_blocking("what waits is named", || {
        running.logged().contains("in effect, but for HOLDFAST_ENCRYPTION_KEYS")
    });
    assert!(!running.logged().contains("\"sealing_key\":\"next\""));

    database.start_again();
    until_blocking("the ring is taken over", || running.logged().contains("\"sealing_key\":\"next\""));
    signal(&running, "-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop((running, place));
}

#[test]
fn dev_survives_it_and_leaves_nothing_behind() {
    let place = Place::new();
    let temporary = place.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let place = place.with("TMPDIR", temporary.to_str().unwrap());
    let mut running = place.start(&["dev", "--port", "0"], Stdio::piped());
    let stdout = BufReader::new(running.child.stdout.take().unwrap());
    let ready = stdout.lines().any(|line| line.unwrap() == "Stop with Ctrl-C.");
    assert!(ready && fs::read_dir(&temporary).unwrap().count() == 1);
    signal(&running, "-HUP");
    until_blocking("it is noticed", || running.logged().contains("no configuration to reload"));
    assert!(running.child.try_wait().unwrap().is_none(), "a hang-up ended it");
    signal(&running, "-TERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
    drop(running);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0, "dev left something behind");
}
