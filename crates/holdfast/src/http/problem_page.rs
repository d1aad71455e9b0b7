//! A problem as a page, on the addresses that other sites send a person's browser to.

use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};

use super::pages::Page;
use super::problem::{Problem, ProblemAction};
use super::public::PublicRoute;

/// Where a person arrives from Instagram or Meta, and no program of the app does.
const FOR_PEOPLE: [PublicRoute; 2] = [PublicRoute::InstagramCallback, PublicRoute::DataDeletionPage];

/// Whether a problem on that route is read by a person.
pub(super) fn is_wanted(route: Option<&str>, headers: &HeaderMap) -> bool {
    let is_for_people = FOR_PEOPLE.iter().any(|each| Some(each.as_str()) == route);
    is_for_people && headers.get_all(header::ACCEPT).iter().any(takes_html)
}

/// Browsers say so whenever they open an address; programs rarely do.
fn takes_html(accept: &HeaderValue) -> bool {
    accept.to_str().is_ok_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

/// The finished answer. `response` is what [`Problem::into_response`] made, possibly with headers
/// added since.
pub(super) fn render(problem: &Problem, request_id: &str, response: &Response) -> Response {
    let mut answer = page(problem).into_response();
    if let Some(seconds) = problem.retry_after_seconds() {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    for (name, value) in response.headers() {
        if !answer.headers().contains_key(name) {
            answer.headers_mut().insert(name, value.clone());
        }
    }
    match answer.extensions_mut().remove::<Page>() {
        Some(page) => page.with_request_id(request_id, answer),
        None => answer,
    }
}

/// In a person's words: what is wrong with the server is for the log, which has the request id.
fn page(problem: &Problem) -> Page {
    let entry = problem.code().entry();
    let (title, what_to_do) = if problem.action() == ProblemAction::Retry {
        ("Not available at the moment", "Wait a moment, then load this page again.")
    } else {
        (
            "This did not work",
            "Go back to the app and try again. If this page comes back, tell the app's support the request id \
             below.",
        )
    };
    let what = format!("The app's server could not answer: {}.", entry.title.to_lowercase());
    Page::telling(title, &what, what_to_do).with_status(entry.status)
}
