//! Pages that the server renders itself: self-contained, without scripts, under a strict content
//! policy.

use std::fmt::{self, Display, Write};
use std::sync::LazyLock;

use aide::generate::GenContext;
use aide::openapi::{MediaType, Operation};
use aide::operation::OperationOutput;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::StatusCode;
use http::header::{self, HeaderValue};

use super::problem::{ProblemCode, RequestCode};
use crate::digest::sha256;

/// Appends a literal with values in its `{}` to a [`Markup`], or makes one of it. Values are
/// escaped, but for other markup; a literal cannot name variables of its own, which would not be.
macro_rules! markup {
    ($literal:literal $(, $value:expr)* $(,)?) => {{
        let mut made = $crate::http::pages::Markup::default();
        $crate::http::pages::markup!(made, $literal $(, $value)*);
        made
    }};
    ($body:expr, $literal:literal $(, $value:expr)* $(,)?) => {
        $body.append(format_args!(concat!($literal) $(, $crate::http::pages::Piece(&$value))*))
    };
}
pub(super) use markup;

const STYLE: &str = include_str!("../../../../web/docs.css");

/// The one style sheet stands in the page and is allowed by its hash: nothing else can be loaded or
/// run.
static CONTENT_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'none'"));
/// Where a form may be sent to the same listener.
static OPERATORS_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| policy("'self'"));

fn policy(form_action: &str) -> HeaderValue {
    let hash = STANDARD.encode(sha256(STYLE.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; form-action {form_action}; frame-ancestors 'none'"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// How wide the text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Width {
    /// For reading.
    Narrow,
    /// For reference tables.
    Wide,
}

/// A finished page.
#[derive(Debug, Clone)]
pub struct Page {
    status: StatusCode,
    cache: &'static str,
    policy: &'static LazyLock<HeaderValue>,
    /// Shared by all answers: who reads none of them must not have a copy kept for each.
    html: Bytes,
    /// What a page that says what went wrong is remembered and counted as.
    told: Option<(ProblemCode, &'static str)>,
}

/// Stands at the foot of a page that says what went wrong; the outermost layer, which knows the id,
/// fills it in.
const FOOT: &str = "</main></body></html>\n";

impl Page {
    /// A page whose `body` is markup made with [`Markup`]. Not to be cached, unless
    /// [`Page::public`] says otherwise. `root` leads from its address to the server's: a proxy may
    /// put a path before all of them (`HOLDFAST_PUBLIC_URL`).
    pub fn new(title: &str, width: Width, root: &'static str, body: &Markup) -> Self {
        let class = match width {
            Width::Narrow => "narrow",
            Width::Wide => "wide",
        };
        // Where developers go on from a page.
        let links = format!(
            "<a href=\"{root}docs\">API</a><a href=\"{root}docs/errors\">Errors</a>\
             <a href=\"{root}openapi.json\">OpenAPI</a>"
        );
        Self::built(title, class, &links, body)
    }

    /// A page for an app's user who was sent here by Instagram: without the links to the reference.
    pub fn for_people(title: &str, body: &Markup) -> Self {
        Self::built(title, "narrow", "", body)
    }

    /// Such a page that says what happened, and what to do.
    pub fn telling(title: &str, what: &str, remedy: &str) -> Self {
        let mut body = markup!(r#"<h1>{}</h1><p class="lead">{}</p>"#, title, what);
        markup!(body, r#"<div class="card remedy"><h2>What to do</h2><p>{}</p></div>"#, remedy);
        Self::for_people(title, &body)
    }

    /// A page of the metrics listener, which alone may ask it something: a form leads back to where
    /// it came from.
    pub(super) fn for_operators(title: &str, body: &Markup) -> Self {
        let links =
            "<a href=\"/\">Operation</a><a href=\"/runbook\">Runbook</a><a href=\"/metrics\">Metrics</a>";
        Self { policy: &OPERATORS_POLICY, ..Self::built(title, "wide", links, body) }
    }

    fn built(title: &str, class: &str, links: &str, body: &Markup) -> Self {
        let html = format!(
            "<!doctype html>\n<html lang=\"en\" class=\"{class}\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
             <meta name=\"robots\" content=\"noindex\"><title>{} · Holdfast</title><style>{STYLE}</style></head>\n\
             <body><header class=\"top\"><span class=\"brand\">Holdfast</span>{links}</header>\n\
             <main>{body}{FOOT}",
            Piece(&title),
            body = body.0,
        );
        let html = html.into();
        Self { status: StatusCode::OK, cache: "no-store", policy: &CONTENT_POLICY, html, told: None }
    }

    /// The same for everybody: may be kept for five minutes.
    #[must_use]
    pub fn public(mut self) -> Self {
        self.cache = "public, max-age=300";
        self
    }

    /// With another status than 200.
    #[must_use]
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A page that says what went wrong, in `detail`; `holdfast why` knows it by `code`.
    #[must_use]
    pub(super) fn of_problem(mut self, code: RequestCode, detail: &'static str) -> Self {
        let code = ProblemCode::Request(code);
        self.told = Some((code, detail));
        self.with_status(code.entry().status)
    }

    /// What it is remembered as, where it says what went wrong.
    pub(super) fn told(&self) -> Option<(ProblemCode, &'static str)> {
        self.told
    }
}

impl Page {
    /// The finished answer of a page that says what went wrong. `response` is what
    /// [`Page::into_response`] made, possibly with headers added since.
    pub(super) fn with_request_id(self, id: &str, mut response: Response) -> Response {
        let foot = markup!(r#"<p class="soft">Request id <code>{}</code></p>"#, id);
        let above = &self.html[..self.html.len() - FOOT.len()];
        response.headers_mut().remove(header::CONTENT_LENGTH);
        *response.body_mut() = [above, foot.0.as_bytes(), FOOT.as_bytes()].concat().into();
        response
    }

    fn finished(self) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
            (header::CONTENT_SECURITY_POLICY, HeaderValue::clone(self.policy)),
            (header::CACHE_CONTROL, HeaderValue::from_static(self.cache)),
        ];
        (self.status, headers, self.html).into_response()
    }
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        if !self.status.is_client_error() && !self.status.is_server_error() {
            return self.finished();
        }
        // Without a layer that fills in the id, as in a test of a handler alone, the page has none.
        let mut response = self.clone().finished();
        response.extensions_mut().insert(self);
        response
    }
}

impl OperationOutput for Page {
    type Inner = Self;

    fn operation_response(_: &mut GenContext, _: &mut Operation) -> Option<aide::openapi::Response> {
        Some(aide::openapi::Response {
            description: "A page for people.".to_owned(),
            content: [("text/html".to_owned(), MediaType::default())].into_iter().collect(),
            ..aide::openapi::Response::default()
        })
    }

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, aide::openapi::Response)> {
        Self::operation_response(ctx, operation).into_iter().map(|each| (Some(200), each)).collect()
    }
}

/// Markup under construction: see [`markup!`].
#[derive(Debug, Clone, Default)]
pub struct Markup(String);

impl Markup {
    /// For [`markup!`], which escapes what it passes on.
    pub(super) fn append(&mut self, pieces: fmt::Arguments<'_>) -> &mut Self {
        // Writing into a String does not fail.
        let _ = self.0.write_fmt(pieces);
        self
    }

    /// Appends other markup.
    pub fn push(&mut self, other: &Self) -> &mut Self {
        self.0.push_str(&other.0);
        self
    }
}

/// Text with `code` between back quotes.
pub fn prose(text: &str) -> Markup {
    let mut body = Markup::default();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 1 {
            markup!(body, "<code>{}</code>", part);
        } else {
            markup!(body, "{}", part);
        }
    }
    body
}

/// What may stand in markup.
pub(super) trait Shown {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;
}

impl<T: Display + ?Sized> Shown for T {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{self}")
    }
}

// Not `Display`, so that it is no text.
impl Shown for Markup {
    fn show(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value of [`markup!`].
pub(super) struct Piece<'a, T>(pub(super) &'a T);

impl<T: Shown> Display for Piece<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.show(f)
    }
}

/// Escapes for element content and for quoted attributes.
struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for each in text.chars() {
            match each {
                '&' => self.0.write_str("&amp;")?,
                '<' => self.0.write_str("&lt;")?,
                '>' => self.0.write_str("&gt;")?,
                '"' => self.0.write_str("&quot;")?,
                '\'' => self.0.write_str("&#39;")?,
                other => self.0.write_char(other)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_back_quotes_become_code() {
        let markup = markup!("{}{}", "<a href=\"x\">'&'</a>", prose("see `<b>`."));
        assert_eq!(
            markup.0,
            "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;see <code>&lt;b&gt;</code>."
        );
    }

    #[test]
    fn the_policy_allows_the_style_sheet_and_nothing_else() {
        let policy = CONTENT_POLICY.to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}
