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
        let text = String::from_utf8_lossy(bytes);
        // Shells of Windows put a byte order mark before what they pipe.
        let text = text.trim_start_matches('\u{feff}').trim();
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
        let plain = Input::of("\u{feff} a.b.c ".as_bytes());
        assert_eq!((plain.token.as_str(), plain.note.as_deref()), ("a.b.c", None));
    }
}
