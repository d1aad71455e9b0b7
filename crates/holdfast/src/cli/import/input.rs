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

/// The members that are read. One that is there twice is an error: nobody knows which is meant.
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
mod tests;
