//! A bounded map that forgets the oldest half at once: insertion and look-up take the same short
//! time however full it is, and nothing is ever scanned.

use std::collections::HashMap;

/// The SHA-256 of a whole credential, the only trace of it in memory.
pub(super) type Digest = [u8; 32];

#[derive(Debug)]
pub(super) struct TwoGenerationMap<T> {
    young: HashMap<Digest, T>,
    old: HashMap<Digest, T>,
    half: usize,
    /// Bytes that the young entries take, and that each half may take.
    young_bytes: usize,
    half_bytes: usize,
}

impl<T> TwoGenerationMap<T> {
    /// Holds at most `capacity` entries, and at least the newest half of them.
    pub(super) fn new(capacity: usize) -> Self {
        Self::of_bytes(capacity, usize::MAX)
    }

    /// The same, of at most `bytes` together.
    pub(super) fn of_bytes(capacity: usize, bytes: usize) -> Self {
        let (half, half_bytes) = ((capacity / 2).max(1), bytes / 2);
        Self { young: HashMap::new(), old: HashMap::new(), half, young_bytes: 0, half_bytes }
    }

    pub(super) fn get(&self, key: &Digest) -> Option<&T> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    pub(super) fn get_mut(&mut self, key: &Digest) -> Option<&mut T> {
        match self.young.get_mut(key) {
            Some(value) => Some(value),
            None => self.old.get_mut(key),
        }
    }

    pub(super) fn insert(&mut self, key: Digest, value: T) {
        self.insert_of(key, value, 0);
    }

    /// Inserts an entry that takes `bytes`.
    pub(super) fn insert_of(&mut self, key: Digest, value: T, bytes: usize) {
        let is_full = self.young.len() >= self.half || self.young_bytes + bytes > self.half_bytes;
        if is_full && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    pub(super) fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
        self.young_bytes = 0;
    }

    /// Entries, old ones included.
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Digest {
        let mut key = [0; 32];
        key[..4].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn it_never_grows_past_its_capacity_and_keeps_the_newest() {
        let mut map = TwoGenerationMap::new(10);
        for n in 0..1000 {
            map.insert(key(n), n);
            assert!(map.len() <= 10);
            assert!((n.saturating_sub(4)..=n).all(|recent| map.get(&key(recent)) == Some(&recent)));
        }
        assert_eq!(map.get(&key(0)), None);
    }

    #[test]
    fn it_never_grows_past_its_bytes_either() {
        let mut map = TwoGenerationMap::of_bytes(1000, 100);
        for n in 0..1000 {
            map.insert_of(key(n), n, 20);
            assert!(map.len() <= 5, "{}", map.len());
            assert!((n.saturating_sub(1)..=n).all(|recent| map.get(&key(recent)) == Some(&recent)));
        }
    }

    #[test]
    fn an_entry_is_held_once() {
        let mut map = TwoGenerationMap::new(4);
        for n in [1, 2, 3, 1, 1] {
            map.insert(key(n), n);
        }
        assert_eq!(map.len(), 3);
        map.clear();
        assert_eq!((map.len(), map.get(&key(1))), (0, None));
    }
}
