//! Is an answer one that the OpenAPI document says its operation can give? Every answer that an
//! [`App`](crate::testing::app::App) gets is compared with the document, so that every answer in
//! these tests has to be described.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use holdfast::standin::clerk::Person;
use holdfast::transport::Answer;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations;
use crate::edge::client::Raw;
use crate::testing::app::App;
use crate::testing::leaks;

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| holdfast::http::document("https://api.example.com"));

/// What an answer of any server may carry, or of ours whatever the route: not described.
const COMMON: [&str; 17] = [
    "access-control-allow-origin",
    "access-control-expose-headers",
    "allow",
    "cache-control",
    "connection",
    "content-length",
    "content-security-policy",
    "content-type",
    "cross-origin-opener-policy",
    "date",
    "referrer-policy",
    "strict-transport-security",
    "transfer-encoding",
    "vary",
    "x-accel-buffering",
    "x-content-type-options",
    "x-frame-options",
];

/// Fails where the document does not know the answer.
pub fn assert_described(method: &Method, path: &str, answer: &Answer) {
    let kind = answer.headers.get("content-type").and_then(|kind| kind.to_str().ok());
    assert_told(method, path, answer.status, kind, &answer.body);
    let sent = answer.headers.keys().map(http::HeaderName::as_str).collect();
    if let Some(what) = undescribed_headers(&DOCUMENT, method, path, answer.status, &sent) {
        panic!("{method} {path}: {what}");
    }
}

/// Which of the answer's headers the document lacks, or which of the document's the answer lacks.
fn undescribed_headers(
    document: &Value,
    method: &Method,
    path: &str,
    status: StatusCode,
    sent: &BTreeSet<&str>,
) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let described = &operation(document, method, path)?["responses"][status.as_str()]["headers"];
    let described: BTreeMap<String, &Value> =
        described.as_object()?.iter().map(|(name, header)| (name.to_lowercase(), header)).collect();
    let is_told = |name: &str| COMMON.contains(&name) || described.contains_key(name);
    if let Some(name) = sent.iter().find(|name| !is_told(name)) {
        return Some(format!("{status} carries {name}, which is not described"));
    }
    let missing = described.iter().find(|(name, header)| {
        let pointer = header["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        document.pointer(pointer).unwrap()["required"] == true && !sent.contains(name.as_str())
    });
    missing.map(|(name, _)| format!("{status} lacks {name}"))
}

fn assert_told(method: &Method, path: &str, status: StatusCode, kind: Option<&str>, body: &[u8]) {
    let problem =
        (kind == Some("application/problem+json")).then(|| serde_json::from_slice::<Value>(body).unwrap());
    let code = problem.as_ref().map(|problem| problem["code"].as_str().unwrap());
    if let Some(what) = undescribed(&DOCUMENT, method, path, status, code) {
        panic!("{method} {path}: {what}");
    }
}

/// What the document lacks, if anything. Addresses and methods that it does not list are none of
/// its operations: they are 404 and 405.
fn undescribed(
    document: &Value,
    method: &Method,
    path: &str,
    status: StatusCode,
    code: Option<&str>,
) -> Option<String> {
    let path = path.split('?').next().unwrap_or_default();
    let operation = operation(document, method, path)?;
    let described = &operation["responses"][status.as_str()];
    let told = described["description"].as_str().unwrap_or_default();
    match code {
        _ if described.is_null() => Some(format!("no {status} ({code:?}) is described")),
        Some(code) if !told.contains(&format!("`{code}`")) => {
            Some(format!("{status} is described without `{code}`: {told}"))
        }
        Some(_) if described["content"]["application/problem+json"].is_null() => {
            Some(format!("{status} is described as something else than a problem"))
        }
        Some(_) | None => None,
    }
}

fn operation<'d>(document: &'d Value, method: &Method, path: &str) -> Option<&'d Value> {
    let paths = document["paths"].as_object().unwrap();
    // A plain path comes before one with parameters.
    let literal = paths.get(path).or_else(|| {
        let fitting = paths.iter().find(|(template, _)| fits(template, path));
        fitting.map(|(_, item)| item)
    });
    literal?.get(method.as_str().to_lowercase())
}

/// Whether the template, whose last parameter may span segments, leads to the path.
fn fits(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some("{path}"), Some(segment)) => return !segment.is_empty(),
            (Some(parameter), Some(segment)) if parameter.starts_with('{') && !segment.is_empty() => {}
            (Some(plain), Some(segment)) if plain == segment => {}
            (Some(_), _) | (None, Some(_)) => return false,
        }
    }
}

#[test]
fn an_answer_that_the_document_does_not_list_is_noticed() {
    let (post, path) = (Method::POST, "/user/instagram/connect?x=y");
    let told = |document: &Value, status: u16, code: Option<&str>| {
        undescribed(document, &post, path, StatusCode::from_u16(status).unwrap(), code)
    };
    for (status, code) in [
        (201, None),
        (400, Some("malformed-body")),
        (401, Some("token-expired")),
        (409, Some("concurrent-change")),
        (413, Some("body-too-large")),
        (414, Some("address-too-long")),
        (415, Some("unsupported-media-type")),
        (422, Some("body-not-acceptable")),
        (424, Some("not_configured")),
        (429, Some("too-many-attempts")),
        (431, Some("header-too-large")),
        (503, Some("database-full")),
    ] {
        assert_eq!(told(&DOCUMENT, status, code), None);
        let mut document = DOCUMENT.clone();
        let responses = &mut document["paths"]["/user/instagram/connect"]["post"]["responses"];
        if let Some(code) = code {
            let described = responses[status.to_string()]["description"].as_str().unwrap().to_owned();
            responses[status.to_string()]["description"] = json!(described.replace(code, "another"));
            assert!(told(&document, status, Some(code)).unwrap().contains(code));
        }
        let responses = &mut document["paths"]["/user/instagram/connect"]["post"]["responses"];
        responses.as_object_mut().unwrap().remove(&status.to_string());
        assert!(told(&document, status, code).is_some(), "{status}");
    }
    assert_eq!(undescribed(&DOCUMENT, &Method::PUT, path, StatusCode::METHOD_NOT_ALLOWED, None), None);
    let graph = "/service/users/user_x/instagram/graph/me/media";
    assert!(operation(&DOCUMENT, &Method::GET, graph).is_some());
}

#[test]
fn a_header_that_the_document_does_not_list_is_noticed() {
    let (get, status) = (Method::GET, "/user/instagram/status");
    let told = |code: u16, sent: &[&str]| {
        let sent = sent.iter().copied().collect();
        undescribed_headers(&DOCUMENT, &get, status, StatusCode::from_u16(code).unwrap(), &sent)
    };
    assert_eq!(told(200, &["x-request-id", "etag", "date"]), None);
    assert!(told(200, &["x-request-id"]).unwrap().contains("lacks etag"));
    assert!(told(200, &["x-request-id", "etag", "location"]).unwrap().contains("location"));
    assert_eq!(told(401, &["x-request-id", "www-authenticate"]), None);
    assert!(told(401, &["x-request-id"]).unwrap().contains("lacks www-authenticate"));
    assert_eq!(told(503, &["x-request-id", "retry-after"]), None);
    assert!(told(404, &["x-request-id", "retry-after"]).is_none(), "it has no such answer");
}

/// Ways to spoil a request that no operation takes as it is: what is put behind the address, into a
/// header of no meaning, as the body's type, as its announced length and as the body.
struct Spoilt {
    what: &'static str,
    query: String,
    header: String,
    kind: &'static str,
    length: Option<usize>,
    body: &'static str,
}

fn spoilt() -> [Spoilt; 7] {
    let plain = |what, kind, body| Spoilt {
        what,
        query: String::new(),
        header: String::new(),
        kind,
        length: None,
        body,
    };
    let json = "application/json";
    let long = "x".repeat(20_000);
    [
        Spoilt { query: format!("?x={long}"), ..plain("address", json, "") },
        Spoilt { header: long, ..plain("header", json, "") },
        // Only announced: it is refused before it comes.
        Spoilt { length: Some(300_000), ..plain("size", json, "") },
        plain("type", "text/plain", "hello"),
        plain("syntax", json, "{"),
        plain("kind", json, "[]"),
        Spoilt { query: "?limit=many&before=x".to_owned(), ..plain("parameter", json, "") },
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_request_is_described() {
    let app = App::start().await;
    let service_key = app.service_key().await;
    let ada = app.sign_in(Person::Ada);
    let mut seen = BTreeSet::new();
    for operation in operations::all(&app).await {
        if operation.path == "/user/events" {
            // A stream does not end by itself.
            continue;
        }
        let path = operation
            .path
            .replace("{attempt_id}", "0199f0a0-0000-7000-8000-000000000000")
            .replace("{user_id}", Person::Ada.user_id())
            .replace("{path}", "me/media")
            .replace("{code}", "no-such-code");
        let own =
            if path.starts_with("/service/") { format!("Bearer {service_key}") } else { ada.authorization() };
        leaks::secret_if_long(own.trim_start_matches("Bearer "));
        for authorization in [own.as_str(), "Bearer x.y.z", ""] {
            for Spoilt { what, query, header, kind, length, body } in spoilt() {
                let mut request = format!("{} {path}{query} HTTP/1.1\r\nHost: h\r\n", operation.method);
                let length = length.unwrap_or(body.len()).to_string();
                for (name, value) in [
                    ("Authorization", authorization),
                    ("X-Spoilt", &header),
                    ("Content-Type", kind),
                    ("Content-Length", if operation.method == Method::GET { "" } else { &length }),
                ] {
                    if !value.is_empty() {
                        request.push_str(&format!("{name}: {value}\r\n"));
                    }
                }
                request.push_str("\r\n");
                if operation.method != Method::GET {
                    request.push_str(body);
                }
                // A connection of its own: some of these answers end it.
                let reply = Raw::connect(app.address()).await.ask(&request).await;
                let reply = reply.unwrap_or_else(|error| panic!("{operation:?} {what}: {error}"));
                let status = StatusCode::from_u16(reply.status).unwrap();
                assert_told(
                    &operation.method,
                    &path,
                    status,
                    reply.header("content-type"),
                    reply.body.as_bytes(),
                );
                seen.insert(reply.status);
            }
        }
    }
    let expected = [200, 400, 401, 404, 413, 414, 415, 422, 424, 431];
    assert!(expected.iter().all(|status| seen.contains(status)), "only {seen:?}");
}
