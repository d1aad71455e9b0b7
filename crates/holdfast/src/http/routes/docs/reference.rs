//! The page that makes the OpenAPI document readable, without a script.

use serde_json::{Map, Value};

use super::document::{members, referenced, resolve, text};
use super::example;

use crate::http::pages::{Markup, Page, Width};

/// The page of a document.
pub fn page(document: &Value) -> Page {
    let mut body = Markup::default();
    body.raw("<h1>API</h1><p class=\"lead\">").prose(text(document, "/info/description")).raw("</p>");
    body.raw("<ul class=\"facts\"><li>Version ").text(text(document, "/info/version"));
    body.raw("</li><li>Base address <code>").text(text(document, "/servers/0/url")).raw("</code></li></ul>");
    contents(&mut body, document);
    body.raw("<h2 id=\"credentials\">Credentials</h2>");
    for (name, scheme) in members(document, "/components/securitySchemes") {
        body.raw("<div class=\"card\"><h3><code>Authorization: Bearer ");
        body.text(scheme.get("bearerFormat").and_then(Value::as_str).unwrap_or_default());
        body.raw("</code></h3><p>").prose(text(scheme, "/description"));
        body.raw(" <span class=\"soft\">(").text(name).raw(")</span></p></div>");
    }
    for tag in tags(document) {
        section(&mut body, document, tag);
    }
    body.raw("<h2 id=\"schemas\">Schemas</h2>");
    for (name, schema) in members(document, "/components/schemas") {
        body.raw("<div class=\"card\" id=\"schema-").text(name).raw("\"><h3>").text(name).raw("</h3>");
        schema_of(&mut body, schema);
        body.raw("</div>");
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
    body.raw("<nav class=\"contents\" aria-labelledby=\"contents\"><h2 id=\"contents\">Contents</h2>");
    body.raw("<ul><li><a href=\"#credentials\">Credentials</a></li>");
    for tag in tags(document) {
        let name = text(tag, "/name");
        body.raw("<li><a href=\"#tag-").text(slug(name)).raw("\">").text(name).raw("</a><ul>");
        for (path, method, operation) in operations(document, name) {
            body.raw("<li><a href=\"#").text(text(operation, "/operationId")).raw("\"><code>");
            body.text(method.to_ascii_uppercase()).raw(" ").text(path).raw("</code></a></li>");
        }
        body.raw("</ul></li>");
    }
    body.raw("<li><a href=\"#schemas\">Schemas</a></li><li><a href=\"docs/errors\">Error codes</a></li></ul></nav>");
}

/// A tag's name as part of an address.
fn slug(name: &str) -> String {
    name.to_lowercase().replace(|each: char| !each.is_ascii_alphanumeric(), "-")
}

fn section(body: &mut Markup, document: &Value, tag: &Value) {
    let name = text(tag, "/name");
    body.raw("<h2 id=\"tag-").text(slug(name)).raw("\">").text(name).raw("</h2><p class=\"soft\">");
    body.prose(text(tag, "/description")).raw("</p>");
    for (path, method, operation) in operations(document, name) {
        operation_of(body, document, path, method, operation);
    }
}

fn operation_of(body: &mut Markup, document: &Value, path: &str, method: &str, operation: &Value) {
    body.raw("<details class=\"op\" id=\"").text(text(operation, "/operationId")).raw("\"><summary>");
    body.raw("<span class=\"method ").text(method).raw("\">").text(method.to_ascii_uppercase());
    body.raw("</span><code class=\"path\">").text(path).raw("</code><span class=\"says\">");
    body.prose(text(operation, "/summary")).raw("</span></summary><div class=\"inside\">");
    if let Some(description) = operation.get("description").and_then(Value::as_str) {
        body.raw("<p>").prose(description).raw("</p>");
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
    body.raw("<p>Credential: ");
    match credentials.as_slice() {
        [] => body.raw("none"),
        some => body.raw("<code>").text(some.join(", ")).raw("</code>"),
    };
    body.raw("</p>");
    parameters(body, operation);
    if let Some(content) = operation.pointer("/requestBody/content").and_then(Value::as_object) {
        body.raw("<h3>Body</h3>");
        for (kind, media) in content {
            body.raw("<p><code>").text(kind).raw("</code> ");
            shape(body, media.get("schema").unwrap_or(&Value::Null));
            body.raw("</p>");
            if let Some(schema) = media.get("schema").and_then(|schema| resolve(document, schema)) {
                schema_of(body, schema);
            }
        }
    }
    examples(body, document, path, method, operation);
    answers(body, operation);
    body.raw("</div></details>");
}

/// A line for the shell, and what comes back where all goes well.
fn examples(body: &mut Markup, document: &Value, path: &str, method: &str, operation: &Value) {
    body.raw("<h3>Example</h3><pre tabindex=\"0\"><code>")
        .text(example::curl(document, path, method, operation));
    body.raw("</code></pre>");
    let good = members(operation, "/responses").find(|(status, _)| status.starts_with('2'));
    let schema = good.and_then(|(_, response)| response.pointer("/content/application~1json/schema"));
    if let Some(schema) = schema {
        // A value that came out of JSON goes into it again.
        let shown = serde_json::to_string_pretty(&example::of(document, schema)).unwrap_or_default();
        body.raw("<pre tabindex=\"0\"><code>").text(shown).raw("</code></pre>");
    }
}

/// A description in which error codes lead to their pages. Only those of errors name any.
fn codes(body: &mut Markup, status: &str, description: &str) {
    if !status.starts_with(['4', '5']) {
        body.prose(description);
        return;
    }
    for (at, part) in description.split('`').enumerate() {
        if at % 2 == 1 && part.chars().all(|each| each.is_ascii_lowercase() || "-_0123456789".contains(each))
        {
            body.raw("<a href=\"docs/errors/").text(part).raw("\"><code>").text(part).raw("</code></a>");
        } else {
            body.text(part);
        }
    }
}

fn answers(body: &mut Markup, operation: &Value) {
    body.raw("<h3>Answers</h3><table><tbody>");
    for (status, response) in members(operation, "/responses") {
        body.raw("<tr><td class=\"status s").text(status.chars().next().unwrap_or('0')).raw("\">");
        body.text(status).raw("</td><td>");
        codes(body, status, text(response, "/description"));
        for media in response.pointer("/content").and_then(Value::as_object).into_iter().flatten() {
            body.raw(" <span class=\"soft\">");
            shape(body, media.1.get("schema").unwrap_or(&Value::Null));
            body.raw("</span>");
        }
        body.raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

fn parameters(body: &mut Markup, operation: &Value) {
    let Some(parameters) = operation.pointer("/parameters").and_then(Value::as_array) else { return };
    body.raw("<h3>Parameters</h3><table><tbody>");
    for parameter in parameters {
        body.raw("<tr><td><code>").text(text(parameter, "/name")).raw("</code></td><td>in the ");
        body.text(text(parameter, "/in"));
        if parameter.get("required") == Some(&Value::Bool(true)) {
            body.raw(", required");
        }
        body.raw("</td><td>").prose(text(parameter, "/description")).raw("</td></tr>");
    }
    body.raw("</tbody></table>");
}

/// The members of an object schema, or the values of an enumeration, as a table.
fn schema_of(body: &mut Markup, schema: &Value) {
    if let Some(description) = schema.get("description").and_then(Value::as_str) {
        body.raw("<p class=\"soft\">").prose(description).raw("</p>");
    }
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let values = schema.get("enum").and_then(Value::as_array);
    let properties = schema.get("properties").and_then(Value::as_object);
    if variants.is_none() && values.is_none() && properties.is_none() {
        return;
    }
    body.raw("<table><tbody>");
    for (name, property) in properties.into_iter().flatten() {
        body.raw("<tr><td><code>").text(name).raw("</code></td><td>");
        shape(body, property);
        body.raw("</td><td>").prose(text(property, "/description")).raw("</td></tr>");
    }
    for variant in variants.into_iter().flatten() {
        let value = variant.get("const").or_else(|| variant.pointer("/enum/0"));
        body.raw("<tr><td><code>").text(value.and_then(Value::as_str).unwrap_or("…")).raw("</code></td><td>");
        body.prose(text(variant, "/description")).raw("</td></tr>");
    }
    for value in values.into_iter().flatten() {
        body.raw("<tr><td><code>").text(value.as_str().unwrap_or("…")).raw("</code></td></tr>");
    }
    body.raw("</tbody></table>");
}

/// A schema in a few words: its type, or a link to it.
fn shape(body: &mut Markup, schema: &Value) {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(referenced) {
        body.raw("<a href=\"#schema-").text(name).raw("\">").text(name).raw("</a>");
        return;
    }
    if let Some(inner) = schema.pointer("/allOf/0") {
        return shape(body, inner);
    }
    if let Some(any) = schema.get("anyOf").and_then(Value::as_array) {
        for (at, each) in any.iter().enumerate() {
            if at > 0 {
                body.raw(" or ");
            }
            shape(body, each);
        }
        return;
    }
    match schema.get("type") {
        Some(Value::String(name)) if name == "array" => {
            body.raw("list of ");
            shape(body, schema.get("items").unwrap_or(&Value::Null));
        }
        Some(Value::String(name)) => {
            body.text(name);
        }
        Some(Value::Array(names)) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            body.text(names.join(" or "));
        }
        _ => {}
    }
}
