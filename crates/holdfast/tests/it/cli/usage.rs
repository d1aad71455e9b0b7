use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use super::support::Place;

#[test]
fn help_is_an_answer() {
    let ended = Place::new().run(&["--help"]);
    insta::assert_snapshot!(ended.whole());
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
