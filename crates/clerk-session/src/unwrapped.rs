//! A session token with something around it: in quotation marks, in JSON, as a cookie,
//! percent-encoded. The verifier refuses it and names the wrapping; a tool for people takes it off.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// What stands around a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wrapping {
    /// `"<token>"`, or other quotation marks.
    Quotes,
    /// `name=<token>`, as in a cookie or a form.
    Cookie,
    /// `{"jwt":"<token>"}`, as an endpoint answered it.
    Json,
    /// `%22<token>%22` and the like.
    PercentEncoding,
}

impl fmt::Display for Wrapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Quotes => "the quotation marks",
            Self::Cookie => "the cookie's name",
            Self::Json => "the JSON",
            Self::PercentEncoding => "the percent-encoding",
        })
    }
}

/// A token that was found inside of something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwrapped<'a> {
    /// The token alone.
    pub token: Cow<'a, str>,
    /// The outermost thing around it.
    pub wrapping: Wrapping,
}

/// Wrappings within wrappings that are taken off.
const DEEPEST: usize = 4;

/// Takes off what stands around a token. `None` where nothing does, or where no token is inside.
pub fn unwrapped(text: &str) -> Option<Unwrapped<'_>> {
    let (mut inside, wrapping) = peel(text.trim())?;
    for _ in 0..DEEPEST {
        if looks_like_a_token(&inside) {
            return Some(Unwrapped { token: inside, wrapping });
        }
        let next = without_scheme(&inside);
        inside = match peel(next) {
            Some((deeper, _)) => Cow::Owned(deeper.into_owned()),
            None if next.len() < inside.len() => Cow::Owned(next.to_owned()),
            None => return None,
        };
    }
    None
}

fn peel(text: &str) -> Option<(Cow<'_, str>, Wrapping)> {
    if let Some(inside) = quoted_inside(text) {
        return Some((Cow::Borrowed(inside), Wrapping::Quotes));
    }
    if text.starts_with('{') {
        return Some((Cow::Owned(json_member(text)?), Wrapping::Json));
    }
    if text.contains('%') {
        return Some((Cow::Owned(percent_decoded(text)?), Wrapping::PercentEncoding));
    }
    cookie_value(text).map(|value| (Cow::Borrowed(value), Wrapping::Cookie))
}

/// `Bearer <token>` within the wrapping.
fn without_scheme(text: &str) -> &str {
    let scheme = text.get(..7).filter(|start| start.eq_ignore_ascii_case("bearer "));
    scheme.map_or(text, |_| text.get(7..).unwrap_or_default()).trim()
}

fn quoted_inside(text: &str) -> Option<&str> {
    let text = text.trim_end_matches([',', ';']);
    [('"', '"'), ('\'', '\''), ('`', '`'), ('“', '”'), ('<', '>')]
        .into_iter()
        .find_map(|(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .map(str::trim)
}

/// The first text in a JSON object that may be a token.
fn json_member(text: &str) -> Option<String> {
    let Ok(Value::Object(members)) = serde_json::from_str(text) else { return None };
    members.into_iter().find_map(|(_, value)| match value {
        Value::String(inside) if inside.matches('.').count() == 2 => Some(inside),
        _ => None,
    })
}

/// The value of the first cookie in `a=b; c=d` that may be a token; `__session` before others.
fn cookie_value(text: &str) -> Option<&str> {
    let text =
        text.get(..7).filter(|start| start.eq_ignore_ascii_case("cookie:")).map_or(text, |_| &text[7..]);
    let mut pairs: Vec<_> = text.split(';').filter_map(|pair| pair.trim().split_once('=')).collect();
    pairs.sort_by_key(|(name, _)| !name.starts_with("__session"));
    pairs.into_iter().map(|(_, value)| value).find(|value| value.matches('.').count() == 2)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        match (first, behind) {
            (b'%', [high, low, behind @ ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                bytes.push(u8::try_from(digit(high)? * 16 + digit(low)?).ok()?);
                rest = behind;
            }
            (b'%', _) => return None,
            (byte, behind) => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

/// Three segments of base64url. Nothing is decoded.
pub fn looks_like_a_token(text: &str) -> bool {
    let segment =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let mut parts = text.split('.');
    let mut next = || parts.next().is_some_and(|part| !part.is_empty() && segment(part));
    next() && next() && next() && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(String, Wrapping)> {
        unwrapped(text).map(|found| (found.token.into_owned(), found.wrapping))
    }

    #[test]
    fn every_wrapping_is_taken_off() {
        for (text, wrapping) in [
            ("\"aa.bb.cc\"", Wrapping::Quotes),
            ("'aa.bb.cc'", Wrapping::Quotes),
            ("“aa.bb.cc”", Wrapping::Quotes),
            ("<aa.bb.cc>", Wrapping::Quotes),
            ("\"aa.bb.cc\",", Wrapping::Quotes),
            (" \" aa.bb.cc \" ", Wrapping::Quotes),
            ("\"Bearer aa.bb.cc\"", Wrapping::Quotes),
            ("'\"aa.bb.cc\"'", Wrapping::Quotes),
            ("__session=aa.bb.cc", Wrapping::Cookie),
            ("__session_naoXFJnI=aa.bb.cc", Wrapping::Cookie),
            ("a=b; other=xx.yy.zz; __session=aa.bb.cc; c=d", Wrapping::Cookie),
            ("Cookie: __client_uat=1; __session=aa.bb.cc", Wrapping::Cookie),
            ("token=aa.bb.cc", Wrapping::Cookie),
            ("{\"jwt\":\"aa.bb.cc\"}", Wrapping::Json),
            ("{\"object\":\"token\", \"jwt\": \"aa.bb.cc\"}", Wrapping::Json),
            ("{\"jwt\":\"Bearer aa.bb.cc\"}", Wrapping::Json),
            ("aa%2Ebb%2ecc", Wrapping::PercentEncoding),
            ("%22aa.bb.cc%22", Wrapping::PercentEncoding),
            ("Bearer%20aa.bb.cc", Wrapping::PercentEncoding),
            ("__session%3Daa.bb.cc", Wrapping::PercentEncoding),
            ("%7B%22jwt%22%3A%22aa.bb.cc%22%7D", Wrapping::PercentEncoding),
        ] {
            assert_eq!(found(text), Some(("aa.bb.cc".to_owned(), wrapping)), "{text}");
        }
    }

    #[test]
    fn what_holds_no_token_is_left_as_it_is() {
        for text in [
            "",
            "\"",
            "\"\"",
            "aa.bb.cc",
            "\"aa.bb\"",
            "\"aa.bb.cc.dd\"",
            "{\"jwt\":1}",
            "{\"jwt\":\"a\"}",
            "{",
            "{}",
            "__session=",
            "a=b",
            "%",
            "%2",
            "%zz",
            "aa%2Ebb",
            "aa.bb.c c",
            "%C3.bb.cc",
            "\"aa..cc\"",
            "'aa.b!.cc'",
            "\"\"\"\"\"\"\"aa.bb.cc\"\"\"\"\"\"\"",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn only_whole_tokens_are_tokens() {
        assert!(looks_like_a_token("aA0-.b_.c"));
        for text in ["", "..", "a.b.", ".b.c", "a..c", "a.b", "a.b.c.d", "a.b.c ", "a.b.+", "a.b.ä"] {
            assert!(!looks_like_a_token(text), "{text}");
        }
    }
}
