//! What was piped in, made ready for the verifier. Nothing here decides about a token: what cannot
//! be one is handed on and refused there.

use std::io::{self, BufRead, Read};

use clerk_session::{looks_like_a_token, unwrapped};

use super::super::long_lines;

/// Bytes kept of an input: much more than any token has, so that the verifier can name a long one's
/// length.
const KEPT: usize = 64 * 1024;

/// One token as it was given.
pub(super) struct Input {
    /// What is judged.
    pub token: String,
    /// What the reader should know about how the input was taken.
    pub note: Option<String>,
}

impl Input {
    /// Takes off white space, the words that belong to the header, and what else was copied along
    /// with a token. Bytes that are no UTF-8 are replaced by a character that no token has.
    pub(super) fn of(bytes: &[u8]) -> Self {
        if utf16_order(bytes).is_some() {
            let token = String::from_utf8_lossy(bytes).trim().to_owned();
            let note = "the input is UTF-16, as Windows PowerShell writes files: make it UTF-8 (`Set-Content -Encoding utf8`, \
                        `iconv -f UTF-16 -t UTF-8`)";
            return Self { token, note: Some(note.to_owned()) };
        }
        let text = String::from_utf8_lossy(bytes);
        let Some(marked) = text.strip_prefix('\u{feff}') else { return Self::of_text(&text) };
        let mark = "the input began with a byte order mark, as shells of Windows put before what they pipe; only what follows it \
                    was judged";
        let Self { token, note } = Self::of_text(marked);
        Self { token, note: Some(note.map_or_else(|| mark.to_owned(), |note| format!("{mark}; {note}"))) }
    }

    fn of_text(text: &str) -> Self {
        let text = text.trim();
        let header = text.get(..14).filter(|start| start.eq_ignore_ascii_case("authorization:"));
        let value = header.map_or(text, |_| text.get(14..).unwrap_or_default().trim_start());
        let scheme = value.get(..7).filter(|start| start.eq_ignore_ascii_case("bearer "));
        let token = scheme.map_or(value, |_| value.get(7..).unwrap_or_default().trim_start());
        if let Some(inside) = unwrapped(token) {
            let note = format!(
                "the input had {} around the token; only the token was judged, but the server refuses the input as it was given",
                inside.wrapping
            );
            return Self { token: inside.token.into_owned(), note: Some(note) };
        }
        let note = (scheme.is_some() || header.is_some()).then(|| {
            "the input began with parts of the header (`Authorization:`, `Bearer`); only what follows them was judged"
                .to_owned()
        });
        Self { token: token.to_owned(), note }
    }

    /// The same of all that was given: where that is no token, the one in the middle of it, as in a
    /// `curl` command, a log or a document; or the one that a terminal broke into lines.
    fn of_document(bytes: &[u8]) -> Self {
        if let Some(text) = from_utf16(bytes) {
            let Self { token, note } = Self::of_document(text.as_bytes());
            let wide = "the input was UTF-16, as Windows PowerShell writes files; its text was judged, the server refuses what was given";
            return Self {
                token,
                note: Some(note.map_or_else(|| wide.to_owned(), |note| format!("{wide}; {note}"))),
            };
        }
        let input = Self::of(bytes);
        if is_token(&input.token) {
            return input;
        }
        let told =
            |how: &str| Some(format!("the input had {how} was judged, the server refuses what was given"));
        let is_around =
            |each: char| each.is_whitespace() || is_invisible(each) || "\"'`<>()[]{},;:\\|".contains(each);
        let mut found: Vec<&str> = input.token.split(is_around).filter(|each| is_token(each)).collect();
        found.dedup();
        if let [token] = *found {
            let note = told("other text around the token; the token alone");
            return Self { token: token.to_owned(), note };
        }
        if found.len() > 1 {
            let note = format!(
                "the input has {} tokens, and nobody knows which is meant: give one of them, or one a line with --lines",
                found.len()
            );
            return Self { note: Some(note), ..input };
        }
        let joined: String = input.token.split_whitespace().collect();
        if is_token(&joined) {
            return Self {
                token: joined,
                note: told("line breaks inside of the token; the token without them"),
            };
        }
        input
    }

    /// The same of the beginning of something longer than is kept.
    fn cut(bytes: &[u8]) -> Self {
        let note = format!("the input is longer than {KEPT} bytes; only the first {KEPT} were judged");
        Self { note: Some(note), ..Self::of(bytes) }
    }
}

/// Whether it is as long as it should be: three parts, the first of them beginning as JSON does.
fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && looks_like_a_token(text)
}

/// How the units of UTF-16 are read, by its mark or by the zeros beside plain letters; `None` where
/// it is another encoding.
fn utf16_order(bytes: &[u8]) -> Option<fn([u8; 2]) -> u16> {
    match bytes {
        [0xff, 0xfe, ..] => Some(u16::from_le_bytes),
        [0xfe, 0xff, ..] => Some(u16::from_be_bytes),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some(u16::from_le_bytes),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some(u16::from_be_bytes),
        _ => None,
    }
}

/// The text of UTF-16; `None` where it is another encoding.
fn from_utf16(bytes: &[u8]) -> Option<String> {
    let order = utf16_order(bytes)?;
    let (pairs, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| order(*pair)).collect();
    Some(String::from_utf16_lossy(&units).trim_start_matches('\u{feff}').to_owned())
}

/// Copied along from pages, and seen by nobody.
fn is_invisible(each: char) -> bool {
    matches!(each, '\0' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// All of standard input as one token.
pub(super) fn whole(mut reader: impl Read) -> io::Result<Input> {
    let mut bytes = Vec::new();
    reader.by_ref().take(u64::try_from(KEPT).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    // Read to its end, so that the writer does not meet a closed pipe.
    let more = io::copy(&mut reader, &mut io::sink())?;
    Ok(if more > 0 { Input::cut(&bytes) } else { Input::of_document(&bytes) })
}

/// The next line, cut to what is kept however long it is. `None` at the end.
pub(super) fn line(reader: &mut impl BufRead) -> io::Result<Option<Input>> {
    let line = long_lines::next(reader, KEPT)?;
    Ok(line.map(|line| if line.is_cut { Input::cut(&line.bytes) } else { Input::of(&line.bytes) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<String> {
        let mut reader = io::BufReader::with_capacity(7, text);
        std::iter::from_fn(|| line(&mut reader).unwrap()).map(|input| input.token).collect()
    }

    #[test]
    fn every_line_is_one_input() {
        assert_eq!(lines(b""), [""; 0]);
        assert_eq!(
            lines(b"a\n\n  \r\nlonger than the buffer\nlast"),
            ["a", "", "", "longer than the buffer", "last"]
        );
        assert_eq!(lines(b"\n"), [""]);
        assert_eq!(lines(b"\xff\xfe\n"), ["\u{fffd}\u{fffd}"]);
    }

    #[test]
    fn a_long_line_is_cut_but_stays_too_long() {
        let mut text = vec![b'a'; KEPT * 3];
        text.extend_from_slice(b"\nnext\n");
        let found = lines(&text);
        assert_eq!(found.len(), 2);
        assert!(found[0].len() == KEPT);
        assert_eq!(found[1], "next");
        let line = line(&mut io::BufReader::new(&*text)).unwrap().unwrap();
        for cut in [line, whole(&*text).unwrap()] {
            assert!(cut.note.is_some_and(|note| note.contains("longer than 65536 bytes")));
        }
    }

    #[test]
    fn a_token_in_the_middle_of_a_document_is_found() {
        for text in [
            "curl -H 'Authorization: Bearer eyJa.b.c' https://x.example",
            r#"{"data":{"token":"eyJa.b.c"}}"#,
            r#"["eyJa.b.c"]"#,
            "eyJa.b.c,",
            "eyJa.b.c\\n",
            "\u{200b}eyJa.b.c",
            "eyJa\n.b\n.c\n",
            "eyJa.b.c\neyJa.b.c",
            "Bearer eyJa.b.c junk",
        ] {
            let input = whole(text.as_bytes()).unwrap();
            assert_eq!(input.token, "eyJa.b.c", "{text}");
            assert!(
                input.note.is_some_and(|note| note.contains("the server refuses what was given")),
                "{text}"
            );
        }
        let two = whole(&b"eyJa.b.c eyJa.b.d"[..]).unwrap();
        assert!(two.note.is_some_and(|note| note.contains("2 tokens")));
        // What is wrong with the token itself stays wrong with it, and of two nobody knows which.
        for text in
            ["eyJa.b.c=", "eyJa.b.c+", "eyJa.b.c.d", "eyJa.b.c eyJa.b.d", "eyJa.b", "eyJa..c", "a.b.c x"]
        {
            assert_eq!(whole(text.as_bytes()).unwrap().token, text);
        }
        assert!(whole(&b"eyJa.b.c\n"[..]).unwrap().note.is_none());
        assert_eq!(lines(b"[eyJa.b.c]\n"), ["[eyJa.b.c]"], "a line is one token");
    }

    #[test]
    fn both_orders_of_utf16_are_read_with_a_mark_and_without() {
        for mark in ["", "\u{feff}"] {
            let units: Vec<u16> = format!("{mark}eyJa.b.c\r\n").encode_utf16().collect();
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                let bytes: Vec<u8> = units.iter().flat_map(|unit| order(*unit)).collect();
                let input = whole(&*bytes).unwrap();
                assert!(input.note.is_some_and(|note| note.contains("UTF-16")));
                assert_eq!(input.token, "eyJa.b.c");
                // What ends a line is not known before it is decoded.
                let line = line(&mut &*bytes).unwrap().unwrap();
                assert!(line.note.is_some_and(|note| note.contains("UTF-16")));
                assert_ne!(line.token, "eyJa.b.c");
            }
        }
    }

    #[test]
    fn the_headers_words_are_taken_off_and_told() {
        for text in ["Bearer a.b.c", "bearer  a.b.c\n", "Authorization: Bearer a.b.c"] {
            let input = Input::of(text.as_bytes());
            assert_eq!((input.token.as_str(), input.note.is_some()), ("a.b.c", true), "{text}");
        }
        for text in ["\"a.b.c\"", "__session=a.b.c", "{\"jwt\":\"a.b.c\"}", "%22a.b.c%22", "Bearer \"a.b.c\""]
        {
            let input = Input::of(text.as_bytes());
            let note = input.note.unwrap_or_default();
            assert!(input.token == "a.b.c" && note.contains("around the token"), "{text}: {note}");
        }
        let plain = Input::of(b" a.b.c ");
        assert_eq!((plain.token.as_str(), plain.note.as_deref()), ("a.b.c", None));
        let marked = Input::of("\u{feff} Bearer a.b.c ".as_bytes());
        let note = marked.note.unwrap_or_default();
        assert!(
            marked.token == "a.b.c" && note.contains("byte order mark") && note.contains("Bearer"),
            "{note}"
        );
    }
}
