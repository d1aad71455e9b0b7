//! Randomness as a seam: secrets and ids come from here and nowhere else.

use std::fmt::Debug;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::lock::Lock;
use crate::per_thread::PerThread;

/// A source of random bytes.
pub trait Entropy: Debug + Send + Sync + 'static {
    /// Fills `buffer`, or says that the system has no randomness to give.
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted>;
}

/// A source shared by every part of the process.
pub type SharedEntropy = Arc<dyn Entropy>;

/// The operating system could not deliver random bytes; nothing secret may be made without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the system could not deliver random bytes")]
pub struct EntropyExhausted;

/// `N` random bytes.
pub fn random<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], EntropyExhausted> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

/// A time-ordered UUID (RFC 9562 version 7), so that new rows land at the end of an index.
pub fn new_id(entropy: &dyn Entropy, now: Timestamp) -> Result<Uuid, EntropyExhausted> {
    let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
    Ok(uuid::Builder::from_unix_timestamp_millis(millis, &random::<10>(entropy)?).into_uuid())
}

/// The operating system's generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted> {
        aws_lc_rs::rand::fill(buffer).map_err(|_| EntropyExhausted)
    }
}

/// Randomness for ids, taken from another source some hundred bytes at a time: each call of the
/// system's generator costs more than the rest of making an id. Never for secrets, because unused
/// bytes stay in memory.
#[derive(Debug)]
pub struct IdEntropy {
    source: SharedEntropy,
    left: PerThread<Lock<Left>>,
}

#[derive(Debug)]
struct Left {
    bytes: [u8; IdEntropy::AT_A_TIME],
    used: usize,
}

impl IdEntropy {
    const AT_A_TIME: usize = 640;

    /// From `source`.
    pub fn new(source: SharedEntropy) -> Self {
        let none = || Lock::new(Left { bytes: [0; Self::AT_A_TIME], used: Self::AT_A_TIME });
        Self { source, left: PerThread::new(none) }
    }
}

impl Entropy for IdEntropy {
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted> {
        let mut left = self.left.own().lock();
        let Left { bytes, used } = &mut *left;
        if buffer.len() > Self::AT_A_TIME {
            return self.source.fill(buffer);
        }
        if *used + buffer.len() > Self::AT_A_TIME {
            self.source.fill(bytes)?;
            *used = 0;
        }
        let fresh = *used..*used + buffer.len();
        *used = fresh.end;
        buffer.copy_from_slice(&bytes[fresh]);
        Ok(())
    }
}

/// A generator that gives the same bytes for the same seed; for tests and the simulation, never for
/// secrets.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Lock<u64>,
}

impl SeededEntropy {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Lock::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted> {
        let mut state = self.state.lock();
        for chunk in buffer.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let bytes = (z ^ (z >> 31)).to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_take_each_random_byte_once() {
        let ids = IdEntropy::new(Arc::new(SeededEntropy::new(7)));
        let drawn: Vec<[u8; 10]> = (0..1000).map(|_| random::<10>(&ids).unwrap()).collect();
        let distinct: std::collections::BTreeSet<_> = drawn.iter().collect();
        assert_eq!(distinct.len(), drawn.len());
        let source = SeededEntropy::new(7);
        let expected: [u8; IdEntropy::AT_A_TIME] = random(&source).unwrap();
        assert_eq!(drawn[..64].concat(), expected);
        let mut more = vec![0; IdEntropy::AT_A_TIME + 1];
        ids.fill(&mut more).unwrap();
        assert!(more.iter().any(|byte| *byte != 0));
    }

    #[derive(Debug)]
    struct Exhausted;

    impl Entropy for Exhausted {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyExhausted> {
            Err(EntropyExhausted)
        }
    }

    #[test]
    fn without_a_source_there_are_no_ids() {
        assert_eq!(random::<10>(&IdEntropy::new(Arc::new(Exhausted))), Err(EntropyExhausted));
    }
}
