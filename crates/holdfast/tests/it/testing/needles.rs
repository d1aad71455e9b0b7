//! Looks for many secrets at once, each in every common spelling, in one pass over a text.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Shorter spellings occur by chance.
const SHORTEST: usize = 12;
/// Where a spelling may begin is seen from so many bytes.
const START: usize = 4;
/// Bits of those bytes' hash; many more than there are spellings.
const HASH_BITS: u32 = 20;

/// What is looked for.
pub struct Needles {
    /// Whether any spelling begins with bytes of that hash: nearly every place of a text is passed
    /// over by this alone.
    may_begin: Vec<bool>,
    by_start: HashMap<u32, Vec<String>>,
}

impl Default for Needles {
    fn default() -> Self {
        Self { may_begin: vec![false; 1 << HASH_BITS], by_start: HashMap::new() }
    }
}

impl Needles {
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut needles = Self::default();
        secrets.into_iter().for_each(|secret| needles.add(secret.as_ref()));
        needles
    }

    /// Looks for one more.
    pub fn add(&mut self, secret: &str) {
        for spelling in spellings(secret) {
            let start = spelling.bytes().take(START).fold(0, shifted);
            self.may_begin[hash(start)] = true;
            self.by_start.entry(start).or_default().push(spelling);
        }
    }

    /// The first one in `text`, cut short so that a failing test does not spread it, with what
    /// stands before it.
    pub fn find_in(&self, text: &[u8]) -> Option<String> {
        let mut seen = 0_u32;
        for (at, byte) in text.iter().enumerate() {
            seen = shifted(seen, *byte);
            if !self.may_begin[hash(seen)] || at + 1 < START {
                continue;
            }
            let begin = at + 1 - START;
            let spellings = self.by_start.get(&seen).into_iter().flatten();
            if let Some(found) = spellings.into_iter().find(|each| text[begin..].starts_with(each.as_bytes()))
            {
                let before = String::from_utf8_lossy(&text[begin.saturating_sub(160)..begin]);
                return Some(format!("…{before}⟨{}…⟩", &found[..8]));
            }
        }
        None
    }
}

fn shifted(seen: u32, byte: u8) -> u32 {
    seen << 8 | u32::from(byte)
}

fn hash(start: u32) -> usize {
    (start.wrapping_mul(0x9E37_79B1) >> (32 - HASH_BITS)) as usize
}

/// The spellings under which a secret could turn up: as it is, in an address, in base64 at any
/// alignment, in hexadecimal.
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
    all.retain(|each| each.len() >= SHORTEST && each.is_ascii());
    all.sort();
    all.dedup();
    all
}

/// Texts that hold `secret` in each spelling.
pub fn planted(secret: &str) -> Vec<String> {
    vec![
        format!("x{secret}y"),
        format!("?t={}", url::form_urlencoded::byte_serialize(secret.as_bytes()).collect::<String>()),
        secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
        STANDARD_NO_PAD.encode(format!("a{secret}bc")),
        URL_SAFE_NO_PAD.encode(format!("ab{secret}c")),
        STANDARD_NO_PAD.encode(format!("abc{secret}")),
    ]
}

#[test]
fn a_secret_is_found_in_every_spelling_wherever_it_stands() {
    let secret = "IGAA/very+secret=grant";
    let needles = Needles::new([secret, "another, of which there is nothing"]);
    for text in planted(secret) {
        let length = text.len();
        for text in [text.clone(), format!("{}{text}", "before ".repeat(50)), format!("{text} after")] {
            assert!(needles.find_in(text.as_bytes()).is_some(), "{text}");
        }
        assert!(needles.find_in(&text.as_bytes()[..length / 2]).is_none(), "half of it is another text");
    }
    assert!(needles.find_in(b"nothing here").is_none());
    assert!(needles.find_in(b"").is_none());
    assert!(Needles::new(Vec::<String>::new()).find_in(b"nothing looked for").is_none());
}
