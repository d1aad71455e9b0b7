//! The API to read: the OpenAPI document, a page made from it, and a page for every error code.

mod document;
mod example;
mod reference;

use axum::Json;
use axum::extract::State;
use bytes::Bytes;
use http::header::{self, HeaderValue};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::prelude::*;
use crate::http::openapi::{finished, skeleton};
use crate::http::pages::{Page, Width, markup, prose};
use crate::http::params::Path;
use crate::http::problem::{Entry, groups};
use crate::http::state::Documents;

/// The OpenAPI document of a server that is reached at `public_url`.
pub fn document(public_url: &str) -> Value {
    let mut api = skeleton(public_url);
    let (routes, _) = super::all().into_inner();
    let _ = routes.finish_api(&mut api);
    finished(api)
}

fn documents(public_url: &str) -> Documents {
    let openapi = document(public_url);
    Documents { reference: reference::page(&openapi), openapi: openapi.to_string().into() }
}

/// Adds the routes.
pub(super) fn add(routes: Routes) -> Routes {
    routes
        .public()
        .public_get(PublicRoute::Home, home, |op| {
            op.about("home", tags::OPERATION, "Where to look").description("Points to `/docs`.")
        })
        .public_get(PublicRoute::OpenApi, openapi, |op| {
            op.about("openApi", tags::OPERATION, "This API, for machines")
                .response_with::<200, Json<Map<String, Value>>, _>(|answer| {
                    answer.description("An OpenAPI document.")
                })
        })
        .public_get(PublicRoute::Docs, docs, |op| op.about("docs", tags::OPERATION, "This API, for people"))
        .public_get(PublicRoute::ErrorIndex, error_index, |op| {
            op.about("errorIndex", tags::OPERATION, "Every error code")
        })
        .public_get(PublicRoute::ErrorPage, error_page, |op| {
            op.about("errorPage", tags::OPERATION, "One error code: meaning, causes, remedy")
                .response_with::<404, Page, _>(|answer| answer.description("There is no such code: a page."))
        })
        .done()
}

/// What this server is.
#[derive(Debug, Serialize, JsonSchema)]
struct Home {
    /// Always `holdfast`.
    service: &'static str,
    /// The version that runs.
    version: &'static str,
    /// The API, for people.
    docs: String,
    /// The API, for machines.
    openapi: String,
}

async fn home(State(state): State<AppState>) -> Json<Home> {
    let base = &state.edge.public_url;
    Json(Home {
        service: "holdfast",
        version: env!("CARGO_PKG_VERSION"),
        docs: format!("{base}/docs"),
        openapi: format!("{base}/openapi.json"),
    })
}

async fn openapi(State(state): State<AppState>) -> ([(header::HeaderName, HeaderValue); 2], Bytes) {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, state.documents(documents).openapi.clone())
}

async fn docs(State(state): State<AppState>) -> Page {
    state.documents(documents).reference.clone()
}

async fn error_index() -> Page {
    let mut body = markup!(
        "<h1>Error codes</h1><p class=\"lead\">Every code that an answer of this server can carry. A 401 is only ever \
         about the caller's own credential: the first two groups.</p>"
    );
    for (title, codes) in groups() {
        markup!(
            body,
            "<h2>{}</h2><table><thead><tr><th>Code</th><th>Status</th><th>Means</th></tr></thead>",
            title
        );
        markup!(body, "<tbody>");
        for Entry { code, status, meaning, .. } in codes.into_iter().map(ProblemCode::entry) {
            markup!(body, r#"<tr><td><a href="errors/{}"><code>{}</code></a></td>"#, code, code);
            markup!(body, r#"<td class="status">{}</td><td>{}</td></tr>"#, status.as_u16(), prose(meaning));
        }
        markup!(body, "</tbody></table>");
    }
    Page::new("Error codes", Width::Wide, "../", &body).public()
}

#[derive(Debug, Deserialize, JsonSchema)]
struct ErrorPath {
    /// The code of a problem.
    code: String,
}

async fn error_page(Path(path): Path<ErrorPath>) -> Page {
    match ProblemCode::parse(&path.code) {
        Some(code) => page_of(code),
        None => no_such_code(),
    }
}

fn page_of(code: ProblemCode) -> Page {
    let entry = code.entry();
    let mut body = markup!(r#"<h1>{}</h1><p class="lead">{}</p>"#, entry.title, prose(entry.meaning));
    let (source, action) = (code.source().as_str(), entry.action.as_str());
    markup!(
        body,
        r#"<ul class="facts"><li>Code <code>{}</code></li><li>Status {}</li>"#,
        entry.code,
        entry.status
    );
    markup!(body, "<li>Source <code>{}</code></li><li>Action <code>{}</code></li></ul>", source, action);
    let remedy = prose(entry.remedy);
    markup!(body, r#"<div class="card remedy"><h2>How to fix it</h2><p>{}</p></div>"#, remedy);
    markup!(body, "<h2>What causes it</h2><ul>");
    for cause in entry.causes {
        markup!(body, "<li>{}</li>", prose(cause));
    }
    markup!(
        body,
        "</ul><p class=\"soft\">Every answer with this code carries a <code>request_id</code>; the server's log has the \
         full reasoning under it. <a href=\"../errors\">All codes</a></p>"
    );
    Page::new(entry.code, Width::Narrow, "../../", &body).public()
}

/// Does not repeat the code that was asked for: anybody can put any text into an address.
fn no_such_code() -> Page {
    const WHAT: &str = "This version of the server has no error with this code.";
    let mut body = markup!(r#"<h1>No such code</h1><p class="lead">{}</p>"#, WHAT);
    markup!(body, r#"<p><a href="../errors">All codes</a></p>"#);
    Page::new("No such code", Width::Narrow, "../../", &body).of_problem(RequestCode::NotFound, WHAT)
}
