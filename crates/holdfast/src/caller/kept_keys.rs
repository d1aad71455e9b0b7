//! Clerk's public keys in a file, so that a restart while Clerk is away refuses nobody.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clerk_session::{CacheOptions, FetchError, FetchJwks, Fetched, KeyCache, KeySet};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys::JwksFetcher;
use crate::clock::{SharedClock, before, from_millis};

/// What the file's authentication keys are derived for.
pub const PURPOSE: &str = "holdfast kept clerk keys";

/// The file with the keys that were fetched last. It is authenticated: a changed key would let a
/// stranger sign session tokens of every user.
#[derive(Clone)]
pub struct KeptKeys {
    path: PathBuf,
    /// Those of the present key ring, which a reload may change. The first one signs, all verify.
    authentication: Arc<dyn Fn() -> Vec<hmac::Key> + Send + Sync>,
}

impl fmt::Debug for KeptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptKeys").field("path", &self.path).finish_non_exhaustive()
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    /// Where the keys came from: keys of another configuration must not be used.
    source: String,
    /// Unix milliseconds.
    fetched_at: i64,
    /// The document as it came.
    document: String,
    /// HMAC-SHA256 of the others, in base64. Versions before it wrote none.
    #[serde(default)]
    mac: String,
}

impl Record {
    /// What is authenticated: no two records have the same.
    fn message(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&(&self.source, self.fetched_at, &self.document))
    }
}

impl KeptKeys {
    /// In `directory`, authenticated with the first of the keys, for [`PURPOSE`].
    pub fn new(
        directory: &Path,
        authentication: impl Fn() -> Vec<hmac::Key> + Send + Sync + 'static,
    ) -> Self {
        Self { path: directory.join("clerk-keys.json"), authentication: Arc::new(authentication) }
    }

    fn is_authentic(&self, record: &Record) -> bool {
        let (Ok(message), Ok(mac)) = (record.message(), STANDARD.decode(&record.mac)) else { return false };
        (self.authentication)().iter().any(|key| hmac::verify(key, &message, &mac).is_ok())
    }

    /// What was fetched from one of the sources; `None` where it is too old to rely on.
    fn load(&self, sources: &[&str], now: Timestamp) -> Option<Record> {
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
        if !self.is_authentic(&record) {
            tracing::warn!(
                file = %self.path.display(),
                "saved Clerk keys were not written with a key of HOLDFAST_ENCRYPTION_KEYS; they will be fetched. \
                 Unless this is the first start after an upgrade or with new keys, somebody else writes to the directory"
            );
            return None;
        }
        let age_ms = now.as_millisecond().saturating_sub(record.fetched_at);
        // A time in the future was written by a clock that was ahead, so the age is unknown.
        let oldest = i64::try_from(CacheOptions::default().max_age.as_millis()).unwrap_or(i64::MAX);
        let is_young = (0..=oldest).contains(&age_ms);
        (sources.contains(&&*record.source) && is_young).then_some(record)
    }

    /// Replaces the file in one step: a reader sees the old one or the new one.
    fn save(&self, source: &str, document: &[u8], now: Timestamp) -> io::Result<()> {
        let keys = (self.authentication)();
        let key = keys.first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut record = Record {
            source: source.to_owned(),
            fetched_at: now.as_millisecond(),
            document: String::from_utf8(document.to_vec()).map_err(io::Error::other)?,
            mac: String::new(),
        };
        record.mac = STANDARD.encode(hmac::sign(key, &record.message()?));
        let half_written = self.path.with_extension(format!("{}.part", std::process::id()));
        match fs::remove_file(&half_written) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A link of that name is not followed.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half_written)?;
        file.write_all(&serde_json::to_vec(&record)?)?;
        fs::rename(half_written, &self.path)
    }
}

/// Fetches keys, and keeps what was fetched if it is to be kept.
struct KeepingFetcher {
    inner: JwksFetcher,
    kept: Option<KeptKeys>,
    clock: SharedClock,
}

impl FetchJwks for KeepingFetcher {
    fn fetch(&self) -> Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + '_>> {
        Box::pin(async {
            let (fetched, source) = self.inner.get(self.clock.now()).await?;
            let as_of = before(self.clock.now(), fetched.age);
            if let Some(kept) = &self.kept
                && let Err(error) = kept.save(source, &fetched.document, as_of)
            {
                tracing::warn!(%error, "Clerk's keys cannot be saved for the next start");
            }
            Ok(fetched)
        })
    }
}

/// A cache of fetched keys that starts with those kept by the process before.
pub(super) fn fetching(fetcher: JwksFetcher, kept: Option<KeptKeys>, clock: &SharedClock) -> KeyCache {
    let restored = kept.as_ref().and_then(|kept| kept.load(&fetcher.sources(), clock.now()));
    if let Some(Record { source, fetched_at, document, .. }) = &restored
        && let Ok(document) = KeySet::from_jwks(document.as_bytes())
    {
        fetcher.note(source, document.keys, from_millis(*fetched_at));
    }
    let fetcher = KeepingFetcher { inner: fetcher, kept, clock: clock.clone() };
    let keys = KeyCache::fetching(fetcher, CacheOptions::default());
    if let Some(Record { fetched_at, document, .. }) = &restored
        && let Err(error) = keys.restore(document.as_bytes(), *fetched_at)
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

    fn key(byte: u8) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &[byte; 32])
    }

    #[test]
    fn only_a_file_written_with_a_key_of_the_ring_is_believed() {
        let directory = tempfile::tempdir().unwrap();
        let with = |keys: &[u8]| {
            let keys: Vec<_> = keys.iter().copied().map(key).collect();
            KeptKeys::new(directory.path(), move || keys.clone())
        };
        with(&[1]).save("https://a", b"{}", at(100)).unwrap();
        assert!(with(&[2, 1]).load(&["https://a"], at(100)).is_some(), "of before the rotation");
        assert_eq!(with(&[2]).load(&["https://a"], at(100)), None, "of another installation");
        let path = with(&[1]).path;
        let genuine = fs::read_to_string(&path).unwrap();
        for (part, other) in
            [("{}", "[]"), ("100000", "100001"), ("https://a", "https://b"), ("\"mac\"", "\"was\"")]
        {
            assert!(genuine.contains(part));
            fs::write(&path, genuine.replace(part, other)).unwrap();
            let loaded = ["https://a", "https://b"].map(|source| with(&[1]).load(&[source], at(101)));
            assert_eq!(loaded, [None, None], "{part}");
        }
        fs::write(&path, genuine).unwrap();
        assert!(with(&[1]).load(&["https://a"], at(101)).is_some());
    }

    #[test]
    fn after_a_reload_the_new_key_signs() {
        let directory = tempfile::tempdir().unwrap();
        let ring = Arc::new(crate::lock::Lock::new(vec![1]));
        let kept = KeptKeys::new(directory.path(), {
            let ring = Arc::clone(&ring);
            move || ring.lock().iter().copied().map(key).collect()
        });
        *ring.lock() = vec![2, 1];
        kept.save("https://a", b"{}", at(100)).unwrap();
        let next = KeptKeys::new(directory.path(), || vec![key(2)]);
        assert!(next.load(&["https://a"], at(100)).is_some(), "the next start has the new key alone");
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptKeys::new(directory.path(), || vec![key(1)]);
        let target = directory.path().join("target");
        fs::write(&target, "precious").unwrap();
        let half_written = kept.path.with_extension(format!("{}.part", std::process::id()));
        std::os::unix::fs::symlink(&target, half_written).unwrap();
        kept.save("https://a", b"{}", at(100)).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
        assert!(kept.load(&["https://a"], at(100)).is_some());
    }

    #[test]
    fn keys_serve_their_own_source_while_they_are_young() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptKeys::new(directory.path(), || vec![key(1)]);
        assert_eq!(kept.load(&["https://a"], at(100)), None);
        kept.save("https://a", b"{}", at(100)).unwrap();
        let loaded = kept.load(&["https://b", "https://a"], at(100)).unwrap();
        assert_eq!((&*loaded.source, &*loaded.document, loaded.fetched_at), ("https://a", "{}", 100_000));
        assert_eq!(kept.load(&["https://b"], at(100)), None, "another instance's");
        assert_eq!(kept.load(&["https://a"], at(99)), None, "from a time to come");
        let last = at(100 + 24 * 3600);
        assert!(kept.load(&["https://a"], last).is_some());
        assert_eq!(kept.load(&["https://a"], at(last.as_second() + 1)), None, "too old");
    }

    #[test]
    fn a_damaged_file_is_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let kept = KeptKeys::new(directory.path(), || vec![key(1)]);
        fs::write(&kept.path, "{\"source\":").unwrap();
        assert_eq!(kept.load(&["https://a"], at(100)), None);
        kept.save("https://a", b"{}", at(100)).unwrap();
        assert!(kept.load(&["https://a"], at(100)).is_some());
    }
}
