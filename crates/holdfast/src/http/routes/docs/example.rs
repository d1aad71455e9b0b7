//! Examples made from schemas, and the `curl` line that sends one.

use serde_json::{Map, Value, json};

use super::document::{members, resolve, text};

/// Schemas nest a few levels; one that contains itself must not go on for ever.
const DEEPEST: usize = 6;

/// A plausible value of a schema.
pub(super) fn of(document: &Value, schema: &Value) -> Value {
    value(document, schema, 0)
}

fn value(document: &Value, schema: &Value, depth: usize) -> Value {
    let Some(schema) = resolve(document, schema).filter(|_| depth < DEEPEST) else { return Value::Null };
    let deeper = |inner: &Value| value(document, inner, depth + 1);
    if let Some(given) = schema.get("example").or_else(|| schema.pointer("/examples/0")) {
        return given.clone();
    }
    if let Some(fixed) = schema.get("const").or_else(|| schema.pointer("/enum/0")) {
        return fixed.clone();
    }
    let choices = ["/allOf/0", "/anyOf/0", "/oneOf/0"];
    if let Some(first) = choices.iter().find_map(|pointer| schema.pointer(pointer)) {
        return deeper(first);
    }
    match schema.get("type").map(|kind| kind.pointer("/0").unwrap_or(kind)).and_then(Value::as_str) {
        Some("object") => {
            let properties = members(schema, "/properties");
            Value::Object(
                properties.map(|(name, inner)| (name.clone(), deeper(inner))).collect::<Map<_, _>>(),
            )
        }
        Some("array") => json!([deeper(schema.get("items").unwrap_or(&Value::Null))]),
        Some("integer" | "number") => json!(7),
        Some("boolean") => json!(true),
        Some("string") => json!(word(text(schema, "/format"))),
        Some(_) | None => Value::Null,
    }
}

fn word(format: &str) -> &'static str {
    match format {
        "date-time" => "2026-11-23T12:00:00Z",
        "uri" => "https://app.example.com/settings",
        "uuid" => "01a223b0-5c74-7c42-8140-8cb91adc280a",
        _ => "…",
    }
}

/// The line that calls an operation from a shell; `$TOKEN` is the credential, capitals stand for
/// what is in the path.
pub(super) fn curl(document: &Value, path: &str, method: &str, operation: &Value) -> String {
    let mut line = "curl".to_owned();
    if method != "get" {
        line = format!("{line} -X {}", method.to_ascii_uppercase());
    }
    if operation.pointer("/security/0").is_some() {
        line += " -H \"Authorization: Bearer $TOKEN\"";
    }
    if let Some(body) = operation.pointer("/requestBody/content/application~1json/schema") {
        line = format!("{line} -H 'Content-Type: application/json' -d '{}'", of(document, body));
    }
    let path: String = path
        .split('{')
        .enumerate()
        .map(|(at, part)| match part.split_once('}') {
            Some((name, rest)) if at > 0 => {
                format!("{}{rest}", name.trim_start_matches('*').to_ascii_uppercase())
            }
            Some(_) | None => part.to_owned(),
        })
        .collect();
    format!("{line} '{}{path}'", text(document, "/servers/0/url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({
            "servers": [{"url": "https://api.example.com"}],
            "components": {"schemas": {"Thing": {"type": "object", "properties": {
                "id": {"type": "string"}, "at": {"type": ["string", "null"], "format": "date-time"},
                "self": {"$ref": "#/components/schemas/Thing"}, "state": {"oneOf": [{"const": "on"}, {"const": "off"}]},
                "tags": {"type": "array", "items": {"type": "string"}},
            }}}},
        })
    }

    #[test]
    fn a_schema_that_contains_itself_ends() {
        let example = of(&document(), &json!({"$ref": "#/components/schemas/Thing"}));
        assert_eq!(example["at"], "2026-11-23T12:00:00Z");
        assert_eq!(example["state"], "on");
        assert_eq!(example["tags"], json!(["…"]));
        assert!(example.to_string().len() < 2_000);
    }

    #[test]
    fn a_line_for_the_shell_has_method_credential_body_and_path() {
        let operation = json!({
            "security": [{"session": []}],
            "requestBody": {"content": {"application/json": {"schema": {"type": "object", "properties": {"name": {"const": "x"}}}}}},
        });
        assert_eq!(
            curl(&document(), "/things/{thing_id}/go", "post", &operation),
            "curl -X POST -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' \
             -d '{\"name\":\"x\"}' 'https://api.example.com/things/THING_ID/go'"
        );
    }
}
