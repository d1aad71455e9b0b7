//! Looking into an OpenAPI document.

use serde_json::Value;

pub(super) fn resolve<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    match schema.get("$ref").and_then(Value::as_str).and_then(referenced) {
        Some(name) => document.pointer("/components/schemas")?.get(name),
        None => Some(schema),
    }
}

pub(super) fn referenced(reference: &str) -> Option<&str> {
    reference.strip_prefix("#/components/schemas/")
}

pub(super) fn members<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
