//! Clerk's public keys in a file, so that a restart while Clerk is away refuses nobody.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use clerk_session::{CacheOptions, FetchError, FetchJwks, Fetched, KeyCache, KeySet};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::JwksFetcher;
use crate::clock::{SharedClock, before};

/// The file with the keys that were fetched last.
#[derive(Debug, Clone)]
pub struct KeptKeys {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Record {
    /// The address the keys came from: keys of another configuration must not be used.
    source: String,
    /// Unix milliseconds.
    fetched_at: i64,
    /// The document as it came.
    document: String,
}

impl KeptKeys {
    /// In `directory`. Only this process may be able to write there: the file names the keys that
    /// are trusted.
    pub fn new(directory: &Path) -> Self {
        Self { path: directory.join("clerk-keys.json") }
    }

    /// The document that was fetched from `source` and its time; `None` where it is too old to rely
    /// on.
    fn load(&self, source: &str, now: Timestamp) -> Option<(Vec<u8>, i64)> {
        let record = match fs::read(&self.path).map(|bytes| serde_json::from_slice::<Record>(&bytes)) {
            Ok(Ok(record)) => record,
            Ok(Err(_)) => {
                tracing::warn!(file = %self.path.display(), "saved Clerk keys cannot be read; they will be fetched");
                return None;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(file = %self.path.display(), %error, "saved Clerk keys cannot be read; they will be fetched");
                return None;
            }
        };
        let age_ms = now.as_millisecond().saturating_sub(record.fetched_at);
        // A time in the future was written by a clock that was ahead, so the age is unknown.
        let oldest = i64::try_from(CacheOptions::default().max_age.as_millis()).unwrap_or(i64::MAX);
        let is_young = (0..=oldest).contains(&age_ms);
        (record.source == source && is_young).then(|| (record.document.into_bytes(), record.fetched_at))
    }

    /// Replaces the file in one step: a reader sees the old one or the new one.
    fn save(&self, source: &str, document: &[u8], now: Timestamp) -> io::Result<()> {
        let record = Record {
            source: source.to_owned(),
            fetched_at: now.as_millisecond(),
            document: String::from_utf8(document.to_vec()).map_err(io::Error::other)?,
        };
        let half_written = self.path.with_extension(format!("{}.part", std::process::id()));
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&half_written)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        fs::rename(half_written, &self.path)
    }
}

/// Fetches keys and keeps what was fetched.
struct KeepingFetcher {
    inner: JwksFetcher,
    kept: KeptKeys,
    clock: SharedClock,
}

impl FetchJwks for KeepingFetcher {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
        Box::pin(async {
            let fetched = self.inner.fetch().await?;
            let as_of = before(self.clock.now(), fetched.age);
            // A document without a key must not replace one with keys.
            if KeySet::from_jwks(&fetched.document).is_ok()
                && let Err(error) = self.kept.save(self.inner.source(), &fetched.document, as_of)
            {
                tracing::warn!(%error, "Clerk's keys cannot be saved for the next start");
            }
            Ok(fetched)
        })
    }
}

/// A cache of fetched keys that starts with those kept by the process before.
pub(super) fn fetching(fetcher: JwksFetcher, kept: Option<KeptKeys>, clock: &SharedClock) -> KeyCache {
    let Some(kept) = kept else { return KeyCache::fetching(fetcher, CacheOptions::default()) };
    let restored = kept.load(fetcher.source(), clock.now());
    let keys = KeyCache::fetching(
        KeepingFetcher { inner: fetcher, kept, clock: clock.clone() },
        CacheOptions::default(),
    );
    if let Some((document, fetched_at_ms)) = restored
        && let Err(error) = keys.restore(&document, fetched_at_ms)
    {
        tracing::warn!(%error, "saved Clerk keys cannot be used; they will be fetched");
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn keys_serve_their_own_source_while_they_are_young() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptKeys::new(directory.path());
        assert_eq!(kept.load("https://a", at(100)), None);
        kept.save("https://a", b"{}", at(100)).unwrap();
        assert_eq!(kept.load("https://a", at(100)), Some((b"{}".to_vec(), 100_000)));
        assert_eq!(kept.load("https://b", at(100)), None, "another instance's");
        assert_eq!(kept.load("https://a", at(99)), None, "from a time to come");
        let last = at(100 + 24 * 3600);
        assert!(kept.load("https://a", last).is_some());
        assert_eq!(kept.load("https://a", at(last.as_second() + 1)), None, "too old");
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptKeys::new(directory.path());
        fs::write(&kept.path, "{\"source\":").unwrap();
        assert_eq!(kept.load("https://a", at(100)), None);
        kept.save("https://a", b"{}", at(100)).unwrap();
        assert!(kept.load("https://a", at(100)).is_some());
    }
}
