//! Reads Instagram's answers, in their documented and their real form, without judging them.
//!
//! Documentation and reality differ: the code exchange is documented as `{"data":[{…}]}` with
//! string ids and comma-separated permissions, and answers flat, with numeric ids beyond 2^53 and
//! an array. Both are read. Bodies are walked by hand instead of derived: a duplicate or oddly
//! typed member that we do not need must never cost us a token, which is issued only once.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserializer as _;
use serde::de::Visitor;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::display_text::{self, HANDLE, NAME};
use crate::provider::{Account, LONGEST_LIFE};

/// Longest accepted id; Meta's have at most 20 digits.
const MAX_ID_CHARS: usize = 64;

/// A body, classified by its form alone. The HTTP status plays no part: an app-level block has been
/// seen with status 200.
#[derive(Debug)]
pub enum Body {
    /// A JSON object without an error; a `data` envelope is already opened.
    Object(Map<String, Value>),
    /// One of the error forms.
    Error(ErrorBody),
    /// Empty, HTML, truncated, or JSON of a form that we do not know.
    Unreadable,
}

/// An error, read from any of its forms.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorBody {
    /// Which form.
    pub form: ErrorForm,
    /// The Graph code. The other form puts the HTTP status there, so it leaves it empty.
    pub code: Option<i64>,
    /// The Graph sub-code; often absent on graph.instagram.com.
    pub subcode: Option<i64>,
    /// The message; may quote a token.
    pub message: String,
    /// Graph says that trying again may help.
    pub is_transient: bool,
}

/// The forms of an error body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ErrorForm {
    /// `{"error":{"message","type","code","error_subcode"?,…}}`
    #[default]
    Graph,
    /// `{"error_type","code","error_message"}`: the code exchange on api.instagram.com. Also
    /// OAuth's own `{"error","error_description"}`, never recorded there; and
    /// `{"meta":{"error_type","code","error_message"}}` of the legacy API.
    CodeExchange,
}

impl Body {
    /// Reads a body.
    pub fn read(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // A byte that is no UTF-8 costs its character, not the token beside it.
        match lenient(&String::from_utf8_lossy(bytes)) {
            Value::Object(object) => Self::of_object(object),
            _ => Self::Unreadable,
        }
    }

    /// Reads an already parsed object.
    pub fn of_object(mut object: Map<String, Value>) -> Self {
        if let Some(Value::Object(error)) = object.get("error") {
            return Self::Error(graph_error(error));
        }
        if let Some(error) = object.get("error").and_then(Value::as_str) {
            let message = text(&object, "error_description").unwrap_or_else(|| error.to_owned());
            return Self::Error(code_exchange_error(message));
        }
        // Any other `error` is of unknown form, but certainly no success.
        if object.get("error").is_some_and(|error| !error.is_null()) {
            return Self::Unreadable;
        }
        let meta = object.get("meta").and_then(Value::as_object);
        if let Some(error) = named_error(&object).or_else(|| named_error(meta?)) {
            return Self::Error(error);
        }
        // `data` is an envelope only if nothing that we need is beside it.
        if object.contains_key("access_token") || object.contains_key("id") {
            return Self::Object(object);
        }
        match object.remove("data") {
            Some(Value::Array(items)) => match items.into_iter().next() {
                Some(Value::Object(inner)) => Self::Object(inner),
                Some(_) | None => Self::Object(object),
            },
            Some(Value::Object(inner)) => Self::Object(inner),
            Some(_) | None => Self::Object(object),
        }
    }
}

/// How deep [`lenient`] looks for what can be read: an error's message, or a member of an envelope.
const LENIENT_DEPTH: u8 = 4;

/// Reads JSON as far as it can be read: half of a surrogate pair, as of a name that was cut, is
/// replaced, and a number beyond all bounds is `true`, which no member that we need can be. A value
/// that is not understood must not hide that it stands for an error.
pub(super) fn lenient(json: &str) -> Value {
    read_leniently(json, LENIENT_DEPTH)
}

fn read_leniently(json: &str, depth: u8) -> Value {
    const UNREADABLE: Value = Value::Bool(true);
    if let Ok(value) = serde_json::from_str(json) {
        return value;
    }
    let Some(depth) = depth.checked_sub(1) else { return UNREADABLE };
    let each = |member: &RawValue| read_leniently(member.get(), depth);
    if let Ok(members) = serde_json::from_str::<BTreeMap<String, &RawValue>>(json) {
        Value::Object(members.into_iter().map(|(name, member)| (name, each(member))).collect())
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(json) {
        Value::Array(items.into_iter().map(each).collect())
    } else {
        decoded(json).map_or(UNREADABLE, Value::String)
    }
}

/// What a JSON string says. Half of a surrogate pair, as of a caption that was cut, is replaced.
/// `None` for what is no string.
pub(super) fn decoded(string: &str) -> Option<String> {
    struct Lossy;
    impl Visitor<'_> for Lossy {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a string")
        }

        fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
            Ok(String::from_utf8_lossy(bytes).into_owned())
        }
    }
    // Only reads as bytes what no `String` can hold.
    serde_json::Deserializer::from_str(string).deserialize_bytes(Lossy).ok()
}

/// An answer that brings a token. `token_type` is not needed.
#[derive(Debug)]
pub struct TokenBody {
    /// The token. After a refresh it may be the only one that works.
    pub access_token: SecretString,
    /// The app-scoped account id, of a code exchange; `None` where absent or inexact. The code is
    /// spent by then, so a bad id must not lose the token: `/me` tells whose it is.
    pub user_id: Option<String>,
    /// The granted scopes; `None` where the answer does not say.
    pub permissions: Option<Vec<String>>,
    /// Its lifetime from now, never zero; `None` where the answer does not say, such as that to a
    /// code exchange: one hour, per the documentation.
    pub expires_in: Option<Duration>,
}

/// Why a readable answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no token in it, or an empty one, or a placeholder.
    #[error("the answer holds no token")]
    NoToken,
    /// The lifetime is missing, not a number, or less than a second.
    #[error("the answer holds no lifetime for the token")]
    NoLifetime,
    /// There is no id in it, or one that was already rounded.
    #[error("the answer holds no exact account id")]
    NoId,
    /// It is about an account that may not be connected.
    #[error("the account is a personal one; only professional accounts can be connected")]
    Personal,
}

/// Reads an answer that brings a token.
pub fn token(object: &Map<String, Value>) -> Result<TokenBody, Unusable> {
    Ok(TokenBody {
        access_token: access_token(object)?,
        user_id: object.get("user_id").and_then(exact_id),
        permissions: object.get("permissions").and_then(permissions),
        expires_in: lifetime(object),
    })
}

/// `expires_in` in whole seconds, read from a number or a text, at most [`LONGEST_LIFE`].
fn lifetime(object: &Map<String, Value>) -> Option<Duration> {
    let seconds = match object.get("expires_in")? {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    let capped = || Duration::from_secs_f64(seconds.min(LONGEST_LIFE.as_secs_f64()));
    (seconds.is_finite() && seconds >= 1.0).then(|| Duration::from_secs(capped().as_secs()))
}

/// Reads the answer to `/me`. Everything but an id may be missing.
///
/// `id` is the app-scoped id. If an answer has only `user_id`, as in the documentation's sample,
/// that is used instead: it identifies the account as well.
pub fn account(object: &Map<String, Value>) -> Result<Account, Unusable> {
    // An id of no use must not spoil the other.
    let professional_id = object.get("user_id").and_then(exact_id);
    let id = object.get("id").and_then(exact_id).or_else(|| professional_id.clone()).ok_or(Unusable::NoId)?;
    Ok(Account {
        id,
        professional_id,
        username: line(object, "username", HANDLE),
        name: line(object, "name", NAME),
        // Documented as `Media_Creator`, recorded as `MEDIA_CREATOR`.
        account_type: line(object, "account_type", HANDLE).map(|kind| kind.to_lowercase()),
        profile_picture_url: text(object, "profile_picture_url").and_then(|url| display_text::picture(&url)),
    })
}

fn line(object: &Map<String, Value>, name: &str, most: usize) -> Option<String> {
    text(object, name).and_then(|text| display_text::line(&text, most))
}

/// An id exactly as sent. JSON numbers are exact up to 2^64; a floating-point number is refused,
/// since it may be off by one, and so is zero, which is nobody's.
fn exact_id(value: &Value) -> Option<String> {
    match value {
        Value::String(id) => {
            let fits = id.chars().any(|each| each != '0')
                && id.chars().count() <= MAX_ID_CHARS
                && id.chars().all(|each| each.is_ascii_graphic());
            fits.then(|| id.clone())
        }
        Value::Number(number) => number.as_u64().filter(|id| *id > 0).map(|id| id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The token, unless it is empty or a placeholder such as `undefined`; both have been seen.
fn access_token(object: &Map<String, Value>) -> Result<SecretString, Unusable> {
    let Some(Value::String(token)) = object.get("access_token") else { return Err(Unusable::NoToken) };
    let placeholder = matches!(token.as_str(), "undefined" | "null" | "None");
    if token.is_empty() || placeholder || !token.chars().all(|each| each.is_ascii_graphic()) {
        return Err(Unusable::NoToken);
    }
    Ok(SecretString::from(token.clone()))
}

/// An array of names, or names in one string separated by commas or spaces. `None` for an empty
/// list, which cannot be true: a token without scopes is of no use.
fn permissions(value: &Value) -> Option<Vec<String>> {
    let names: Vec<&str> = match value {
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        Value::String(list) => list.split([',', ' ']).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    };
    let mut granted = Vec::with_capacity(names.len());
    for name in names.into_iter().map(str::trim).filter(|name| !name.is_empty()) {
        if !granted.iter().any(|known| known == name) {
            granted.push(name.to_owned());
        }
    }
    (!granted.is_empty()).then_some(granted)
}

fn graph_error(error: &Map<String, Value>) -> ErrorBody {
    ErrorBody {
        form: ErrorForm::Graph,
        code: error.get("code").and_then(integer),
        subcode: error.get("error_subcode").and_then(integer),
        message: text(error, "message").unwrap_or_default(),
        is_transient: error.get("is_transient").and_then(Value::as_bool).unwrap_or(false),
    }
}

fn named_error(object: &Map<String, Value>) -> Option<ErrorBody> {
    let (kind, message) = (text(object, "error_type"), text(object, "error_message"));
    (kind.is_some() || message.is_some()).then(|| code_exchange_error(message.unwrap_or_default()))
}

fn code_exchange_error(message: String) -> ErrorBody {
    ErrorBody { form: ErrorForm::CodeExchange, message, ..ErrorBody::default() }
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(digits) => digits.parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    object.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}
