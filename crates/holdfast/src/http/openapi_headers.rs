//! The headers of answers, in the OpenAPI document.

use aide::openapi::{ReferenceOr, Response, StatusCode};
use aide::transform::TransformOperation;
use serde_json::{Value, json};

/// Name, whether every answer that lists it has it, and what it says.
const HEADERS: [(&str, bool, &str); 17] = [
    (REQUEST_ID, true, "The request's id, for the log: the caller's own, if it sent a well-formed one."),
    (WWW_AUTHENTICATE, true, "`Bearer`, with what is wrong with the credential that was sent (RFC 6750)."),
    (RETRY_AFTER, false, "Seconds to wait before asking again."),
    (ETAG, true, "The version of the status, for `If-None-Match`."),
    (LOCATION, true, "Where the browser goes on."),
    (IDENTITY[0], false, "The caller: Clerk's user id."),
    (IDENTITY[1], false, "The caller's session id."),
    (IDENTITY[2], false, "The id of the active organization."),
    (IDENTITY[3], false, "The caller's role in it."),
    (IDENTITY[4], false, "The caller's permissions in it, separated by commas."),
    (IDENTITY[5], false, "Who acts in the caller's name."),
    (IDENTITY[6], false, "A JWT that says the same, signed with `HOLDFAST_FORWARD_AUTH_SECRET`."),
    (X_AUTH_PROBLEM, false, "The body once more, for proxies that hand on headers only."),
    (USAGE[0], false, "Meta's own, as received."),
    (USAGE[1], false, "Meta's own, as received."),
    (USAGE[2], false, "Meta's own, as received."),
    (USAGE[3], false, "Meta's own, as received."),
];
const REQUEST_ID: &str = "X-Request-Id";
const X_AUTH_PROBLEM: &str = "X-Auth-Problem";
/// On a 401.
pub const WWW_AUTHENTICATE: &str = "WWW-Authenticate";
/// Where asking again may help.
pub const RETRY_AFTER: &str = "Retry-After";
/// On a status.
pub const ETAG: &str = "ETag";
/// On a redirect.
pub const LOCATION: &str = "Location";
/// On answers of forward authentication: who is calling.
pub const IDENTITY: [&str; 7] = [
    "X-Auth-User",
    "X-Auth-Session",
    "X-Auth-Org",
    "X-Auth-Org-Role",
    "X-Auth-Org-Permissions",
    "X-Auth-Impersonator",
    "X-Auth-Assertion",
];
/// On answers of Graph calls.
pub const USAGE: [&str; 4] =
    ["X-App-Usage", "X-Business-Use-Case-Usage", "X-Ad-Account-Usage", "X-Page-Usage"];

/// The documentation of a route, which names its headers.
pub trait Sends {
    /// The answer of that status, which is described already, has these.
    #[must_use]
    fn sends(self, status: u16, headers: &[&str]) -> Self;
    /// The problems stand in a header as well.
    #[must_use]
    fn repeats_problems(self) -> Self;
}

impl Sends for TransformOperation<'_> {
    fn sends(mut self, status: u16, headers: &[&str]) -> Self {
        let responses = &mut self.inner_mut().responses.get_or_insert_default().responses;
        if let Some(ReferenceOr::Item(response)) = responses.get_mut(&StatusCode::Code(status)) {
            add(response, headers);
        }
        self
    }

    fn repeats_problems(mut self) -> Self {
        let responses = &mut self.inner_mut().responses.get_or_insert_default().responses;
        for (status, response) in responses {
            if let (StatusCode::Code(400..), ReferenceOr::Item(response)) = (status, response) {
                add(response, &[X_AUTH_PROBLEM]);
            }
        }
        self
    }
}

/// Adds headers to an answer.
pub fn add(response: &mut Response, headers: &[&str]) {
    for name in headers {
        let reference = ReferenceOr::ref_(&pointer(name));
        response.headers.insert((*name).to_owned(), reference);
    }
}

fn pointer(name: &str) -> String {
    format!("#/components/headers/{name}")
}

/// Adds the header that every answer has, and what each one says.
pub(super) fn complete(document: &mut Value) {
    for item in document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut()) {
        for operation in item.as_object_mut().into_iter().flat_map(|item| item.values_mut()) {
            let answers = operation["responses"].as_object_mut();
            for answer in answers.into_iter().flat_map(|answers| answers.values_mut()) {
                answer["headers"][REQUEST_ID] = json!({"$ref": pointer(REQUEST_ID)});
            }
        }
    }
    for (name, required, description) in HEADERS {
        let kind = if name == RETRY_AFTER { "integer" } else { "string" };
        document["components"]["headers"][name] =
            json!({"description": description, "required": required, "schema": {"type": kind}});
    }
}
