//! The consent page: `GET /oauth/authorize` shows it, a POST to the same address decides.
//!
//! The form has the fields `account` (id or handle), `decision` (`approve` or `deny`) and, where
//! `ticks=shown`, one `granted` for each ticked scope; without `ticks` everything asked for is
//! granted. The answer is a redirect to `redirect_uri` with `code` and `state` (and Instagram's
//! stray `#_`), or with the error of a denial. What is wrong with the app's own request is shown
//! here and never reaches it, as at Instagram.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use http::{HeaderValue, Method, StatusCode, header};
use url::Url;
use url::form_urlencoded::Serializer;

use super::fault::{Endpoint, Fault};
use super::oauth::opaque;
use super::people::Person;
use super::reply::Reply;
use super::world::{BASIC, Call, SCOPES};
use super::{Shared, field, fields};
use crate::transport::Outgoing;

/// A person's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Everything is granted.
    Approve,
    /// Only these scopes are granted.
    ApproveOnly(Vec<String>),
    /// Nothing is.
    Deny,
}

/// The request that a browser makes when `account`'s owner decides on the page at `authorize_url`.
/// Its answer is a redirect.
pub fn decide(authorize_url: Url, account: &str, decision: &Decision) -> Outgoing {
    let mut form = Serializer::new(String::new());
    form.append_pair("account", account);
    match decision {
        Decision::Approve => {
            form.append_pair("decision", "approve");
        }
        Decision::ApproveOnly(granted) => {
            form.append_pair("decision", "approve").append_pair("ticks", "shown");
            form.extend_pairs(granted.iter().map(|scope| ("granted", scope)));
        }
        Decision::Deny => {
            form.append_pair("decision", "deny");
        }
    }
    let mut request = Outgoing::new(Method::POST, authorize_url);
    let urlencoded = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers.insert(header::CONTENT_TYPE, urlencoded);
    request.body = form.finish().into();
    request
}

/// What the app asks for, checked.
struct Asked {
    redirect_uri: Url,
    redirect_uri_as_sent: String,
    scopes: Vec<String>,
    state: Option<String>,
    force_reauth: bool,
    /// Whose account to choose beforehand: the demo knows who is signed in.
    login_hint: Option<String>,
}

/// Shows the page.
pub(super) async fn show(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Response {
    let query = fields(query.unwrap_or_default().as_bytes());
    let reply = match shared.asked(&query) {
        Ok(asked) => Reply::html(StatusCode::OK, page(&shared, &asked, None)),
        Err(problem) => problem_page(problem),
    };
    shared.log_authorize(None, None, reply.status.as_u16());
    locked_down(reply.into_response(shared.world().usage, None))
}

/// Decides.
pub(super) async fn submit(
    State(shared): State<Arc<Shared>>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let query = fields(query.unwrap_or_default().as_bytes());
    let form = fields(&body);
    let asked = match shared.asked(&query) {
        Ok(asked) => asked,
        Err(problem) => return locked_down(problem_page(problem).into_response(shared.world().usage, None)),
    };
    let person = shared.world().person(field(&form, "account")).cloned();
    let account = person.as_ref().map(|person| person.id.clone());
    let fault = shared.world().meet(Endpoint::Authorize, account.as_deref());
    let denied = field(&form, "decision") != "approve" || fault.is_some();
    let answer = match person {
        _ if denied => redirect(denial(&asked, fault != Some(Fault::DeniedWithoutState))),
        None => again(&shared, &asked, "Choose an account."),
        Some(person) if !person.is_eligible() => again(
            &shared,
            &asked,
            "This is a personal account. Only professional accounts can be connected to apps.",
        ),
        Some(person) => match shared.approve(&asked, person, &form) {
            Ok(url) => redirect(url),
            Err(crate::entropy::EntropyExhausted) => again(&shared, &asked, "Something went wrong."),
        },
    };
    shared.log_authorize(account, fault, answer.status().as_u16());
    answer
}

impl Shared {
    /// Checks the app's request as Instagram does; the problem is in Instagram's words.
    fn asked(&self, query: &[(String, String)]) -> Result<Asked, &'static str> {
        if field(query, "client_id") != self.options.app_id {
            return Err("Invalid platform app");
        }
        if field(query, "response_type") != "code" {
            return Err("Invalid response_type");
        }
        let redirect_uri_as_sent = field(query, "redirect_uri").to_owned();
        let redirect_uri = Url::parse(&redirect_uri_as_sent).map_err(|_| "Invalid redirect_uri")?;
        let registered = self.setup().redirect_uris.clone();
        let known = if registered.is_empty() {
            redirect_uri.host_str().is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "[::1]"))
        } else {
            registered.contains(&redirect_uri)
        };
        if !known {
            return Err("Invalid redirect_uri");
        }
        let scopes: Vec<String> = field(query, "scope")
            .split([',', ' '])
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect();
        if !scopes.iter().any(|scope| scope == BASIC)
            || !scopes.iter().all(|scope| SCOPES.contains(&scope.as_str()))
        {
            return Err("Invalid scope");
        }
        let state = query.iter().find(|(name, _)| name == "state").map(|(_, state)| state.clone());
        let force_reauth = matches!(field(query, "force_reauth"), "true" | "1");
        let login_hint = query.iter().find(|(name, _)| name == "login_hint").map(|(_, hint)| hint.clone());
        Ok(Asked { redirect_uri, redirect_uri_as_sent, scopes, state, force_reauth, login_hint })
    }

    fn approve(
        &self,
        asked: &Asked,
        person: Person,
        form: &[(String, String)],
    ) -> Result<Url, crate::entropy::EntropyExhausted> {
        let ticked = |scope: &&String| {
            field(form, "ticks") != "shown"
                || form.iter().any(|(name, value)| name == "granted" && value == *scope)
        };
        let granted = asked.scopes.iter().filter(ticked).cloned().collect();
        let code = opaque(self.entropy.as_ref(), "AQ", 196)?;
        let now = self.clock.now();
        self.world().keep_code(code.clone(), person, granted, asked.redirect_uri_as_sent.clone(), now);
        let mut url = asked.redirect_uri.clone();
        url.query_pairs_mut().append_pair("code", &code);
        with_state(&mut url, asked);
        url.set_fragment(Some("_"));
        Ok(url)
    }

    fn log_authorize(&self, account: Option<String>, fault: Option<Fault>, status: u16) {
        let at = self.clock.now().to_string();
        self.world().log(Call { at, endpoint: Endpoint::Authorize, account, fault, status: Some(status) });
    }
}

fn denial(asked: &Asked, keeps_state: bool) -> Url {
    let mut url = asked.redirect_uri.clone();
    url.query_pairs_mut()
        .append_pair("error", "access_denied")
        .append_pair("error_reason", "user_denied")
        .append_pair("error_description", "The user denied your request");
    if keeps_state {
        with_state(&mut url, asked);
    }
    url
}

fn with_state(url: &mut Url, asked: &Asked) {
    if let Some(state) = &asked.state {
        url.query_pairs_mut().append_pair("state", state);
    }
}

fn redirect(url: Url) -> Response {
    let mut response = Response::default();
    *response.status_mut() = StatusCode::FOUND;
    // A parsed URL is ASCII, so this holds.
    if let Ok(location) = HeaderValue::try_from(String::from(url)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn again(shared: &Shared, asked: &Asked, problem: &str) -> Response {
    let reply = Reply::html(StatusCode::UNPROCESSABLE_ENTITY, page(shared, asked, Some(problem)));
    let usage = shared.world().usage;
    locked_down(reply.into_response(usage, None))
}

/// Nothing but the page's own style is loaded, and nobody frames it.
fn locked_down(mut response: Response) -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn problem_page(problem: &str) -> Reply {
    let body = format!(
        "<h1>Sorry, this page isn't available.</h1><p class=\"problem\" role=\"alert\">{}</p>\
         <p>The app's request is at fault; nothing is sent back to the app.</p>",
        escaped(problem)
    );
    Reply::html(StatusCode::BAD_REQUEST, document("Error", &body))
}

fn page(shared: &Shared, asked: &Asked, problem: Option<&str>) -> String {
    let mut body = format!(
        "<h1>Allow this app to use an Instagram account?</h1><p>The app <strong>{}</strong> at <strong>{}</strong> asks for access.{}</p>",
        escaped(&shared.options.app_name),
        escaped(&asked.redirect_uri.origin().ascii_serialization()),
        if asked.force_reauth {
            " It asked Instagram to have you log in again; here, choosing an account is all it takes."
        } else {
            ""
        }
    );
    if let Some(problem) = problem {
        // Writing to a string cannot fail.
        let _ = write!(body, "<p class=\"problem\" role=\"alert\">{}</p>", escaped(problem));
    }
    body += "<form method=\"post\"><input type=\"hidden\" name=\"ticks\" value=\"shown\"><fieldset><legend>Account</legend>";
    let people = shared.world().people.clone();
    let hinted =
        asked.login_hint.as_deref().and_then(|hint| people.iter().position(|person| person.is(hint)));
    for (at, person) in people.iter().enumerate() {
        let kind = match person.account_type.as_str() {
            "BUSINESS" => "Business account",
            "MEDIA_CREATOR" => "Creator account",
            _ => "Personal account, cannot be connected",
        };
        let _ = write!(
            body,
            "<label><input type=\"radio\" name=\"account\" value=\"{id}\" required{checked}><span>{username}<small>{name} · {kind}</small></span></label>",
            id = escaped(&person.id),
            username = escaped(&person.username),
            name = escaped(&person.name),
            checked = if at == hinted.unwrap_or_default() { " checked" } else { "" },
        );
    }
    body += "</fieldset><fieldset><legend>What the app may do</legend>";
    for scope in &asked.scopes {
        let (name, label) = (escaped(scope), escaped(scope_label(scope)));
        let _ = if scope == BASIC {
            write!(
                body,
                "<input type=\"hidden\" name=\"granted\" value=\"{name}\"><label><input type=\"checkbox\" checked disabled><span>{label}<small>{name} · always needed</small></span></label>"
            )
        } else {
            write!(
                body,
                "<label><input type=\"checkbox\" name=\"granted\" value=\"{name}\" checked><span>{label}<small>{name}</small></span></label>"
            )
        };
    }
    body += "</fieldset><div class=\"buttons\"><button class=\"primary\" name=\"decision\" value=\"approve\">Approve</button><button name=\"decision\" value=\"deny\" formnovalidate>Deny</button></div></form>";
    document("Allow access", &body)
}

fn scope_label(scope: &str) -> &'static str {
    match scope {
        "instagram_business_basic" => "See the profile and posts",
        "instagram_business_content_publish" => "Publish posts",
        "instagram_business_manage_messages" => "Read and answer messages",
        "instagram_business_manage_comments" => "Read and answer comments",
        "instagram_business_manage_insights" => "See insights",
        _ => "Something else",
    }
}

fn document(title: &str, body: &str) -> String {
    const CSS: &str = include_str!("consent.css");
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · stand-in, not Instagram</title><style>{CSS}</style></head>\
         <body><header class=\"banner\">This is a stand-in, not Instagram.</header><main>{body}</main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
