//! The document, which other tests and clients are made from.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::document;
use super::super::public::PublicRoute;

/// Every operation: method, path, and itself.
pub(super) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            all.push((method.clone(), path.clone(), operation.clone()));
        }
    }
    all
}

#[test]
fn an_operation_has_a_credential_or_stands_on_the_list_of_public_routes() {
    let document = document("https://api.example.com");
    let mut open: Vec<String> = operations(&document)
        .into_iter()
        .filter(|(_, _, operation)| operation["security"].as_array().is_none_or(Vec::is_empty))
        .map(|(_, path, _)| path)
        .collect();
    // A path with a second method would be there twice.
    open.sort_unstable();
    let mut listed: Vec<&str> = PublicRoute::ALL.iter().map(|route| route.as_str()).collect();
    listed.sort_unstable();
    assert_eq!(open, listed);
}

#[test]
fn the_contracts_routes_are_there() {
    let document = document("https://api.example.com");
    for (path, item) in document["paths"].as_object().unwrap() {
        assert!(!item.as_object().unwrap().is_empty(), "{path} does nothing");
    }
    let there: BTreeSet<String> =
        operations(&document).into_iter().map(|(method, path, _)| format!("{method} {path}")).collect();
    for route in [
        "post /auth/sync",
        "get /user/profile",
        "get /user/instagram/status",
        "post /user/instagram/connect",
        "post /user/instagram/connect/{attempt_id}/complete",
        "delete /user/instagram",
        "post /user/instagram/check",
        "get /user/instagram/history",
        "get /user/events",
        "get /instagram/callback",
        "post /webhooks/clerk",
        "get /healthz",
        "get /readyz",
        "get /openapi.json",
        "get /docs",
        "get /docs/errors/{code}",
    ] {
        assert!(there.contains(route), "{route} is missing in {there:?}");
    }
}

#[test]
fn every_operation_is_documented_and_every_reference_leads_somewhere() {
    let document = document("https://api.example.com");
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert!(ids.insert(id.to_owned()), "{id} occurs twice");
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{method} {path}");
        let responses =
            operation["responses"].as_object().unwrap_or_else(|| panic!("{method} {path}: no answers"));
        assert!(!responses.contains_key("default"), "{method} {path}");
        for (status, response) in responses {
            let described = response["description"].as_str().is_some_and(|text| !text.is_empty());
            assert!(described, "{method} {path} {status} has no description");
            let status: u16 = status.parse().unwrap();
            // These answer with a page, or with the checks themselves.
            let is_own = ["/readyz", "/instagram/callback", "/data-deletion/{code}", "/docs/errors/{code}"]
                .contains(&path.as_str());
            if status >= 400 && !is_own {
                assert!(
                    response["content"]["application/problem+json"].is_object(),
                    "{method} {path} {status}"
                );
            }
        }
        for parameter in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
            let known = operation["parameters"].as_array().unwrap_or_else(|| panic!("{path}: no parameters"));
            assert!(known.iter().any(|each| each["name"] == parameter), "{method} {path} lacks {parameter}");
        }
    }
    references(&document, &document);
}

fn references(document: &Value, value: &Value) {
    match value {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
            }
            members.values().for_each(|each| references(document, each));
        }
        Value::Array(items) => items.iter().for_each(|each| references(document, each)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn answers_list_the_headers_that_they_are_sent_with() {
    let document = document("https://api.example.com");
    let headers = |method: &str, path: &str, status: &str| -> Vec<String> {
        let headers = &document["paths"][path][method]["responses"][status]["headers"];
        headers.as_object().unwrap().keys().cloned().collect()
    };
    let complete = "/user/instagram/connect/{attempt_id}/complete";
    let graph = "/service/users/{user_id}/instagram/graph/{path}";
    for (method, path, status, expected) in [
        ("get", "/user/instagram/status", "200", &["ETag", "X-Request-Id"][..]),
        ("get", "/user/instagram/status", "304", &["ETag", "X-Request-Id"]),
        ("get", "/user/instagram/status", "401", &["WWW-Authenticate", "X-Request-Id"]),
        ("get", "/user/instagram/status", "429", &["Retry-After", "X-Request-Id"]),
        ("post", complete, "409", &["Retry-After", "X-Request-Id"]),
        ("post", complete, "424", &["Retry-After", "X-Request-Id"]),
        ("post", "/user/instagram/connect", "424", &["X-Request-Id"]),
        ("get", "/instagram/callback", "303", &["Location", "X-Request-Id"]),
        ("get", "/readyz", "503", &["Retry-After", "X-Request-Id"]),
        ("get", "/forward-auth", "401", &["WWW-Authenticate", "X-Auth-Problem", "X-Request-Id"]),
    ] {
        assert_eq!(headers(method, path, status), expected, "{method} {path} {status}");
    }
    assert!(headers("get", "/forward-auth/{path}", "200").contains(&"X-Auth-Org-Role".to_owned()));
    assert!(headers("delete", graph, "200").contains(&"X-App-Usage".to_owned()));
}

#[test]
fn a_choice_is_an_enum_and_says_what_each_value_means() {
    let document = document("https://api.example.com");
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        assert!(schema["oneOf"].is_null(), "{name}: generators of clients read that wrongly");
    }
    let state = &document["components"]["schemas"]["State"];
    let (values, meanings) = (&state["enum"], &state["x-enum-descriptions"]);
    assert_eq!((&values[2], &meanings[2]), (&"connected".into(), &"Linked and usable.".into()));
    assert_eq!(values.as_array().unwrap().len(), meanings.as_array().unwrap().len());
}

#[test]
fn the_events_to_the_app_are_described() {
    let document = document("https://api.example.com");
    let post = &document["webhooks"]["event"]["post"];
    let schema = |reference: &Value| {
        let pointer = reference["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        document.pointer(pointer).unwrap().clone()
    };
    let event = schema(&post["requestBody"]["content"]["application/json"]["schema"]);
    let kinds: Vec<Value> = event["anyOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|choice| schema(choice)["properties"]["type"]["enum"].clone())
        .collect();
    let expected = [
        serde_json::json!(["instagram.status", "instagram.expiring_soon"]),
        serde_json::json!(["incident.began", "incident.ended"]),
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn the_requirements_of_forward_authentication_are_parameters() {
    let document = document("https://api.example.com");
    let parameters = |path: &str| -> Vec<String> {
        let named = document["paths"][path]["get"]["parameters"].as_array().unwrap().iter();
        named.map(|each| format!("{} {}", each["in"], each["name"]).replace('"', "")).collect()
    };
    assert_eq!(
        parameters("/forward-auth"),
        ["query credentials", "query org", "query role", "query permission"]
    );
    assert_eq!(parameters("/forward-auth/{path}"), ["path path"]);
}

#[test]
fn members_of_answers_that_may_be_null_are_always_there() {
    let document = document("https://api.example.com");
    let schema = |name: &str| &document["components"]["schemas"][name];
    let required = |name: &str| -> BTreeSet<&str> {
        schema(name)["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
    };
    for name in ["InstagramStatus", "UserStatus"] {
        let properties = schema(name)["properties"].as_object().unwrap();
        let left_out: Vec<_> =
            properties.keys().filter(|member| !required(name).contains(member.as_str())).collect();
        assert_eq!(left_out, ["error"], "{name}");
        assert_eq!(properties["error"]["type"], "string");
    }
    for (name, member) in
        [("User", "email"), ("Account", "name"), ("GraphAnswer", "body"), ("HistoryPage", "next")]
    {
        assert!(required(name).contains(member), "{name} {member}");
    }
    assert!(!required("Problem").contains("reason"));
    assert!(schema("ConnectBody")["required"].is_null(), "of a request everything may be left out");
}

#[test]
fn the_same_routes_give_the_same_document() {
    assert_eq!(document("https://a.example"), document("https://a.example"));
}
