//! Randomness as a seam: secrets and ids come from here and nowhere else.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use uuid::Uuid;

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

/// A generator that gives the same bytes for the same seed; for tests and the simulation, never for secrets.
#[derive(Debug)]
pub struct SeededEntropy {
    state: Mutex<u64>,
}

impl SeededEntropy {
    /// A generator that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Entropy for SeededEntropy {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn fill(&self, buffer: &mut [u8]) -> Result<(), EntropyExhausted> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
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
