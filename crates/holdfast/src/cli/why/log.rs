//! What a log says of a request, in either of its formats, with or without another program's
//! prefix.

use std::borrow::Cow;
use std::io::{self, BufRead};

use serde_json::Value;

use super::super::long_lines;
use crate::display_text;
use crate::http::memory::{Judgement, Recalled, Remembered};

/// In bytes; of a longer one only the beginning is looked at.
const LONGEST_LINE: usize = 64 * 1024;

/// What the log says of it: the line of the answer, and those of a refusal or a failure before it.
pub(super) fn from_log(mut log: impl BufRead, request_id: &str) -> io::Result<Option<Recalled>> {
    let mut one: Option<Recalled> = None;
    let (mut judgement, mut cause) = (None, None);
    while let Some(line) = long_lines::next(&mut log, LONGEST_LINE)? {
        let line = String::from_utf8_lossy(&line.bytes);
        // journald writes what has colours in it as a list of bytes.
        let may_name_it = line.contains(request_id) || line.contains("\"MESSAGE\":[");
        let Some(fields) = may_name_it.then(|| fields(&line)).flatten() else { continue };
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map_or_else(String::new, printable);
        if text("request_id") != request_id {
            continue;
        }
        let is_answer = fields.get("status").is_some();
        if let Some(one) = &mut one {
            one.later += usize::from(is_answer);
        } else if fields.get("step").is_some() && fields.get("code").is_some() {
            let fingerprint = Some(text("fingerprint")).filter(|fingerprint| !fingerprint.is_empty());
            judgement = Some(Judgement {
                step: text("step"),
                found: text("detail"),
                fingerprint,
                ..Judgement::default()
            });
        } else if let Some(status) = fields.get("status").and_then(number) {
            let first = Remembered {
                request_id: request_id.to_owned(),
                at: text("timestamp").parse().unwrap_or(jiff::Timestamp::UNIX_EPOCH),
                method: text("method"),
                route: fields.get("route").map_or_else(
                    || "unreadable".to_owned(),
                    |route| printable(route.as_str().unwrap_or_default()),
                ),
                status: u16::try_from(status).unwrap_or(0),
                code: text("code"),
                judgement: judgement.take(),
                cause: cause.take(),
                ..Remembered::default()
            };
            one = Some(Recalled { first, later: 0 });
        } else if fields.get("error").is_some() && fields.get("code").is_some() {
            cause = Some(text("error"));
        }
    }
    Ok(one)
}

/// A log may come from anywhere: nothing in it commands the terminal.
fn printable(text: &str) -> String {
    display_text::line(text, LONGEST_LINE).unwrap_or_default()
}

fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// A line without the colours that a terminal, or who collected the log, put into it.
fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains("\u{1b}[") {
        return Cow::Borrowed(line);
    }
    let mut parts = line.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_owned();
    // The sequence ends with its first byte from `@` to `~`.
    let rest = parts.map(|part| part.find(|each| matches!(each, '@'..='~')).map_or("", |at| &part[at + 1..]));
    Cow::Owned(rest.fold(first, |line, part| line + part))
}

/// The line of ours in what Docker, journald and others make of it: a JSON object that has it in
/// one of its members, as text, as bytes or taken apart.
fn within(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key("request_id") => Some(Value::Object(members)),
        Value::Object(members) => members.into_iter().find_map(|(_, each)| within(each)),
        Value::String(text) if text.contains("request_id") => fields(&text),
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> = bytes.iter().map(|each| u8::try_from(each.as_u64()?).ok()).collect();
            fields(&String::from_utf8_lossy(&bytes?))
        }
        _ => None,
    }
}

/// The fields of a line, in either of the log's formats; a prefix of another program is skipped.
fn fields(line: &str) -> Option<Value> {
    let line = &*without_colours(line.trim_end());
    if let Some(at) = line.find('{')
        && let Ok(whole) = serde_json::from_str(&line[at..])
    {
        return within(whole);
    }
    let mut fields = serde_json::Map::new();
    if let Some(at) = line.split_whitespace().find(|word| word.parse::<jiff::Timestamp>().is_ok()) {
        fields.insert("timestamp".to_owned(), at.into());
    }
    let mut rest = line;
    while let Some(at) = rest.find('=') {
        let name = rest[..at].rsplit(|each: char| each.is_whitespace()).next().unwrap_or_default();
        let value = &rest[at + 1..];
        let (text, after) = if let Some(quoted) = value.strip_prefix('"') {
            let end = quoted.match_indices('"').find(|(at, _)| !quoted[..*at].ends_with('\\'));
            end.map_or((quoted, ""), |(at, _)| (&quoted[..at], &quoted[at + 1..]))
        } else {
            value.split_once(char::is_whitespace).unwrap_or((value, ""))
        };
        fields.insert(name.to_owned(), text.replace("\\\"", "\"").into());
        rest = after;
    }
    (!fields.is_empty()).then_some(Value::Object(fields))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_in_a_log_commands_the_terminal() {
        let log = br#"{"route":"\u001b[31mX","status":401,"code":"\u001b]0;x\u0007","request_id":"r-1"}"#;
        let one = from_log(&log[..], "r-1").unwrap().unwrap().first;
        assert_eq!((&*one.route, &*one.code), ("[31mX", "]0;x"));
    }

    #[test]
    fn lines_of_any_length_and_of_any_bytes_hide_nothing() {
        let begin = &b"\xff\xfe r-1\n{\"message\":\"r-1 "[..];
        let end = b"\"}\n{\"timestamp\":\"2026-11-28T18:00:01Z\",\"status\":401,\"code\":\"token-expired\",\"request_id\":\"r-1\"}";
        let log = begin.chain(io::repeat(b'x').take(LONGEST_LINE as u64 * 3)).chain(&end[..]);
        assert_eq!(from_log(io::BufReader::new(log), "r-1").unwrap().unwrap().first.status, 401);
    }

    #[test]
    fn the_reason_of_a_failure_is_read_from_both_formats() {
        let json = concat!(
            "{\"timestamp\":\"2026-11-28T18:00:00Z\",\"level\":\"ERROR\",\"message\":\"a request failed\",\"code\":\"internal-error\",",
            "\"error\":\"no \\\"grants\\\" here\",\"request_id\":\"r-1\"}\n",
            "{\"timestamp\":\"2026-11-28T18:00:00Z\",\"status\":500,\"code\":\"internal-error\",\"request_id\":\"r-1\"}\n"
        );
        let text = "2026-11-28T18:00:00Z ERROR holdfast::http: a request failed code=\"internal-error\" error=\"no \\\"grants\\\" \
                    here\" request_id=\"r-1\"\n\
                    2026-11-28T18:00:00Z  INFO holdfast::access: answered status=500 code=\"internal-error\" request_id=\"r-1\"\n";
        for log in [json, text] {
            let one = from_log(log.as_bytes(), "r-1").unwrap().unwrap().first;
            assert_eq!((one.status, one.cause.as_deref()), (500, Some("no \"grants\" here")), "{log}");
        }
    }

    #[test]
    fn both_formats_of_the_log_are_understood_whatever_stands_before_a_line() {
        let json = concat!(
            "host holdfast[1]: {\"timestamp\":\"2026-11-28T18:00:00.5Z\",\"level\":\"INFO\",\"message\":\"session token refused\",",
            "\"code\":\"token-expired\",\"step\":\"expiry\",\"detail\":\"expired 14 s ago\",\"fingerprint\":\"ab12\",\"request_id\":\"r-1\"}\n",
            "{\"timestamp\":\"2026-11-28T18:00:01Z\",\"message\":\"answered\",\"method\":\"GET\",\"route\":\"/user/profile\",",
            "\"status\":401,\"code\":\"token-expired\",\"request_id\":\"r-1\"}\n"
        );
        let text = "2026-11-28T18:00:00.5Z  INFO holdfast::caller: session token refused code=\"token-expired\" step=\"expiry\" \
                    detail=\"expired 14 s ago\" fingerprint=\"ab12\" request_id=\"r-1\" suppressed=0\n\
                    2026-11-28T18:00:01Z  INFO holdfast::access: answered method=\"GET\" route=\"/user/profile\" status=401 \
                    code=\"token-expired\" micros=12 request_id=\"r-1\"\n";
        for log in [json, text] {
            let one = from_log(log.as_bytes(), "r-1").unwrap().unwrap().first;
            assert_eq!(
                (one.status, one.code.as_str(), one.route.as_str()),
                (401, "token-expired", "/user/profile")
            );
            let judgement = one.judgement.unwrap();
            assert_eq!((judgement.step.as_str(), judgement.found.as_str()), ("expiry", "expired 14 s ago"));
            assert_eq!(judgement.fingerprint.as_deref(), Some("ab12"));
            for other in ["r-2", "r"] {
                assert!(from_log(log.as_bytes(), other).unwrap().is_none());
            }
        }
    }

    const TEXT: &str = "2026-11-28T18:00:00Z  INFO holdfast::access: answered method=\"GET\" route=\"/user/profile\" \
                        status=401 code=\"token-expired\" request_id=\"r-1\"";

    fn answer_in(log: &str) -> Option<(u16, String, String)> {
        let first = from_log(log.as_bytes(), "r-1").unwrap()?.first;
        Some((first.status, first.code, first.at.to_string()))
    }

    #[test]
    fn a_line_is_read_from_what_docker_and_journald_make_of_it() {
        let json = r#"{"timestamp":"2026-11-28T18:00:00Z","message":"answered","status":401,"code":"token-expired","request_id":"r-1"}"#;
        let coloured = TEXT.replace("INFO", "\u{1b}[32m INFO\u{1b}[0m").replace('=', "\u{1b}[2m=\u{1b}[0;1m");
        let prefixed = format!("\u{1b}[36mapi-1  | \u{1b}[0m{json}");
        for line in [TEXT, json, &coloured, &prefixed] {
            let bytes = line.as_bytes();
            for log in [
                line.to_owned(),
                json!({"log": format!("{line}\n"), "stream": "stderr", "time": "2026-11-28T18:00:00.1Z"})
                    .to_string(),
                json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": line, "_PID": "7"}).to_string(),
                json!({"__REALTIME_TIMESTAMP": "1", "MESSAGE": bytes, "_PID": "7"}).to_string(),
                json!({"labels": {"pod": "x"}, "message": line}).to_string(),
            ] {
                let expected = (401, "token-expired".to_owned(), "2026-11-28T18:00:00Z".to_owned());
                assert_eq!(answer_in(&log), Some(expected), "{log}");
            }
        }
        let taken_apart: Value = serde_json::from_str(json).unwrap();
        assert!(answer_in(&json!({"jsonPayload": taken_apart, "severity": "INFO"}).to_string()).is_some());
        assert_eq!(answer_in(&json!({"log": "r-1", "MESSAGE": [1, 2]}).to_string()), None);
    }

    #[test]
    fn who_sends_an_id_again_hides_nothing() {
        let log = "2026-11-28T18:00:00Z INFO refused code=\"token-expired\" step=\"expiry\" detail=\"a\" request_id=\"r-1\"\n\
                   2026-11-28T18:00:00Z INFO answered status=401 code=\"token-expired\" request_id=\"r-1\"\n\
                   2026-11-28T19:00:00Z INFO refused code=\"token-invalid\" step=\"shape\" detail=\"b\" request_id=\"r-1\"\n\
                   2026-11-28T19:00:00Z INFO answered status=401 code=\"token-invalid\" request_id=\"r-1\"\n";
        let recalled = from_log(log.as_bytes(), "r-1").unwrap().unwrap();
        assert_eq!((&*recalled.first.code, recalled.later), ("token-expired", 1));
        assert_eq!(recalled.first.judgement.unwrap().step, "expiry");
    }
}
