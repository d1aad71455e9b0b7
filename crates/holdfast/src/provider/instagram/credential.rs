//! Rejects pass-through calls with credentials of their own, in any place and any spelling.
//!
//! The Graph API reads parameters from the query, a form, a multipart form or JSON alike, and as
//! PHP does: a dot or a space in a name counts as an underscore, and a name ends at a NUL. If a
//! call carried another token, the answer about that token would be taken for one about the grant
//! in use.

use bytes::Bytes;
use serde_json::Value;

/// Parameter names that no call may use, as letters and digits only.
const CREDENTIALS: [&str; 7] = [
    "accesstoken",
    "refreshtoken",
    "inputtoken",
    "oauthtoken",
    "clientsecret",
    "appsecret",
    "appsecretproof",
];
/// The parameter with further calls, which have parameters of their own.
const BATCH: &str = "batch";
/// The parameter by which a call can be another one than its method says.
const METHOD: &str = "method";
/// Paths that hand out or inspect tokens; one that the app fetched by itself would be lost to the
/// connection.
const TOKEN_PATHS: [&str; 4] = ["accesstoken", "refreshaccesstoken", "oauth", "debugtoken"];
/// Rounds of percent-encoding that are decoded.
const ROUNDS: usize = 3;

/// Why a call is not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotPassable {
    /// The path is a token endpoint.
    #[error("Token endpoints cannot be called through this route.")]
    TokenPath,
    /// It contains a credential.
    #[error(
        "The call carries a credential (access_token, client_secret, appsecret_proof). Leave it out: Holdfast adds the grant \
         itself."
    )]
    Credential,
    /// It contains further calls, each with parameters of its own.
    #[error(
        "The call contains a batch of calls. Send each call by itself: Holdfast adds the grant to one call at a time."
    )]
    Batch,
    /// Its method is a parameter: what is sent as a read may be done twice.
    #[error("The call names a method as a parameter. Use that method for the call itself.")]
    Method,
    /// The body cannot be parsed as its content type.
    #[error("The body does not match its Content-Type, so it cannot be passed on.")]
    Unreadable,
    /// The Graph API takes no body of this content type.
    #[error("The body must be application/x-www-form-urlencoded, multipart/form-data or application/json.")]
    ContentType,
}

/// Checks a path.
pub(super) fn path(path: &str) -> Result<(), NotPassable> {
    let is_of_tokens = |segment: &str| spellings(segment).any(|each| TOKEN_PATHS.contains(&each.as_str()));
    if path.split('/').any(is_of_tokens) { Err(NotPassable::TokenPath) } else { Ok(()) }
}

/// Checks the parameter names of a query, which are decoded once.
pub(super) fn query(pairs: &[(String, String)]) -> Result<(), NotPassable> {
    let mut names = pairs.iter().map(|(name, _)| name.as_str());
    none_of(names.clone())?;
    if names.any(|name| spellings(name).any(|each| each == METHOD)) {
        return Err(NotPassable::Method);
    }
    Ok(())
}

/// Checks a body. Answers with the content type that it goes out with: what was said beside the one
/// that was looked at could have others read the body differently.
pub(super) fn body(content_type: &str, body: &Bytes) -> Result<String, NotPassable> {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let essence = essence.trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => form(body)?,
        "multipart/form-data" => {
            let boundary = boundary(parameters).ok_or(NotPassable::Unreadable)?;
            multipart(boundary, body)?;
            return Ok(format!("{essence}; boundary={boundary}"));
        }
        "application/json" => {
            let value: Value = serde_json::from_slice(body).map_err(|_| NotPassable::Unreadable)?;
            json(&value)?;
        }
        _ => return Err(NotPassable::ContentType),
    }
    Ok(essence)
}

/// Fails if a parser could read one of the names as a credential or a batch.
fn none_of<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), NotPassable> {
    for spelling in names.flat_map(spellings) {
        if CREDENTIALS.contains(&spelling.as_str()) {
            return Err(NotPassable::Credential);
        }
        if spelling == BATCH {
            return Err(NotPassable::Batch);
        }
    }
    Ok(())
}

/// The letters and digits of the name in lower case, whole and up to a bracket or NUL: as written,
/// and after each round of decoding.
fn spellings(name: &str) -> impl Iterator<Item = String> {
    let mut next = Some(name.to_owned());
    let rounds = std::iter::from_fn(move || {
        let now = next.take()?;
        let decoded: String = percent_decoded(&now.replace('+', " "));
        next = (decoded != now).then_some(decoded);
        Some(now)
    });
    rounds.take(ROUNDS + 1).flat_map(|name| {
        let bare = name.trim_start_matches(|each: char| !each.is_ascii_alphanumeric());
        let whole = letters(bare);
        let cut = letters(bare.split(['[', '\0']).next().unwrap_or_default());
        [whole, cut]
    })
}

fn letters(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|each| each.to_ascii_lowercase()).collect()
}

fn percent_decoded(text: &str) -> String {
    // The form parser takes a whole pair, so the name's own separators are escaped.
    let escaped = text.replace('&', "%26").replace('=', "%3D").replace('+', "%2B");
    url::form_urlencoded::parse(escaped.as_bytes())
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

/// Checks a form. Some parsers read `;` as `&`.
fn form(body: &[u8]) -> Result<(), NotPassable> {
    for part in body.split(|byte| matches!(byte, b'&' | b';')) {
        let names: Vec<String> =
            url::form_urlencoded::parse(part).map(|(name, _)| name.into_owned()).collect();
        none_of(names.iter().map(String::as_str))?;
    }
    Ok(())
}

fn json(value: &Value) -> Result<(), NotPassable> {
    match value {
        Value::Object(members) => {
            none_of(members.keys().map(String::as_str))?;
            members.values().try_for_each(json)
        }
        Value::Array(items) => items.iter().try_for_each(json),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
    }
}

/// The one boundary, where every reader finds the same: of characters that need no quotes.
fn boundary(parameters: &str) -> Option<&str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.'+".contains(&byte);
    let mut named = parameters.split(';').filter_map(|each| {
        let (name, value) = each.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"'))
    });
    let boundary =
        named.next().filter(|each| (1..=70).contains(&each.len()) && each.bytes().all(is_plain))?;
    named.next().is_none().then_some(boundary)
}

/// Checks every header of every part, with any line ending.
fn multipart(boundary: &str, body: &[u8]) -> Result<(), NotPassable> {
    let mark = format!("--{boundary}");
    if find(body, mark.as_bytes()).is_none() {
        return Err(NotPassable::Unreadable);
    }
    // The text before the first boundary is no part, but some parsers read it as one.
    for part in split(body, mark.as_bytes()) {
        let header = [&b"\r\n\r\n"[..], b"\n\n", b"\r\r"]
            .iter()
            .filter_map(|end| find(part.trim_ascii_start(), end))
            .min()
            .map_or(part, |end| &part.trim_ascii_start()[..end]);
        let header = String::from_utf8_lossy(header);
        for parameter in header.split(['\r', '\n', ';']) {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let name = name.trim().trim_end_matches('*');
            if !name.split('*').next().unwrap_or_default().eq_ignore_ascii_case("name") {
                continue;
            }
            // RFC 5987: charset, language, value.
            let value = value.trim().trim_matches('"').replace('\\', "");
            let last = value.rsplit('\'').next().unwrap_or_default();
            none_of([value.as_str(), last].into_iter())?;
        }
    }
    Ok(())
}

fn split<'a>(text: &'a [u8], mark: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = find(text, mark) else { return Some(text) };
        rest = Some(&text[at + mark.len()..]);
        Some(&text[..at])
    })
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|each| each == mark)
}

#[cfg(test)]
mod tests;
