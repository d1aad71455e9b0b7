//! Verified tokens, remembered until they expire, so that a page that polls costs a look-up and no
//! RSA.
//!
//! An entry is made only after full verification and found by the hash of the whole token. It
//! counts only under the very keys it was verified with and within the token's own time.

use std::sync::{PoisonError, RwLock};

use super::two_generation_map::{Digest, TwoGenerationMap};

/// Parts, each with a lock and an eviction of its own: freeing half of all tokens at once would
/// hold up every request.
const PARTS: usize = 64;

/// What all entries may take. Ordinary tokens are fewer bytes each; large custom claims are not.
const BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct VerifiedTokenCache<T> {
    parts: Vec<RwLock<Part<T>>>,
}

#[derive(Debug)]
struct Part<T> {
    /// Grows with every change of the keys.
    epoch: u64,
    entries: TwoGenerationMap<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    from_ms: i64,
    until_ms: i64,
    value: T,
}

impl<T: Clone> VerifiedTokenCache<T> {
    /// Holds at most about `capacity` tokens, of [`BYTES`] together.
    pub(super) fn new(capacity: usize) -> Self {
        let entries = || TwoGenerationMap::of_bytes(capacity.div_ceil(PARTS), BYTES / PARTS);
        let part = || RwLock::new(Part { epoch: 0, entries: entries() });
        Self { parts: std::iter::repeat_with(part).take(PARTS).collect() }
    }

    /// The part of a token; hashes are spread evenly.
    fn part(&self, token: &Digest) -> &RwLock<Part<T>> {
        &self.parts[usize::from(token[0]) % PARTS]
    }

    /// The value remembered for that token under these keys; `None` outside the token's time.
    pub(super) fn get(&self, token: &Digest, epoch: u64, now_ms: i64) -> Option<T> {
        let part = self.part(token).read().unwrap_or_else(PoisonError::into_inner);
        let entry = part.entries.get(token).filter(|_| part.epoch == epoch)?;
        (entry.from_ms <= now_ms && now_ms < entry.until_ms).then(|| entry.value.clone())
    }

    /// Remembers a token that was just verified with the keys of `epoch`, for
    /// `from_ms <= now_ms < until_ms`. Its value takes `bytes`.
    pub(super) fn insert(
        &self,
        token: Digest,
        epoch: u64,
        (from_ms, until_ms): (i64, i64),
        value: T,
        bytes: usize,
    ) {
        let mut part = self.part(&token).write().unwrap_or_else(PoisonError::into_inner);
        if epoch < part.epoch {
            // Verified with keys that have been replaced meanwhile.
            return;
        }
        if epoch > part.epoch {
            part.entries.clear();
            part.epoch = epoch;
        }
        part.entries.insert_of(token, Entry { from_ms, until_ms, value }, bytes);
    }

    /// Tokens, those that have expired included.
    pub(super) fn len(&self) -> usize {
        let of_part =
            |part: &RwLock<Part<T>>| part.read().unwrap_or_else(PoisonError::into_inner).entries.len();
        self.parts.iter().map(of_part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Digest = [7; 32];

    #[test]
    fn a_token_is_believed_within_its_time_only() {
        let remembered = VerifiedTokenCache::new(8);
        remembered.insert(TOKEN, 0, (10, 20), "ada", 0);
        assert_eq!(remembered.get(&TOKEN, 0, 9), None);
        assert_eq!(remembered.get(&TOKEN, 0, 10), Some("ada"));
        assert_eq!(remembered.get(&TOKEN, 0, 19), Some("ada"));
        assert_eq!(remembered.get(&TOKEN, 0, 20), None);
    }

    #[test]
    fn new_keys_forget_everything_at_once() {
        let remembered = VerifiedTokenCache::new(8);
        remembered.insert(TOKEN, 1, (0, 100), "ada", 0);
        assert_eq!(remembered.get(&TOKEN, 2, 1), None);
        // A token of the same part.
        remembered.insert([7 + 64; 32], 2, (0, 100), "grace", 0);
        assert_eq!((remembered.get(&TOKEN, 1, 1), remembered.len()), (None, 1));
        // A slow verification under the former keys must not come back.
        remembered.insert(TOKEN, 1, (0, 100), "ada", 0);
        assert_eq!(remembered.get(&TOKEN, 2, 1), None);
    }

    #[test]
    fn it_never_holds_more_than_its_capacity() {
        let remembered = VerifiedTokenCache::new(640);
        for number in 0..10_000_u32 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_le_bytes());
            remembered.insert(token, 1, (0, 100), number, 0);
            assert_eq!(remembered.get(&token, 1, 1), Some(number));
        }
        assert!((320..=640).contains(&remembered.len()), "{}", remembered.len());
    }

    #[test]
    fn large_claims_take_no_more_than_their_share() {
        let remembered = VerifiedTokenCache::new(30_000);
        for number in 0..30_000_u32 {
            let mut token = [0; 32];
            token[..4].copy_from_slice(&number.to_le_bytes());
            remembered.insert(token, 1, (0, 100), number, 16 * 1024);
        }
        assert!((1024..=4096).contains(&remembered.len()), "{}", remembered.len());
    }
}
