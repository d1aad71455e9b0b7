//! What is imported: CSV with a header, or one JSON object a line. No error quotes what was read.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use csv::ByteRecord;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;

use super::super::exit::Failure;
use super::super::{instant, long_lines};
use super::records::{Ending, Record, Records};
use crate::caller::OwnerId;
use crate::clock::{from_millis, parse_time};
use crate::connections::import::Offered;

/// A longer line holds no token of Instagram's.
const LONGEST_LINE: usize = 64 * 1024;
/// Bytes of the input that show its encoding.
const BEGINNING: u64 = 512;
/// A longer token is none.
const LONGEST_TOKEN: usize = 4096;
/// Plausible times in unix seconds: 2010, when Instagram began, to 2100.
const TIMES: std::ops::Range<i64> = 1_262_304_000..4_102_444_800;

/// One line of the input.
pub(super) struct Line {
    /// From 1; of CSV the line where the record begins.
    pub number: u64,
    /// What stands there, or why that cannot be used.
    pub entry: Result<Entry, Unusable>,
}

/// Why a line cannot be used.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Whom it is about, if that could be read.
    pub owner: Option<OwnerId>,
    pub why: &'static str,
}

impl From<&'static str> for Unusable {
    fn from(why: &'static str) -> Self {
        Self { owner: None, why }
    }
}

/// Whose grant, and which.
#[derive(Debug)]
pub(super) struct Entry {
    pub owner: OwnerId,
    pub offered: Offered,
}

const NAMES: [&str; 4] = ["user_id", "access_token", "token_expires_at", "obtained_at"];
const REQUIRED: [&str; 2] = ["user_id", "access_token"];

/// Every line but the header and empty ones.
pub(super) fn lines(
    mut reader: Box<dyn Read + Send>,
) -> Result<Box<dyn Iterator<Item = Line> + Send>, Failure> {
    // Enough to tell the two forms apart, without losing it.
    let mut start = Vec::new();
    reader.by_ref().take(BEGINNING).read_to_end(&mut start).map_err(|error| unreadable(&error))?;
    if let Some(at) = start.iter().position(|byte| *byte == 0) {
        return Err(no_text(&start, at));
    }
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    // An export that failed leaves this; one of nobody has its header.
    if first.is_none() && (start.len() as u64) < BEGINNING {
        return Err(Failure::setup(
            "the input is empty",
            "look whether the export has failed; nobody to import is a CSV of its header alone",
        ));
    }
    let is_json = first == Some(&b'{');
    let text = text.to_vec();
    let reader = BufReader::new(Cursor::new(text).chain(reader));
    if is_json {
        Ok(Box::new(JsonLines { reader, number: 0, is_over: false }))
    } else {
        Ok(Box::new(table(reader)?))
    }
}

/// What input with a NUL at `at` is.
fn no_text(start: &[u8], at: usize) -> Failure {
    let halves = start.chunks_exact(2).filter(|pair| pair.contains(&0)).count();
    if start.iter().all(|byte| *byte == 0) {
        return Failure::setup(
            "the input begins with nothing but NUL bytes",
            "export it again: a crash or a full disk leaves such a file",
        );
    }
    // In UTF-16, every other byte of names and tokens is zero.
    if start.starts_with(b"\xff\xfe") || start.starts_with(b"\xfe\xff") || halves * 3 > start.len() {
        return Failure::setup(
            "the input is in UTF-16",
            "save it as UTF-8; Excel's \"Unicode Text\" and PowerShell's `>` write UTF-16",
        );
    }
    Failure::setup(
        format!("the input is no text: byte {} is NUL", at + 1),
        "give CSV or JSON lines in UTF-8, not a workbook, an archive or a compressed file; where it is text, remove the \
         NUL bytes, as `tr -d '\\000'` does",
    )
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
                Ok(Some(line)) if line.is_cut => Err("the line is too long".into()),
                Ok(Some(line)) if line.bytes.iter().all(u8::is_ascii_whitespace) => continue,
                Ok(Some(line)) => of_json(&line.bytes),
                Err(_) => {
                    self.is_over = true;
                    Err("the input could not be read any further".into())
                }
            };
            return Some(Line { number: self.number, entry });
        }
        None
    }
}

/// The members that are read. One that is there twice is an error, since nobody knows which is meant.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Members {
    user_id: Value,
    access_token: Value,
    token_expires_at: Value,
    obtained_at: Value,
}

fn of_json(bytes: &[u8]) -> Result<Entry, Unusable> {
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err("it is not a JSON object".into());
    }
    let members: Members = serde_json::from_slice(bytes).map_err(|error| {
        if error.is_data() { "a member is there twice" } else { "it is not a JSON object" }
    })?;
    let Members { user_id, access_token, token_expires_at, obtained_at } = members;
    let values = [user_id, access_token, token_expires_at, obtained_at];
    entry(|name| match NAMES.iter().zip(&values).find(|(each, _)| **each == name) {
        None | Some((_, Value::Null)) => Ok(String::new()),
        Some((_, Value::String(text))) => Ok(text.clone()),
        Some((_, Value::Number(number))) => Ok(number.to_string()),
        Some((_, Value::Bool(_) | Value::Array(_) | Value::Object(_))) => {
            Err("a member is neither a string nor a number")
        }
    })
}

/// The remedy for a first line without column names. It is not repeated: it may hold a token.
fn remedy_of(header: &ByteRecord) -> &'static str {
    if header.get(0).is_some_and(|first| first.starts_with(b"[")) {
        "write one JSON object per line instead of a list, as `jq -c '.[]'` does"
    } else if header.iter().any(|column| column.contains(&b';') || column.contains(&b'\t')) {
        "separate the columns with commas"
    } else {
        "begin with a line that names the columns: user_id,access_token,token_expires_at,obtained_at"
    }
}

/// The records of a table whose first line names its columns.
fn table(reader: impl BufRead + Send + 'static) -> Result<impl Iterator<Item = Line> + Send, Failure> {
    let mut records = Records::new(reader, LONGEST_LINE);
    let no_header =
        || Failure::setup("the first line is not a header of CSV", "begin with user_id,access_token");
    let header = match records.next().map_err(|error| unreadable(&error))? {
        None => ByteRecord::new(),
        Some(record) if record.ending == Ending::Whole => fields(&record).ok_or_else(no_header)?,
        Some(_) => return Err(no_header()),
    };
    let places = NAMES.map(|name| {
        let is_it = |column: &[u8]| column.eq_ignore_ascii_case(name.as_bytes());
        (header.iter().position(is_it), header.iter().filter(|column| is_it(column)).count())
    });
    for (name, (place, times)) in NAMES.iter().zip(places) {
        if place.is_none() && REQUIRED.contains(name) {
            return Err(Failure::setup(format!("the first line names no column {name}"), remedy_of(&header)));
        }
        if times > 1 {
            let twice = format!("the first line names the column {name} more than once");
            return Err(Failure::setup(twice, "keep the one that is meant"));
        }
    }
    let place = move |name: &str| places[NAMES.iter().position(|each| *each == name)?].0;
    let mut is_over = false;
    Ok(std::iter::from_fn(move || {
        if is_over {
            return None;
        }
        let Ok(record) = records.next() else {
            is_over = true;
            let entry = Err("the input could not be read any further".into());
            return Some(Line { number: records.line(), entry });
        };
        record.map(|record| Line { number: record.number, entry: of_record(&record, place) })
    }))
}

fn of_record(record: &Record, place: impl Fn(&str) -> Option<usize>) -> Result<Entry, Unusable> {
    match record.ending {
        Ending::Whole => {}
        Ending::TooLong => return Err("the record is too long".into()),
        Ending::Unclosed => {
            return Err("a quotation mark is never closed; the lines after this one were not read".into());
        }
    }
    let fields = fields(record).ok_or("it is not a record of CSV")?;
    let field = |name: &str| place(name).and_then(|place| fields.get(place)).unwrap_or_default();
    if REQUIRED.iter().any(|name| field(name).iter().any(|byte| matches!(byte, b'\r' | b'\n'))) {
        return Err("quotation marks join this line with the next ones".into());
    }
    if REQUIRED.iter().all(|name| field(name).eq_ignore_ascii_case(name.as_bytes())) {
        return Err("it is a second header".into());
    }
    entry(|name| String::from_utf8(field(name).to_vec()).map_err(|_| "it is not in UTF-8"))
}

fn fields(record: &Record) -> Option<ByteRecord> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .buffer_capacity(record.bytes.len())
        .from_reader(record.bytes.as_slice());
    reader.byte_records().next()?.ok()
}

fn entry(field: impl Fn(&str) -> Result<String, &'static str>) -> Result<Entry, Unusable> {
    let owner = OwnerId::parse(field("user_id")?.trim())
        .ok_or("user_id is not a Clerk user id, which begins with user_")?;
    match offered(field) {
        Ok(offered) => Ok(Entry { owner, offered }),
        Err(why) => Err(Unusable { owner: Some(owner), why }),
    }
}

fn offered(field: impl Fn(&str) -> Result<String, &'static str>) -> Result<Offered, &'static str> {
    let token = zeroize::Zeroizing::new(field("access_token")?);
    let token = token.trim();
    if token.is_empty() {
        return Err("access_token is missing");
    }
    if token.len() > LONGEST_TOKEN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("access_token has characters that tokens do not have, or is too long");
    }
    let expires_at = time(&field("token_expires_at")?).map_err(
        |()| "token_expires_at is neither a time in RFC 3339 nor one in unix seconds, from 2010 to 2100",
    )?;
    let obtained_at = time(&field("obtained_at")?).map_err(
        |()| "obtained_at is neither a time in RFC 3339 nor one in unix seconds, from 2010 to 2100",
    )?;
    Ok(Offered { access_token: SecretString::from(token), obtained_at, expires_at })
}

fn time(text: &str) -> Result<Option<Timestamp>, ()> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let at = instant::parse(text).ok_or(())?;
    let held = at.as_second().clamp(TIMES.start, TIMES.end);
    // A number far off may be in milliseconds; a date means "never", or "not known".
    let is_meant = held == at.as_second() || parse_time(text).is_some();
    if is_meant { Ok(Some(from_millis(held * 1000))) } else { Err(()) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_date_far_off_is_not_known_and_a_number_a_mistake() {
        let at = |text| time(text).map(|at| at.map(Timestamp::as_second));
        for never in ["9999-12-31T23:59:59Z", "9999-12-31 23:59:59.999999+00", "9999-12-30T22:00:01Z"] {
            assert_eq!(at(never), Ok(Some(TIMES.end)), "{never}");
        }
        assert_eq!(at("0001-01-01T00:00:00Z"), Ok(Some(TIMES.start)), "not known");
        assert_eq!(at("253402300799"), Err(()), "as likely a mistake as milliseconds");
    }

    type Read = (u64, Result<String, &'static str>);

    fn read(text: &'static [u8]) -> Vec<Read> {
        let shown = |entry: Entry| {
            let Offered { access_token, obtained_at, expires_at } = entry.offered;
            let times = [obtained_at, expires_at].map(|time| time.map(Timestamp::as_second));
            format!("{} {} {times:?}", entry.owner.as_str(), access_token.expose_secret())
        };
        lines(Box::new(text))
            .unwrap()
            .map(|line| (line.number, line.entry.map(shown).map_err(|error| error.why)))
            .collect()
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
    fn two_files_in_one_and_a_member_twice_are_named() {
        let second = Err("it is a second header");
        let text = b"user_id,access_token\nuser_1,IGAA1\nUser_Id, access_token\nuser_2,IGAA2\n";
        let good = |user| Ok(format!("user_{user} IGAA{user} [None, None]"));
        assert_eq!(read(text), [(2, good(1)), (3, second), (4, good(2))]);
        let text = b"{\"user_id\":\"user_1\",\"access_token\":\"IGAA1\",\"access_token\":\"IGAA2\"}\n[\"user_1\",\"IGAA1\"]";
        assert_eq!(read(text), [(1, Err("a member is there twice")), (2, Err("it is not a JSON object"))]);
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
    fn a_table_that_is_damaged_loses_no_line_without_a_word() {
        let long: &'static [u8] = [
            b"user_id,access_token,name\nuser_1,\"".to_vec(),
            vec![b'x'; 200_000],
            b"\n\"\n\nuser_2,IGAA2,J\xfcrgen\nuser_3,\"IGAA3\nuser_4,IGAA4,\"\nuser_5,IGAA5,\"a\nb\"\n"
                .to_vec(),
            b"user_6,\"IGAA6\nuser_7,IGAA7\n".to_vec(),
        ]
        .concat()
        .leak();
        let good = |user| Ok(format!("user_{user} IGAA{user} [None, None]"));
        assert_eq!(
            read(long),
            [
                (2, Err("the record is too long")),
                (5, good(2)),
                (6, Err("quotation marks join this line with the next ones")),
                (8, good(5)),
                (10, Err("a quotation mark is never closed; the lines after this one were not read")),
            ]
        );
    }

    #[test]
    fn a_line_that_cannot_be_used_says_whom_it_is_about() {
        let text = &b"user_id,access_token\nuser_1,\nada,IGAA1\n"[..];
        let owner = |line: Line| line.entry.unwrap_err().owner.map(|owner| owner.as_str().to_owned());
        let found: Vec<_> = lines(Box::new(text)).unwrap().map(owner).collect();
        assert_eq!(found, [Some("user_1".to_owned()), None]);
    }

    #[test]
    fn a_table_without_its_columns_is_a_mistake() {
        for text in [
            &b""[..],
            b"user_1,IGAA1\n",
            b"user_id,token\nuser_1,IGAA1\n",
            b"user_id,access_token,Access_Token\nuser_1,IGAA1,IGAA2\n",
            b"\xff\xfeu\0s\0e\0r\0_\0i\0d\0",
        ] {
            let failure = lines(Box::new(text)).map(|_| ()).unwrap_err();
            assert!(!failure.sentence.contains("IGAA1"), "{failure}");
        }
    }

    #[test]
    fn what_is_no_text_is_told_as_what_it_is() {
        for (text, told) in [
            (&b"\xff\xfeu\0s\0e\0r\0_\0i\0d\0"[..], "in UTF-16"),
            (b"u\0s\0e\0r\0_\0i\0d\0", "in UTF-16"),
            (b"\0user_id,access_token\nuser_1,IGAA1\n", "byte 1 is NUL"),
            (b"PK\x03\x04\x14\0\x06\0\x08\x01\x02\x03\x04\x05", "byte 6 is NUL"),
            (&[0; 4096], "nothing but NUL bytes"),
        ] {
            let failure = lines(Box::new(text)).map(|_| ()).unwrap_err();
            assert!(failure.sentence.contains(told), "{told}: {failure}");
        }
    }
}
