//! The first process of a container is ended only by signals that it has a receiver for.

use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::testing::program::Place;
use crate::testing::waiting::until_blocking;

fn configured() -> Place {
    super::serve::configured()
        .with("INSTAGRAM_APP_ID", "990602627938098")
        .with("INSTAGRAM_APP_SECRET", "0123456789abcdef0123456789abcdef")
}

/// The process that `unshare` has started.
fn first(unshare: &Child) -> Option<Pid> {
    let id = unshare.id();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

/// Whether it has a receiver for SIGTERM.
fn receives(process: Pid) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.as_raw_nonzero()));
    let caught = status.ok().and_then(|status| {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?.trim().to_owned();
        u64::from_str_radix(&mask, 16).ok()
    });
    caught.is_some_and(|mask| mask & (1 << (Signal::TERM.as_raw() - 1)) != 0)
}

#[test]
fn a_signal_ends_the_first_process_of_a_container_whatever_it_does() {
    let place = configured();
    assert_eq!(place.run(&["migrate"]).code, 0);
    for (arguments, signal, code) in [
        (&["serve"][..], Signal::TERM, 0),
        (&["serve"], Signal::INT, 0),
        (&["dev", "--port", "0"], Signal::TERM, 0),
        // These wait for an input that never comes.
        (&["import", "-"], Signal::TERM, 143),
        (&["import", "-"], Signal::INT, 130),
        (&["token", "explain"], Signal::TERM, 143),
        (&["token", "explain"], Signal::HUP, 129),
    ] {
        let mut running = place.start_as_first(arguments, Stdio::piped());
        let mut process = None;
        until_blocking("it can be told to stop", || {
            process = first(&running.child);
            process.is_some_and(receives)
        });
        kill_process(process.unwrap(), signal).unwrap();
        until_blocking("it has ended", || running.child.try_wait().unwrap().is_some());
        let ended = running.child.wait().unwrap();
        assert_eq!(ended.code(), Some(code), "{arguments:?} {signal:?}: {}", running.logged());
    }
}
