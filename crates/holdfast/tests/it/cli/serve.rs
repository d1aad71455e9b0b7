//! What keeps a server from starting is one sentence and an exit code.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use super::doctor::codes;
use crate::testing::program::{Place, WITHOUT_THE_NEWEST_MIGRATION, ring_entry};
use crate::testing::waiting::until_blocking;

/// What a server needs to start.
pub(super) fn configured() -> Place {
    Place::new()
        .with("HOLDFAST_LISTEN", "127.0.0.1:0")
        .with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 7))
        .with("CLERK_PUBLISHABLE_KEY", "pk_live_Y2xlcmsuZXhhbXBsZS5jb20k")
        .with("HOLDFAST_ALLOWED_ORIGINS", "https://app.example.com")
}

/// Each is one clear sentence, in the format of the log, and exit code 2.
fn sentence(place: &Place) -> String {
    let ended = place.run(&["serve"]);
    assert_eq!((ended.code, ended.stderr.lines().count()), (2, 1), "{}", ended.whole());
    let line: serde_json::Value = serde_json::from_str(&ended.stderr).unwrap();
    assert_eq!(line["level"], "ERROR", "{line}");
    line["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_port_in_use_is_one_sentence() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let told = sentence(&configured().with("HOLDFAST_LISTEN", address.as_str()));
    assert!(told.contains(&address) && told.contains("already in use"), "{told}");
}

#[test]
fn metrics_on_loopback_are_refused_to_a_name_that_leads_here() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = configured().with("HOLDFAST_METRICS_LISTEN", free.to_string());
    let mut server = place.serve_within("true");
    until_blocking("it serves", || server.logged().contains("\"message\":\"serving\""));
    let asked = |host: &str| {
        let mut stream = TcpStream::connect(free).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(asked(&format!("localhost:{}", free.port())).starts_with("HTTP/1.1 200 "));
    let refused = asked(&format!("evil.example:{}", free.port()));
    assert!(refused.starts_with("HTTP/1.1 421 ") && refused.contains("A proxy in front"), "{refused}");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

#[test]
fn a_database_that_cannot_be_opened_is_one_sentence() {
    let told = sentence(&configured().with("HOLDFAST_DATABASE_URL", "sqlite://absent/holdfast.db"));
    assert!(told.contains("absent"), "{told}");
}

#[test]
fn a_wrong_encryption_key_is_one_sentence() {
    let place = configured();
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    let told = sentence(&place.with("HOLDFAST_ENCRYPTION_KEYS", ring_entry("2026", 8)));
    assert!(told.contains("other bytes"), "{told}");
}

/// With the wrong ring, the former program may have to run again.
#[test]
fn an_upgrade_with_a_wrong_encryption_key_changes_nothing_and_doctor_says_why() {
    let mut place = configured();
    assert_eq!(place.run(&["migrate"]).code, 0);
    assert_eq!(place.run(&["keys", "rotate"]).code, 0);
    let database = rusqlite::Connection::open(place.path().join("holdfast.db")).unwrap();
    database.execute_batch(WITHOUT_THE_NEWEST_MIGRATION).unwrap();
    let newest = || {
        let newest = "SELECT MAX(version) FROM schema_migrations";
        database.query_row(newest, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let before = newest();
    for (wrong, said) in
        [(ring_entry("2026", 8), "has other bytes"), (ring_entry("other", 7), "lacks key `2026`")]
    {
        place = place.with("HOLDFAST_ENCRYPTION_KEYS", wrong);
        let looked = place.run(&["doctor", "--json", "--offline"]);
        assert!(codes(&looked, "failed").contains(&"key-ring".to_owned()), "{}", looked.stdout);
        assert!(sentence(&place).contains(said));
        assert_eq!(newest(), before);
    }
}

#[test]
fn two_servers_with_one_journal_are_told_so_and_doctor_sees_them() {
    let journal = tempfile::tempdir().unwrap();
    let here = || configured().with("HOLDFAST_JOURNAL_DIR", journal.path().to_str().unwrap());
    let started = |place: &Place| {
        let server = place.serve_within("true");
        until_blocking("it serves", || server.logged().contains("\"message\":\"serving\""));
        server
    };
    let told = "another server uses HOLDFAST_JOURNAL_DIR";
    let (one, other) = (here(), here());
    assert_eq!(one.run(&["migrate"]).code, 0);
    let first = started(&one);
    let alone = one.run(&["doctor", "--json", "--offline"]);
    assert!(codes(&alone, "ok").contains(&"journal".to_owned()), "{}", alone.stdout);
    let second = started(&other);
    assert!(!first.logged().contains(told) && second.logged().contains(told), "{}", second.logged());
    let both = one.run(&["doctor", "--json", "--offline"]);
    assert!(codes(&both, "failed").contains(&"journal".to_owned()), "{}", both.stdout);
    assert!(both.stdout.contains("2 servers use"), "{}", both.stdout);
    // A place is free when its server has ended, however it did.
    drop(first);
    drop(second);
    let third = started(&one);
    assert!(!third.logged().contains(told), "{}", third.logged());
}

/// Two servers on one file would each take the other's work.
#[test]
fn a_file_is_served_once_by_whichever_name() {
    let place = configured();
    let mut server = place.serve_within("true");
    until_blocking("it serves", || server.logged().contains("\"message\":\"serving\""));
    let link = place.path().join("link.db");
    std::os::unix::fs::symlink("holdfast.db", &link).unwrap();
    let address = format!("sqlite://{}", link.display());
    let told = sentence(&configured().with("HOLDFAST_DATABASE_URL", address));
    assert!(told.contains("another process uses"), "{told}");
    server.child.kill().unwrap();
    server.child.wait().unwrap();
}

/// Containers ask in plain http, and their images need not have any certificates.
#[test]
fn without_root_certificates_this_machine_can_be_asked() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = configured().with("HOLDFAST_LISTEN", free.to_string());
    let mut server = place.serve_within("true");
    until_blocking("it serves", || server.logged().contains("\"message\":\"serving\""));
    let place = place.with("SSL_CERT_FILE", "/nowhere/ca.pem");
    assert_eq!(place.run(&["health"]).code, 0);
    let looked = place.run(&["doctor", "--json", "--offline"]);
    assert!(codes(&looked, "ok").contains(&"listen".to_owned()), "{}", looked.whole());
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    drop(server);
    let told = place.run(&["serve"]).stderr;
    assert!(told.contains("SSL_CERT_FILE"), "{told}");
    assert!(codes(&looked, "failed").contains(&"root-certificates".to_owned()), "{}", looked.stdout);
}

#[test]
fn too_few_file_handles_are_one_sentence_that_says_how_many_are_needed() {
    let place = configured();
    let mut few = place.serve_within("ulimit -n 20");
    assert_eq!(few.child.wait().unwrap().code(), Some(2), "{}", few.logged());
    let told = few.logged();
    assert_eq!(told.lines().count(), 1, "{told}");
    for part in ["at most 20 files", "a server needs 128", "ulimit -n 4096", "LimitNOFILE=4096"] {
        assert!(told.contains(part), "{told}");
    }
    // The soft limit is raised as far as the hard one allows.
    let mut enough = place.serve_within("ulimit -S -n 20 && ulimit -H -n 128");
    until_blocking("it serves", || enough.logged().contains("\"message\":\"serving\""));
    enough.child.kill().unwrap();
    enough.child.wait().unwrap();
}

/// Before there is a log, and at every level of it.
#[test]
fn why_a_server_does_not_start_is_in_the_format_of_the_log() {
    let line = |place: &Place| -> serde_json::Value {
        let ended = place.run(&["serve"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{}", ended.whole());
        serde_json::from_str(&ended.stderr).unwrap_or_else(|_| panic!("{}", ended.stderr))
    };
    let told = line(&configured().with("SSL_CERT_FILE", "/nowhere/ca.pem").with("HOLDFAST_LOG", "off"));
    assert!(told["message"].as_str().unwrap().starts_with("outgoing TLS cannot be set up"), "{told}");
    assert!(told["remedy"].as_str().unwrap().contains("ca-certificates"), "{told}");
    let faulty = || configured().with("HOLDFAST_LISTEN", "nonsense");
    let told = line(&faulty());
    assert!(told["message"].as_str().unwrap().contains("  HOLDFAST_LISTEN: "), "{told}");
    let unreadable = configured().file("holdfast.toml", "=");
    assert!(line(&unreadable)["message"].as_str().unwrap().contains("holdfast.toml"));
    // As a person reads it.
    for place in [faulty(), unreadable] {
        let told = place.with("HOLDFAST_LOG_FORMAT", "text").run(&["serve"]).stderr;
        assert!(told.starts_with("error: the configuration has 1 fault\n"), "{told}");
    }
}

/// A program that reads such a log parses every line.
#[test]
fn what_the_start_warns_of_is_in_the_format_of_the_log() {
    // Without TLS.
    let place = configured().with("HOLDFAST_PUBLIC_URL", "http://api.example.com");
    // Without the lines of the log: there are no others.
    assert_eq!(place.run(&["migrate"]).stderr, "");
    let server = place.serve_within("true");
    until_blocking("it serves", || server.logged().contains("\"message\":\"serving\""));
    let log = server.logged();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
    let warned = lines.iter().find(|line| line["setting"] == "HOLDFAST_PUBLIC_URL").unwrap();
    assert_eq!((&warned["level"], warned["remedy"].is_string()), (&"WARN".into(), true), "{warned}");
    drop(server);
    let place = place.with("HOLDFAST_LOG_FORMAT", "text");
    let mut server = place.serve_within("true");
    server.may_be_silent = true;
    until_blocking("it serves", || server.logged().contains("serving"));
    assert!(server.logged().starts_with("warning: HOLDFAST_PUBLIC_URL: "), "{}", server.logged());
}
