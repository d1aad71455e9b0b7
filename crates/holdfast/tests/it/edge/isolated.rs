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

/// Runs `test` to its end in a process of its own, with these variables in its environment; what
/// it printed.
pub fn run_alone(test: &str, environment: &[(&str, String)]) -> String {
    // Client and server are one process here, which needs more descriptors than a shell allows by
    // default.
    let ended = Command::new("sh")
        .args(["-c", "ulimit -S -n $(ulimit -H -n) && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let (told, complained) = (String::from_utf8_lossy(&ended.stdout), String::from_utf8_lossy(&ended.stderr));
    assert!(ended.status.success(), "it failed in its own process:\n{told}{complained}");
    assert!(told.contains("1 passed"), "there is no test `{test}`");
    format!("{told}{complained}")
}

/// Resident memory of this process, in KiB.
pub fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
