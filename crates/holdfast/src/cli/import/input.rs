//! What is imported: CSV with a header, or one JSON object a line. No error quotes what was read.

use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::super::exit::Failure;
use super::super::long_lines;
use crate::caller::OwnerId;
use crate::connections::import::Offered;

/// A longer line holds no token of Instagram's.
const LONGEST_LINE: usize = 64 * 1024;
/// A longer token is none.
const LONGEST_TOKEN: usize = 4096;
/// Plausible times in unix seconds: 2010, when Instagram began, to 2100.
const TIMES: std::ops::Range<i64> = 1_262_304_000..4_102_444_800;

/// One line of the input.
pub(super) struct Line {
    /// From 1; of CSV the line where the record begins.
    pub number: u64,
    /// What stands there, or why that cannot be used.
    pub entry: Result<Entry, &'static str>,
}

/// Whose grant, and which.
#[derive(Debug)]
pub(super) struct Entry {
    pub owner: OwnerId,
    pub offered: Offered,
}

const NAMES: [&str; 4] = ["user_id", "access_token", "token_expires_at", "obtained_at"];

/// Every line but the header and empty ones.
pub(super) fn lines(
    mut reader: Box<dyn Read + Send>,
) -> Result<Box<dyn Iterator<Item = Line> + Send>, Failure> {
    // Enough to tell the two forms apart, without losing it.
    let mut start = Vec::new();
    reader.by_ref().take(512).read_to_end(&mut start).map_err(|error| unreadable(&error))?;
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let is_json = text.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let text = text.to_vec();
    let reader = BufReader::new(Cursor::new(text).chain(reader));
    if is_json {
        Ok(Box::new(JsonLines { reader, number: 0, is_over: false }))
    } else {
        Ok(Box::new(table(reader)?))
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::setup(format!("the input cannot be read: {error}"), "name a file, or - for standard input")
}

struct JsonLines<R> {
    reader: R,
    number: u64,
    is_over: bool,
}

impl<R: BufRead> Iterator for JsonLines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        while !self.is_over {
            self.number += 1;
            let entry = match long_lines::next(&mut self.reader, LONGEST_LINE) {
                Ok(None) => return None,
                Ok(Some(line)) if line.is_cut => Err("the line is too long"),
                Ok(Some(line)) if line.bytes.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(Some(line)) => of_json(&line.bytes),
                Err(_) => {
                    self.is_over = true;
                    Err("the input could not be read any further")
                }
            };
            return Some(Line { number: self.number, entry });
        }
        None
    }
}

fn of_json(bytes: &[u8]) -> Result<Entry, &'static str> {
    let object: Map<String, Value> = serde_json::from_slice(bytes).map_err(|_| "it is not a JSON object")?;
    entry(|name| match object.get(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
            Err("a member is neither a string nor a number")
        }
    })
}

/// Bounds a record of CSV: a quote that is never closed would make all the rest one field.
struct Bounded<R> {
    reader: R,
    since_record: Arc<AtomicUsize>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        if self.since_record.fetch_add(read, Ordering::Relaxed) > LONGEST_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(read)
    }
}

/// The remedy for a first line without column names. It is not repeated: it may hold a token.
fn remedy_of(header: &csv::StringRecord) -> &'static str {
    if header.iter().next().is_some_and(|first| first.starts_with('[')) {
        "write one JSON object per line instead of a list, as `jq -c '.[]'` does"
    } else if header.iter().any(|column| column.contains([';', '\t'])) {
        "separate the columns with commas"
    } else {
        "begin with a line that names the columns: user_id,access_token,token_expires_at,obtained_at"
    }
}

/// The records of a table whose first line names its columns.
fn table(reader: impl BufRead + Send + 'static) -> Result<impl Iterator<Item = Line> + Send, Failure> {
    let since_record = Arc::new(AtomicUsize::new(0));
    let reader = Bounded { reader, since_record: Arc::clone(&since_record) };
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(reader);
    let header = reader.headers().map_err(|_| {
        Failure::setup("the first line is not a header of CSV", "begin with user_id,access_token")
    })?;
    let place = |name: &str| header.iter().position(|column| column.eq_ignore_ascii_case(name));
    let places = NAMES.map(place);
    for (name, place) in NAMES.iter().zip(places).take(2) {
        if place.is_none() {
            return Err(Failure::setup(format!("the first line names no column {name}"), remedy_of(header)));
        }
    }
    // Where lines end in CR LF, the reader counts a line with the record after it.
    let behind = u64::from(reader.position().line() == 1);
    let (mut records, mut is_over) = (reader.into_records(), false);
    Ok(std::iter::from_fn(move || {
        let record = if is_over { None } else { records.next() }?;
        since_record.store(0, Ordering::Relaxed);
        Some(match record {
            Ok(record) => {
                let number = record.position().map_or(0, csv::Position::line) + behind;
                let field = |name: &str| {
                    let column = NAMES.iter().position(|each| *each == name).and_then(|at| places[at]);
                    Ok(column.and_then(|column| record.get(column)).unwrap_or_default().to_owned())
                };
                Line { number, entry: entry(field) }
            }
            // The error's own text may quote the record.
            Err(error) => {
                is_over = error.is_io_error();
                let number =
                    error.position().map_or_else(|| records.reader().position().line(), csv::Position::line);
                let why =
                    if is_over { "the record does not end" } else { "it is not a record of CSV in UTF-8" };
                Line { number: number + behind, entry: Err(why) }
            }
        })
    }))
}

fn entry(field: impl Fn(&str) -> Result<String, &'static str>) -> Result<Entry, &'static str> {
    let owner = OwnerId::parse(field("user_id")?.trim())
        .ok_or("user_id is not a Clerk user id, which begins with user_")?;
    let token = zeroize::Zeroizing::new(field("access_token")?);
    let token = token.trim();
    if token.is_empty() {
        return Err("access_token is missing");
    }
    if token.len() > LONGEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("access_token has characters that tokens do not have, or is too long");
    }
    let expires_at = time(&field("token_expires_at")?)
        .map_err(|()| "token_expires_at is no time from 2010 to 2100, in RFC 3339 or unix seconds")?;
    let obtained_at = time(&field("obtained_at")?)
        .map_err(|()| "obtained_at is no time from 2010 to 2100, in RFC 3339 or unix seconds")?;
    let offered = Offered { access_token: SecretString::from(token), obtained_at, expires_at };
    Ok(Entry { owner, offered })
}

fn time(text: &str) -> Result<Option<Timestamp>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = match text.parse::<i64>() {
        Ok(seconds) => Timestamp::from_second(seconds).map_err(drop)?,
        Err(_) => text.parse::<Timestamp>().map_err(drop)?,
    };
    if TIMES.contains(&parsed.as_second()) { Ok(Some(parsed)) } else { Err(()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn read(text: &'static [u8]) -> Vec<(u64, Result<String, &'static str>)> {
        let shown = |entry: Entry| {
            let Offered { access_token, obtained_at, expires_at } = entry.offered;
            let times = [obtained_at, expires_at].map(|time| time.map(Timestamp::as_second));
            format!("{} {} {times:?}", entry.owner.as_str(), access_token.expose_secret())
        };
        lines(Box::new(text)).unwrap().map(|line| (line.number, line.entry.map(shown))).collect()
    }

    #[test]
    fn both_forms_say_the_same() {
        let wanted = "user_1 IGAA1 [Some(1760000000), Some(1765000000)]".to_owned();
        for text in [
            &b"user_id,access_token,obtained_at,token_expires_at\nuser_1,IGAA1,1760000000,1765000000\n"[..],
            b"\xef\xbb\xbfToken_Expires_At,Access_Token,User_Id,Obtained_At,x\r\n2025-12-06T05:46:40Z,\"IGAA1\",user_1,2025-10-09T08:53:20Z,y\r\n",
            b"user_id,access_token,token_expires_at,obtained_at\nuser_1, IGAA1 ,2025-12-06 05:46:40+00,2025-10-09 08:53:20+00",
        ] {
            assert_eq!(read(text), [(2, Ok(wanted.clone()))]);
        }
        let json = b"{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\",\"obtained_at\":1760000000,\"token_expires_at\":\"1765000000\"}\n\n{}";
        assert_eq!(
            read(json),
            [(1, Ok(wanted)), (3, Err("user_id is not a Clerk user id, which begins with user_"))]
        );
    }

    #[test]
    fn what_cannot_be_used_is_named_and_the_rest_goes_on() {
        let text = b"user_id,access_token,token_expires_at\n\
            ada,IGAA1,\nuser_1,,\nuser_1,IG AA,\nuser_1,IGAA1,soon\nuser_1,IGAA1,1765000000000\nuser_1\nuser_2,IGAA2,\n";
        let found = read(text);
        assert_eq!(found.len(), 7);
        assert_eq!(found.iter().filter(|(_, entry)| entry.is_err()).count(), 6);
        assert_eq!(found.last().unwrap(), &(8, Ok("user_2 IGAA2 [None, None]".to_owned())));
    }

    #[test]
    fn a_line_may_be_of_any_length_and_of_any_bytes() {
        let long: &'static [u8] = [
            b"{\"user_id\":\"".to_vec(),
            vec![b'x'; 200_000],
            b"\"}\n\xff\xfe\n{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\"}\n".to_vec(),
        ]
        .concat()
        .leak();
        let found = read(long);
        assert_eq!(found[0], (1, Err("the line is too long")));
        assert_eq!(found[1], (2, Err("it is not a JSON object")));
        assert_eq!(found[2].1, Ok("user_1 IGAA1 [None, None]".to_owned()));
    }

    #[test]
    fn a_quote_that_is_never_closed_ends_the_table_and_not_the_memory() {
        struct Endless(usize);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0 += buffer.len();
                assert!(self.0 < 1 << 20, "read on and on");
                buffer.fill(b'x');
                Ok(buffer.len())
            }
        }
        let begin = &b"user_id,access_token\nuser_1,IGAA1\nuser_2,\"IGAA2\nuser_3,"[..];
        let found: Vec<_> = lines(Box::new(begin.chain(Endless(0)))).unwrap().collect();
        assert_eq!(found.len(), 2);
        assert!(found[0].entry.is_ok());
        assert_eq!(found[1].entry.as_ref().err(), Some(&"the record does not end"));
    }

    #[test]
    fn a_table_without_its_columns_is_a_mistake() {
        for text in [&b""[..], b"user_1,IGAA1\n", b"user_id,token\nuser_1,IGAA1\n"] {
            let failure = lines(Box::new(text)).map(|_| ()).unwrap_err();
            assert!(!failure.sentence.contains("IGAA1"), "{failure}");
        }
    }
}
