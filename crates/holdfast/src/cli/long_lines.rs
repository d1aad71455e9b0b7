//! Lines of an input that may be larger than memory, and of any bytes.

use std::io::{self, BufRead, Read as _};

use zeroize::Zeroizing;

/// The next line with its end, or the first `most` bytes of a longer one, of which the rest is
/// passed over. `None` at the end.
pub(super) fn next(reader: &mut impl BufRead, most: usize) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::new());
    let limit = u64::try_from(most).unwrap_or(u64::MAX);
    if reader.by_ref().take(limit).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if !line.ends_with(b"\n") {
        reader.skip_until(b'\n')?;
    }
    Ok(Some(line))
}
