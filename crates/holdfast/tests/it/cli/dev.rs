//! `holdfast dev`: what it prints works when pasted.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::testing::leaks;
use crate::testing::program::{Place, Running};

/// What `dev` prints until it is ready.
fn start(place: &Place, more: &[&str]) -> (Running, Vec<String>) {
    let data = place.path().join("data");
    let mut arguments = vec!["dev", "--port", "0", "--data", data.to_str().unwrap()];
    arguments.extend(more);
    let mut running = place.start(&arguments, Stdio::piped());
    let stdout = BufReader::new(running.child.stdout.take().unwrap());
    let mut printed = Vec::new();
    for line in stdout.lines() {
        let line = line.unwrap();
        let is_last = line == "Stop with Ctrl-C.";
        printed.push(line);
        if is_last {
            break;
        }
    }
    (running, printed)
}

#[test]
fn the_printed_lines_work_when_pasted_and_a_signal_ends_it_well() {
    let place = Place::new();
    let (mut running, printed) = start(&place, &[]);
    let commands: Vec<&str> = printed
        .iter()
        .map(String::as_str)
        .filter(|line| ["TOKEN=", "KEY=", "curl"].iter().any(|start| line.starts_with(start)))
        .collect();
    assert_eq!(commands.len(), 10, "{printed:#?}");
    let key = commands.iter().find_map(|line| line.strip_prefix("KEY=")).expect("a service key");
    leaks::secret(key);
    let page = printed[0].split_whitespace().last().expect("an address");
    let script = format!("curl -si {page}\n{}\necho \"$TOKEN\"", commands.join("\necho\n"));
    let output = Command::new("bash").arg("-c").arg(script).output().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    let token = answers.lines().last().unwrap();
    let (_, state) = answers.split_once("&state=").expect("an address to connect at");
    for secret in [token, state.split(['&', '"']).next().unwrap()] {
        leaks::secret(secret);
    }
    for expected in [
        "x-request-id: ",
        "\"email\":\"ada@example.com\"",
        "\"state\":\"not_connected\"",
        "\"authorize_url\"",
        "401 Unauthorized",
        "session-token-missing",
        "\"connections\":[",
        "424",
    ] {
        assert!(answers.contains(expected), "{expected} is missing in {answers}");
    }
    let status = Command::new("kill").arg(running.child.id().to_string()).status().unwrap();
    assert!(status.success());
    assert_eq!(running.child.wait().unwrap().code(), Some(0));
}

#[test]
fn pages_of_the_usual_ports_and_of_an_origin_that_was_named_may_call() {
    let place = Place::new();
    let named = ["--origin", "http://127.0.0.1:4000", "--origin", "http://localhost:3000"];
    let (running, printed) = start(&place, &named);
    let here = printed[0].split_whitespace().last().unwrap();
    let allows = |origin: &str| {
        let output = Command::new("curl")
            .args(["-s", "-i", "-X", "OPTIONS", "-H", &format!("Origin: {origin}")])
            .args(["-H", "Access-Control-Request-Method: GET", &format!("{here}user/instagram/status")])
            .output()
            .unwrap();
        let answer = String::from_utf8(output.stdout).unwrap().to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 "), "{answer}");
        answer.contains(&format!("access-control-allow-origin: {origin}"))
    };
    assert!(allows("http://127.0.0.1:4000"));
    for port in [3000, 3001, 4173, 4200, 4321, 5173, 5174] {
        for host in ["127.0.0.1", "localhost"] {
            assert!(allows(&format!("http://{host}:{port}")), "{host}:{port}");
        }
    }
    assert!(!allows("http://127.0.0.1:4322"));
    assert!(!allows("https://localhost:3000"));
    let said = running.logged();
    assert!(said.contains("--origin") && said.contains("http://127.0.0.1:4322"), "{said}");
}

#[test]
fn an_origin_that_is_none_is_named_with_its_remedy() {
    let place = Place::new();
    for (origin, why) in [
        ("http://127.0.0.1:4000/page", "an origin ends after host and port"),
        ("localhost:3000", "it must begin with https:// (or http:// for local development)"),
    ] {
        let ended = place.run(&["dev", "--port", "0", "--origin", origin]);
        let said = ended.stderr;
        assert_eq!(ended.code, 2, "{said}");
        assert!(said.contains(&format!("'{origin}' for '--origin <ORIGIN>': {why}")), "{said}");
        assert!(!said.contains("HOLDFAST_ALLOWED_ORIGINS"), "{said}");
    }
}
