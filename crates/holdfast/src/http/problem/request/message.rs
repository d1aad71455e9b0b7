//! Rows for a message that cannot be read, or that no route takes.

use http::StatusCode;

use super::super::row::{Entry, Remedy};

pub(super) const MALFORMED_REQUEST: Entry = Entry {
    code: "malformed-request",
    status: StatusCode::BAD_REQUEST,
    action: Remedy::FixRequest,
    title: "Malformed request",
    meaning: "The request breaks the rules of HTTP.",
    causes: &[
        "An HTTP/1.1 request has no Host header, or more than one.",
        "A header contains bytes that HTTP does not allow there.",
        "The client does not speak HTTP/1, but for example TLS. A proxy in front must end TLS.",
    ],
    remedy: "Use an ordinary HTTP client, and check whether a proxy in between changes the request.",
};

pub(super) const HEADER_TOO_LARGE: Entry = Entry {
    code: "header-too-large",
    status: StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    action: Remedy::FixRequest,
    title: "Header too large",
    meaning: "The request's header is larger than 16 KiB or has more than 64 fields.",
    causes: &[
        "The browser also sends the cookies of another service on the same domain.",
        "The session token has large custom claims.",
    ],
    remedy: "Send no cookies to this server, and keep custom claims of session tokens below 1.2 KB.",
};

pub(super) const ADDRESS_TOO_LONG: Entry = Entry {
    code: "address-too-long",
    status: StatusCode::URI_TOO_LONG,
    action: Remedy::FixRequest,
    title: "Address too long",
    meaning: "The address in the request is too long: address and header together may take 16 KiB.",
    causes: &["The query holds data that belongs in the body."],
    remedy: "See /docs for the parameters of the route.",
};

pub(super) const MALFORMED_BODY: Entry = Entry {
    code: "malformed-body",
    status: StatusCode::BAD_REQUEST,
    action: Remedy::FixRequest,
    title: "Malformed body",
    meaning: "The body is not valid JSON, or not a valid form where the route takes a form.",
    causes: &[
        "The JSON does not parse; the detail names line and column.",
        "The body is not UTF-8.",
        "The connection broke before the whole body had arrived.",
    ],
    remedy: "Make the body with a JSON library, and compare it with the request schema of the route in /docs.",
};

pub(super) const BODY_NOT_ACCEPTABLE: Entry = Entry {
    code: "body-not-acceptable",
    status: StatusCode::UNPROCESSABLE_ENTITY,
    action: Remedy::FixRequest,
    title: "Body not acceptable",
    meaning: "The body is valid JSON, but does not match the schema of this route.",
    causes: &[
        "A member is missing or appears twice.",
        "A member has the wrong type, or a value that the API does not list.",
        "The JSON is not an object.",
    ],
    remedy: "Compare the body with the request schema of the route in /docs; the detail names the member and what it takes.",
};

pub(super) const MALFORMED_PARAMETER: Entry = Entry {
    code: "malformed-parameter",
    status: StatusCode::BAD_REQUEST,
    action: Remedy::FixRequest,
    title: "Malformed parameter",
    meaning: "A query parameter or a part of the path is not valid.",
    causes: &[
        "This server did not issue the page cursor.",
        "The proxy's /forward-auth address has an unknown parameter, such as a misspelt `role`.",
        "A number is outside its range.",
        "A value is not UTF-8.",
    ],
    remedy: "Pass cursors back exactly as they were received, and see /docs for the ranges.",
};

pub(super) const MULTIPLE_CREDENTIALS: Entry = Entry {
    code: "multiple-credentials",
    status: StatusCode::BAD_REQUEST,
    action: Remedy::FixRequest,
    title: "More than one credential",
    meaning: "The request carries more than one Authorization header.",
    causes: &[
        "A proxy adds an Authorization header of its own.",
        "The client appends the header instead of setting it.",
    ],
    remedy: "Send exactly one Authorization header: the server does not choose between two.",
};

pub(super) const NOT_FOUND: Entry = Entry {
    code: "not-found",
    status: StatusCode::NOT_FOUND,
    action: Remedy::FixRequest,
    title: "Not found",
    meaning: "There is nothing at this address.",
    causes: &["The path is misspelt.", "The path ends with a slash; paths here do not."],
    remedy: "See /docs for the list of routes.",
};

pub(super) const METHOD_NOT_ALLOWED: Entry = Entry {
    code: "method-not-allowed",
    status: StatusCode::METHOD_NOT_ALLOWED,
    action: Remedy::FixRequest,
    title: "Method not allowed",
    meaning: "This address exists, but not with this method.",
    causes: &["GET was sent where POST is needed, or the reverse."],
    remedy: "Use one of the methods that the Allow header lists.",
};

pub(super) const BODY_TOO_LARGE: Entry = Entry {
    code: "body-too-large",
    status: StatusCode::PAYLOAD_TOO_LARGE,
    action: Remedy::FixRequest,
    title: "Body too large",
    meaning: "The body is larger than this route accepts: 64 KiB, webhooks 256 KiB.",
    causes: &["The body is not the JSON that /docs describes."],
    remedy: "Send a smaller body.",
};

pub(super) const REQUEST_TIMEOUT: Entry = Entry {
    code: "request-timeout",
    status: StatusCode::REQUEST_TIMEOUT,
    action: Remedy::Retry,
    title: "Request too slow",
    meaning: "The body did not arrive in time.",
    causes: &["The network between the client and this server is very slow or broken."],
    remedy: "Send the request again.",
};

pub(super) const UNSUPPORTED_MEDIA_TYPE: Entry = Entry {
    code: "unsupported-media-type",
    status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
    action: Remedy::FixRequest,
    title: "Unsupported media type",
    meaning: "The body's Content-Type is not the one that this route accepts.",
    causes: &[
        "Content-Type is missing, or is text/plain or a form where JSON is needed.",
        "The body is compressed (Content-Encoding).",
    ],
    remedy: "Send Content-Type: application/json (Meta's callbacks: application/x-www-form-urlencoded), uncompressed.",
};
