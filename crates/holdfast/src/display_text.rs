//! Sanitizes text that others wrote about themselves (names, handles, picture addresses) before it
//! is stored: it later reaches terminals, logs, pages and the app. The result is one line of
//! bounded length, without control characters and bidirectional marks.

use url::Url;

use crate::address::is_this_machine;

/// Longest handle, in characters; Instagram's are thirty.
pub const HANDLE: usize = 64;
/// Longest name, in characters.
pub const NAME: usize = 256;
/// Longest e-mail address, in characters (RFC 5321).
pub const EMAIL: usize = 320;
/// Longest address of a picture, in bytes.
const ADDRESS: usize = 4096;

/// The text as one line of at most `most` characters; `None` where nothing is left of it.
pub fn line(text: &str, most: usize) -> Option<String> {
    let kept: String = text.chars().filter(|each| !is_unfit(*each)).take(most).collect();
    let kept = kept.trim();
    (!kept.is_empty()).then(|| kept.to_owned())
}

/// A picture's address that a page may load: `https`, or on this machine, as the stand-in for
/// Instagram has it; of bounded length.
pub fn picture(text: &str) -> Option<String> {
    if text.len() > ADDRESS || text.chars().any(is_unfit) {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_plain = url.has_host() && url.username().is_empty() && url.password().is_none();
    let is_fit = url.scheme() == "https" || url.scheme() == "http" && is_this_machine(&url);
    (is_plain && is_fit).then(|| text.to_owned())
}

/// Control characters, and marks that turn the reading order around (Unicode, UAX #9).
fn is_unfit(each: char) -> bool {
    each.is_control()
        || matches!(
            each,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_or_turns_reading_around_is_left_out() {
        assert_eq!(line("ada\u{1b}[31m\nmakes\u{202e}x", HANDLE).unwrap(), "ada[31mmakesx");
        assert_eq!(line("Ada <b>Lovelace</b> 👩‍💻", NAME).unwrap(), "Ada <b>Lovelace</b> 👩‍💻");
        assert_eq!(line(&"a".repeat(200_000), HANDLE).unwrap().len(), HANDLE);
        assert_eq!(line("\u{1b}\n \u{200f}", NAME), None);
    }

    #[test]
    fn pictures_are_https() {
        assert_eq!(picture("https://cdn.example/a.jpg?oe=1").unwrap(), "https://cdn.example/a.jpg?oe=1");
        assert!(picture("http://127.0.0.1:8082/pictures/1.svg").is_some());
        for bad in [
            "javascript:alert(1)",
            "http://127.0.0.1.evil.example/a",
            "http://cdn.example/a",
            "data:image/png;base64,x",
            "https://u:p@h/",
            "https://h/\u{1b}",
            "",
        ] {
            assert_eq!(picture(bad), None, "{bad}");
        }
        assert_eq!(picture(&format!("https://h/{}", "a".repeat(10_000))), None);
    }
}
