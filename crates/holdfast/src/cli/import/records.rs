//! Divides CSV into records in bounded memory: a record that cannot be used costs no other one.

use std::io::{self, BufRead};

use zeroize::Zeroizing;

/// The text of one record.
pub(super) struct Record {
    /// The line on which it begins, from 1.
    pub number: u64,
    /// As written, without the end of its line; only its beginning if it is too long.
    pub bytes: Zeroizing<Vec<u8>>,
    pub ending: Ending,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Whole,
    TooLong,
    /// The input ended inside of quotes: all lines from here on are in this record.
    Unclosed,
}

/// Where in a field the reader is (RFC 4180). A quote opens a field only as its first character.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted field: the field's end, or half of an escaped quote.
    Quote,
}

impl Place {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) | (Self::Start | Self::Quote, b'"') => Self::Quoted,
            (_, b',') => Self::Start,
            (Self::Start | Self::Plain | Self::Quote, _) => Self::Plain,
        }
    }
}

/// The records of `reader`, except empty lines.
pub(super) struct Records<R> {
    reader: R,
    /// The longest record that is kept.
    most: usize,
    line: u64,
    is_after_cr: bool,
}

impl<R: BufRead> Records<R> {
    pub(super) fn new(reader: R, most: usize) -> Self {
        Self { reader, most, line: 1, is_after_cr: false }
    }

    /// The line that is read next, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next record; `None` at the end of the input.
    pub(super) fn next(&mut self) -> io::Result<Option<Record>> {
        loop {
            let number = self.line;
            let Some(mut record) = self.until_its_end()? else { return Ok(None) };
            if !record.bytes.iter().all(u8::is_ascii_whitespace) {
                record.number = number;
                return Ok(Some(record));
            }
        }
    }

    fn until_its_end(&mut self) -> io::Result<Option<Record>> {
        let mut record =
            Record { number: self.line, bytes: Zeroizing::new(Vec::new()), ending: Ending::Whole };
        let (mut place, mut is_begun) = (Place::Start, false);
        loop {
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if buffer.is_empty() {
                if place == Place::Quoted {
                    record.ending = Ending::Unclosed;
                }
                return Ok(is_begun.then_some(record));
            }
            let mut read = 0;
            let mut is_over = false;
            for &byte in buffer {
                read += 1;
                let is_second_half = std::mem::replace(&mut self.is_after_cr, byte == b'\r') && byte == b'\n';
                if is_second_half && place != Place::Quoted {
                    continue; // of the CR LF that ended the record before
                }
                is_begun = true;
                if matches!(byte, b'\r' | b'\n') {
                    self.line += u64::from(!is_second_half);
                    if place != Place::Quoted {
                        is_over = true;
                        break;
                    }
                }
                place = place.after(byte);
                if record.bytes.len() < self.most {
                    record.bytes.push(byte);
                } else {
                    record.ending = Ending::TooLong;
                }
            }
            self.reader.consume(read);
            if is_over {
                return Ok(Some(record));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<(u64, String, Ending)> {
        // A buffer of three bytes meets every boundary.
        let mut records = Records::new(io::BufReader::with_capacity(3, text), 20);
        std::iter::from_fn(|| records.next().unwrap())
            .map(|Record { number, bytes, ending }| {
                (number, String::from_utf8(bytes.to_vec()).unwrap(), ending)
            })
            .collect()
    }

    #[test]
    fn every_record_has_the_line_on_which_it_begins() {
        for end in ["\n", "\r\n", "\r"] {
            let text = ["a,b", "", "1,\"x", "y\"", "  ", "2,z", "3,\"\"\"\"", "4"].join(end);
            let whole = |number, text: &str| (number, text.to_owned(), Ending::Whole);
            assert_eq!(
                read(text.as_bytes()),
                [
                    whole(1, "a,b"),
                    whole(3, &format!("1,\"x{end}y\"")),
                    whole(6, "2,z"),
                    whole(7, "3,\"\"\"\""),
                    whole(8, "4"),
                ],
                "{end:?}"
            );
        }
    }

    #[test]
    fn a_record_that_is_too_long_costs_itself_alone() {
        let text = format!("a\n{}\n\"{}\n,\n\"\nb\n", "x".repeat(30), "y".repeat(30));
        let found: Vec<_> =
            read(text.as_bytes()).into_iter().map(|(line, _, ending)| (line, ending)).collect();
        assert_eq!(
            found,
            [(1, Ending::Whole), (2, Ending::TooLong), (3, Ending::TooLong), (6, Ending::Whole)]
        );
    }

    #[test]
    fn a_quote_inside_of_a_field_joins_no_lines_and_one_that_is_never_closed_is_told() {
        let found = read(b"5\" x,1\n\"a\"b\"\n\"c\nd\n");
        assert_eq!(found[0], (1, "5\" x,1".to_owned(), Ending::Whole));
        assert_eq!(found[1], (2, "\"a\"b\"".to_owned(), Ending::Whole));
        assert_eq!(found[2], (3, "\"c\nd\n".to_owned(), Ending::Unclosed));
        assert_eq!(found.len(), 3);
    }
}
