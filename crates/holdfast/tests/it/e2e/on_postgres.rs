//! Every end-to-end test once more, on Postgres: a new one runs on both engines without being told
//! to.
//!
//! The tests say `App::start()` and nothing of an engine. So they are run again by processes of
//! their own, one for each, as the runner does, in which [`SWITCH`] is set.

use std::process::Command;

/// Where it is set, installations keep their data in Postgres.
pub const SWITCH: &str = "HOLDFAST_TEST_ON_POSTGRES";
const OWN: &str = "e2e::on_postgres::";
/// The slow ones: they wait for Instagram's time-outs.
const FAULTS: &str = "e2e::faults::";

/// The end-to-end tests whose name `is_wanted`.
fn tests(is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let listed = Command::new(std::env::current_exe().unwrap())
        .args(["e2e::", "--list", "--format", "terse"])
        .output()
        .unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let names = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    names.filter(|name| !name.starts_with(OWN) && is_wanted(name)).map(str::to_owned).collect()
}

/// Runs each in a process of its own, and fails with what the failed ones said.
fn run(tests: &[String]) {
    assert!(!tests.is_empty(), "nothing to run");
    let mut failed = Vec::new();
    for test in tests {
        let ended = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(SWITCH, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&ended.stdout);
        if !ended.status.success() || !told.contains("1 passed") {
            failed.push(format!("{test}\n{told}{}", String::from_utf8_lossy(&ended.stderr)));
        }
    }
    assert!(failed.is_empty(), "on Postgres {} failed:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn faults() {
    run(&tests(|name| name.starts_with(FAULTS)));
}

#[test]
fn everything_else() {
    run(&tests(|name| !name.starts_with(FAULTS)));
}
