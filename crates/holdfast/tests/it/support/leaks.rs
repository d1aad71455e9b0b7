//! What must never be seen: collects the log at trace level, as production writes it, and searches texts for secrets in
//! every common spelling.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use holdfast::settings::LogFormat;
use holdfast::telemetry;
use tracing_subscriber::fmt::MakeWriter;

/// Set for a process of its own that measures memory.
pub const ALONE: &str = "HOLDFAST_TEST_IS_ALONE";

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

static LOG: LazyLock<Log> = LazyLock::new(|| {
    let log = Log::default();
    let subscriber = telemetry::subscriber("trace", LogFormat::Json, false, log.clone()).unwrap();
    tracing::subscriber::set_global_default(subscriber).expect("no other test sets up a log");
    log
});

/// From here on everything that this process logs is kept, except where memory is measured.
pub fn keep_the_log() {
    if std::env::var_os(ALONE).is_none() {
        LazyLock::force(&LOG);
    }
}

/// What has been logged.
pub fn log() -> Vec<u8> {
    log_from(0)
}

/// The same from that byte on; see [`log_length`].
pub fn log_from(start: usize) -> Vec<u8> {
    if std::env::var_os(ALONE).is_some() {
        return Vec::new();
    }
    LOG.0.lock().unwrap()[start..].to_vec()
}

/// How much has been logged.
pub fn log_length() -> usize {
    if std::env::var_os(ALONE).is_some() { 0 } else { LOG.0.lock().unwrap().len() }
}

/// The spellings under which a secret could turn up: as it is, in an address, in base64 at any alignment, in hexadecimal.
fn spellings(secret: &str) -> Vec<String> {
    let mut all = vec![
        secret.to_owned(),
        url::form_urlencoded::byte_serialize(secret.as_bytes()).collect(),
        secret.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}")),
    ];
    for alignment in 0..3 {
        let shifted = [vec![b' '; alignment], secret.as_bytes().to_vec()].concat();
        for engine in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            let text = engine.encode(&shifted);
            // The digits at both ends depend on what stands beside the secret.
            all.push(text[(alignment * 8).div_ceil(6)..text.len() - 2].to_owned());
        }
    }
    all.retain(|each| each.len() >= 12);
    all.sort();
    all.dedup();
    all
}

/// The first secret that `text` holds in any spelling, cut short so that a failing test does not spread it.
pub fn found(text: &[u8], secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    secrets.into_iter().find_map(|secret| {
        let spelling = spellings(secret.as_ref()).into_iter().find(|each| text.contains(each.as_str()))?;
        let at = text.find(&spelling)?;
        let context: String =
            text[..at].chars().rev().take(160).collect::<Vec<_>>().into_iter().rev().collect();
        Some(format!("…{context}⟨{}…⟩", spelling.chars().take(8).collect::<String>()))
    })
}

#[test]
fn a_secret_is_found_in_every_spelling() {
    let secret = "IGAA/very+secret=grant";
    for text in [
        format!("x{secret}y"),
        format!("?t={}", url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>()),
        STANDARD_NO_PAD.encode(format!("a{secret}bc")),
        URL_SAFE_NO_PAD.encode(format!("ab{secret}c")),
        STANDARD_NO_PAD.encode(format!("abc{secret}")),
    ] {
        assert!(found(text.as_bytes(), [secret]).is_some(), "{text}");
    }
    assert!(found(b"nothing here", [secret]).is_none());
}
