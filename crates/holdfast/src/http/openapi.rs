//! The OpenAPI document, from the types of the handlers.

use std::collections::BTreeSet;

use aide::generate::in_context;
use aide::openapi::{
    Components, Info, License, OpenApi, Parameter, ParameterData, ParameterSchemaOrContent, PathItem,
    QueryStyle, ReferenceOr, SchemaObject, SecurityScheme, Server, Tag,
};
use aide::transform::TransformOperation;
use schemars::Schema;
use serde_json::{Value, json};

use super::openapi_headers;
use crate::outbox::Event;

/// The scheme of routes for the signed-in browser.
pub const SESSION_TOKEN: &str = "session_token";
/// The scheme of routes for the app's own backend.
pub const SERVICE_KEY: &str = "service_key";

/// What the document says besides the routes.
pub(super) fn skeleton(public_url: &str) -> OpenApi {
    let scheme = |format: &str, description: &str| {
        ReferenceOr::Item(SecurityScheme::Http {
            scheme: "bearer".to_owned(),
            bearer_format: Some(format.to_owned()),
            description: Some(description.to_owned()),
            extensions: std::iter::empty().collect(),
        })
    };
    let tag = |name: &str, description: &str| Tag {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        ..Tag::default()
    };
    OpenApi {
        info: Info {
            title: "Holdfast".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: Some(
                "Who is calling, by their Clerk session; and what is known about their Instagram connection. \
                 A 401 means exactly that the caller's own credential is missing or refused."
                    .to_owned(),
            ),
            license: Some(License {
                name: "Apache-2.0 OR MIT".to_owned(),
                identifier: Some("Apache-2.0 OR MIT".to_owned()),
                ..License::default()
            }),
            ..Info::default()
        },
        servers: vec![Server { url: public_url.to_owned(), ..Server::default() }],
        tags: vec![
            tag(tags::USER, "The signed-in person's own record."),
            tag(tags::INSTAGRAM, "The person's Instagram connection."),
            tag(tags::FORWARD_AUTH, "For proxies and for middlewares of the app's other backends."),
            tag(tags::SERVICE, "For the app's own backend, with a service key."),
            tag(tags::CALLBACKS, "Called by Instagram, Meta and Clerk."),
            tag(tags::OPERATION, "For operators of this installation, and for readers."),
        ],
        webhooks: [("event".to_owned(), ReferenceOr::Item(webhook()))].into_iter().collect(),
        components: Some(Components {
            security_schemes: [
                (
                    SESSION_TOKEN.to_owned(),
                    scheme("JWT", "The short-lived token that Clerk gives a signed-in browser: `getToken()`."),
                ),
                (
                    SERVICE_KEY.to_owned(),
                    scheme("hf_sk_…", "A key of the app's own backend: `holdfast service-key create`."),
                ),
            ]
            .into_iter()
            .collect(),
            ..Components::default()
        }),
        ..OpenApi::default()
    }
}

/// Adds a parameter of the query that no type of a handler has.
pub fn with_query(op: &mut TransformOperation<'_>, name: &str, description: &str, schema: Schema) {
    op.inner_mut().parameters.push(ReferenceOr::Item(Parameter::Query {
        parameter_data: parameter(name, description, false, schema),
        allow_reserved: false,
        style: QueryStyle::Form,
        allow_empty_value: None,
    }));
}

/// A parameter that no type of a handler has.
pub fn parameter(name: &str, description: &str, required: bool, json_schema: Schema) -> ParameterData {
    let schema = SchemaObject { json_schema, external_docs: None, example: None };
    ParameterData {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        required,
        deprecated: None,
        format: ParameterSchemaOrContent::Schema(schema),
        example: None,
        examples: std::iter::empty().collect(),
        explode: None,
        extensions: std::iter::empty().collect(),
    }
}

/// Says what an operation is: its id, its section and a short title.
pub trait About {
    /// With these.
    #[must_use]
    fn about(self, id: &str, tag: &str, summary: &str) -> Self;
}

impl About for TransformOperation<'_> {
    fn about(self, id: &str, tag: &str, summary: &str) -> Self {
        self.id(id).tag(tag).summary(summary)
    }
}

/// The names of the document's sections.
pub mod tags {
    /// The caller's record.
    pub const USER: &str = "User";
    /// The caller's connection.
    pub const INSTAGRAM: &str = "Instagram";
    /// For endpoints elsewhere.
    pub const FORWARD_AUTH: &str = "Forward authentication";
    /// For the app's backend.
    pub const SERVICE: &str = "Service";
    /// For Instagram, Meta and Clerk.
    pub const CALLBACKS: &str = "Callbacks";
    /// For operators and readers.
    pub const OPERATION: &str = "Operation";
}

/// The document as JSON, put into OpenAPI's terms where axum's differ.
pub(super) fn finished(api: OpenApi) -> Value {
    // A document of strings, numbers and maps cannot fail to serialize.
    let mut document = serde_json::to_value(api).unwrap_or_default();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        let renamed = std::mem::take(paths)
            .into_iter()
            // axum's `{*rest}` spans segments, which OpenAPI cannot say: there it is a parameter
            // like any other.
            .map(|(path, item)| (path.replace("{*", "{"), item))
            // An address that only repeats another is left out; aide leaves its name.
            .filter(|(_, item)| item.as_object().is_none_or(|operations| !operations.is_empty()));
        paths.extend(renamed);
        for operation in
            paths.values_mut().filter_map(Value::as_object_mut).flat_map(|item| item.values_mut())
        {
            sort_responses(operation);
        }
    }
    openapi_headers::complete(&mut document);
    require_nullable(&mut document);
    unwrap_descriptions(&mut document);
    list_choices(&mut document);
    document
}

/// Writes a choice of constants as an `enum`: generators of clients do not read it otherwise, and
/// one refuses every value but the first. What each means goes where some of them look for it.
fn list_choices(document: &mut Value) {
    let schemas = document["components"]["schemas"].as_object_mut();
    for schema in schemas.into_iter().flat_map(|schemas| schemas.values_mut()) {
        let choices =
            schema["oneOf"].as_array().filter(|all| all.iter().all(|each| each["const"].is_string()));
        let Some(choices) = choices else { continue };
        let of_each = |member: &str| choices.iter().map(|each| each[member].clone()).collect::<Value>();
        let (values, meanings) = (of_each("const"), of_each("description"));
        *schema = json!({
            "description": schema["description"],
            "type": "string",
            "enum": values,
            "x-enum-descriptions": meanings,
        });
    }
}

/// The request to `HOLDFAST_WEBHOOK_URL`.
fn webhook() -> PathItem {
    let event = in_context(|ctx| ctx.schema.subschema_for::<Event<'static>>());
    let header = |name: &str, description: &str| json!({"name": name, "in": "header", "required": true, "description": description, "schema": {"type": "string"}});
    let described = json!({"post": {
        "operationId": "receiveEvent",
        "summary": "An event, sent to `HOLDFAST_WEBHOOK_URL`",
        "description": "Signed as Standard Webhooks have it, and sent at least once.",
        "parameters": [
            header("webhook-id", "The same whenever this event is sent again."),
            header("webhook-timestamp", "When it was sent, in Unix seconds."),
            header("webhook-signature", "`v1,` and the signature, by `HOLDFAST_WEBHOOK_SECRET`."),
        ],
        "requestBody": {"required": true, "content": {"application/json": {"schema": event}}},
        "responses": {
            "2XX": {"description": "Taken. After any other answer, or none, it is sent again, for a week."},
        },
    }});
    // A test reads it in the document.
    serde_json::from_value(described).unwrap_or_default()
}

/// Requires the members of answers that may be `null`: what an answer leaves out is never `null`.
/// aide derives every schema as of a request, where `null` and nothing are the same.
fn require_nullable(document: &mut Value) {
    let mut of_answers = BTreeSet::new();
    let operations = document["paths"].as_object().into_iter().flat_map(|paths| paths.values());
    for operation in operations.filter_map(Value::as_object).flat_map(|item| item.values()) {
        references(&operation["responses"], document, &mut of_answers);
    }
    for name in of_answers {
        let schema = &mut document["components"]["schemas"][name];
        let members = schema["properties"].as_object();
        let members = members.into_iter().flatten();
        let mut required: Vec<Value> = schema["required"].as_array().cloned().unwrap_or_default();
        let nullable =
            members.filter(|(_, member)| may_be_null(member)).map(|(name, _)| name.as_str().into());
        required.extend(nullable.filter(|name| !required.contains(name)).collect::<Vec<Value>>());
        if !required.is_empty() {
            schema["required"] = required.into();
        }
    }
}

/// The names of the schemas that `value` refers to, and those that they refer to.
fn references(value: &Value, document: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            if let Some(name) = reference.and_then(|each| each.strip_prefix("#/components/schemas/"))
                && names.insert(name.to_owned())
            {
                references(&document["components"]["schemas"][name], document, names);
            }
            members.values().for_each(|member| references(member, document, names));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, document, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn may_be_null(schema: &Value) -> bool {
    let is_null = |kind: &Value| kind == "null";
    match (&schema["type"], &schema["anyOf"]) {
        (Value::Array(kinds), _) => kinds.iter().any(is_null),
        (Value::Null, Value::Array(choices)) => choices.iter().any(|choice| is_null(&choice["type"])),
        // An array of anything.
        (Value::Null, _) => {
            schema["$ref"].is_null() && schema["allOf"].is_null() && schema["oneOf"].is_null()
        }
        _ => false,
    }
}

/// Puts each paragraph on one line: where a doc comment breaks its lines is nobody's business.
fn unwrap_descriptions(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if let Some(Value::String(text)) = members.get_mut("description") {
                let paragraphs =
                    text.split("\n\n").map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "));
                *text = paragraphs.collect::<Vec<_>>().join("\n\n");
            }
            members.values_mut().for_each(unwrap_descriptions);
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn sort_responses(operation: &mut Value) {
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.sort_keys();
    }
}
