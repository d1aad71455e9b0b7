//! What must never be seen. Everything that a test process logs, at trace level and as production
//! writes it, is kept in a file and searched for every secret that occurred. In files rather than
//! in memory: so a process that measures its memory can be searched as well, and of one that is
//! killed it is known what it had written.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use holdfast::settings::LogFormat;
use holdfast::telemetry;

use super::needles::Needles;

/// Where a process that a test starts is to log to; the test searches it then.
pub const LOG_FILE: &str = "HOLDFAST_TEST_LOG_FILE";

/// Shorter texts are no secrets but mistakes, such as `null`, and occur by chance.
const SHORTEST: usize = 24;

static LOG: LazyLock<Arc<File>> = LazyLock::new(|| {
    let file = match std::env::var_os(LOG_FILE) {
        Some(path) => OpenOptions::new().append(true).create(true).read(true).open(path).unwrap(),
        None => tempfile::tempfile().unwrap(),
    };
    let file = Arc::new(file);
    let subscriber = telemetry::subscriber("trace", LogFormat::Json, false, Arc::clone(&file)).unwrap();
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets up a log");
    tracing::trace!(target: "holdfast", "the log is kept");
    file
});

/// One a line.
static SECRETS: LazyLock<Mutex<File>> = LazyLock::new(|| Mutex::new(tempfile::tempfile().unwrap()));

/// Registers a secret: from now on this process's searches look for it. Of a token the parts count
/// too, for it could be logged without its header.
pub fn secret(secret: &str) {
    assert!(secret.len() >= SHORTEST, "{} characters would be found by chance", secret.len());
    // Whole, a token is found by its parts.
    let lines = match secret.split('.').collect::<Vec<_>>()[..] {
        [_, payload, signature] if payload.len().min(signature.len()) >= SHORTEST => {
            format!("{payload}\n{signature}\n")
        }
        _ => format!("{secret}\n"),
    };
    SECRETS.lock().unwrap().write_all(lines.as_bytes()).unwrap();
}

/// The same of what may be anything: what is too short for a secret is none.
pub fn secret_if_long(text: &str) {
    if text.len() >= SHORTEST {
        secret(text);
    }
}

/// From here on everything that this process logs is kept.
pub fn keep_the_log() {
    LazyLock::force(&LOG);
}

/// Keeps the log, and searches what is written during its life when it ends.
#[derive(Debug)]
pub struct Watch {
    from: u64,
    /// Logged at the beginning: a search that does not find it searches nothing.
    mark: String,
}

impl Watch {
    pub fn start() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        keep_the_log();
        let from = LOG.metadata().unwrap().len();
        let mark = format!("mark-{:016}-of-a-watch", NEXT.fetch_add(1, Ordering::Relaxed));
        tracing::trace!(target: "holdfast", mark, "from here on the log is searched");
        Self { from, mark }
    }

    /// What has been logged since.
    pub fn log(&self) -> Vec<u8> {
        let length = LOG.metadata().unwrap().len() - self.from;
        let mut log = vec![0; usize::try_from(length).unwrap()];
        LOG.read_exact_at(&mut log, self.from).unwrap();
        log
    }

    /// The first of `secrets` that has been logged.
    fn leak_of(&self, secrets: &BTreeSet<String>) -> Option<String> {
        let log = self.log();
        assert!(Needles::new([&self.mark]).find_in(&log).is_some(), "the search finds nothing");
        Needles::new(secrets).find_in(&log)
    }

    /// Fails where a secret has been logged.
    pub fn assert_nothing_leaked(&self) {
        assert_eq!(self.leak_of(&registered()), None, "in the log");
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_nothing_leaked();
        }
    }
}

/// The first secret of this process that `text` holds.
pub fn found_any(text: &[u8]) -> Option<String> {
    Needles::new(registered()).find_in(text)
}

fn registered() -> BTreeSet<String> {
    let secrets = SECRETS.lock().unwrap();
    let mut lines = vec![0; usize::try_from(secrets.metadata().unwrap().len()).unwrap()];
    secrets.read_exact_at(&mut lines, 0).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    // A hostile token may be of several lines.
    lines.lines().filter(|line| line.len() >= SHORTEST).map(str::to_owned).collect()
}

/// Searches what a process that a test started has logged, which must be something.
pub fn assert_clean(log: &Path) {
    let text = std::fs::read(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    assert!(text.windows(8).any(|each| each == b"\"level\":"), "{}: nothing was logged", log.display());
    assert_eq!(found_any(&text), None, "{}", log.display());
}

/// The same of a process that may have logged nothing.
pub fn assert_clean_or_silent(log: &Path) {
    let text = std::fs::read(log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
    assert_eq!(found_any(&text), None, "{}", log.display());
}

#[test]
fn a_secret_planted_in_the_log_is_found_in_every_spelling() {
    // Not registered, for other tests may share this process and its log.
    let planted = "a grant that was planted/by+this test=";
    let secrets = BTreeSet::from([planted.to_owned()]);
    for text in super::needles::planted(planted) {
        let watch = Watch::start();
        assert_eq!(watch.leak_of(&secrets), None);
        tracing::trace!(target: "clerk_session", text, "as a careless line would have it");
        assert!(watch.leak_of(&secrets).is_some_and(|told| !told.contains(planted)), "{text}");
    }
}

#[test]
fn a_secret_planted_in_the_log_of_another_process_is_found_in_every_spelling() {
    let planted = "a key that was planted/by+this test, and no other=";
    secret(planted);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let is_clean = |text: &str| {
        std::fs::write(&file, text).unwrap();
        std::panic::catch_unwind(|| assert_clean(&file)).is_ok()
    };
    let line = "{\"level\":\"TRACE\",\"message\":\"nothing\"}\n";
    assert!(is_clean(line));
    assert!(!is_clean(""), "a log without a line was not kept");
    for text in super::needles::planted(planted) {
        assert!(!is_clean(&format!("{line}{{\"level\":\"TRACE\",\"message\":\"{text}\"}}\n")), "{text}");
    }
}
