//! What happens around every handler. The order is set in [`super::app`]; here is each layer.

use std::net::Ipv4Addr;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::{Either, select};
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Version};

use super::admission::Admission;
use super::memory::{Remembered, Whose};
use super::metrics::{Metrics, method_label};
use super::pages::Page;
use super::problem::{self, Problem, RequestCode, ServerCode};
use super::public::PublicRoute;
use super::request_id::{RequestId, X_REQUEST_ID};
use super::server::PeerAddr;
use crate::client_address::TrustedProxies;
use crate::clock::SharedClock;
use crate::entropy::SharedEntropy;
use crate::telemetry::traces::{ServerSpans, WithContext as _};

/// What the layers need to know.
#[derive(Debug)]
pub struct Edge {
    /// Where we are reached; without a slash at the end.
    pub public_url: String,
    /// Time.
    pub clock: SharedClock,
    /// Randomness, for request ids.
    pub entropy: SharedEntropy,
    /// Counters.
    pub metrics: Metrics,
    /// Places for requests under way.
    pub admission: Admission,
    /// Whose `X-Forwarded-For` is believed.
    pub proxies: TrustedProxies,
    /// For a handler to answer.
    pub request_timeout: Duration,
    /// Spans of requests.
    pub spans: ServerSpans,
}

/// What may become of a request before and around its handler, whichever that is.
pub(super) const PROBLEMS: [problem::ProblemCode; 5] = [
    problem::ProblemCode::Request(RequestCode::MalformedRequest),
    problem::ProblemCode::Request(RequestCode::AddressTooLong),
    problem::ProblemCode::Request(RequestCode::HeaderTooLarge),
    problem::ProblemCode::Server(ServerCode::DeadlineExceeded),
    problem::ProblemCode::Server(ServerCode::Internal),
];

/// The route of requests that match none.
const UNMATCHED: &str = "unmatched";
const STRICT_TRANSPORT_SECURITY: HeaderValue =
    HeaderValue::from_static("max-age=63072000; includeSubDomains");
/// For answers that are no pages: should a browser show one, it may do nothing at all.
const NO_CONTENT_POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
);
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// Outermost: gives every answer its request id, its security headers and, where it is a problem, its body; then
/// writes the access log. Nothing leaves the server without passing here.
pub async fn envelope(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let began = edge.clock.now();
    let id = RequestId::of(request.headers(), &*edge.entropy, &*edge.clock);
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let whose = Whose::default();
    request.extensions_mut().insert(id.clone());
    request.extensions_mut().insert(whose.clone());
    let in_flight = InFlight::begin(&edge.metrics);

    let template = route.as_ref().map(MatchedPath::as_str);
    let span = edge.spans.begin(request.headers(), method_label(&method), template, id.as_str());

    let mut response = match (well_formed(&request), &span) {
        (Ok(()), None) => next.run(request).await,
        (Ok(()), Some(span)) => next.run(request).with_context(span.context()).await,
        (Err(problem), _) => problem.into_response(),
    };

    let problem = response.extensions_mut().remove::<Problem>();
    let code = problem.as_ref().map(|each| each.code().entry().code);
    if let Some(problem) = &problem {
        response = problem::render(problem, &edge.public_url, id.as_str(), response);
    } else if let Some(page) = response.extensions_mut().remove::<Page>() {
        response = page.with_request_id(id.as_str());
    }
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.header());
    secure(headers, edge.public_url.starts_with("https://"));

    drop(in_flight);
    let trace_id = span.map(|span| {
        span.answered(response.status(), code);
        span.trace_id()
    });
    let route = template.unwrap_or(UNMATCHED);
    let status = response.status().as_u16();
    let took = edge.clock.now().duration_since(began).try_into().unwrap_or(Duration::ZERO);
    edge.metrics.answered(&method, route, status, took);
    if let Some(problem) = problem {
        edge.metrics.problem(problem.code().entry().code);
        edge.metrics.memory.remember(Remembered {
            request_id: id.as_str().to_owned(),
            at: edge.clock.now(),
            method: method_label(&method).to_owned(),
            route: route.to_owned(),
            status,
            code: problem.code().entry().code.to_owned(),
            detail: problem.detail().to_owned(),
            user_id: whose.user_id(),
            judgement: problem.judgement().cloned(),
        });
    }
    // The route's template, never the address: ids, codes and completions stand in paths and queries.
    tracing::info!(
        target: "holdfast::access",
        method = method.as_str(),
        route,
        status,
        code,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        request_id = id.as_str(),
        trace_id,
        "answered"
    );
    response
}

/// Counts a request as under way until it is answered or given up.
struct InFlight<'a>(&'a Metrics);

impl<'a> InFlight<'a> {
    fn begin(metrics: &'a Metrics) -> Self {
        metrics.in_flight.inc();
        Self(metrics)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.dec();
    }
}

/// RFC 9112, 3.2: an HTTP/1.1 request has exactly one valid `Host`. hyper does not insist on it.
fn well_formed(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let why = match (request.version(), first, second) {
        (_, Some(_), Some(_)) => "The request has more than one Host header.",
        (Version::HTTP_11, None, _) => "The request has no Host header.",
        (_, Some(host), None) if host.to_str().is_err() => "The Host header has bytes that are not allowed.",
        _ => return Ok(()),
    };
    Err(Problem::new(RequestCode::MalformedRequest).with_detail(why))
}

/// Headers that every answer carries; a page has set its own content policy already.
pub(super) fn secure(headers: &mut HeaderMap, is_https: bool) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NO_CONTENT_POLICY);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    if is_https {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, STRICT_TRANSPORT_SECURITY);
    }
}

/// Innermost: bounds how many handlers run at a time and how long each may take, and survives their panics.
///
/// Inside CORS, so that a page can read the 503 and its `Retry-After`.
pub async fn guard(State(edge): State<Arc<Edge>>, mut request: Request, next: Next) -> Response {
    let is_health = request
        .extensions()
        .get::<MatchedPath>()
        .is_some_and(|path| path.as_str() == PublicRoute::Healthz.path());
    // A server under load is alive; were it restarted for that, the load would only grow.
    let mut place = None;
    if !is_health {
        // A request without a connection, which only tests make, has nobody's address.
        let peer = request.extensions().get::<PeerAddr>().map(|peer| peer.0.ip());
        let address = edge.proxies.client(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), request.headers());
        match edge.admission.admit(address) {
            Ok(admitted) => {
                request.extensions_mut().insert(admitted.clone());
                place = Some(admitted);
            }
            Err(why) => {
                edge.metrics.shed();
                return Problem::from(why).into_response();
            }
        }
    }
    let answer = pin!(AssertUnwindSafe(next.run(request)).catch_unwind());
    let response = match select(answer, edge.clock.sleep(edge.request_timeout)).await {
        Either::Left((Ok(response), _)) => response,
        Either::Left((Err(_), _)) => {
            tracing::error!("a handler panicked; the panic itself is in the log above");
            Problem::new(ServerCode::Internal).into_response()
        }
        Either::Right(_) => Problem::new(ServerCode::DeadlineExceeded).into_response(),
    };
    drop(place);
    response
}

/// Where no route matches.
pub async fn not_found() -> Problem {
    RequestCode::NotFound.into()
}

/// Where a route matches but not its method; axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    RequestCode::MethodNotAllowed.into()
}
