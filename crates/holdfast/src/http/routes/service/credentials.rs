//! The grant is injected here, so a call brings no credential of its own: not in its query, and not
//! in its body, however spelt.

use serde_json::Value;

use super::super::prelude::*;

/// What would take the grant's place, or prove the app's secret. `batch` holds further calls, with
/// parameters of their own.
const NAMES: [&str; 6] =
    ["access_token", "input_token", "appsecret_proof", "client_secret", "app_secret", "batch"];

/// The query's pairs, if none of them is a credential.
pub(super) fn none_in_query(query: &str) -> Result<Vec<(String, String)>, Problem> {
    let pairs: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match pairs.iter().find(|(name, _)| is_credential(name)) {
        Some(_) => Err(refused("query")),
        None => Ok(pairs),
    }
}

/// Refuses a body that carries a credential, and one of a kind in which that cannot be seen.
pub(super) fn none_in_body(kind: &str, body: &[u8]) -> Result<(), Problem> {
    let media_type = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_found = match media_type.as_str() {
        "application/json" => match serde_json::from_slice::<Value>(body) {
            Ok(value) => is_in_json(&value),
            Err(_) => {
                return Err(Problem::new(RequestCode::GraphCallNotAllowed)
                    .with_detail("The body is not the JSON that its Content-Type says."));
            }
        },
        "application/x-www-form-urlencoded" => {
            url::form_urlencoded::parse(body).any(|(name, _)| is_credential(&name))
        }
        "multipart/form-data" => is_in_multipart(body),
        _ => {
            return Err(Problem::new(RequestCode::UnsupportedMediaType).with_detail(
                "A Graph call takes application/json, application/x-www-form-urlencoded or multipart/form-data.",
            ));
        }
    };
    if is_found { Err(refused("body")) } else { Ok(()) }
}

fn refused(place: &str) -> Problem {
    Problem::new(RequestCode::GraphCallNotAllowed).with_detail(format!(
        "The {place} carries a credential or further calls of its own: the grant is injected here, so leave them out."
    ))
}

/// Whether the other side may read `name` as one of [`NAMES`]: it overlooks case and what stands in
/// brackets, and takes dots and blanks for underscores.
fn is_credential(name: &str) -> bool {
    let name = name.trim_matches(|each: char| each.is_whitespace() || each == '\0');
    let name = name.split(['[', '\0']).next().unwrap_or_default();
    let name: String = name
        .chars()
        .map(|each| if matches!(each, '.' | ' ') { '_' } else { each.to_ascii_lowercase() })
        .collect();
    NAMES.contains(&name.trim_matches('_'))
}

fn is_in_json(value: &Value) -> bool {
    match value {
        Value::Object(members) => {
            members.iter().any(|(name, value)| is_credential(name) || is_in_json(value))
        }
        Value::Array(items) => items.iter().any(is_in_json),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Every line that names a part, wherever the boundaries are: a file that looks like one costs its
/// sender a new name.
fn is_in_multipart(body: &[u8]) -> bool {
    body.split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(|line| String::from_utf8_lossy(line).to_lowercase())
        .filter(|line| line.trim_start().starts_with("content-disposition"))
        .any(|line| line.split(';').filter_map(parameter).any(|value| is_credential(&value)))
}

/// The value of `name` or `name*` in a header's parameter.
fn parameter(text: &str) -> Option<String> {
    let (name, value) = text.split_once('=')?;
    if !matches!(name.trim(), "name" | "name*") {
        return None;
    }
    let value = value.trim().trim_matches(|each| matches!(each, '"' | '\''));
    // `name*` is written as `charset'language'percent-encoded`.
    let value = value.rsplit('\'').next().unwrap_or_default();
    Some(
        url::form_urlencoded::parse(value.as_bytes())
            .next()
            .map_or_else(String::new, |(value, _)| value.into_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_cannot_bring_its_own_token() {
        assert_eq!(none_in_query("fields=id%2Cname&limit=3").unwrap().len(), 2);
        assert!(none_in_query("").unwrap().is_empty());
        for query in [
            "access_token=x",
            "fields=id&ACCESS_TOKEN=x",
            "access%5Ftoken=x",
            "access.token=x",
            "access+token=x",
            "access_token[]=x",
            "access_token%5B0%5D=x",
            "+access_token=x",
            "client_secret=x",
            "appsecret_proof=x",
            "batch=%5B%5D",
        ] {
            assert!(none_in_query(query).is_err(), "{query}");
        }
    }

    #[test]
    fn a_body_cannot_bring_its_own_token_in_any_form() {
        const JSON: &str = "application/json";
        const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
        const PARTS: &str = "multipart/form-data; boundary=b";
        for (kind, body) in [
            (JSON, r#"{"access_token":"x"}"#),
            (JSON, r#"{"a":[{"Access\u005ftoken":"x"}]}"#),
            (JSON, r#"{"client_secret":null}"#),
            (JSON, "access_token=x"),
            (FORM, "caption=a&access_token=x"),
            (FORM, "caption=a&acces%73_token=x"),
            (PARTS, "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nx\r\n--b--\r\n"),
            (PARTS, "--b\ncontent-disposition:form-data;name=ACCESS_TOKEN\n\nx\n--b--"),
            (PARTS, "--b\r\nContent-Disposition: form-data; name*=utf-8''access%5Ftoken\r\n\r\nx\r\n--b--"),
            ("text/plain", "access_token=x"),
            ("application/octet-stream", "anything"),
        ] {
            assert!(none_in_body(kind, body.as_bytes()).is_err(), "{kind} {body}");
        }
        for (kind, body) in [
            (JSON, r#"{"caption":"how to get an access_token","media_type":"REELS"}"#),
            ("Application/JSON;charset=utf-8", "[]"),
            (FORM, "caption=access_token%3Dx&tokens=3"),
            (
                PARTS,
                "--b\r\nContent-Disposition: form-data; name=\"caption\"\r\n\r\naccess_token\r\n--b--\r\n",
            ),
        ] {
            assert!(none_in_body(kind, body.as_bytes()).is_ok(), "{kind} {body}");
        }
    }
}
