//! The page that makes the OpenAPI document readable, without a script.

use serde_json::{Map, Value};

use super::document::{members, referenced, resolve, text};
use super::example;

use crate::http::pages::{Markup, Page, Width, markup, prose};

/// The page of a document.
pub fn page(document: &Value) -> Page {
    let (version, base) = (text(document, "/info/version"), text(document, "/servers/0/url"));
    let mut body =
        markup!(r#"<h1>API</h1><p class="lead">{}</p>"#, prose(text(document, "/info/description")));
    markup!(body, r#"<ul class="facts"><li>Version {}</li>"#, version);
    markup!(body, "<li>Base address <code>{}</code></li></ul>", base);
    contents(&mut body, document);
    markup!(body, r#"<h2 id="credentials">Credentials</h2>"#);
    for (name, scheme) in members(document, "/components/securitySchemes") {
        let (form, description) = (text(scheme, "/bearerFormat"), prose(text(scheme, "/description")));
        markup!(body, r#"<div class="card"><h3><code>Authorization: Bearer {}</code></h3>"#, form);
        markup!(body, r#"<p>{} <span class="soft">({})</span></p></div>"#, description, name);
    }
    for tag in tags(document) {
        section(&mut body, document, tag);
    }
    markup!(body, r#"<h2 id="schemas">Schemas</h2>"#);
    for (name, schema) in members(document, "/components/schemas") {
        markup!(body, r#"<div class="card" id="schema-{}"><h3>{}</h3>"#, name, name);
        schema_of(&mut body, schema);
        markup!(body, "</div>");
    }
    Page::new("API", Width::Wide, "", &body).public()
}

fn tags(document: &Value) -> impl Iterator<Item = &Value> {
    document.pointer("/tags").and_then(Value::as_array).into_iter().flatten()
}

/// Path, method and description of each operation with that tag.
fn operations<'a>(
    document: &'a Value,
    tag: &'a str,
) -> impl Iterator<Item = (&'a String, &'a String, &'a Value)> {
    members(document, "/paths")
        .flat_map(|(path, item)| {
            item.as_object().into_iter().flatten().map(move |(method, operation)| (path, method, operation))
        })
        .filter(move |(_, _, operation)| {
            let tags = operation.pointer("/tags").and_then(Value::as_array);
            tags.is_some_and(|tags| tags.iter().any(|each| each == tag))
        })
}

fn contents(body: &mut Markup, document: &Value) {
    markup!(body, r#"<nav class="contents" aria-labelledby="contents"><h2 id="contents">Contents</h2>"#);
    markup!(body, r##"<ul><li><a href="#credentials">Credentials</a></li>"##);
    for tag in tags(document) {
        let name = text(tag, "/name");
        markup!(body, r##"<li><a href="#tag-{}">{}</a><ul>"##, slug(name), name);
        for (path, method, operation) in operations(document, name) {
            let (id, method) = (text(operation, "/operationId"), method.to_ascii_uppercase());
            markup!(body, r##"<li><a href="#{}"><code>{} {}</code></a></li>"##, id, method, path);
        }
        markup!(body, "</ul></li>");
    }
    markup!(body, r##"<li><a href="#schemas">Schemas</a></li>"##);
    markup!(body, r#"<li><a href="docs/errors">Error codes</a></li></ul></nav>"#);
}

/// A tag's name as part of an address.
fn slug(name: &str) -> String {
    name.to_lowercase().replace(|each: char| !each.is_ascii_alphanumeric(), "-")
}

fn section(body: &mut Markup, document: &Value, tag: &Value) {
    let name = text(tag, "/name");
    markup!(body, r#"<h2 id="tag-{}">{}</h2>"#, slug(name), name);
    markup!(body, r#"<p class="soft">{}</p>"#, prose(text(tag, "/description")));
    for (path, method, operation) in operations(document, name) {
        operation_of(body, document, path, method, operation);
    }
}

fn operation_of(body: &mut Markup, document: &Value, path: &str, method: &str, operation: &Value) {
    markup!(body, r#"<details class="op" id="{}"><summary>"#, text(operation, "/operationId"));
    markup!(body, r#"<span class="method {}">{}</span>"#, method, method.to_ascii_uppercase());
    markup!(body, r#"<code class="path">{}</code>"#, path);
    markup!(body, r#"<span class="says">{}</span></summary>"#, prose(text(operation, "/summary")));
    markup!(body, r#"<div class="inside">"#);
    if let Some(description) = operation.get("description").and_then(Value::as_str) {
        markup!(body, "<p>{}</p>", prose(description));
    }
    let credentials: Vec<&str> = operation
        .pointer("/security")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    match credentials.as_slice() {
        [] => markup!(body, "<p>Credential: none</p>"),
        some => markup!(body, "<p>Credential: <code>{}</code></p>", some.join(", ")),
    };
    parameters(body, operation);
    if let Some(content) = operation.pointer("/requestBody/content").and_then(Value::as_object) {
        markup!(body, "<h3>Body</h3>");
        for (kind, media) in content {
            markup!(
                body,
                "<p><code>{}</code> {}</p>",
                kind,
                shape(media.get("schema").unwrap_or(&Value::Null))
            );
            if let Some(schema) = media.get("schema").and_then(|schema| resolve(document, schema)) {
                schema_of(body, schema);
            }
        }
    }
    examples(body, document, path, method, operation);
    answers(body, operation);
    markup!(body, "</div></details>");
}

/// A line for the shell, and what comes back where all goes well.
fn examples(body: &mut Markup, document: &Value, path: &str, method: &str, operation: &Value) {
    let line = example::curl(document, path, method, operation);
    markup!(body, r#"<h3>Example</h3><pre tabindex="0"><code>{}</code></pre>"#, line);
    let good = members(operation, "/responses").find(|(status, _)| status.starts_with('2'));
    let schema = good.and_then(|(_, response)| response.pointer("/content/application~1json/schema"));
    if let Some(schema) = schema {
        // A value that came out of JSON goes into it again.
        let shown = serde_json::to_string_pretty(&example::of(document, schema)).unwrap_or_default();
        markup!(body, r#"<pre tabindex="0"><code>{}</code></pre>"#, shown);
    }
}

/// A description in which error codes lead to their pages. Only those of errors name any.
fn codes(status: &str, description: &str) -> Markup {
    if !status.starts_with(['4', '5']) {
        return prose(description);
    }
    let mut body = Markup::default();
    for (at, part) in description.split('`').enumerate() {
        if at % 2 == 1 && part.chars().all(|each| each.is_ascii_lowercase() || "-_0123456789".contains(each))
        {
            markup!(body, r#"<a href="docs/errors/{}"><code>{}</code></a>"#, part, part);
        } else {
            markup!(body, "{}", part);
        }
    }
    body
}

fn answers(body: &mut Markup, operation: &Value) {
    markup!(body, "<h3>Answers</h3><table><tbody>");
    for (status, response) in members(operation, "/responses") {
        let kind = status.chars().next().unwrap_or('0');
        let description = codes(status, text(response, "/description"));
        markup!(body, r#"<tr><td class="status s{}">{}</td><td>{}"#, kind, status, description);
        for media in response.pointer("/content").and_then(Value::as_object).into_iter().flatten() {
            let shape = shape(media.1.get("schema").unwrap_or(&Value::Null));
            markup!(body, r#" <span class="soft">{}</span>"#, shape);
        }
        markup!(body, "</td></tr>");
    }
    markup!(body, "</tbody></table>");
}

fn parameters(body: &mut Markup, operation: &Value) {
    let Some(parameters) = operation.pointer("/parameters").and_then(Value::as_array) else { return };
    markup!(body, "<h3>Parameters</h3><table><tbody>");
    for parameter in parameters {
        let is_required = parameter.get("required") == Some(&Value::Bool(true));
        let required = if is_required { ", required" } else { "" };
        let (name, place) = (text(parameter, "/name"), text(parameter, "/in"));
        markup!(body, "<tr><td><code>{}</code></td><td>in the {}{}</td>", name, place, required);
        markup!(body, "<td>{}</td></tr>", prose(text(parameter, "/description")));
    }
    markup!(body, "</tbody></table>");
}

/// The members of an object schema, or the values of an enumeration, as a table.
fn schema_of(body: &mut Markup, schema: &Value) {
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        markup!(body, r#"<p class="soft">{}</p>"#, prose(description));
    }
    let values = schema.get("enum").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    if values.is_none() && properties.is_none() {
        return;
    }
    markup!(body, "<table><tbody>");
    for (name, property) in properties.into_iter().flatten() {
        let description = prose(text(property, "/description"));
        markup!(body, "<tr><td><code>{}</code></td><td>{}</td>", name, shape(property));
        markup!(body, "<td>{}</td></tr>", description);
    }
    for (at, value) in values.into_iter().flatten().enumerate() {
        let meaning = prose(text(schema, &format!("/x-enum-descriptions/{at}")));
        let value = value.as_str().unwrap_or("…");
        markup!(body, "<tr><td><code>{}</code></td><td>{}</td></tr>", value, meaning);
    }
    markup!(body, "</tbody></table>");
}

/// A schema in a few words: its type, or a link to it.
fn shape(schema: &Value) -> Markup {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(referenced) {
        return markup!(r##"<a href="#schema-{}">{}</a>"##, name, name);
    }
    if let Some(inner) = schema.pointer("/allOf/0") {
        return shape(inner);
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        let mut body = Markup::default();
        for (at, each) in any.iter().enumerate() {
            markup!(body, "{}{}", if at > 0 { " or " } else { "" }, shape(each));
        }
        return body;
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            markup!("list of {}", shape(schema.get("items").unwrap_or(&Value::Null)))
        }
        Some(Value::String(name)) => markup!("{}", name),
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            markup!("{}", names.join(" or "))
        }
        _ => Markup::default(),
    }
}
