//! Chance by seed, for tests that try many orders of things, and how long they go on.

use holdfast::entropy::{Entropy as _, SeededEntropy};

/// Draws that are the same for the same seed.
#[derive(Debug)]
pub struct Dice(SeededEntropy);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(SeededEntropy::new(seed))
    }

    /// In `0..end`; `end` is not 0.
    pub fn below(&self, end: usize) -> usize {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes).expect("chance does not end");
        usize::try_from(u32::from_le_bytes(bytes)).expect("32 bits fit") % end
    }

    pub fn shuffle<T>(&self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The number in the environment variable `name`, set for a long run by hand, or the short run's.
pub fn set_or(name: &str, short: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} must be a number")),
        Err(_) => short,
    }
}
