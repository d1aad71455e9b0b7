//! Keys of the broken Infineon generator (ROCA, CVE-2017-15361): their primes are powers of 65537 modulo many small
//! primes, so the modulus is one as well, and can be factored.
//!
//! Source: M. Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §2.2. A modulus of another generator passes
//! for one of these with a probability below 2⁻¹⁰⁰.

const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether `modulus` (big-endian) bears the generator's mark.
pub(crate) fn is_marked(modulus: &[u8]) -> bool {
    PRIMES.iter().all(|prime| {
        let remainder = modulus.iter().fold(0, |sum, byte| (sum * 256 + u32::from(*byte)) % prime);
        is_power(remainder, *prime)
    })
}

/// Whether `value` is a power of 65537 modulo `prime`.
fn is_power(value: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    for _ in 0..prime {
        if power == value {
            return true;
        }
        power = power * generator % prime;
    }
    false
}
