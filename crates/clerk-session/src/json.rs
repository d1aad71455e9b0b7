//! JSON without ambiguity: an object that names a member twice is refused, at every depth.
//!
//! RFC 8259 §4 leaves duplicate names to the reader; two readers of one token that choose
//! differently are a hole.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bytes as JSON text (RFC 8259 §8.1): UTF-8 without a byte order mark.
pub(crate) fn text(bytes: Vec<u8>) -> Result<String, NotAnObject> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(NotAnObject("it begins with a byte order mark"));
    }
    String::from_utf8(bytes).map_err(|_| NotAnObject("it is not UTF-8"))
}

/// Reads one JSON object with unique member names and nothing behind it.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, NotAnObject> {
    read(text, Repeated::Refused)
}

/// As [`object`], but an inner object that names a member twice is read as `null`, so that one odd
/// entry of a list does not cost the others.
pub(crate) fn object_with_odd_entries(text: &str) -> Result<Map<String, Value>, NotAnObject> {
    read(text, Repeated::Null)
}

fn read(text: &str, repeated: Repeated) -> Result<Map<String, Value>, NotAnObject> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = repeated.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match value {
        Ok(Value::Object(members)) => Ok(members),
        // What is `null` in place of an object that names a member twice.
        Ok(Value::Null) if text.trim_start().starts_with('{') => Err(NotAnObject("it names a member twice")),
        Ok(_) => Err(NotAnObject("it is JSON, but not an object")),
        Err(error) if error.is_data() => Err(NotAnObject("it names a member twice")),
        Err(_) => Err(NotAnObject("it is not JSON")),
    }
}

/// What is wrong with a text that should be a JSON object. Never quotes the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotAnObject(&'static str);

/// What becomes of an object that names a member twice.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Repeated {
    Refused,
    Null,
}

impl<'de> DeserializeSeed<'de> for Repeated {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Repeated {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON with unique member names")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        let mut unique = true;
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                if self == Repeated::Refused {
                    return Err(de::Error::custom("duplicate member"));
                }
                unique = false;
            }
        }
        Ok(if unique { Value::Object(object) } else { Value::Null })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_named_twice_is_refused_at_every_depth() {
        for text in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":{"b":1,"b":2}}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            assert_eq!(object(text), Err(NotAnObject("it names a member twice")), "{text}");
        }
    }

    #[test]
    fn where_odd_entries_are_allowed_only_they_are_lost() {
        let read = object_with_odd_entries(r#"{"keys":[{"a":1},{"a":1,"a":2},{"a":3}]}"#).unwrap();
        assert_eq!(Value::Object(read), serde_json::json!({"keys": [{"a": 1}, null, {"a": 3}]}));
        let twice = object_with_odd_entries(r#" {"keys":[],"keys":[]}"#);
        assert_eq!(twice, Err(NotAnObject("it names a member twice")));
    }

    #[test]
    fn what_is_not_an_object_is_refused() {
        for text in ["null", "[]", "1", "\"x\""] {
            assert_eq!(object(text), Err(NotAnObject("it is JSON, but not an object")), "{text}");
        }
        for text in ["", "{", "{}x", "{} {}", "{\"a\":}", "{'a':1}", "{\"a\":1,\"a\":"] {
            assert_eq!(object(text), Err(NotAnObject("it is not JSON")), "{text}");
        }
        assert_eq!(text(b"\xef\xbb\xbf{}".to_vec()), Err(NotAnObject("it begins with a byte order mark")));
        assert_eq!(text(b"{\"a\":\"\xff\"}".to_vec()), Err(NotAnObject("it is not UTF-8")));
        assert_eq!(text(b"{}".to_vec()), Ok("{}".to_owned()));
        assert!(object(" {\"a\":[1,-1,1.5,true,null,\"x\"]} ").is_ok());
    }

    #[test]
    fn every_value_is_read_as_serde_json_reads_it() {
        let text = r#"{"a":[1,-1,1.5,true,false,null,"x"],"b":{"c":18446744073709551615,"d":"\u0041"}}"#;
        assert_eq!(Value::Object(object(text).unwrap()), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn endless_nesting_is_an_error_and_not_a_crash() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(object(&deep).is_err());
    }
}
