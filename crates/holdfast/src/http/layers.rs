//! What happens around every handler, from the outside in.

use std::net::Ipv4Addr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::HttpBody as _;
use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, StatusCode, Version};
use jiff::Timestamp;

use super::admission::{Admission, Admitted, TurnedAway};
use super::answer_headers::{complete, require_tls};
use super::context::{Context, Whose};
use super::cors::{Cors, Mark};
use super::failure::LOOK_FIRST;
use super::forward_auth::is_forward_auth;
use super::memory::Remembered;
use super::metrics::{Metrics, method_label};
use super::pages::Page;
use super::problem::{self, Problem, ProblemAction, ProblemCode, RequestCode, ServerCode};
use super::problem_page;
use super::public::PublicRoute;
use super::request_id::RequestId;
use super::server::PeerAddr;
use crate::client_address::TrustedProxies;
use crate::clock::{SharedClock, within};
use crate::entropy::SharedEntropy;
use crate::telemetry::traces::{Going, ServerSpans, WithContext as _};

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
    /// Time for a handler to answer. A call that changes something at Instagram has
    /// [`LONGER_AT_INSTAGRAM`] more.
    pub request_timeout: Duration,
    /// Spans of requests.
    pub spans: ServerSpans,
}

/// Problems that any request may meet before and around its handler.
pub(super) const PROBLEMS: [ProblemCode; 5] = [
    ProblemCode::Request(RequestCode::MalformedRequest),
    ProblemCode::Request(RequestCode::AddressTooLong),
    ProblemCode::Request(RequestCode::HeaderTooLarge),
    ProblemCode::Server(ServerCode::DeadlineExceeded),
    ProblemCode::Server(ServerCode::Internal),
];

/// The route by which the app's backend calls Instagram.
pub(super) const GRAPH_CALL: &str = "/service/users/{user_id}/instagram/graph/{*path}";

/// How much longer than others a call that changes something at Instagram may take.
const LONGER_AT_INSTAGRAM: Duration = Duration::from_secs(4);

/// What went wrong where the program panicked.
pub(super) const PANICKED: &str = "the program panicked; the panic is in the log, just before this request";

/// The route of requests that match none.
const UNMATCHED: &str = "unmatched";

/// The template of the route that a request takes.
pub(super) enum Template {
    /// The route of a handler that was found without the router.
    Direct(&'static str),
    /// As the router found it.
    Matched(MatchedPath),
}

impl Template {
    fn as_str(&self) -> &str {
        match self {
            Self::Direct(path) => path,
            Self::Matched(path) => path.as_str(),
        }
    }
}

/// What is around every handler.
#[derive(Debug)]
pub struct Layers {
    edge: Arc<Edge>,
    cors: Cors,
}

impl Layers {
    pub(super) fn new(edge: Arc<Edge>, cors: Cors) -> Self {
        Self { edge, cors }
    }

    /// Takes a request of `peer` to its `handler` and the answer back. `route` is `None` where none
    /// matches. Every answer of the server passes here.
    ///
    /// One future for all layers: axum would put each of them into a box.
    pub(super) fn around<'a>(
        &'a self,
        request: Request,
        peer: Option<PeerAddr>,
        route: Option<Template>,
        handler: &mut dyn FnMut(Request) -> BoxFuture<'static, Response>,
    ) -> impl Future<Output = Response> + Send + use<'a> {
        let under_way = UnderWay::begin(&self.edge, &request, route);
        let passed = self
            .passes(&request, peer, under_way.template())
            .map(|(place, mark)| (Context::new(under_way.whose.clone(), place), mark, handler(request)));
        async move {
            let answer = async {
                match passed {
                    Ok((context, mark, answer)) => guarded(&under_way, context, mark, answer).await,
                    Err(refused) => *refused,
                }
            };
            let answer = match &under_way.span {
                None => Either::Left(answer),
                Some(span) => Either::Right(answer.with_context(span.context())),
            };
            let response = answer.await;
            under_way.answered(response)
        }
    }

    /// A place for a request and the mark for its answer, or what is answered without a handler.
    fn passes(
        &self,
        request: &Request,
        peer: Option<PeerAddr>,
        route: Option<&str>,
    ) -> Result<(Option<Admitted>, Mark), Box<Response>> {
        let mark = self.cors.mark(request.headers());
        if let Err(problem) = well_formed(request) {
            return Err(Box::new(marked(problem, mark)));
        }
        // Preflights end here, before authentication: browsers send no credentials with them.
        if request.method() == Method::OPTIONS {
            return Err(Box::new(mark.preflight(request.headers())));
        }
        match admitted(&self.edge, request, peer, route) {
            Ok(place) => Ok((place, mark)),
            Err(why) => {
                self.edge.metrics.shed();
                Err(Box::new(marked(why.into(), mark)))
            }
        }
    }
}

/// The answer to a request that reaches no handler, with CORS headers, so that a page can read it.
fn marked(problem: Problem, mark: Mark) -> Response {
    let mut response = problem.into_response();
    mark.put_on(response.headers_mut());
    response
}

/// Runs a handler under the request's time limit and turns a panic into an answer.
async fn guarded(
    under_way: &UnderWay<'_>,
    context: Context,
    mark: Mark,
    answer: BoxFuture<'static, Response>,
) -> Response {
    // The request's place is free again once this has ended.
    let answer = context.during(AssertUnwindSafe(answer).catch_unwind());
    let edge = under_way.edge;
    let mut response = match within(under_way.time_limit(), &*edge.clock, answer).await {
        Some(Ok(answer)) => answer,
        Some(Err(_)) => Problem::new(ServerCode::Internal).with_cause(PANICKED).into_response(),
        None => under_way.took_too_long().into_response(),
    };
    mark.put_on(response.headers_mut());
    response
}

/// A request that is counted as under way until it is answered or given up.
struct UnderWay<'a> {
    edge: &'a Edge,
    began: Timestamp,
    method: &'static str,
    route: Option<Template>,
    /// Whether a problem is answered as a page.
    for_person: bool,
    whose: Whose,
    span: Option<Going>,
}

impl<'a> UnderWay<'a> {
    fn begin(edge: &'a Edge, request: &Request, route: Option<Template>) -> Self {
        let began = edge.clock.now_fine();
        let id = RequestId::of(request.headers(), &*edge.entropy, began);
        let method = method_label(request.method());
        let template = route.as_ref().map(Template::as_str);
        let span = edge.spans.begin(request.headers(), method, template, id.as_str());
        let for_person = problem_page::is_wanted(template, request.headers());
        let whose = Whose::request(id);
        edge.metrics.in_flight.inc();
        Self { edge, began, method, route, for_person, whose, span }
    }

    fn template(&self) -> Option<&str> {
        self.route.as_ref().map(Template::as_str)
    }

    fn is_for_proxy(&self) -> bool {
        self.template().is_some_and(is_forward_auth)
    }

    /// Whether it changes something at Instagram. Every other request may be sent again: it acts
    /// once, however often it is sent.
    fn changes_at_instagram(&self) -> bool {
        self.template() == Some(GRAPH_CALL) && self.method != Method::GET.as_str()
    }

    fn time_limit(&self) -> Duration {
        let longer = if self.changes_at_instagram() { LONGER_AT_INSTAGRAM } else { Duration::ZERO };
        self.edge.request_timeout + longer
    }

    fn took_too_long(&self) -> Problem {
        let problem = Problem::new(ServerCode::DeadlineExceeded);
        if !self.changes_at_instagram() {
            return problem;
        }
        let detail = format!("The request took longer than this server allows. {LOOK_FIRST}");
        problem.with_action(ProblemAction::LookFirst).with_detail(detail)
    }

    /// The answer with its body, and what it tells of a failure: a page shows the request id as
    /// well.
    fn rendered(
        &self,
        problem: Option<&Problem>,
        mut response: Response,
    ) -> (Response, Option<(ProblemCode, String)>) {
        let id = self.whose.request_id().as_str();
        let Some(problem) = problem else {
            let Some(page) = response.extensions_mut().remove::<Page>() else { return (response, None) };
            let told = page.told().map(|(code, detail)| (code, detail.to_owned()));
            return (page.with_request_id(id, response), told);
        };
        let told = Some((problem.code(), problem.detail().to_owned()));
        if self.for_person {
            return (problem_page::render(problem, id, &response), told);
        }
        let document = problem::document(problem, &self.edge.public_url, id);
        if self.is_for_proxy() {
            problem::repeat_in_header(&document, response.headers_mut());
        }
        (problem::render(problem, document, response), told)
    }

    fn answered(self, mut response: Response) -> Response {
        let Self { edge, began, method, route: _, for_person: _, whose, span } = &self;
        let id = whose.request_id();
        let problem = response.extensions_mut().remove::<Problem>();
        let (mut response, told) = self.rendered(problem.as_ref(), response);
        let ended = edge.clock.now_fine();
        complete(response.headers_mut(), id, ended);
        // A proxy hands a verdict on under the name of the app's host, for which this is no rule.
        if edge.public_url.starts_with("https://") && !self.is_for_proxy() {
            require_tls(response.headers_mut());
        }

        let code = told.as_ref().map(|(code, _)| code.entry().code);
        let trace_id = span.as_ref().map(|span| {
            span.answered(response.status(), code);
            span.trace_id()
        });
        let route = self.template().unwrap_or(UNMATCHED);
        let status = response.status().as_u16();
        let took = ended.duration_since(*began).try_into().unwrap_or(Duration::ZERO);
        edge.metrics.answered(method, route, status, took);
        let cause = problem.as_ref().and_then(Problem::cause);
        if let Some(cause) = cause {
            log_cause(id.as_str(), status, code, cause);
        }
        if let Some((code, detail)) = told {
            let code = code.entry().code;
            edge.metrics.problem(code);
            edge.metrics.memory.remember(Remembered {
                request_id: id.as_str().to_owned(),
                at: edge.clock.now(),
                method: (*method).to_owned(),
                route: route.to_owned(),
                status,
                code: code.to_owned(),
                detail,
                user_id: whose.user_id(),
                judgement: problem.as_ref().and_then(Problem::judgement).cloned(),
                cause: cause.map(str::to_owned),
            });
        }
        // The route's template, never the address: ids, codes and completions stand in paths and
        // queries.
        tracing::info!(
            target: "holdfast::access",
            method,
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
}

/// Why a request failed, for `why` on a log as well.
fn log_cause(request_id: &str, status: u16, code: Option<&str>, error: &str) {
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(code, error, request_id, "a request failed because of a fault in this server");
    } else {
        tracing::warn!(code, error, request_id, "a request failed");
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.edge.metrics.in_flight.dec();
    }
}

/// RFC 9112: an HTTP/1.1 request has exactly one valid `Host` (3.2), and a body in a coding that is
/// not understood is not taken for one that is (6.1). hyper does not insist on it.
fn well_formed(request: &Request) -> Result<(), Problem> {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (first, second) = (hosts.next(), hosts.next());
    let why = match (request.version(), first, second) {
        (_, Some(_), Some(_)) => "The request has more than one Host header.",
        (Version::HTTP_11, None, _) => "The request has no Host header.",
        (_, Some(host), None) if !is_host(host.as_bytes()) => {
            "The Host header has bytes that are not allowed."
        }
        // Only such a body has no length.
        _ if request.body().size_hint().exact().is_none() && is_in_unknown_coding(request.headers()) => {
            "The body is in a transfer coding that this server does not read: it reads `chunked` alone."
        }
        _ => return Ok(()),
    };
    Err(Problem::new(RequestCode::MalformedRequest).with_detail(why))
}

/// Whether RFC 3986 allows each byte somewhere in a host and a port; their order is not checked.
fn is_host(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-:_[]%~!$&'()*+,;=".contains(byte))
}

fn is_in_unknown_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let is_chunked = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"chunked");
    codings.next().is_some_and(|first| !is_chunked(first)) || codings.next().is_some()
}

/// A place for a request; `None` for one that needs none.
fn admitted(
    edge: &Edge,
    request: &Request,
    peer: Option<PeerAddr>,
    route: Option<&str>,
) -> Result<Option<Admitted>, TurnedAway> {
    // A server under load is alive; were it restarted for that, the load would only grow.
    if route == Some(PublicRoute::Healthz.as_str()) {
        return Ok(None);
    }
    // Only tests make requests without a connection, hence without an address.
    let peer = peer.map(|peer| peer.0.ip());
    let address = edge.proxies.client(peer.unwrap_or(Ipv4Addr::UNSPECIFIED.into()), request.headers());
    edge.admission.admit(address).map(Some)
}

/// Where no route matches.
pub async fn not_found() -> Problem {
    RequestCode::NotFound.into()
}

/// The answer where a route matches but not its method; axum adds `Allow`.
pub async fn method_not_allowed() -> Problem {
    RequestCode::MethodNotAllowed.into()
}
