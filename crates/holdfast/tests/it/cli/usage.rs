//! Wrong usage: an exit code, one sentence, and no secret repeated.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::testing::program::Place;

#[test]
fn help_is_an_answer() {
    let ended = Place::new().run(&["--help"]);
    insta::assert_snapshot!(ended.whole());
}

#[test]
fn help_is_also_a_command() {
    let place = Place::new();
    for (as_command, as_option) in [
        (&["help"][..], &["--help"][..]),
        (&["help", "import"], &["import", "--help"]),
        (&["help", "token", "explain"], &["token", "explain", "--help"]),
        (&["token", "help", "explain"], &["token", "explain", "--help"]),
    ] {
        let ended = place.run(as_command);
        assert_eq!(ended.whole(), place.run(as_option).whole(), "{as_command:?}");
        assert_eq!(ended.code, 0, "{as_command:?}");
    }
}

#[test]
fn wrong_usage_is_exit_code_2_on_standard_error() {
    insta::assert_snapshot!(Place::new().run(&["serv"]).whole());
}

#[test]
fn no_command_says_which_there_are() {
    let ended = Place::new().run(&[]);
    assert_eq!(ended.code, 2);
    assert!(ended.stderr.contains("Usage: holdfast"), "{}", ended.stderr);
}

/// A token or a key that is given where none belongs is on no screen and in no log of a job.
#[test]
fn secrets_given_as_arguments_are_not_repeated() {
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl";
    const SERVICE_KEY: &str = "hf_sk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    const ENTRY: &str = "k1:6rM+Wf0uJ2n0c7hBqY9w0Zb8q3m1n5t7x9z2a4c6e8g=";
    const GRANT: &str = "IGAAQ1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9";
    const SECRET_KEY: &str = "sk_live_abcdefGHIJKL0123456789";
    let place = Place::new().with("HOLDFAST_ENCRYPTION_KEYS", crate::testing::program::ring_entry("2026", 7));
    assert_eq!(place.run(&["migrate"]).code, 0);
    for (arguments, secret) in [
        (&["token", "explain", TOKEN][..], TOKEN),
        (&["token", "explain", "--at", TOKEN], TOKEN),
        (&[TOKEN], TOKEN),
        (&["why", TOKEN], TOKEN),
        (&["why", SERVICE_KEY], SERVICE_KEY),
        (&["why", "some-request", "--from", SERVICE_KEY], SERVICE_KEY),
        (&["service-key", "revoke", SERVICE_KEY], SERVICE_KEY),
        (&["service-key", "revoke", TOKEN], TOKEN),
        (&["service-key", "list", SERVICE_KEY], SERVICE_KEY),
        (&["keys", "retire", ENTRY], ENTRY),
        (&["keys", "retire", "--lost", ENTRY], ENTRY),
        (&["keys", "generate", "--id", ENTRY], ENTRY),
        (&["connections", "show", TOKEN], TOKEN),
        (&["connections", "show", "--account", GRANT], GRANT),
        (&["connections", "list", "--state", GRANT], GRANT),
        (&["connections", "list", "--reason", GRANT], GRANT),
        (&["import", GRANT], GRANT),
        (&["--config", SECRET_KEY, "config", "check"], SECRET_KEY),
        (&["token", "explain", "--jwks", SECRET_KEY], SECRET_KEY),
        (&["token", "explain", "--jwt-key=sk_live_abcdefGHIJKL0123456789"], SECRET_KEY),
        (&["backup", "/nowhere/hf_sk_0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"], SERVICE_KEY),
        (&["restore", SERVICE_KEY], SERVICE_KEY),
        (&["doctor", "--explain", SERVICE_KEY], SERVICE_KEY),
        (&["why", GRANT], GRANT),
        (&["why", "some-request", "--from", "HTTP://user:hunter22@127.0.0.1:1/"], "hunter22"),
    ] {
        let ended = place.run(arguments);
        assert_ne!(ended.code, 0, "{arguments:?}: {}", ended.whole());
        assert!(!ended.whole().contains(secret), "{arguments:?}: {}", ended.whole());
    }
    let told = place.run(&["token", "explain", TOKEN]).stderr;
    assert!(told.contains("(not shown") && told.contains("on standard input"), "{told}");
    // A mistyped word that is no secret is repeated.
    let told = place.run(&["connections", "show", "user_2abcDEF0123456789ghiJKL01"]).stderr;
    assert!(told.contains("user_2abcDEF0123456789ghiJKL01"), "{told}");
    let path = "/nowhere/holdfast/keys-of-2026-11-29-0400/keys.json";
    let told = place.run(&["token", "explain", "--jwks", path]).stderr;
    assert!(told.contains(path), "{told}");
}

/// A proxy of the whole machine is not asked about a server on it.
#[test]
fn a_proxy_of_the_environment_is_not_used() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let read = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        read
    });
    let ended = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .fold(Place::new(), |place, name| place.with(name, "http://127.0.0.1:9"))
        .with("HOLDFAST_LISTEN", address.to_string())
        .run(&["health"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "ok\n"), "{}", ended.whole());
    assert!(server.join().unwrap() > 0);
}
