//! A process of its own for tests that measure memory: beside other tests they would measure those.

use std::process::Command;

/// Set for the process of its own.
const ALONE: &str = "HOLDFAST_TEST_IS_ALONE";

/// Whether this process is the one that runs `test` alone. Where it is not, runs one that is, to
/// its end.
pub fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    println!("{}", run_alone(test, &[(ALONE, "1".to_owned())]));
    false
}

/// The run of `test` in a process of its own. Thousands of clients, and often the server too, need
/// more descriptors than a shell allows by default.
pub fn alone(test: &str) -> Command {
    let mut run = Command::new("sh");
    run.args(["-c", "ulimit -S -n $(ulimit -H -n) && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
    run
}

/// Runs `test` to its end in a process of its own, with these variables in its environment; what
/// it printed.
pub fn run_alone(test: &str, environment: &[(&str, String)]) -> String {
    let ended = alone(test).envs(environment.iter().map(|(name, value)| (name, value))).output().unwrap();
    let (told, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "it failed in its own process:\n{told}{complained}");
    assert!(told.contains("1 passed"), "there is no test `{test}`");
    format!("{told}{complained}")
}

/// Resident memory of this process, in KiB.
pub fn resident_kib() -> i64 {
    resident_kib_of(std::process::id())
}

/// Resident memory of that process, in KiB.
pub fn resident_kib_of(process: u32) -> i64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Open file handles of that process.
pub fn handles(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}
