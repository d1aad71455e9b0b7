//! Forward authentication: the verdict on a session token for endpoints that Holdfast does not
//! serve.
//!
//! A proxy (nginx `auth_request`, Caddy `forward_auth`, Traefik, Envoy, HAProxy) or a backend's
//! middleware asks here with the `Authorization` header that it was sent. The verdict is that of
//! every other protected route.

use std::convert::Infallible;

use aide::openapi::{Parameter, PathStyle, ReferenceOr};
use aide::transform::TransformOperation;
use aide::{OperationInput, OperationOutput};
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::prelude::*;
use crate::caller::Caller;
use crate::http::answer_headers::AnswerHeaders;
use crate::http::authentication::CallerOrNobody;
use crate::http::forward_auth::{PATH, WITH_ORIGINAL};
use crate::http::openapi::{parameter, with_query};

const X_AUTH_USER: HeaderName = HeaderName::from_static("x-auth-user");
const X_AUTH_SESSION: HeaderName = HeaderName::from_static("x-auth-session");
const X_AUTH_ORG: HeaderName = HeaderName::from_static("x-auth-org");
const X_AUTH_ORG_ROLE: HeaderName = HeaderName::from_static("x-auth-org-role");
const X_AUTH_ORG_PERMISSIONS: HeaderName = HeaderName::from_static("x-auth-org-permissions");
const X_AUTH_IMPERSONATOR: HeaderName = HeaderName::from_static("x-auth-impersonator");
const X_AUTH_ASSERTION: HeaderName = HeaderName::from_static("x-auth-assertion");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The impersonator where the token's `act` cannot stand in a header.
const SOMEBODY: HeaderValue = HeaderValue::from_static("unknown");

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .protected()
        .any(PATH, forward_auth, |op| {
            let op = op
                .about("forwardAuth", tags::FORWARD_AUTH, "Verify a session token for another backend")
                .description(
                    "Takes every method. 200 with an empty body and the caller in headers: `X-Auth-User`, \
                     `X-Auth-Session`, `X-Auth-Org`, `X-Auth-Org-Role`, `X-Auth-Org-Permissions`, `X-Auth-Impersonator`, \
                     those that apply, and `X-Auth-Assertion` where `HOLDFAST_FORWARD_AUTH_SECRET` is set. An unknown \
                     parameter is refused: a misspelt requirement would let everybody pass.",
                )
                .problems(REQUIREMENTS);
            with_requirements(op).response::<200, ()>().sends(200, &openapi_headers::IDENTITY)
        })
        .any(WITH_ORIGINAL[0], forward_auth, |op| op.hidden(true))
        .any(WITH_ORIGINAL[1], forward_auth, |op| {
            let op = op
                .about("forwardAuthWithPath", tags::FORWARD_AUTH, "The same for proxies that append the original address")
                .description("The rest of the path and the query come from the client and are ignored.");
            with_path(op).response::<200, ()>().sends(200, &openapi_headers::IDENTITY)
        })
        .done()
}

/// The parameters, which no type of the handler has: `http/forward_auth.rs` reads them from the
/// query.
fn with_requirements(mut op: TransformOperation<'_>) -> TransformOperation<'_> {
    let optional = schemars::json_schema!({"type": "string", "const": "optional"});
    let names = || schemars::json_schema!({"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1});
    let of_query = [
        (
            "credentials",
            optional,
            "A request without credentials gets 200, without headers that name a caller.",
        ),
        ("org", names(), "Only members of one of these organizations (`org_…`); `any`: of any."),
        ("role", names(), "Only with one of these roles in the organization, as `admin`."),
        ("permission", names(), "Only with one of these permissions there, as `org:invoices:read`."),
    ];
    for (name, schema, description) in of_query {
        let description = match name {
            "credentials" => description.to_owned(),
            _ => format!("{description} Repeated, or separated by commas."),
        };
        with_query(&mut op, name, &description, schema);
    }
    op
}

/// The handler ignores what follows the address, so nothing derives this parameter from it.
fn with_path(mut op: TransformOperation<'_>) -> TransformOperation<'_> {
    let schema = schemars::json_schema!({"type": "string"});
    let parameter_data = parameter("path", "The original path; ignored.", true, schema);
    let parameter = Parameter::Path { parameter_data, style: PathStyle::Simple };
    op.inner_mut().parameters.push(ReferenceOr::Item(parameter));
    op
}

const REQUIREMENTS: [ProblemCode; 4] = [
    ProblemCode::Request(RequestCode::MalformedParameter),
    ProblemCode::Request(RequestCode::NotAMember),
    ProblemCode::Request(RequestCode::RoleMissing),
    ProblemCode::Request(RequestCode::PermissionMissing),
];

async fn forward_auth(
    CallerOrNobody { caller, requirements }: CallerOrNobody,
    assertion: Assertion,
    AnswerHeaders(mut headers): AnswerHeaders,
) -> Result<Identity, Problem> {
    let Some(caller) = caller else { return Ok(Identity(headers)) };
    requirements.check(&caller)?;
    identify(&caller, &mut headers);
    if let Some(assertion) = assertion.about(&caller) {
        headers.insert(X_AUTH_ASSERTION, assertion);
    }
    Ok(Identity(headers))
}

/// What signs the assertion, and the host that the client asked for; `None` where no assertion is
/// wanted. The state is cloned only then: all threads share its reference count.
struct Assertion(Option<(AppState, Option<String>)>);

impl FromRequestParts<AppState> for Assertion {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self(state.assertion_key.as_ref().map(|_| (state.clone(), forwarded_host(&parts.headers)))))
    }
}

impl OperationInput for Assertion {}

impl Assertion {
    fn about(&self, caller: &Caller) -> Option<HeaderValue> {
        let (state, audience) = self.0.as_ref()?;
        let (key, edge) = (state.assertion_key.as_ref()?, &state.edge);
        HeaderValue::try_from(key.sign(caller, &edge.public_url, audience.as_deref(), edge.clock.now())).ok()
    }
}

/// The host that the client asked for, by `X-Forwarded-Host`. Where there are several, the proxy's
/// meaning is unknown and the assertion names no host.
fn forwarded_host(headers: &HeaderMap) -> Option<String> {
    let mut hosts = headers.get_all(X_FORWARDED_HOST).iter();
    let host = hosts.next().filter(|_| hosts.next().is_none());
    let host = host.and_then(|host| host.to_str().ok()).map(str::trim);
    host.filter(|host| !host.is_empty() && !host.contains(',')).map(str::to_owned)
}

/// Who the caller is, in headers; no body.
struct Identity(HeaderMap);

impl IntoResponse for Identity {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        *response.headers_mut() = self.0;
        response
    }
}

impl OperationOutput for Identity {
    type Inner = ();
}

/// Says who the caller is. What cannot stand in a header is left out, which never gives anybody
/// more.
fn identify(caller: &Caller, headers: &mut HeaderMap) {
    let mut add = |name: HeaderName, value: Option<&str>| {
        if let Some(value) = value.and_then(plain) {
            headers.insert(name, value);
        }
    };
    add(X_AUTH_USER, Some(caller.owner().as_str()));
    add(X_AUTH_SESSION, Some(caller.session_id()));
    if let Some(organization) = &caller.claims().organization {
        add(X_AUTH_ORG, Some(&organization.id));
        add(X_AUTH_ORG_ROLE, organization.role.as_deref());
        // A comma inside would make two of one.
        let is_one = |each: &&String| each.is_ascii() && !each.contains(',');
        let permissions: Vec<_> =
            organization.permissions.iter().filter(is_one).map(String::as_str).collect();
        add(X_AUTH_ORG_PERMISSIONS, (!permissions.is_empty()).then(|| permissions.join(",")).as_deref());
    }
    if caller.is_impersonated() {
        // An impersonator restricts the caller, so this one is never left out.
        headers.insert(X_AUTH_IMPERSONATOR, caller.impersonator().and_then(plain).unwrap_or(SOMEBODY));
    }
}

/// The value as a header, where every reader reads the same: other bytes than ASCII are Latin-1 to
/// one and UTF-8 to the next, spaces at the ends are cut off on the way, and nginx drops an empty
/// header.
fn plain(value: &str) -> Option<HeaderValue> {
    let is_plain = value.is_ascii() && !value.is_empty() && value.trim() == value;
    HeaderValue::try_from(value).ok().filter(|_| is_plain)
}
