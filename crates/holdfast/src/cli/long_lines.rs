//! Reads lines of any length and any bytes in bounded memory.

use std::io::{self, BufRead, Read as _};

use zeroize::Zeroizing;

/// A line, or its beginning.
pub(super) struct Line {
    /// With its end, where it has one.
    pub(super) bytes: Zeroizing<Vec<u8>>,
    /// Whether more of it was passed over.
    pub(super) is_cut: bool,
}

/// The next line, or the first `most` bytes of a longer one. `None` at the end.
pub(super) fn next(reader: &mut impl BufRead, most: usize) -> io::Result<Option<Line>> {
    let mut bytes = Zeroizing::new(Vec::new());
    // One more than is kept tells a longer line from one that just fits.
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    if reader.by_ref().take(limit).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    let is_cut = bytes.len() > most && !bytes.ends_with(b"\n");
    if is_cut {
        bytes.truncate(most);
        reader.skip_until(b'\n')?;
    }
    Ok(Some(Line { bytes, is_cut }))
}
