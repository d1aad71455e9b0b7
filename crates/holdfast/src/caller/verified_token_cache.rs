//! Verified tokens, remembered until they expire, so that a page that polls costs a look-up and no RSA.
//!
//! An entry is made only after full verification, stands under the hash of the whole token, and is believed only
//! under the very keys it was verified with and within the token's own time.

use std::sync::{PoisonError, RwLock};

use jiff::Timestamp;

use super::two_generation_map::{Digest, TwoGenerationMap};

#[derive(Debug)]
pub(super) struct VerifiedTokenCache<T> {
    inner: RwLock<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    /// Grows with every change of the keys.
    epoch: u64,
    entries: TwoGenerationMap<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    from: Timestamp,
    until: Timestamp,
    value: T,
}

impl<T: Clone> VerifiedTokenCache<T> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { inner: RwLock::new(Inner { epoch: 0, entries: TwoGenerationMap::new(capacity) }) }
    }

    /// What was remembered of that token under these keys, if the token is within its time.
    pub(super) fn get(&self, token: &Digest, epoch: u64, now: Timestamp) -> Option<T> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let entry = inner.entries.get(token).filter(|_| inner.epoch == epoch)?;
        (entry.from <= now && now < entry.until).then(|| entry.value.clone())
    }

    /// Remembers a token that was just verified with the keys of `epoch`, for `from <= now < until`.
    pub(super) fn insert(&self, token: Digest, epoch: u64, from: Timestamp, until: Timestamp, value: T) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if epoch < inner.epoch {
            // Verified with keys that have been replaced meanwhile.
            return;
        }
        if epoch > inner.epoch {
            inner.entries.clear();
            inner.epoch = epoch;
        }
        inner.entries.insert(token, Entry { from, until, value });
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.inner.read().unwrap().entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Digest = [7; 32];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_token_is_believed_within_its_time_only() {
        let remembered = VerifiedTokenCache::new(8);
        remembered.insert(TOKEN, 0, at(10), at(20), "ada");
        assert_eq!(remembered.get(&TOKEN, 0, at(9)), None);
        assert_eq!(remembered.get(&TOKEN, 0, at(10)), Some("ada"));
        assert_eq!(remembered.get(&TOKEN, 0, at(19)), Some("ada"));
        assert_eq!(remembered.get(&TOKEN, 0, at(20)), None);
    }

    #[test]
    fn new_keys_forget_everything_at_once() {
        let remembered = VerifiedTokenCache::new(8);
        remembered.insert(TOKEN, 1, at(0), at(100), "ada");
        assert_eq!(remembered.get(&TOKEN, 2, at(1)), None);
        remembered.insert([8; 32], 2, at(0), at(100), "grace");
        assert_eq!((remembered.get(&TOKEN, 1, at(1)), remembered.len()), (None, 1));
        // A slow verification under the former keys must not come back.
        remembered.insert(TOKEN, 1, at(0), at(100), "ada");
        assert_eq!(remembered.get(&TOKEN, 2, at(1)), None);
    }
}
